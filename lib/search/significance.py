"""Whether two searches differ significantly: paired tests over the same queries."""

from __future__ import annotations

from lib.errors import QueryError
from lib.search.metrics import Floats
from lib.statistics import TEST_RESAMPLES as RESAMPLES
from lib.statistics import PairedDifference as Difference
from lib.statistics import holm, paired_difference

__all__ = ["LEVEL", "RESAMPLES", "Difference", "difference", "holm", "winner"]
LEVEL = 0.05


def difference(a: Floats, b: Floats, seed: int = 0) -> Difference:
    """The difference between scores `a` and `b` (q,) of the same queries: see `statistics.paired_difference`.

    Raises QueryError for scores of different queries.
    """
    if a.shape != b.shape or a.ndim != 1:
        raise QueryError(f"A paired test needs two scores of the same queries, not {a.shape} and {b.shape}.")
    return paired_difference(a, b, seed)


def winner(mean: float | None, p: float | None, names: tuple[str, str]) -> str:
    """The second of `names` where the `mean` difference, second − first, is positive, else the first.

    "" where the difference is none, or not beyond chance: `p` (None for no test) is not below `LEVEL`.
    """
    if p is None or p >= LEVEL or not mean:
        return ""
    return names[1] if mean > 0 else names[0]
