"""A scatter plot for close inspection: zoom, lasso, hover and photos, drawn by WebGL (`scatter.js`).

Plotly draws a chart anew whenever anything in it changes, the selection included: half a second for a few thousand
points. Here the columns stay in the browser, and a click, a lasso, another colour or new lines change only what
depends on them. The browser's reports come from outside, so they are checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypedDict

import numpy as np
import streamlit as st

from lib.documents.search import SearchResult
from lib.export.point_columns import Columns, encoded
from lib.measure.traits import Trait
from lib.view import theme
from lib.view.components import assets
from lib.view.components.scatter_link import Link

# At most so many points in view are drawn as photos.
MAX_PHOTOS = 100
# Number of colours of a scale, and the code of an unknown value.
SHADES, UNKNOWN = 256, 0xFFFF
# No hand draws a longer polygon.
MAX_CORNERS = 20_000


@dataclass(frozen=True)
class Lines:
    """Lines from a photo at `start` (2,) to its neighbours, best first, each with its catalog `id`.

    `start_name` and `neighbour_name` stand in the legend.
    """

    start: np.ndarray
    neighbours: Sequence[SearchResult]
    start_name: str
    neighbour_name: str


class LineColumns(TypedDict):
    """`Lines` on the plane, for the browser: `ends` are the places (2,) of the neighbours."""

    start: list[float]
    ends: list[list[float]]
    start_name: str
    end_name: str


class PointPhoto(TypedDict):
    """A photo that is drawn over its point."""

    x: float
    y: float
    src: str
    alt: str
    colour: str
    opacity: float


@dataclass(frozen=True)
class DrawnPolygon:
    """A lasso or box: its corners `polygon` (m, 2) on the plane, and the codes of the points that were `hidden`.

    `adds` is true when it adds to the selection. `position` is that of the animation, 0 where there is none.
    """

    polygon: np.ndarray
    hidden: frozenset[int]
    adds: bool
    position: float = 0.0


def colour_codes(trait: Trait, colours: dict[str, str]) -> np.ndarray:
    """The colour of each image by a trait, uint16 (n,): its index in `colours`, or the shade of its number."""
    if trait.kind == "number":
        values = trait.values.astype(np.float64)
        share = (values - trait.low) / max(trait.high - trait.low, 1e-12)
        shades = np.clip(np.nan_to_num(share) * SHADES, 0, SHADES - 1)
        return np.where(np.isnan(values), UNKNOWN, shades).astype(np.uint16)
    code_of = {value: code for code, value in enumerate(colours)}
    return np.array([code_of.get(str(value), UNKNOWN) for value in trait.values], dtype=np.uint16)


def colour_columns(trait: Trait, colours: dict[str, str], drawn: np.ndarray) -> Columns:
    """The colours of the `drawn` rows by a trait, for `show`; `colours` has the values in the order of the legend."""
    codes = colour_codes(trait, colours)
    legend = [{"name": "unknown", "code": UNKNOWN, "colour": theme.MUTED}] if (codes == UNKNOWN).any() else []
    scale, values = None, None
    if trait.kind == "number":
        palette = list(_shades())
        scale = {"title": trait.title, "low": float(trait.low), "high": float(trait.high)}
        values = encoded(trait.values[drawn], "<f4")
    else:
        palette = list(colours.values())
        used = set(codes.tolist())
        # Classes are always listed; of other values only those that some image has.
        entries = [(code, name) for code, name in enumerate(colours) if trait.kind == "class" or code in used]
        legend += [{"name": name, "code": code, "colour": palette[code]} for code, name in entries]
    return {
        "codes": encoded(codes[drawn], "<u2"),
        # Names of values that are written on the map in place of those of the classes, by code.
        "names": [name if name in trait.classes else "" for name in colours] if trait.classes else None,
        "palette": palette,
        "legend": legend,
        "scale": scale,
        "values": values,
    }


@cache
def _shades() -> tuple[str, ...]:
    from plotly.colors import get_colorscale, sample_colorscale

    samples = sample_colorscale(get_colorscale(theme.SCALE), np.linspace(0, 1, SHADES).tolist(), colortype="tuple")
    return tuple("#" + "".join(f"{round(255 * channel):02x}" for channel in colour) for colour in samples)


def points_in_polygon(xy: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Which points (n, 2) lie inside a closed polygon (m, 2), by the even-odd rule: bool (n,)."""
    is_inside = np.zeros(len(xy), dtype=bool)
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    candidates = np.nonzero(((xy >= low) & (xy <= high)).all(axis=1))[0]
    x, y = xy[candidates].astype(np.float64).T
    odd = np.zeros(len(candidates), dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y0 != y1:
            crosses = (y0 > y) != (y1 > y)
            odd ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    is_inside[candidates] = odd
    return is_inside


def parse_polygon(value: object) -> DrawnPolygon | None:
    """The polygon that the browser reports; None for anything else."""
    if not isinstance(value, dict):
        return None
    try:
        polygon = np.asarray(value.get("polygon"), dtype=np.float64)
        hidden = frozenset(int(code) for code in value.get("hidden") or ())
        position = float(value.get("position") or 0)
    except (TypeError, ValueError, OverflowError):
        return None
    if polygon.ndim != 2 or polygon.shape[1] != 2 or not 3 <= len(polygon) <= MAX_CORNERS:
        return None
    is_finite = np.isfinite(polygon).all() and np.isfinite(position)
    return DrawnPolygon(polygon, hidden, bool(value.get("add")), position) if is_finite else None


def animation_columns(planes: dict[str, np.ndarray], drawn: np.ndarray, *, follows: bool = False) -> Columns:
    """Several planes (n, 2) of the same points, by title, for `show`: the points move from one to the next.

    With `follows` the last plane is shown first, and a plane that is added later is moved to.
    """
    all_xy = np.concatenate(list(planes.values()))
    stops = [{"title": title, "xy": encoded(xy[drawn], "<f4")} for title, xy in planes.items()]
    return {
        "stops": stops,
        "follows": follows,
        "bounds": [float(side) for side in (*all_xy.min(axis=0), *all_xy.max(axis=0))],
    }


def interpolate(planes: Sequence[np.ndarray], position: float) -> np.ndarray:
    """The points (n, 2) at a position of the animation, 0 to len(planes) - 1: straight, and slow at both ends.

    `stretchAt` in scatter_parts/animation.js is the same.
    """
    clipped = min(max(position, 0.0), len(planes) - 1.0)
    before = min(int(clipped), len(planes) - 2)
    share = (1 - np.cos(np.pi * (clipped - before))) / 2
    return np.asarray(planes[before] + share * (planes[before + 1] - planes[before]))


def rows_in_view(key: str, plane: str, n: int) -> list[int]:
    """The catalog rows (of `n`) of the points in view, when they are few enough to be drawn as photos."""
    report = dict(st.session_state.get(key) or {}).get("inview")
    if not isinstance(report, dict) or report.get("plane") != plane or not isinstance(report.get("rows"), list):
        return []
    rows = [row for row in report["rows"] if isinstance(row, int) and not isinstance(row, bool) and 0 <= row < n]
    return rows if len(rows) <= MAX_PHOTOS else []


def show(
    places: Columns,
    colour: Columns,
    *,
    key: str,
    plane: str,
    title: str,
    lit: np.ndarray | None,
    lines: LineColumns | None = None,
    photos: Sequence[PointPhoto] = (),
    animation: Columns | None = None,
    link: Link | None = None,
    provenance: str = "",
    on_click: Callable[[int], None],
    on_drawn: Callable[[DrawnPolygon], None] | None = None,
) -> None:
    """Draw the points of `place_columns` in the colours of `colour_columns`.

    `plane` names the layout: as long as it is the same, the browser keeps its view. `lit`, bool (n,), are the selected
    points, None for no selection. `animation` comes from `animation_columns`; `link` from `scatter_link.read`, for a
    map that keeps its view in the address; `provenance` goes into a saved picture of the map. Before the page runs
    again, `on_click` gets the catalog row of a clicked point and `on_drawn` a lasso or box; without `on_drawn` there
    are no such tools.
    """
    n = len(places["drawn"])

    def clicked() -> None:
        row = st.session_state[key]["clicked"]
        if isinstance(row, int):
            on_click(row)

    def drawn() -> None:
        polygon = parse_polygon(st.session_state[key]["drawn"])
        if polygon is not None and on_drawn is not None:
            on_drawn(polygon)

    data = {
        **{name: column for name, column in places.items() if name != "drawn"},
        **colour,
        "stops": None,
        "follows": False,
        **(animation or {}),
        "key": key,
        "plane": plane,
        "title": title,
        "lit": None if lit is None else encoded(np.packbits(lit[places["drawn"]]), "u1"),
        "lines": lines,
        "photos": list(photos),
        "max_photos": MAX_PHOTOS if n else 0,
        "ink": theme.QUERY,
        "lasso": on_drawn is not None,
        "link": link,
        "provenance": provenance,
    }
    assets.component("scatter")(
        data=data,
        key=key,
        on_clicked_change=clicked,
        on_drawn_change=drawn,
        # Without a callback the session would not keep the report, which `rows_in_view` reads.
        on_inview_change=lambda: None,
    )
