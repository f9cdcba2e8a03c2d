"""IVF made visible: k-means cells over a collection's vectors, and what is found by looking into only some of them.

The cells are made here with faiss, as the engines' own IVF indexes are: no engine lets its own cells be read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.errors import QueryError
from lib.store.recall import scores


@dataclass(frozen=True)
class Cells:
    """`centres` (cells, d) and the cell `of` each row (n,)."""

    centres: np.ndarray
    of: np.ndarray


def cells(vectors: np.ndarray, count: int, metric: str, seed: int = 0) -> Cells:
    """k-means with `count` cells; under COSINE on the directions. Raises QueryError for too few rows."""
    import faiss

    if not 1 <= count <= len(vectors):
        raise QueryError(f"{len(vectors)} rows make 1 to {len(vectors)} cells, not {count}.")
    x = _directed(vectors, metric)
    means = faiss.Kmeans(x.shape[1], count, niter=20, seed=seed + 1, min_points_per_centroid=1, verbose=False)
    means.train(x)
    _, nearest = means.index.search(x, 1)
    return Cells(np.asarray(means.centroids), nearest[:, 0].astype(np.int64))


def probed(made: Cells, query: np.ndarray, metric: str, nprobe: int) -> np.ndarray:
    """The `nprobe` cells whose centres are closest to `query`, closest first."""
    close = scores(made.centres, _directed(query[None], metric), "L2" if metric == "COSINE" else metric)[0]
    return np.argsort(-close, kind="stable")[:nprobe]


def recall_by_nprobe(
    made: Cells, vectors: np.ndarray, queries: np.ndarray, metric: str, k: int
) -> list[tuple[int, float, float]]:
    """For each nprobe from 1 to all cells: recall@k, and the share of rows looked at, as means over the rows `queries`.

    A row is not its own answer.
    """
    count = len(made.centres)
    found = np.zeros((len(queries), count))
    looked = np.zeros((len(queries), count))
    sizes = np.bincount(made.of, minlength=count)
    for place, row in enumerate(queries):
        order = probed(made, vectors[row], metric, count)
        rank = np.empty(count, dtype=np.int64)
        rank[order] = np.arange(count)
        values = scores(vectors, vectors[row][None], metric)[0]
        values[row] = -np.inf
        best = np.argpartition(-values, k)[:k]
        # An answer is found as soon as its cell is among the probed ones.
        found[place] = np.cumsum(np.bincount(rank[made.of[best]], minlength=count)) / k
        looked[place] = np.cumsum(sizes[order]) / len(vectors)
    return [
        (step + 1, float(hit), float(share))
        for step, (hit, share) in enumerate(zip(found.mean(axis=0), looked.mean(axis=0), strict=True))
    ]


def _directed(vectors: np.ndarray, metric: str) -> np.ndarray:
    x = np.ascontiguousarray(vectors, dtype=np.float32)
    if metric != "COSINE":
        return x
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(lengths > 0, lengths, 1)
