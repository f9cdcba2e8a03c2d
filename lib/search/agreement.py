"""Agreement of two rankings of the same images; None where it is undefined."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from lib.errors import QueryError
from lib.search.metrics import Array

REPEATED = "A ranked list may name each image only once."


def overlap(a_ids: Sequence[Hashable], b_ids: Sequence[Hashable]) -> float | None:
    """Shared results / k, where k is the length of the longer list; order is ignored. None if both are empty."""
    a, b = _distinct(a_ids), _distinct(b_ids)
    longest = max(len(a), len(b))
    return len(a & b) / longest if longest else None


def rbo(a: Sequence[Hashable], b: Sequence[Hashable], p: float = 0.9) -> float | None:
    """Extrapolated rank-biased overlap of two ranked lists without repeats, from 0 (disjoint) to 1 (identical).

    RBO_ext, equation 32 of Webber, Moffat and Zobel, "A similarity measure for indefinite rankings" (ACM TOIS 28:4,
    2010), which also takes lists of unequal length. `p` is the probability that a reader goes on to the next rank: with
    0.9 the first ten ranks hold about 86 % of the weight. Raises QueryError for p outside 0 to 1, and for a list with
    repeats.
    """
    if not 0 < p < 1:
        raise QueryError(f"The persistence p of rank-biased overlap must lie between 0 and 1, not {p}.")
    _distinct(a), _distinct(b)
    if not a and not b:
        return None
    if not a or not b:
        return 0.0
    if list(a) == list(b):  # exactly, not to the last digit of a sum
        return 1.0
    short, long = sorted((a, b), key=len)
    s, length = len(short), len(long)
    seen_short: set[Hashable] = set()
    seen_long: set[Hashable] = set()
    shared = [0]  # shared[d] = the number of results in both lists down to depth d
    for depth in range(length):
        seen_long.add(long[depth])
        new = int(long[depth] in seen_short)
        if depth < s:
            seen_short.add(short[depth])
            new += int(short[depth] in seen_long)
        shared.append(shared[-1] + new)
    total = sum(shared[d] / d * p**d for d in range(1, length + 1))
    total += sum(shared[s] * (d - s) / (s * d) * p**d for d in range(s + 1, length + 1))
    tail = ((shared[length] - shared[s]) / length + shared[s] / s) * p**length
    return min(1.0, (1 - p) / p * total + tail)


def kendall_tau(a_values: Array, b_values: Array, a_higher: bool, b_higher: bool) -> float | None:
    """Kendall's tau-b between two metrics' values (n,) of the same rows, both signed so that larger = closer.

    `a_higher` and `b_higher` are the metrics' `higher_is_closer`. None with fewer than two rows, or where one side
    gives every row the same value.
    """
    from scipy.stats import kendalltau

    a, b = np.asarray(a_values, dtype=np.float64), np.asarray(b_values, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise QueryError(f"Two rankings of the same rows are needed, not {a.shape} and {b.shape} values.")
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    tau = float(kendalltau(a if a_higher else -a, b if b_higher else -b, variant="b").statistic)
    return None if np.isnan(tau) else tau


def _distinct(ids: Sequence[Hashable]) -> set[Hashable]:
    distinct = set(ids)
    if len(distinct) != len(ids):
        raise QueryError(REPEATED)
    return distinct
