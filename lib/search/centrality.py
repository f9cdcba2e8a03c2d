"""A group of images as a whole: which of them is typical of it, and which are not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_BLOCK = 512


def closeness(vectors: np.ndarray, rows: np.ndarray) -> npt.NDArray[np.float64]:
    """Mean cosine of each image in `rows` to the others of them, (len(rows),); 0 for a single one.

    The highest is the group's medoid under cosine distance, the lowest are its outliers. `vectors` (n, d) are float32
    features or uint8 pixels, perhaps memory-mapped; of a zero vector every cosine is 0.
    """
    # The mean cosine to all others follows from one product with the sum of all unit vectors.
    total = np.zeros(vectors.shape[1])
    for start in range(0, len(rows), _BLOCK):
        total += _unit(vectors[rows[start : start + _BLOCK]]).sum(axis=0)
    found = np.zeros(len(rows))
    for start in range(0, len(rows), _BLOCK):
        block = _unit(vectors[rows[start : start + _BLOCK]])
        found[start : start + len(block)] = block @ total - np.einsum("ij,ij->i", block, block)
    return found / max(1, len(rows) - 1)


def _unit(vectors: np.ndarray) -> npt.NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(wide / np.where(lengths == 0, 1, lengths))
