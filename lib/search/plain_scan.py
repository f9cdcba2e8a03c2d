"""Exact search by the plain reference, block by block: for metrics without a kernel, and as the last resort."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from lib.search.blocks import CELLS, Answer, Rows, best_positions, by_blocks
from lib.search.gallery import Gallery
from lib.search.metrics import Array, Floats, reference


def top_k(
    gallery: Gallery, queries: Array, name: str, *, k: int, leave_out: list[Rows], rows: Rows | None
) -> Iterator[Answer]:
    """The k rows closest to each query, of `rows` (ascending; None: all) without those in its `leave_out`."""
    searched = np.arange(len(gallery)) if rows is None else rows
    for i, query in enumerate(queries):
        values = query_values(gallery, query, name, rows)
        best = best_positions(values, name, k, np.isin(searched, leave_out[i]))
        yield i, searched[best], values[best]


def all_values(gallery: Gallery, queries: Array, names: list[str], rows: Rows | None) -> dict[str, Floats]:
    """For each metric the values (q, n) between queries (q, d) and every row, or those in `rows`."""
    return {name: np.stack([query_values(gallery, query, name, rows) for query in queries]) for name in names}


def query_values(gallery: Gallery, query: Array, name: str, rows: Rows | None) -> Floats:
    """The values (n,) between one query (d,) and every row, or those in `rows`."""
    step = max(1, CELLS // gallery.dimension)
    return by_blocks(partial(reference, name, query), gallery.vectors, rows, step=step)
