"""The maps of the page as they are drawn: colours, lines to neighbours, photos, and the query below."""

from __future__ import annotations

import numpy as np
import streamlit as st

from lib.data.catalog import Catalog
from lib.documents.search import SearchResult
from lib.errors import ImageError
from lib.measure.traits import RIGHT, WRONG, Trait
from lib.prepare.workspace import Workspace
from lib.retrieval.query import query_row
from lib.search.metrics import METRICS
from lib.search.neighbourhoods import K
from lib.text import counted
from lib.view import cached, cached_search, page_controls, photo_tiles, selection, theme, url_state
from lib.view.cached_search import QuerySet, Side
from lib.view.components import hover_photo, scatter, scatter_link
from lib.view.components.scatter import DrawnPolygon, LineColumns, Lines, PointPhoto
from lib.view.embedding_map import photo_filter
from lib.view.embedding_map.map_choice import DisplayedMap
from lib.view.formatting import plain

TRUE_NEIGHBOURS, NEAR_ON_MAP = "True neighbours", "Nearest on the map"
PANELS = {
    "selection": "Selection",
    "filter": "Filter",
    "findings": "Findings",
    "training": "What training does",
    "reading": "How to read a map",
}
LINES = {"true": TRUE_NEIGHBOURS, "map": NEAR_ON_MAP}
_LEGEND = {"true": "its true neighbours", "map": "nearest on the map"}
_PRESERVED = "preserved"


# --- controls --------------------------------------------------------------------------------------------------------


def colour_choice(workspace: Workspace, space: str) -> str:
    """The trait that colours the points: a control kept in the address."""
    titles = {name: trait.title for name, trait in cached.traits(workspace, space).items()}
    titles[_PRESERVED] = "Neighbours kept on the map"
    bound = url_state.choice("colour", "map", list(titles), "label")
    return str(st.selectbox("Colour", list(titles), format_func=titles.__getitem__, **bound))


def neighbour_choice() -> tuple[str, int, str]:
    """The metric, number and kind (of `LINES`) of the neighbours that lines lead to: controls kept in the address."""
    metric = page_controls.metric_choice("Metric", "cosine", "metric", "map")
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    count = left.number_input("Neighbours (k)", **url_state.number("near", 1, 50, 10))
    bound = url_state.choice("lines", "map", list(LINES), "true")
    kind = right.selectbox("Lines to", list(LINES), format_func=LINES.__getitem__, **bound)
    return metric, int(count), str(kind)


def panel_choice() -> str:
    """The panel below the map: a control kept in the address."""
    return page_controls.segments("Below the map", PANELS, url_state.SECTION, "map", "selection", label_is_shown=False)


# --- colours ---------------------------------------------------------------------------------------------------------


def trait(workspace: Workspace, shown: DisplayedMap, name: str) -> Trait:
    """The trait that colours a map; the class where its space has no trait of this name."""
    traits = cached.traits(workspace, shown.space)
    if name == _PRESERVED:
        k = shown.map.facts["fidelity"]["k"]
        about = f"Share of its {k} nearest in the space that are among its {k} nearest on this map."
        return Trait(name, "Neighbours kept", about, "number", shown.map.preserved)
    return traits.get(name, traits["label"])


def colours(photos: Catalog, trait: Trait) -> dict[str, str]:
    """The colour of every value of a trait: class colours are the same on every page. Numbers have a scale instead."""
    if trait.kind == "number":
        return {}
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
def _places(version: str, space: str, key: str, aligned: str, _photos: Catalog, _xy: np.ndarray) -> scatter.Columns:
    return scatter.place_columns(_photos.frame, _xy)


@st.cache_resource(max_entries=64, show_spinner=False)
def _colour(
    version: str, space: str, key: str, name: str, about: str, _photos: Catalog, _trait: Trait, _drawn: np.ndarray
) -> scatter.Columns:
    return scatter.colour_columns(_trait, colours(_photos, _trait), _drawn)


def draw(workspace: Workspace, shown: DisplayedMap, colour: str, lines: Lines | None, *, key: str) -> None:
    """A map coloured by the trait `colour`, the selection lit, with lines. `key` distinguishes the page's two maps."""
    photos, xy = cached.catalog(workspace), shown.map.xy
    if key == "map":
        photo_filter.restore(workspace, shown.space)
    coloured_by = trait(workspace, shown, colour)
    # A second map is drawn as it was aligned with the main one: its first point is part of the cache's key.
    aligned = "" if key == "map" else str(xy[:1].tolist())
    layout = shown.parameters.key()
    places = _places(workspace.version, shown.space, layout, aligned, photos, xy)
    name, about = coloured_by.name, coloured_by.about
    colour_columns = _colour(workspace.version, shown.space, layout, name, about, photos, coloured_by, places["drawn"])
    lit = selected(photos)
    plane = f"{workspace.version[:8]} {shown.space} {layout} {aligned}"
    st.markdown(f"**{shown.title}**")
    scatter.show(
        places,
        colour_columns,
        key=key,
        plane=plane,
        title=f"{shown.title}: {counted(len(photos.frame), 'photo')}, coloured by {coloured_by.title}",
        lit=lit,
        lines=None if lines is None else _line_columns(photos, xy, lines),
        photos=_photos_in_view(workspace, xy, scatter.rows_in_view(key, plane, len(xy)), lit),
        link=scatter_link.read(is_second=key != "map"),
        on_click=lambda row: choose(photos, row),
        on_drawn=lambda drawn: select(photos, xy, coloured_by, drawn),
    )
    hover_photo.serve(key, lambda row: thumbnail(workspace, row))
    density = f" Grey is the density of all photos; {scatter.SAMPLE:,} of them are drawn as points."
    st.caption(f"**{coloured_by.title}**: {about}{density if len(photos.frame) > scatter.DENSE else ''}")


def selected(photos: Catalog) -> np.ndarray | None:
    """Which photos are selected, bool (n,); None for no selection, and none of them where none passes the filter."""
    rows = selection.selected_rows(len(photos.ids), photos.contents)
    if not rows:
        passing = photo_filter.passing(len(photos.ids))
        return None if passing is None or passing.any() else passing
    mask = np.zeros(len(photos.ids), dtype=bool)
    mask[rows] = True
    return mask


def _line_columns(photos: Catalog, xy: np.ndarray, lines: Lines) -> LineColumns:
    rows = [row for row in (photos.row(neighbour["id"]) for neighbour in lines.neighbours) if row is not None]
    return {
        "start": lines.start.tolist(),
        "ends": xy[rows].tolist(),
        "start_name": lines.start_name,
        "end_name": lines.neighbour_name,
    }


def choose(photos: Catalog, row: int) -> None:
    """Make the photo in a row of the catalog the query."""
    if 0 <= row < len(photos.ids):
        selection.choose_query(photos.ids[row])


def select(photos: Catalog, xy: np.ndarray, coloured_by: Trait, drawn: DrawnPolygon) -> None:
    """Select the photos inside a polygon that are not hidden and pass the filter, also those that are not drawn."""
    mask = scatter.points_in_polygon(xy, drawn.polygon)
    if drawn.hidden:
        mask &= ~np.isin(scatter.colour_codes(coloured_by, colours(photos, coloured_by)), list(drawn.hidden))
    passing = photo_filter.passing(len(photos.ids))
    if passing is not None:
        mask &= passing
    if drawn.adds:
        mask[selection.selected_rows(len(photos.ids), photos.contents)] = True
    if mask.any():
        kept = {url_state.PASSING: words} if (words := url_state.parameters(url_state.PASSING)) else {}
        selection.select_rows(np.nonzero(mask)[0].tolist(), len(photos.ids), photos.contents, **kept)


def thumbnail(workspace: Workspace, row: int, size: int = cached.THUMBNAIL) -> str:
    """The address of the photo in a row of the catalog; "" where there is none."""
    ids = cached.catalog(workspace).ids
    try:
        return cached.thumbnail(workspace, ids[row], size) if 0 <= row < len(ids) else ""
    except ImageError:  # the file is gone, or another image
        return ""


def _photos_in_view(workspace: Workspace, xy: np.ndarray, rows: list[int], lit: np.ndarray | None) -> list[PointPhoto]:
    photos = cached.catalog(workspace)
    class_colours, labels = photo_tiles.colours(photos), photos.labels
    return [
        {
            "x": float(xy[row, 0]),
            "y": float(xy[row, 1]),
            "src": source,
            "alt": f"{labels[row]}, {photos.ids[row]}",
            "colour": class_colours[labels[row]],
            "opacity": 1.0 if lit is None or lit[row] else 0.25,
        }
        for row in rows
        if (source := thumbnail(workspace, row, 96))
    ]


# --- the query and its neighbours ------------------------------------------------------------------------------------


def _query_row(photos: Catalog) -> int | None:
    """The row of the query in the catalog; None without a query, or for a query of another data set."""
    image_id = selection.query_id()
    return photos.row(image_id) if image_id else None


def near_in_space(workspace: Workspace, space: str, metric: str, k: int) -> list[SearchResult]:
    """The query's nearest photos in the full space, as results of a search; none without a query of this data set."""
    photos = cached.catalog(workspace)
    row = _query_row(photos)
    if row is None:
        return []
    queries = QuerySet([query_row(photos, row)])
    return list(cached_search.search(workspace, queries, Side(metric, space), k)["results"])


def near_on_map(workspace: Workspace, shown: DisplayedMap, k: int) -> list[SearchResult]:
    """The photos that lie nearest to the query on the map, in the shape of a search's results."""
    photos = cached.catalog(workspace)
    row = _query_row(photos)
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


def query_lines(workspace: Workspace, shown: DisplayedMap, kind: str, metric: str, k: int) -> Lines | None:
    """Lines from the query to its true neighbours, or to its nearest on the `map`; None without a query."""
    row = _query_row(cached.catalog(workspace))
    if row is None:
        return None
    near = near_on_map(workspace, shown, k) if kind == "map" else near_in_space(workspace, shown.space, metric, k)
    return Lines(shown.map.xy[row], near, "query photo", _LEGEND[kind])


def show_query(workspace: Workspace, shown: DisplayedMap, metric: str, k: int) -> None:
    """The query photo, how many of its neighbours are of its class, and their prediction."""
    photos = cached.catalog(workspace)
    row = _query_row(photos)
    if row is None:
        st.info("Click a point: its photo and its true neighbours appear here.", icon=":material/ads_click:")
        return
    image_id, label = photos.ids[row], photos.labels[row]
    true, on_map = near_in_space(workspace, shown.space, metric, k), near_on_map(workspace, shown, k)
    shared = len({result["id"] for result in true} & {result["id"] for result in on_map})
    photo_tiles.show_photos(workspace, [image_id], key="map_query", title="Query", notes=[image_id], tile=170)
    if not true:
        return
    traits = cached.traits(workspace, shown.space)
    st.caption(
        f"{sum(result['label'] == label for result in true)} of its {len(true)} nearest in the full space "
        f"({METRICS[metric].title}) are of its class; {shared} of them are among its {len(on_map)} nearest on the map. "
        f"Its {K} nearest under cosine predict {plain(traits['predicted'].values[row])} "
        f"({traits['confidence'].values[row]:.0%} of the votes)."
    )


def show_neighbours(workspace: Workspace, shown: DisplayedMap, metric: str, k: int) -> None:
    """The query's neighbours in the full space and on the map, as two rows of photos to compare."""
    photos = cached.catalog(workspace)
    row = _query_row(photos)
    if row is None:
        return
    label = photos.labels[row]
    rankings = (
        ("map_neighbours", TRUE_NEIGHBOURS, near_in_space(workspace, shown.space, metric, k), 3),
        ("map_near", NEAR_ON_MAP, near_on_map(workspace, shown, k), 2),
    )
    for key, title, ranking, digits in rankings:
        st.markdown(f"**{title}**")
        photo_tiles.show_photos(
            workspace,
            [result["id"] for result in ranking],
            key=key,
            title=title,
            badges=[f"{result['rank']}" for result in ranking],
            notes=[f"{result['value']:.{digits}f}" for result in ranking],
            right=[result["label"] == label for result in ranking],
            tile=84,
            row=True,
        )
