"""How central each image of a group is: medoids and outliers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_BLOCK = 512


def mean_cosines(vectors: np.ndarray, rows: np.ndarray) -> npt.NDArray[np.float64]:
    """Mean cosine of each image in `rows` to the other images in `rows`, (len(rows),); 0 for a single image.

    The image with the highest mean is the group's medoid under cosine distance; the lowest are its outliers.
    `vectors` (n, d) are float32 features or uint8 pixels, perhaps memory-mapped; every cosine of a zero vector is 0.
    """
    # One product with the sum of all unit vectors gives each row's summed cosines.
    total = np.zeros(vectors.shape[1])
    for start in range(0, len(rows), _BLOCK):
        total += _unit(vectors[rows[start : start + _BLOCK]]).sum(axis=0)
    sums = np.zeros(len(rows))
    for start in range(0, len(rows), _BLOCK):
        block = _unit(vectors[rows[start : start + _BLOCK]])
        sums[start : start + len(block)] = block @ total - np.einsum("ij,ij->i", block, block)
    return sums / max(1, len(rows) - 1)


def _unit(vectors: np.ndarray) -> npt.NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(wide / np.where(lengths == 0, 1, lengths))
