"""Which classes mix in a space: the share of a class's nearest neighbours that are of another class.

Codes (n,) are class indices, row for row with the neighbours (n, depth), nearest first and -1 where there are fewer.
The neighbours of one photo are not independent of one another, so intervals draw photos anew, never neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.search.neighbourhoods import K, Rows
from lib.statistics import FEW, RESAMPLES, Floats, mean_intervals

# Photos × resamples of one interval: more photos are resampled less often, and their interval is narrow anyway.
_DRAWS, _FEWEST_RESAMPLES = 20_000_000, 200


@dataclass(frozen=True)
class MixedPair:
    """Of the k nearest of the photos of class `one`, the mean share that is of class `other`, with its 95 % interval.

    `n` photos of class `one` have neighbours; `back` is the share in the other direction, None where it has no photo.
    """

    one: int
    other: int
    share: float
    ci95: tuple[float, float]
    n: int
    back: float | None


def neighbour_shares(rows: Rows, codes: np.ndarray, label: int, k: int = K) -> Floats:
    """The share of each photo's `k` nearest that is of class `label`, (n,); NaN for a photo without neighbours."""
    near = rows[:, :k]
    valid = near >= 0
    with np.errstate(invalid="ignore"):
        return np.asarray(((codes[near] == label) & valid).sum(axis=1) / valid.sum(axis=1), dtype=np.float64)


def mixing_table(rows: Rows, codes: np.ndarray, classes: int, k: int = K) -> tuple[Floats, np.ndarray]:
    """For each pair of classes the mean share of a's `k` nearest that is of b, (classes, classes) with a as the row.

    Also how many photos of each class have neighbours, (classes,); a row without any is NaN.
    """
    near = rows[:, :k]
    valid = near >= 0
    widths = valid.sum(axis=1)
    has_neighbours = widths > 0
    sizes = np.bincount(codes[has_neighbours], minlength=classes)
    weights = valid / np.maximum(widths, 1)[:, None]
    cells = codes[:, None] * classes + np.where(valid, codes[near], 0)
    sums = np.bincount(cells.ravel(), weights.ravel(), classes * classes).reshape(classes, classes)
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums / sizes[:, None], sizes


def most_mixed(rows: Rows, codes: np.ndarray, classes: int, k: int = K) -> MixedPair | None:
    """The pair of different classes with the largest share; None where no photo has a neighbour of another class.

    A class of fewer than `FEW` photos counts only where every class is that small: a share over a handful of photos
    would win by chance.
    """
    table, sizes = mixing_table(rows, codes, classes, k)
    candidates = np.nan_to_num(table, nan=0.0)
    np.fill_diagonal(candidates, 0.0)
    if (sizes >= FEW).any():
        candidates[sizes < FEW] = 0.0
    if not candidates.any():
        return None
    one, other = (int(index) for index in np.unravel_index(candidates.argmax(), candidates.shape))
    shares = neighbour_shares(rows[codes == one], codes, other, k)
    shares = shares[~np.isnan(shares)]
    back = float(table[other, one])
    return MixedPair(one, other, float(shares.mean()), mean_ci95(shares), len(shares), None if np.isnan(back) else back)


def mean_ci95(values: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean of at least one share per photo, `values` (n,), over photos drawn anew."""
    resamples = int(np.clip(_DRAWS // len(values), _FEWEST_RESAMPLES, RESAMPLES))
    (interval,) = mean_intervals(values.astype(np.float64)[:, None], resamples=resamples)
    assert interval is not None
    return interval
