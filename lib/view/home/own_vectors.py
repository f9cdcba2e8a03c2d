"""Home: vectors that another program computed, uploaded as a space of the photos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from lib.data import vector_files
from lib.prepare.imports import Source
from lib.prepare.workspace import Workspace
from lib.progress import Reporter
from lib.view import inputs, space_imports

TITLE, ADD = "Add a space of your own vectors", "Add the space"
FILE, IDS, TEXTS = "Vectors, a row for each photo", "Ids, where the vectors have none", "Texts with vectors"
VECTOR_COLUMN, ID_COLUMN = "Column of the vectors", "Column of the ids"
ABOUT = (
    "A column or a file of ids names the photos by path, base name or hash; without ids, rows stand in the catalog's "
    "order. At most 50 MB here; `python -m lib add-space NAME FILE` takes larger files, and "
    "`python -m lib remove-space NAME` removes the space."
)


def show(workspace: Workspace) -> None:
    """The form, the progress of its job, and what was found in the file."""
    del workspace  # the form is for prepared photos only
    with st.expander(TITLE, icon=":material/upload_file:", expanded=space_imports.has_news()):
        if space_imports.follow(has_status=True):
            return
        file = st.file_uploader(FILE, type=list(vector_files.ENDINGS), key="own_vectors")
        left, right = st.columns(2)
        with left:
            ids = st.file_uploader(IDS, type=["txt", "csv", "json", "npy"], key="own_vector_ids")
            name = space_imports.name_field("own_vector_name")
        with right:
            texts = st.file_uploader(TEXTS, type=list(vector_files.ENDINGS), key="own_vector_texts")
            columns = st.columns(2)
            vectors = inputs.line(VECTOR_COLUMN, where=columns[0], key="own_vector_column").strip()
            id_column = inputs.line(ID_COLUMN, where=columns[1], key="own_vector_id_column").strip()
        st.caption(ABOUT)
        if not st.button(ADD, type="primary", icon=":material/add:", disabled=file is None or not name):
            return

        def source_in(folder: Path, reporter: Reporter) -> Source:
            del reporter
            ids_file = _saved(folder, "ids", ids)
            return Source(
                _saved(folder, "vectors", file) or folder,
                title=str(getattr(file, "name", "")),
                vectors=vectors,
                ids=id_column if ids_file is None else str(ids_file),
                texts=_saved(folder, "texts", texts),
            )

        space_imports.start(name, source_in)


def _saved(folder: Path, name: str, upload: Any) -> Path | None:
    """An upload as a file in `folder`, with its own ending; None without one."""
    if upload is None:
        return None
    path = folder / f"{name}{Path(str(upload.name)).suffix.lower()}"
    path.write_bytes(upload.getvalue())
    return path
