"""Milvus collection: what the store holds, its schema, both row counts, index parameters, rows and a search."""

import streamlit as st

from lib.errors import PetalscopeError
from lib.view import inspector, ui

ui.begin(
    "Milvus collection",
    "What the vector database holds: collections, fields, both row counts, and every index parameter with its source.",
)
opened = ui.workspace()
ui.origin(opened)
try:
    document = inspector.overview()
    if not document["collections"]:
        st.info("This store holds no collection yet.")
        ui.prepare_button()
        st.stop()
    inspector.table(document)
    entry = inspector.choose(document, opened)
    schema, index, rows, search = st.tabs(["Schema", "Indexes", "Rows", "Search"])
    with schema:
        inspector.schema(entry)
    with index:
        inspector.indexes(entry)
    with rows:
        if not inspector.not_loaded(entry):
            inspector.rows(entry, opened)
    with search:
        if entry["load_state"] == "Loaded":
            inspector.search(entry, opened)
        else:
            st.caption("Load the collection first (tab Rows).")
except PetalscopeError as error:
    ui.failed(error)
