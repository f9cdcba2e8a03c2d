"""Saved views in the bar: this page as it is now gets a name, and each name is a link that restores its view."""

from __future__ import annotations

import streamlit as st

from lib.data import saved_views
from lib.data.saved_views import SavedView
from lib.errors import PetalscopeError
from lib.prepare.workspace import Workspace
from lib.view import inputs, remedies, toasts, url_state
from lib.view.formatting import plain

LABEL, NAME, SAVE, DELETE = "Saved views", "Name of this view", "Save this view", "Delete the view"


def show(workspace: Workspace) -> None:
    """The menu: a field that saves the view of now, and the saved ones, by name."""
    with st.popover("", icon=":material/bookmarks:", help=LABEL):
        st.markdown(f"**{LABEL}**")
        _save(workspace)
        try:
            views = saved_views.read(workspace.folder)
        except PetalscopeError as error:
            st.error(plain(remedies.sentence(error)), icon=":material/error:")
            return
        for place, (name, view) in enumerate(views.items()):
            _show_view(workspace, place, name, view)


def current() -> SavedView:
    """The page as it is now: what its address has of its own parameters."""
    page = url_state.open_page()
    found = {name: url_state.parameters(name) for name in url_state.NAMES[page]}
    return SavedView(page, {name: values for name, values in found.items() if values})


def _save(workspace: Workspace) -> None:
    with st.form("view_form", border=False, clear_on_submit=True):
        name = inputs.line_or_none(NAME, placeholder="roses among tulips")
        saved = st.form_submit_button(SAVE, icon=":material/bookmark_add:")
    if not saved or name is None:
        return
    try:
        kept = saved_views.put(workspace.folder, name, current())
    except PetalscopeError as error:
        st.error(plain(remedies.sentence(error)), icon=":material/error:")
    else:
        st.toast(plain(f"Saved as “{kept}”."), icon=":material/bookmark_added:")


def _show_view(workspace: Workspace, place: int, name: str, view: SavedView) -> None:
    """A view as a link, and a button that deletes it; of another version's page or parameter nothing is left."""
    names = url_state.NAMES.get(view.page)
    if names is None:
        return
    choices = {key: list(values) for key, values in view.choices.items() if key in names and values}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if view.page == url_state.open_page():
            # A link to the page itself would show the view without writing it into the browser's address.
            st.button(
                plain(name), key=f"view_{place}", icon=":material/bookmark:", type="tertiary", on_click=_restore,
                args=(names, choices),
            )  # fmt: skip
        else:
            st.page_link(view.page, label=plain(name), icon=":material/bookmark:", query_params=choices)
        st.button(
            "",
            key=f"unview_{place}",
            icon=":material/delete:",
            type="tertiary",
            help=DELETE,
            on_click=_delete,
            args=(workspace, name),
        )


def _restore(names: tuple[str, ...], choices: dict[str, list[str]]) -> None:
    url_state.write(**{**dict.fromkeys(names, None), **choices})


def _delete(workspace: Workspace, name: str) -> None:
    with toasts.errors():
        saved_views.delete(workspace.folder, name)
