"""Milvus collection: what a vector database holds, Lite file, server or cloud, and how well it finds things."""

import streamlit as st

from lib.errors import PetalscopeError
from lib.view import inspector, ui

ui.begin(
    "Milvus collection",
    "Open any Milvus: collections, schema, true counts, every index parameter with its source, rows, and searches.",
)
try:
    here = inspector.place()
    if here.opened is not None and here.is_own:
        ui.origin(here.opened)
    inspector.show(here)
except PetalscopeError as error:
    ui.failed(error)
    st.caption("Other connections are under *Connect* above; *Ask again* tries once more.")
