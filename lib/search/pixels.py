"""Exact search among pixels, uint8 (n, d) in units of 1/255: sums of integers, so that nothing is rounded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lib.search.blocks import CELLS, FEW, PIXEL_BLOCK, Answer, Rows, best_of, slices
from lib.search.gallery import Gallery, pixel_distances, pixel_squares, pixel_sums
from lib.search.metrics import Array, Floats, distance, similarity


def top_k(
    gallery: Gallery, queries: Array, name: str, *, k: int, without: list[Rows], among: Rows | None
) -> Iterator[Answer]:
    """The k rows closest to each query, of `among` (ascending; None: of all) without those `without`; as they come."""
    places = np.arange(len(gallery)) if among is None else among
    for group in slices(len(queries), max(1, CELLS // len(places))):
        values = all_values(gallery, queries[group], [name], among)[name]
        for i, row in enumerate(values, start=group.start):
            best = best_of(row, name, k, np.isin(places, without[i]))
            yield i, places[best], row[best]


def all_values(gallery: Gallery, queries: Array, names: list[str], among: Rows | None) -> dict[str, Floats]:
    """For each metric the values (q, n) between queries (q, d) and every row, or those `among`."""
    size, d = len(gallery) if among is None else len(among), gallery.dimension
    out = {name: np.empty((len(queries), size)) for name in names}
    products = [name for name in names if name != "l1"]
    if products:
        q_sums, q_squares = pixel_sums(queries), pixel_squares(queries)
    for block in slices(size, PIXEL_BLOCK):
        places = block if among is None else among[block]
        part = gallery.vectors[places]
        if "l1" in out:
            out["l1"][:, block] = distance("l1", pixel_distances(part, queries, squared=False), d, pixels=True).T
        if not products:
            continue
        sums, squares = gallery.sums()[places, None], gallery.squares()[places, None]
        if len(queries) <= FEW:
            known = len(queries) == 1 and among is None
            apart = gallery.apart(queries[0])[block, None] if known else pixel_distances(part, queries, squared=True)
            dot = (squares + q_squares - apart) // 2
        else:
            dot = _products(part, queries)
            apart = squares + q_squares - 2 * dot
        for name in products:
            if name == "cosine":
                block_values = similarity(dot, squares, q_squares)
            elif name == "ncc":
                spread, q_spread = d * squares - sums**2, d * q_squares - q_sums**2
                block_values = similarity(d * dot - sums * q_sums, spread, q_spread)
            else:
                block_values = distance(name, apart, d, pixels=True)
            out[name][:, block] = block_values.T
    return out


def _products(part: Array, queries: Array) -> Array:
    """Dot products of uint8 rows (n, d) and (q, d), exact, int64 (n, q), by float32 matrix products.

    Of 256 columns at a time: their products sum to at most 256·255² < 2²⁴, so every partial sum, in whatever order
    the BLAS takes them, is an integer that float32 holds.
    """
    total = np.zeros((len(part), len(queries)))
    for columns in slices(part.shape[1], 256):
        total += part[:, columns].astype(np.float32) @ queries[:, columns].astype(np.float32).T
    return total.astype(np.int64)
