"""Milvus page: the prompt that takes the place of rows while a collection is not loaded."""

from __future__ import annotations

import streamlit as st

from lib.errors import StoreError
from lib.store import collections
from lib.view import cached_milvus, page_frame
from lib.view.cached_milvus import MilvusContext

LOAD = "Load it"
NOT_LOADED = (
    "This collection is not loaded, so its rows cannot be read or searched. Loading takes memory and changes nothing "
    "else."
)


def show(context: MilvusContext) -> bool:
    """Offer to load a collection that is not loaded. Returns whether the prompt was drawn: no row can be read then."""
    outline = context.read_outline()
    if outline["load_state"] == "Loaded":
        return False
    st.info(NOT_LOADED)
    if st.button(LOAD, icon=":material/memory:", type="primary"):
        try:
            with st.spinner("Loading"):
                collections.ensure_loaded(context.open_store(), outline["name"])
        except StoreError as error:
            page_frame.restart_or_show_error(error)
            return True
        cached_milvus.refresh()
        st.rerun()
    return True
