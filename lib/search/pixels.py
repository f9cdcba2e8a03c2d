"""Exact search among pixels, uint8 (n, d) in units of 1/255: sums of integers, so that nothing is rounded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lib.search.blocks import CELLS, FEW, PIXEL_BLOCK, Answer, Rows, best_positions, slices
from lib.search.gallery import Gallery, pixel_distances, pixel_squares, pixel_sums
from lib.search.metrics import Array, Floats, Kernel, distance, metric, similarity


def top_k(
    gallery: Gallery, queries: Array, name: str, *, k: int, leave_out: list[Rows], rows: Rows | None
) -> Iterator[Answer]:
    """The k rows closest to each query, of `rows` (ascending; None: all) without those in its `leave_out`."""
    searched = np.arange(len(gallery)) if rows is None else rows
    for group in slices(len(queries), max(1, CELLS // len(searched))):
        values = all_values(gallery, queries[group], [name], rows)[name]
        for i, row in enumerate(values, start=group.start):
            best = best_positions(row, name, k, np.isin(searched, leave_out[i]))
            yield i, searched[best], row[best]


def all_values(gallery: Gallery, queries: Array, names: list[str], rows: Rows | None) -> dict[str, Floats]:
    """For each metric the values (q, n) between queries (q, d) and every row, or those in `rows`."""
    size, d = len(gallery) if rows is None else len(rows), gallery.dimension
    values = {name: np.empty((len(queries), size)) for name in names}
    by_kernel: dict[Kernel | None, list[str]] = {}
    for name in names:
        by_kernel.setdefault(metric(name).kernel, []).append(name)
    absolute = by_kernel.pop("absolute differences", [])
    query_sums, query_squares = (pixel_sums(queries), pixel_squares(queries)) if by_kernel else (None, None)
    for block in slices(size, PIXEL_BLOCK):
        block_rows = block if rows is None else rows[block]
        part = gallery.vectors[block_rows]
        if absolute:
            total = pixel_distances(part, queries, squared=False)
            for name in absolute:
                values[name][:, block] = distance(name, total, d, pixels=True).T
        if query_sums is None or query_squares is None:
            continue
        sums, squares = gallery.sums()[block_rows, None], gallery.squares()[block_rows, None]
        if len(queries) <= FEW:
            cached = len(queries) == 1 and rows is None
            apart = gallery.apart(queries[0])[block, None] if cached else pixel_distances(part, queries, squared=True)
            dot = (squares + query_squares - apart) // 2
        else:
            dot = _products(part, queries)
            apart = squares + query_squares - 2 * dot
        for kernel, group in by_kernel.items():
            for name in group:
                if kernel == "products":
                    block_values = similarity(dot, squares, query_squares)
                elif kernel == "centred products":
                    spread, query_spread = d * squares - sums**2, d * query_squares - query_sums**2
                    block_values = similarity(d * dot - sums * query_sums, spread, query_spread)
                else:
                    block_values = distance(name, apart, d, pixels=True)
                values[name][:, block] = block_values.T
    return values


def _products(part: Array, queries: Array) -> Array:
    """Dot products of uint8 rows (n, d) and (q, d), exact, int64 (n, q), by float32 matrix products.

    Of 256 columns at a time: their products sum to at most 256·255² < 2²⁴, so every partial sum, in whatever order
    the BLAS takes them, is an integer that float32 holds.
    """
    total = np.zeros((len(part), len(queries)))
    for columns in slices(part.shape[1], 256):
        total += part[:, columns].astype(np.float32) @ queries[:, columns].astype(np.float32).T
    return total.astype(np.int64)
