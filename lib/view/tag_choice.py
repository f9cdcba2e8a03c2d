"""Tags on pages: which there are, naming the selection, and the column that exports get."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lib.data import tags
from lib.data.tags import Tags
from lib.errors import PetalscopeError
from lib.prepare.workspace import Workspace
from lib.view import cached, inputs, page_frame, remedies, selection, toasts
from lib.view.formatting import plain

NAME, SAVE, DELETE = "Name of this selection", "Save as a tag", "Delete the tag"


def read(workspace: Workspace) -> Tags:
    """The tags as they are now: another session may have added some; none, with an error, where they are damaged."""
    try:
        return tags.read(workspace.folder)
    except PetalscopeError as error:
        page_frame.show_error(error)
        return Tags()


def name_selection(workspace: Workspace, rows: Sequence[int]) -> None:
    """A field that gives the selected rows a name; a name that exists already gets these photos instead."""
    photos = cached.catalog(workspace)
    with (
        st.form("tag_form", border=False, clear_on_submit=True),
        st.container(horizontal=True, vertical_alignment="bottom", gap="small"),
    ):
        name = inputs.line_or_none(NAME, placeholder="blurred roses")
        saved = st.form_submit_button(SAVE, icon=":material/label:")
    if not saved or name is None:
        return
    try:
        kept = tags.put(workspace.folder, name, {photos.hashes[row] for row in rows})
    except PetalscopeError as error:
        st.error(plain(remedies.sentence(error)), icon=":material/error:")
    else:
        st.toast(plain(f"Saved as “{tags.checked(name)}”; {len(kept.pictures):,} in all."), icon=":material/label:")


def choose(workspace: Workspace) -> None:
    """Every tag as a button that selects its photos, and one that deletes a tag; nothing without tags."""
    known, photos = read(workspace), cached.catalog(workspace)
    if not known.pictures:
        return
    st.markdown("**Tags**")
    for place, name in enumerate(known.names):
        rows = known.rows(name, photos)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.button(
                f"{plain(name)} · {len(rows):,}",
                key=f"tag_{place}",
                icon=":material/label:",
                disabled=not rows,
                on_click=selection.select_rows,
                args=(rows, len(photos.ids), photos.contents),
            )
            st.button(
                "",
                key=f"untag_{place}",
                icon=":material/delete:",
                type="tertiary",
                help=DELETE,
                on_click=_delete,
                args=(workspace, name),
            )


def _delete(workspace: Workspace, name: str) -> None:
    with toasts.errors():
        tags.delete(workspace.folder, name)


def column(workspace: Workspace, ids: Sequence[str]) -> list[str]:
    """The tags of each photo as one text, for a table that is exported; "" for a photo without any."""
    known, photos = read(workspace), cached.catalog(workspace)
    hashes = [None if (row := photos.row(image_id)) is None else photos.hashes[row] for image_id in ids]
    return ["" if sha256 is None else "; ".join(known.of(sha256)) for sha256 in hashes]
