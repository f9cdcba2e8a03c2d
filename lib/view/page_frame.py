"""The frame of every page: configuration, navigation, the line with the origin of its numbers, empty states, errors."""

from __future__ import annotations

import contextlib
import html
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NoReturn

import streamlit as st

from lib.embed import spaces
from lib.errors import PetalscopeError
from lib.prepare.workspace import Workspace
from lib.settings import ASSETS, LayoutChoice
from lib.text import counted
from lib.view import auth, background_jobs, cached, ended_sessions, layout_form, remedies, selection, url_state
from lib.view.components import home_link
from lib.view.formatting import plain
from lib.view.photo_tiles import show_photos

PAGES = (
    (url_state.HOME, "Home", ":material/home:"),
    (url_state.TRAINING, "Training regimes", ":material/model_training:"),
    (url_state.MAP, "Embedding map", ":material/scatter_plot:"),
    (url_state.RETRIEVAL, "Retrieval", ":material/image_search:"),
    (url_state.MILVUS, "Milvus collection", ":material/database:"),
)
_HOME_LINK = "home_link"
PREPARE = "Prepare the photos"
NOT_IN_DATA_SET = "The linked photo is not in this data set; choose another one."
# The version of the workspace that this session's page shows, in the session's state.
_SHOWN_VERSION = "drawn_of"


def begin(title: str, lead: str) -> None:
    """Call first on every page: page settings, login, navigation, heading, and one line on what the page shows."""
    page_title = title if title == "Petalscope" else f"{title} · Petalscope"
    st.set_page_config(page_title=page_title, page_icon=str(ASSETS / "icon.png"), layout="wide")
    st.html(f"<style>{_css()}{_colour_scheme()}</style>")
    ended_sessions.follow()
    auth.guard()
    errors = url_state.read_address(next((page for page, label, _ in PAGES if label == title), url_state.HOME))
    with st.sidebar:
        st.markdown("### :material/local_florist: Petalscope")
        st.caption("Explore image embeddings")
        for page, label, symbol in PAGES:
            with st.container(key=_HOME_LINK) if page == url_state.HOME else contextlib.nullcontext():
                st.page_link(page, label=label, icon=symbol, query_params=url_state.link_to(page))
        home_link.complete(_HOME_LINK)
        auth.account()
    st.title(title)
    st.html(f'<p class="ps-lead">{html.escape(lead)}</p>')
    for sentence in errors:
        st.error(plain(sentence), icon=":material/error:")


@cache
def _css() -> str:
    return Path(__file__).with_suffix(".css").read_text(encoding="utf-8")


def _colour_scheme() -> str:
    """The theme for menus and popovers, which hang beside the app and would be light otherwise."""
    theme = st.context.theme.type
    return f":root {{ color-scheme: {theme}; }}" if theme in {"light", "dark"} else ""


# --- prepared photos, or how to get them -----------------------------------------------------------------------------


def workspace(*, show_query: bool = True) -> Workspace:
    """The prepared photos; without any, the page ends with the reason and a button that prepares them.

    `show_query` draws the query photo in the sidebar; a page that shows the query itself leaves it out.
    """
    try:
        workspace = cached.open_workspace()
        cached.catalog(workspace)
    except PetalscopeError as error:
        nothing_ready(remedies.sentence(error))
    st.session_state[_SHOWN_VERSION] = workspace.version
    _show_query_in_sidebar(workspace, show_query)
    return workspace


def nothing_ready(reason: str) -> NoReturn:
    """The empty state of a page that needs prepared photos; ends the page."""
    if background_jobs.jobs().job.running:
        st.subheader("Preparing the photos")
        background_jobs.follow()
        st.stop()
    st.info(plain(reason), icon=":material/hourglass_empty:")
    prepare_button()
    st.stop()


def prepare_button(label: str = PREPARE) -> None:
    """A button that runs `prepare` in the background, and its live progress while it runs."""
    if background_jobs.follow_or_show_error():
        return
    choice = layout_form.show()
    if st.button(label, type="primary", icon=":material/play_arrow:", key="prepare", disabled=choice is None):
        settings = replace(cached.current_settings(), layout=choice or LayoutChoice())
        if not background_jobs.start_prepare(settings, cached.release_store):
            st.toast("Another session has just started the same job.")
        st.rerun()
    st.caption("The same as `python -m lib prepare`: catalog, vectors, maps and Milvus collections.")


def _show_query_in_sidebar(workspace: Workspace, show_query: bool) -> None:
    image_id = selection.query_id()
    if image_id is None:
        return
    with st.sidebar:
        if cached.catalog(workspace).row(image_id) is None:
            st.warning(NOT_IN_DATA_SET, icon=":material/broken_image:")
        elif show_query:
            st.caption("Query photo, shared by all pages")
            show_photos(workspace, [image_id], key="sidebar_query", title="Query photo", tile=120)


def origin(workspace: Workspace, space: str | None = None, **facts: object) -> None:
    """The line with the origin of a page's numbers: data, weights, parameters."""
    dataset = workspace.state["dataset"]
    images = counted(dataset["images"], "image")
    chips = {"Data": f"{dataset['name']}, {images}, fingerprint {str(dataset['fingerprint'])[:8]}"}
    if space is not None:
        weights = workspace.space(space)["weights"]
        chips["Space"] = f"{spaces.get(space).title}, {spaces.get(space).dim:,}-d"
        chips["Weights"] = str(weights["about"]) if weights else "none (raw pixels)"
        if workspace.space(space).get("precision") == "bf16":
            chips["Weights"] += ", computed in bfloat16"
    chips |= {name.replace("_", " "): str(value) for name, value in facts.items()}
    spans = "".join(f"<span><b>{html.escape(name)}</b>{html.escape(value)}</span>" for name, value in chips.items())
    st.html(f'<div class="ps-origin">{spans}</div>')
    if dataset["note"]:
        st.caption(f":material/info: {dataset['note']}")


# --- errors ----------------------------------------------------------------------------------------------------------


def show_error(error: PetalscopeError) -> None:
    """A box with the error and its remedy."""
    st.error(plain(remedies.sentence(error)), icon=":material/error:")


def restart_if_outdated() -> None:
    """Start the page anew if the photos were prepared anew since it began: what it reads of the old ones may be gone.

    At most once for each state, also on a page that fails before it comes to the photos.
    """
    shown = st.session_state.get(_SHOWN_VERSION)
    try:
        current = cached.open_workspace().version
    except PetalscopeError:
        return
    st.session_state[_SHOWN_VERSION] = current
    if shown is not None and current != shown:
        st.rerun()


def restart_or_show_error(error: PetalscopeError) -> None:
    """For an error that an outdated page may cause: start the page anew if it is outdated, else show the error."""
    restart_if_outdated()
    show_error(error)
