"""How well a space and a metric still know a picture that was changed: for one photo, and over a sample of them.

The changed photo is a query like an upload; its original lies in the gallery and should be the first answer. Pixel-
identical copies of the original are left out, so that the rank is the original's own.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib import artifacts
from lib.data.distortions import Distortion, distorted
from lib.embed.embedder import Embedder
from lib.embed.extract import BATCH
from lib.errors import QueryError
from lib.prepare.workspace import Workspace
from lib.progress import Progress, no_progress
from lib.retrieval.search import SearchableSpace
from lib.search import exact
from lib.search.metrics import METRICS, Floats, order

SCHEMA = 1
FOLDER = "robustness"
QUERIES, K = 48, 10
# Changed pictures that are compared with the gallery at a time.
BLOCK = 64


@dataclass(frozen=True)
class OriginalRank:
    """What one metric makes of a changed photo: the original's rank (1 = first) and value among all `gallery` images,
    and the first answers, the original among them: catalog rows with their values, best first."""

    rank: int
    value: float
    gallery: int
    answers: list[tuple[int, float]]


def rank_originals(
    loaded: SearchableSpace, rows: Sequence[int], vectors: np.ndarray, k: int
) -> list[dict[str, OriginalRank]]:
    """What each metric makes of every one of `vectors` (q, d), changed pictures of the catalog's images in `rows`.

    Raises QueryError for a vector of another space.
    """
    looks: list[dict[str, OriginalRank]] = []
    for start in range(0, len(vectors), BLOCK):
        block = slice(start, start + BLOCK)
        mine = rows[block]
        part: list[dict[str, OriginalRank]] = [{} for _ in mine]
        out = [_copies(loaded, row) for row in mine]
        for name, values in exact.values_by_metric(loaded.gallery, vectors[block], list(METRICS)).items():
            farthest = -np.inf if METRICS[name].higher_is_closer else np.inf
            for i, copies in enumerate(out):
                values[i, copies] = farthest
            for i, (row, ranking) in enumerate(zip(mine, order(values, name), strict=True)):
                size = len(loaded.gallery) - len(out[i])
                best = [(int(at), float(values[i, at])) for at in ranking[: min(k, size)]]
                rank = int(np.nonzero(ranking == row)[0][0]) + 1
                part[i][name] = OriginalRank(rank, float(values[i, row]), size, best)
        looks += part
    return looks


def _copies(loaded: SearchableSpace, row: int) -> list[int]:
    """The other rows with exactly the pixels of the image in `row`."""
    copies = loaded.catalog.copies(str(loaded.catalog.frame["sha256"].iloc[row]))
    return [other for other in copies if other != row]


def sample(loaded: SearchableSpace, queries: int = QUERIES, seed: int = 0) -> list[int]:
    """Rows of a seeded sample of the test images (of all, where there are none), ascending."""
    frame = loaded.catalog.frame
    among = np.nonzero((frame["split"] == "test").to_numpy())[0]
    among = among if len(among) else np.arange(len(frame))
    chosen = np.random.default_rng(seed).choice(among, min(queries, len(among)), replace=False)
    return [int(row) for row in np.sort(chosen)]


def sweep(
    loaded: SearchableSpace,
    kind: Distortion,
    embed: Embedder,
    rows: Sequence[int],
    progress: Progress = no_progress,
) -> list[dict[str, Any]]:
    """One distortion at every level of its sweep, for the images in `rows`: a dict for each metric and level.

    `first` is the share of images whose original is the first answer, `rank` the median rank of the original,
    `precision` the share of the first 10 answers that are of the image's class (the original left out), `kept` the
    share of the unchanged photo's first 10 answers that the changed one finds too. Level `neutral` is the stored
    vector itself, as reference.
    """
    if not rows:
        raise QueryError("There is no image to change; prepare some photos first.")
    levels = (kind.neutral, *kind.levels)
    asked = [row for row in rows for _ in levels]
    looks = rank_originals(loaded, asked, _vectors(loaded, kind, embed, rows, progress), K + 1)
    labels = loaded.catalog.frame["label"].to_numpy(dtype=object)
    told: dict[tuple[str, float], list[list[float]]] = {(name, level): [] for name in METRICS for level in levels}
    for place, row in enumerate(rows):
        mine = looks[place * len(levels) : (place + 1) * len(levels)]
        for name in METRICS:
            plain = _others(mine[0][name], row)
            for level, seen in zip(levels, mine, strict=True):
                answers = _others(seen[name], row)
                right = float(np.mean(labels[answers] == labels[row])) if answers else np.nan
                kept = len(set(plain) & set(answers)) / len(plain) if plain else np.nan
                told[name, level].append([float(seen[name].rank == 1), seen[name].rank, right, kept])
    return [_told(name, level, np.array(values)) for (name, level), values in told.items()]


def _others(seen: OriginalRank, row: int) -> list[int]:
    """The first answers but the original itself."""
    return [answer for answer, _ in seen.answers if answer != row][:K]


def _vectors(
    loaded: SearchableSpace, kind: Distortion, embed: Embedder, rows: Sequence[int], progress: Progress
) -> np.ndarray:
    """Of each image in `rows` the stored vector, then one for each level, (rows × levels, d)."""
    waiting: list[tuple[int, Any]] = []
    size = len(rows) * (1 + len(kind.levels))
    found = np.empty((size, loaded.gallery.dimension), loaded.gallery.vectors.dtype)

    def flush(size: int) -> None:
        # Whole batches, as when the gallery was embedded: the last bits depend on a batch's shape.
        while len(waiting) >= size > 0:
            part = waiting[:BATCH]
            del waiting[:BATCH]
            pictures = [picture for _, picture in part]
            vectors = embed.embed(pictures + [pictures[-1]] * (BATCH - len(part)))
            for (place, _), vector in zip(part, vectors, strict=False):
                found[place] = vector

    place = 0
    for done, row in enumerate(rows, start=1):
        picture = loaded.catalog.open(row)
        found[place] = loaded.gallery.vectors[row]
        for level in kind.levels:
            place += 1
            waiting.append((place, embed.shrink(distorted(picture, {kind.name: level}))))
        place += 1
        flush(BATCH)
        progress(done, len(rows))
    flush(1)
    return found


def _told(name: str, level: float, values: Floats) -> dict[str, Any]:
    first, rank, right, kept = values.T
    known = right[~np.isnan(right)]
    return {
        "metric": name,
        "level": level,
        "first": float(first.mean()),
        "rank": float(np.median(rank)),
        "precision": float(known.mean()) if len(known) else None,
        "kept": float(np.nanmean(kept)) if not np.isnan(kept).all() else None,
        "queries": len(values),
    }


def path(workspace: Workspace, space: str, kind: Distortion, contents: str, seed: int) -> Path:
    """Where the sweep of a distortion in a space lies, or would: under a name made of all that it depends on."""
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
) -> dict[str, Any]:
    """The sweep of a distortion in a space, with its provenance: read back, else measured and kept.

    Raises ArtifactError when what is kept is damaged, ImageError when a photo is gone.
    """
    catalog = loaded.catalog
    target = path(workspace, loaded.space, kind, catalog.contents, catalog.seed)
    known = artifacts.read_json(target)
    if known is not None and METRICS.keys() <= {row["metric"] for row in known["rows"]}:  # else a metric is new since
        return known
    began = time.perf_counter()
    rows = sample(loaded)
    entry = workspace.space(loaded.space)
    found = {
        "space": loaded.space,
        "distortion": kind.name,
        "rows": sweep(loaded, kind, embed(), rows, progress),
        "queries": len(rows),
        "k": K,
        "gallery": len(catalog.frame),
        "space_fingerprint": entry["fingerprint"],
        "data_fingerprint": entry["data_fingerprint"],
        "weights": None if entry["weights"] is None else {key: entry["weights"][key] for key in ("name", "sha256")},
        "split_seed": catalog.seed,
        "sample_seed": 0,
        "schema": SCHEMA,
        "libraries": artifacts.libraries(),
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - began, 3),
    }
    artifacts.write_json(target, found)
    return found
