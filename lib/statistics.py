"""How sure a share is, and a difference between two: an interval, an exact test, and what many tests need."""

from __future__ import annotations

import math
from collections.abc import Sequence


def wilson(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson 1927): of `n` trials, `successes` succeeded.

    Raises ValueError unless 0 ≤ successes ≤ n and n > 0.
    """
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"{successes} of {n} is no share")
    share = successes / n
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def sign_test(a: int, b: int) -> float:
    """Two-sided binomial test that `a` and `b` are heads and tails of a fair coin.

    One exact sum of integers, since a fair coin is symmetric; scipy.stats would add a second to a page's first view.
    """
    tosses = a + b
    tail = sum(math.comb(tosses, i) for i in range(min(a, b) + 1))
    return min(1.0, 2 * tail / (1 << tosses))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p values (Holm 1979): those below a level are significant together at that level."""
    adjusted, highest = [0.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = highest
    return adjusted
