"""Nearest neighbours of every point: exact by faiss, for very many points approximate by NN-descent.

Exact search costs the square of the number of points: minutes of a processor at 100,000, hours at a million. Beyond,
NN-descent (Dong, Moses & Li 2011, by pynndescent) finds most neighbours at little more than a constant cost each; its
recall is measured on a sample. Either way the same points, metric and seed give the same neighbours on one machine.

Distances are recomputed pair by pair: the last bits of faiss' distances depend on its number of threads, and UMAP would
make another map of them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from lib.documents.embeddings import NeighbourSearch

# Beyond this many points, neighbours are approximate.
MOST_EXACT = 100_000
# Points on which recall is measured.
SAMPLE = 1_000


@dataclass(frozen=True)
class NearestNeighbours:
    """`rows` (n, k) int32 and `distances` (n, k) float32, each point itself first. `facts` name the method and, for
    approximate neighbours, their `recall`: the share of the exact neighbours that were found, on a sample."""

    rows: np.ndarray
    distances: np.ndarray
    facts: NeighbourSearch


def k_nearest(
    points: np.ndarray, k: int, metric: str, *, seed: int = 0, most_exact: int = MOST_EXACT
) -> NearestNeighbours:
    """The `k` nearest rows of every row of `points` (n, d) float32, itself first.

    `metric` is `cosine`, for points of length 1, or `euclidean`; approximate neighbours depend on `seed`.
    """
    if len(points) <= most_exact:
        return NearestNeighbours(*nearest(points, k, metric), {"found": "exact"})
    return _approximate(points, k, metric, seed)


def nearest(points: np.ndarray, k: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Exact `k` nearest rows of every row, itself first: (n, k) int32 indices and (n, k) float32 distances."""
    return _itself_first(*_exact(points, points, k, metric))


def nearest_of_rows(points: np.ndarray, chosen: np.ndarray, k: int) -> np.ndarray:
    """Exact `k` nearest rows of each of the `chosen` rows (m,), without itself: (m, k) int32; euclidean."""
    rows, distances = _exact(points[chosen], points, k + 1, "euclidean")
    return _itself_first(rows, distances, chosen)[0][:, 1:]


def nearest_on_map(xy: np.ndarray, k: int) -> np.ndarray:
    """Exact `k` nearest rows of every row of (n, 2), without itself: (n, k) int32, by a tree, for very many points."""
    from scipy.spatial import cKDTree

    distances, rows = cKDTree(xy).query(xy, k + 1)
    return _itself_first(rows, distances)[0][:, 1:]


def _exact(queries: np.ndarray, points: np.ndarray, k: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    import faiss

    kind = faiss.METRIC_INNER_PRODUCT if metric == "cosine" else faiss.METRIC_L2
    rows = faiss.knn(queries, points, k, metric=kind)[1]
    distances = np.array([_distances(query, points[near], metric) for query, near in zip(queries, rows, strict=True)])
    # The order of nearly equal distances was decided by faiss' rounding.
    order = np.lexsort((rows, distances))
    rows, distances = (np.take_along_axis(each, order, axis=1) for each in (rows, distances))
    return rows, np.clip(distances, 0.0, 2.0) if metric == "cosine" else distances


def _itself_first(
    rows: np.ndarray, distances: np.ndarray, chosen: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Each row itself first, as UMAP expects: among equal pictures a row may find a copy first, or not find itself."""
    own = (np.arange(len(rows)) if chosen is None else chosen)[:, None]
    order = np.argsort(rows != own, axis=1, kind="stable")
    rows, distances = np.take_along_axis(rows, order, 1), np.take_along_axis(distances, order, 1)
    missing = rows[:, 0] != own[:, 0]
    rows[missing, 1:], distances[missing, 1:] = rows[missing, :-1], distances[missing, :-1]
    rows[:, 0], distances[:, 0] = own[:, 0], 0.0
    return rows.astype(np.int32), distances.astype(np.float32)


def _approximate(points: np.ndarray, k: int, metric: str, seed: int) -> NearestNeighbours:
    rows, distances, method = nn_descent(points, k, metric, seed)
    rows, distances = _itself_first(rows, distances)
    sample = np.sort(np.random.default_rng(seed).choice(len(points), min(SAMPLE, len(points)), replace=False))
    facts: NeighbourSearch = {
        "found": "approximate",
        "by": method,
        "recall": _recall(points, rows, sample, metric),
        "sample": len(sample),
    }
    return NearestNeighbours(rows, distances, facts)


def nn_descent(points: np.ndarray, k: int, metric: str, seed: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Approximate `k` nearest rows of every row and their distances, (n, k) each, -1 where fewer were found; and the
    name of the method.

    `metric` is `cosine`, `euclidean` or `manhattan`. A point is mostly, not always, its own nearest.
    """
    with warnings.catch_warnings():
        # It warns when a point has fewer than k neighbours, which callers handle.
        warnings.simplefilter("ignore")
        import pynndescent

        # One thread: with several, the neighbours would depend on their number and not only on the seed.
        graph = pynndescent.NNDescent(points, metric=metric, n_neighbors=k, random_state=seed, n_jobs=1)
        rows, distances = graph.neighbor_graph
    return rows, distances, f"NN-descent, pynndescent {pynndescent.__version__}"


def _recall(points: np.ndarray, rows: np.ndarray, sample: np.ndarray, metric: str) -> float:
    """The share of the sample's neighbours, without itself, that are no farther than the farthest exact neighbour."""
    true = _exact(points[sample], points, rows.shape[1], metric)[0]
    hits = 0
    total = len(sample) * (rows.shape[1] - 1)
    for row, exact in zip(sample, true, strict=True):
        candidates = rows[row, 1:]
        # Equal pictures are interchangeable, so distances are compared and not rows.
        farthest = _distances(points[row], points[exact], metric).max()
        hits += int((_distances(points[row], points[candidates[candidates >= 0]], metric) <= farthest).sum())
    return float(hits / total)


def _distances(point: np.ndarray, others: np.ndarray, metric: str) -> np.ndarray:
    one, many = point.astype(np.float64), others.astype(np.float64)
    return np.asarray(1 - np.einsum("ij,j->i", many, one) if metric == "cosine" else np.linalg.norm(many - one, axis=1))
