"""Two maps of the same images, turned so that they can be compared by eye.

A map means the same however it is turned, mirrored, moved or scaled. Orthogonal Procrustes analysis (Schönemann 1966)
finds the one of these that brings the points of one map nearest to those of another; what still differs afterwards
is a difference between the maps.
"""

from __future__ import annotations

import numpy as np


def similarity(moved: np.ndarray, fixed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The turn, mirror image and scale (2, 2) and the shift (2,), float64, that bring `moved` (n, 2) as near as they
    can to `fixed` (n, 2): `moved @ turn + shift`."""
    a, b = fixed.astype(np.float64), moved.astype(np.float64)
    centre, own = a.mean(axis=0), b.mean(axis=0)
    a, b = a - centre, b - own
    extent = float((b**2).sum())
    if extent == 0:  # a single point has nothing to turn
        return np.eye(2), centre - own
    left, strength, right = np.linalg.svd(b.T @ a)
    # Two maps without anything in common would be shrunk to a point.
    scale = strength.sum() / extent or np.sqrt((a**2).sum() / extent)
    turn = scale * left @ right
    return turn, centre - own @ turn


def aligned(moved: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """`moved` (n, 2) turned, mirrored, scaled and shifted to lie as near as it can to `fixed` (n, 2), float32."""
    turn, shift = similarity(moved, fixed)
    return np.asarray(moved.astype(np.float64) @ turn + shift, dtype=np.float32)


def disparity(one: np.ndarray, other: np.ndarray) -> float:
    """What is left between two maps (n, 2) once they are aligned, as a share of their extent: 0 alike, 1 unrelated."""
    a, b = (each.astype(np.float64) - each.mean(axis=0) for each in (one, other))
    sizes = np.linalg.norm(a) * np.linalg.norm(b)
    if sizes == 0:
        return float(np.linalg.norm(a) != np.linalg.norm(b))
    return float(1 - (np.linalg.svd(b.T @ a, compute_uv=False).sum() / sizes) ** 2)
