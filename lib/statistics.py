"""Confidence intervals and tests: Wilson's interval, the bootstrap, paired tests, Holm's correction.

The only intervals of shares and means in this project, and its only correction for many tests. An interval has width
zero for no sample: a sample without spread does not show that the next value is the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RESAMPLES = 2_000  # of an interval of a mean
TEST_RESAMPLES = 10_000  # of a paired test
FEW = 10  # below so many values their own spread says little: the interval is at least the floor of `_floor`
_CELLS = 2**21  # resamples × values held at a time: 16 MB of float64
_DIGITS = 12  # the last digits of a product of matrices depend on its other columns
METHOD = (
    f"Wilson for shares, else percentile bootstrap, {RESAMPLES} resamples, seed 0; at least Wilson's floor for fewer "
    f"than {FEW} queries and for equal scores"
)


def wilson(successes: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson 1927): of `n` trials, `successes` succeeded.

    `z` is the normal quantile, 1.96 for 95 %. Raises ValueError unless 0 ≤ successes ≤ n and n > 0.
    """
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"{successes} of {n} is not a share; give 0 ≤ successes ≤ n with n > 0")
    share = successes / n
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def median_interval(values: npt.ArrayLike) -> tuple[float, float] | None:
    """The 95 % interval of the median: two order statistics, whatever the distribution (Conover, Practical
    Nonparametric Statistics, section 3.2). None below six values, whose least and largest reach no 95 %."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    rank, below = 0, 0.5**n  # P(fewer than `rank + 1` values lie below the median)
    while below <= 0.025:
        rank += 1
        below += math.exp(math.lgamma(n + 1) - math.lgamma(rank + 1) - math.lgamma(n - rank + 1) - n * math.log(2))
    return (float(ordered[rank - 1]), float(ordered[n - rank])) if rank else None


def mean_interval(
    values: npt.ArrayLike, seed: int = 0, *, low: float = 0.0, high: float = 1.0
) -> tuple[float, float] | None:
    """The 95 % interval of the mean of the values that are not NaN, else None; see `mean_intervals`."""
    given = np.asarray(values, dtype=np.float64)
    return mean_intervals(given[~np.isnan(given)][:, None], seed, low=low, high=high)[0]


def mean_intervals(
    columns: Floats,
    seed: int = 0,
    *,
    weights: Floats | None = None,
    low: float = 0.0,
    high: float = 1.0,
    resamples: int = RESAMPLES,
) -> list[tuple[float, float] | None]:
    """95 % intervals of the means of `columns` (n, m), numbers from `low` to `high`; None for no rows.

    A column of zeros and ones is a share: Wilson's interval. Any other has the percentile bootstrap interval of its
    mean over rows drawn anew (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13). All columns share
    the same draws. With `weights` (n,) the means are weighted, and so are those of the resamples.

    The bootstrap knows only the spread that it sees. So a column of equal values has the interval of `_floor`, and one
    of fewer than `FEW` values reaches at least so far.
    """
    n = len(columns)
    if n == 0:
        return [None] * columns.shape[1]
    means = columns.mean(axis=0) if weights is None else weights @ columns / weights.sum()
    constant = columns.min(axis=0) == columns.max(axis=0)
    share = np.zeros(len(means), dtype=bool)
    if weights is None and (low, high) == (0.0, 1.0):
        share = ((columns == 0) | (columns == 1)).all(axis=0)
    drawn = np.flatnonzero(~constant & ~share)
    bounds = np.stack([means, means])
    bounds[:, drawn] = np.percentile(
        _resampled_means(columns[:, drawn], weights, seed, resamples), [2.5, 97.5], axis=0
    ).round(_DIGITS)
    intervals: list[tuple[float, float] | None] = []
    for column, (lower, upper) in enumerate(bounds.T):
        if share[column]:
            intervals.append(wilson(float(columns[:, column].sum()), n))
            continue
        if constant[column] or n < FEW:
            floor = _floor(float(means[column]), n, low, high)
            intervals.append((min(float(lower), floor[0]), max(float(upper), floor[1])))
        else:
            intervals.append((float(lower), float(upper)))
    return intervals


def _floor(mean: float, n: int, low: float, high: float) -> tuple[float, float]:
    """How far the mean may lie from that of `n` equal values.

    If none of n values differs, up to `wilson(0, n)[1]` of all values may, to 95 %; and these may be anything from
    `low` to `high`. At 0 and at 1 this is Wilson's interval itself.
    """
    unseen = wilson(0, n)[1]
    return mean - unseen * (mean - low), mean + unseen * (high - mean)


def _resampled_means(columns: Floats, weights: Floats | None, seed: int, resamples: int) -> Floats:
    """The means (resamples, m) of `columns` (n, m) over n rows drawn with replacement."""
    n = len(columns)
    generator = np.random.default_rng(seed)
    means = np.empty((resamples, columns.shape[1]))
    if not means.size:
        return means.reshape(resamples, -1)
    step = max(1, _CELLS // n)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        draws = generator.integers(0, n, (size, n)) + np.arange(size)[:, None] * n
        counts = np.bincount(draws.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)
        if weights is not None:
            counts *= weights
        means[start : start + size] = counts @ columns / counts.sum(axis=1, keepdims=True)
    return means


def jackknife_interval(
    value: float, without: Floats, *, low: float = -math.inf, high: float = math.inf
) -> tuple[float, float] | None:
    """The 95 % interval of a figure by the jackknife: `without` (n,) is the figure without each item in turn.

    Its variance errs upwards (Efron and Stein 1981). No item is repeated, as in a bootstrap, so figures of pairs and of
    neighbours can have it. None for fewer than `FEW` items, or where the figure is undefined without one of them.
    """
    n = len(without)
    if n < FEW or not np.isfinite(without).all():
        return None
    half = 1.96 * float(np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum()))
    return max(low, value - half), min(high, value + half)


@dataclass(frozen=True)
class PairedDifference:
    """Mean of a − b over the pairs for which both are defined, its 95 % interval, and the two-sided p value.

    `wins`, `losses` and `ties` count pairs (n together). All numbers are None, and `n` 0, where no pair has both.
    """

    n: int
    mean: float | None
    ci95: tuple[float, float] | None
    p: float | None
    wins: int
    losses: int
    ties: int


def paired_difference(a: npt.NDArray[Any], b: npt.NDArray[Any], seed: int = 0) -> PairedDifference:
    """The difference between `a` and `b` (n,), numbers from 0 to 1 for the same n items; NaN marks an undefined one.

    The interval is a paired percentile bootstrap, the p value a sign-flip permutation test (Fisher's randomisation
    test, for retrieval: Smucker, Allan and Carterette, CIKM 2007), both with 10,000 seeded resamples of the items. The
    smallest possible p value is 1/10,001. Raises ValueError for arrays of other shapes.
    """
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"{a.shape} and {b.shape} are not pairs; give two arrays of one length")
    apart = np.asarray(a - b, dtype=np.float64)[~(np.isnan(a) | np.isnan(b))]
    n = len(apart)
    if n == 0:
        return PairedDifference(0, None, None, None, 0, 0, 0)
    wins, losses = int((apart > 0).sum()), int((apart < 0).sum())
    (ci95,) = mean_intervals(apart[:, None], seed, low=-1.0, high=1.0, resamples=TEST_RESAMPLES)
    p = _sign_flip(apart, seed) if wins or losses else 1.0
    return PairedDifference(n, float(apart.mean()), ci95, p, wins, losses, n - wins - losses)


def _sign_flip(apart: Floats, seed: int) -> float:
    """Two-sided p value of the mean of the differences (n,) under random signs."""
    n, mean = len(apart), float(apart.mean())
    generator = np.random.default_rng(seed)
    flipped = np.empty(TEST_RESAMPLES)
    step = max(1, _CELLS // n)
    for start in range(0, TEST_RESAMPLES, step):
        size = len(flipped[start : start + step])
        signs = generator.integers(0, 2, (size, n), dtype=np.int8) * 2 - 1
        flipped[start : start + size] = signs @ apart / n
    # A rounding error must not decide whether a flip is as extreme as the observed mean.
    extreme = int((np.abs(flipped) >= abs(mean) * (1 - 1e-9)).sum())
    return (1 + extreme) / (1 + TEST_RESAMPLES)


def sign_test(heads: int, tails: int) -> float:
    """Two-sided p value of the binomial test that a fair coin gave `heads` and `tails`.

    A fair coin is symmetric, so the p value is one exact sum of integers. Importing scipy.stats for it would add a
    second to a page's first view.
    """
    tosses = heads + tails
    tail = sum(math.comb(tosses, i) for i in range(min(heads, tails) + 1))
    return min(1.0, 2 * tail / (1 << tosses))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjusted p values (Holm 1979), in the order of `p_values`.

    None marks a test that was not made: it stays None and does not count. Adjusted values below a level are
    significant together at that level.
    """
    ranked = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    running_max = 0.0
    for rank, (p, index) in enumerate(ranked):
        running_max = max(running_max, min(1.0, (len(ranked) - rank) * p))
        adjusted[index] = running_max
    return adjusted
