"""Retrieval quality of a space under each metric: the rows of the `evaluate` document and of the scoreboard."""

from __future__ import annotations

import numpy as np

from lib.data.catalog import Catalog
from lib.documents.search import EvaluationRow, Interval
from lib.errors import QueryError, Remedy
from lib.prepare.workspace import Workspace
from lib.progress import Progress
from lib.retrieval.search import load_space
from lib.search import evaluation
from lib.search.metrics import METRICS


def evaluate(
    workspace: Workspace,
    space: str,
    metrics: list[str] | None = None,
    *,
    k: int = 10,
    queries: str = "test",
    progress: Progress | None = None,
) -> list[EvaluationRow]:
    """The rows of the `evaluate` document for a space: one for each metric.

    `queries` is `test` (gallery: the remaining images) or `all` (leave-one-out). Raises QueryError when no image is a
    query or none is in the gallery.
    """
    loaded = load_space(workspace, space)
    frame = loaded.catalog.frame
    query_rows, gallery_rows = query_and_gallery_rows(loaded.catalog, queries)
    scores_by_metric = evaluation.evaluate_metrics(
        loaded.gallery,
        frame["label"].to_numpy(),
        metrics=metrics or list(METRICS),
        query_rows=query_rows,
        gallery_rows=gallery_rows,
        ks=sorted({1, 5, 10, k}),
        same_picture=frame["sha256"].to_numpy(),
        progress=progress,
    )
    return [evaluation_row(loaded.space, scores, k) for scores in scores_by_metric.values()]


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
        raise QueryError(f"The {len(rows)} images leave no test queries or no gallery", remedy=Remedy.MORE_QUERIES)
    return query_rows, gallery_rows


def evaluation_row(space: str, scores: evaluation.Scores, k: int = 10) -> EvaluationRow:
    """The scores of a space under a metric, as the `evaluate` document prints them."""
    recall_at = {at for at in scores.recall if at in {10, k}}
    return {
        "space": space,
        "metric": scores.metric,
        "queries": scores.queries,
        "gallery": scores.gallery,
        "precision": {str(at): value for at, value in scores.precision.items()},
        "recall": {str(at): scores.recall[at] for at in recall_at},
        "map": scores.map,
        "ci95": {
            "map": _bounds(scores.map_ci95),
            "precision": {str(at): _bounds(each) for at, each in scores.precision_ci95.items()},
            "recall": {str(at): _bounds(scores.recall_ci95[at]) for at in recall_at},
        },
        "seconds": round(scores.seconds, 3),
    }


def _bounds(interval: tuple[float, float] | None) -> Interval:
    return None if interval is None else list(interval)
