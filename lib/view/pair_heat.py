"""Where in two photos a metric's value comes from, as heat over both: the same wherever a page shows an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import streamlit as st
from PIL import Image

from lib.data import thumbnails
from lib.embed import spaces
from lib.errors import ImageError, PetalscopeError
from lib.prepare.workspace import Workspace
from lib.retrieval import explain
from lib.retrieval.explain import Explanation
from lib.retrieval.query import Query, query_row
from lib.search import position_parts
from lib.search.metrics import METRICS
from lib.search.position_parts import PositionParts
from lib.view import cached, cached_search, network_preloading, remedies
from lib.view.cached_search import Side
from lib.view.components import gallery, heat_pair
from lib.view.components.heat_pair import HeatPhoto
from lib.view.formatting import plain

# Cells along a side at most: a finer grid is shown as sums over blocks of it.
MOST_CELLS = 16
_PICTURE = 480
NAMES = ("Query", "Answer")
HINT = "Point at a cell for its part; click it to see what it matches in the other photo (or arrow keys and Enter)."
HINT_OF_PLACES = "Point at a cell for its part (or use the arrow keys)."
PLACES = "Pixels are compared place by place, so a cell matches the one at its place."
TOO_FINE = "The network's grid is too fine to compare its cells one by one."
MOVED = (
    "The query was moved by your marks: its vector is no photo's, so only the answer has heat. That is as exact as "
    "between two photos."
)
MOVED_NOTE = "moved by your marks, so it has no cells"
MOVED_SUM = "the answer's cells sum to it"
MOVED_SUMS = "the answer's cells and what the moved vector adds sum to it"
NO_PICTURE = "The query is a vector without a photo, so its parts have no place."


def quantity(metric: str) -> str:
    """What the parts of a metric sum to, in words."""
    words = {"l2": "the squared L2 distance", "cosine": "the cosine", "ncc": "the correlation"}
    return words.get(metric, f"the {METRICS[metric].title}")


def show(
    workspace: Workspace,
    query: Query,
    answer_id: str,
    sides: Sequence[Side],
    key: str,
    moved: Mapping[Side, np.ndarray] = MappingProxyType({}),
) -> None:
    """The heat of one answer under the metric of each side, side by side. Says in a sentence what cannot be shown.

    `moved` has for each side the vector (d,) to which marks moved the query; empty without marks.
    """
    row = cached.catalog(workspace).row(answer_id)
    if row is None:
        return
    if query.picture is None and query.row is None:
        st.caption(NO_PICTURE)
        return
    answer = query_row(cached.catalog(workspace), row)
    columns = st.columns(len(sides), gap="large") if len(sides) > 1 else [st.container()]
    for place, (column, side) in enumerate(zip(columns, sides, strict=True)):
        with column:
            try:
                pair = [cached_search.place(workspace, each, side.space, side.unit) for each in (query, answer)]
                if side in moved:
                    pair[0] = explain.moved_place(pair[0], moved[side])
                explained = explain.explain(side.metric, pair[0], pair[1])
                pictures = (_query_source(workspace, query, explained, side in moved), _source(workspace, answer))
            except PetalscopeError as error:
                st.info(plain(remedies.sentence(error)), icon=":material/info:")
                continue
            _show_side(explained, side, (query.name, answer_id), pictures, f"{key}_{place}")


def preload(workspace: Workspace, space: str) -> None:
    """Load the network of a space beside the page, so that its first heat does not wait for it."""
    network_preloading.begin(workspace, space)


def _show_side(explained: Explanation, side: Side, names: tuple[str, str], pictures: tuple[str, str], key: str) -> None:
    parts, title = explained.parts, f"{METRICS[side.metric].title} · {spaces.get(side.space).title}"
    if not parts.defined:
        st.markdown(f"**{title}**")
        st.caption(explain.UNDEFINED)
        return
    grids = [blocks(each) for each in (parts.query, parts.answer)]
    what = quantity(side.metric)
    photos = [
        HeatPhoto(
            src=source,
            alt=f"{name.lower()} photo {image}, with heat: {strongest_place(grid, parts.binding)}",
            name=name,
            note=f"cells sum to {grid.sum():+.4g}" if not parts.alone else f"cells sum to {grid.sum():.4g}",
            box=place.seen,
            parts=[_short(value) for value in grid.ravel()],
        )
        for name, image, source, grid, place in zip(
            NAMES, names, pictures, grids, (explained.query, explained.answer), strict=True
        )
    ]
    if parts.whole:
        photos[0] = replace(
            photos[0],
            alt=f"query photo {names[0]}, without heat",
            name="Query, moved",
            note=MOVED_NOTE if parts.alone else f"the moved vector adds {grids[0].sum():+.4g}",
            parts=[],
        )
    matches, pairs = _links(explained, side.metric, grids[1].shape)
    heat_pair.show(
        (photos[0], photos[1]),
        key=key,
        title=title,
        about=concentration(parts, what),
        grid=(grids[1].shape[0], grids[1].shape[1]),
        binding=parts.binding,
        total=parts.total,
        unit=_unit(parts, what),
        hint=HINT if matches is not None else HINT_OF_PLACES,
        places=PLACES if explained.answer.map is None else TOO_FINE if explained.query.map is not None else MOVED,
        matches=matches,
        pairs=pairs,
    )


def blocks(grid: np.ndarray) -> np.ndarray:
    """A grid of parts, (h, w), as sums over blocks, at most `MOST_CELLS` along each side: they sum to the same."""
    return _reduced(_reduced(grid, 0), 1)


def _reduced(values: np.ndarray, axis: int) -> np.ndarray:
    count = values.shape[axis]
    return values if count <= MOST_CELLS else np.add.reduceat(values, _starts(count), axis=axis)


def _starts(count: int) -> np.ndarray:
    return np.asarray(np.arange(MOST_CELLS) * count // MOST_CELLS)


def concentration(parts: PositionParts, what: str) -> str:
    """How unevenly the parts lie, in a sentence: what the strongest quarter of the cells holds."""
    of_answer = parts.alone or parts.whole
    grids = [np.abs(blocks(each)) for each in ((parts.answer,) if of_answer else (parts.query, parts.answer))]
    sizes = np.concatenate([grid.ravel() for grid in grids])
    if not sizes.sum():
        return f"No part of either photo adds to {what}: the vectors are equal."
    quarter = position_parts.strongest(sizes, 0.25)
    share, even = sizes[quarter].sum() / sizes.sum(), quarter.sum() / sizes.size
    where = "the answer" if of_answer else "both photos"
    what = "what all of them add" if parts.whole and not parts.alone else what
    aside = "" if min(parts.query.min(), parts.answer.min()) >= 0 else ", signs aside"
    return (
        f"The strongest quarter of the cells of {where} holds {share:.0%} of {what}{aside}; spread evenly it would "
        f"hold {even:.0%}."
    )


def strongest_place(grid: np.ndarray, binding: int) -> str:
    """Which cell binds most, for those who do not see the heat."""
    row, column = np.unravel_index(int(np.argmax(grid * binding)), grid.shape)
    return f"of {grid.shape[0]} × {grid.shape[1]} cells, row {row + 1}, column {column + 1} binds most"


def _unit(parts: PositionParts, what: str) -> str:
    if parts.whole:
        return f"part of {what}, {parts.total:.4g}: {MOVED_SUM if parts.alone else MOVED_SUMS}"
    if parts.alone:
        return f"part of {what}: the cells of each photo alone sum to it, {parts.total:.4g}"
    return f"part of {what}: the cells of both photos together sum to it, {parts.total:.4g}"


def _links(
    explained: Explanation, metric: str, cells: tuple[int, ...]
) -> tuple[list[float | None] | None, list[float] | None]:
    """The matches of the cells, and the value's split over pairs of them; None where there are none."""
    query, answer = explained.query.map, explained.answer.map
    if query is None or answer is None or query.values.shape[1:] != cells:
        return None, None
    pairs = position_parts.pairs(metric, query, answer)
    cosines = position_parts.matches(query, answer).ravel()
    return (
        [None if np.isnan(value) else round(float(value), 4) for value in cosines],
        None if pairs is None else [_short(value) for value in pairs.ravel()],
    )


def _short(value: float) -> float:
    """A number with the digits that a screen can show: the page sends fewer bytes."""
    return float(f"{value:.5g}")


def _query_source(workspace: Workspace, query: Query, explained: Explanation, is_moved: bool) -> str:
    """The query's photo; among pixels the picture that marks made of it."""
    if not is_moved or explained.answer.map is not None:
        return _source(workspace, query)
    side = spaces.PIXEL_SIDE
    picture = Image.fromarray(explained.query.vector.reshape(side, side, position_parts.CHANNELS))
    return gallery.data_uri(thumbnails.encode(picture, _PICTURE))


def _source(workspace: Workspace, query: Query) -> str:
    """The whole photo, "" where its file is gone."""
    if query.row is not None:
        try:
            return cached.thumbnail(workspace, query.name, _PICTURE)
        except ImageError:
            return ""
    return "" if query.picture is None else gallery.data_uri(thumbnails.encode(query.picture, _PICTURE))
