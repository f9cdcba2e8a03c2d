"""Every image's nearest neighbours under cosine and L1, computed once, and measures of each image derived from them.

Rows are catalog rows, (n, depth) int32, nearest first, -1 where there are fewer. As in every search, an image is not
its own neighbour, and neither are its pixel-identical copies. Above 100,000 different pictures, where exact search
would take too long, neighbourhoods are approximate: show `approximation_note` beside every figure derived from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from lib import artifacts
from lib.documents.embeddings import NeighbourhoodFacts
from lib.embed import projection
from lib.embed.neighbours import MOST_EXACT, SAMPLE
from lib.progress import Progress, no_progress
from lib.search import approximate_neighbours, exact
from lib.search.gallery import Gallery
from lib.search.metrics import METRICS as ALL_METRICS

SCHEMA = 1
METRICS = ("cosine", "l1")
# Stored neighbours of each image, and how many of them the measures use by default.
DEPTH = 30
K = 10
# Beyond this many images, comparing raw pixels would take longer than the rest of a `prepare`.
MOST_PIXELS = 4_500
_BATCH = 256

Rows = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Neighbourhoods:
    """For each metric the neighbours' int32 `rows` and float32 `values`, (n, depth) each; `facts` say how they were
    found."""

    rows: dict[str, Rows]
    values: dict[str, Floats]
    facts: NeighbourhoodFacts


def key() -> str:
    """Hash of how neighbourhoods are computed, for file names."""
    return artifacts.digest("petalscope-neighbourhoods", SCHEMA, METRICS, DEPTH)[:8]


def k_nearest(
    vectors: np.ndarray,
    copies: Sequence[Sequence[int]],
    progress: Progress = no_progress,
    *,
    seed: int = 0,
    most_exact: int = MOST_EXACT,
) -> Neighbourhoods:
    """The neighbourhoods in `vectors` (n, d), float32 features or uint8 pixels; `copies` lists for each row the rows
    of the same picture, itself included. Raw pixels of very many images are averaged first, as for a map; the facts
    say so.

    For more than `most_exact` different pictures the neighbourhoods are approximate, with exact values: they depend on
    `seed`, and the facts hold their recall.
    """
    vectors, source = _inputs(vectors)
    gallery = exact.gallery(vectors)
    depth = min(DEPTH, len(vectors))
    facts: NeighbourhoodFacts = {"metrics": list(METRICS), "input": source, "schema": SCHEMA, "depth": depth}
    if len({min(same) for same in copies}) > most_exact:
        results, method = approximate_neighbours.nearest(
            gallery, copies, METRICS, depth, seed=seed, sample=SAMPLE, cuts=(K, DEPTH), progress=progress
        )
        return Neighbourhoods(
            {name: rows for name, (rows, _) in results.items()},
            {name: values.astype(np.float32) for name, (_, values) in results.items()},
            {**facts, **method},
        )
    rows = {name: np.full((len(vectors), depth), -1, np.int32) for name in METRICS}
    values = {name: np.full((len(vectors), depth), np.nan, np.float32) for name in METRICS}
    _search(gallery, copies, dict.fromkeys(METRICS, np.arange(len(vectors))), rows, values, progress)
    return Neighbourhoods(rows, values, {**facts, "found": "exact"})


def of_fewer(
    previous: Neighbourhoods,
    kept: np.ndarray,
    vectors: np.ndarray,
    copies: Sequence[Sequence[int]],
    progress: Progress = no_progress,
) -> Neighbourhoods | None:
    """The neighbourhoods in `vectors` (n, d), which are the rows `kept` (n,), ascending, of those that `previous` was
    found in: only the lists that held one of the others are searched for again.

    None where `previous` is approximate, or was found in another way than `k_nearest` finds these.
    """
    vectors, source = _inputs(vectors)
    facts, depth = previous.facts, min(DEPTH, len(vectors))
    if facts.get("found") != "exact" or (facts["input"], facts["depth"]) != (source, depth):
        return None
    place = np.full(len(previous.rows[METRICS[0]]), -1, np.int32)
    place[kept] = np.arange(len(kept))
    rows: dict[str, Rows] = {}
    values = {name: previous.values[name][kept] for name in METRICS}
    pending: dict[str, np.ndarray] = {}
    for name in METRICS:
        before = previous.rows[name][kept]
        rows[name] = np.where(before >= 0, place[before], np.int32(-1))
        pending[name] = np.flatnonzero(((before >= 0) & (rows[name] < 0)).any(axis=1))
    _search(exact.gallery(vectors), copies, pending, rows, values, progress)
    return Neighbourhoods(rows, values, facts)


def _inputs(vectors: np.ndarray) -> tuple[np.ndarray, str]:
    """The vectors that are compared, and what they are: raw pixels of very many images are averaged."""
    if vectors.dtype == np.uint8 and len(vectors) > MOST_PIXELS:
        return projection.map_inputs(vectors)
    return vectors, "the vectors as stored"


def _search(
    gallery: Gallery,
    copies: Sequence[Sequence[int]],
    pending: dict[str, np.ndarray],
    rows: dict[str, Rows],
    values: dict[str, Floats],
    progress: Progress,
) -> None:
    """Write the lists of the `pending` images, by metric, into `rows` and `values`, by an exact search."""
    done, total = 0, sum(map(len, pending.values()))
    for name, wanted in pending.items():
        undefined, depth = gallery.undefined(name), rows[name].shape[1]
        for start in range(0, len(wanted), _BATCH):
            block = wanted[start : start + _BATCH]
            left_out = _left_out(undefined, copies, block)
            ranked = exact.top_k(gallery, gallery.vectors[block], name, depth, leave_out=left_out)
            rows[name][block], values[name][block] = ranked.rows, ranked.values
            done += len(block)
            progress(done, total)


def _left_out(undefined: np.ndarray, copies: Sequence[Sequence[int]], block: np.ndarray) -> Sequence[Sequence[int]]:
    """For each image of a block the rows that are no neighbours: its copies, and images without a similarity to it."""
    without = np.flatnonzero(undefined).tolist()
    if not without:
        return [copies[row] for row in block]
    everything = range(len(copies))
    return [everything if undefined[row] else [*copies[row], *without] for row in block]


def approximation_note(facts: NeighbourhoodFacts, metrics: Sequence[str] = METRICS, k: int = K) -> str:
    """A note on approximate neighbourhoods: the method, and the recall of the first `k`; "" for exact neighbourhoods.

    Show it beside every figure derived from them.
    """
    share = recall_note(facts, metrics, k)
    return f"approximate, by {facts['by']}: {share}, measured on {facts['sample']:,} of them" if share else ""


def recall_note(facts: NeighbourhoodFacts, metrics: Sequence[str] = METRICS, k: int = K) -> str:
    """The recall of the first `k` neighbours by metric, in words; "" for exact neighbourhoods."""
    if facts.get("found") != "approximate":
        return ""
    cut = K if k <= K else DEPTH
    shares = [f"{facts['recall'][name][str(cut)]:.1%} under {ALL_METRICS[name].title}" for name in metrics]
    return f"of the true {cut} nearest it has found {' and '.join(shares)}"


def save(neighbourhoods: Neighbourhoods, path: Path) -> None:
    """Write to the `.npz` file `path`, atomically and without pickle."""
    arrays = {f"{kind}_{name}": getattr(neighbourhoods, kind)[name] for kind in ("rows", "values") for name in METRICS}
    artifacts.write_arrays(path, neighbourhoods.facts, arrays)


def load(path: Path) -> Neighbourhoods | None:
    """The neighbourhoods at `path`; None when there is no file. Raises ArtifactError when the file is damaged."""
    stored = artifacts.read_arrays(path)
    if stored is None:
        return None
    facts, arrays = stored
    try:
        rows, values = ({name: arrays[f"{kind}_{name}"] for name in METRICS} for kind in ("rows", "values"))
    except KeyError as error:
        raise artifacts.damaged_file_error(path) from error
    shapes = {array.shape for kind in (rows, values) for array in kind.values()}
    first = rows[METRICS[0]]
    if len(shapes) != 1 or first.ndim != 2 or first.dtype != np.int32:
        raise artifacts.damaged_file_error(path)
    return Neighbourhoods(rows, values, cast("NeighbourhoodFacts", facts))


def purity(rows: Rows, codes: np.ndarray, k: int = K) -> Floats:
    """Share of each image's k nearest that are of its class, (n,).

    NaN for an image without neighbours or alone in its class, and for all images where there is one class: no neighbour
    could then be right, or none wrong.
    """
    near, valid = rows[:, :k], rows[:, :k] >= 0
    same = (codes[near] == codes[:, None]) & valid
    sizes = np.bincount(codes, minlength=1)
    with np.errstate(invalid="ignore"):
        share = same.sum(axis=1) / valid.sum(axis=1)
    return np.where((sizes[codes] > 1) & ((sizes > 0).sum() > 1), share, np.nan).astype(np.float32)


def votes(rows: Rows, codes: np.ndarray, k: int = K) -> tuple[npt.NDArray[np.int64], Floats]:
    """Leave-one-out k-nearest-neighbours classification: each image's predicted class (n,), by majority, ties to the
    class with nearer members, and its share of the votes (n,). -1 and NaN for an image without neighbours, and for all
    images where there is one class.
    """
    near, valid = rows[:, :k], rows[:, :k] >= 0
    n, width = near.shape
    counts = np.zeros((n, int(codes.max(initial=0)) + 1), dtype=np.float64)
    # A nearer neighbour weighs more, by too little to outvote a majority.
    weights = np.where(valid, 1 + (width - np.arange(width)) * 1e-6, 0.0)
    np.add.at(counts, (np.arange(n)[:, None], np.where(valid, codes[near], 0)), weights)
    chosen = counts.argmax(axis=1)
    with np.errstate(invalid="ignore"):
        share = ((codes[near] == chosen[:, None]) & valid).sum(axis=1) / valid.sum(axis=1)
    defined = valid.any(axis=1) & (len(np.unique(codes)) > 1)
    return np.where(defined, chosen, -1), np.where(defined, share, np.nan).astype(np.float32)


def hubness(rows: Rows, k: int = K) -> npt.NDArray[np.int64]:
    """k-occurrence: how often each image is among the k nearest of another, (n,) (Radovanović et al. 2010)."""
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
    valid = np.isfinite(near)
    with np.errstate(invalid="ignore"):
        mean = np.where(valid, 1 - near, 0).sum(axis=1) / valid.sum(axis=1)
    return np.asarray(mean, dtype=np.float32)
