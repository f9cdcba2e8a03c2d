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

from lib import artifacts, statistics
from lib.data import labelled
from lib.data.catalog import Catalog
from lib.documents.search import EvaluationRow
from lib.errors import ArtifactError, Remedy
from lib.measure import leaks
from lib.measure.evaluation import evaluation_row, leaked_queries, query_and_gallery_rows
from lib.measure.provenance import Provenance, provenance
from lib.prepare.workspace import Workspace
from lib.progress import Progress, no_progress
from lib.retrieval import search
from lib.search import evaluation, rank_measures
from lib.search.calibration import BINS, Calibration, Collector
from lib.search.evaluation import CUTS, Pairs, PerQuery, Scores
from lib.search.metrics import METRICS, Floats
from lib.search.near_duplicates import NearDuplicates
from lib.text import natural_key

# 2: one population for all measures, ties in expectation, more measures. 3: the scores without leaks, too.
SCHEMA = 3
FOLDER = "scores"
# The measures by key, with their short titles.
MEASURES = {
    "map": "mAP",
    **{f"p{k}": f"P@{k}" for k in CUTS},
    "r10": "R@10",
    "r_precision": "R-precision",
    "map_at_r": "MAP@R",
    "mrr": "MRR",
    "ndcg10": "nDCG@10",
}
# With R the number of photos of the query's class in the gallery.
MEASURE_DESCRIPTIONS = {
    "map": "mean over queries of the average precision: the precision at each correct result, over the full ranking, "
    "summed and divided by R, the number of photos of the query's class",
    **{f"p{k}": f"share of the first {k} results with the query's class" for k in CUTS},
    "p1": "share of queries whose first result has their class",
    "r10": "share of the photos of the query's class that are among the first 10 results",
    "r_precision": "share of the first R results with the query's class, R being the number of photos of that class",
    "map_at_r": "average precision over the first R results only, R being the number of photos of the query's class "
    "(Musgrave, Belongie and Lim 2020)",
    "mrr": "mean over queries of 1 / rank of the first correct result",
    "ndcg10": "correct results among the first 10, each divided by log2(rank + 1), over the largest possible sum "
    "(Järvelin and Kekäläinen 2002)",
}
NEAR_STAGE = "similar photos"
# In the names of a file's arrays: without leaks.
_CLEAN = "_without_leaks"
# What the mean is taken over.
QUERIES, CLASSES = "queries", "classes"


class ScoreFacts(Provenance):
    """The provenance of a space's scores, and what is kept beside the arrays; the dictionaries are by metric."""

    queries: str
    gallery: int
    intervals: str
    schema: int
    seconds: float
    seconds_by_metric: dict[str, float]
    pairs: dict[str, list[int]]
    leaks: int | None
    auc: dict[str, float | None]
    calibration_queries: dict[str, int]


@dataclass(frozen=True)
class SpaceScores:
    """A space's scores and calibrations by metric; `facts` are the provenance and the seconds taken.

    `without_leaks` are the scores when near-duplicates are no results of each other, and `facts["leaks"]` counts the
    queries with a near-duplicate in the gallery: None where near-duplicates could not be searched for.
    """

    space: str
    scores: dict[str, Scores]
    without_leaks: dict[str, Scores]
    calibrations: dict[str, Calibration]
    facts: ScoreFacts

    def rows(self) -> list[EvaluationRow]:
        """The rows of the `evaluate` document."""
        return [evaluation_row(self.space, scores) for scores in self.scores.values()]


def per_query(scores: Scores, measure: str) -> Floats:
    """The score of each query by one of `MEASURES`, (q,); NaN where undefined."""
    return scores.per_query.values[measure]


def mean_and_interval(
    scores: Scores, measure: str, over: str = QUERIES
) -> tuple[float | None, tuple[float, float] | None]:
    """The mean over the queries by one of `MEASURES`, or over the classes of their means, and its 95 % interval."""
    if over == CLASSES:
        return scores.balanced[measure], scores.balanced_intervals[measure]
    return scores.means[measure], scores.intervals[measure]


def by_class(scores: Scores, labels: np.ndarray, measure: str) -> dict[str, tuple[int, float | None]]:
    """By class the number of counted queries and their mean by one of `MEASURES`; `labels` (n,) are the catalog's."""
    counted = scores.per_query.counted
    query_labels, values = labels[scores.per_query.rows[counted]], per_query(scores, measure)[counted]
    return {
        str(label): (int((query_labels == label).sum()), evaluation.mean(values[query_labels == label]))
        for label in sorted(set(query_labels.tolist()), key=natural_key)
    }


def cost(workspace: Workspace, catalog: Catalog) -> float:
    """Work to score every space: queries × gallery × dimensions, summed over the spaces."""
    queries, gallery = query_and_gallery_rows(catalog)
    return float(len(queries)) * len(gallery) * sum(int(workspace.space(name)["dim"]) for name in workspace.spaces)


def scores_file(workspace: Workspace, space: str, catalog: Catalog) -> Path:
    """The file of a space's scores, whether it exists or not; its name is a hash of all its inputs."""
    entry = workspace.space(space)
    contents, seed = catalog.contents, catalog.seed
    key = artifacts.digest("petalscope-scores", SCHEMA, CUTS, entry["fingerprint"], contents, seed, BINS)[:8]
    return workspace.folder / FOLDER / f"{Path(entry['folder']).name}-{key}.npz"


def measure(
    workspace: Workspace,
    space: str,
    progress: Progress = no_progress,
    near: NearDuplicates | None = None,
) -> SpaceScores:
    """Score a space under every metric, and without leaks where the near-duplicates are given.

    Raises QueryError when there are no test images, ArtifactError when the space is not prepared.
    """
    start = time.perf_counter()
    loaded = search.load_space(workspace, space)
    catalog = loaded.catalog
    labelled.require(catalog, "Scores")
    query_rows, gallery_rows = query_and_gallery_rows(catalog)
    collector = Collector(len(query_rows), len(gallery_rows))
    labels, pictures = catalog.frame["label"].to_numpy(), catalog.frame["sha256"].to_numpy()
    scores = evaluation.evaluate_metrics(
        loaded.gallery,
        labels,
        metrics=list(METRICS),
        query_rows=query_rows,
        gallery_rows=gallery_rows,
        ks=CUTS,
        same_picture=pictures,
        progress=progress,
        observe=collector.observe,
    )
    without_leaks, leaked = {}, None
    if near is not None:
        groups = near.groups(catalog)
        leaked = leaked_queries(catalog, groups, query_rows, gallery_rows)
        without_leaks = evaluation.without_copies(
            scores,
            loaded.gallery,
            labels,
            gallery_rows=gallery_rows,
            ks=CUTS,
            same_picture=pictures,
            near_copies=groups,
        )
    calibrations = collector.calibrations()
    facts: ScoreFacts = {
        **provenance(workspace, loaded.space, catalog),
        "queries": "test images",
        "gallery": len(gallery_rows),
        "intervals": statistics.METHOD,
        "schema": SCHEMA,
        "seconds": round(time.perf_counter() - start, 3),
        "seconds_by_metric": {name: each.seconds for name, each in scores.items()},
        "pairs": {name: list(each.pairs) for name, each in scores.items()},
        "leaks": leaked,
        "auc": {name: each.auc for name, each in calibrations.items()},
        "calibration_queries": {name: each.queries for name, each in calibrations.items()},
    }
    return SpaceScores(loaded.space, scores, without_leaks, calibrations, facts)


def measure_all(workspace: Workspace, stage: Callable[[str], Progress], *, again: bool = False) -> list[SpaceScores]:
    """The scores of every prepared space: read from its file, else (or with `again`) measured and written.

    `stage` returns the progress function of a space, or of `NEAR_STAGE`, the search for near-duplicates.
    """
    catalog = workspace.catalog()
    kept = {space: None if again else load(workspace, space, catalog) for space in workspace.spaces}
    near = None if all(kept.values()) else leaks.find_or_none(workspace, catalog, stage(NEAR_STAGE))
    all_scores = []
    for space, existing in kept.items():
        scores = existing or measure(workspace, space, stage(space), near)
        if existing is None:
            save(scores, scores_file(workspace, space, catalog))
        all_scores.append(scores)
    return all_scores


def save(space_scores: SpaceScores, target: Path) -> None:
    """Write to the `.npz` file `target`, atomically and without pickle."""
    arrays: dict[str, Any] = {}
    for name, scores in space_scores.scores.items():
        queries = scores.per_query
        arrays[f"{name}_rows"], arrays[f"{name}_counted"] = queries.rows, queries.counted
        arrays |= {f"{name}_{measure}": values for measure, values in queries.values.items()}
        if name in space_scores.without_leaks:
            queries = space_scores.without_leaks[name].per_query
            arrays[f"{name}{_CLEAN}_counted"] = queries.counted
            arrays |= {f"{name}{_CLEAN}_{measure}": values for measure, values in queries.values.items()}
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
        suffixes = ("",) if facts["leaks"] is None else ("", _CLEAN)
        measured: dict[str, dict[str, PerQuery]] = {suffix: {} for suffix in suffixes}
        calibrations = {}
        for name in METRICS:
            for suffix in suffixes:
                measured[suffix][name] = PerQuery(
                    arrays[f"{name}_rows"],
                    arrays[f"{name}{suffix}_counted"],
                    {measure: arrays[f"{name}{suffix}_{measure}"] for measure in rank_measures.names(CUTS)},
                )
            edges, same, different = (arrays[f"{name}_{kind}"] for kind in ("edges", "same", "different"))
            calibrations[name] = Calibration(
                name, edges, same, different, facts["auc"][name], facts["calibration_queries"][name]
            )
        summaries = {
            suffix: evaluation.summaries(
                by_metric,
                catalog.frame["label"].to_numpy(),
                query_and_gallery_rows(catalog)[1],
                {name: Pairs(*each) for name, each in facts["pairs"].items()},
                facts["seconds_by_metric"],
            )
            for suffix, by_metric in measured.items()
        }
    except (ArtifactError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{target} cannot be read", remedy=Remedy.DELETE_FILE) from error
    without_leaks = summaries.get(_CLEAN, {})
    return SpaceScores(str(facts["space"]), summaries[""], without_leaks, calibrations, cast("ScoreFacts", facts))
