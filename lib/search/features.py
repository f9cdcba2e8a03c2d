"""Exact search among features, float32 (n, d): candidates in float32, ranked by the float64 reference.

Rounding is bounded, and a query whose answer that bound does not settle gets a full float64 scan.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from lib.search.blocks import BLOCK, FEW, Answer, Rows, best_of, by_blocks, slices
from lib.search.gallery import Gallery, feature_squares, unit_vectors
from lib.search.metrics import Array, Floats, distance, metric, reference

MARGIN = 32  # candidates fetched beyond those asked for, so that rounding at the k-th rank rarely matters


def top_k(
    gallery: Gallery, queries: Array, name: str, *, k: int, without: list[Rows], among: Rows | None
) -> Iterator[Answer]:
    """The k rows closest to each query, of `among` (ascending; None: of all) without those `without`; as they come."""
    size = len(gallery) if among is None else len(among)
    fetch = k + MARGIN + max(map(len, without), default=0)
    near = _near(gallery, queries, name, fetch, among) if fetch < size else None
    for i, query in enumerate(queries):
        if near is not None:
            candidates = np.sort(near.rows[i])
            values = reference(name, query, gallery.vectors[candidates])
            best = best_of(values, name, k, np.isin(candidates, without[i]))
            # Rows that were not fetched lie beyond `limit`, so a worst answer before it proves the answers complete.
            if _score(values[best[-1]], name, gallery.dimension) < near.limits[i]:
                yield i, candidates[best], values[best]
                continue
        candidates = np.arange(size) if among is None else among
        values = by_blocks(partial(reference, name, query), gallery.vectors, among)
        best = best_of(values, name, k, np.isin(candidates, without[i]))
        yield i, candidates[best], values[best]


@dataclass(frozen=True)
class _Near:
    """Candidates `rows` (q, fetch), unordered, and `limits` (q,): the score below which no other row can be."""

    rows: Rows
    limits: Floats


def _near(gallery: Gallery, queries: Array, name: str, fetch: int, among: Rows | None) -> _Near | None:
    """The rows nearest in float32 arithmetic; None where that would overflow.

    Scores are smaller = closer: summed differences, summed squares, or minus the product of unit vectors. The error
    bounds are the classical ones of a float32 sum of d terms, n·2⁻²⁴ of the sum of magnitudes (Higham, Accuracy and
    Stability of Numerical Algorithms, chapter 3), doubled.
    """
    slack = (gallery.dimension + 16) * 2.0**-23
    squares, lengths = None, feature_squares(queries)
    if name == "l1":
        matrix, wanted, tolerance = gallery.vectors, queries, np.zeros(len(queries))
    elif name in {"mse", "l2"}:
        matrix, wanted, squares = gallery.vectors, queries, gallery.squares()
        # Not relative to the distance: a matrix product, ours or one inside faiss, rounds relative to the lengths.
        longest = np.sqrt(squares.max()) + np.sqrt(lengths)
        if longest.max() > 1e18:
            return None
        tolerance = slack * longest**2
    else:
        matrix = gallery.unit(name == "ncc")
        wanted = unit_vectors(queries, name == "ncc").astype(np.float32)
        tolerance = np.full(len(queries), slack)

    size = len(matrix) if among is None else len(among)
    scores, rows = [], []
    # For one query faiss meets its threads at the end of each L1 call, slow on a busy machine: few, large blocks.
    # Its other two metrics use threads, to no gain, only in large blocks. Batches want blocks that stay in cache.
    for block in slices(size, 16 * BLOCK if name == "l1" and len(wanted) == 1 else BLOCK):
        places = block if among is None else among[block]
        part = matrix[places]
        wide = min(fetch, len(part))
        if name == "l1" or len(wanted) <= FEW:
            part_scores, local = _scan(part, wanted, name, wide)
        elif squares is None:
            part_scores, local = _multiply(part, wanted, 0.0, wide)
        else:
            base = np.add.outer(lengths, squares[places]).astype(np.float32)
            part_scores, local = _multiply(part, 2 * wanted, base, wide)
        if (local < 0).any():  # faiss leaves out what is beyond float32
            return None
        scores.append(part_scores)
        rows.append(local + block.start)
    joined, joined_rows = np.concatenate(scores, axis=1), np.concatenate(rows, axis=1)
    keep = np.argpartition(joined, fetch - 1, axis=1)[:, :fetch]
    last = np.take_along_axis(joined, keep, axis=1).max(axis=1).astype(np.float64)
    kept = np.take_along_axis(joined_rows, keep, axis=1)
    limits = last * (1 - slack) if name == "l1" else last - tolerance
    return _Near(kept if among is None else among[kept], limits)


def _scan(part: Array, queries: Array, name: str, fetch: int) -> tuple[Array, Rows]:
    """Float32 scores and local rows (q, fetch) of the rows of one block nearest to each query."""
    import faiss

    kinds = {"l1": faiss.METRIC_L1, "mse": faiss.METRIC_L2, "l2": faiss.METRIC_L2}
    found, local = faiss.knn(queries, part, fetch, metric=kinds.get(name, faiss.METRIC_INNER_PRODUCT))
    return (found if name in kinds else -found), local


def _multiply(part: Array, queries: Array, base: Array | float, fetch: int) -> tuple[Array, Rows]:
    """As `_scan` for many queries at once: the scores are `base` less one matrix product.

    Not faiss's own: when faiss takes one depends on a process-wide switch, whose meaning changed between its versions
    (facebookresearch/faiss#5022) and which Milvus Lite shares.
    """
    scores = base - queries @ part.T
    local = np.argpartition(scores, fetch - 1, axis=1)[:, :fetch]
    return np.take_along_axis(scores, local, axis=1), local


def _score(value: float, name: str, d: int) -> float:
    """A metric's value as the score of `_near`."""
    return {"mse": value * d, "l2": value**2, "l1": value}.get(name, -value)


def all_values(gallery: Gallery, queries: Array, names: list[str], among: Rows | None) -> dict[str, Floats]:
    """For each metric the values (q, n) between queries (q, d) and every row, or those `among`."""
    size, d = len(gallery) if among is None else len(among), gallery.dimension
    out = {name: np.empty((len(queries), size)) for name in names}
    wanted = queries.astype(np.float64)
    units = {name: unit_vectors(queries, name == "ncc") for name in names if metric(name).higher_is_closer}
    for block in slices(size, BLOCK):
        part = (gallery.vectors[block] if among is None else gallery.vectors[among[block]]).astype(np.float64)
        if "l1" in out:
            out["l1"][:, block] = _pairwise(wanted, part, "cityblock")
        if "mse" in out or "l2" in out:
            squares = _pairwise(wanted, part, "sqeuclidean")
            for name in {"mse", "l2"} & out.keys():
                out[name][:, block] = distance(name, squares, d, pixels=False)
        for name, unit in units.items():
            out[name][:, block] = np.clip(unit @ unit_vectors(part, name == "ncc").T, -1.0, 1.0)
    for name, values in out.items():
        _settle(gallery, queries, name, values, among)
    return out


def _pairwise(queries: Floats, part: Floats, kind: str) -> Floats:
    """scipy's distances (q, n), each pair summed by itself: no cancellation, and equal rows get equal bits.

    SciPy lets go of the interpreter lock, so that threads share the queries.
    """
    from scipy.spatial.distance import cdist

    workers = min(len(queries), os.cpu_count() or 1)
    if workers < 2:
        return np.asarray(cdist(queries, part, kind))
    with ThreadPoolExecutor(workers) as pool:
        shares = pool.map(lambda share: cdist(share, part, kind), np.array_split(queries, workers))
        return np.concatenate(list(shares))


def _settle(gallery: Gallery, queries: Array, name: str, values: Floats, among: Rows | None) -> None:
    """Replace, in place, values that rounding could have put in another order than the reference's by the reference."""
    slack = (gallery.dimension + 16) * 2.0**-50
    for i, query in enumerate(queries):
        ascending = np.argsort(values[i])
        sorted_values = values[i, ascending]
        magnitude = 1.0 if metric(name).higher_is_closer else sorted_values[1:]
        close = np.diff(sorted_values) <= slack * magnitude
        if close.any():
            members = ascending[np.append(close, False) | np.append(False, close)]
            places = members if among is None else among[members]
            values[i, members] = by_blocks(partial(reference, name, query), gallery.vectors, places)
