"""Confidence intervals and tests: Wilson's interval of a share, the exact sign test, Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Sequence


def wilson(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
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
