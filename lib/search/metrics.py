"""The five ways to say how alike two vectors are, and the plain reference that every fast path must equal.

Invariants: `mse`, `l1` and `l2` are distances (smaller = closer), `cosine` and `ncc` similarities (larger = closer);
where a similarity is undefined (a zero vector, for `ncc` a constant one) it is 0; equal values rank by lower row, and
rows are sorted by image id. uint8 vectors are pixels in units of 1/255, so that their values run from 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lib.errors import QueryError

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

PIXEL_SCALE = 255.0


@dataclass(frozen=True)
class Metric:
    """One metric; `short` is its name in a sentence, `formula` LaTeX over a stored vector x and a query q, `unit` what
    its value counts. `milvus` is the metric type of its index and whether the vectors are centred; None if Milvus does
    not have it, and cosine candidates are re-ranked with `reference`."""

    name: str
    title: str
    short: str
    formula: str
    unit: str
    higher_is_closer: bool
    note: str
    milvus: tuple[str, bool] | None


METRICS: dict[str, Metric] = {
    each.name: each
    for each in (
        Metric(
            "mse",
            "Mean squared error",
            "MSE",
            r"\frac{1}{d}\sum_{i=1}^{d}(x_i-q_i)^2",
            "squared value, mean over the dimensions",
            False,
            "Always ranks like L2, of which it is a monotone function.",
            ("L2", False),
        ),
        Metric(
            "l1",
            "L1 distance",
            "L1",
            r"\sum_{i=1}^{d}\lvert x_i-q_i\rvert",
            "value, summed over the dimensions",
            False,
            "Counts every difference in proportion, so a few large ones weigh less than in L2.",
            None,
        ),
        Metric(
            "l2",
            "L2 distance",
            "L2",
            r"\sqrt{\sum_{i=1}^{d}(x_i-q_i)^2}",
            "value, Euclidean length",
            False,
            "Always ranks like MSE; on vectors of length 1 it also ranks like cosine.",
            ("L2", False),
        ),
        Metric(
            "cosine",
            "Cosine similarity",
            "cosine",
            r"\frac{x\cdot q}{\lVert x\rVert\,\lVert q\rVert}",
            "from -1 to 1",
            True,
            "Compares directions and ignores lengths; 0 where a vector is zero.",
            ("COSINE", False),
        ),
        Metric(
            "ncc",
            "Normalised cross-correlation",
            "NCC",
            r"\frac{(x-\bar{x})\cdot(q-\bar{q})}{\lVert x-\bar{x}\rVert\,\lVert q-\bar{q}\rVert}",
            "from -1 to 1",
            True,
            "Cosine after each vector's own mean is taken away, so it ignores brightness and contrast; "
            "0 where a vector is constant.",
            ("COSINE", True),
        ),
    )
}


def metric(name: str) -> Metric:
    """The metric called `name`; QueryError names those that exist."""
    if name not in METRICS:
        raise QueryError(f"There is no metric {name!r}; choose one of {', '.join(METRICS)}.")
    return METRICS[name]


def reference(name: str, query: Array, gallery: Array) -> Floats:
    """The metric between one query (d,) and every row of a gallery (n, d), in float64: obvious and slow.

    Both are float vectors, or both uint8 pixels. A row's value depends on that row alone, so equal rows get equal
    bits. Pixels are summed as integers and scaled once at the end: their sums are exact, and so are their ties.
    """
    metric(name)
    pixels = gallery.dtype == np.uint8
    x, q = (each.astype(np.int64 if pixels else np.float64) for each in (gallery, query))
    d = gallery.shape[1]
    if name == "l1":
        return distance(name, np.abs(x - q).sum(axis=1), d, pixels)
    if name in {"mse", "l2"}:
        return distance(name, ((x - q) ** 2).sum(axis=1), d, pixels)
    if name == "cosine":
        return similarity((x * q).sum(axis=1), (x * x).sum(axis=1), (q * q).sum())
    if pixels:  # d times the centred product, which is an integer where the mean is not
        return similarity(
            d * (x * q).sum(axis=1) - x.sum(axis=1) * q.sum(),
            d * (x * x).sum(axis=1) - x.sum(axis=1) ** 2,
            d * (q * q).sum() - q.sum() ** 2,
        )
    return reference("cosine", centred(q[None])[0], centred(x))


def centred(vectors: Array) -> Floats:
    """Float vectors (n, d) less their own mean each; a constant vector gives exact zeros."""
    x = vectors.astype(np.float64)
    # The rounded mean of equal numbers need not be that number, which would leave noise to be normalised.
    constant = x.max(axis=1, keepdims=True) == x.min(axis=1, keepdims=True)
    return np.where(constant, 0.0, x - x.mean(axis=1, keepdims=True))


def distance(name: str, total: Array, d: int, pixels: bool) -> Floats:
    """`l1` from summed absolute differences, `mse` and `l2` from summed squares, of d dimensions."""
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


def order(values: Array, name: str) -> npt.NDArray[np.int64]:
    """Row indices from the closest to the farthest; equal values keep the lower row first. `values` is (..., n)."""
    return np.argsort(-values if metric(name).higher_is_closer else values, axis=-1, kind="stable")
