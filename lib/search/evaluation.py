"""Retrieval measures: precision, recall and average precision of full rankings, against the labels.

A result is relevant if it has the query's label. The query's own row, and rows of the same picture, are never results.
An undefined measure (no results, no relevant results) is None, or NaN per query, and does not enter a mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lib.errors import QueryError
from lib.progress import Progress
from lib.search.blocks import CELLS, Rows
from lib.search.exact import Gallery, existing_rows, values_by_metric
from lib.search.metrics import Array, Floats, order

# Receives a metric's name, a block of the list of queries, and arrays (q, n) of that block: values, whether a result is
# of the query's class, whether it is the query itself or a copy. It must copy what it stores.
Observer = Callable[[str, slice, Floats, Array, Array], None]

RECALL_AT = 10
RESAMPLES = 2000
QUERY_BLOCK = 512


@dataclass(frozen=True)
class PerQuery:
    """One entry per query, NaN where undefined; `rows` are the queries' rows in the gallery's vectors."""

    rows: Rows
    average_precision: Floats
    precision: dict[int, Floats]
    recall: dict[int, Floats]


@dataclass(frozen=True)
class Scores:
    """A metric's retrieval scores as fractions: means over the queries for which each is defined, else None.

    `queries` and `gallery` count rows. `map` is the mean of the average precisions over full rankings; `map_ci95`,
    `precision_ci95` and `recall_ci95` are 95 % bootstrap intervals over the queries. `seconds` is wall time; metrics
    scored together share the time of their common work equally.
    """

    metric: str
    queries: int
    gallery: int
    precision: dict[int, float | None]
    recall: dict[int, float | None]
    map: float | None
    map_ci95: tuple[float, float] | None
    precision_ci95: dict[int, tuple[float, float] | None]
    recall_ci95: dict[int, tuple[float, float] | None]
    seconds: float
    per_query: PerQuery = field(repr=False)


def evaluate(
    gallery: Gallery,
    labels: Array | Sequence[str],
    *,
    metric: str,
    query_rows: Array,
    gallery_rows: Array,
    ks: Sequence[int] = (1, 5, 10),
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
    ks: Sequence[int] = (1, 5, 10),
    same_picture: Array | Sequence[str] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    observe: Observer | None = None,
) -> dict[str, Scores]:
    """Rank `gallery_rows` for every one of `query_rows` under each metric, and score the rankings by `labels`.

    `labels` (n,) and `same_picture` (n,) have one entry for each row of the gallery's vectors; rows with equal
    `same_picture` are copies of one picture. Precision at k is the relevant among the first k, divided by k also when
    there are fewer results; recall at 10 is the relevant among the first 10, divided by all relevant; average
    precision is the mean, over the relevant answers, of the precision at their rank. Queries may lie inside the
    gallery (leave-one-out). The metrics share one pass over the vectors. `progress` receives (queries done,
    queries), `observe` all values. Raises QueryError for a rank below 1, a row that does not exist, and labels or
    pictures of another length.
    """
    queries = existing_rows(gallery, query_rows, "query rows")
    searched = np.unique(existing_rows(gallery, gallery_rows, "gallery rows"))
    label_codes = _codes(gallery, labels, "labels")
    picture_codes = np.arange(len(gallery)) if same_picture is None else _codes(gallery, same_picture, "same_picture")
    depths = sorted(set(ks))
    if not depths or depths[0] < 1:
        raise QueryError(f"Precision is measured at ranks from 1 on, not at {list(ks)}.")

    names = list(dict.fromkeys(metrics))
    measured = {name: PerQuery(queries, *_undefined(len(queries), depths)) for name in names}
    seconds = dict.fromkeys(names, 0.0)
    step = max(1, min(QUERY_BLOCK, CELLS // max(1, len(searched))))
    for start in range(0, len(queries) if len(searched) else 0, step):
        block = slice(start, min(start + step, len(queries)))
        rows = queries[block]
        began = time.perf_counter()
        values = values_by_metric(gallery, gallery.vectors[rows], names, rows=searched)
        relevant = label_codes[rows, None] == label_codes[searched]
        excluded = picture_codes[rows, None] == picture_codes[searched]
        shared = (time.perf_counter() - began) / len(names)
        for name in names:
            began = time.perf_counter()
            if observe is not None:
                observe(name, block, values[name], relevant, excluded)
            _score_block(order(values.pop(name), name), relevant, excluded, measured[name], block)
            seconds[name] += shared + time.perf_counter() - began
        if progress is not None:
            progress(block.stop, len(queries))
    return {name: summary(name, measured[name], len(searched), seconds[name], seed) for name in names}


def _score_block(ranking: Rows, relevant: Array, excluded: Array, into: PerQuery, block: slice) -> None:
    """Score the rankings (q, n) of one block of queries; `relevant` and `excluded` (q, n) are in column order."""
    answered = ~np.take_along_axis(excluded, ranking, axis=1)
    hits = np.take_along_axis(relevant, ranking, axis=1) & answered
    rank = np.cumsum(answered, axis=1, dtype=np.int32)  # an excluded row takes no rank
    hits_so_far = np.cumsum(hits, axis=1, dtype=np.int32)
    total = hits_so_far[:, -1]
    some, any_answer = total > 0, rank[:, -1] > 0
    summed = np.divide(hits_so_far, rank, out=np.zeros(hits.shape), where=hits).sum(axis=1)
    into.average_precision[block][some] = summed[some] / total[some]
    for k, precision in into.precision.items():
        precision[block][any_answer] = (hits & (rank <= k)).sum(axis=1)[any_answer] / k
    for k, recall in into.recall.items():
        recall[block][some] = (hits & (rank <= k)).sum(axis=1)[some] / total[some]


def _undefined(queries: int, ks: Sequence[int]) -> tuple[Floats, dict[int, Floats], dict[int, Floats]]:
    def undefined() -> Floats:
        return np.full(queries, np.nan)

    return undefined(), {k: undefined() for k in ks}, {RECALL_AT: undefined()}


def summary(name: str, per_query: PerQuery, gallery_size: int, seconds: float, seed: int = 0) -> Scores:
    """Means and intervals of one metric's scores per query; the time to compute them is added to `seconds`."""
    began = time.perf_counter()
    interval = bootstrap_interval(per_query.average_precision, seed)
    precision_ci95 = {k: bootstrap_interval(values, seed) for k, values in per_query.precision.items()}
    recall_ci95 = {k: bootstrap_interval(values, seed) for k, values in per_query.recall.items()}
    return Scores(
        metric=name,
        queries=len(per_query.rows),
        gallery=gallery_size,
        precision={k: mean(values) for k, values in per_query.precision.items()},
        recall={k: mean(values) for k, values in per_query.recall.items()},
        map=mean(per_query.average_precision),
        map_ci95=interval,
        precision_ci95=precision_ci95,
        recall_ci95=recall_ci95,
        seconds=seconds + time.perf_counter() - began,
        per_query=per_query,
    )


def bootstrap_interval(values: Floats, seed: int = 0) -> tuple[float, float] | None:
    """The 95 % percentile-bootstrap interval (2,000 resamples) of the mean of the values that are not NaN, else None.

    It estimates how the mean varies over other queries of the same kind (Efron and Tibshirani, An Introduction to the
    Bootstrap, chapter 13).
    """
    defined = values[~np.isnan(values)]
    if not len(defined):
        return None
    generator = np.random.default_rng(seed)
    means = np.empty(RESAMPLES)
    step = max(1, CELLS // len(defined))
    for start in range(0, RESAMPLES, step):
        part = means[start : start + step]
        part[:] = defined[generator.integers(0, len(defined), (len(part), len(defined)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def mean(values: Floats) -> float | None:
    """The mean of the values that are not NaN; None without any."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else None


def _codes(gallery: Gallery, names: Array | Sequence[str], what: str) -> npt.NDArray[np.int64]:
    """Whole numbers that are equal where the names are."""
    if len(names) != len(gallery):
        raise QueryError(f"One entry in {what} is needed for each of {len(gallery)} rows, not {len(names)}.")
    return np.unique(np.asarray(names), return_inverse=True)[1].astype(np.int64)
