"""Nearest neighbours of every point among all: exact ones by faiss, of very many points approximate ones.

Exact ones cost the square of the number of points: minutes of a processor at 100,000, hours at a million. Beyond,
NN-descent (Dong, Moses & Li 2011, by pynndescent) finds most of them at little more than a constant cost each, and how
many is measured on a sample. Either way the same points, metric and seed give the same neighbours on one machine.

Their distances are computed anew, pair by pair: the last bits of faiss' depend on how many threads it has, and of these
UMAP makes another map.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

# Of more points than this, approximate neighbours are found.
MOST_EXACT = 100_000
# Points whose approximate neighbours are compared with their exact ones.
SAMPLE = 1_000


@dataclass(frozen=True)
class NearestNeighbours:
    """`rows` (n, k) int32 and `distances` (n, k) float32, each point itself first; `facts` says how they were found,
    and, of approximate ones, their `recall`: the share of them that is among the exact ones, on a sample."""

    rows: np.ndarray
    distances: np.ndarray
    facts: dict[str, Any]


def k_nearest(
    points: np.ndarray, k: int, metric: str, *, seed: int = 0, most_exact: int = MOST_EXACT
) -> NearestNeighbours:
    """The `k` nearest rows of every row of `points` (n, d) float32, itself among them.

    `metric` is `cosine`, for points of length 1, or `euclidean`; `seed` decides what approximate ones are found.
    """
    if len(points) <= most_exact:
        return NearestNeighbours(*nearest(points, k, metric), {"found": "exact"})
    return _approximate(points, k, metric, seed)


def nearest(points: np.ndarray, k: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Exact `k` nearest rows of every row, itself first: (n, k) int32 indices and (n, k) float32 distances."""
    return _itself_first(*_exact(points, points, k, metric))


def nearest_of_rows(points: np.ndarray, chosen: np.ndarray, k: int) -> np.ndarray:
    """Exact `k` nearest rows of the `chosen` rows (m,), without themselves: (m, k) int32; euclidean."""
    rows, distances = _exact(points[chosen], points, k + 1, "euclidean")
    return _itself_first(rows, distances, chosen)[0][:, 1:]


def nearest_on_map(xy: np.ndarray, k: int) -> np.ndarray:
    """Exact `k` nearest rows of every row of (n, 2), without itself, by a tree: (n, k) int32, for very many points."""
    from scipy.spatial import cKDTree

    distances, rows = cKDTree(xy).query(xy, k + 1)
    return _itself_first(rows, distances)[0][:, 1:]


def _exact(queries: np.ndarray, points: np.ndarray, k: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    import faiss

    kind = faiss.METRIC_INNER_PRODUCT if metric == "cosine" else faiss.METRIC_L2
    rows = faiss.knn(queries, points, k, metric=kind)[1]
    distances = np.array([_apart(query, points[near], metric) for query, near in zip(queries, rows, strict=True)])
    # Of nearly equal ones faiss' rounding had the say.
    order = np.lexsort((rows, distances))
    rows, distances = (np.take_along_axis(each, order, axis=1) for each in (rows, distances))
    return rows, np.clip(distances, 0.0, 2.0) if metric == "cosine" else distances


def _itself_first(
    rows: np.ndarray, distances: np.ndarray, chosen: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Among equal pictures a row may find its twin before itself, or itself not at all; UMAP counts on itself first."""
    own = (np.arange(len(rows)) if chosen is None else chosen)[:, None]
    order = np.argsort(rows != own, axis=1, kind="stable")
    rows, distances = np.take_along_axis(rows, order, 1), np.take_along_axis(distances, order, 1)
    missing = rows[:, 0] != own[:, 0]
    rows[missing, 1:], distances[missing, 1:] = rows[missing, :-1], distances[missing, :-1]
    rows[:, 0], distances[:, 0] = own[:, 0], 0.0
    return rows.astype(np.int32), distances.astype(np.float32)


def _approximate(points: np.ndarray, k: int, metric: str, seed: int) -> NearestNeighbours:
    rows, distances, by = nn_descent(points, k, metric, seed)
    rows, distances = _itself_first(rows, distances)
    sample = np.sort(np.random.default_rng(seed).choice(len(points), min(SAMPLE, len(points)), replace=False))
    facts = {
        "found": "approximate",
        "by": by,
        "recall": _recall(points, rows, sample, metric),
        "sample": len(sample),
    }
    return NearestNeighbours(rows, distances, facts)


def nn_descent(points: np.ndarray, k: int, metric: str, seed: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Approximate `k` nearest rows of every row and their distances, (n, k) each, -1 where it found fewer; and by what.

    `metric` is `cosine`, `euclidean` or `manhattan`. A point is mostly, not always, its own nearest.
    """
    with warnings.catch_warnings():
        # It says when a point has fewer neighbours than asked for; whoever calls this heeds that by itself.
        warnings.simplefilter("ignore")
        import pynndescent

        # With several threads the neighbours depend on how many: one, so that a seed decides.
        graph = pynndescent.NNDescent(points, metric=metric, n_neighbors=k, random_state=seed, n_jobs=1)
        rows, distances = graph.neighbor_graph
    return rows, distances, f"NN-descent, pynndescent {pynndescent.__version__}"


def _recall(points: np.ndarray, rows: np.ndarray, sample: np.ndarray, metric: str) -> float:
    """The share of the sample's neighbours, without itself, that are no farther than its true farthest one."""
    true = _exact(points[sample], points, rows.shape[1], metric)[0]
    there = 0
    asked = len(sample) * (rows.shape[1] - 1)
    for row, exact in zip(sample, true, strict=True):
        found = rows[row, 1:]
        # Of equal pictures each is as good as the others, so distances are compared and not rows.
        farthest = _apart(points[row], points[exact], metric).max()
        there += int((_apart(points[row], points[found[found >= 0]], metric) <= farthest).sum())
    return float(there / asked)


def _apart(point: np.ndarray, others: np.ndarray, metric: str) -> np.ndarray:
    one, many = point.astype(np.float64), others.astype(np.float64)
    return np.asarray(1 - np.einsum("ij,j->i", many, one) if metric == "cosine" else np.linalg.norm(many - one, axis=1))
