"""The worked example: four vectors and a query, small enough to check by hand, computed by the product's own search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lib.errors import QueryError
from lib.search import exact
from lib.search.metrics import METRICS, order

QUERY = (1.0, 1.0, 1.0)
VECTORS = {"A": (3.0, 2.0, 1.0), "B": (2.0, 4.0, 1.0), "C": (3.0, 1.0, 4.0), "D": (0.0, 2.0, 0.0)}


@dataclass(frozen=True)
class MetricResult:
    """One metric on the example: the value of each vector, and the vectors' names from the closest to the farthest."""

    metric: str
    values: dict[str, float]
    order: list[str]


def compute(
    vectors: Mapping[str, Sequence[float]] = VECTORS, query: Sequence[float] = QUERY
) -> dict[str, MetricResult]:
    """Every metric between `query` and the `vectors`. Raises QueryError unless all hold the same count of numbers."""
    try:
        rows = np.array(list(vectors.values()), dtype=np.float32)
        probe = np.array(query, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise QueryError("Every vector of the example needs the same count of numbers.") from error
    names = list(vectors)
    values = exact.values_by_metric(exact.gallery(rows), probe, list(METRICS))
    return {
        name: MetricResult(
            name,
            dict(zip(names, of_metric[0].tolist(), strict=True)),
            [names[row] for row in order(of_metric[0], name)],
        )
        for name, of_metric in values.items()
    }
