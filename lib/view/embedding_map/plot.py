"""The maps of the map page as they are drawn: in what colours, with which lines and photos."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from lib.data.catalog import Catalog
from lib.errors import ImageError
from lib.measure.traits import RIGHT, WRONG, Trait
from lib.prepare.workspace import Workspace
from lib.retrieval.query import query_row
from lib.search.metrics import METRICS
from lib.search.neighbourhoods import K
from lib.view import cached, cached_search, page_controls, photo_tiles, selection, theme, url_state
from lib.view.cached_search import QuerySet, Side
from lib.view.components import scatter
from lib.view.components.scatter import Lines
from lib.view.embedding_map.map_choice import DisplayedMap
from lib.view.formatting import plain

_CALLED = {"true": "its true neighbours", "map": "nearest on the map"}
PANELS = {
    "selection": "Selection",
    "findings": "Findings",
    "training": "What training does",
    "reading": "How to read a map",
}
LINES = {"true": "True neighbours", "map": "Nearest on the map"}


def colour_choice(opened: Workspace, space: str) -> str:
    """What colours the points: a control kept in the address."""
    titles = {name: trait.title for name, trait in cached.traits(opened, space).items()}
    titles["preserved"] = "Neighbours kept on the map"
    tied = url_state.choice("colour", "map", list(titles), "label")
    return str(st.selectbox("Colour", list(titles), format_func=titles.__getitem__, **tied))


def trait(opened: Workspace, shown: DisplayedMap, by: str) -> Trait:
    """The column that colours a map; the class where this space has no such column."""
    known = cached.traits(opened, shown.space)
    if by == "preserved":
        k = shown.map.facts["fidelity"]["k"]
        about = f"Share of its {k} nearest in the space that are among its {k} nearest on this map."
        return Trait(by, "Neighbours kept", about, "number", shown.map.preserved)
    return known.get(by, known["label"])


def colours(photos: Catalog, trait: Trait) -> dict[str, str]:
    """The colour of every value of a trait: class colours are the same on every page."""
    if trait.kind == "class":
        return photo_tiles.colours(photos)
    if trait.name == "split":
        return theme.SPLIT_COLOURS
    values = sorted(set(trait.values) - {""})
    if set(values) <= {RIGHT, WRONG}:
        return {RIGHT: theme.RIGHT, WRONG: theme.WRONG}
    return theme.class_colours(values)


# --- drawing ---------------------------------------------------------------------------------------------------------


@st.cache_resource(max_entries=16, show_spinner=False)
def _places(version: str, space: str, key: str, turned: str, _photos: Catalog, _xy: np.ndarray) -> scatter.Columns:
    return scatter.place_columns(_photos.frame, _xy)


@st.cache_resource(max_entries=64, show_spinner=False)
def _colour(
    version: str, space: str, key: str, by: str, runs: str, _photos: Catalog, _by: Trait, _drawn: np.ndarray
) -> scatter.Columns:
    return scatter.colour_columns(_by, colours(_photos, _by), _drawn)


def near_in_space(opened: Workspace, space: str, metric: str, k: int) -> list[dict[str, Any]]:
    """The query's nearest photos in the full space; none when there is no query of this data set."""
    chosen = selection.query()
    row = cached.catalog(opened).row(chosen) if chosen else None
    if row is None:
        return []
    queries = QuerySet([query_row(cached.catalog(opened), row)])
    return list(cached_search.search(opened, queries, Side(metric, space), k)["results"])


def near_on_map(opened: Workspace, shown: DisplayedMap, k: int) -> list[dict[str, Any]]:
    """The photos that lie nearest to the query on the plane, in the shape of a search's results."""
    photos, chosen = cached.catalog(opened), selection.query()
    row = photos.row(chosen) if chosen else None
    if row is None:
        return []
    distances = np.linalg.norm(shown.map.xy - shown.map.xy[row], axis=1)
    distances[photos.copies(photos.hashes[row])] = np.inf
    order = np.argsort(distances, kind="stable")[:k]
    return [
        {"rank": i, "id": photos.ids[place], "label": photos.labels[place], "value": distances[place]}
        for i, place in enumerate(order, start=1)
        if np.isfinite(distances[place])
    ]


def draw(opened: Workspace, shown: DisplayedMap, by: str, lines: Lines | None, *, key: str) -> None:
    """A map, with the selection lit, and lines to neighbours. `key` tells the page's maps apart."""
    photos, xy = cached.catalog(opened), shown.map.xy
    column = trait(opened, shown, by)
    turned = "" if key == "map" else str(xy[:1].tolist())
    laid_out = shown.parameters.key()
    places = _places(opened.version, shown.space, laid_out, turned, photos, xy)
    told = _colour(opened.version, shown.space, laid_out, column.name, column.about, photos, column, places["drawn"])
    lit = selected(photos)
    plane = f"{opened.version[:8]} {shown.space} {laid_out} {turned}"
    st.markdown(f"**{shown.title}**")
    scatter.show(
        places,
        told,
        key=key,
        plane=plane,
        title=f"{shown.title}: {len(photos.frame):,} photos, coloured by {column.title}",
        lit=lit,
        lines=None if lines is None else _joined(photos, xy, lines),
        photos=_photos(opened, xy, scatter.in_view(key, plane, len(xy)), lit),
        on_click=lambda row: choose(photos, row),
        on_drawn=lambda drawn: pick(photos, xy, column, drawn),
    )
    scatter.peek(key, lambda row: thumbnail(opened, row))
    much = f" Grey is the density of all photos; {scatter.SAMPLE:,} of them are drawn as points."
    st.caption(f"**{column.title}**: {column.about}{much if len(photos.frame) > scatter.DENSE else ''}")


def selected(photos: Catalog) -> np.ndarray | None:
    """Which photos are selected, bool (n,); None when none is."""
    chosen = selection.picked_rows(len(photos.ids), photos.contents)
    if not chosen:
        return None
    found = np.zeros(len(photos.ids), dtype=bool)
    found[chosen] = True
    return found


def _joined(photos: Catalog, xy: np.ndarray, lines: Lines) -> dict[str, Any]:
    rows = [row for row in (photos.row(found["id"]) for found in lines.near) if row is not None]
    return {"at": lines.at.tolist(), "near": xy[rows].tolist(), "name": lines.name, "called": lines.called}


def choose(photos: Catalog, row: int) -> None:
    """Make the photo in a row of the catalog the query."""
    if 0 <= row < len(photos.ids):
        selection.choose(photos.ids[row])


def pick(photos: Catalog, xy: np.ndarray, column: Trait, drawn: scatter.ScatterState) -> None:
    """Select what was drawn around, and of it what can be seen; all of the photos, where only a sample is drawn."""
    found = scatter.inside(xy, drawn.polygon)
    if drawn.hidden:
        found &= ~np.isin(scatter.codes(column, colours(photos, column)), list(drawn.hidden))
    if drawn.adds:
        found[selection.picked_rows(len(photos.ids), photos.contents)] = True
    if found.any():
        selection.pick_rows(np.nonzero(found)[0].tolist(), len(photos.ids), photos.contents)


def thumbnail(opened: Workspace, row: int, size: int = cached.THUMBNAIL) -> str:
    """The address of a row's picture; "" when there is none."""
    ids = cached.catalog(opened).ids
    try:
        return cached.thumbnail(opened, ids[row], size) if 0 <= row < len(ids) else ""
    except ImageError:  # the file is gone, or another picture
        return ""


def _photos(opened: Workspace, xy: np.ndarray, rows: list[int], lit: np.ndarray | None) -> list[dict[str, Any]]:
    """The photos in view, once they are few enough to be seen as photos."""
    photos = cached.catalog(opened)
    known, labels = photo_tiles.colours(photos), photos.labels
    return [
        {
            "x": float(xy[row, 0]),
            "y": float(xy[row, 1]),
            "src": source,
            "alt": f"{labels[row]}, {photos.ids[row]}",
            "colour": known[labels[row]],
            "opacity": 1.0 if lit is None or lit[row] else 0.25,
        }
        for row in rows
        if (source := thumbnail(opened, row, 96))
    ]


def neighbour_choice() -> tuple[str, int, str]:
    """By which metric neighbours are found, how many, and which ones the lines lead to: controls in the address."""
    metric = page_controls.metric_choice("Neighbours by", "cosine", "metric", "map")
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    count = left.number_input("How many", **url_state.number("near", 1, 50, 10))
    tied = url_state.choice("lines", "map", list(LINES), "true")
    lines = right.selectbox("Lines to", list(LINES), format_func=LINES.__getitem__, **tied)
    return metric, int(count), str(lines)


def query_lines(opened: Workspace, shown: DisplayedMap, which: str, metric: str, k: int) -> Lines | None:
    """Lines from the query to its neighbours, `true` ones or those that the `map` suggests; None without a query."""
    chosen = selection.query()
    row = cached.catalog(opened).row(chosen) if chosen else None
    if row is None:
        return None
    near = near_on_map(opened, shown, k) if which == "map" else near_in_space(opened, shown.space, metric, k)
    return Lines(shown.map.xy[row], near, "query photo", _CALLED[which])


def panel_choice() -> str:
    """What is told below the map: a control kept in the address."""
    tied = url_state.choice("panel", "map", list(PANELS), "selection")
    return str(
        st.segmented_control(
            "Below the map",
            list(PANELS),
            required=True,
            format_func=PANELS.__getitem__,
            label_visibility="collapsed",
            wrap=True,
            **tied,
        )
    )


def query(opened: Workspace, shown: DisplayedMap, metric: str, k: int) -> None:
    """The query photo, and what its neighbours take it for."""
    chosen = selection.query()
    photos = cached.catalog(opened)
    row = photos.row(chosen) if chosen else None
    if chosen is None or row is None:
        st.info("Click a point: its photo and its true neighbours appear here.", icon=":material/ads_click:")
        return
    label = photos.labels[row]
    true, drawn = near_in_space(opened, shown.space, metric, k), near_on_map(opened, shown, k)
    kept = len({found["id"] for found in true} & {found["id"] for found in drawn})
    photo_tiles.show_photos(opened, [chosen], key="map_query", title="Query", notes=[chosen], tile=170)
    if not true:
        return
    guess = cached.traits(opened, shown.space)
    st.caption(
        f"{sum(found['label'] == label for found in true)} of its {len(true)} nearest in the full space "
        f"({METRICS[metric].title}) are of its class; {kept} of them are among its {len(drawn)} nearest on the map. "
        f"Its {K} nearest under cosine take it for {plain(guess['predicted'].values[row])} "
        f"({guess['confidence'].values[row]:.0%} of the votes)."
    )


def neighbours(opened: Workspace, shown: DisplayedMap, metric: str, k: int) -> None:
    """The query's neighbours in the full space and on the map, as two rows of photos to compare."""
    chosen = selection.query()
    photos = cached.catalog(opened)
    row = photos.row(chosen) if chosen else None
    if row is None:
        return
    label = photos.labels[row]
    both = (
        ("map_neighbours", "True neighbours", near_in_space(opened, shown.space, metric, k), 3),
        ("map_near", "Nearest on the map", near_on_map(opened, shown, k), 2),
    )
    for key, title, found, digits in both:
        st.markdown(f"**{title}**")
        photo_tiles.show_photos(
            opened,
            [each["id"] for each in found],
            key=key,
            title=title,
            badges=[f"{each['rank']}" for each in found],
            notes=[f"{each['value']:.{digits}f}" for each in found],
            right=[each["label"] == label for each in found],
            tile=84,
            row=True,
        )
