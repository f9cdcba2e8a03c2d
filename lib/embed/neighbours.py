"""Exact nearest neighbours of every point among all, by faiss."""

from __future__ import annotations

import numpy as np


def nearest(points: np.ndarray, k: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Exact `k` nearest rows of every row, itself first: (n, k) int32 indices and (n, k) float32 distances."""
    import faiss

    kind = faiss.METRIC_INNER_PRODUCT if metric == "cosine" else faiss.METRIC_L2
    found, rows = faiss.knn(points, points, k, metric=kind)
    distances = np.clip(1.0 - found, 0.0, 2.0) if metric == "cosine" else np.sqrt(np.maximum(found, 0.0))
    # Among equal pictures a row may find its twin before itself, or itself not at all; UMAP counts on itself first.
    own = np.arange(len(points))[:, None]
    rows = np.where(rows == own, -1, rows)
    order = np.argsort(rows != -1, axis=1, kind="stable")
    rows, distances = np.take_along_axis(rows, order, 1), np.take_along_axis(distances, order, 1)
    missing = rows[:, 0] != -1
    rows[missing, 1:], distances[missing, 1:] = rows[missing, :-1], distances[missing, :-1]
    rows[:, 0], distances[:, 0] = own[:, 0], 0.0
    return rows.astype(np.int32), distances.astype(np.float32)
