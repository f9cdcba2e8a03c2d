"""The cells of an IVF index: k-means over a collection's vectors, and the recall of searching only some of them.

The cells are computed here with faiss, with which Milvus builds its IVF indexes: no engine exposes its own cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.errors import QueryError
from lib.store.recall import scores


@dataclass(frozen=True)
class Cells:
    """`centres` (cells, d), and for each row the number `of` its cell, (n,)."""

    centres: np.ndarray
    of: np.ndarray


def make_cells(vectors: np.ndarray, count: int, metric: str, seed: int = 0) -> Cells:
    """k-means of vectors (n, d) with `count` cells; under COSINE, of their directions. Raises QueryError for more cells
    than rows."""
    import faiss

    if not 1 <= count <= len(vectors):
        raise QueryError(f"{len(vectors)} rows can be divided into 1 to {len(vectors)} cells, not {count}.")
    x = _directions(vectors, metric)
    kmeans = faiss.Kmeans(x.shape[1], count, niter=20, seed=seed + 1, min_points_per_centroid=1, verbose=False)
    kmeans.train(x)
    _, nearest = kmeans.index.search(x, 1)
    return Cells(np.asarray(kmeans.centroids), nearest[:, 0].astype(np.int64))


def nearest_cells(ivf: Cells, query: np.ndarray, metric: str, nprobe: int) -> np.ndarray:
    """The numbers of the `nprobe` cells whose centres are closest to `query` (d,), closest first."""
    values = scores(ivf.centres, _directions(query[None], metric), "L2" if metric == "COSINE" else metric)[0]
    return np.argsort(-values, kind="stable")[:nprobe]


def recall_by_nprobe(
    ivf: Cells, vectors: np.ndarray, queries: np.ndarray, metric: str, k: int
) -> list[tuple[int, float, float]]:
    """For each nprobe from 1 to all cells: recall@k and the share of rows scanned, as means over the row numbers
    `queries`. A row is not its own result."""
    count = len(ivf.centres)
    recalls = np.zeros((len(queries), count))
    scanned = np.zeros((len(queries), count))
    sizes = np.bincount(ivf.of, minlength=count)
    for place, row in enumerate(queries):
        order = nearest_cells(ivf, vectors[row], metric, count)
        rank = np.empty(count, dtype=np.int64)
        rank[order] = np.arange(count)
        values = scores(vectors, vectors[row][None], metric)[0]
        values[row] = -np.inf
        neighbours = np.argpartition(-values, k)[:k]
        # A neighbour is retrieved as soon as its cell is among the probed ones.
        recalls[place] = np.cumsum(np.bincount(rank[ivf.of[neighbours]], minlength=count)) / k
        scanned[place] = np.cumsum(sizes[order]) / len(vectors)
    return [
        (step + 1, float(recall), float(share))
        for step, (recall, share) in enumerate(zip(recalls.mean(axis=0), scanned.mean(axis=0), strict=True))
    ]


def _directions(vectors: np.ndarray, metric: str) -> np.ndarray:
    """Vectors (n, d) as contiguous float32; under COSINE scaled to length 1 (zero vectors unchanged)."""
    x = np.ascontiguousarray(vectors, dtype=np.float32)
    if metric != "COSINE":
        return x
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(lengths > 0, lengths, 1)
