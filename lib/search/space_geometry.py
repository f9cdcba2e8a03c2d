"""How the images of a sample lie in one space: effective rank, anisotropy, alignment, uniformity, silhouette, hubness.

Invariant: everything is float64, and nothing depends on the order of the images. `vectors` are (n, d), one row for each
image of the sample; a `gram` is (n, n), the cosines of all pairs, with 1 on its diagonal. An undefined figure is None.

An interval is what another sample of as many images would give, to 95 %. It is the jackknife's: pairs that share an
image depend on each other, and a bootstrap would repeat images, which are then each other's nearest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lib import statistics

Floats = npt.NDArray[np.float64]

CORRELATED = 0.9  # the absolute correlation from which a dimension repeats another one
_COLUMNS = 256  # dimensions compared with all others at a time


@dataclass(frozen=True)
class Estimate:
    """A figure, and its 95 % interval where it has one."""

    value: float
    ci95: tuple[float, float] | None = None


def isometric(vectors: np.ndarray) -> Floats:
    """Vectors (n, at most n) with the inner products of `vectors` (n, d): a rotation, so no figure here changes.

    Pixels have 49,152 dimensions, and 1,000 of them span no more than 1,000.
    """
    wide = vectors.astype(np.float64)
    n, d = wide.shape
    if d <= n:
        return wide
    gram = wide @ wide.T
    try:
        return np.asarray(np.linalg.cholesky(gram))
    except np.linalg.LinAlgError:  # images that depend on one another
        spectrum, axes = np.linalg.eigh(gram)
        return np.asarray(axes * np.sqrt(np.maximum(spectrum, 0)))


def cosines(vectors: np.ndarray) -> Floats:
    """The cosines of all pairs, (n, n), for vectors of which none is zero."""
    wide = vectors.astype(np.float64)
    unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    gram: Floats = unit @ unit.T
    np.clip(gram, -1, 1, out=gram)
    np.fill_diagonal(gram, 1)
    return gram


def has_spread(vectors: np.ndarray) -> bool:
    """Whether the vectors (n, d) differ by more than rounding errors."""
    wide = vectors.astype(np.float64)
    spread = float(np.abs(wide - wide.mean(axis=0)).max(initial=0))
    return bool(spread > 64 * np.finfo(np.float64).eps * float(np.abs(wide).max(initial=0)))


def effective_rank(vectors: np.ndarray) -> Estimate | None:
    """exp(H(p)) with p the singular values of the centred vectors, divided by their sum, and H Shannon's entropy.

    Roy and Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007. At most n − 1 and d;
    None where all vectors are equal. Without image i, a singular value σ is to first order σ √(1 − n uᵢ² / (n − 1)),
    with u its left singular vector; the interval is of these.
    """
    if not has_spread(vectors):
        return None
    rest = vectors.astype(np.float64)
    rest -= rest.mean(axis=0)
    rest /= np.abs(rest).max()
    n, d = rest.shape
    spectrum, axes = np.linalg.eigh(rest.T @ rest if d <= n else rest @ rest.T)
    # Eigenvalues that are rounding error would count with their square roots.
    kept = spectrum > spectrum[-1] * np.finfo(np.float64).eps * max(rest.shape)
    singular, axes = np.sqrt(spectrum[kept]), axes[:, kept]
    left = rest @ axes / singular if d <= n else axes
    without = singular * np.sqrt(np.maximum(0, 1 - n / (n - 1) * left**2))
    value = float(_ranks(singular[None])[0])
    return Estimate(value, statistics.jackknife_interval(value, _ranks(without), low=1.0))


def _ranks(singular: Floats) -> Floats:
    """The effective rank of each row of singular values (m, r), (m,)."""
    p = singular / singular.sum(axis=1, keepdims=True)
    return np.asarray(np.exp(-(p * np.log(np.where(p > 0, p, 1))).sum(axis=1)))


def mean_cosine(gram: Floats) -> Estimate | None:
    """The mean cosine of two different images: 0 for directions without a preference, 1 for a single one.

    The anisotropy of Ethayarajh, "How contextual are contextualized word representations?", EMNLP 2019.
    """
    n = len(gram)
    return None if n < 2 else _pair_mean(gram, _others(n))


def alignment(gram: Floats, codes: np.ndarray) -> Estimate | None:
    """The mean squared distance on the unit sphere of two images of one class, 0 to 4; smaller is tighter.

    Wang and Isola, "Understanding contrastive representation learning through alignment and uniformity on the
    hypersphere", ICML 2020, with α = 2. Their positives are two views of one image; here, two images of one class.
    """
    return _pair_mean(2 - 2 * gram, (codes[:, None] == codes) & _others(len(gram)))


def uniformity(gram: Floats) -> Estimate | None:
    """log of the mean of exp(−2 |x − y|²) over pairs on the unit sphere, −8 to 0; smaller is more evenly spread.

    Wang and Isola 2020, with t = 2.
    """
    n = len(gram)
    mean = None if n < 2 else _pair_mean(np.exp(4 * gram - 4), _others(n))
    if mean is None:
        return None
    # The interval of the mean has the same width, relatively, as that of its logarithm has absolutely.
    half = 0.0 if mean.ci95 is None else (mean.ci95[1] - mean.ci95[0]) / 2 / mean.value
    value = float(np.log(mean.value))
    return Estimate(value, None if mean.ci95 is None else (value - half, value + half))


def silhouette(gram: Floats, codes: np.ndarray) -> Estimate | None:
    """The mean over images of (b − a) / max(a, b), −1 to 1; `codes` (n,) are classes.

    a is the mean cosine distance to the other images of the class, b that to the images of the nearest other class; 0
    for an image alone in its class (Rousseeuw 1987). None for one class.
    """
    each = silhouettes(gram, codes)
    if each is None:
        return None
    return Estimate(float(each.mean()), statistics.mean_interval(each, low=-1.0, high=1.0))


def silhouettes(gram: Floats, codes: np.ndarray) -> Floats | None:
    """The silhouette of each image, (n,); None for one class."""
    classes, places, sizes = np.unique(codes, return_inverse=True, return_counts=True)
    if len(classes) < 2:
        return None
    n = len(gram)
    members = np.zeros((n, len(classes)))
    members[np.arange(n), places] = 1
    sums = (1 - gram) @ members
    own_size = sizes[places]
    own = sums[np.arange(n), places] / np.maximum(own_size - 1, 1)
    means = sums / sizes
    means[np.arange(n), places] = np.inf
    nearest = means.min(axis=1)
    larger = np.maximum(own, nearest)
    values = np.divide(nearest - own, larger, out=np.zeros(n), where=larger > 0)
    return np.where(own_size > 1, values, 0.0)


def hubness_skewness(nearest: np.ndarray, k: int) -> Estimate | None:
    """The skewness of how often each image is among the `k` nearest of another: 0 without hubs.

    `nearest` (n, depth) are rows of images, nearest first, -1 for none. Radovanović, Nanopoulos and Ivanović, "Hubs in
    space", JMLR 2010. None where every image is found equally often. The interval leaves out each image in turn, and
    those that had it among their `k` have their next one instead; it is None where no list goes beyond `k`. Few strong
    hubs make a skewness that varies more than any sample of counts tells.
    """
    n = len(nearest)
    found = nearest[:, :k]
    counts = np.bincount(found[found >= 0], minlength=n).astype(np.float64)
    sums = [np.array([(counts**power).sum()]) for power in (1, 2, 3)]
    value = float(_skewness(sums, n)[0]) if n else np.nan
    if not np.isfinite(value):
        return None
    if nearest.shape[1] <= k:
        return Estimate(value)
    return Estimate(value, statistics.jackknife_interval(value, _skewness(_sums_without(nearest, k, counts), n - 1)))


def _sums_without(nearest: np.ndarray, k: int, counts: Floats) -> list[Floats]:
    """The sums of the counts, of their squares and of their cubes without each image in turn, (n,) each."""
    from scipy import sparse

    n = len(nearest)
    of, to = np.repeat(np.arange(n), k), nearest[:, :k].ravel()
    instead = np.repeat(nearest[:, k], k)  # the next one of the image whose list it is
    listed, replaced = to >= 0, (to >= 0) & (instead >= 0)
    # Without image i (a row): its own neighbours lose a count, and the next ones of those that listed it gain one.
    rows, columns = np.concatenate([of[listed], to[replaced]]), np.concatenate([to[listed], instead[replaced]])
    steps = np.concatenate([np.full(int(listed.sum()), -1.0), np.ones(int(replaced.sum()))])
    changes = sparse.csr_array((steps, (rows, columns)), shape=(n, n))
    changes.sum_duplicates()
    before = counts[changes.indices]
    sums = []
    for power in (1, 2, 3):
        changed = sparse.csr_array(
            ((before + changes.data) ** power - before**power, changes.indices, changes.indptr), shape=(n, n)
        )
        sums.append(float((counts**power).sum()) - counts**power + np.asarray(changed.sum(axis=1)).ravel())
    return sums


def _skewness(sums: Sequence[Floats], n: int) -> Floats:
    """The skewness of n numbers from the sums of their first three powers; NaN where they are equal."""
    mean, square, cube = (each / n for each in sums)
    spread = square - mean**2
    with np.errstate(invalid="ignore", divide="ignore"):
        skewness = (cube - 3 * mean * square + 2 * mean**3) / spread**1.5
    return np.where(spread > 1e-12 * np.maximum(square, 1), skewness, np.nan)


@dataclass(frozen=True)
class Redundancy:
    """The share of `checked` dimensions that repeat another one; `constant` ones vary for no image, and are left out.

    `dimensions` is the number of those that vary, with which each checked one is compared.
    """

    share: float | None
    ci95: tuple[float, float] | None
    checked: int
    dimensions: int
    constant: int


def redundancy(vectors: np.ndarray, *, threshold: float = CORRELATED, most: int = 1_000, seed: int = 0) -> Redundancy:
    """The share of dimensions whose absolute correlation (Pearson) with another one is at least `threshold`.

    Of more than `most` dimensions a sample is checked, each against all others; then the share has Wilson's interval.
    """
    # Of 49,152 columns float64 would be 400 MB; float32 has seven digits, and a threshold needs two.
    standard = vectors.astype(np.float32)
    standard -= standard.mean(axis=0, dtype=np.float64).astype(np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->j", standard, standard, dtype=np.float64))
    # A column of equal values may keep rounding error of its mean.
    varies = lengths > 1e-6 * np.sqrt(len(vectors)) * np.abs(vectors).max(axis=0, initial=0)
    standard = standard[:, varies] / lengths[varies].astype(np.float32)
    dimensions = standard.shape[1]
    constant = vectors.shape[1] - dimensions
    if dimensions < 2 or len(vectors) < 3:
        return Redundancy(None, None, 0, dimensions, constant)
    checked = np.arange(dimensions)
    if dimensions > most:
        checked = np.sort(np.random.default_rng(seed).choice(dimensions, most, replace=False))
    repeats = 0
    for start in range(0, len(checked), _COLUMNS):
        part = checked[start : start + _COLUMNS]
        correlations = np.abs(standard[:, part].T @ standard)
        correlations[np.arange(len(part)), part] = 0
        repeats += int((correlations.max(axis=1) >= threshold).sum())
    interval = statistics.wilson(repeats, len(checked)) if len(checked) < dimensions else None
    return Redundancy(repeats / len(checked), interval, len(checked), dimensions, constant)


def _others(n: int) -> npt.NDArray[np.bool_]:
    return ~np.eye(n, dtype=bool)


def _pair_mean(values: Floats, counted: npt.NDArray[np.bool_]) -> Estimate | None:
    """The mean of a symmetric table over the pairs that are `counted`, both (n, n), with the jackknife's interval."""
    counts = counted.sum(axis=1).astype(np.float64)
    total = counts.sum()
    if total == 0:
        return None
    sums = np.where(counted, values, 0).sum(axis=1)
    mean = float(sums.sum() / total)
    remaining = total - 2 * counts
    if (remaining <= 0).any():
        return Estimate(mean)
    without = (sums.sum() - 2 * sums) / remaining  # the mean without each image in turn
    return Estimate(mean, statistics.jackknife_interval(mean, without))
