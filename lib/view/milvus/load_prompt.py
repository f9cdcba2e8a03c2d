"""Milvus page: what stands where a collection is not loaded."""

from __future__ import annotations

import streamlit as st

from lib.errors import StoreError
from lib.store import collections
from lib.view import cached_milvus, page_frame
from lib.view.cached_milvus import MilvusContext


def not_loaded(here: MilvusContext) -> bool:
    """Whether rows cannot be read yet; offers to load the collection, which changes nothing in it."""
    entry = here.outline
    if entry["load_state"] == "Loaded":
        return False
    st.info(
        "This collection is not loaded, so its rows cannot be read or searched. Loading takes memory and changes "
        "nothing else."
    )
    if st.button("Load it", icon=":material/memory:", type="primary"):
        try:
            with st.spinner("Loading"):
                collections.ensure_loaded(here.store, entry["name"])
        except StoreError as error:
            page_frame.failed(error)
            return True
        cached_milvus.refresh()
        st.rerun()
    return True
