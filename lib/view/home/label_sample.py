"""Home, where photos have no labels: which of them to label first, as a grid, a selection, and a table to fill in."""

from __future__ import annotations

import streamlit as st

from lib.documents.labels import LabelSample
from lib.errors import PetalscopeError
from lib.measure import label_sample as measured
from lib.prepare.workspace import Workspace
from lib.search.diverse_sample import FACILITY, K_CENTER
from lib.text import counted
from lib.view import cached, page_controls, page_frame, photo_tiles, selection, unlabelled, url_state
from lib.view.formatting import plain

TITLES = {FACILITY: "Stand for all", K_CENTER: "Most different"}
SELECT, TABLE = "Select on the map", "Table to fill in (CSV)"
NO_LABELS = "These photos have no labels. A few are enough to begin with: scores, training and label checks need them."
HOW = (
    "Fill in the column *label* and put the file into the data folder: `python -m lib prepare --labels FILE`, or *"
    "Prepare again* with its name under *How the folder is read*, reads it. The photos in the table then make the data "
    "set; the layout *unlabelled* brings all photos back. `python -m lib sample N` prints the same."
)
_USUAL, _SHOWN = 100, 48


def show(workspace: Workspace) -> None:
    """One sentence; once the user switches it on, the sample."""
    st.markdown(NO_LABELS)
    if not st.toggle(
        unlabelled.LINK,
        **url_state.switch("sample"),
        help="A diverse sample: labels of these photos say most of the others.",
    ):
        return
    photos = len(cached.catalog(workspace).ids)
    with page_controls.sheet("sample"):
        space = page_controls.space_select(workspace, "Space", "home")
        most = min(measured.MOST, photos)
        bound = url_state.number("sample_size", 1, most, min(_USUAL, most))
        count = int(st.number_input("Photos to label", width=120, **bound))
        method = page_controls.segments("Choose", TITLES, "sample_by", "home", FACILITY, about=_about())
    try:
        document = _sample(workspace, space, count, method)
    except PetalscopeError as error:
        page_frame.restart_or_show_error(error)
        return
    _show(workspace, document)


def _about() -> str:
    return " ".join(f"*{title}*: {measured.ABOUT[method]}." for method, title in TITLES.items())


@st.cache_data(max_entries=16, show_spinner="Choosing the photos", hash_funcs=cached.KEYS)
def _sample(workspace: Workspace, space: str, count: int, method: str) -> LabelSample:
    return measured.measure(workspace, space, count, method)


def _show(workspace: Workspace, document: LabelSample) -> None:
    photos, rows = cached.catalog(workspace), document["rows"]
    ids = [row["id"] for row in rows]
    shown = f" The first {_SHOWN} are shown." if len(ids) > _SHOWN else ""
    st.caption(
        plain(
            f"{counted(len(ids), 'photo')}. {measured.about(document)} Below each: how many photos are most like it."
            f"{shown}"
        )
    )
    photo_tiles.show_photos(
        workspace,
        ids[:_SHOWN],
        key="label_sample",
        title=unlabelled.LINK,
        badges=[f"#{row['rank']}" for row in rows[:_SHOWN]],
        notes=[
            f"like {counted(row['covers'] - 1, 'other') if row['covers'] > 1 else 'no other'}" for row in rows[:_SHOWN]
        ],
        tile=92,
    )
    with st.container(horizontal=True):
        if st.button(SELECT, icon=":material/my_location:", key="sample_map"):
            selection.select(ids, photos.ids, photos.contents)
            st.switch_page(url_state.MAP, query_params=url_state.link_to(url_state.MAP, space=document["space"]))
        page_controls.download(TABLE, lambda: measured.table(document), "petalscope-sample.csv", key="to_label")
    st.caption(HOW)
