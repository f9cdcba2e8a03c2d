"""Robustness of retrieval: whether a distorted photo still retrieves its original, for one photo and for a sample.

The distorted photo is a query from outside the gallery; its original should be the first result. Pixel-identical copies
of the original are left out, so that the rank is the original's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, cast

import numpy as np

from lib import artifacts
from lib.data.distortions import Distortion, distorted
from lib.embed.embedder import Embedder
from lib.embed.extract import BATCH
from lib.errors import QueryError
from lib.measure.provenance import Provenance, provenance
from lib.prepare.workspace import Workspace
from lib.progress import Progress, no_progress
from lib.retrieval.search import SearchableSpace
from lib.search import exact
from lib.search.metrics import METRICS, Floats, order

SCHEMA = 1
FOLDER = "robustness"
QUERIES, K = 48, 10
NO_IMAGES = "There is no image to distort; prepare some photos first."
# Distorted photos that are compared with the gallery at a time.
BLOCK = 64


@dataclass(frozen=True)
class OriginalRank:
    """The search with a distorted photo under one metric: rank (1 = first) and value of the original among `gallery`
    images, and the first results, the original included: (catalog row, value), best first."""

    rank: int
    value: float
    gallery: int
    results: list[tuple[int, float]]


class SweepRow(TypedDict):
    """A metric at a level of distortion, over `queries` images.

    `first`: share of images whose original is the first result; `rank`: median rank of the original; `precision`: share
    of the first 10 results of the image's class, without the original; `kept`: share of the undistorted photo's first
    10 results that the distorted photo retrieves, too. None where no image defines the measure.
    """

    metric: str
    level: float
    first: float
    rank: float
    precision: float | None
    kept: float | None
    queries: int


class RobustnessSweep(Provenance):
    """A distortion at all its levels under every metric, as kept in a file."""

    distortion: str
    rows: list[SweepRow]
    queries: int
    k: int
    gallery: int
    sample_seed: int
    schema: int
    seconds: float


def rank_originals(
    loaded: SearchableSpace, rows: Sequence[int], vectors: np.ndarray, k: int
) -> list[dict[str, OriginalRank]]:
    """By metric the rank of the original of each of `vectors` (q, d): distorted photos of the catalog `rows` (q,).

    Raises QueryError for vectors of another space.
    """
    ranks: list[dict[str, OriginalRank]] = []
    for start in range(0, len(vectors), BLOCK):
        block = slice(start, start + BLOCK)
        originals = rows[block]
        block_ranks: list[dict[str, OriginalRank]] = [{} for _ in originals]
        copies = [_copies(loaded, row) for row in originals]
        for name, values in exact.values_by_metric(loaded.gallery, vectors[block], list(METRICS)).items():
            farthest = -np.inf if METRICS[name].higher_is_closer else np.inf
            for i, left_out in enumerate(copies):
                values[i, left_out] = farthest
            for i, (row, ranking) in enumerate(zip(originals, order(values, name), strict=True)):
                size = len(loaded.gallery) - len(copies[i])
                best = [(int(place), float(values[i, place])) for place in ranking[: min(k, size)]]
                rank = int(np.nonzero(ranking == row)[0][0]) + 1
                block_ranks[i][name] = OriginalRank(rank, float(values[i, row]), size, best)
        ranks += block_ranks
    return ranks


def _copies(loaded: SearchableSpace, row: int) -> list[int]:
    """The other rows with exactly the pixels of the image in `row`."""
    copies = loaded.catalog.copies(str(loaded.catalog.frame["sha256"].iloc[row]))
    return [other for other in copies if other != row]


def sample(loaded: SearchableSpace, queries: int = QUERIES, seed: int = 0) -> list[int]:
    """Rows of a seeded sample of the test images, ascending; of all images where no image is in the test split."""
    frame = loaded.catalog.frame
    population = np.nonzero((frame["split"] == "test").to_numpy())[0]
    population = population if len(population) else np.arange(len(frame))
    sampled = np.random.default_rng(seed).choice(population, min(queries, len(population)), replace=False)
    return [int(row) for row in np.sort(sampled)]


def sweep(
    loaded: SearchableSpace,
    kind: Distortion,
    embed: Embedder,
    rows: Sequence[int],
    progress: Progress = no_progress,
) -> list[SweepRow]:
    """A distortion at every level of its sweep, over the images in `rows`: a row for each metric and level.

    The level `neutral`, the stored vector itself, is the reference. Raises QueryError without images.
    """
    if not rows:
        raise QueryError(NO_IMAGES)
    levels = (kind.neutral, *kind.levels)
    originals = [row for row in rows for _ in levels]
    ranks = rank_originals(loaded, originals, _vectors(loaded, kind, embed, rows, progress), K + 1)
    labels = loaded.catalog.frame["label"].to_numpy(dtype=object)
    # Where no result could be right, or none wrong, there is no precision.
    one_class, sizes = len(loaded.catalog.classes) < 2, loaded.catalog.frame["label"].value_counts()
    scores: dict[tuple[str, float], list[list[float]]] = {(name, level): [] for name in METRICS for level in levels}
    for place, row in enumerate(rows):
        ranks_of_image = ranks[place * len(levels) : (place + 1) * len(levels)]
        for name in METRICS:
            counts = not one_class and sizes[labels[row]] > 1
            undistorted = _without_original(ranks_of_image[0][name], row)
            for level, by_metric in zip(levels, ranks_of_image, strict=True):
                results = _without_original(by_metric[name], row)
                precision = float(np.mean(labels[results] == labels[row])) if results and counts else np.nan
                kept = len(set(undistorted) & set(results)) / len(undistorted) if undistorted else np.nan
                scores[name, level].append([float(by_metric[name].rank == 1), by_metric[name].rank, precision, kept])
    return [_sweep_row(name, level, np.array(values)) for (name, level), values in scores.items()]


def _without_original(ranked: OriginalRank, row: int) -> list[int]:
    """The rows of the first results, without the original in `row`."""
    return [result for result, _ in ranked.results if result != row][:K]


def _vectors(
    loaded: SearchableSpace, kind: Distortion, embed: Embedder, rows: Sequence[int], progress: Progress
) -> np.ndarray:
    """The stored vector of each image in `rows`, followed by its distorted vectors by level: (rows × levels, d)."""
    waiting: list[tuple[int, Any]] = []
    size = len(rows) * (1 + len(kind.levels))
    vectors = np.empty((size, loaded.gallery.dimension), loaded.gallery.vectors.dtype)

    def embed_waiting(least: int) -> None:
        # Whole batches, as when the gallery was embedded: the last bits depend on a batch's shape.
        while len(waiting) >= least:
            batch = waiting[:BATCH]
            del waiting[:BATCH]
            pictures = [picture for _, picture in batch]
            embedded = embed.embed(pictures + [pictures[-1]] * (BATCH - len(batch)))
            for (place, _), vector in zip(batch, embedded, strict=False):
                vectors[place] = vector

    place = 0
    for done, row in enumerate(rows, start=1):
        picture = loaded.catalog.open(row)
        vectors[place] = loaded.gallery.vectors[row]
        for level in kind.levels:
            place += 1
            waiting.append((place, embed.shrink(distorted(picture, {kind.name: level}))))
        place += 1
        embed_waiting(BATCH)
        progress(done, len(rows))
    embed_waiting(1)
    return vectors


def _sweep_row(name: str, level: float, values: Floats) -> SweepRow:
    """The row of a metric and level from first, rank, precision and kept of every image, (q, 4)."""
    first, rank, precision, kept = values.T
    defined = precision[~np.isnan(precision)]
    return {
        "metric": name,
        "level": level,
        "first": float(first.mean()),
        "rank": float(np.median(rank)),
        "precision": float(defined.mean()) if len(defined) else None,
        "kept": float(np.nanmean(kept)) if not np.isnan(kept).all() else None,
        "queries": len(values),
    }


def sweep_file(workspace: Workspace, space: str, kind: Distortion, contents: str, seed: int) -> Path:
    """The file of a distortion's sweep in a space, whether it exists or not; its name is a hash of all its inputs."""
    entry = workspace.space(space)
    parts = (SCHEMA, QUERIES, K, kind.name, kind.levels, kind.neutral, entry["fingerprint"], contents, seed)
    key = artifacts.digest("petalscope-robustness", *parts)[:8]
    return workspace.folder / FOLDER / f"{Path(entry['folder']).name}-{kind.name}-{key}.json"


def measure(
    workspace: Workspace,
    loaded: SearchableSpace,
    kind: Distortion,
    embed: Callable[[], Embedder],
    progress: Progress = no_progress,
) -> RobustnessSweep:
    """The sweep of a distortion in a space: read from its file, else measured and written.

    `embed` loads the space's embedder; it is called only to measure. Raises ArtifactError when the file is damaged,
    ImageError when a photo is missing.
    """
    catalog = loaded.catalog
    target = sweep_file(workspace, loaded.space, kind, catalog.contents, catalog.seed)
    stored = artifacts.read_json(target)
    # A metric that was added since has no rows in an older file.
    if stored is not None and not _is_sweep(stored):
        raise artifacts.damaged_file_error(target)
    if stored is not None and METRICS.keys() <= {row["metric"] for row in stored["rows"]}:
        return cast("RobustnessSweep", stored)
    start = time.perf_counter()
    rows = sample(loaded)
    measured: RobustnessSweep = {
        "distortion": kind.name,
        "rows": sweep(loaded, kind, embed(), rows, progress),
        "queries": len(rows),
        "k": K,
        "gallery": len(catalog.frame),
        "sample_seed": 0,
        "schema": SCHEMA,
        **provenance(workspace, loaded.space, catalog),
        "seconds": round(time.perf_counter() - start, 3),
    }
    artifacts.write_json(target, measured)
    return measured


def _is_sweep(stored: dict[str, Any]) -> bool:
    """Whether a file holds rows with every field of `SweepRow`, whoever has edited it."""
    rows = stored.get("rows")
    return isinstance(rows, list) and all(
        isinstance(row, dict)
        and SweepRow.__annotations__.keys() <= row.keys()
        and isinstance(row["metric"], str)
        and all(value is None or isinstance(value, (int, float)) for name, value in row.items() if name != "metric")
        for row in rows
    )
