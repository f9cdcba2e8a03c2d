"""The selection on the map page: made by lasso, box or form; its photos, counts, medoid and outliers, and export."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from lib.embed import spaces
from lib.prepare.workspace import Workspace
from lib.text import counted
from lib.view import cached, inputs, page_controls, photo_tiles, selection, tag_choice, url_state

PAGE = 24
ORDERS = {"id": "File name", "typical": "Most typical first", "odd": "Least typical first"}
NO_SELECTION = "Draw a lasso or a box around some points, or use *Select*: their photos appear here."
IDS_LABEL = "Photo IDs, one per line"
_MAX_OUTLIERS = 7


def heading(count: int) -> str:
    """The heading over the selected photos."""
    return f"{counted(count, 'photo')} in the selection"


def choose(workspace: Workspace) -> None:
    """A form that selects by class, part of the file name, or a list of ids."""
    photos = cached.catalog(workspace)
    with st.popover("Select", icon=":material/filter_alt:"), st.form("pick_form", border=False):
        labels = st.multiselect("Classes", list(photos.classes)) if photos.classes else []
        name_part = inputs.line_or_none("File name contains", placeholder="img_12")
        id_lines = inputs.text_or_none(IDS_LABEL, placeholder="rose/rose_0007.jpg", height=90)
        if st.form_submit_button("Select", type="primary", width="stretch"):
            if name_part is None or id_lines is None:
                return
            ids = matching(photos.frame, labels, name_part, id_lines)
            if ids:
                selection.select(ids, photos.ids, photos.contents)
            else:
                st.session_state["picked_nothing"] = True
            st.rerun()
    if st.session_state.pop("picked_nothing", False):
        st.toast("No photo matches; the selection is unchanged.", icon=":material/search_off:")


def matching(frame: pd.DataFrame, labels: list[str], name_part: str, id_lines: str) -> list[str]:
    """The ids of the rows that meet every condition that is not empty; none when all conditions are empty."""
    listed = {line.strip() for line in id_lines.splitlines() if line.strip()}
    if not (labels or name_part.strip() or listed):
        return []
    matches = np.ones(len(frame), dtype=bool)
    if labels:
        matches &= frame["label"].isin(labels).to_numpy()
    if name_part.strip():
        matches &= frame["id"].str.contains(name_part.strip(), case=False, regex=False).to_numpy()
    if listed:
        matches &= frame["id"].isin(listed).to_numpy()
    return list(frame["id"][matches])


def show(workspace: Workspace, space: str) -> None:
    """Counts per class, the most and least typical photos, all selected photos page by page, and their ids as CSV."""
    photos = cached.catalog(workspace)
    rows = np.array(selection.selected_rows(len(photos.ids), photos.contents), dtype=np.int64)
    if not len(rows):
        st.info(NO_SELECTION, icon=":material/lasso_select:")
        tag_choice.choose(workspace)
        return
    selected = photos.frame.iloc[rows]
    counts = selected["label"].value_counts()
    st.subheader(heading(len(rows)))
    if photos.classes:
        shares = {label: f"{counts[label]} of {total}" for label, total in photos.classes.items() if label in counts}
        photo_tiles.legend(workspace, shares)
    closeness = cached.closeness(workspace, space, rows)
    _show_typical(workspace, selected, closeness)
    order, page = st.columns([3, 2], vertical_alignment="bottom")
    chosen_order = order.selectbox(
        "Order", list(ORDERS), format_func=ORDERS.__getitem__, key="picked_order", label_visibility="collapsed"
    )
    orders = {"id": np.arange(len(rows)), "typical": np.argsort(-closeness, kind="stable")}
    orders["odd"] = orders["typical"][::-1]
    ordered = orders[chosen_order]
    pages = max(1, -(-len(rows) // PAGE))
    number = page_controls.page_number(page, pages, "picked_page", label_is_shown=False)
    on_page = selected.iloc[ordered[(number - 1) * PAGE : number * PAGE]]
    photo_tiles.show_photos(
        workspace, list(on_page["id"]), key="lasso_photos", title="Photos in the selection", tile=68
    )
    if pages > 1:
        st.caption(f"Page {number} of {pages}.")
    st.caption(
        f"The medoid has the highest mean cosine to the other selected photos in {spaces.get(space).title}, the "
        "outliers the lowest. Click a photo to make it the query."
    )
    columns = selected[["id", "label", "split", "width", "height"]].assign(
        closeness=closeness.round(4), tags=tag_choice.column(workspace, list(selected["id"]))
    )
    with st.container(horizontal=True):
        if st.button("Clear selection", icon=":material/close:"):
            selection.select([], photos.ids, photos.contents)
            st.rerun()
        page_controls.csv_button(columns.iloc[ordered], "selection")
    tag_choice.name_selection(workspace, rows.tolist())
    tag_choice.choose(workspace)


def _show_typical(workspace: Workspace, selected: pd.DataFrame, closeness: np.ndarray) -> None:
    if len(selected) < 3:
        return
    order = np.argsort(-closeness, kind="stable")
    outliers = order[::-1][: min(_MAX_OUTLIERS, len(order) - 1)]
    shown = [order[0], *outliers]
    photo_tiles.show_photos(
        workspace,
        [str(selected["id"].iloc[place]) for place in shown],
        key="typical",
        title="Medoid and outliers of the selection",
        badges=["medoid", *["outlier"] * len(outliers)],
        notes=[f"{closeness[place]:.3f}" for place in shown],
        tile=72,
        row=True,
    )


def links(workspace: Workspace) -> None:
    """Links that carry query and selection to other pages."""
    photos = cached.catalog(workspace)
    if selection.query_id() is None and not selection.selected_rows(len(photos.ids), photos.contents):
        return
    left, right = st.columns(2)
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
