"""Milvus page: what stands where a collection is not loaded."""

from __future__ import annotations

import streamlit as st

from lib.errors import StoreError
from lib.store import milvus
from lib.view import asked, ui
from lib.view.asked import Here


def not_loaded(here: Here) -> bool:
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
                milvus.ensure_loaded(here.store, entry["name"])
        except StoreError as error:
            ui.failed(error)
            return True
        asked.refresh()
        st.rerun()
    return True
