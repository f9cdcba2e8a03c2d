"""Exact search: the k closest rows of a gallery, and the value of every row, both as the float64 reference has them.

Invariants: rows of a gallery are sorted by image id, so equal values keep the lower row first; every fast path gives
what `metrics.reference` followed by `metrics.order` would give, ties included. A gallery is either features, float32
(n, d), or pixels, uint8 (n, d) in units of 1/255. `features` and `pixels` search the two by the metric's kernel;
`plain_scan` searches both by a metric without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.errors import QueryError
from lib.search import features, pixels, plain_scan
from lib.search.blocks import Rows
from lib.search.gallery import Gallery, gallery
from lib.search.metrics import Array, Floats
from lib.search.metrics import metric as find_metric

__all__ = ["Gallery", "RankedRows", "all_values", "existing_rows", "gallery", "top_k", "values_by_metric"]

EMPTY_GALLERY = "The gallery is empty; prepare some photos, or widen the filter."


def k_too_small(k: int) -> str:
    """The sentence for a search for no results."""
    return f"k must be at least 1 (got {k})."


@dataclass(frozen=True)
class RankedRows:
    """Results of q queries, best first: `rows` (q, k) with -1 and `values` (q, k) with NaN where there are fewer."""

    rows: Rows
    values: Floats


def top_k(
    gallery: Gallery,
    queries: Array,
    metric: str,
    k: int,
    *,
    leave_out: Sequence[Sequence[int]] | None = None,
    rows: Array | None = None,
) -> RankedRows:
    """The k rows closest to each query; all of them when the gallery has fewer.

    `queries` is (d,) or (q, d), of the gallery's kind. `leave_out` lists, per query, rows that may not be results.
    `rows` limits the search to these rows. Raises QueryError for a query of another kind or dimension, NaN or infinity,
    k < 1, a row that does not exist, or an empty gallery.
    """
    probes = _checked_queries(gallery, queries)
    searched = None if rows is None else np.unique(existing_rows(gallery, rows))
    if k < 1:
        raise QueryError(k_too_small(k))
    size = len(gallery) if searched is None else len(searched)
    if size == 0:
        raise QueryError(EMPTY_GALLERY)
    excluded = _checked_leave_out(gallery, leave_out, len(probes))
    width = min(k, size)
    ranked = RankedRows(np.full((len(probes), width), -1, dtype=np.int64), np.full((len(probes), width), np.nan))
    search = plain_scan.top_k
    if find_metric(metric).kernel is not None:
        search = pixels.top_k if gallery.pixels else features.top_k
    for i, answers, values in search(gallery, probes, metric, k=width, leave_out=excluded, rows=searched):
        ranked.rows[i, : len(answers)] = answers
        ranked.values[i, : len(answers)] = values
    return ranked


def all_values(gallery: Gallery, queries: Array, metric: str, *, rows: Array | None = None) -> Floats:
    """The metric between each query and every row, float64 (q, n); see `values_by_metric`."""
    return values_by_metric(gallery, queries, [metric], rows=rows)[metric]


def values_by_metric(
    gallery: Gallery, queries: Array, metrics: Sequence[str], *, rows: Array | None = None
) -> dict[str, Floats]:
    """For each metric the values (q, n) between queries (d,) or (q, d) and every row, or those in `rows`, ascending.

    Metrics computed together share their common work. Values equal the reference: bit for bit for pixels, within
    rounding for features, whose order, ties included, is nevertheless the reference's. Memory is the result's size
    and some blocks; pass queries in groups where (q, n) is too much. Raises QueryError as `top_k`.
    """
    names = list(dict.fromkeys(metrics))
    fast = [name for name in names if find_metric(name).kernel is not None]
    probes = _checked_queries(gallery, queries)
    searched = None if rows is None else np.unique(existing_rows(gallery, rows))
    compute = pixels.all_values if gallery.pixels else features.all_values
    values = compute(gallery, probes, fast, searched) if fast else {}
    values |= plain_scan.all_values(gallery, probes, [name for name in names if name not in fast], searched)
    return {name: values[name] for name in names}


def _checked_queries(gallery: Gallery, queries: Array) -> Array:
    """Queries (q, d) of the gallery's type, contiguous."""
    given = np.asarray(queries)
    probes = np.atleast_2d(given)
    kind = "uint8 pixels" if gallery.pixels else "float features"
    if (
        (given.dtype == np.uint8) != gallery.pixels
        or not np.issubdtype(given.dtype, np.number)
        or np.iscomplexobj(given)
    ):
        raise QueryError(f"This gallery holds {kind}; a query of {given.dtype} belongs to another space.")
    if probes.ndim != 2 or probes.shape[1] != gallery.dimension:
        raise QueryError(f"A query needs {gallery.dimension} values as the gallery has, not shape {given.shape}.")
    with np.errstate(over="ignore"):  # an overflow is infinite, and refused below
        probes = np.ascontiguousarray(probes, dtype=gallery.vectors.dtype)
    if not gallery.pixels and not np.isfinite(probes).all():
        raise QueryError("The query holds NaN or infinite values; check the picture or vector it comes from.")
    return probes


def _checked_leave_out(gallery: Gallery, leave_out: Sequence[Sequence[int]] | None, queries: int) -> list[Rows]:
    if leave_out is None:
        return [np.empty(0, dtype=np.int64)] * queries
    if len(leave_out) != queries:
        raise QueryError(f"Rows to leave out are needed for each of {queries} queries, not for {len(leave_out)}.")
    return [existing_rows(gallery, rows) for rows in leave_out]


def existing_rows(gallery: Gallery, rows: Array | Sequence[int], which: str = "rows") -> Rows:
    """`rows` as int64 (m,). Raises QueryError when one is no row of the gallery."""
    given = np.asarray(rows).reshape(-1)
    if given.size and (not np.issubdtype(given.dtype, np.integer) or given.min() < 0 or given.max() >= len(gallery)):
        raise QueryError(f"The {which} must be whole numbers from 0 to {len(gallery) - 1}.")
    return given.astype(np.int64)
