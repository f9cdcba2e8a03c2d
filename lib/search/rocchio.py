"""A query moved by relevance feedback (Rocchio 1971): towards photos marked right, away from those marked wrong.

    q' = alpha · q + beta · mean(right) − gamma · mean(wrong)

Invariants: a term without marks is left out, so a query without any marks stays where it is. Which vectors are summed
follows from the metric, so that the moved query ranks as the same sum of values would:

- similarities that rank by products (cosine, NCC): vectors of length 1 (for NCC less their own mean first), as in
  Rocchio's own experiments. Then q' ranks as alpha · s(x, q) + beta · mean s(x, right) − gamma · mean s(x, wrong).
  Only its direction matters; it gets the query's own length and mean.
- distances: the vectors as they are, and the sum divided by the total of its weights, so that q' is a point among
  them. Then squared L2 and MSE rank as the same weighted sum of the squared distances. L1 ranks by the same point,
  which for L1 is no such sum: a mean minimises squared differences only.

Negative features stay, where text retrieval sets them to 0. Pixels are rounded and cut off to 0 … 255: the moved query
is a picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lib.errors import QueryError
from lib.search.gallery import unit_vectors
from lib.search.metrics import Array, Floats, metric


@dataclass(frozen=True)
class Weights:
    """The weights of the query, of the photos marked right and of those marked wrong, 0 or more.

    The defaults are those of Manning, Raghavan and Schütze (Introduction to Information Retrieval, 2008, § 9.1.1).
    Raises QueryError for a negative or infinite weight.
    """

    alpha: float = 1.0
    beta: float = 0.75
    gamma: float = 0.15

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value < math.inf:
                raise QueryError(f"A weight of a moved query is 0 or more (got {name} = {value}).")


USUAL = Weights()


def moved(name: str, query: Array, right: Array, wrong: Array, weights: Weights = USUAL) -> Array:
    """The moved query (d,) for the metric `name`, of the type of `query` (d,), float32 features or uint8 pixels.

    `right` (r, d) and `wrong` (w, d) are the vectors of the marked photos; either may be empty. Raises QueryError where
    the weights leave no point: a distance whose weights do not add up to more than 0.
    """
    terms = [(weights.alpha, query[None]), (weights.beta, right), (-weights.gamma, wrong)]
    used = [(weight, vectors) for weight, vectors in terms if len(vectors)]
    if len(used) == 1:
        return query
    kernel = metric(name).kernel
    if kernel in ("products", "centred products"):
        point = _direction(used, query, centre=kernel == "centred products")
    else:
        total = sum(weight for weight, _ in used)
        if total <= 0:
            raise QueryError(
                f"{metric(name).title} needs a query whose weights add up to more than 0, and these add up to "
                f"{total:g}: lower gamma, or raise alpha or beta."
            )
        point = sum((weight * _mean(vectors) for weight, vectors in used), np.zeros(len(query))) / total
    if query.dtype == np.uint8:
        return np.clip(np.rint(point), 0, 255).astype(np.uint8)
    return point.astype(query.dtype)


def _direction(terms: list[tuple[float, Array]], query: Array, *, centre: bool) -> Floats:
    """The weighted sum of directions, (d,), with the length of `query` and, with `centre`, its mean."""
    summed = sum(
        (weight * unit_vectors(vectors, centre).mean(axis=0) for weight, vectors in terms), np.zeros(len(query))
    )
    own = query.astype(np.float64)
    mean = own.mean() if centre else 0.0
    length, reached = float(np.linalg.norm(own - mean)), float(np.linalg.norm(summed))
    scaled: Floats = summed * (length / reached if length > 0 and reached > 0 else 1.0) + mean
    return scaled


def _mean(vectors: Array) -> Floats:
    mean: Floats = vectors.mean(axis=0, dtype=np.float64)
    return mean
