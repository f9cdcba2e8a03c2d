"""How good a space's retrieval is under each metric: the rows that `evaluate` prints and the scoreboard keeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from lib.data.catalog import Catalog
from lib.errors import QueryError
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
) -> list[dict[str, Any]]:
    """The rows of the `evaluate` document for one space. `queries` is `test` (gallery: the rest) or `all`.

    Raises QueryError when there is nothing to ask or nothing to find.
    """
    loaded = load_space(workspace, space)
    frame = loaded.catalog.frame
    asked, gallery_rows = asked_of(loaded.catalog, queries)
    scored = evaluation.evaluate_metrics(
        loaded.gallery,
        frame["label"].to_numpy(),
        metrics=metrics or list(METRICS),
        query_rows=asked,
        gallery_rows=gallery_rows,
        ks=sorted({1, 5, 10, k}),
        same_picture=frame["sha256"].to_numpy(),
        progress=progress,
    )
    return [evaluation_row(loaded.space, scores, k) for scores in scored.values()]


def asked_of(catalog: Catalog, queries: str = "test") -> tuple[np.ndarray, np.ndarray]:
    """The rows that are queries and those that are searched: the test images and the rest, or `all` and all.

    Raises QueryError when there is nothing to ask or nothing to find.
    """
    everything = np.arange(len(catalog.frame))
    asked = everything if queries == "all" else np.nonzero((catalog.frame["split"] == "test").to_numpy())[0]
    searched = everything if queries == "all" else np.setdiff1d(everything, asked)
    if not len(asked) or not len(searched):
        raise QueryError(
            f"The {len(everything)} images leave no test queries or no gallery; prepare more images, or use "
            "--queries all."
        )
    return asked, searched


def evaluation_row(space: str, scores: evaluation.Scores, k: int = 10) -> dict[str, Any]:
    """One row of the `evaluate` document."""
    told = {at for at in scores.recall if at in {10, k}}
    return {
        "space": space,
        "metric": scores.metric,
        "queries": scores.queries,
        "gallery": scores.gallery,
        "precision": {str(at): value for at, value in scores.precision.items()},
        "recall": {str(at): scores.recall[at] for at in told},
        "map": scores.map,
        "ci95": {
            "map": _bounds(scores.map_ci95),
            "precision": {str(at): _bounds(each) for at, each in scores.precision_ci95.items()},
            "recall": {str(at): _bounds(scores.recall_ci95[at]) for at in told},
        },
        "seconds": round(scores.seconds, 3),
    }


def _bounds(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)
