"""Why two vectors are as near as a metric says: what each dimension contributes, and what lengths and directions do.

Vectors are (d,), both float features or both uint8 pixels in units of 1/255, as in `metrics`; all sums are float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.search.metrics import PIXEL_SCALE, Array, Floats, centred, metric


@dataclass(frozen=True)
class Contributions:
    """`parts` (d,) sum to `total`, which is the metric's value, for `l2` the square of it."""

    name: str
    parts: Floats
    total: float

    @property
    def shares(self) -> Floats:
        """Each dimension's share of all that is summed, signs left out, (d,): they sum to 1, or are 0."""
        sizes = np.abs(self.parts)
        whole = sizes.sum()
        return np.asarray(sizes / whole if whole > 0 else sizes)

    @property
    def order(self) -> Array:
        """Dimensions from the largest share to the smallest; equal ones by number."""
        return np.argsort(-self.shares, kind="stable")

    @property
    def curve(self) -> Floats:
        """The share that the largest 1, 2, … d contributions have together, (d,)."""
        return np.asarray(np.cumsum(self.shares[self.order]))

    def holding(self, share: float) -> int:
        """How few dimensions hold this share together; 0 where there is nothing to share."""
        curve = self.curve
        # Rounding may leave the last sum a little below 1.
        return int(np.searchsorted(curve, share * curve[-1] * (1 - 1e-12)) + 1) if curve[-1] > 0 else 0

    @property
    def effective(self) -> float:
        """How many equal contributions would be as concentrated: 1 / sum of squared shares (the inverse of Simpson's
        index, the participation ratio of physics)."""
        squares = float((self.shares**2).sum())
        return 1 / squares if squares > 0 else 0.0


def contributions(name: str, query: Array, row: Array) -> Contributions:
    """What each dimension contributes to a metric between two vectors (d,). A zero or constant vector contributes 0 to
    a similarity. Raises QueryError for an unknown metric."""
    metric(name)
    q, x = _values(query), _values(row)
    if name == "l1":
        parts = np.abs(x - q)
    elif name in {"mse", "l2"}:
        parts = (x - q) ** 2 / (len(q) if name == "mse" else 1)
    else:
        if name == "ncc":
            q, x = centred(q[None])[0], centred(x[None])[0]
        product = np.sqrt((q * q).sum() * (x * x).sum())
        parts = x * q / product if product > 0 else np.zeros(len(q))
    return Contributions(name, parts, float(parts.sum()))


@dataclass(frozen=True)
class Lengths:
    """The squared L2 distance of two vectors, split: `of_length` is the squared difference of their lengths, and
    `of_direction` what remains, 2‖q‖‖x‖(1 - cosine), which is all that cosine sees."""

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
    q, x = _values(query), _values(row)
    of_q, of_x = float(np.sqrt((q * q).sum())), float(np.sqrt((x * x).sum()))
    squared = float(((x - q) ** 2).sum())
    of_length = (of_x - of_q) ** 2
    return Lengths(of_q, of_x, of_length, max(0.0, squared - of_length))


def _values(vector: Array) -> Floats:
    return vector.astype(np.float64) / (PIXEL_SCALE if vector.dtype == np.uint8 else 1.0)
