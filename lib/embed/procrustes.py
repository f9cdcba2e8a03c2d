"""Orthogonal Procrustes alignment (Schönemann 1966) of two maps of the same images, so that they compare by eye.

A map means the same however it is rotated, mirrored, shifted or scaled. The alignment is the combination of these that
brings the points of one map nearest to those of another; the remainder is a difference between the maps.
"""

from __future__ import annotations

import numpy as np


def similarity_transform(moved: np.ndarray, fixed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rotation, reflection and scale (2, 2) and the shift (2,), float64, for which `moved @ matrix + shift` lies
    nearest to `fixed`, both (n, 2)."""
    a, b = fixed.astype(np.float64), moved.astype(np.float64)
    fixed_centre, moved_centre = a.mean(axis=0), b.mean(axis=0)
    a, b = a - fixed_centre, b - moved_centre
    extent = float((b**2).sum())
    if extent == 0:  # a single point can only be shifted
        return np.eye(2), fixed_centre - moved_centre
    left, strength, right = np.linalg.svd(b.T @ a)
    # Unrelated maps would be scaled to a point.
    scale = strength.sum() / extent or np.sqrt((a**2).sum() / extent)
    matrix = scale * left @ right
    return matrix, fixed_centre - moved_centre @ matrix


def aligned(moved: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """`moved` (n, 2) aligned to `fixed` (n, 2), float32."""
    matrix, shift = similarity_transform(moved, fixed)
    return np.asarray(moved.astype(np.float64) @ matrix + shift, dtype=np.float32)


def disparity(one: np.ndarray, other: np.ndarray) -> float:
    """The Procrustes disparity of two maps (n, 2): the rest after alignment, from 0 (alike) to 1 (unrelated).

    Also of vectors (n, d) and (n, e): the smaller ones count as if they had further dimensions of zeros.
    """
    a, b = (each.astype(np.float64) - each.mean(axis=0) for each in (one, other))
    sizes = np.linalg.norm(a) * np.linalg.norm(b)
    if sizes == 0:
        return float(np.linalg.norm(a) != np.linalg.norm(b))
    return float(1 - (np.linalg.svd(b.T @ a, compute_uv=False).sum() / sizes) ** 2)
