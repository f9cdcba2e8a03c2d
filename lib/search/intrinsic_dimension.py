"""The intrinsic dimension of a space by its two nearest neighbours: TwoNN (Facco et al. 2017).

Where images lie on a surface of d dimensions, the ratio μ = r₂ / r₁ of the distances to an image's second and first
neighbour has the distribution P(μ ≤ m) = 1 − m^−d, whatever the density. So −log(1 − F(μ)) against log μ is a line
through the origin, and its slope is d.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lib.search.neighbourhoods import Neighbourhoods

Floats = npt.NDArray[np.float64]

# The share of the largest ratios that the fit leaves out, as Facco et al. do: they come from outliers.
DISCARDED = 0.1
FEWEST = 10  # ratios of a fit
RESAMPLES = 500
# Distances below this cannot be told from 0 by cosines in float32, whose last digit is 6e-8: √(2 · 5e-7).
ZERO = 1e-3


@dataclass(frozen=True)
class IntrinsicDimension:
    """The slope of the fit and its 95 % interval (percentile bootstrap over the images); None where there is none.

    `images` is the number of ratios before the largest are left out. `zero` counts the images that are left out since
    their first neighbour lies at distance 0, `lone` those with fewer than two neighbours.
    """

    dimension: float | None
    ci95: tuple[float, float] | None
    images: int
    zero: int
    lone: int


def two_nn(distances: np.ndarray, *, discarded: float = DISCARDED, seed: int = 0) -> IntrinsicDimension:
    """TwoNN of the distances `distances` (n, 2) of each image to its first and second neighbour; NaN for none.

    An image at distance 0 (≤ `ZERO`) from its first neighbour has no ratio and is left out. Undefined for fewer than
    `FEWEST` ratios, or where all of them are 1.
    """
    wide = distances.astype(np.float64)
    known = np.isfinite(wide).all(axis=1)
    apart = wide[known]
    apart = apart[apart[:, 0] > ZERO]
    zero, lone = int(known.sum()) - len(apart), int((~known).sum())
    ratios = np.sort(apart[:, 1] / apart[:, 0])
    dimension = _slope(ratios, discarded)
    if dimension is None:
        return IntrinsicDimension(None, None, len(ratios), zero, lone)
    generator = np.random.default_rng(seed)
    drawn = [
        _slope(ratios[np.sort(generator.integers(0, len(ratios), len(ratios)))], discarded) for _ in range(RESAMPLES)
    ]
    slopes = [slope for slope in drawn if slope is not None]
    low, high = np.percentile(slopes, [2.5, 97.5])
    return IntrinsicDimension(dimension, (float(low), float(high)), len(ratios), zero, lone)


def _slope(ratios: Floats, discarded: float) -> float | None:
    """The slope for ascending ratios: least squares through the origin, over the ratios that are not discarded."""
    n = len(ratios)
    kept = min(int(n * (1 - discarded)), n - 1)  # the largest ratio has F = 1, whose logarithm is infinite
    if n < FEWEST:
        return None
    x = np.log(ratios[:kept])
    y = -np.log1p(-np.arange(1, kept + 1) / n)  # F(μ) = i / n for the i-th smallest ratio
    spread = float(x @ x)
    return float(x @ y) / spread if spread > 0 else None


def neighbour_distances(near: Neighbourhoods, pictures: np.ndarray) -> Floats:
    """The distances on the unit sphere of every picture to its two nearest other pictures, float64 (pictures, 2).

    From the stored cosines: |x − y| = √(2 − 2 cos). `pictures` (n,) are the same number for pixel-identical copies, of
    which the first stands for all. NaN where an image has no such neighbour.
    """
    _, first = np.unique(pictures, return_index=True)
    rows, cosines = near.rows["cosine"][first], near.values["cosine"][first].astype(np.float64)
    valid = rows >= 0
    codes = np.where(valid, pictures[rows], -1)
    found = np.full((len(first), 2), np.nan)
    if not rows.shape[1]:
        return found
    apart = np.sqrt(np.maximum(0, 2 - 2 * cosines))
    found[:, 0] = np.where(valid[:, 0], apart[:, 0], np.nan)
    other = valid & (codes != codes[:, :1])
    place = other.argmax(axis=1)
    found[:, 1] = np.where(other.any(axis=1), np.take_along_axis(apart, place[:, None], axis=1)[:, 0], np.nan)
    return found
