"""What one network knows after each of its stages: retrieval scores and a linear probe on a sample of photos.

After the stem and each layer the positions of a photo are averaged. These vectors are scored by P@10 and mAP under
cosine, with the sample's test photos as queries and its others as gallery (`lib/search/evaluation.py`), and by a linear
probe (Alain and Bengio 2016, `lib/learn/linear_probe.py`): fitted on the training photos, its strength chosen on the
validation photos, tested on the test photos. Raw pixels count as a network of one stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lib import artifacts, statistics
from lib.data.catalog import Catalog
from lib.embed import stage_vectors
from lib.learn import linear_probe
from lib.learn.backbone import Weights
from lib.measure import evaluation as populations
from lib.measure import leaks
from lib.prepare.workspace import Workspace
from lib.progress import Progress, no_progress
from lib.search import evaluation, exact
from lib.search.evaluation import Pairs, PerQuery, Scores
from lib.search.metrics import Floats

FOLDER = "measured"
SCHEMA = 1
METRIC, CUT = "cosine", 10
PRECISION, MEAN_PRECISION, PROBE = f"p{CUT}", "map", "probe"
MEASURES = {PRECISION: f"P@{CUT}", MEAN_PRECISION: "mAP", PROBE: "linear probe"}
PIXELS = "pixels"
PROBED_SIDE = 32  # px to which raw pixels are averaged for their probe, as for maps
Rows = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Interval = tuple[float, float] | None


@dataclass(frozen=True)
class NetworkDepth:
    """A network, or raw pixels, by stage: the `vectors` (s, channels) of the sample, none for pixels; the `scores`; and
    whether a probe is right on each test photo, `probes` (t,), None where no photo could train one."""

    name: str
    vectors: dict[str, np.ndarray]
    scores: dict[str, Scores]
    probes: dict[str, Bools | None]

    @property
    def stages(self) -> list[str]:
        """The names of the stages, the earliest first."""
        return list(self.scores)

    def value(self, stage: str, measure: str) -> tuple[float | None, Interval]:
        """A stage's mean by one of `MEASURES` and its 95 % interval; None where it is undefined."""
        if measure != PROBE:
            return self.scores[stage].means[measure], self.scores[stage].intervals[measure]
        correct = self.probes[stage]
        if correct is None:
            return None, None
        return float(correct.mean()), statistics.wilson(int(correct.sum()), len(correct))

    def per_photo(self, stage: str, measure: str) -> Floats:
        """What the mean of a measure is taken over: a value per query, or per test photo; none where undefined."""
        if measure == PROBE:
            correct = self.probes[stage]
            return np.zeros(0) if correct is None else correct.astype(np.float64)
        queries = self.scores[stage].per_query
        values: Floats = queries.values[measure][queries.counted]
        return values[~np.isnan(values)]


def find(
    workspace: Workspace,
    catalog: Catalog,
    rows: Rows,
    name: str,
    weights: Weights | None,
    progress: Progress = no_progress,
) -> NetworkDepth:
    """The depth of a network over the catalog `rows` (s,): read from its file, else measured and written.

    `name` is that of its space; `weights` are None for pixels. Raises QueryError where no photo is a test photo,
    DataError when a photo changed since it was prepared.
    """
    target = file(workspace, catalog, rows, name, weights)
    stored = read(target, catalog, rows, name)
    if stored is not None:
        return stored
    labels, splits = (catalog.frame[column].to_numpy()[rows] for column in ("label", "split"))
    if weights is None:
        pixels = np.ascontiguousarray(workspace.vectors(name).values[rows])
        progress(0, None)
        by_stage, probed = {PIXELS: pixels}, {PIXELS: _averaged(pixels)}
    else:
        by_stage = probed = stage_vectors.extract(catalog, rows.tolist(), weights, progress)
    scores = {stage: _scores(values, catalog, rows) for stage, values in by_stage.items()}
    probes = {stage: _probe(values, labels, splits) for stage, values in probed.items()}
    found = NetworkDepth(name, {} if weights is None else by_stage, scores, probes)
    _write(found, target)
    return found


def query_and_gallery(catalog: Catalog, rows: Rows) -> tuple[Rows, Rows]:
    """The places in the sample `rows` of the queries (test photos) and of the gallery (the others).

    Raises QueryError where there is none of either.
    """
    queries, gallery = populations.query_and_gallery_rows(catalog)
    return np.flatnonzero(np.isin(rows, queries)), np.flatnonzero(np.isin(rows, gallery))


def _scores(vectors: np.ndarray, catalog: Catalog, rows: Rows) -> Scores:
    queries, gallery = query_and_gallery(catalog, rows)
    return evaluation.evaluate(
        exact.gallery(vectors),
        catalog.frame["label"].to_numpy()[rows],
        metric=METRIC,
        query_rows=queries,
        gallery_rows=gallery,
        ks=(CUT,),
        same_picture=catalog.frame["sha256"].to_numpy()[rows],
    )


def _probe(vectors: np.ndarray, labels: np.ndarray, splits: np.ndarray) -> Bools | None:
    """Whether a probe is right on each test photo; None without test photos, or with training photos of one class."""
    train, val, test = (splits == split for split in ("train", "val", "test"))
    if not test.any() or len(set(labels[train])) < 2:
        return None
    probe = linear_probe.fitted((vectors[train], labels[train]), (vectors[val], labels[val]))
    return np.asarray(probe.predict(vectors[test]) == labels[test], dtype=bool)


def _averaged(pixels: np.ndarray) -> np.ndarray:
    """Pixels (s, side × side × 3) averaged to `PROBED_SIDE`, float32 from 0 to 1."""
    side = round((pixels.shape[1] / 3) ** 0.5)
    small = min(side, PROBED_SIDE)
    cell = side // small
    blocks = pixels.reshape(len(pixels), small, cell, small, cell, 3)
    return np.asarray(blocks.mean(axis=(2, 4), dtype=np.float32) / 255).reshape(len(pixels), -1)


# --- files -----------------------------------------------------------------------------------------------------------


def file(workspace: Workspace, catalog: Catalog, rows: Rows, name: str, weights: Weights | None) -> Path:
    """The file of a network's depth, whether it exists or not; its name is a hash of all its inputs."""
    network = None if weights is None else (weights.sha256, weights.preprocess.as_dict())
    inputs = (SCHEMA, CUT, METRIC, catalog.contents, catalog.seed, catalog.split_key, rows.tolist(), network)
    return folder_file(workspace, f"depth-{name}-{artifacts.digest('petalscope-depth', *inputs)[:12]}")


def folder_file(workspace: Workspace, name: str) -> Path:
    """A file beside the other measurements; it goes with the vectors of the space that neighbours are compared in."""
    folder = Path(workspace.space(leaks.features_space(workspace))["folder"]).name
    return workspace.folder / FOLDER / f"{folder}-{name}.npz"


def _write(found: NetworkDepth, target: Path) -> None:
    arrays = {f"vectors_{stage}": values for stage, values in found.vectors.items()}
    for stage, scores in found.scores.items():
        queries, correct = scores.per_query, found.probes[stage]
        arrays |= {f"rows_{stage}": queries.rows, f"counted_{stage}": queries.counted}
        arrays |= {f"{measure}_{stage}": queries.values[measure] for measure in (PRECISION, MEAN_PRECISION)}
        if correct is not None:
            arrays[f"{PROBE}_{stage}"] = correct
    facts = {
        "stages": found.stages,
        "pairs": {stage: list(scores.pairs) for stage, scores in found.scores.items()},
        "libraries": artifacts.library_versions(),
    }
    artifacts.write_arrays(target, facts, arrays)


def read(target: Path, catalog: Catalog, rows: Rows, name: str) -> NetworkDepth | None:
    """The stored depth of a network; None where there is none, or it is damaged."""
    stored = artifacts.unless_damaged(artifacts.read_arrays, target)
    if stored is None:
        return None
    facts, arrays = stored
    try:
        return _from_arrays(facts, arrays, catalog.frame["label"].to_numpy()[rows], catalog, rows, name)
    except (KeyError, TypeError, ValueError):
        return None


def _from_arrays(
    facts: Mapping[str, Any], arrays: dict[str, np.ndarray], labels: np.ndarray, catalog: Catalog, rows: Rows, name: str
) -> NetworkDepth:
    gallery = query_and_gallery(catalog, rows)[1]
    per_query = {
        stage: PerQuery(
            arrays[f"rows_{stage}"],
            arrays[f"counted_{stage}"],
            {measure: arrays[f"{measure}_{stage}"] for measure in (PRECISION, MEAN_PRECISION)},
        )
        for stage in facts["stages"]
    }
    pairs = {stage: Pairs(*facts["pairs"][stage]) for stage in per_query}
    scores = evaluation.summaries(per_query, labels, gallery, pairs, dict.fromkeys(per_query, 0.0))
    vectors = {stage: arrays[f"vectors_{stage}"] for stage in per_query if f"vectors_{stage}" in arrays}
    probes = {stage: arrays.get(f"{PROBE}_{stage}") for stage in per_query}
    return NetworkDepth(name, vectors, scores, probes)
