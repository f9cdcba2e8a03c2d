"""Why a metric gives two vectors its value: the contribution of each dimension, of lengths and of directions.

Vectors are (d,), both float features or both uint8 pixels in units of 1/255, as in `metrics`; all sums are float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.search.metrics import PIXEL_SCALE, Array, Floats, Metric, metric


@dataclass(frozen=True)
class Contributions:
    """`parts` (d,) sum to `total`, which is the metric's value, for `l2` the square of it."""

    name: str
    parts: Floats
    total: float

    @property
    def shares(self) -> Floats:
        """Each dimension's share of the summed absolute contributions, (d,): they sum to 1, or all are 0."""
        sizes = np.abs(self.parts)
        whole = sizes.sum()
        return np.asarray(sizes / whole if whole > 0 else sizes)

    @property
    def order(self) -> Array:
        """Dimensions from the largest share to the smallest; equal shares by number."""
        return np.argsort(-self.shares, kind="stable")

    @property
    def curve(self) -> Floats:
        """Summed share of the largest 1, 2, … d contributions, (d,)."""
        return np.asarray(np.cumsum(self.shares[self.order]))

    def holding(self, share: float) -> int:
        """The fewest dimensions whose shares sum to `share`; 0 where all contributions are 0."""
        curve = self.curve
        # Rounding may leave the last sum a little below 1.
        return int(np.searchsorted(curve, share * curve[-1] * (1 - 1e-12)) + 1) if curve[-1] > 0 else 0

    @property
    def effective(self) -> float:
        """Effective number of dimensions: 1 / sum of squared shares (the inverse of Simpson's index, or the
        participation ratio). d equal contributions give d."""
        squares = float((self.shares**2).sum())
        return 1 / squares if squares > 0 else 0.0


def contributions(name: str, query: Array, row: Array) -> Contributions:
    """What each dimension contributes to a metric between two vectors (d,): its `terms`; a metric without them has its
    value apportioned. Where a similarity is undefined every contribution is 0. Raises QueryError for an unknown
    metric."""
    chosen, q, x = metric(name), values(query), values(row)
    parts = chosen.terms(x, q) if chosen.terms is not None else _apportioned(chosen, x, q)
    return Contributions(name, parts, float(parts.sum()))


def _apportioned(metric: Metric, x: Floats, q: Floats) -> Floats:
    """The value in proportion to each dimension's |x - q| (of a similarity: |x·q|), or in equal parts if all are 0."""
    weights = np.abs(x * q if metric.higher_is_closer else x - q)
    total = weights.sum()
    shares = weights / total if total > 0 else np.full(len(q), 1 / len(q))
    return np.asarray(metric.values(x[None], q)[0] * shares)


@dataclass(frozen=True)
class Lengths:
    """The squared L2 distance of two vectors, split: `of_length` is the squared difference of their lengths,
    `of_direction` the rest, 2‖q‖‖x‖(1 - cosine), on which alone cosine depends."""

    query: float
    row: float
    of_length: float
    of_direction: float

    @property
    def squared(self) -> float:
        """The squared L2 distance."""
        return self.of_length + self.of_direction


def lengths(query: Array, row: Array) -> Lengths:
    """How much of the distance between two vectors (d,) is in their lengths and how much in their directions."""
    q, x = values(query), values(row)
    of_q, of_x = float(np.sqrt((q * q).sum())), float(np.sqrt((x * x).sum()))
    squared = float(((x - q) ** 2).sum())
    of_length = (of_x - of_q) ** 2
    return Lengths(of_q, of_x, of_length, max(0.0, squared - of_length))


def values(vector: Array) -> Floats:
    """A vector in the units of the metrics, float64: features as they are, pixels from 0 to 1."""
    return vector.astype(np.float64) / (PIXEL_SCALE if vector.dtype == np.uint8 else 1.0)
