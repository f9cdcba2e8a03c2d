"""The parts of the map page."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from lib.view import cached, charts, clicks, selection, theme, ui
from lib.workspace import Workspace

LASSO = "lasso_ids"
PAGE = 48
COLOURINGS = {"label": "Class", "split": "Split"}


@st.cache_resource(max_entries=16, show_spinner=False)
def _figure(version: str, space: str, by: str, _opened: Workspace) -> go.Figure:
    photos = cached.catalog(_opened)
    colours = ui.colours(photos) if by == "label" else theme.SPLIT_COLOURS
    figure = charts.space_map(photos.frame, cached.space_map(_opened, space).xy, by, colours)
    return figure.update_layout(meta=space)


def _picked() -> None:
    points = st.session_state["map"]["selection"]["points"]
    ids = [str(point["id"]) for point in points if point.get("id")]
    # A click is one point and makes it the query; a lasso or a box is kept as a selection.
    if len(ids) == 1:
        selection.choose(ids[0])
    elif ids:
        st.session_state[LASSO] = ids


def colour_choice() -> str:
    """What colours the points: a control kept in the address."""
    names = list(COLOURINGS)
    tied = ui.linked("colour", "map", names, "label")
    return str(st.selectbox("Colour", names, format_func=lambda name: COLOURINGS[name], **tied))


def neighbours(opened: Workspace, space: str, metric: str, k: int) -> list[dict[str, Any]]:
    """The query's nearest photos in the full space; none when there is no query of this data set."""
    chosen = selection.query()
    if chosen is None or cached.catalog(opened).row(chosen) is None:
        return []
    return list(cached.search(opened, space, chosen, metric, k)["results"])


def draw(opened: Workspace, space: str, by: str, near: list[dict[str, Any]]) -> None:
    """The map, with lines from the query to its true neighbours."""
    figure = _figure(opened.version, space, by, opened)
    inside = st.session_state.get(LASSO, [])
    if inside:
        figure = charts.with_selection(figure, inside)
    photos = cached.catalog(opened)
    chosen = selection.query()
    if near and chosen is not None:
        rows = [photos.row(row["id"]) for row in near]
        query = photos.row(chosen)
        if query is not None:
            known = [row for row in rows if row is not None]
            figure = charts.with_neighbours(figure, cached.space_map(opened, space).xy, query, known)
    view = _view(space, (opened.version, space, by, chosen, [row["id"] for row in near], inside))
    if view is not None:
        figure = charts.with_view(figure, view)
    st.plotly_chart(
        figure,
        width="stretch",
        key="map",
        on_select=_picked,
        selection_mode=("points", "lasso", "box"),
        config={"displaylogo": False, "scrollZoom": True},
        alt=f"map of {len(photos.frame):,} photos in the space {space}, coloured by {by}",
    )
    clicks.listen("map", selection.choose)


def _view(space: str, content: object) -> dict[str, Any] | None:
    """The zoom, tool and hidden classes to draw the map with.

    The user's latest ones are taken up only when the map's content changes: a changed figure is drawn from scratch.
    """
    if st.session_state.get("map_content") != content:
        told = clicks.view("map")
        st.session_state["map_content"] = content
        st.session_state["map_view"] = told if told and told["of"] == space else None
    kept: dict[str, Any] | None = st.session_state["map_view"]
    return kept


def query(opened: Workspace, near: list[dict[str, Any]], metric: str) -> None:
    """The query photo and its neighbours in the full space."""
    chosen = selection.query()
    photos = cached.catalog(opened)
    row = photos.row(chosen) if chosen else None
    if chosen is None or row is None:
        st.info("Click a point: its photo and its true neighbours appear here.", icon=":material/ads_click:")
        return
    label = str(photos.frame["label"].iloc[row])
    ui.show_photos(opened, [chosen], key="map_query", title="Query", notes=[chosen], tile=170)
    same = sum(found["label"] == label for found in near)
    st.caption(f"{same} of its {len(near)} nearest photos in the full space ({metric}) are of its class.")
    ui.show_photos(
        opened,
        [found["id"] for found in near],
        key="map_neighbours",
        title="True neighbours",
        badges=[f"{found['rank']}" for found in near],
        notes=[f"{found['value']:.3f}" for found in near],
        right=[found["label"] == label for found in near],
        tile=76,
    )


def lasso(opened: Workspace) -> None:
    """What is inside the lasso: counts per class, photos, and the ids to take away."""
    photos = cached.catalog(opened)
    rows = cached.rows_of(photos.frame, st.session_state.get(LASSO, []))
    if not len(rows):
        st.caption("Draw a lasso or a box around some points to see their photos.")
        return
    inside = photos.frame.iloc[rows]
    counts = inside["label"].value_counts()
    st.subheader(f"{len(rows):,} photos in the selection")
    ui.legend(opened, {label: f"{counts.get(label, 0)} of {total}" for label, total in photos.classes.items()})
    left, middle, right = st.columns([2, 1, 1], vertical_alignment="bottom")
    pages = max(1, -(-len(rows) // PAGE))
    page = left.number_input(f"Page of {pages}", 1, pages, 1, key="lasso_page") if pages > 1 else 1
    with middle:
        ui.csv_button(inside[["id", "label", "split", "width", "height"]], "selection", width="stretch")
    if right.button("Clear selection", icon=":material/close:", width="stretch"):
        st.session_state.pop(LASSO)
        st.rerun()
    shown = inside.iloc[(int(page) - 1) * PAGE : int(page) * PAGE]
    ui.show_photos(opened, list(shown["id"]), key="lasso_photos", title="Photos in the selection", tile=92)


def parameters(opened: Workspace, space: str) -> dict[str, object]:
    """How the map was made, for the line under the heading."""
    facts = cached.space_map(opened, space).facts
    names = ("n_neighbors", "min_dist", "metric", "seed")
    shown = ", ".join(f"{name} {facts[name]}" for name in names)
    return {"Map": f"{facts['method']}, {shown}, from {facts['input']}"}
