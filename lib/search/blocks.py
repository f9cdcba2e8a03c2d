"""Rows block by block, so that temporary arrays stay in the cache, and the k best of many values."""

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
Answer = tuple[int, Rows, Floats]  # position of the query, rows best first, their values


def best_positions(values: Floats, name: str, k: int, excluded: npt.NDArray[np.bool_]) -> Rows:
    """Positions of the k best values that are not `excluded` (n,), best first; equal values by position."""
    keys = -values if metric(name).higher_is_closer else values.copy()
    allowed = np.flatnonzero(~excluded)
    keys = keys[allowed]
    k = min(k, len(keys))
    if k == 0:
        return np.empty(0, dtype=np.int64)
    contenders = np.flatnonzero(keys <= np.partition(keys, k - 1)[k - 1])
    return allowed[contenders[np.argsort(keys[contenders], kind="stable")][:k]]


def slices(size: int, step: int) -> Iterator[slice]:
    """The range from 0 to `size` in slices of `step`; the last may be shorter."""
    for start in range(0, size, step):
        yield slice(start, min(start + step, size))


def by_blocks(
    compute: Callable[[Array], Array], vectors: Array, rows: Rows | None = None, *, step: int = BLOCK
) -> Array:
    """`compute` of all vectors, or of those in `rows`, without a float64 copy of the whole."""
    size = len(vectors) if rows is None else len(rows)
    whole: Array | None = None  # filled in place: parts joined at the end would be in memory twice
    for block in slices(size, step):
        part = compute(vectors[block] if rows is None else vectors[rows[block]])
        if whole is None:
            whole = np.empty((size, *part.shape[1:]), part.dtype)
        whole[block] = part
    return compute(vectors[:0]) if whole is None else whole
