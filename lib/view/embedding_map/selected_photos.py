"""The selection on the map page: by lasso, box or words; its photos, counts, medoid and outliers; and away with it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from lib.embed import spaces
from lib.prepare.workspace import Workspace
from lib.view import cached, inputs, page_controls, photo_tiles, selection, url_state

PAGE = 48
ORDERS = {"id": "File name", "typical": "Most typical first", "odd": "Least typical first"}


def choose(opened: Workspace) -> None:
    """Select by class, part of the file name, or a list of ids."""
    photos = cached.catalog(opened)
    with st.popover("Select", icon=":material/filter_alt:", width="stretch"), st.form("pick_form", border=False):
        labels = st.multiselect("Classes", list(photos.classes))
        part = inputs.line_or_none("File name contains", placeholder="img_12")
        listed = inputs.text_or_none("Ids, one per line", placeholder="rose/rose_0007.jpg", height=90)
        if st.form_submit_button("Select", type="primary", width="stretch"):
            if part is None or listed is None:
                return
            found = matching(photos.frame, labels, part, listed)
            if found:
                selection.pick(found, photos.ids, photos.contents)
            else:
                st.session_state["picked_nothing"] = True
            st.rerun()
    if st.session_state.pop("picked_nothing", False):
        st.toast("No photo is like that; the selection is as it was.", icon=":material/search_off:")


def matching(frame: pd.DataFrame, labels: list[str], part: str, listed: str) -> list[str]:
    """The ids of the rows that meet every condition that says something; none when none does."""
    wanted = {line.strip() for line in listed.splitlines() if line.strip()}
    if not (labels or part.strip() or wanted):
        return []
    keep = np.ones(len(frame), dtype=bool)
    if labels:
        keep &= frame["label"].isin(labels).to_numpy()
    if part.strip():
        keep &= frame["id"].str.contains(part.strip(), case=False, regex=False).to_numpy()
    if wanted:
        keep &= frame["id"].isin(wanted).to_numpy()
    return list(frame["id"][keep])


def show(opened: Workspace, space: str) -> None:
    """What is selected: counts per class, the most and least typical photos, all of them, and the ids to take away."""
    photos = cached.catalog(opened)
    rows = np.array(selection.picked_rows(len(photos.ids), photos.contents), dtype=np.int64)
    if not len(rows):
        st.caption("Draw a lasso or a box around some points, or use *Select*: their photos appear here.")
        return
    inside = photos.frame.iloc[rows]
    counts = inside["label"].value_counts()
    st.subheader(f"{len(rows):,} photos in the selection")
    photo_tiles.legend(opened, {label: f"{counts.get(label, 0)} of {total}" for label, total in photos.classes.items()})
    close = cached.closeness(opened, space, rows)
    _typical(opened, space, inside, close)
    order, page, table, clear = st.columns([2, 1, 1, 1], vertical_alignment="bottom")
    chosen = order.selectbox("Order", list(ORDERS), format_func=ORDERS.__getitem__, key="picked_order")
    ranked = {"id": np.arange(len(rows)), "typical": np.argsort(-close, kind="stable")}
    ranked["odd"] = ranked["typical"][::-1]
    pages = max(1, -(-len(rows) // PAGE))
    if st.session_state.get("picked_page", 1) > pages:  # of a larger selection before
        st.session_state["picked_page"] = 1
    number = page.number_input(f"Page of {pages}", 1, pages, 1, key="picked_page") if pages > 1 else 1
    with table:
        listed = inside[["id", "label", "split", "width", "height"]].assign(closeness=close.round(4))
        page_controls.csv_button(listed.iloc[ranked[chosen]], "selection", width="stretch")
    if clear.button("Clear selection", icon=":material/close:", width="stretch"):
        selection.pick([], photos.ids, photos.contents)
        st.rerun()
    here = inside.iloc[ranked[chosen][(int(number) - 1) * PAGE : int(number) * PAGE]]
    photo_tiles.show_photos(opened, list(here["id"]), key="lasso_photos", title="Photos in the selection", tile=92)


def _typical(opened: Workspace, space: str, inside: pd.DataFrame, close: np.ndarray) -> None:
    if len(inside) < 3:
        return
    order = np.argsort(-close, kind="stable")
    shown = [order[0], *order[::-1][: min(7, len(order) - 1)]]
    photo_tiles.show_photos(
        opened,
        [str(inside["id"].iloc[place]) for place in shown],
        key="typical",
        title="Medoid and outliers of the selection",
        badges=["medoid", *["outlier"] * (len(shown) - 1)],
        notes=[f"{close[place]:.3f}" for place in shown],
        tile=104,
        row=True,
    )
    st.caption(
        f"The medoid has the highest mean cosine to the rest of the selection in {spaces.get(space).title}, the "
        "outliers the lowest. A click on any photo makes it the query."
    )


def ways_on(opened: Workspace) -> None:
    """Links that carry query and selection to other pages."""
    photos = cached.catalog(opened)
    if selection.query() is None and not selection.picked_rows(len(photos.ids), photos.contents):
        return
    left, right, _ = st.columns([1, 1, 3])
    left.page_link(
        url_state.RETRIEVAL,
        label="Search with it",
        icon=":material/image_search:",
        query_params=url_state.link_to(url_state.RETRIEVAL),
    )
    right.page_link(
        url_state.MILVUS,
        label="Show in Milvus",
        icon=":material/database:",
        query_params=url_state.link_to(url_state.MILVUS),
    )
