"""The frame of every page: its settings, the bar with the navigation, its heading, empty states, and errors.

The bar holds the links to the pages, the query photo, the provenance of the page's numbers, and the account. The
heading has the page's verdict beside it, or what the page shows until there is one.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NoReturn

import streamlit as st

from lib.data import label_overlay
from lib.embed import spaces
from lib.errors import PetalscopeError
from lib.prepare.workspace import Workspace
from lib.settings import ASSETS, VERSION, LayoutChoice
from lib.text import counted
from lib.view import (
    auth,
    background_jobs,
    cached,
    ended_sessions,
    layout_form,
    provenance,
    remedies,
    saved_views,
    selection,
    url_state,
    verdict,
)
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
# The places of the query photo, the label review and the saved views in the bar, in the session's state.
_QUERY_PLACE, _REVIEW_PLACE, _VIEWS_PLACE = "query_place", "review_place", "views_place"
PREPARE = "Prepare the photos"
NOT_IN_DATA_SET = "The linked photo is not in this data set; choose another one."
# The version of the workspace that this session's page shows, in the session's state.
_SHOWN_VERSION = "drawn_of"


def begin(title: str, lead: str) -> None:
    """Call first on every page: page settings, login, the bar, the heading, and `lead`, which says what a page shows.

    A verdict (`verdict.show`) takes the place of `lead`, which then stands only with the provenance.
    """
    page_title = title if title == "Petalscope" else f"{title} · Petalscope"
    st.set_page_config(page_title=page_title, page_icon=str(ASSETS / "icon.png"), layout="wide")
    st.html(f"<style>{_css()}{_colour_scheme()}</style>")
    ended_sessions.follow()
    auth.guard()
    errors = url_state.read_address(next((page for page, label, _ in PAGES if label == title), url_state.HOME))
    with st.container(key="topbar", horizontal=True, vertical_alignment="center", gap="small"):
        for page, label, symbol in PAGES:
            with st.container(key=_HOME_LINK, width="content") if page == url_state.HOME else contextlib.nullcontext():
                st.page_link(page, label=label, icon=symbol, query_params=url_state.link_to(page), width="content")
        st.space("stretch")
        with st.container(key="topbar_review", width="content"):
            st.session_state[_REVIEW_PLACE] = st.empty()
        # The page fills this once it has read its photos.
        st.session_state[_QUERY_PLACE] = st.container(key="topbar_query", width="content")
        st.session_state[_VIEWS_PLACE] = st.container(key="topbar_views", width="content")
        provenance.begin(lead)
        auth.account()
        with st.container(width=1, gap=None):  # they show nothing, and would take half of the bar
            home_link.complete(_HOME_LINK)
            provenance.begin_figures()
    verdict.begin(title, lead)
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

    `show_query` puts the query photo into the bar; a page that shows the query itself leaves it out.
    """
    try:
        workspace = cached.open_workspace()
        cached.catalog(workspace)
    except PetalscopeError as error:
        nothing_ready(remedies.sentence(error))
    st.session_state[_SHOWN_VERSION] = workspace.version
    _show_query(workspace, show_query)
    _show_review(workspace)
    with st.session_state[_VIEWS_PLACE]:
        saved_views.show(workspace)
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


def _show_query(workspace: Workspace, show_query: bool) -> None:
    image_id = selection.query_id()
    if image_id is None:
        return
    row = cached.catalog(workspace).row(image_id)
    if row is None:
        st.warning(NOT_IN_DATA_SET, icon=":material/broken_image:")
    elif show_query:
        place = st.session_state[_QUERY_PLACE]
        with place.popover("Query", icon=":material/image_search:", help="The query photo, shared by all pages"):
            show_photos(workspace, [image_id], key="bar_query", title="Query photo", notes=[image_id], tile=160)


def _show_review(workspace: Workspace) -> None:
    """The label review that is applied to all that is shown, as a link to where it is made and undone."""
    if overlay := _overlay(workspace):
        st.session_state[_REVIEW_PLACE].page_link(
            url_state.HOME,
            label=f"Labels: {overlay}",
            icon=":material/rate_review:",
            help="The decisions of your label review are applied to all that this page shows",
            query_params=url_state.link_to(url_state.HOME, labels="true"),
            width="content",
        )


def _overlay(workspace: Workspace) -> str:
    """What the label review has changed; "" where none is applied."""
    review = workspace.state.get("review")
    return "" if review is None else label_overlay.summary(review["relabelled"], review["excluded"])


def origin(workspace: Workspace, space: str | None = None, **facts: object) -> None:
    """The provenance of a page's numbers, behind the bar's ⓘ and in its exports: data, weights, parameters."""
    dataset = workspace.state["dataset"]
    images = counted(dataset["images"], "image")
    lines = {"Data": f"{dataset['name']}, {images}, fingerprint {str(dataset['fingerprint'])[:8]}"}
    if overlay := _overlay(workspace):
        lines["Labels"] = overlay
    if space is not None:
        weights = workspace.space(space)["weights"]
        lines["Space"] = f"{spaces.get(space).title}, {spaces.get(space).dim:,}-d"
        lines["Weights"] = str(weights["about"]) if weights else "none (raw pixels)"
        if workspace.space(space).get("precision") == "bf16":
            lines["Weights"] += ", computed in bfloat16"
    lines |= {name.replace("_", " "): str(value) for name, value in facts.items()}
    lines |= {"Prepared": str(workspace.state["prepared"]), "Petalscope": VERSION}
    provenance.show(lines)
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
