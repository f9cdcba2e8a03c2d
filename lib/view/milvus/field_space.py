"""Milvus page, As a space: the vectors of a collection's field become a space of the prepared photos."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from lib.prepare import imports
from lib.prepare.imports import Source
from lib.progress import Reporter
from lib.store import collections, field_vectors
from lib.view import space_imports
from lib.view.cached_milvus import MilvusContext
from lib.view.milvus import load_prompt

USE = "Use this field as a space"
ABOUT = (
    "Each photo gets the vector of the row whose ID is its path, base name or hash: maps, the five metrics, scores and "
    "clusters then work on it. The collection stays as it is; the space is a copy of its vectors."
)
NO_PHOTOS = "Prepare some photos first: a space needs photos that its vectors belong to."
NO_FIELD = "This collection has no field of float vectors."


def show(context: MilvusContext) -> None:
    """The form, and the progress of its job."""
    if context.workspace is None:
        st.info(NO_PHOTOS, icon=":material/info:")
        return
    if space_imports.follow() or load_prompt.show(context):
        return
    entry = context.read_entry()
    fields, ids = field_vectors.dense_fields(entry), field_vectors.id_fields(entry)
    if not fields:
        st.info(NO_FIELD, icon=":material/info:")
        return
    if space := collections.space_of(entry):
        st.caption(f"These are the vectors of the space {space}.")
    columns = st.columns(3, vertical_alignment="bottom")
    field = str(columns[0].selectbox("Field", list(fields), format_func=lambda each: f"{each} ({fields[each]:,})"))
    id_field = str(columns[1].selectbox("IDs from", ids))
    with columns[2]:
        name = space_imports.name_field("field_space_name")
    st.caption(ABOUT)
    if st.button(USE, type="primary", icon=":material/add:", disabled=not name):
        store, collection = context.open_store(), str(context.name)

        def source_in(folder: Path, reporter: Reporter) -> Source:
            progress = reporter.stage(f"read {collection}")
            return imports.collection_source(store, collection, field, folder, id_field=id_field, progress=progress)

        space_imports.start(name, source_in)
