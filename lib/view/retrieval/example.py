"""The query photo of the retrieval page: the one in the address, else an example that the address does not name."""

from __future__ import annotations

import contextlib

import streamlit as st

from lib.errors import PetalscopeError
from lib.measure import example_query
from lib.measure.example_query import ExampleQuery
from lib.prepare.workspace import Workspace
from lib.view import cached, page_controls, selection
from lib.view.retrieval import measurements

K = 10


def row_and_note(workspace: Workspace) -> tuple[int | None, str]:
    """The catalog row of the query photo, and how an example was drawn ("" for the user's own choice)."""
    photos = cached.catalog(workspace)
    query_id = selection.query_id()
    row = photos.row(query_id) if query_id else None
    if row is not None:
        return row, ""
    drawn = _example(workspace)
    return (None, "") if drawn is None else (drawn.row, f"Example query: {drawn.about}")


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs=cached.KEYS)
def _example(workspace: Workspace) -> ExampleQuery | None:
    measured = None
    if workspace.spaces:
        with contextlib.suppress(PetalscopeError):  # missing neighbours are reported where they are shown
            measured = measurements.disagreements(workspace, page_controls.default_space(workspace), K)
    return example_query.draw(cached.catalog(workspace).frame["split"].to_numpy(), measured)
