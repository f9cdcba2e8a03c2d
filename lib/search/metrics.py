"""The registry of metrics, and the plain reference that every fast path must equal.

Everything else follows from a metric's entry in `METRICS`: exact search, scores, commands, pages and Milvus.

Invariants: of a distance the smaller value is closer, of a similarity the larger one (`higher_is_closer`). Where a
similarity is undefined (a zero vector, for `ncc` a constant vector) its value is 0, and the pair is no result. Equal
values rank by the lower row, and rows are sorted by image id. uint8 vectors are pixels in units of 1/255, so their
values run from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lib.errors import QueryError

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
# Stored vectors x (n, d) and a query q (d,) to values (n,).
Values = Callable[[Array, Array], Floats]
# The sums over the dimensions that `features` and `pixels` compute fast.
Kernel = Literal["absolute differences", "squared differences", "products", "centred products"]

PIXEL_SCALE = 255.0


@dataclass(frozen=True)
class Metric:
    """One metric between stored vectors x and a query q.

    `title` names it in a heading, `short` in a sentence; `formula` is LaTeX; `unit` is the unit of its values, and
    `note` says what is peculiar to it. `values` computes it: x (n, d) and q (d,), float64, to finite float64 (n,),
    each row's value from that row alone; pixels come divided by 255.

    `undefined` says which of the vectors x (n, d) have no value with any vector, (n,); without it, all have one.

    The other fields are for speed and precision. `pixel_values` computes it from pixels as int64 from 0 to 255, so that
    sums are exact. `terms` splits it by dimension: x (d,) and q (d,) to what each dimension adds (d,). `directions`
    splits it over whatever x and q are sums of: x (d,) and q (d,) to a (d,) and b (d,), so that a distance (of `l2`,
    its square) is a·x + b·q, and a similarity is a·x and is b·q, too. `kernel` names the sums from which exact search
    makes it fast; without one, exact search computes `values` block by block. `milvus` is the metric type of its Milvus
    index, and whether the stored vectors are centred; without it, candidates by cosine are ranked again by `values`.
    """

    name: str
    title: str
    short: str
    formula: str
    unit: str
    higher_is_closer: bool
    note: str
    values: Values
    pixel_values: Values | None = None
    terms: Callable[[Floats, Floats], Floats] | None = None
    directions: Callable[[Floats, Floats], tuple[Floats, Floats]] | None = None
    kernel: Kernel | None = None
    milvus: tuple[str, bool] | None = None
    undefined: Callable[[Array], npt.NDArray[np.bool_]] | None = None


METRICS: dict[str, Metric] = {}


def register(metric: Metric) -> None:
    """Add a metric; one of the same name is replaced."""
    METRICS[metric.name] = metric


def metric(name: str) -> Metric:
    """The metric called `name`. Raises QueryError that lists the metrics."""
    if name not in METRICS:
        raise QueryError(f"There is no metric {name!r}; choose one of {', '.join(METRICS)}.")
    return METRICS[name]


def reference(name: str, query: Array, gallery: Array) -> Floats:
    """The metric between one query (d,) and every row of a gallery (n, d), float64 (n,): obvious and slow.

    Both are float vectors, or both uint8 pixels. A row's value depends on that row alone, so equal rows get equal
    bits. Where the metric has `pixel_values`, pixels are summed as integers: their sums are exact, and so are ties.
    """
    chosen = metric(name)
    if gallery.dtype != np.uint8:
        return chosen.values(gallery.astype(np.float64), query.astype(np.float64))
    if chosen.pixel_values is not None:
        return chosen.pixel_values(gallery.astype(np.int64), query.astype(np.int64))
    return chosen.values(gallery / PIXEL_SCALE, query / PIXEL_SCALE)


def order(values: Array, name: str) -> npt.NDArray[np.int64]:
    """Row indices from the closest to the farthest; equal values keep the lower row first. `values` is (..., n)."""
    return np.argsort(-values if metric(name).higher_is_closer else values, axis=-1, kind="stable")


def centred(vectors: Array) -> Floats:
    """Float vectors (n, d), each less its own mean; a constant vector gives exact zeros."""
    x = vectors.astype(np.float64)
    # The rounded mean of equal numbers need not be that number, which would leave noise to be normalised.
    constant = x.max(axis=1, keepdims=True) == x.min(axis=1, keepdims=True)
    return np.where(constant, 0.0, x - x.mean(axis=1, keepdims=True))


def distance(name: str, total: Array, d: int, pixels: bool) -> Floats:
    """`l1` from summed absolute differences, `mse` and `l2` from summed squared differences, of d dimensions."""
    scale = PIXEL_SCALE if pixels else 1.0
    sums = total.astype(np.float64)
    if name == "l1":
        return sums / scale
    return sums / (d * scale**2) if name == "mse" else np.sqrt(sums) / scale


def similarity(dot: Array, x_squared: Array, q_squared: Array) -> Floats:
    """dot / sqrt(x² q²), 0 where that is undefined.

    One root of the product, not a product of roots: then a vector is exactly 1 with itself, because the root of a
    rounded square is the number again.
    """
    product = x_squared.astype(np.float64) * q_squared.astype(np.float64)
    quotient = np.divide(
        dot, np.sqrt(product), out=np.zeros(np.broadcast_shapes(dot.shape, product.shape)), where=product > 0
    )
    return np.clip(quotient, -1.0, 1.0)


def _absolute(x: Array, q: Array) -> Array:
    return np.asarray(np.abs(x - q).sum(axis=1))


def _squared(x: Array, q: Array) -> Array:
    return np.asarray(((x - q) ** 2).sum(axis=1))


def _distance(name: str, sums: Callable[[Array, Array], Array], *, pixels: bool) -> Values:
    return lambda x, q: distance(name, sums(x, q), x.shape[1], pixels)


def _cosine(x: Array, q: Array) -> Floats:
    return similarity((x * q).sum(axis=1), (x * x).sum(axis=1), (q * q).sum())


def _ncc(x: Array, q: Array) -> Floats:
    return _cosine(centred(x), centred(q[None])[0])


def _pixel_ncc(x: Array, q: Array) -> Floats:
    # d times the centred product: an integer, where the mean is not.
    d = x.shape[1]
    return similarity(
        d * (x * q).sum(axis=1) - x.sum(axis=1) * q.sum(),
        d * (x * x).sum(axis=1) - x.sum(axis=1) ** 2,
        d * (q * q).sum() - q.sum() ** 2,
    )


def _zero(x: Array) -> npt.NDArray[np.bool_]:
    return np.asarray(~x.any(axis=1))


def _constant(x: Array) -> npt.NDArray[np.bool_]:
    return np.asarray(x.max(axis=1) == x.min(axis=1))


def _cosine_terms(x: Floats, q: Floats) -> Floats:
    product = np.sqrt((q * q).sum() * (x * x).sum())
    return x * q / product if product > 0 else np.zeros(len(q))


def _cosine_directions(x: Floats, q: Floats) -> tuple[Floats, Floats]:
    product = np.sqrt((q * q).sum() * (x * x).sum())
    return (q / product, x / product) if product > 0 else (np.zeros(len(q)), np.zeros(len(q)))


def _ncc_directions(x: Floats, q: Floats) -> tuple[Floats, Floats]:
    # A centred vector sums to 0, so its product with x is that with x centred.
    return _cosine_directions(centred(x[None])[0], centred(q[None])[0])


def _opposite(direction: Floats) -> tuple[Floats, Floats]:
    return direction, -direction


register(
    Metric(
        name="mse",
        title="Mean squared error",
        short="MSE",
        formula=r"\frac{1}{d}\sum_{i=1}^{d}(x_i-q_i)^2",
        unit="squared value, mean over the dimensions",
        higher_is_closer=False,
        note="Always ranks like L2, of which it is a monotone function.",
        values=_distance("mse", _squared, pixels=False),
        pixel_values=_distance("mse", _squared, pixels=True),
        terms=lambda x, q: (x - q) ** 2 / len(q),
        directions=lambda x, q: _opposite((x - q) / len(q)),
        kernel="squared differences",
        milvus=("L2", False),
    )
)
register(
    Metric(
        name="l1",
        title="L1 distance",
        short="L1",
        formula=r"\sum_{i=1}^{d}\lvert x_i-q_i\rvert",
        unit="value, summed over the dimensions",
        higher_is_closer=False,
        note="Counts every difference in proportion, so a few large ones weigh less than in L2.",
        values=_distance("l1", _absolute, pixels=False),
        pixel_values=_distance("l1", _absolute, pixels=True),
        terms=lambda x, q: np.abs(x - q),
        directions=lambda x, q: _opposite(np.sign(x - q)),
        kernel="absolute differences",
    )
)
register(
    Metric(
        name="l2",
        title="L2 distance",
        short="L2",
        formula=r"\sqrt{\sum_{i=1}^{d}(x_i-q_i)^2}",
        unit="value, Euclidean length",
        higher_is_closer=False,
        note="Always ranks like MSE; on vectors of length 1 it also ranks like cosine.",
        values=_distance("l2", _squared, pixels=False),
        pixel_values=_distance("l2", _squared, pixels=True),
        terms=lambda x, q: (x - q) ** 2,  # of the square, since a root cannot be split into a sum
        directions=lambda x, q: _opposite(x - q),
        kernel="squared differences",
        milvus=("L2", False),
    )
)
register(
    Metric(
        name="cosine",
        title="Cosine similarity",
        short="cosine",
        formula=r"\frac{x\cdot q}{\lVert x\rVert\,\lVert q\rVert}",
        unit="from -1 to 1",
        higher_is_closer=True,
        note="Compares directions and ignores lengths; undefined where a vector is zero.",
        values=_cosine,
        pixel_values=_cosine,
        terms=_cosine_terms,
        directions=_cosine_directions,
        kernel="products",
        milvus=("COSINE", False),
        undefined=_zero,
    )
)
register(
    Metric(
        name="ncc",
        title="Normalised cross-correlation",
        short="NCC",
        formula=r"\frac{(x-\bar{x})\cdot(q-\bar{q})}{\lVert x-\bar{x}\rVert\,\lVert q-\bar{q}\rVert}",
        unit="from -1 to 1",
        higher_is_closer=True,
        note="Cosine after each vector's own mean is taken away, so it ignores brightness and contrast; "
        "undefined where a vector is constant.",
        values=_ncc,
        pixel_values=_pixel_ncc,
        terms=lambda x, q: _cosine_terms(centred(x[None])[0], centred(q[None])[0]),
        directions=_ncc_directions,
        kernel="centred products",
        milvus=("COSINE", True),
        undefined=_constant,
    )
)
