"""The maps of the page as they are drawn: colours, lines to neighbours, photos, and what a click or a lasso does."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import streamlit as st

from lib.data.catalog import Catalog
from lib.errors import ImageError
from lib.export import point_columns
from lib.export.point_columns import Columns
from lib.measure.clusters import NOISE_NAME
from lib.measure.traits import CLUSTER, RIGHT, WRONG, Trait
from lib.prepare.workspace import Workspace
from lib.search.clustering import KMEANS
from lib.text import counted
from lib.view import cached, photo_tiles, provenance, selection, theme, url_state
from lib.view.components import hover_photo, scatter, scatter_link
from lib.view.components.scatter import DrawnPolygon, LineColumns, Lines, PointPhoto
from lib.view.embedding_map import photo_filter, sections
from lib.view.embedding_map.map_choice import DisplayedMap

_PRESERVED = "preserved"


# --- controls --------------------------------------------------------------------------------------------------------


def default_colour(names: Collection[str]) -> str:
    """Of the traits `names`, the one that colours a map until another is chosen: the class, else the clusters."""
    return next(name for name in ("label", f"{CLUSTER}{KMEANS}", "split") if name in names)


def colour_choice(workspace: Workspace, space: str, *, disabled: bool = False) -> str:
    """The trait that colours the points: a control kept in the address."""
    titles = {name: trait.title for name, trait in cached.traits(workspace, space).items()}
    titles[_PRESERVED] = "Neighbours kept on the map"
    bound = url_state.choice("colour", "map", list(titles), default_colour(titles))
    return str(st.selectbox("Colour", list(titles), format_func=titles.__getitem__, disabled=disabled, **bound))


# --- colours ---------------------------------------------------------------------------------------------------------


def trait(workspace: Workspace, shown: DisplayedMap, name: str) -> Trait:
    """The trait that colours a map; the default one where its space has no trait of this name."""
    traits = cached.traits(workspace, shown.space)
    if name == _PRESERVED:
        k = shown.map.facts["fidelity"]["k"]
        about = f"Share of its {k} nearest in the space that are among its {k} nearest on this map."
        return Trait(name, "Neighbours kept", about, "number", shown.map.preserved)
    return traits.get(name, traits[default_colour(traits)])


def trait_of(workspace: Workspace, space: str) -> Trait:
    """The trait that colours the maps of a space until another is chosen."""
    traits = cached.traits(workspace, space)
    return traits[default_colour(traits)]


def colours(photos: Catalog, trait: Trait) -> dict[str, str]:
    """The colour of every value of a trait: class colours are the same on every page. Numbers have a scale instead."""
    if trait.kind == "number":
        return {}
    if trait.kind == "class":
        return photo_tiles.colours(photos)
    if trait.name == "split":
        return theme.SPLIT_COLOURS
    if trait.name.startswith(CLUSTER):
        return theme.majority_colours(trait.classes, photo_tiles.colours(photos)) | {NOISE_NAME: theme.MUTED}
    values = sorted(set(trait.values) - {""})
    if set(values) <= {RIGHT, WRONG}:
        return {RIGHT: theme.RIGHT, WRONG: theme.WRONG}
    return theme.class_colours(values)


# --- drawing ---------------------------------------------------------------------------------------------------------


@st.cache_resource(max_entries=16, show_spinner=False)
def _places(version: str, space: str, key: str, aligned: str, _photos: Catalog, _xy: np.ndarray) -> Columns:
    return point_columns.place_columns(_photos.frame, _xy)


@st.cache_resource(max_entries=64, show_spinner=False)
def _colour(
    version: str, space: str, key: str, name: str, about: str, _photos: Catalog, _trait: Trait, _drawn: np.ndarray
) -> Columns:
    return scatter.colour_columns(_trait, colours(_photos, _trait), _drawn)


def draw(
    workspace: Workspace, shown: DisplayedMap, colour: str, lines: Lines | None, *, key: str, titled: bool = False
) -> None:
    """A map coloured by the trait `colour`, the selection lit, with lines. `key` distinguishes the page's two maps.

    `titled` writes the space and the method above it.
    """
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
    if titled:
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
        provenance=provenance.text(),
        on_click=lambda row: choose(photos, row, section=sections.QUERY),
        on_drawn=lambda drawn: select(photos, xy, coloured_by, drawn, section=sections.SELECTION),
    )
    hover_photo.serve(key, lambda row: thumbnail(workspace, row))


def colour_note(workspace: Workspace, shown: DisplayedMap, colour: str) -> str:
    """What the colours of a map mean, as Markdown."""
    coloured_by, n = trait(workspace, shown, colour), len(cached.catalog(workspace).frame)
    density = f" Grey is the density of all photos; {point_columns.SAMPLE:,} of them are drawn as points."
    return f"**{coloured_by.title}**: {coloured_by.about}{density if n > point_columns.DENSE else ''}"


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


def choose(photos: Catalog, row: int, **choices: str) -> None:
    """Make the photo in a row of the catalog the query; `choices` are written into the address with it."""
    if 0 <= row < len(photos.ids):
        selection.choose_query(photos.ids[row], **choices)


def select(photos: Catalog, xy: np.ndarray, coloured_by: Trait, drawn: DrawnPolygon, **choices: str) -> None:
    """Select the photos inside a polygon that are not hidden and pass the filter, also those that are not drawn.

    `choices` are written into the address with the selection.
    """
    mask = scatter.points_in_polygon(xy, drawn.polygon)
    if drawn.hidden:
        mask &= ~np.isin(scatter.colour_codes(coloured_by, colours(photos, coloured_by)), list(drawn.hidden))
    passing = photo_filter.passing(len(photos.ids))
    if passing is not None:
        mask &= passing
    if drawn.adds:
        mask[selection.selected_rows(len(photos.ids), photos.contents)] = True
    if mask.any():
        rows = np.nonzero(mask)[0].tolist()
        kept = {url_state.PASSING: words} if (words := url_state.parameters(url_state.PASSING)) else {}
        selection.select_rows(rows, len(photos.ids), photos.contents, **kept | choices)


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
            "alt": f"{labels[row]}, {photos.ids[row]}" if labels[row] else photos.ids[row],
            "colour": class_colours.get(labels[row], theme.MUTED),
            "opacity": 1.0 if lit is None or lit[row] else 0.25,
        }
        for row in rows
        if (source := thumbnail(workspace, row, 96))
    ]
