"""Exact search among features, float32 (n, d): candidates in float32, ranked by the float64 reference.

The rounding error is bounded. A query that this bound does not decide gets a full float64 scan.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from lib.search import plain_scan
from lib.search.blocks import BLOCK, FEW, Answer, Rows, best_positions, by_blocks, slices
from lib.search.gallery import Gallery, feature_squares, unit_vectors
from lib.search.metrics import Array, Floats, Kernel, distance, metric, reference

MARGIN = 32  # candidates fetched beyond k, so that rounding at the k-th rank rarely matters


def top_k(
    gallery: Gallery, queries: Array, name: str, *, k: int, leave_out: list[Rows], rows: Rows | None
) -> Iterator[Answer]:
    """The k rows closest to each query, of `rows` (ascending; None: all) without those in its `leave_out`."""
    size = len(gallery) if rows is None else len(rows)
    fetch = k + MARGIN + max(map(len, leave_out), default=0)
    nearest = _candidates(gallery, queries, name, fetch, rows) if fetch < size else None
    if nearest is None:
        yield from plain_scan.top_k(gallery, queries, name, k=k, leave_out=leave_out, rows=rows)
        return
    for i, query in enumerate(queries):
        candidates = np.sort(nearest.rows[i])
        values = reference(name, query, gallery.vectors[candidates])
        best = best_positions(values, name, k, np.isin(candidates, leave_out[i]))
        # Rows that were not fetched lie beyond `limit`, so a k-th answer before it proves the answers complete.
        if _score(values[best[-1]], name, gallery.dimension) < nearest.limits[i]:
            yield i, candidates[best], values[best]
            continue
        full = plain_scan.top_k(gallery, query[None], name, k=k, leave_out=leave_out[i : i + 1], rows=rows)
        for _, answers, values in full:
            yield i, answers, values


@dataclass(frozen=True)
class _Candidates:
    """`rows` (q, fetch), unordered, and `limits` (q,): no other row has a score below its query's limit."""

    rows: Rows
    limits: Floats


def _candidates(gallery: Gallery, queries: Array, name: str, fetch: int, rows: Rows | None) -> _Candidates | None:
    """The rows nearest in float32 arithmetic; None where that would overflow.

    Scores are smaller = closer: summed differences, summed squares, or minus the product of unit vectors. The error
    bounds are the classical ones of a float32 sum of d terms, n·2⁻²⁴ of the sum of magnitudes (Higham, Accuracy and
    Stability of Numerical Algorithms, chapter 3), doubled.
    """
    kernel = metric(name).kernel
    slack = (gallery.dimension + 16) * 2.0**-23
    squares, query_squares = None, feature_squares(queries)
    if kernel == "absolute differences":
        matrix, probes, tolerance = gallery.vectors, queries, np.zeros(len(queries))
    elif kernel == "squared differences":
        matrix, probes, squares = gallery.vectors, queries, gallery.squares()
        # Not relative to the distance: a matrix product, ours or one inside faiss, rounds relative to the lengths.
        longest = np.sqrt(squares.max()) + np.sqrt(query_squares)
        if longest.max() > 1e18:
            return None
        tolerance = slack * longest**2
    else:
        centre = kernel == "centred products"
        matrix = gallery.unit(centre)
        probes = unit_vectors(queries, centre).astype(np.float32)
        tolerance = np.full(len(queries), slack)

    size = len(matrix) if rows is None else len(rows)
    scores, positions = [], []
    # For one query faiss joins its threads at the end of each L1 call, slow on a busy machine: few, large blocks.
    # Its other two metrics use threads, to no gain, only in large blocks. Batches want blocks that stay in cache.
    absolute = kernel == "absolute differences"
    for block in slices(size, 16 * BLOCK if absolute and len(probes) == 1 else BLOCK):
        block_rows = block if rows is None else rows[block]
        part = matrix[block_rows]
        width = min(fetch, len(part))
        if absolute or len(probes) <= FEW:
            part_scores, local = _scan(part, probes, kernel, width)
        elif squares is None:
            part_scores, local = _multiply(part, probes, 0.0, width)
        else:
            base = np.add.outer(query_squares, squares[block_rows]).astype(np.float32)
            part_scores, local = _multiply(part, 2 * probes, base, width)
        if (local < 0).any():  # faiss leaves out values beyond float32
            return None
        scores.append(part_scores)
        positions.append(local + block.start)
    joined, joined_positions = np.concatenate(scores, axis=1), np.concatenate(positions, axis=1)
    best = np.argpartition(joined, fetch - 1, axis=1)[:, :fetch]
    last = np.take_along_axis(joined, best, axis=1).max(axis=1).astype(np.float64)
    fetched = np.take_along_axis(joined_positions, best, axis=1)
    limits = last * (1 - slack) if absolute else last - tolerance
    return _Candidates(fetched if rows is None else rows[fetched], limits)


def _scan(part: Array, queries: Array, kernel: Kernel | None, fetch: int) -> tuple[Array, Rows]:
    """Float32 scores and local rows (q, fetch) of the rows of one block nearest to each query."""
    import faiss

    kinds: dict[Kernel | None, int] = {
        "absolute differences": faiss.METRIC_L1,
        "squared differences": faiss.METRIC_L2,
    }
    scores, local = faiss.knn(queries, part, fetch, metric=kinds.get(kernel, faiss.METRIC_INNER_PRODUCT))
    return (scores if kernel in kinds else -scores), local


def _multiply(part: Array, queries: Array, base: Array | float, fetch: int) -> tuple[Array, Rows]:
    """As `_scan` for many queries at once: the scores are `base` less one matrix product.

    Not faiss's own: when faiss takes one depends on a process-wide switch, whose meaning changed between its versions
    (facebookresearch/faiss#5022) and which Milvus Lite shares.
    """
    scores = base - queries @ part.T
    local = np.argpartition(scores, fetch - 1, axis=1)[:, :fetch]
    return np.take_along_axis(scores, local, axis=1), local


def _score(value: float, name: str, d: int) -> float:
    """A metric's value as a score of `_candidates`."""
    return {"mse": value * d, "l2": value**2, "l1": value}.get(name, -value)


def all_values(gallery: Gallery, queries: Array, names: list[str], rows: Rows | None) -> dict[str, Floats]:
    """For each metric the values (q, n) between queries (q, d) and every row, or those in `rows`."""
    size, d = len(gallery) if rows is None else len(rows), gallery.dimension
    values = {name: np.empty((len(queries), size)) for name in names}
    wide = queries.astype(np.float64)
    kernels = {name: metric(name).kernel for name in names}
    absolute = [name for name in names if kernels[name] == "absolute differences"]
    squared = [name for name in names if kernels[name] == "squared differences"]
    centre = {name: kernels[name] == "centred products" for name in names if name not in {*absolute, *squared}}
    units = {name: unit_vectors(queries, of_centred) for name, of_centred in centre.items()}
    for block in slices(size, BLOCK):
        part = (gallery.vectors[block] if rows is None else gallery.vectors[rows[block]]).astype(np.float64)
        for group, kind in ((absolute, "cityblock"), (squared, "sqeuclidean")):
            if group:
                sums = _pairwise(wide, part, kind)
                for name in group:
                    values[name][:, block] = distance(name, sums, d, pixels=False)
        for name, unit in units.items():
            values[name][:, block] = np.clip(unit @ unit_vectors(part, centre[name]).T, -1.0, 1.0)
    for name in names:
        _settle(gallery, queries, name, values[name], rows)
    return values


def _pairwise(queries: Floats, part: Floats, kind: str) -> Floats:
    """SciPy's distances (q, n), each pair summed by itself: no cancellation, and equal rows get equal bits.

    SciPy releases the interpreter lock, so threads share the queries.
    """
    from scipy.spatial.distance import cdist

    workers = min(len(queries), os.cpu_count() or 1)
    if workers < 2:
        return np.asarray(cdist(queries, part, kind))
    with ThreadPoolExecutor(workers) as pool:
        shares = pool.map(lambda share: cdist(share, part, kind), np.array_split(queries, workers))
        return np.concatenate(list(shares))


def _settle(gallery: Gallery, queries: Array, name: str, values: Floats, rows: Rows | None) -> None:
    """Replace, in place, values so close that rounding may have changed their order by those of the reference."""
    if not metric(name).higher_is_closer and gallery.whole and np.array_equal(queries, np.rint(queries)):
        return  # sums of whole numbers are exact
    slack = (gallery.dimension + 16) * 2.0**-50
    for i, query in enumerate(queries):
        ascending = np.argsort(values[i])
        sorted_values = values[i, ascending]
        magnitude = 1.0 if metric(name).higher_is_closer else sorted_values[1:]
        close = np.diff(sorted_values) <= slack * magnitude
        if close.any():
            positions = ascending[np.append(close, False) | np.append(False, close)]
            of = positions if rows is None else rows[positions]
            values[i, positions] = by_blocks(partial(reference, name, query), gallery.vectors, of)
