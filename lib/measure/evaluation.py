"""Retrieval quality of a space under each metric: the rows of the `evaluate` document and of the scoreboard."""

from __future__ import annotations

import re
from typing import Any, cast

import numpy as np

from lib.data import labelled
from lib.data.catalog import Catalog
from lib.documents.search import EvaluationRow, Interval, WithoutLeaks
from lib.errors import QueryError, Remedy
from lib.prepare.workspace import Workspace
from lib.progress import Progress
from lib.retrieval.search import load_space
from lib.search import evaluation
from lib.search.metrics import METRICS
from lib.search.near_duplicates import NearDuplicates
from lib.text import agreeing


def evaluate(
    workspace: Workspace,
    space: str,
    metrics: list[str] | None = None,
    *,
    k: int = 10,
    queries: str = "test",
    near: NearDuplicates | None = None,
    progress: Progress | None = None,
    observe: evaluation.Observer | None = None,
) -> list[EvaluationRow]:
    """The rows of the `evaluate` document for a space: one for each metric.

    `queries` is `test` (gallery: the remaining images) or `all` (leave-one-out). With `near` each row has its scores
    `without_leaks`, too. `observe` receives all values. Raises QueryError when no image is a query or none is in the
    gallery.
    """
    loaded = load_space(workspace, space)
    catalog = loaded.catalog
    labelled.require(catalog, "Scores")
    labels, pictures = catalog.frame["label"].to_numpy(), catalog.frame["sha256"].to_numpy()
    query_rows, gallery_rows = query_and_gallery_rows(catalog, queries)
    ks = sorted({*evaluation.CUTS, k})
    scores_by_metric = evaluation.evaluate_metrics(
        loaded.gallery,
        labels,
        metrics=metrics or list(METRICS),
        query_rows=query_rows,
        gallery_rows=gallery_rows,
        ks=ks,
        same_picture=pictures,
        progress=progress,
        observe=observe,
    )
    rows = {name: evaluation_row(loaded.space, scores, k) for name, scores in scores_by_metric.items()}
    if near is None:
        return list(rows.values())
    groups = near.groups(catalog)
    without = evaluation.without_copies(
        scores_by_metric,
        loaded.gallery,
        labels,
        gallery_rows=gallery_rows,
        ks=ks,
        same_picture=pictures,
        near_copies=groups,
    )
    leaked = leaked_queries(catalog, groups, query_rows, gallery_rows)
    return [{**row, "without_leaks": _without_leaks(without[name], leaked, k)} for name, row in rows.items()]


def leaked_queries(catalog: Catalog, groups: np.ndarray, query_rows: np.ndarray, gallery_rows: np.ndarray) -> int:
    """How many queries have a near-duplicate in the gallery beside pixel-identical copies; `groups` (n,) are those of
    `NearDuplicates`."""
    pictures = np.unique(catalog.hashes, return_inverse=True)[1]
    return int(evaluation.with_near_copies(query_rows, gallery_rows, pictures, groups).sum())


def query_and_gallery_rows(catalog: Catalog, queries: str = "test") -> tuple[np.ndarray, np.ndarray]:
    """Catalog rows of the queries and of the gallery: the test images and the rest, or all and all.

    Raises QueryError when no image is a query or none is in the gallery.
    """
    rows = np.arange(len(catalog.frame))
    if queries == "all":
        query_rows = gallery_rows = rows
    else:
        query_rows = np.nonzero((catalog.frame["split"] == "test").to_numpy())[0]
        gallery_rows = np.setdiff1d(rows, query_rows)
    if not len(query_rows) or not len(gallery_rows):
        raise QueryError(
            f"{agreeing(len(rows), 'image', 'leaves', 'leave')} no test queries or no gallery",
            remedy=Remedy.MORE_QUERIES,
        )
    return query_rows, gallery_rows


def evaluation_row(space: str, scores: evaluation.Scores, k: int = 10) -> EvaluationRow:
    """The scores of a space under a metric, as the `evaluate` document prints them."""
    cuts, deep = _cuts(scores, k)
    balanced = _by_measure({name: _bounds(each) for name, each in scores.balanced_intervals.items()}, cuts, deep)
    row = {
        "space": space,
        "metric": scores.metric,
        "queries": scores.queries,
        "left_out": scores.left_out,
        "gallery": scores.gallery,
        "undefined": scores.pairs.undefined,
        "why": scores.why,
        **_by_measure(scores.means, cuts, deep),
        "balanced": _by_measure(scores.balanced, cuts, deep),
        "ci95": {**_intervals(scores, k), "balanced": balanced},
        "seconds": round(scores.seconds, 3),
    }
    return cast("EvaluationRow", row)


def _without_leaks(scores: evaluation.Scores, leaked: int, k: int) -> WithoutLeaks:
    means = _by_measure(scores.means, *_cuts(scores, k))
    return cast("WithoutLeaks", {"queries": scores.queries, "leaks": leaked, **means, "ci95": _intervals(scores, k)})


def _cuts(scores: evaluation.Scores, k: int) -> tuple[list[int], list[int]]:
    """The cut-offs of precision, and those of recall and nDCG."""
    cuts = sorted(int(name.removeprefix("p")) for name in scores.means if re.fullmatch(r"p\d+", name))
    return cuts, sorted({evaluation.DEPTH, k})


def _intervals(scores: evaluation.Scores, k: int) -> dict[str, Any]:
    return _by_measure({name: _bounds(each) for name, each in scores.intervals.items()}, *_cuts(scores, k))


def _by_measure(values: dict[str, Any], cuts: list[int], deep: list[int]) -> dict[str, Any]:
    """Values by the names of `rank_measures` as a document has them: by measure, and by cut-off within a measure."""
    return {
        "precision": {str(k): values[f"p{k}"] for k in cuts},
        "recall": {str(k): values[f"r{k}"] for k in deep},
        **{name: values[name] for name in ("map", "r_precision", "map_at_r", "mrr")},
        "ndcg": {str(k): values[f"ndcg{k}"] for k in deep},
    }


def _bounds(interval: tuple[float, float] | None) -> Interval:
    return None if interval is None else list(interval)
