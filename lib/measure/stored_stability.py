"""How stable a space's maps are, measured on request and stored: layouts one by one, then what they have in common.

A measurement takes a stated sample of the photos, lays it out under every method and seed, and does the same with
shuffled features (the null map). Each layout is an artifact of its own, so that an interrupted measurement continues
with the layout that is missing. Files are named by a hash of their inputs; a damaged one is made anew.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict, cast

import numpy as np

from lib import artifacts, statistics
from lib.embed import layouts, map_stability, persistent_clusters
from lib.embed.layouts import Run
from lib.embed.map_stability import Stability
from lib.embed.persistent_clusters import Clusters
from lib.errors import QueryError
from lib.measure.provenance import Provenance, provenance
from lib.measure.verdicts import Verdict
from lib.prepare.workspace import Workspace
from lib.progress import Reporter
from lib.text import counted

FOLDER: Final = "measured"
SEEDS: Final = (0, 1, 2, 3, 4)
SAMPLE: Final = 1_500  # photos at most
SAMPLE_SEED: Final = 0
FEWEST: Final = 30  # photos, for neighbourhoods and clusters to mean anything
_SCHEMA: Final = 1
TOO_FEW = f"A map's stability needs {FEWEST} photos or more"


class ClusterFacts(TypedDict):
    """What `persistent_clusters.Clusters` found, without the labels."""

    sizes: list[int]
    persistence: list[float]
    p: list[float]
    candidates: int
    groups: int


class AgreementFacts(TypedDict):
    """What `map_stability.Stability` found, without the values of each point; `mean` is that of the points."""

    mean: float
    ci95: list[float]
    kept: float
    by_methods: dict[str, float]
    kept_by_method: dict[str, float]
    clusters: ClusterFacts


class StabilityFacts(TypedDict):
    """A measurement: of `photos` of `total`, `found` in the data and in the `null` map of shuffled features."""

    k: int
    chance: float
    photos: int
    total: int
    metric: str
    seeds: list[int]
    runs: int
    found: AgreementFacts
    null: AgreementFacts
    seconds: float
    provenance: Provenance


@dataclass(frozen=True)
class MeasuredStability:
    """A measurement of `rows` (m,) of the catalog, ascending: each photo's `stability` and share of true neighbours
    `kept` (m,), and its real cluster in `labels` (m,), -1 for none; `facts` has the rest."""

    rows: np.ndarray
    stability: np.ndarray
    kept: np.ndarray
    labels: np.ndarray
    facts: StabilityFacts


def sample_rows(n: int) -> np.ndarray:
    """The rows of `n` photos that are laid out, ascending: all, or a seeded sample of `SAMPLE`."""
    if n <= SAMPLE:
        return np.arange(n)
    return np.sort(np.random.default_rng(SAMPLE_SEED).choice(n, SAMPLE, replace=False))


def all_runs(seeds: Sequence[int] = SEEDS) -> list[Run]:
    """Every layout of a measurement: of the data, and of its shuffled features."""
    return [*layouts.runs(seeds), *layouts.runs(seeds, null=True)]


def file(workspace: Workspace, space: str, seeds: Sequence[int] = SEEDS) -> Path:
    """The file of a space's measurement, whether it exists or not."""
    return _path(workspace, space, "stability", list(seeds))


def layout_file(workspace: Workspace, space: str, run: Run) -> Path:
    """The file of one layout, whether it exists or not."""
    return _path(workspace, space, "layout", dataclasses.asdict(run))


def _path(workspace: Workspace, space: str, kind: str, inputs: object) -> Path:
    key = artifacts.digest(_SCHEMA, inputs, SAMPLE, SAMPLE_SEED, workspace.map_parameters(space).metric)
    return workspace.folder / FOLDER / f"{Path(workspace.space(space)['folder']).name}-{kind}-{key[:12]}.npz"


def load(workspace: Workspace, space: str, seeds: Sequence[int] = SEEDS) -> MeasuredStability | None:
    """The stored measurement of a space; None where there is none, or it is damaged."""
    stored = artifacts.unless_damaged(artifacts.read_arrays, file(workspace, space, seeds))
    names = ("rows", "stability", "kept", "labels")
    if stored is None or not {*names} <= stored[1].keys():
        return None
    rows, stability, kept, labels = (stored[1][name] for name in names)
    return MeasuredStability(rows, stability, kept, labels, cast("StabilityFacts", stored[0]))


def load_layout(workspace: Workspace, space: str, run: Run) -> np.ndarray | None:
    """A stored layout (m, 2); None where there is none, or it is damaged."""
    stored = artifacts.unless_damaged(artifacts.read_arrays, layout_file(workspace, space, run))
    xy = None if stored is None else stored[1].get("xy")
    return xy if xy is not None and xy.ndim == 2 and xy.shape[1] == 2 else None


def measure(workspace: Workspace, space: str, reporter: Reporter, seeds: Sequence[int] = SEEDS) -> MeasuredStability:
    """Measure a space, from the layouts that are there already; stored at the end.

    Raises QueryError for fewer than `FEWEST` photos, ArtifactError when the disk is full.
    """
    catalog = workspace.catalog()
    if len(catalog.ids) < FEWEST:
        raise QueryError(f"{TOO_FEW} (there are {len(catalog.ids)}).")
    rows, metric = sample_rows(len(catalog.ids)), workspace.map_parameters(space).metric
    values = np.asarray(workspace.vectors(space).values[rows])
    # Pixels are averaged first, and their averages are shuffled: the same columns as a map sees.
    plain = layouts.prepared(values, "euclidean")
    made: dict[bool, list[tuple[Run, np.ndarray]]] = {False: [], True: []}
    inputs = {False: plain, True: layouts.shuffled(plain)}
    every = all_runs(seeds)
    for place, run in enumerate(every):
        reporter.progress(f"layouts: {run.title}", place, len(every))
        xy = load_layout(workspace, space, run)
        if xy is None or len(xy) != len(rows):
            start = time.perf_counter()
            xy = layouts.lay_out(inputs[run.null], run, metric)
            facts = {
                "run": dataclasses.asdict(run),
                "metric": metric,
                "photos": len(rows),
                "seconds": round(time.perf_counter() - start, 2),
                "provenance": provenance(workspace, space, catalog),
            }
            artifacts.write_arrays(layout_file(workspace, space, run), facts, {"xy": xy})
        made[run.null].append((run, xy))
    reporter.progress("layouts: comparing them", len(every), len(every))
    start = time.perf_counter()
    points = {null: layouts.prepared(inputs[null], metric) for null in made}
    agreed = {null: map_stability.stability(points[null], made[null]) for null in made}
    clusters = {
        null: persistent_clusters.persistent_clusters(
            layouts.components(points[null]), [xy for _, xy in made[null]], SAMPLE_SEED
        )
        for null in made
    }
    seconds = time.perf_counter() - start + sum(_seconds(workspace, space, run) for run in every)
    found: StabilityFacts = {
        "k": agreed[False].k,
        "chance": agreed[False].chance,
        "photos": len(rows),
        "total": len(catalog.ids),
        "metric": metric,
        "seeds": list(seeds),
        "runs": len(made[False]),
        "found": _facts(agreed[False], clusters[False]),
        "null": _facts(agreed[True], clusters[True]),
        "seconds": round(seconds, 1),
        "provenance": provenance(workspace, space, catalog),
    }
    measured = MeasuredStability(rows, agreed[False].points, agreed[False].kept, clusters[False].labels, found)
    arrays = {name: getattr(measured, name) for name in ("rows", "stability", "kept", "labels")}
    artifacts.write_arrays(file(workspace, space, seeds), found, arrays)
    return measured


def _seconds(workspace: Workspace, space: str, run: Run) -> float:
    """How long a stored layout took."""
    stored = artifacts.unless_damaged(artifacts.read_arrays, layout_file(workspace, space, run))
    return 0.0 if stored is None else float(stored[0]["seconds"])


def _facts(agreed: Stability, clusters: Clusters) -> AgreementFacts:
    points = agreed.points.astype(np.float64)
    interval = statistics.mean_interval(points) or (float("nan"), float("nan"))
    return {
        "mean": float(points.mean()),
        "ci95": list(interval),
        "kept": float(agreed.kept.mean(dtype=np.float64)),
        "by_methods": agreed.by_methods,
        "kept_by_method": agreed.kept_by_method,
        "clusters": {
            "sizes": clusters.sizes,
            "persistence": clusters.persistence,
            "p": clusters.p,
            "candidates": clusters.candidates,
            "groups": clusters.groups,
        },
    }


def verdict(facts: StabilityFacts) -> Verdict:
    """What of the maps is real: how far neighbourhoods return, and which clusters do."""
    found, null = facts["found"], facts["null"]
    low, high = (100 * bound for bound in found["ci95"])
    real, seen = len(found["clusters"]["sizes"]), found["clusters"]["candidates"]
    in_null = len(null["clusters"]["sizes"])
    clusters = f"{real} of {counted(seen, 'cluster')} on the maps {'is' if real == 1 else 'are'} real"
    return Verdict(
        f"Two layouts share {100 * found['mean']:.0f} % [{low:.0f}, {high:.0f}] of a photo's {facts['k']} nearest (of "
        f"shuffled features {100 * null['mean']:.0f} %, by chance {100 * facts['chance']:.1f} %); {clusters}, of "
        f"shuffled features {in_null} of {null['clusters']['candidates']} "
        f"({facts['photos']:,} of {counted(facts['total'], 'photo')}, {facts['runs']} layouts).",
        "Share of neighbours that two layouts have in common, mean over all pairs of layouts and over the photos; 95 % "
        f"interval over the photos: {statistics.METHOD}. A cluster is real when it returns in the layouts (mean "
        f"Jaccard index {persistent_clusters.PERSISTENT:g} or more; Hennig 2007) and the full space has a gap around "
        f"it (p < {persistent_clusters.LEVEL:g}, Bonferroni, on held-out photos).",
    )
