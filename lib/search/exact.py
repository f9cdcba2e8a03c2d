"""Exact search: the k closest rows of a gallery, and the value of every row, both as the float64 reference has them.

Invariants: rows of a gallery are sorted by image id, so equal values keep the lower row first; every fast path gives
what `metrics.reference` followed by `metrics.order` would give, ties included. A gallery is either features, float32
(n, d), or pixels, uint8 (n, d) in units of 1/255.

Features are searched in float32 for candidates, which the reference then ranks; rounding is bounded, and a query whose
answer that bound does not settle gets a full float64 scan. Pixels are summed as integers, so nothing needs settling.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from lib.errors import QueryError
from lib.search.metrics import Array, Floats, centred, distance, metric, reference, similarity

Rows = npt.NDArray[np.int64]

MARGIN = 32  # candidates fetched beyond those asked for, so that rounding at the k-th rank rarely matters
BLOCK = 4096  # feature rows at a time: 8 MB at 512 dimensions stay in cache while a batch of queries passes
PIXEL_BLOCK = 1024  # pixel rows at a time: 50 MB at 49,152 dimensions
CELLS = 2**21  # query x gallery values held at a time by one call: 16 MB of float64 a metric
RECENT = 16  # queries of pixels whose squared distances a gallery keeps
FEW = 8  # up to so many queries, scanning beats a matrix product that must first convert or copy the gallery


@dataclass(frozen=True)
class Neighbours:
    """Answers to q queries, best first: `rows` (q, k) with -1 and `values` (q, k) with NaN where there are fewer."""

    rows: Rows
    values: Floats


@dataclass(eq=False)
class Gallery:
    """Vectors to search, perhaps memory-mapped, and what searches derive from them: made when first needed, once.

    Make one with `gallery`. Safe to share between threads.
    """

    vectors: Array
    _made: dict[str, Any] = field(default_factory=dict, repr=False)
    _recent: dict[bytes, Array] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dimension(self) -> int:
        return int(self.vectors.shape[1])

    @property
    def pixels(self) -> bool:
        """Whether these are uint8 pixels rather than float32 features."""
        return self.vectors.dtype == np.uint8

    def unit(self, centre: bool) -> Array:
        """Features scaled to length 1, float32 (n, d), after taking each one's mean away if `centre`."""
        return self._once(
            f"unit {centre}", lambda: _by_blocks(lambda x: _unit(x, centre).astype(np.float32), self.vectors)
        )

    def sums(self) -> Array:
        """Each row's sum, int64 (n,), of pixels."""
        return self._once("sums", lambda: _pixel_sums(self.vectors))

    def squares(self) -> Array:
        """Each row's squared length (n,): int64 of pixels, float64 of features."""
        make = _pixel_squares if self.pixels else partial(_by_blocks, _feature_squares)
        return self._once("squares", lambda: make(self.vectors))

    def apart(self, query: Array) -> Array:
        """Squared distances of all rows of pixels to one query (d,), int64 (n,), kept for the last few queries: four of
        the five metrics are made of them, and are mostly asked for one after the other."""
        key = hashlib.sha256(query.tobytes()).digest()
        with self._lock:
            found = self._recent.pop(key, None)
        if found is None:
            found = _by_blocks(lambda x: _pixel_distances(x, query[None], squared=True)[:, 0], self.vectors)
        with self._lock:
            self._recent[key] = found
            while len(self._recent) > RECENT:
                del self._recent[next(iter(self._recent))]
        return found

    def _once(self, name: str, make: Callable[[], Array]) -> Array:
        with self._lock:
            if name not in self._made:
                self._made[name] = make()
            made: Array = self._made[name]
            return made


def gallery(vectors: Array) -> Gallery:
    """A gallery of float32 features or uint8 pixels (n, d); QueryError if they are neither, or hold NaN or infinity."""
    if vectors.ndim != 2 or vectors.shape[1] == 0 or vectors.dtype not in (np.uint8, np.float32):
        raise QueryError(
            f"A gallery is a table of float32 features or uint8 pixels, not {vectors.dtype} of shape {vectors.shape}; "
            "run prepare again."
        )
    held = np.ascontiguousarray(vectors)
    if held.dtype == np.float32 and not all(np.isfinite(held[block]).all() for block in _slices(len(held), BLOCK)):
        raise QueryError("The gallery holds NaN or infinite features; run prepare again.")
    return Gallery(held)


def top_k(
    gallery: Gallery,
    queries: Array,
    metric: str,
    k: int,
    *,
    leave_out: Sequence[Sequence[int]] | None = None,
    rows: Array | None = None,
) -> Neighbours:
    """The k rows closest to each query; all of them when the gallery has fewer.

    `queries` is (d,) or (q, d), of the gallery's kind. `leave_out` lists, per query, rows that may not be answers.
    `rows` limits the search to these rows. QueryError for a query of another kind or dimension, NaN or infinity,
    k < 1, a row that does not exist, or nothing to search.
    """
    wanted = _checked_queries(gallery, queries)
    among = _checked_rows(gallery, rows)
    if k < 1:
        raise QueryError(f"At least one answer must be asked for, not {k}.")
    size = len(gallery) if among is None else len(among)
    if size == 0:
        raise QueryError("There is nothing to search: the gallery is empty.")
    without = _checked_leave_out(gallery, leave_out, len(wanted))
    width = min(k, size)
    found = Neighbours(np.full((len(wanted), width), -1, dtype=np.int64), np.full((len(wanted), width), np.nan))
    search = _top_pixels if gallery.pixels else _top_features
    for i, answers, values in search(gallery, wanted, _metric_name(metric), k=width, without=without, among=among):
        found.rows[i, : len(answers)] = answers
        found.values[i, : len(answers)] = values
    return found


def all_values(gallery: Gallery, queries: Array, metric: str, *, rows: Array | None = None) -> Floats:
    """The metric between each query and every row, float64 (q, n); see `values_by_metric`."""
    return values_by_metric(gallery, queries, [metric], rows=rows)[metric]


def values_by_metric(
    gallery: Gallery, queries: Array, metrics: Sequence[str], *, rows: Array | None = None
) -> dict[str, Floats]:
    """For each metric the values (q, n) between queries (d,) or (q, d) and every row, or those in `rows`, ascending.

    Metrics asked for together share their common work. Values equal the reference: bit for bit for pixels, within
    rounding for features, whose order, ties included, is nevertheless the reference's. Memory is the answer's size
    and some blocks; pass queries in groups where (q, n) is too much.
    """
    names = list(dict.fromkeys(_metric_name(name) for name in metrics))
    wanted = _checked_queries(gallery, queries)
    among = _checked_rows(gallery, rows)
    compute = _pixel_values if gallery.pixels else _feature_values
    return compute(gallery, wanted, names, among)


# --- features -------------------------------------------------------------------------------------------------------

Answer = tuple[int, Rows, Floats]  # query, answers best first, their values


def _top_features(
    gallery: Gallery, queries: Array, name: str, *, k: int, without: list[Rows], among: Rows | None
) -> Iterator[Answer]:
    size = len(gallery) if among is None else len(among)
    fetch = k + MARGIN + max(map(len, without), default=0)
    near = _near(gallery, queries, name, fetch, among) if fetch < size else None
    for i, query in enumerate(queries):
        if near is not None:
            candidates = np.sort(near.rows[i])
            values = reference(name, query, gallery.vectors[candidates])
            best = _best(values, name, k, np.isin(candidates, without[i]))
            # Rows that were not fetched lie beyond `limit`, so a worst answer before it proves the answers complete.
            if _score(values[best[-1]], name, gallery.dimension) < near.limits[i]:
                yield i, candidates[best], values[best]
                continue
        candidates = np.arange(size) if among is None else among
        values = _by_blocks(partial(reference, name, query), gallery.vectors, among)
        best = _best(values, name, k, np.isin(candidates, without[i]))
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
    squares, lengths = None, _feature_squares(queries)
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
        wanted = _unit(queries, name == "ncc").astype(np.float32)
        tolerance = np.full(len(queries), slack)

    size = len(matrix) if among is None else len(among)
    scores, rows = [], []
    # For one query faiss meets its threads at the end of each L1 call, slow on a busy machine: few, large blocks.
    # Its other two metrics use threads, to no gain, only in large blocks. Batches want blocks that stay in cache.
    for block in _slices(size, 16 * BLOCK if name == "l1" and len(wanted) == 1 else BLOCK):
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


def _feature_values(gallery: Gallery, queries: Array, names: list[str], among: Rows | None) -> dict[str, Floats]:
    size, d = len(gallery) if among is None else len(among), gallery.dimension
    out = {name: np.empty((len(queries), size)) for name in names}
    wanted = queries.astype(np.float64)
    units = {name: _unit(queries, name == "ncc") for name in names if metric(name).higher_is_closer}
    for block in _slices(size, BLOCK):
        part = (gallery.vectors[block] if among is None else gallery.vectors[among[block]]).astype(np.float64)
        if "l1" in out:
            out["l1"][:, block] = _pairwise(wanted, part, "cityblock")
        if "mse" in out or "l2" in out:
            squares = _pairwise(wanted, part, "sqeuclidean")
            for name in {"mse", "l2"} & out.keys():
                out[name][:, block] = distance(name, squares, d, pixels=False)
        for name, unit in units.items():
            out[name][:, block] = np.clip(unit @ _unit(part, name == "ncc").T, -1.0, 1.0)
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
            values[i, members] = _by_blocks(partial(reference, name, query), gallery.vectors, places)


def _unit(vectors: Array, centre: bool) -> Floats:
    """Vectors of length 1 in float64, zero where they have no direction."""
    x = centred(vectors) if centre else vectors.astype(np.float64)
    length = np.sqrt(_feature_squares(x))[:, None]
    unit: Floats = np.divide(x, length, out=np.zeros_like(x), where=length > 0)
    return unit


def _feature_squares(vectors: Array) -> Floats:
    squares: Floats = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    return squares


# --- pixels ---------------------------------------------------------------------------------------------------------


def _top_pixels(
    gallery: Gallery, queries: Array, name: str, *, k: int, without: list[Rows], among: Rows | None
) -> Iterator[Answer]:
    places = np.arange(len(gallery)) if among is None else among
    for group in _slices(len(queries), max(1, CELLS // len(places))):
        values = _pixel_values(gallery, queries[group], [name], among)[name]
        for i, row in enumerate(values, start=group.start):
            best = _best(row, name, k, np.isin(places, without[i]))
            yield i, places[best], row[best]


def _pixel_values(gallery: Gallery, queries: Array, names: list[str], among: Rows | None) -> dict[str, Floats]:
    size, d = len(gallery) if among is None else len(among), gallery.dimension
    out = {name: np.empty((len(queries), size)) for name in names}
    products = [name for name in names if name != "l1"]
    if products:
        q_sums, q_squares = _pixel_sums(queries), _pixel_squares(queries)
    for block in _slices(size, PIXEL_BLOCK):
        places = block if among is None else among[block]
        part = gallery.vectors[places]
        if "l1" in out:
            out["l1"][:, block] = distance("l1", _pixel_distances(part, queries, squared=False), d, pixels=True).T
        if not products:
            continue
        sums, squares = gallery.sums()[places, None], gallery.squares()[places, None]
        if len(queries) <= FEW:
            known = len(queries) == 1 and among is None
            apart = gallery.apart(queries[0])[block, None] if known else _pixel_distances(part, queries, squared=True)
            dot = (squares + q_squares - apart) // 2
        else:
            dot = _pixel_products(part, queries)
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


def _pixel_distances(part: Array, queries: Array, *, squared: bool) -> Array:
    """Summed absolute or squared differences of uint8 rows (n, d) and (q, d), exact, int64 (n, q)."""
    import cv2

    kind = cv2.NORM_L2SQR if squared else cv2.NORM_L1
    step = 2**15 if squared else 2**22  # so many columns sum to less than 2^31 at 255² or 255 each
    total = np.zeros((len(part), len(queries)), dtype=np.int64)
    for group in _slices(len(queries), 16):  # few enough to stay in cache while each gallery row passes
        for columns in _slices(part.shape[1], step):
            near = queries[group, columns]
            # From Python OpenCV only gives distances sorted with their indices: asking for all of them, then putting
            # them back in place, is the full table.
            found, index = cv2.batchDistance(part[:, columns], near, cv2.CV_32S, normType=kind, K=len(near))
            table = np.empty(found.shape, dtype=np.int64)
            np.put_along_axis(table, np.asarray(index, dtype=np.int64), found, axis=1)
            total[:, group] += table
    return total


def _pixel_products(part: Array, queries: Array) -> Array:
    """Dot products of uint8 rows (n, d) and (q, d), exact, int64 (n, q), by float32 matrix products.

    Of 256 columns at a time: their products sum to at most 256·255² < 2²⁴, so every partial sum, in whatever order
    the BLAS takes them, is an integer that float32 holds.
    """
    total = np.zeros((len(part), len(queries)))
    for columns in _slices(part.shape[1], 256):
        total += part[:, columns].astype(np.float32) @ queries[:, columns].astype(np.float32).T
    return total.astype(np.int64)


def _pixel_sums(vectors: Array) -> Array:
    return _pixel_distances(vectors, np.zeros((1, vectors.shape[1]), dtype=np.uint8), squared=False)[:, 0]


def _pixel_squares(vectors: Array) -> Array:
    return _pixel_distances(vectors, np.zeros((1, vectors.shape[1]), dtype=np.uint8), squared=True)[:, 0]


# --- both -----------------------------------------------------------------------------------------------------------


def _best(values: Floats, name: str, k: int, excluded: npt.NDArray[np.bool_]) -> Rows:
    """Positions of the k best values, best first, equal values by position, without the excluded ones."""
    keys = -values if metric(name).higher_is_closer else values.copy()
    allowed = np.flatnonzero(~excluded)
    keys = keys[allowed]
    k = min(k, len(keys))
    if k == 0:
        return np.empty(0, dtype=np.int64)
    contenders = np.flatnonzero(keys <= np.partition(keys, k - 1)[k - 1])
    return allowed[contenders[np.argsort(keys[contenders], kind="stable")][:k]]


def _slices(size: int, step: int) -> Iterator[slice]:
    for start in range(0, size, step):
        yield slice(start, min(start + step, size))


def _by_blocks(compute: Callable[[Array], Array], vectors: Array, places: Rows | None = None) -> Array:
    """`compute` of all rows, or of those at `places`, without a float64 copy of the whole."""
    size = len(vectors) if places is None else len(places)
    whole: Array | None = None  # filled in place: a list of parts put together at the end is held twice
    for block in _slices(size, BLOCK):
        part = compute(vectors[block] if places is None else vectors[places[block]])
        if whole is None:
            whole = np.empty((size, *part.shape[1:]), part.dtype)
        whole[block] = part
    return compute(vectors[:0]) if whole is None else whole


def _metric_name(name: str) -> str:
    return metric(name).name


def _checked_queries(gallery: Gallery, queries: Array) -> Array:
    """Queries (q, d) of the gallery's type, contiguous."""
    given = np.asarray(queries)
    wanted = np.atleast_2d(given)
    kind = "uint8 pixels" if gallery.pixels else "float features"
    if (
        (given.dtype == np.uint8) != gallery.pixels
        or not np.issubdtype(given.dtype, np.number)
        or np.iscomplexobj(given)
    ):
        raise QueryError(f"This gallery holds {kind}; a query of {given.dtype} belongs to another space.")
    if wanted.ndim != 2 or wanted.shape[1] != gallery.dimension:
        raise QueryError(f"A query needs {gallery.dimension} values as the gallery has, not shape {given.shape}.")
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused as such
        wanted = np.ascontiguousarray(wanted, dtype=gallery.vectors.dtype)
    if not gallery.pixels and not np.isfinite(wanted).all():
        raise QueryError("The query holds NaN or infinite values; check the picture or vector it comes from.")
    return wanted


def _checked_rows(gallery: Gallery, rows: Array | None) -> Rows | None:
    """The rows to search, ascending and once each."""
    return None if rows is None else np.unique(_existing(gallery, rows))


def _checked_leave_out(gallery: Gallery, leave_out: Sequence[Sequence[int]] | None, queries: int) -> list[Rows]:
    if leave_out is None:
        return [np.empty(0, dtype=np.int64)] * queries
    if len(leave_out) != queries:
        raise QueryError(f"Rows to leave out are needed for each of {queries} queries, not for {len(leave_out)}.")
    return [_existing(gallery, each) for each in leave_out]


def _existing(gallery: Gallery, rows: Array | Sequence[int]) -> Rows:
    given = np.asarray(rows).reshape(-1)
    if given.size and (not np.issubdtype(given.dtype, np.integer) or given.min() < 0 or given.max() >= len(gallery)):
        raise QueryError(f"Rows must be whole numbers from 0 to {len(gallery) - 1}, the rows of the gallery.")
    return given.astype(np.int64)
