"""Whether a metric's value alone tells a photo of the same class from one of another: pairs of a query and an answer.

A *friend* is an answer of the query's class. A threshold lets in every pair that is at least as close; what it lets in
wrongly are false friends, what it keeps out wrongly are lost ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lib.search.metrics import Array, Floats, metric

# Thresholds that a histogram can tell apart, and pairs that are held in memory at most: beyond, every n-th query.
BINS = 240
MOST_PAIRS = 4_000_000

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Calibration:
    """Values of one metric between queries and answers, counted by `edges` (BINS + 1,) from the least to the largest.

    `same` and `different` (BINS,) count the pairs of one class and of two. `auc` is the chance that a friend is closer
    than a pair of two classes (ties half); None where one kind of pair is missing. `queries` is how many were asked.
    """

    metric: str
    edges: Floats
    same: Counts
    different: Counts
    auc: float | None
    queries: int

    @property
    def thresholds(self) -> range:
        """Which edges are thresholds, from the first that lets something in (or keeps something out)."""
        return range(BINS) if metric(self.metric).higher_is_closer else range(1, BINS + 1)

    def cost(self, edge: int) -> Cost:
        """What the threshold `edges[edge]` does, exactly; `edge` is one of `thresholds`."""
        closer = slice(edge, None) if metric(self.metric).higher_is_closer else slice(0, edge)
        return Cost(
            float(self.edges[edge]),
            int(self.same[closer].sum()),
            int(self.same.sum()),
            int(self.different[closer].sum()),
            int(self.different.sum()),
        )

    def best(self) -> int:
        """The edge with the most right decisions, of friends and of others each as a share (Youden's index)."""
        costs = [self.cost(edge) for edge in self.thresholds]
        gains = [(cost.recall or 0.0) - (cost.fall_out or 0.0) for cost in costs]
        return self.thresholds[int(np.argmax(gains))]


@dataclass(frozen=True)
class Cost:
    """A threshold and the pairs that it lets in: `friends` of all `friends_total`, `false_friends` of all."""

    threshold: float
    friends: int
    friends_total: int
    false_friends: int
    false_friends_total: int

    @property
    def recall(self) -> float | None:
        """Share of the friends that it lets in."""
        return self.friends / self.friends_total if self.friends_total else None

    @property
    def fall_out(self) -> float | None:
        """Share of the pairs of two classes that it lets in."""
        return self.false_friends / self.false_friends_total if self.false_friends_total else None

    @property
    def precision(self) -> float | None:
        """Share of friends among all that it lets in."""
        let_in = self.friends + self.false_friends
        return self.friends / let_in if let_in else None


class Collector:
    """Gathers the values that `evaluation.evaluate_metrics` lets it observe; `calibrations` are what they amount to."""

    def __init__(self, queries: int, gallery: int) -> None:
        self._every = max(1, -(-queries * gallery // MOST_PAIRS))
        self._values: dict[str, tuple[list[Floats], list[Floats]]] = {}
        self._queries: dict[str, int] = {}

    def observe(self, name: str, block: slice, values: Floats, relevant: Array, excluded: Array) -> None:
        """An `evaluation.Observer`."""
        taken = np.nonzero(np.arange(block.start, block.stop) % self._every == 0)[0]
        same, different = self._values.setdefault(name, ([], []))
        same.append(values[taken][relevant[taken] & ~excluded[taken]])
        different.append(values[taken][~relevant[taken] & ~excluded[taken]])
        self._queries[name] = self._queries.get(name, 0) + len(taken)

    def calibrations(self) -> dict[str, Calibration]:
        """One per metric, once all was observed."""
        return {
            name: calibrate(name, np.concatenate(same), np.concatenate(different), self._queries[name])
            for name, (same, different) in self._values.items()
        }


def calibrate(name: str, same: Floats, different: Floats, queries: int) -> Calibration:
    """The calibration of the values `same` (s,) of pairs of one class and `different` (t,) of pairs of two."""
    both = [each for each in (same, different) if len(each)]
    low = min((float(each.min()) for each in both), default=0.0)
    high = max((float(each.max()) for each in both), default=1.0)
    edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    return Calibration(
        name,
        edges,
        _counted(same, edges, name),
        _counted(different, edges, name),
        auc(same, different, metric(name).higher_is_closer),
        queries,
    )


def _counted(values: Floats, edges: Floats, name: str) -> Counts:
    """How many values lie in each bin; one on an edge belongs to the bin on the closer side of it, so that a threshold
    lets in what is at least as close as it."""
    side = "right" if metric(name).higher_is_closer else "left"
    places = np.searchsorted(edges, values, side=side) - 1  # type: ignore[call-overload]
    return np.bincount(np.clip(places, 0, len(edges) - 2), minlength=len(edges) - 1)


def auc(same: Floats, different: Floats, higher_is_closer: bool) -> float | None:
    """The area under the ROC curve, exactly: the Mann–Whitney U of all pairs of pairs over their number, ties half."""
    if not len(same) or not len(different):
        return None
    ordered = np.sort(different)
    wanted = np.sort(same)  # sorted look-ups stay in cache
    below = np.searchsorted(ordered, wanted, side="left").sum(dtype=np.int64)
    not_above = np.searchsorted(ordered, wanted, side="right").sum(dtype=np.int64)
    share = float(int(below) + int(not_above)) / 2 / (len(same) * len(different))
    return share if higher_is_closer else 1.0 - share
