"""Home: links to the other pages, each with what can be done there."""

from __future__ import annotations

import streamlit as st

from lib.view import page_frame, url_state

STOPS = (
    (url_state.MAP, "See the map", "Each photo is a point. Click one or draw a lasso; lines lead to true neighbours."),
    (url_state.RETRIEVAL, "Search with a photo", "One query under five metrics: L1 against cosine, pixels against "
     "features."),
    (url_state.MILVUS, "Open the database", "Collections, schema, row counts, and every index parameter with its "
     "source."),
    (url_state.TRAINING, "Follow the training", "Four ways to train ResNet18: what each one freezes, and how accurate "
     "it is."),
)  # fmt: skip


def show() -> None:
    """A link for each page, in one row."""
    icons = {page: icon for page, _, icon in page_frame.PAGES}
    with st.container(horizontal=True, gap="small", key="tour"):
        for page, title, about in STOPS:
            st.page_link(
                page, label=title, icon=icons[page], help=about, query_params=url_state.link_to(page), width="content"
            )
