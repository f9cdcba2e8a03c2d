"""Whether two searches differ significantly: paired tests over the same queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.errors import QueryError
from lib.search.blocks import CELLS
from lib.search.metrics import Floats
from lib.statistics import holm

__all__ = ["RESAMPLES", "Difference", "difference", "holm"]

RESAMPLES = 10_000


@dataclass(frozen=True)
class Difference:
    """Mean of a − b over the queries for which both are defined, its 95 % interval, and the two-sided p value.

    `wins`, `losses` and `ties` count queries. All numbers are None, and `queries` 0, where no query has both.
    """

    queries: int
    mean: float | None
    ci95: tuple[float, float] | None
    p: float | None
    wins: int
    losses: int
    ties: int


def difference(a: Floats, b: Floats, seed: int = 0) -> Difference:
    """The difference between scores `a` and `b` (q,) of the same queries; NaN marks an undefined score.

    The interval is a paired percentile bootstrap, the p value a sign-flip permutation test (Fisher's randomisation
    test, for retrieval: Smucker, Allan and Carterette, CIKM 2007), both with 10,000 seeded resamples of the queries.
    The smallest possible p value is 1/10,001. Raises QueryError for scores of different queries.
    """
    if a.shape != b.shape or a.ndim != 1:
        raise QueryError(f"A paired test needs two scores of the same queries, not {a.shape} and {b.shape}.")
    apart = (a - b)[~(np.isnan(a) | np.isnan(b))]
    n = len(apart)
    if n == 0:
        return Difference(0, None, None, None, 0, 0, 0)
    wins, losses = int((apart > 0).sum()), int((apart < 0).sum())
    mean = float(apart.mean())
    if wins == losses == 0:  # all resamples would be equal
        return Difference(n, 0.0, (0.0, 0.0), 1.0, 0, 0, n)
    generator = np.random.default_rng(seed)
    means, flipped = np.empty(RESAMPLES), np.empty(RESAMPLES)
    step = max(1, CELLS // n)
    for start in range(0, RESAMPLES, step):
        size = len(means[start : start + step])
        means[start : start + size] = apart[generator.integers(0, n, (size, n))].mean(axis=1)
        signs = generator.integers(0, 2, (size, n), dtype=np.int8) * 2 - 1
        flipped[start : start + size] = signs @ apart / n
    low, high = np.percentile(means, [2.5, 97.5])
    # A rounding error must not decide whether a flip is as extreme as the observed mean.
    extreme = int((np.abs(flipped) >= abs(mean) * (1 - 1e-9)).sum())
    return Difference(
        n, mean, (float(low), float(high)), (1 + extreme) / (1 + RESAMPLES), wins, losses, n - wins - losses
    )
