"""Rows by the block, so that temporary arrays stay in the cache, and the best of many values."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from lib.search.metrics import Array, Floats, metric

Rows = npt.NDArray[np.int64]
BLOCK = 4096  # feature rows at a time: 8 MB at 512 dimensions stay in cache while a batch of queries passes
PIXEL_BLOCK = 1024  # pixel rows at a time: 50 MB at 49,152 dimensions
CELLS = 2**21  # query x gallery values held at a time by one call: 16 MB of float64 a metric
FEW = 8  # up to so many queries, scanning beats a matrix product that must first convert or copy the gallery
Answer = tuple[int, Rows, Floats]  # query, answers best first, their values


def best_of(values: Floats, name: str, k: int, excluded: npt.NDArray[np.bool_]) -> Rows:
    """Positions of the k best values, best first, equal values by position, without the excluded ones."""
    keys = -values if metric(name).higher_is_closer else values.copy()
    allowed = np.flatnonzero(~excluded)
    keys = keys[allowed]
    k = min(k, len(keys))
    if k == 0:
        return np.empty(0, dtype=np.int64)
    contenders = np.flatnonzero(keys <= np.partition(keys, k - 1)[k - 1])
    return allowed[contenders[np.argsort(keys[contenders], kind="stable")][:k]]


def slices(size: int, step: int) -> Iterator[slice]:
    """0 to `size` in steps, the last one perhaps shorter."""
    for start in range(0, size, step):
        yield slice(start, min(start + step, size))


def by_blocks(compute: Callable[[Array], Array], vectors: Array, places: Rows | None = None) -> Array:
    """`compute` of all rows, or of those at `places`, without a float64 copy of the whole."""
    size = len(vectors) if places is None else len(places)
    whole: Array | None = None  # filled in place: a list of parts put together at the end is held twice
    for block in slices(size, BLOCK):
        part = compute(vectors[block] if places is None else vectors[places[block]])
        if whole is None:
            whole = np.empty((size, *part.shape[1:]), part.dtype)
        whole[block] = part
    return compute(vectors[:0]) if whole is None else whole
