"""How far two spaces agree about the same images: shared nearest neighbours, and what a rotation leaves over.

Linear CKA, the third measure, is in `cka`. All three are symmetric and do not change when a space is turned, mirrored,
or scaled.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lib.embed import procrustes
from lib.search.space_geometry import has_spread

Floats = npt.NDArray[np.float64]
K = 10


def mutual_knn(a: np.ndarray, b: np.ndarray, k: int = K) -> Floats:
    """The share of each image's k nearest in one space that are among its k nearest in the other one, (n,).

    The mutual k-NN of Huh, Cheung, Wang and Isola, "The platonic representation hypothesis", ICML 2024. `a` and `b` are
    rows of nearest images, (n, depth) with -1 for none; an image with fewer than k in a space is measured at the
    smaller number of the two, and is NaN without any. Unrelated spaces share k / (n − 1) in expectation.
    """
    one, other = a[:, :k], b[:, :k]
    width = np.minimum((one >= 0).sum(axis=1), (other >= 0).sum(axis=1))
    place = np.arange(one.shape[1])
    one = np.where(place < width[:, None], one, -1)
    other = np.where(np.arange(other.shape[1]) < width[:, None], other, -2)
    shared = (one[:, :, None] == other[:, None, :]).any(axis=2).sum(axis=1)
    shares: Floats = np.divide(shared, width, out=np.full(len(a), np.nan), where=width > 0)
    return shares


def procrustes_residual(x: np.ndarray, y: np.ndarray) -> float | None:
    """What is left of `x` (n, d) after the best shift, rotation, reflection and scale onto `y` (n, e), 0 to 1.

    1 − (Σσ)² with σ the singular values of YᵀX, both centred and of Frobenius norm 1 (Schönemann 1966; as a distance of
    representations: Ding, Denain and Steinhardt, NeurIPS 2021). Where d and e differ, the smaller space is taken with
    zeros as further dimensions, which changes no distance in it. None where a space has one vector for all images.
    """
    return max(0.0, procrustes.disparity(x, y)) if has_spread(x) and has_spread(y) else None
