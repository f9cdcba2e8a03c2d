"""The frame of every page: configuration, navigation, the line that says where the numbers come from, empty states."""

from __future__ import annotations

import html
from typing import NoReturn

import streamlit as st

from lib.embed import spaces
from lib.errors import PetalscopeError
from lib.prepare.workspace import Workspace
from lib.settings import ASSETS
from lib.view import auth, background_jobs, cached, formatting, remedies, selection, url_state
from lib.view.photo_tiles import show_photos

plain = formatting.plain  # what pages call most, beside the frame


PAGES = (
    (url_state.HOME, "Home", ":material/home:"),
    (url_state.TRAINING, "Training regimes", ":material/model_training:"),
    (url_state.MAP, "Embedding map", ":material/scatter_plot:"),
    (url_state.RETRIEVAL, "Retrieval", ":material/image_search:"),
    (url_state.MILVUS, "Milvus collection", ":material/database:"),
)


_DRAWN = "drawn_of"  # the version of the workspace that this session's page was drawn of


_STYLE = """<style>
.block-container { padding-top: 2.4rem; max-width: 1320px; }
[data-testid="stSidebarNav"] { display: none; }
.ps-lead { font-size: 1.05rem; opacity: .86; margin: -.6rem 0 .35rem; max-width: 62rem; }
.ps-origin { display: flex; flex-wrap: wrap; gap: .35rem; margin: .1rem 0 1rem; }
.ps-origin span { font-size: .76rem; padding: .12rem .6rem; border-radius: 1rem;
                  border: 1px solid rgba(128,118,138,.38); background: rgba(128,118,138,.10); }
.ps-origin b { font-weight: 600; opacity: .72; margin-right: .3rem; }
.ps-key { display: inline-flex; align-items: center; gap: .35rem; margin-right: .9rem; font-size: .85rem; }
/* Streamlit squeezes columns until the window is as narrow as a phone; here they wrap before their text is cut off. */
@media (max-width: 1150px) {
  [data-testid="stMetricValue"] { font-size: 1.5rem; }
  [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
  [data-testid="stHorizontalBlock"] > [data-testid="stColumn"] { min-width: 14rem; flex: 1 1 14rem; }
  [data-testid="stColumn"]:has([data-testid="stButtonGroup"]) { flex-basis: max-content !important; }
  [class*="st-key-numbers"] [data-testid="stColumn"] { min-width: 8rem; flex-basis: 8rem; }
  [class*="st-key-split"] > [data-testid="stLayoutWrapper"] > [data-testid="stHorizontalBlock"]
    > [data-testid="stColumn"] { min-width: 100%; }
}
/* White on the dark theme's light pink could not be read. */
[data-testid^="stBaseButton-primary"], [data-testid="stMultiSelect"] [data-tag],
  [data-testid="stMultiSelect"] [data-tag] * { color: light-dark(#fff, #2a1022); }
/* Streamlit's greys, and its colours of code, on this ground: less than the 4.5 : 1 that small text needs. */
[data-testid="stCaptionContainer"] { opacity: 1; color: color-mix(in srgb, currentColor 74%, transparent); }
.js-plotly-plot :is(.xtick text, .ytick text, .xtitle, .ytitle, .cbaxis text, .cbtitle text, .legendtext,
  .updatemenu-item-text) { fill: light-dark(#5f5966, #d6d0dc) !important; }
[data-testid="stJson"] :is(.variable-value > div, .array-key) { color: light-dark(#8d3d0b, #ffb169) !important; }
[data-testid="stCode"] span.token.token { color: light-dark(#5f5966, #b8b0c0); }
[data-testid="stCode"] span.token.token:is(.keyword, .operator, .builtin) { color: light-dark(#8a2f6b, #f0a6d3); }
[data-testid="stCode"] span.token.token:is(.string, .char, .attr-value) { color: light-dark(#0b6647, #7ed5b0); }
[data-testid="stCode"] span.token.token:is(.number, .boolean, .constant) { color: light-dark(#1f5f99, #8cc4f5); }
/* As tall as the fields beside them, so that labels in one row stand on one line. */
[data-testid="stButtonGroup"] [role] > button { min-height: 2.5rem; }
/* Reached by the keyboard a link looked like the page that is open. */
[data-testid^="stPageLink"]:focus-visible { outline: 2px solid light-dark(#8a2f6b, #e58fc4); outline-offset: -2px; }
[data-testid="stFileUploaderDropzone"] { padding: .35rem; }
[data-testid="stMetricValue"] *, [data-testid="stMetricLabel"] *, [data-testid="stCheckbox"] p {
  white-space: normal !important; overflow-wrap: anywhere; }
.ps-key i { width: .75rem; height: .75rem; border-radius: 50%; display: inline-block; }
</style>"""


def begin(title: str, lead: str) -> None:
    """Call first on every page: page settings, navigation, heading, and one line on what the page shows."""
    named = title if title == "Petalscope" else f"{title} · Petalscope"
    st.set_page_config(page_title=named, page_icon=str(ASSETS / "icon.png"), layout="wide")
    st.html(_STYLE + _scheme())
    auth.guard()
    refused = url_state.read_address(next((page for page, label, _ in PAGES if label == title), url_state.HOME))
    with st.sidebar:
        st.markdown("### :material/local_florist: Petalscope")
        st.caption("Look inside an image-embedding space")
        for page, label, symbol in PAGES:
            st.page_link(page, label=label, icon=symbol, query_params=url_state.link_to(page))
        auth.account()
    st.title(title)
    st.html(f'<p class="ps-lead">{html.escape(lead)}</p>')
    for sentence in refused:
        st.error(plain(sentence), icon=":material/error:")


def _scheme() -> str:
    """The theme for what hangs beside the app (menus, forms that pop up), where CSS would take the light one."""
    known = st.context.theme.type
    return f"<style>:root {{ color-scheme: {known}; }}</style>" if known in {"light", "dark"} else ""


def workspace(*, show_query: bool = True) -> Workspace:
    """The prepared photos; where there are none, an explanation with the button that makes them, and the page ends.

    `show_query` draws the query photo in the sidebar; a page that shows it anyway leaves it out.
    """
    try:
        opened = cached.open_workspace()
        cached.catalog(opened)
    except PetalscopeError as error:
        nothing_ready(remedies.sentence(error))
    st.session_state[_DRAWN] = opened.version
    _sidebar(opened, show_query)
    return opened


def nothing_ready(why: str) -> NoReturn:
    """The empty state of a page that needs prepared photos."""
    if background_jobs.jobs().job.running:
        st.subheader("Preparing the photos")
        background_jobs.follow()
        st.stop()
    st.info(plain(why), icon=":material/hourglass_empty:")
    prepare_button()
    st.stop()


def prepare_button(label: str = "Prepare the photos") -> None:
    """A button that runs `prepare` in the background, and its live progress while it runs."""
    running = background_jobs.jobs().job
    if running.running:
        background_jobs.follow()
        return
    if running.error:
        st.error(plain(running.error), icon=":material/error:")
    if st.button(label, type="primary", icon=":material/play_arrow:", key="prepare"):
        if not background_jobs.start_prepare(cached.current_settings(), cached.release_store):
            st.toast("Another session has just started the same work.")
        st.rerun()
    st.caption("The same as `python -m lib prepare`: catalog, vectors, maps and Milvus collections.")


def _sidebar(opened: Workspace, show_query: bool) -> None:
    chosen = selection.query()
    photos = cached.catalog(opened)
    with st.sidebar:
        if chosen is not None and photos.row(chosen) is not None:
            if not show_query:
                return
            st.caption("Query photo, shared by all pages")
            show_photos(opened, [chosen], key="sidebar_query", title="Query photo", tile=120)
        elif chosen is not None:
            st.warning("The linked photo is not in this data set; choose another one.", icon=":material/broken_image:")


def origin(opened: Workspace, space: str | None = None, **facts: object) -> None:
    """The line that names where a page's numbers come from: data, weights, parameters."""
    data = opened.state["dataset"]
    words = {"Data": f"{data['name']}, {data['images']:,} images, fingerprint {str(data['fingerprint'])[:8]}"}
    if space is not None:
        weights = opened.space(space)["weights"]
        words["Space"] = f"{spaces.get(space).title}, {spaces.get(space).dim:,}-d"
        words["Weights"] = str(weights["about"]) if weights else "none (pixels as they are)"
        if opened.space(space).get("precision") == "bf16":
            words["Weights"] += ", computed in bfloat16"
    words |= {name.replace("_", " "): str(value) for name, value in facts.items()}
    chips = "".join(f"<span><b>{html.escape(name)}</b>{html.escape(value)}</span>" for name, value in words.items())
    st.html(f'<div class="ps-origin">{chips}</div>')
    if data["note"]:
        st.caption(f":material/info: {data['note']}")


def failed(error: PetalscopeError) -> None:
    """What went wrong and what to do, as a box.

    Where a `prepare` has ended while the page was drawn, what it read of the old state may be gone since: the page is
    drawn again, of the new one.
    """
    if _has_moved_on():
        st.rerun()
    st.error(plain(remedies.sentence(error)), icon=":material/error:")


def _has_moved_on() -> bool:
    """Whether the photos were prepared anew since this page began to be drawn."""
    drawn = st.session_state.get(_DRAWN)
    try:
        now = cached.open_workspace().version
    except PetalscopeError:
        return False
    # Noted at once: a page that fails before it comes to the photos is drawn anew only once for each state.
    st.session_state[_DRAWN] = now
    return drawn is not None and now != drawn
