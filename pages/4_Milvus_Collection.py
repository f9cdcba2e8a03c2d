"""Milvus collection: what a vector database holds, Lite file, server or cloud, and how well it finds things."""

import streamlit as st

from lib.errors import PetalscopeError
from lib.view import page_frame
from lib.view.milvus import page

page_frame.begin(
    "Milvus collection",
    "Open any Milvus: collections, schema, true counts, every index parameter with its source, rows, and searches.",
)
try:
    here = page.place()
    if here.opened is not None and here.is_own:
        page_frame.origin(here.opened)
    page.show(here)
except PetalscopeError as error:
    page_frame.failed(error)
    st.caption("Other connections are under *Connect* above; *Ask again* tries once more.")
