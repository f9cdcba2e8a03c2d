"""Every space × metric, scored on the test images as queries: measured once, kept as an artifact, query by query.

The numbers are those of `scores.evaluate`; kept beside them is what each query scored, so that cells can be compared
query by query, and how values of one class and of two are spread.
"""

from __future__ import annotations

import datetime
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib import artifacts
from lib.data.catalog import Catalog
from lib.errors import ArtifactError
from lib.measure.evaluation import asked_of, evaluation_row
from lib.prepare.workspace import Workspace
from lib.retrieval import search
from lib.search import evaluation
from lib.search.calibration import BINS, Calibration, Collector
from lib.search.evaluation import RECALL_AT, PerQuery, Scores
from lib.search.metrics import METRICS, Floats

SCHEMA = 1
KS = (1, 5, 10)
FOLDER = "scores"
# What a cell can be judged by.
MEASURES = {"map": "mAP", "p1": "P@1", "p5": "P@5", "p10": "P@10", "r10": "R@10"}
ABOUT = {
    "map": "mean over queries of the average precision: the precision at each right answer, over the full ranking",
    "p1": "share of queries whose first answer is of their class",
    "p5": "share of the first 5 answers that are of the query's class",
    "p10": "share of the first 10 answers that are of the query's class",
    "r10": "share of the query's class that is among the first 10 answers",
}


@dataclass(frozen=True)
class SpaceScores:
    """One space's scores and calibrations by metric; `facts` say from what, when and in how many seconds."""

    space: str
    scores: dict[str, Scores]
    calibrations: dict[str, Calibration]
    facts: dict[str, Any]

    def rows(self) -> list[dict[str, Any]]:
        """As `python -m lib evaluate` prints them."""
        return [evaluation_row(self.space, scores) for scores in self.scores.values()]


def per_query(scores: Scores, measure: str) -> Floats:
    """What each query scored by one of `MEASURES`, (q,), NaN where undefined."""
    found = scores.per_query
    if measure == "map":
        return found.average_precision
    return found.recall[RECALL_AT] if measure == "r10" else found.precision[int(measure[1:])]


def total(scores: Scores, measure: str) -> tuple[float | None, tuple[float, float] | None]:
    """A cell's mean by one of `MEASURES`, and its 95 % interval."""
    if measure == "map":
        return scores.map, scores.map_ci95
    if measure == "r10":
        return scores.recall[RECALL_AT], scores.recall_ci95[RECALL_AT]
    return scores.precision[int(measure[1:])], scores.precision_ci95[int(measure[1:])]


def by_class(scores: Scores, labels: np.ndarray, measure: str) -> dict[str, tuple[int, float | None]]:
    """For each class among the queries how many they are, and their mean by one of `MEASURES`; `labels` (n,) are the
    catalog's."""
    asked, values = labels[scores.per_query.rows], per_query(scores, measure)
    return {
        str(label): (int((asked == label).sum()), evaluation.mean(values[asked == label]))
        for label in sorted(set(asked.tolist()))
    }


def cost(workspace: Workspace, catalog: Catalog) -> float:
    """How many numbers scoring every space compares: queries × gallery × dimensions, summed over the spaces."""
    asked, searched = asked_of(catalog)
    return float(len(asked)) * len(searched) * sum(int(workspace.space(name)["dim"]) for name in workspace.spaces)


def path(workspace: Workspace, space: str, catalog: Catalog) -> Path:
    """Where the scores of a space lie, or would: under a name made of all that they depend on."""
    entry = workspace.space(space)
    contents, seed = catalog.contents, catalog.seed
    key = artifacts.digest("petalscope-scores", SCHEMA, KS, entry["fingerprint"], contents, seed, BINS)[:8]
    return workspace.folder / FOLDER / f"{Path(entry['folder']).name}-{key}.npz"


def measure(
    workspace: Workspace,
    space: str,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> SpaceScores:
    """Score one space under every metric. Raises QueryError when there are no test images, ArtifactError when the
    space is not prepared."""
    began = time.perf_counter()
    loaded = search.load_space(workspace, space)
    catalog = loaded.catalog
    asked, searched = asked_of(catalog)
    collector = Collector(len(asked), len(searched))
    scores = evaluation.evaluate_metrics(
        loaded.gallery,
        catalog.frame["label"].to_numpy(),
        metrics=list(METRICS),
        query_rows=asked,
        gallery_rows=searched,
        ks=KS,
        same_picture=catalog.frame["sha256"].to_numpy(),
        progress=progress,
        observe=collector.observe,
    )
    calibrations = collector.calibrations()
    entry = workspace.space(space)
    facts = {
        "space": loaded.space,
        "space_fingerprint": entry["fingerprint"],
        "data_fingerprint": entry["data_fingerprint"],
        "weights": None if entry["weights"] is None else {key: entry["weights"][key] for key in ("name", "sha256")},
        "split_seed": catalog.seed,
        "queries": "test images",
        "gallery": len(searched),
        "intervals": f"percentile bootstrap, {evaluation.RESAMPLES} resamples, seed 0",
        "schema": SCHEMA,
        "libraries": artifacts.libraries(),
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - began, 3),
        "seconds_by_metric": {name: each.seconds for name, each in scores.items()},
        "auc": {name: each.auc for name, each in calibrations.items()},
        "calibration_queries": {name: each.queries for name, each in calibrations.items()},
    }
    return SpaceScores(loaded.space, scores, calibrations, facts)


def measure_all(
    workspace: Workspace, stage: Callable[[str], Callable[[int, int | None], None]], *, again: bool = False
) -> list[SpaceScores]:
    """The scores of every prepared space: read back, and measured and kept where they are not there (or `again`).

    `stage` gives the progress function of each space by its name.
    """
    catalog = workspace.catalog()
    found = []
    for space in workspace.spaces:
        known = None if again else load(workspace, space, catalog)
        if known is None:
            known = measure(workspace, space, stage(space))
            save(known, path(workspace, space, catalog))
        found.append(known)
    return found


def save(found: SpaceScores, target: Path) -> None:
    """Write to the `.npz` file `target`, atomically and without pickle."""
    arrays: dict[str, Any] = {}
    for name, scores in found.scores.items():
        kept = scores.per_query
        arrays[f"{name}_rows"], arrays[f"{name}_map"] = kept.rows, kept.average_precision
        arrays |= {f"{name}_p{k}": values for k, values in kept.precision.items()}
        arrays[f"{name}_r10"] = kept.recall[RECALL_AT]
        calibration = found.calibrations[name]
        arrays |= {f"{name}_{kind}": getattr(calibration, kind) for kind in ("edges", "same", "different")}
    with artifacts.replacing(target) as temporary, temporary.open("wb") as file:
        np.savez(file, facts=np.array(artifacts.to_json(found.facts)), allow_pickle=False, **arrays)


def load(workspace: Workspace, space: str, catalog: Catalog) -> SpaceScores | None:
    """The kept scores of a space; None when nobody has measured them. Raises ArtifactError when they are damaged."""
    target = path(workspace, space, catalog)
    if not target.is_file():
        return None
    try:
        with target.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as stored:
            facts = artifacts.from_json(str(stored["facts"]))
            arrays = {name: stored[name] for name in stored.files if name != "facts"}
        if not METRICS.keys() <= facts["auc"].keys():  # a metric is new since
            return None
        scores, calibrations = {}, {}
        for name in METRICS:
            kept = PerQuery(
                arrays[f"{name}_rows"],
                arrays[f"{name}_map"],
                {k: arrays[f"{name}_p{k}"] for k in KS},
                {RECALL_AT: arrays[f"{name}_r10"]},
            )
            scores[name] = evaluation.summary(name, kept, facts["gallery"], facts["seconds_by_metric"][name])
            edges, same, different = (arrays[f"{name}_{kind}"] for kind in ("edges", "same", "different"))
            calibrations[name] = Calibration(
                name, edges, same, different, facts["auc"][name], facts["calibration_queries"][name]
            )
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ArtifactError(f"{target} cannot be read; delete it and open the scoreboard again.") from error
    return SpaceScores(str(facts["space"]), scores, calibrations, facts)
