"""Every image's nearest images under cosine and L1, found once, and what they say of each image.

Rows are catalog rows, (n, depth) int32, nearest first, -1 where there are fewer. As in every search here an image is
not its own neighbour, and neither are its pixel-identical copies. Above 100,000 pictures, where comparing each with
each would take too long, they are approximate: see `told`, and show that wherever you show what rests on them.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lib import artifacts
from lib.embed import projection
from lib.embed.neighbours import MOST_EXACT, SAMPLE
from lib.search import approximate_neighbours, exact
from lib.search.metrics import METRICS as ALL_METRICS

SCHEMA = 1
METRICS = ("cosine", "l1")
# How many are kept, and how many of them the measures below look at.
DEPTH = 30
K = 10
# Raw pixels of more images than this would take longer to compare than all the rest of a `prepare`.
MOST_PIXELS = 4_500
_BATCH = 256

Rows = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Neighbourhoods:
    """`rows` and `values` per metric, (n, depth) each: int32 rows and the float32 metric between."""

    rows: dict[str, Rows]
    values: dict[str, Floats]
    facts: dict[str, Any]


def key() -> str:
    """Short name of how neighbourhoods are found."""
    return artifacts.digest("petalscope-neighbourhoods", SCHEMA, METRICS, DEPTH)[:8]


def k_nearest(
    vectors: np.ndarray,
    copies: Sequence[Sequence[int]],
    progress: Callable[[int, int | None], None] = lambda done, total: None,
    *,
    seed: int = 0,
    most_exact: int = MOST_EXACT,
) -> Neighbourhoods:
    """The neighbourhoods in `vectors` (n, d), float32 features or uint8 pixels; `copies` has for each row the rows of
    the same picture, its own included. Very many raw pixels are averaged first, as for a map; the facts say so.

    Of more than `most_exact` different pictures they are approximate, with exact values; `seed` decides which are
    found, and the facts have their recall.
    """
    source = "the vectors as stored"
    if vectors.dtype == np.uint8 and len(vectors) > MOST_PIXELS:
        vectors, source = projection.points(vectors)
    gallery, facts = exact.gallery(vectors), {"metrics": list(METRICS), "input": source, "schema": SCHEMA}
    depth, total = min(DEPTH, len(vectors)), len(METRICS) * len(vectors)
    facts["depth"] = depth
    if len({min(same) for same in copies}) > most_exact:
        answers, how = approximate_neighbours.nearest(
            gallery, copies, METRICS, depth, seed=seed, sample=SAMPLE, cuts=(K, DEPTH), progress=progress
        )
        return Neighbourhoods(
            {name: found for name, (found, _) in answers.items()},
            {name: known.astype(np.float32) for name, (_, known) in answers.items()},
            facts | how,
        )
    rows = {name: np.full((len(vectors), depth), -1, np.int32) for name in METRICS}
    values = {name: np.full((len(vectors), depth), np.nan, np.float32) for name in METRICS}
    done = 0
    for name in METRICS:
        for start in range(0, len(vectors), _BATCH):
            block = slice(start, min(len(vectors), start + _BATCH))
            found = exact.top_k(gallery, vectors[block], name, depth, leave_out=copies[block])
            rows[name][block], values[name][block] = found.rows, found.values
            done += block.stop - start
            progress(done, total)
    return Neighbourhoods(rows, values, facts | {"found": "exact"})


def approximation_note(facts: dict[str, Any], metrics: Sequence[str] = METRICS, k: int = K) -> str:
    """What to know of neighbourhoods that are not exact: by what, and how many of the first `k` are true; else "".

    To be shown wherever something is that rests on them.
    """
    share = recall_note(facts, metrics, k)
    return f"approximate, by {facts['by']}: {share}, measured on {facts['sample']:,} of them" if share else ""


def recall_note(facts: dict[str, Any], metrics: Sequence[str] = METRICS, k: int = K) -> str:
    """How many of the first `k` neighbours are true ones, by metric, in words; "" where all are."""
    if facts.get("found") != "approximate":
        return ""
    cut = K if k <= K else DEPTH
    shares = [f"{facts['recall'][name][str(cut)]:.1%} under {ALL_METRICS[name].title}" for name in metrics]
    return f"of the true {cut} nearest it has found {' and '.join(shares)}"


def save(found: Neighbourhoods, path: Path) -> None:
    """Write to the `.npz` file `path`, atomically and without pickle."""
    arrays = {f"{kind}_{name}": getattr(found, kind)[name] for kind in ("rows", "values") for name in METRICS}
    with artifacts.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, facts=np.array(artifacts.to_json(found.facts)), allow_pickle=False, **arrays)


def load(path: Path) -> Neighbourhoods | None:
    """The neighbourhoods at `path`; None when there are none. Raises ArtifactError when the file is damaged."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as stored:
            rows, values = ({name: stored[f"{kind}_{name}"] for name in METRICS} for kind in ("rows", "values"))
            facts = artifacts.from_json(str(stored["facts"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise artifacts.damaged(path) from error
    shapes = {array.shape for kind in (rows, values) for array in kind.values()}
    first = rows[METRICS[0]]
    if len(shapes) != 1 or first.ndim != 2 or first.dtype != np.int32 or not isinstance(facts, dict):
        raise artifacts.damaged(path)
    return Neighbourhoods(rows, values, facts)


def purity(rows: Rows, codes: np.ndarray, k: int = K) -> Floats:
    """Share of each image's k nearest that are of its class, (n,); NaN for an image without neighbours."""
    near, there = rows[:, :k], rows[:, :k] >= 0
    same = (codes[near] == codes[:, None]) & there
    with np.errstate(invalid="ignore"):
        return np.asarray(same.sum(axis=1) / there.sum(axis=1), dtype=np.float32)


def votes(rows: Rows, codes: np.ndarray, k: int = K) -> tuple[npt.NDArray[np.int64], Floats]:
    """What its k nearest take each image for: the most frequent class, of equals the one with nearer members, and the
    share of the votes that it had. -1 and NaN for an image without neighbours.

    This is a k-nearest-neighbours classifier, leave-one-out.
    """
    near, there = rows[:, :k], rows[:, :k] >= 0
    n, width = near.shape
    counts = np.zeros((n, int(codes.max(initial=0)) + 1), dtype=np.float64)
    # A vote of a nearer neighbour weighs more by less than any whole vote could.
    weights = np.where(there, 1 + (width - np.arange(width)) * 1e-6, 0.0)
    np.add.at(counts, (np.arange(n)[:, None], np.where(there, codes[near], 0)), weights)
    chosen = counts.argmax(axis=1)
    with np.errstate(invalid="ignore"):
        share = ((codes[near] == chosen[:, None]) & there).sum(axis=1) / there.sum(axis=1)
    return np.where(there.any(axis=1), chosen, -1), share.astype(np.float32)


def hubness(rows: Rows, k: int = K) -> npt.NDArray[np.int64]:
    """How often each image is among the k nearest of another, (n,) (k-occurrence: Radovanović et al. 2010)."""
    near = rows[:, :k]
    return np.bincount(near[near >= 0], minlength=len(rows))


def disagreement(one: Rows, other: Rows, k: int = K) -> Floats:
    """1 - overlap of each image's k nearest under two metrics, (n,); NaN for an image without neighbours."""
    a, b = one[:, :k], other[:, :k]
    shared = ((a[:, :, None] == b[:, None, :]) & (a[:, :, None] >= 0)).any(axis=2).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(1 - shared / (a >= 0).sum(axis=1), dtype=np.float32)


def mean_knn_distance(values: Floats, k: int = K) -> Floats:
    """Mean cosine distance of each image to its k nearest, (n,), from their cosines; NaN without neighbours."""
    near = values[:, :k]
    there = np.isfinite(near)
    with np.errstate(invalid="ignore"):
        mean = np.where(there, 1 - near, 0).sum(axis=1) / there.sum(axis=1)
    return np.asarray(mean, dtype=np.float32)
