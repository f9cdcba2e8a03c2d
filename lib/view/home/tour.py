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
    """A card for each page."""
    icons = {page: icon for page, _, icon in page_frame.PAGES}
    for column, (page, title, about) in zip(st.columns(len(STOPS)), STOPS, strict=True):
        with column.container(border=True, height="stretch"):
            st.page_link(page, label=f"**{title}**", icon=icons[page], query_params=url_state.link_to(page))
            st.caption(about)
