"""Linear centred kernel alignment (CKA): how alike two spaces lay out the same images (Kornblith et al. 2019).

Invariant: it is 1 for spaces that differ by a rotation, reflection, shift or common scale, and symmetric. Vectors are
(n, d) and (n, e), row for row of the same images; d and e may differ, and may exceed n. All sums are float64.

The formula of 2019 is biased: of few images in many dimensions, unrelated spaces look alike (two Gaussian clouds of
n = d images have a CKA of about 0.5). `unbiased_linear_cka` estimates each term without that bias.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lib import statistics
from lib.progress import Progress, no_progress

Floats = npt.NDArray[np.float64]


def linear_cka(x: np.ndarray, y: np.ndarray) -> float | None:
    """Linear CKA of `x` (n, d) and `y` (n, e): ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖), Frobenius norms of centred vectors, 0 to 1.

    Kornblith, Norouzi, Lee and Hinton, "Similarity of neural network representations revisited", ICML 2019. None where
    it is undefined: all images have the same vector in one of the spaces. Raises ValueError for other numbers of rows.
    """
    _check(x, y)
    a, b = _centred(x), _centred(y)
    if max(a.shape[1], b.shape[1]) > len(a):  # products over pairs of images are smaller than over pairs of dimensions
        k, l = a @ a.T, b @ b.T  # noqa: E741 - the paper's names
        cross, own, other = float((k * l).sum()), float(np.linalg.norm(k)), float(np.linalg.norm(l))
    else:
        cross = float(np.linalg.norm(b.T @ a) ** 2)
        own, other = float(np.linalg.norm(a.T @ a)), float(np.linalg.norm(b.T @ b))
    return None if own == 0 or other == 0 else min(1.0, cross / (own * other))


def unbiased_linear_cka(x: np.ndarray, y: np.ndarray) -> float | None:
    """Linear CKA of `x` (n, d) and `y` (n, e) with unbiased estimates of its three terms; about 0 for unrelated spaces.

    The terms are HSIC₁ (Song et al., "Feature selection via dependence maximization", JMLR 2012, equation 5), as in
    Nguyen, Raghu and Kornblith, ICLR 2021; the ratio may fall a little below 0. None for fewer than four images, or
    where a space has no spread to estimate. Raises ValueError for other numbers of rows.
    """
    _check(x, y)
    if len(x) < 4:
        return None
    k, l = _without_diagonal(x), _without_diagonal(y)  # noqa: E741 - the paper's names
    own, other = _hsic1(k, k), _hsic1(l, l)
    return None if own <= 0 or other <= 0 else _hsic1(k, l) / float(np.sqrt(own * other))


def linear_cka_interval(x: np.ndarray, y: np.ndarray) -> tuple[float, float] | None:
    """The 95 % interval of `linear_cka`, by the jackknife over the images; None where it is undefined."""
    value = linear_cka(x, y)
    if value is None:
        return None
    k, l = (each @ each.T for each in (_centred(x), _centred(y)))  # noqa: E741 - the paper's names
    n = len(x) - 1

    def centred_products(one: Floats, other: Floats) -> Floats:
        products, rows, sums, other_sums = _without_each(one, other)
        return np.asarray(products - 2 / n * rows + sums * other_sums / n**2)

    with np.errstate(invalid="ignore", divide="ignore"):
        without = centred_products(k, l) / np.sqrt(centred_products(k, k) * centred_products(l, l))
    return statistics.jackknife_interval(value, without, low=0.0, high=1.0)


def unbiased_linear_cka_interval(x: np.ndarray, y: np.ndarray) -> tuple[float, float] | None:
    """The 95 % interval of `unbiased_linear_cka`, by the jackknife over the images; None where it is undefined.

    HSIC₁ is a U-statistic, for functions of which the jackknife holds (Arvesen 1969).
    """
    low, high = unbiased_linear_cka_table([x, y])[1][0, 1]
    return None if np.isnan(low) else (float(low), float(high))


def unbiased_linear_cka_table(spaces: Sequence[np.ndarray], progress: Progress = no_progress) -> tuple[Floats, Floats]:
    """`unbiased_linear_cka` of every two of m spaces, (m, m), and its intervals, (m, m, 2); NaN where undefined.

    `progress` receives (spaces done, spaces). Raises ValueError for other numbers of rows.
    """
    for each in spaces[1:]:
        _check(spaces[0], each)
    values, bounds = np.full((len(spaces), len(spaces)), np.nan), np.full((len(spaces), len(spaces), 2), np.nan)
    if not len(spaces) or len(spaces[0]) < 5:
        return values, bounds
    tables = [_without_diagonal(each) for each in spaces]
    own = [(_hsic1(table, table), _hsic1_without_each(table, table)) for table in tables]
    for i, table in enumerate(tables):
        for j, other in enumerate(tables[: i + 1]):
            if own[i][0] <= 0 or own[j][0] <= 0:
                continue
            value = _hsic1(table, other) / float(np.sqrt(own[i][0] * own[j][0]))
            with np.errstate(invalid="ignore", divide="ignore"):
                without = _hsic1_without_each(table, other) / np.sqrt(own[i][1] * own[j][1])
            interval = statistics.jackknife_interval(value, without, low=-1.0, high=1.0)
            values[i, j] = values[j, i] = value
            bounds[i, j] = bounds[j, i] = (np.nan, np.nan) if interval is None else interval
        progress(i + 1, len(tables))
    return values, bounds


def _hsic1_without_each(k: Floats, l: Floats) -> Floats:  # noqa: E741 - the paper's names
    """`_hsic1` without each image in turn, (n,)."""
    n = len(k) - 1
    products, rows, sums, other_sums = _without_each(k, l)
    total = products + sums * other_sums / ((n - 1) * (n - 2)) - 2 * rows / (n - 2)
    return np.asarray(total / (n * (n - 3)))


def _without_each(k: Floats, l: Floats) -> tuple[Floats, Floats, Floats, Floats]:  # noqa: E741 - the paper's names
    """Of symmetric tables (n, n) without row and column i, for each i, (n,) each: the sum of their products, the sum
    of the products of their row sums, and the sum of each. O(n²) for all of them together."""
    products = k * l
    own, other = k.diagonal(), l.diagonal()
    sums, other_sums, rows = k.sum(axis=1), l.sum(axis=1), products.sum(axis=1)
    return (
        products.sum() - 2 * rows + own * other,
        sums @ other_sums
        - sums * other_sums
        - (l @ sums - sums * other)
        - (k @ other_sums - own * other_sums)
        + (rows - own * other),
        sums.sum() - 2 * sums + own,
        other_sums.sum() - 2 * other_sums + other,
    )


def _hsic1(k: Floats, l: Floats) -> float:  # noqa: E741 - the paper's names
    n = len(k)
    rows_k, rows_l = k.sum(axis=1), l.sum(axis=1)
    total = (
        float((k * l).sum())
        + float(rows_k.sum() * rows_l.sum()) / ((n - 1) * (n - 2))
        - 2 * float(rows_k @ rows_l) / (n - 2)
    )
    return total / (n * (n - 3))


def _without_diagonal(x: np.ndarray) -> Floats:
    centred = _centred(x)  # changes nothing in exact arithmetic, and keeps the sums small
    gram: Floats = centred @ centred.T
    np.fill_diagonal(gram, 0)
    return gram


def _centred(x: np.ndarray) -> Floats:
    """The vectors less the mean image, scaled so that the largest number is 1: products cannot overflow then.

    A space whose spread is rounding error has none.
    """
    wide = x.astype(np.float64)
    rest: Floats = wide - wide.mean(axis=0)
    size = float(np.abs(rest).max(initial=0))
    if size <= 64 * np.finfo(np.float64).eps * float(np.abs(wide).max(initial=0)):
        return np.zeros_like(rest)
    return rest / size


def _check(x: np.ndarray, y: np.ndarray) -> None:
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise ValueError(f"{x.shape} and {y.shape} are not vectors of the same images; give (n, d) and (n, e)")
