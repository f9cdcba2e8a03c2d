"""Whether a threshold on a metric's value separates pairs of one class from pairs of two: counts, ROC, AUC.

A pair is a query and a gallery image. It is positive if both are of one class. A threshold accepts every pair that is
at least as close.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lib.search.metrics import Array, Floats, metric

# Bins of a histogram, and so thresholds; and pairs in memory at most: beyond, only every n-th query is used.
BINS = 240
MOST_PAIRS = 4_000_000

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Calibration:
    """Values of one metric between queries and answers, counted by `edges` (BINS + 1,) from the least to the largest.

    `same` and `different` (BINS,) count the pairs of one class and of two. `auc` is the probability that a pair of one
    class is closer than a pair of two (ties half); None where one kind of pair is missing. `queries` is their number.
    """

    metric: str
    edges: Floats
    same: Counts
    different: Counts
    auc: float | None
    queries: int

    @property
    def thresholds(self) -> range:
        """The edges that are thresholds: all but the one that would accept no bin."""
        return range(BINS) if metric(self.metric).higher_is_closer else range(1, BINS + 1)

    def cost(self, edge: int) -> ThresholdCounts:
        """The exact counts at the threshold `edges[edge]`; `edge` is one of `thresholds`."""
        closer = slice(edge, None) if metric(self.metric).higher_is_closer else slice(0, edge)
        return ThresholdCounts(
            float(self.edges[edge]),
            int(self.same[closer].sum()),
            int(self.same.sum()),
            int(self.different[closer].sum()),
            int(self.different.sum()),
        )

    def best(self) -> int:
        """The edge that maximises Youden's J: recall less fall-out."""
        costs = [self.cost(edge) for edge in self.thresholds]
        youden = [(cost.recall or 0.0) - (cost.fall_out or 0.0) for cost in costs]
        return self.thresholds[int(np.argmax(youden))]


@dataclass(frozen=True)
class ThresholdCounts:
    """A threshold and the pairs that it accepts: true positives out of all positives, false positives out of all
    negatives."""

    threshold: float
    true_positives: int
    positives: int
    false_positives: int
    negatives: int

    @property
    def recall(self) -> float | None:
        """Share of the positive pairs that it accepts."""
        return self.true_positives / self.positives if self.positives else None

    @property
    def fall_out(self) -> float | None:
        """Share of the negative pairs that it accepts."""
        return self.false_positives / self.negatives if self.negatives else None

    @property
    def precision(self) -> float | None:
        """Share of positive pairs among those that it accepts."""
        accepted = self.true_positives + self.false_positives
        return self.true_positives / accepted if accepted else None


class Collector:
    """Collects the values of `evaluation.evaluate_metrics`, of which it makes `calibrations`."""

    def __init__(self, queries: int, gallery: int) -> None:
        self._every = max(1, -(-queries * gallery // MOST_PAIRS))
        self._values: dict[str, tuple[list[Floats], list[Floats]]] = {}
        self._queries: dict[str, int] = {}

    def observe(self, name: str, block: slice, values: Floats, relevant: Array, excluded: Array) -> None:
        """An `evaluation.Observer`."""
        sampled = np.nonzero(np.arange(block.start, block.stop) % self._every == 0)[0]
        same, different = self._values.setdefault(name, ([], []))
        same.append(values[sampled][relevant[sampled] & ~excluded[sampled]])
        different.append(values[sampled][~relevant[sampled] & ~excluded[sampled]])
        self._queries[name] = self._queries.get(name, 0) + len(sampled)

    def calibrations(self) -> dict[str, Calibration]:
        """A calibration for each observed metric."""
        return {
            name: calibrate(name, np.concatenate(same), np.concatenate(different), self._queries[name])
            for name, (same, different) in self._values.items()
        }


def calibrate(name: str, same: Floats, different: Floats, queries: int) -> Calibration:
    """The calibration of the values `same` (s,) of pairs of one class and `different` (t,) of pairs of two."""
    parts = [values for values in (same, different) if len(values)]
    low = min((float(values.min()) for values in parts), default=0.0)
    high = max((float(values.max()) for values in parts), default=1.0)
    edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    return Calibration(
        name,
        edges,
        _histogram(same, edges, name),
        _histogram(different, edges, name),
        auc(same, different, metric(name).higher_is_closer),
        queries,
    )


def _histogram(values: Floats, edges: Floats, name: str) -> Counts:
    """Counts of the values in each bin. A value on an edge belongs to the bin on its closer side, so that a threshold
    accepts values equal to it."""
    side = "right" if metric(name).higher_is_closer else "left"
    bins = np.searchsorted(edges, values, side=side) - 1  # type: ignore[call-overload]
    return np.bincount(np.clip(bins, 0, len(edges) - 2), minlength=len(edges) - 1)


def auc(same: Floats, different: Floats, higher_is_closer: bool) -> float | None:
    """The exact area under the ROC curve: the Mann–Whitney U over |same| · |different|, ties half. None where either is
    empty."""
    if not len(same) or not len(different):
        return None
    ordered = np.sort(different)
    lookups = np.sort(same)  # sorted look-ups stay in cache
    below = np.searchsorted(ordered, lookups, side="left").sum(dtype=np.int64)
    not_above = np.searchsorted(ordered, lookups, side="right").sum(dtype=np.int64)
    share = float(int(below) + int(not_above)) / 2 / (len(same) * len(different))
    return share if higher_is_closer else 1.0 - share
