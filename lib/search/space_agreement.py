"""How far two spaces agree about the same images: shared nearest neighbours, and what a rotation leaves over.

Linear CKA, the third measure, is in `cka`. All three are symmetric and do not change when a space is turned, mirrored,
or scaled.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lib import statistics
from lib.search.space_geometry import Estimate, has_spread

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


def procrustes_residual(x: np.ndarray, y: np.ndarray) -> Estimate | None:
    """What is left of `x` (n, d) after the best shift, rotation, reflection and scale onto `y` (n, e), 0 to 1.

    1 − (Σσ)² with σ the singular values of YᵀX, both centred and of Frobenius norm 1 (Schönemann 1966; as a distance of
    representations: Ding, Denain and Steinhardt, NeurIPS 2021). Where d and e differ, the smaller space is taken with
    zeros as further dimensions, which changes no distance in it. None where a space has one vector for all images.

    The interval is the jackknife's, to first order: without image i, Σσ falls by n / (n − 1) of yᵢᵀ U Vᵀ xᵢ, and the
    squared norms by as much of |xᵢ|² and |yᵢ|².
    """
    if not (has_spread(x) and has_spread(y)):
        return None
    a, b = (each.astype(np.float64) - each.mean(axis=0, dtype=np.float64) for each in (x, y))
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    left, singular, right = np.linalg.svd(b.T @ a, full_matrices=False)
    kept = singular > singular[0] * np.finfo(np.float64).eps * max(a.shape)
    part = ((b @ left[:, kept]) * (a @ right[kept].T)).sum(axis=1)
    share = len(a) / (len(a) - 1)
    sizes = (1 - share * (a**2).sum(axis=1)) * (1 - share * (b**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        without = 1 - (singular.sum() - share * part) ** 2 / sizes
    value = max(0.0, 1 - float(singular.sum()) ** 2)
    return Estimate(value, statistics.jackknife_interval(value, without, low=0.0, high=1.0))
