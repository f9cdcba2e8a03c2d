"""The query on the map page: its neighbours in the space and on the map, lines to them, and its part of the panel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import streamlit as st

from lib.data.catalog import Catalog
from lib.documents.search import SearchResult
from lib.measure.traits import Trait
from lib.prepare.workspace import Workspace
from lib.retrieval.query import query_row
from lib.search.metrics import METRICS
from lib.search.neighbourhoods import K
from lib.view import cached, cached_search, page_controls, pair_heat, photo_tiles, selection, url_state
from lib.view.cached_search import QuerySet, Side
from lib.view.components.scatter import Lines
from lib.view.embedding_map.map_choice import DisplayedMap
from lib.view.formatting import plain

TRUE_NEIGHBOURS, NEAR_ON_MAP = "True neighbours", "Nearest on the map"
LINES = {"true": TRUE_NEIGHBOURS, "map": NEAR_ON_MAP}
HINT = "Click a point for its photo and its true neighbours, or draw a lasso for the photos inside."
BEGIN = "Or begin with the photo of each class that is among the nearest of the most others"
BEGIN_UNLABELLED = "Or begin with the photos that are among the nearest of the most others"
_LEGEND = {"true": "its true neighbours", "map": "nearest on the map"}
_DEFAULT_METRIC, _DEFAULT_K, _MOST_NEAR = "cosine", 10, 50
_MOST_BEGINNINGS = 12


# --- controls --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lookup:
    """Which neighbours are looked up: the metric, how many, and the kind (of `LINES`) that lines lead to.

    `count` binds the field for `k`, which may be bound once a run only.
    """

    metric: str
    k: int
    kind: str
    count: url_state.NumberBinding


def linked() -> Lookup:
    """What the address says. The map is drawn in every section of the panel, the controls only in two."""
    metric = url_state.choice("metric", "map", list(METRICS), _DEFAULT_METRIC)["key"]
    kind = url_state.choice("lines", "map", list(LINES), "true")["key"]
    count = url_state.number("near", 1, _MOST_NEAR, _DEFAULT_K)
    k = url_state.parse_whole(url_state.parameter("near"), 1, _MOST_NEAR, _DEFAULT_K)
    return Lookup(str(st.session_state[metric]), k, str(st.session_state[kind]), count)


def show_controls(lookup: Lookup) -> None:
    """The controls of what is looked up."""
    page_controls.metric_choice("Metric", _DEFAULT_METRIC, "metric", "map")
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    left.number_input("Neighbours (k)", **lookup.count)
    bound = url_state.choice("lines", "map", list(LINES), "true")
    right.selectbox("Lines to", list(LINES), format_func=LINES.__getitem__, **bound)


# --- neighbours ------------------------------------------------------------------------------------------------------


def query_row_of(photos: Catalog) -> int | None:
    """The row of the query in the catalog; None without a query, or for a query of another data set."""
    image_id = selection.query_id()
    return photos.row(image_id) if image_id else None


def near_in_space(workspace: Workspace, space: str, metric: str, k: int) -> list[SearchResult]:
    """The query's nearest photos in the full space, as results of a search; none without a query of this data set."""
    photos = cached.catalog(workspace)
    row = query_row_of(photos)
    if row is None:
        return []
    queries = QuerySet([query_row(photos, row)])
    return list(cached_search.search(workspace, queries, Side(metric, space), k)["results"])


def near_on_map(workspace: Workspace, shown: DisplayedMap, k: int) -> list[SearchResult]:
    """The photos that lie nearest to the query on the map, in the shape of a search's results."""
    photos = cached.catalog(workspace)
    row = query_row_of(photos)
    if row is None:
        return []
    distances = np.linalg.norm(shown.map.xy - shown.map.xy[row], axis=1)
    distances[photos.copies(photos.hashes[row])] = np.inf
    order = np.argsort(distances, kind="stable")[:k]
    return [
        {
            "rank": rank,
            "id": photos.ids[near],
            "label": photos.labels[near],
            "value": float(distances[near]),
            "gap": None,
        }
        for rank, near in enumerate(order, start=1)
        if np.isfinite(distances[near])
    ]


def query_lines(workspace: Workspace, shown: DisplayedMap, lookup: Lookup) -> Lines | None:
    """Lines from the query to its true neighbours, or to its nearest on the map; None without a query."""
    row = query_row_of(cached.catalog(workspace))
    if row is None:
        return None
    if lookup.kind == "map":
        near = near_on_map(workspace, shown, lookup.k)
    else:
        near = near_in_space(workspace, shown.space, lookup.metric, lookup.k)
    return Lines(shown.map.xy[row], near, "query photo", _LEGEND[lookup.kind])


# --- in the panel ----------------------------------------------------------------------------------------------------


def show(workspace: Workspace, shown: DisplayedMap, lookup: Lookup) -> None:
    """The query photo, what its neighbours say of it, and its neighbours in the space and on the map as photos."""
    photos = cached.catalog(workspace)
    row = query_row_of(photos)
    if row is None:
        _show_beginnings(workspace, shown.space)
        show_controls(lookup)
        return
    image_id, label = photos.ids[row], photos.labels[row]
    true = near_in_space(workspace, shown.space, lookup.metric, lookup.k)
    on_map = near_on_map(workspace, shown, lookup.k)
    photo_tiles.show_photos(workspace, [image_id], key="map_query", title="Query", notes=[image_id], tile=150)
    if true:
        shared = len({result["id"] for result in true} & {result["id"] for result in on_map})
        nearest = f"its {len(true)} nearest in the full space ({METRICS[lookup.metric].title})"
        of_class = f" are of its class; {shared} of them" if label else ""
        st.caption(
            f"{sum(result['label'] == label for result in true) if label else shared} of {nearest}{of_class} are among "
            f"its {len(on_map)} nearest on the map.{_prediction(cached.traits(workspace, shown.space), row)}"
        )
    show_controls(lookup)
    explained = _explained(true)
    _show_ranking(
        workspace, "map_neighbours", TRUE_NEIGHBOURS, true, label, 3, on_why=_choose_pair, explained=explained
    )
    if explained is not None:
        _show_why(workspace, row, explained, Side(lookup.metric, shown.space))
    _show_ranking(workspace, "map_near", NEAR_ON_MAP, on_map, label, 2)


def _prediction(traits: dict[str, Trait], row: int) -> str:
    if "predicted" not in traits:
        return ""
    predicted, votes = str(traits["predicted"].values[row]), traits["confidence"].values[row]
    if not predicted:
        return ""
    return f" Its {K} nearest under cosine predict {plain(predicted)} ({votes:.0%} of the votes)."


def _show_ranking(
    workspace: Workspace,
    key: str,
    title: str,
    ranking: list[SearchResult],
    label: str,
    digits: int,
    *,
    on_why: Callable[[str], None] | None = None,
    explained: str | None = None,
) -> None:
    st.markdown(f"**{title}**")
    photo_tiles.show_photos(
        workspace,
        [result["id"] for result in ranking],
        key=key,
        title=title,
        badges=[f"{result['rank']}" for result in ranking],
        notes=[f"{result['value']:.{digits}f}" for result in ranking],
        right=[result["label"] == label for result in ranking] if label else None,
        tile=68,
        on_why=on_why,
        explained=explained,
    )


def _explained(results: list[SearchResult]) -> str | None:
    """The neighbour that is explained; None where none is, or it is no neighbour under this metric."""
    chosen = url_state.parameter("pair")
    return chosen if any(result["id"] == chosen for result in results) else None


def _choose_pair(image_id: str | None) -> None:
    url_state.write(pair=image_id)


def _show_why(workspace: Workspace, row: int, neighbour: str, side: Side) -> None:
    """Where in the query and in one neighbour the metric's value comes from."""
    with st.container(border=True, key="map_why"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
            st.markdown("**Why is it close?**", width="content")
            st.button("Close", icon=":material/close:", key="map_why_close", on_click=_choose_pair, args=(None,))
        query = query_row(cached.catalog(workspace), row)
        pair_heat.show(workspace, query, neighbour, [side], key="map_why_heat")


def _show_beginnings(workspace: Workspace, space: str) -> None:
    """What to do first, and a photo of each class to begin with."""
    st.info(HINT, icon=":material/ads_click:")
    photos, hubness = cached.catalog(workspace), cached.traits(workspace, space)["hubness"].values
    rows = beginnings(photos, hubness)
    begin = BEGIN if photos.classes else BEGIN_UNLABELLED
    st.caption(f"{begin}:")
    photo_tiles.show_photos(
        workspace,
        [photos.ids[row] for row in rows],
        key="map_beginnings",
        title=begin,
        notes=[f"nearest of {hubness[row]:.0f}" for row in rows],
        tile=92,
    )


def beginnings(photos: Catalog, hubness: np.ndarray) -> list[int]:
    """The row with the highest hubness (n,) of each class, the first of equal ones; without classes the rows with the
    highest. At most `_MOST_BEGINNINGS`."""
    if not photos.classes:
        return [int(row) for row in np.argsort(-hubness, kind="stable")[:_MOST_BEGINNINGS]]
    labels = photos.frame["label"].to_numpy(dtype=object)
    by_class = (np.flatnonzero(labels == label) for label in list(photos.classes)[:_MOST_BEGINNINGS])
    return [int(rows[np.argmax(hubness[rows])]) for rows in by_class]
