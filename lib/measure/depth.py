"""Depth: what each stage of each network knows about the classes, and how alike the stages of two networks are.

"Early layers are general, late ones specific", measured on a seeded sample of photos. What a stage knows is measured by
`network_depth`. General is measured as likeness: the linear CKA of two networks' vectors after the same stage, by the
unbiased estimate of Nguyen, Raghu and Kornblith, ICLR 2021. The plain one (Kornblith et al., ICML 2019) grows with the
number of channels, and late stages have more of them.

Invariant: a measurement belongs to the photos, labels, split and weights that its file's name is a hash of.
"""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

import numpy as np

from lib import artifacts
from lib.data import labelled
from lib.data.catalog import Catalog
from lib.embed import spaces
from lib.errors import ArtifactError, Remedy
from lib.learn import runs
from lib.learn.backbone import Weights
from lib.measure import network_depth
from lib.measure.network_depth import PIXELS, NetworkDepth, Rows
from lib.prepare.workspace import Workspace
from lib.progress import Progress, Reporter
from lib.search import cka, exact, metrics
from lib.search.metrics import Floats

SCHEMA = 2
MOST, MOST_QUERIES = 2_000, 500  # photos of the sample, and test photos among them
MOST_COMPARED = 1_000  # photos by which stages are compared
SEED = 0
BACKBONE = "resnet18"
Item = tuple[str, str]  # a network and a stage


class DepthFacts(TypedDict):
    """What a measurement was made of: photos, sample, networks with the hash of their weights, libraries."""

    contents: str
    split_seed: int
    images: int
    sample_seed: int
    compared: int
    networks: dict[str, str]
    items: list[list[str]]
    libraries: dict[str, str]
    seconds: float
    made: str


@dataclass(frozen=True)
class Depth:
    """All networks by name, the catalog `rows` (s,) of the sample, and `likeness` (m, m), the unbiased linear CKA of
    every two of the `items` (m), pairs of a network and a stage, with its 95 % `intervals` (m, m, 2); `plain` (m, m) is
    that of 2019. NaN where undefined.
    """

    rows: Rows
    networks: dict[str, NetworkDepth]
    items: list[Item]
    likeness: Floats
    intervals: Floats
    plain: Floats
    facts: DepthFacts

    def alike(self, a: Item, b: Item) -> float:
        """The unbiased linear CKA of two items; NaN where it is undefined."""
        return float(self.likeness[self.items.index(a), self.items.index(b)])


def networks(workspace: Workspace, catalog: Catalog) -> dict[str, Weights]:
    """The networks to measure by the name of their space: the prepared backbone, and each regime that was trained."""
    found = {}
    for name, space in spaces.SPACES.items():
        weights = None
        if name in workspace.spaces and (name == BACKBONE or space.regime):
            weights = workspace.weights(name)
        elif space.regime and runs.best(workspace.settings, space.regime, catalog) is not None:
            weights = runs.network(workspace.settings, space.regime, catalog)
        if weights is not None:
            found[name] = weights
    return found


def sample(catalog: Catalog) -> Rows:
    """The catalog rows of the sample, ascending: all photos where there are at most `MOST`, else a seeded draw of at
    most `MOST_QUERIES` test photos, and of as many others as make `MOST`."""
    rows = np.arange(len(catalog.frame))
    if len(rows) <= MOST:
        return rows
    is_test = (catalog.frame["split"] == "test").to_numpy()
    generator = np.random.default_rng(SEED)
    queries = generator.permutation(rows[is_test])[:MOST_QUERIES]
    others = generator.permutation(rows[~is_test])[: MOST - len(queries)]
    return np.sort(np.concatenate([queries, others]))


def measure(workspace: Workspace, reporter: Reporter | None = None) -> Depth:
    """Measure every network and the pixels, and store each by itself; what is stored already is read.

    Raises QueryError where no photo is a test photo, ArtifactError without a network, DataError when a photo changed
    since it was prepared.
    """
    stage = (reporter or Reporter()).stage
    began = time.perf_counter()
    catalog = workspace.catalog()
    labelled.require(catalog, "Probes of stages")
    rows, chosen = sample(catalog), networks(workspace, catalog)
    if not chosen:
        raise ArtifactError("No network of these photos is prepared", remedy=Remedy.PREPARE)
    measured = {}
    for name, weights in _with_pixels(workspace, chosen).items():
        progress = stage(f"photos in {spaces.get(name).title}, stage by stage")
        measured[name] = network_depth.find(workspace, catalog, rows, name, weights, progress)
    target = file(workspace, catalog, chosen)
    stored = artifacts.unless_damaged(artifacts.read_arrays, target)
    if stored is None:
        items, arrays = _compared(workspace, measured, rows, stage("stages compared with each other"))
        facts: DepthFacts = {
            "contents": catalog.contents,
            "split_seed": catalog.seed,
            "images": len(catalog.frame),
            "sample_seed": SEED,
            "compared": min(MOST_COMPARED, len(rows)),
            "networks": {name: weights.sha256 for name, weights in chosen.items()},
            "items": [list(item) for item in items],
            "libraries": artifacts.library_versions(),
            "seconds": round(time.perf_counter() - began, 3),
            "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        arrays["rows"] = rows
        artifacts.write_arrays(target, facts, arrays)
        return _depth(measured, facts, arrays)
    return _depth(measured, cast("DepthFacts", stored[0]), stored[1])


def load(workspace: Workspace, catalog: Catalog, chosen: dict[str, Weights]) -> Depth | None:
    """The stored measurement of the networks `chosen`; None while one of them is not measured, or a file is damaged.

    Raises QueryError where no photo is a test photo.
    """
    rows = sample(catalog)
    stored = artifacts.unless_damaged(artifacts.read_arrays, file(workspace, catalog, chosen)) if chosen else None
    if stored is None:
        return None
    measured = {}
    for name, weights in _with_pixels(workspace, chosen).items():
        target = network_depth.file(workspace, catalog, rows, name, weights)
        found = network_depth.read(target, catalog, rows, name)
        if found is None:
            return None
        measured[name] = found
    return _depth(measured, cast("DepthFacts", stored[0]), stored[1])


def file(workspace: Workspace, catalog: Catalog, chosen: dict[str, Weights]) -> Path:
    """The file of the comparison of these networks, whether it exists or not."""
    rows = sample(catalog)
    each = _with_pixels(workspace, chosen).items()
    names = [network_depth.file(workspace, catalog, rows, name, weights).name for name, weights in each]
    return network_depth.folder_file(workspace, f"depths-{artifacts.digest(SCHEMA, MOST_COMPARED, names)[:12]}")


def _with_pixels(workspace: Workspace, chosen: dict[str, Weights]) -> dict[str, Weights | None]:
    return {**({PIXELS: None} if PIXELS in workspace.spaces else {}), **chosen}


def _depth(measured: dict[str, NetworkDepth], facts: DepthFacts, arrays: dict[str, np.ndarray]) -> Depth:
    items = [(str(network), str(stage)) for network, stage in facts["items"]]
    likeness, intervals, plain = arrays["likeness"], arrays["intervals"], arrays["plain"]
    return Depth(arrays["rows"], measured, items, likeness, intervals, plain, facts)


# --- how alike stages are --------------------------------------------------------------------------------------------


def _compared(
    workspace: Workspace, measured: dict[str, NetworkDepth], rows: Rows, progress: Progress
) -> tuple[list[Item], dict[str, np.ndarray]]:
    """The items, and the arrays of their comparison over at most `MOST_COMPARED` photos of the sample (see `Depth`)."""
    places = np.sort(np.random.default_rng(SEED).permutation(len(rows))[:MOST_COMPARED])
    vectors: dict[Item, np.ndarray] = {}
    for name, each in measured.items():
        for stage in each.stages:
            values = each.vectors[stage][places] if each.vectors else workspace.vectors(name).values[rows[places]]
            vectors[name, stage] = turned(values)
    items = list(vectors)
    likeness, intervals = cka.unbiased_linear_cka_table(list(vectors.values()))
    plain = np.full((len(items), len(items)), np.nan)
    for i, a in enumerate(items):
        for j, b in enumerate(items[: i + 1]):
            value = cka.linear_cka(vectors[a], vectors[b])
            plain[i, j] = plain[j, i] = np.nan if value is None else value
        progress(i + 1, len(items))
    return items, {"likeness": likeness, "intervals": intervals, "plain": plain}


def turned(vectors: np.ndarray) -> np.ndarray:
    """`vectors` (n, d) less their mean, in coordinates of which there are at most n: the principal axes.

    Linear CKA does not depend on the axes, and pixels have 49 times as many as a sample has photos.
    """
    if vectors.shape[1] <= len(vectors):
        return vectors
    centred = vectors.astype(np.float32) - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    values, axes = np.linalg.eigh((centred @ centred.T).astype(np.float64))
    return np.asarray(axes * np.sqrt(np.maximum(values, 0)))


# --- one photo's neighbours ------------------------------------------------------------------------------------------


def neighbours(vectors: np.ndarray, query: np.ndarray, left_out: np.ndarray, k: int) -> list[tuple[int, float]]:
    """The places of the `k` of `vectors` (s, channels) that are closest to `query` (channels,) under cosine, with their
    values; the places `left_out`, those of the query's own picture, are no results."""
    name = network_depth.METRIC
    values = exact.values_by_metric(exact.gallery(vectors), query[None], [name])[name][0]
    ranking = metrics.order(values, name)
    results = ranking[~np.isin(ranking, left_out)][:k]
    return [(int(place), float(values[place])) for place in results]
