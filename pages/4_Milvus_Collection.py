"""Milvus collection: what a vector database holds (Lite file, server or cloud) and how well it retrieves."""

import streamlit as st

from lib.errors import PetalscopeError
from lib.view import page_frame
from lib.view.milvus import page

page_frame.begin(
    "Milvus collection",
    "Open any Milvus: collections, schema, true counts, every index parameter with its source, rows, and searches.",
)
try:
    context = page.choose()
    if context.workspace is not None and context.is_own:
        page_frame.origin(context.workspace)
    page.show(context)
except PetalscopeError as error:
    page_frame.restart_or_show_error(error)
    st.caption(page.RETRY)
