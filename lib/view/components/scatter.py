"""Points on a plane that one can look at closely: a component of our own, drawn by WebGL (`points.js`, `scatter.js`).

Plotly draws a chart anew whenever anything in it changes, be it only which points are selected: half a second for a
few thousand points. Here the columns stay in the browser, and a click, a lasso, another colour or new lines change only
what they change. What the browser reports comes from outside, so it is checked before it is believed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lib.measure.traits import Trait
from lib.view import theme

# So many points in view are drawn as photos; above `DENSE` a map shows density and `SAMPLE` of its points.
MOST_PHOTOS = 100
DENSE, SAMPLE, BINS = 50_000, 20_000, 240
# Codes of a colour scale, and the code of what is not known.
SHADES, UNKNOWN = 256, 0xFFFF
# Longer polygons are drawn by no hand.
MOST_CORNERS = 20_000
Columns = dict[str, Any]


@dataclass(frozen=True)
class Lines:
    """Lines from a photo's place (2,) to photos near it; `name` and `called` are the legend's words for both."""

    at: np.ndarray
    near: list[dict[str, Any]]
    name: str
    called: str


@dataclass(frozen=True)
class ScatterState:
    """What a hand drew around: `polygon` (m, 2) on the plane, the codes of `hidden` points, whether it `adds` to what
    is selected, and `at` which place of the way it was, where there are several planes."""

    polygon: np.ndarray
    hidden: frozenset[int]
    adds: bool
    at: float = 0.0


def _packed(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


def place_columns(frame: pd.DataFrame, xy: np.ndarray) -> Columns:
    """Where the points lie and what they are, for `show`: all images of a catalog, or a sample of very many.

    `xy` is (n, 2), row for row with the catalog. The sample is always the same.
    """
    rows = np.arange(len(frame))
    if len(frame) > DENSE:
        rows = np.sort(np.random.default_rng(0).choice(len(frame), SAMPLE, replace=False))
    classes, labels = np.unique(frame["label"].to_numpy(dtype=str), return_inverse=True)
    low, high = (xy.min(axis=0), xy.max(axis=0)) if len(xy) else (np.zeros(2), np.ones(2))
    return {
        "xy": _packed(xy[rows], "<f4"),
        "rows": _packed(rows, "<u4"),
        "ids": json.dumps(frame["id"].to_numpy()[rows].tolist()),
        "classes": classes.tolist(),
        "labels": _packed(labels[rows], "<u2"),
        "bounds": [float(side) for side in (*low, *high)],
        "density": _density(xy) if len(frame) > DENSE else None,
        "base": 6 if len(frame) < 20_000 else 4,
        "drawn": rows,
    }


def _density(xy: np.ndarray) -> dict[str, Any]:
    """How many points lie where, in a grid of bins, darker for more (on a logarithmic scale), as a small picture."""
    import io

    from PIL import Image

    counts, x, y = np.histogram2d(xy[:, 0], xy[:, 1], bins=BINS)
    depth = np.log1p(counts.T[::-1])
    shade = np.zeros((BINS, BINS, 4), dtype=np.uint8)
    shade[..., :3] = (128, 118, 138)
    shade[..., 3] = (190 * depth / max(depth.max(), 1e-9)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(shade).save(buffer, "PNG")
    edges = {"left": x[0], "right": x[-1], "bottom": y[0], "top": y[-1]}
    source = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return {"src": source, **{side: float(edge) for side, edge in edges.items()}}


def codes(trait: Trait, colours: dict[str, str]) -> np.ndarray:
    """Which colour each image has by a trait, uint16 (n,): the place among `colours`, or the shade of a number."""
    if trait.kind == "number":
        values = trait.values.astype(np.float64)
        share = (values - trait.low) / max(trait.high - trait.low, 1e-12)
        shades = np.clip(np.nan_to_num(share) * SHADES, 0, SHADES - 1)
        return np.where(np.isnan(values), UNKNOWN, shades).astype(np.uint16)
    place = {value: i for i, value in enumerate(colours)}
    return np.array([place.get(str(value), UNKNOWN) for value in trait.values], dtype=np.uint16)


def colour_columns(trait: Trait, colours: dict[str, str], drawn: np.ndarray) -> Columns:
    """How a trait colours the `drawn` points, for `show`: `colours` has the values in the order of the legend."""
    coded = codes(trait, colours)
    legend = [{"name": "unknown", "code": UNKNOWN, "colour": theme.MUTED}] if (coded == UNKNOWN).any() else []
    scale, values = None, None
    if trait.kind == "number":
        palette = list(_shades())
        scale = {"title": trait.title, "low": float(trait.low), "high": float(trait.high)}
        values = _packed(trait.values[drawn], "<f4")
    else:
        palette = list(colours.values())
        there = set(coded.tolist())
        shown = [(i, name) for i, name in enumerate(colours) if trait.kind == "class" or i in there]
        legend += [{"name": name, "code": i, "colour": palette[i]} for i, name in shown]
    return {
        "codes": _packed(coded[drawn], "<u2"),
        "palette": palette,
        "legend": legend,
        "scale": scale,
        "values": values,
    }


@cache
def _shades() -> tuple[str, ...]:
    from plotly.colors import get_colorscale, sample_colorscale

    found = sample_colorscale(get_colorscale(theme.SCALE), np.linspace(0, 1, SHADES).tolist(), colortype="tuple")
    return tuple("#" + "".join(f"{round(255 * part):02x}" for part in each) for each in found)


def inside(xy: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Which points (n, 2) lie inside a closed polygon (m, 2), by the even-odd rule: bool (n,)."""
    found = np.zeros(len(xy), dtype=bool)
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    near = np.nonzero(((xy >= low) & (xy <= high)).all(axis=1))[0]
    x, y = xy[near].astype(np.float64).T
    odd = np.zeros(len(near), dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y0 != y1:
            crosses = (y0 > y) != (y1 > y)
            odd ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    found[near] = odd
    return found


def drawn(value: object) -> ScatterState | None:
    """What the browser says that a hand drew; None when that makes no sense."""
    if not isinstance(value, dict):
        return None
    try:
        polygon = np.asarray(value.get("polygon"), dtype=np.float64)
        hidden = frozenset(int(code) for code in value.get("hidden") or ())
        at = float(value.get("at") or 0)
    except (TypeError, ValueError, OverflowError):
        return None
    if polygon.ndim != 2 or polygon.shape[1] != 2 or not 3 <= len(polygon) <= MOST_CORNERS:
        return None
    sound = np.isfinite(polygon).all() and np.isfinite(at)
    return ScatterState(polygon, hidden, bool(value.get("add")), at) if sound else None


def way_columns(planes: dict[str, np.ndarray], drawn: np.ndarray) -> Columns:
    """Several planes (n, 2) of the same points, by title, for `show`: points go from one to the next."""
    every = np.concatenate(list(planes.values()))
    stops = [{"title": title, "xy": _packed(xy[drawn], "<f4")} for title, xy in planes.items()]
    return {"stops": stops, "bounds": [float(side) for side in (*every.min(axis=0), *every.max(axis=0))]}


def blend(planes: Sequence[np.ndarray], at: float) -> np.ndarray:
    """Where the points are at a place of the way, 0 to len(planes) - 1: straight, and slow at both ends."""
    place = min(max(at, 0.0), len(planes) - 1.0)
    before = min(int(place), len(planes) - 2)
    share = (1 - np.cos(np.pi * (place - before))) / 2
    return np.asarray(planes[before] + share * (planes[before + 1] - planes[before]))


def in_view(key: str, plane: str, n: int) -> list[int]:
    """The rows of the points that the user has in view, when they are few enough to be drawn as photos."""
    told = dict(st.session_state.get(key) or {}).get("inview")
    if not isinstance(told, dict) or told.get("plane") != plane or not isinstance(told.get("rows"), list):
        return []
    rows = [row for row in told["rows"] if isinstance(row, int) and not isinstance(row, bool) and 0 <= row < n]
    return rows if len(rows) <= MOST_PHOTOS else []


_PEEK = """
export default function ({ parentElement, data, setTriggerValue }) {
  const ask = ({ detail }) => { if (detail.chart === data.chart) setTriggerValue("hovered", detail.row); };
  window.removeEventListener("petalscope-hover", parentElement.ask); // of the call before
  window.addEventListener("petalscope-hover", ask);
  parentElement.ask = ask;
  window.dispatchEvent(new CustomEvent("petalscope-photo", { detail: data }));
  return () => window.removeEventListener("petalscope-hover", ask);
}
"""


@st.cache_resource
def _peek() -> Any:
    return st.components.v2.component("petalscope_peek", js=_PEEK)


@st.fragment
def peek(chart: str, photo: Callable[[int], str]) -> None:
    """Give the chart whose key is `chart` the photo of the point under the pointer; only this runs again for it.

    `photo` gives the address of a catalog row's picture, "" for none.
    """
    key, seen = f"{chart}_peek", f"{chart}_peeked"

    def hovered() -> None:
        st.session_state[seen] = st.session_state[key]["hovered"]

    row = st.session_state.get(seen)
    known = isinstance(row, int) and not isinstance(row, bool)
    data = {"chart": chart, "row": row if known else -1, "src": photo(int(str(row))) if known else ""}
    _peek()(data=data, key=key, on_hovered_change=hovered)


@st.cache_resource
def _component() -> Any:
    here = Path(__file__).parent
    return st.components.v2.component(
        "petalscope_scatter",
        css=(here / "scatter.css").read_text(encoding="utf-8"),
        js="".join((here / name).read_text(encoding="utf-8") for name in ("points.js", "scatter.js")),
    )


def show(
    places: Columns,
    colour: Columns,
    *,
    key: str,
    plane: str,
    title: str,
    lit: np.ndarray | None,
    lines: dict[str, Any] | None = None,
    photos: Sequence[dict[str, Any]] = (),
    way: Columns | None = None,
    on_click: Callable[[int], None],
    on_drawn: Callable[[ScatterState], None] | None = None,
) -> None:
    """Draw the points of `place_columns` in the colours of `colour_columns`.

    `plane` names where they lie: the view is kept as long as it is the same. `lit` (n,) are the selected points, None
    for no selection; `way` is of `way_columns`; `lines` has `at`, `near`, `name`, `called`; `photos` have `x`, `y`,
    `src`, `alt`, `colour` and `opacity`. `on_click` gets a catalog row, `on_drawn` what was drawn around, before the
    page runs again; without it there is no lasso.
    """
    n = len(places["drawn"])

    def clicked() -> None:
        row = st.session_state[key]["clicked"]
        if isinstance(row, int):
            on_click(row)

    def around() -> None:
        found = drawn(st.session_state[key]["drawn"])
        if found is not None and on_drawn is not None:
            on_drawn(found)

    data = {
        **{name: value for name, value in places.items() if name != "drawn"},
        **colour,
        "stops": None,
        **(way or {}),
        "key": key,
        "plane": plane,
        "title": title,
        "lit": None if lit is None else _packed(np.packbits(lit[places["drawn"]]), "u1"),
        "lines": lines,
        "photos": list(photos),
        "most": MOST_PHOTOS if n else 0,
        "ink": theme.QUERY,
        "lasso": on_drawn is not None,
    }
    # Without a callback for it the view would not be kept in the session.
    _component()(data=data, key=key, on_clicked_change=clicked, on_drawn_change=around, on_inview_change=lambda: None)
