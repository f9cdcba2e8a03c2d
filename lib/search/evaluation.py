"""Retrieval scores: the measures of `rank_measures` for many queries at once, against the labels, with intervals.

A result is relevant if it has the query's label. The query's own row, rows of the same picture, and rows without a
defined similarity are never results.

One population for all measures: the queries with at least one other image of their label in the gallery. The others
are left out, since no result could be right; and where the gallery holds one label, all are, since none could be wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lib.errors import QueryError
from lib.progress import Progress
from lib.search import rank_measures
from lib.search.blocks import CELLS, Rows
from lib.search.exact import Gallery, existing_rows, values_by_metric
from lib.search.metrics import METRICS, Array, Floats
from lib.search.metrics import metric as find_metric
from lib.statistics import mean_intervals

# Receives a metric's name, a block of the list of queries, and arrays (q, n) of that block: values, whether a result is
# of the query's class, whether it is no result. It must copy what it stores.
Observer = Callable[[str, slice, Floats, Array, Array], None]
Interval = tuple[float, float] | None

CUTS = (1, 5, 10)  # ranks at which precision is taken, by `evaluate` and by the scoreboard
DEPTH = 10  # of recall and nDCG, beside these
QUERY_BLOCK = 512
# Why a row has no scores.
ONE_CLASS = "The gallery holds one class, so every result is right whatever the ranking."
ALONE = "No query has another image of its class in the gallery, so no result could be right."
NOTHING_DEFINED = "No query has a defined similarity to any image under this metric."
NO_IMAGES = "There is no query, or no image to rank."


@dataclass(frozen=True)
class PerQuery:
    """One entry per query: `rows` (q,) are the queries' rows in the gallery's vectors, `counted` (q,) whether a query
    belongs to the population, and `values` the measures by name (see `rank_measures.measures`), (q,) each, NaN for a
    query that is left out."""

    rows: Rows
    counted: npt.NDArray[np.bool_]
    values: dict[str, Floats]


class Pairs(NamedTuple):
    """How many pairs of a counted query and an image, without copies, have a similarity, and how many have none."""

    defined: int
    undefined: int


@dataclass(frozen=True)
class Scores:
    """A metric's retrieval scores, fractions by measure: means over the `queries`, and means over classes of the
    class means (`balanced`), each with its 95 % interval. All are None where `why` says that there is no score.

    `queries` counts the population, `left_out` the other queries, `gallery` rows. `seconds` is wall time; metrics
    scored together share the time of their common work equally.
    """

    metric: str
    queries: int
    left_out: int
    gallery: int
    pairs: Pairs
    why: str | None
    means: dict[str, float | None]
    intervals: dict[str, Interval]
    balanced: dict[str, float | None]
    balanced_intervals: dict[str, Interval]
    seconds: float
    per_query: PerQuery = field(repr=False)


def evaluate(
    gallery: Gallery,
    labels: Array | Sequence[str],
    *,
    metric: str,
    query_rows: Array,
    gallery_rows: Array,
    ks: Sequence[int] = CUTS,
    same_picture: Array | Sequence[str] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Scores:
    """The scores of one metric; see `evaluate_metrics`."""
    return evaluate_metrics(
        gallery,
        labels,
        metrics=[metric],
        query_rows=query_rows,
        gallery_rows=gallery_rows,
        ks=ks,
        same_picture=same_picture,
        seed=seed,
        progress=progress,
    )[metric]


def evaluate_metrics(
    gallery: Gallery,
    labels: Array | Sequence[str],
    *,
    metrics: Sequence[str],
    query_rows: Array,
    gallery_rows: Array,
    ks: Sequence[int] = CUTS,
    same_picture: Array | Sequence[str] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    observe: Observer | None = None,
) -> dict[str, Scores]:
    """Rank `gallery_rows` for every one of `query_rows` under each metric, and score the rankings by `labels`.

    `labels` (n,) and `same_picture` (n,) have one entry for each row of the gallery's vectors; rows with equal
    `same_picture` are copies of one picture. `ks` are the cut-offs of precision; recall and nDCG are cut at them and at
    `DEPTH`. Equal values count in expectation. Queries may lie inside the gallery (leave-one-out). The metrics share
    one pass over the vectors. `progress` receives (queries done, queries), `observe` all values. Raises QueryError for
    a rank below 1, a row that does not exist, and labels or pictures of another length.
    """
    queries = existing_rows(gallery, query_rows, "query rows")
    searched = np.unique(existing_rows(gallery, gallery_rows, "gallery rows"))
    label_codes = _codes(gallery, labels, "labels")
    picture_codes = np.arange(len(gallery)) if same_picture is None else _codes(gallery, same_picture, "same_picture")
    depths = sorted({*ks, DEPTH})
    if not ks or depths[0] < 1:
        raise QueryError(f"Precision is measured at ranks from 1 on, not at {list(ks)}.")

    names = list(dict.fromkeys(metrics))
    undefined_rows = {name: gallery.undefined(name) for name in names if find_metric(name).undefined is not None}
    measured = {
        name: PerQuery(
            queries,
            np.zeros(len(queries), dtype=bool),
            {measure: np.full(len(queries), np.nan) for measure in rank_measures.names(depths)},
        )
        for name in names
    }
    pairs, seconds = dict.fromkeys(names, Pairs(0, 0)), dict.fromkeys(names, 0.0)
    one_class = len(np.unique(label_codes[searched])) < 2
    step = max(1, min(QUERY_BLOCK, CELLS // max(1, len(searched))))
    for start in range(0, len(queries) if len(searched) else 0, step):
        block = slice(start, min(start + step, len(queries)))
        rows = queries[block]
        began = time.perf_counter()
        values = values_by_metric(gallery, gallery.vectors[rows], names, rows=searched)
        relevant = label_codes[rows, None] == label_codes[searched]
        copies = picture_codes[rows, None] == picture_codes[searched]
        total = (relevant & ~copies).sum(axis=1) * (not one_class)
        possible = int((~copies[total > 0]).sum())
        shared = (time.perf_counter() - began) / len(names)
        for name in names:
            began = time.perf_counter()
            excluded, left_out = copies, 0
            if name in undefined_rows and undefined_rows[name].any():
                undefined = undefined_rows[name][rows, None] | undefined_rows[name][searched]
                left_out = int((undefined & ~copies)[total > 0].sum())
                excluded = copies | undefined
            pairs[name] = Pairs(pairs[name].defined + possible - left_out, pairs[name].undefined + left_out)
            if observe is not None:
                observe(name, block, values[name], relevant, excluded)
            measured[name].counted[block] = total > 0
            for measure, scores in _score_block(values.pop(name), name, relevant, excluded, total, depths).items():
                measured[name].values[measure][block] = scores
            seconds[name] += shared + time.perf_counter() - began
        if progress is not None:
            progress(block.stop, len(queries))
    for name, each in measured.items():
        if not pairs[name].defined:
            each.values.update({measure: np.full(len(queries), np.nan) for measure in each.values})
    return summaries(measured, label_codes, searched, pairs, seconds, seed)


def without_copies(
    scores: Mapping[str, Scores],
    gallery: Gallery,
    labels: Array | Sequence[str],
    *,
    gallery_rows: Array,
    ks: Sequence[int],
    same_picture: Array | Sequence[str],
    near_copies: Array | Sequence[str],
    seed: int = 0,
) -> dict[str, Scores]:
    """The scores when rows with equal `near_copies` (n,) are no results of each other, as with `same_picture` (n,).

    `scores` are those of `evaluate_metrics` with the same arguments; rows with equal `same_picture` have equal
    `near_copies`. Only the queries whose results change are ranked again.
    """
    names, some = list(scores), next(iter(scores.values())).per_query
    searched = np.unique(existing_rows(gallery, gallery_rows, "gallery rows"))
    pictures, groups = _codes(gallery, same_picture, "same_picture"), _codes(gallery, near_copies, "near_copies")
    changed = with_near_copies(some.rows, searched, pictures, groups)
    if not changed.any():
        return dict(scores)
    again = evaluate_metrics(
        gallery,
        labels,
        metrics=names,
        query_rows=some.rows[changed],
        gallery_rows=searched,
        ks=ks,
        same_picture=groups,
        seed=seed,
    )
    merged = {name: _merged(scores[name].per_query, again[name].per_query, changed) for name in names}
    pairs, seconds = ({name: getattr(each, kind) for name, each in scores.items()} for kind in ("pairs", "seconds"))
    return summaries(merged, _codes(gallery, labels, "labels"), searched, pairs, seconds, seed)


def with_near_copies(queries: Rows, gallery_rows: Rows, pictures: Array, groups: Array) -> npt.NDArray[np.bool_]:
    """Whether a near-duplicate of each query, other than a copy, is among `gallery_rows`: (q,).

    `pictures` and `groups` (n,) are whole numbers from 0, equal for copies and for near-duplicates.
    """
    copies, near = (np.bincount(codes[gallery_rows], minlength=codes.max() + 1) for codes in (pictures, groups))
    return np.asarray(near[groups[queries]] > copies[pictures[queries]])


def _merged(first: PerQuery, second: PerQuery, places: npt.NDArray[np.bool_]) -> PerQuery:
    """`first` with the entries of `second` at `places` (q,)."""
    counted, values = first.counted.copy(), {name: each.copy() for name, each in first.values.items()}
    counted[places] = second.counted
    for name, each in values.items():
        each[places] = second.values[name]
    return PerQuery(first.rows, counted, values)


def _score_block(
    values: Floats, name: str, relevant: Array, excluded: Array, total: Rows, ks: Sequence[int]
) -> dict[str, Floats]:
    """The measures of one block of queries, (q,) each, from values (q, n); `total` (q,) counts relevant images."""
    higher = METRICS[name].higher_is_closer
    keys = np.where(excluded, np.inf, -values if higher else values)
    # Not a stable sort, which takes four times as long: the order of equal values does not count.
    ranking = np.argsort(keys, axis=1)
    hits = np.take_along_axis(relevant & ~excluded, ranking, axis=1)
    tied = rank_measures.tied_with_next(np.take_along_axis(keys, ranking, axis=1), relative=not higher)
    return rank_measures.measures(hits, tied, total, ks)


def summaries(
    per_query: Mapping[str, PerQuery],
    labels: Array,
    gallery_rows: Rows,
    pairs: Mapping[str, Pairs],
    seconds: Mapping[str, float],
    seed: int = 0,
) -> dict[str, Scores]:
    """Means and intervals by metric of the scores per query, for the `labels` (n,) of all rows.

    The time to compute them is added to `seconds`.
    """
    began = time.perf_counter()
    some = next(iter(per_query.values()))
    rows, counted = some.rows, some.counted  # the same for all metrics: labels and copies decide
    queries = int(counted.sum())
    reasons = {name: _why(rows, gallery_rows, labels, queries, pairs[name].defined) for name in per_query}
    columns = {
        (name, measure): values[counted]
        for name, each in per_query.items()
        if not reasons[name]
        for measure, values in each.values.items()
    }
    plain: dict[tuple[str, str], Interval] = {}
    balanced: dict[tuple[str, str], Interval] = {}
    weights = np.ones(0)
    if columns:
        table = np.stack(list(columns.values()), axis=1)
        codes = np.unique(labels[rows[counted]], return_inverse=True)[1]
        weights = 1 / np.bincount(codes)[codes]
        plain = dict(zip(columns, mean_intervals(table, seed), strict=True))
        balanced = dict(zip(columns, mean_intervals(table, seed, weights=weights), strict=True))
    shared = (time.perf_counter() - began) / len(per_query)

    def by_measure(name: str, compute: Callable[[tuple[str, str]], Any]) -> dict[str, Any]:
        return {key: None if reasons[name] else compute((name, key)) for key in per_query[name].values}

    return {
        name: Scores(
            metric=name,
            queries=queries,
            left_out=len(rows) - queries,
            gallery=len(gallery_rows),
            pairs=pairs[name],
            why=reasons[name] or None,
            means=by_measure(name, lambda key: float(columns[key].mean())),
            intervals=by_measure(name, plain.__getitem__),
            balanced=by_measure(name, lambda key: float(weights @ columns[key] / weights.sum())),
            balanced_intervals=by_measure(name, balanced.__getitem__),
            seconds=seconds[name] + shared,
            per_query=each,
        )
        for name, each in per_query.items()
    }


def _why(rows: Rows, gallery_rows: Rows, labels: Array, queries: int, defined: int) -> str:
    """Why there is no score; "" where there is one."""
    if not len(rows) or not len(gallery_rows):
        return NO_IMAGES
    if len(np.unique(labels[gallery_rows])) < 2:
        return ONE_CLASS
    if not queries:
        return ALONE
    return "" if defined else NOTHING_DEFINED


def mean(values: Floats) -> float | None:
    """The mean of the values that are not NaN; None without any."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else None


def _codes(gallery: Gallery, names: Array | Sequence[str], what: str) -> npt.NDArray[np.int64]:
    """Whole numbers that are equal where the names are."""
    if len(names) != len(gallery):
        raise QueryError(f"One entry in {what} is needed for each of {len(gallery)} rows, not {len(names)}.")
    return np.unique(np.asarray(names), return_inverse=True)[1].astype(np.int64)
