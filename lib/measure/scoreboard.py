"""The scores of every space × metric with the test images as queries: measured once and kept as an artifact.

The means are those of `evaluation.evaluate`. The artifact adds the score of each query, for paired comparisons, and the
distributions of same-class and different-class values, for calibration.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from lib import artifacts
from lib.data.catalog import Catalog
from lib.documents.search import EvaluationRow
from lib.errors import ArtifactError
from lib.measure.evaluation import evaluation_row, query_and_gallery_rows
from lib.measure.provenance import Provenance, provenance
from lib.prepare.workspace import Workspace
from lib.retrieval import search
from lib.search import evaluation
from lib.search.calibration import BINS, Calibration, Collector
from lib.search.evaluation import RECALL_AT, PerQuery, Scores
from lib.search.metrics import METRICS, Floats

SCHEMA = 1
KS = (1, 5, 10)
FOLDER = "scores"
# The measures by key, with their short titles.
MEASURES = {"map": "mAP", "p1": "P@1", "p5": "P@5", "p10": "P@10", "r10": "R@10"}
MEASURE_DESCRIPTIONS = {
    "map": "mean over queries of the average precision: the precision at each correct result, over the full ranking",
    "p1": "share of queries whose first result has their class",
    "p5": "share of the first 5 results with the query's class",
    "p10": "share of the first 10 results with the query's class",
    "r10": "share of the photos of the query's class that are among the first 10 results",
}


class ScoreFacts(Provenance):
    """The provenance of a space's scores, and what is kept beside the arrays; the dictionaries are by metric."""

    queries: str
    gallery: int
    intervals: str
    schema: int
    seconds: float
    seconds_by_metric: dict[str, float]
    auc: dict[str, float | None]
    calibration_queries: dict[str, int]


@dataclass(frozen=True)
class SpaceScores:
    """A space's scores and calibrations by metric; `facts` are the provenance and the seconds taken."""

    space: str
    scores: dict[str, Scores]
    calibrations: dict[str, Calibration]
    facts: ScoreFacts

    def rows(self) -> list[EvaluationRow]:
        """The rows of the `evaluate` document."""
        return [evaluation_row(self.space, scores) for scores in self.scores.values()]


def per_query(scores: Scores, measure: str) -> Floats:
    """The score of each query by one of `MEASURES`, (q,); NaN where undefined."""
    queries = scores.per_query
    if measure == "map":
        return queries.average_precision
    return queries.recall[RECALL_AT] if measure == "r10" else queries.precision[int(measure[1:])]


def mean_and_interval(scores: Scores, measure: str) -> tuple[float | None, tuple[float, float] | None]:
    """The mean over the queries by one of `MEASURES`, and its 95 % interval."""
    if measure == "map":
        return scores.map, scores.map_ci95
    if measure == "r10":
        return scores.recall[RECALL_AT], scores.recall_ci95[RECALL_AT]
    return scores.precision[int(measure[1:])], scores.precision_ci95[int(measure[1:])]


def by_class(scores: Scores, labels: np.ndarray, measure: str) -> dict[str, tuple[int, float | None]]:
    """By class the number of queries and their mean by one of `MEASURES`; `labels` (n,) are the catalog's."""
    query_labels, values = labels[scores.per_query.rows], per_query(scores, measure)
    return {
        str(label): (int((query_labels == label).sum()), evaluation.mean(values[query_labels == label]))
        for label in sorted(set(query_labels.tolist()))
    }


def cost(workspace: Workspace, catalog: Catalog) -> float:
    """Work to score every space: queries × gallery × dimensions, summed over the spaces."""
    queries, gallery = query_and_gallery_rows(catalog)
    return float(len(queries)) * len(gallery) * sum(int(workspace.space(name)["dim"]) for name in workspace.spaces)


def scores_file(workspace: Workspace, space: str, catalog: Catalog) -> Path:
    """The file of a space's scores, whether it exists or not; its name is a hash of all its inputs."""
    entry = workspace.space(space)
    contents, seed = catalog.contents, catalog.seed
    key = artifacts.digest("petalscope-scores", SCHEMA, KS, entry["fingerprint"], contents, seed, BINS)[:8]
    return workspace.folder / FOLDER / f"{Path(entry['folder']).name}-{key}.npz"


def measure(
    workspace: Workspace,
    space: str,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> SpaceScores:
    """Score a space under every metric.

    Raises QueryError when there are no test images, ArtifactError when the space is not prepared.
    """
    start = time.perf_counter()
    loaded = search.load_space(workspace, space)
    catalog = loaded.catalog
    query_rows, gallery_rows = query_and_gallery_rows(catalog)
    collector = Collector(len(query_rows), len(gallery_rows))
    scores = evaluation.evaluate_metrics(
        loaded.gallery,
        catalog.frame["label"].to_numpy(),
        metrics=list(METRICS),
        query_rows=query_rows,
        gallery_rows=gallery_rows,
        ks=KS,
        same_picture=catalog.frame["sha256"].to_numpy(),
        progress=progress,
        observe=collector.observe,
    )
    calibrations = collector.calibrations()
    facts: ScoreFacts = {
        **provenance(workspace, loaded.space, catalog),
        "queries": "test images",
        "gallery": len(gallery_rows),
        "intervals": f"percentile bootstrap, {evaluation.RESAMPLES} resamples, seed 0",
        "schema": SCHEMA,
        "seconds": round(time.perf_counter() - start, 3),
        "seconds_by_metric": {name: each.seconds for name, each in scores.items()},
        "auc": {name: each.auc for name, each in calibrations.items()},
        "calibration_queries": {name: each.queries for name, each in calibrations.items()},
    }
    return SpaceScores(loaded.space, scores, calibrations, facts)


def measure_all(
    workspace: Workspace, stage: Callable[[str], Callable[[int, int | None], None]], *, again: bool = False
) -> list[SpaceScores]:
    """The scores of every prepared space: read from its file, else (or with `again`) measured and written.

    `stage` returns the progress function of a space.
    """
    catalog = workspace.catalog()
    all_scores = []
    for space in workspace.spaces:
        scores = None if again else load(workspace, space, catalog)
        if scores is None:
            scores = measure(workspace, space, stage(space))
            save(scores, scores_file(workspace, space, catalog))
        all_scores.append(scores)
    return all_scores


def save(space_scores: SpaceScores, target: Path) -> None:
    """Write to the `.npz` file `target`, atomically and without pickle."""
    arrays: dict[str, Any] = {}
    for name, scores in space_scores.scores.items():
        queries = scores.per_query
        arrays[f"{name}_rows"], arrays[f"{name}_map"] = queries.rows, queries.average_precision
        arrays |= {f"{name}_p{k}": values for k, values in queries.precision.items()}
        arrays[f"{name}_r10"] = queries.recall[RECALL_AT]
        calibration = space_scores.calibrations[name]
        arrays |= {f"{name}_{kind}": getattr(calibration, kind) for kind in ("edges", "same", "different")}
    artifacts.write_arrays(target, space_scores.facts, arrays)


def load(workspace: Workspace, space: str, catalog: Catalog) -> SpaceScores | None:
    """The stored scores of a space; None while it is not scored. Raises ArtifactError when the file is damaged."""
    target = scores_file(workspace, space, catalog)
    try:
        stored = artifacts.read_arrays(target)
        if stored is None:
            return None
        facts, arrays = stored
        if not METRICS.keys() <= facts["auc"].keys():  # a metric is new since
            return None
        scores, calibrations = {}, {}
        for name in METRICS:
            queries = PerQuery(
                arrays[f"{name}_rows"],
                arrays[f"{name}_map"],
                {k: arrays[f"{name}_p{k}"] for k in KS},
                {RECALL_AT: arrays[f"{name}_r10"]},
            )
            scores[name] = evaluation.summary(name, queries, facts["gallery"], facts["seconds_by_metric"][name])
            edges, same, different = (arrays[f"{name}_{kind}"] for kind in ("edges", "same", "different"))
            calibrations[name] = Calibration(
                name, edges, same, different, facts["auc"][name], facts["calibration_queries"][name]
            )
    except (ArtifactError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{target} cannot be read; delete it and open the scoreboard again.") from error
    return SpaceScores(str(facts["space"]), scores, calibrations, cast("ScoreFacts", facts))
