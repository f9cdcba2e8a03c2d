"""Home: what the measurements say, the data set its quality, what is ready, and its photos."""

from __future__ import annotations

import streamlit as st

from lib.view import cached, page_frame
from lib.view.home import (
    audit,
    glance,
    label_sample,
    labels,
    network_input,
    own_vectors,
    photos,
    status,
    tour,
    verdicts,
)

LEAD = "Explore image embeddings: which photos does your model consider similar, and why?"


def show() -> None:
    """The page, from top to bottom."""
    page_frame.begin("Petalscope", LEAD)
    workspace = page_frame.workspace()
    page_frame.origin(workspace, "resnet18" if "resnet18" in workspace.spaces else None)

    place = st.empty()
    verdicts.show(workspace)
    with place:  # only now, since the heading has the lead until it has a verdict
        glance.counts(workspace, LEAD)
    tour.show()

    left, right = st.container(key="split").columns(2, gap="large")
    with left:
        st.header("Data quality", divider="gray")
        audit.show(workspace)
        st.header("Labels", divider="gray", anchor="labels")
        if cached.catalog(workspace).classes:
            labels.show(workspace)
        else:
            label_sample.show(workspace)
    with right:
        st.header("Status", divider="gray")
        status.show(workspace)
        own_vectors.show(workspace)

    st.header("Photos", divider="gray")
    glance.classes(workspace)
    photos.show(workspace)
    network_input.show(workspace)
