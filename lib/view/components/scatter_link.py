"""What a map shows and its address keeps: the view, hidden entries of the legend, the tool, names and contours.

The browser writes these into the address (`scatter_parts/link.js`), since a pan is not worth a run of the page. They
are read here whenever a page is drawn; anybody can write an address, so they are checked.
"""

from __future__ import annotations

import math
from typing import TypedDict

from lib.view import url_state

TOOLS, CONTOURS = ("lasso", "box", "pan"), ("all", "class")
# A centre lies at most this far outside the map, in its widths and heights; the map is shown so many times enlarged.
_OUTSIDE = 2.0
_LEAST_ZOOM, _MOST_ZOOM = 0.01, 100_000.0


class Link(TypedDict):
    """`parameters` has the names that the chart writes, by part; `zoom` is [x, y, enlarged], x and y in shares of the
    map's width and height, or empty for the whole map; `hide` are names in the legend."""

    parameters: dict[str, str]
    zoom: list[float]
    hide: list[str]
    tool: str | None
    names: str | None
    contours: str | None


def read(*, is_second: bool = False) -> Link:
    """The link of the page's map; a second map shows the same as the first, and keeps only its own view."""
    parts = ("hide", "tool", "names", "contours")
    written = {"zoom": "zoom2"} if is_second else {"zoom": "zoom", **{part: part for part in parts}}
    tool, contours = url_state.parameter("tool"), url_state.parameter("contours")
    return {
        "parameters": written,
        "zoom": parse_zoom(url_state.parameter(written["zoom"])),
        "hide": url_state.parameters("hide"),
        "tool": tool if tool in TOOLS else None,
        "names": "off" if url_state.parameter("names") == "off" else None,
        "contours": contours if contours in CONTOURS else None,
    }


def parse_zoom(word: str | None) -> list[float]:
    """The view in a word such as "0.25,0.5,3"; empty, for the whole map, where it is none."""
    try:
        zoom = [float(number) for number in (word or "").split(",", 3)]
    except ValueError:
        return []
    if len(zoom) != 3 or not all(map(math.isfinite, zoom)):
        return []
    x, y, enlarged = zoom
    is_near = all(-_OUTSIDE <= share <= 1 + _OUTSIDE for share in (x, y))
    return zoom if is_near and _LEAST_ZOOM <= enlarged <= _MOST_ZOOM else []
