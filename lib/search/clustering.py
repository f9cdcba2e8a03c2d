"""Clusters of images in all dimensions of a space, by k-means or HDBSCAN, and how far they agree with the classes.

Invariant: clusters are numbered from 1, the largest first (ties: the one with the earlier image); `NOISE` (-1) marks
an image of no cluster. `points` (n, d) are float32 of length 1, so squared Euclidean distance is 2 − 2 cosine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lib import statistics

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

NOISE = -1
KMEANS, HDBSCAN = "kmeans", "hdbscan"
# Wider points are first reduced to their first principal components.
MOST_DIMENSIONS, COMPONENTS = 1_024, 50
STARTS = 10  # of k-means, the best of which is kept
SMALLEST = 5  # images of a cluster of HDBSCAN, and neighbours of a core point: scikit-learn's defaults


def unit_points(vectors: np.ndarray) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Features (n, d) scaled to length 1, and which of them have a length: a zero vector has no direction."""
    wide = vectors.astype(np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", wide, wide, dtype=np.float64))
    has_length = lengths > 0
    wide /= np.where(has_length, lengths, 1).astype(np.float32)[:, None]
    return wide, has_length


def reduced(points: npt.NDArray[np.float32], *, seed: int = 0) -> npt.NDArray[np.float32]:
    """Points of more than `MOST_DIMENSIONS` along their first `COMPONENTS` principal axes; others as they are.

    The axes are found by a randomised SVD (Halko, Martinsson and Tropp 2011), the same for the same seed.
    """
    if points.shape[1] <= MOST_DIMENSIONS or len(points) < 2:  # one point has no axis
        return points
    from sklearn.decomposition import PCA

    count = min(COMPONENTS, len(points) - 1)
    found = PCA(count, svd_solver="randomized", random_state=seed).fit_transform(points)
    return np.asarray(found, dtype=np.float32)


def k_means(points: np.ndarray, k: int, *, seed: int = 0) -> Codes:
    """The cluster of each point (n,) by Lloyd's k-means from k-means++ starts (Arthur and Vassilvitskii 2007).

    Fewer than k clusters where there are fewer different points.
    """
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different points than k
        found = KMeans(k, n_init=STARTS, random_state=seed).fit_predict(points)
    return by_size(found)


def hdbscan(points: np.ndarray, *, smallest: int = SMALLEST) -> Codes:
    """The cluster of each point (n,) by HDBSCAN (Campello, Moulavi and Sander 2013), `NOISE` for a point of none.

    A cluster has at least `smallest` points, which is also the number of neighbours that make a point dense. All points
    are noise where there are fewer of them.
    """
    from sklearn.cluster import HDBSCAN as Estimator

    if len(points) < smallest + 1:
        return np.full(len(points), NOISE, dtype=np.int64)
    found = Estimator(min_cluster_size=smallest, min_samples=smallest, copy=True).fit_predict(points)
    return by_size(found)


def by_size(codes: np.ndarray) -> Codes:
    """Clusters numbered anew: 1 for the largest, ties by their first image; negative ones are `NOISE`."""
    names, first, counts = np.unique(codes[codes >= 0], return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    numbers = np.full(int(names.max(initial=-1)) + 1, NOISE, dtype=np.int64)
    numbers[names[order]] = np.arange(1, len(names) + 1)
    return np.where(codes >= 0, numbers[np.maximum(codes, 0)], NOISE) if len(names) else np.full(len(codes), NOISE)


def exemplars(points: np.ndarray, members: np.ndarray, pictures: np.ndarray, most: int) -> list[int]:
    """The rows among `members` that lie nearest to the cluster's centre, nearest first, of each picture one.

    For points of length 1 this is the order of the mean cosine to all members, so the first is the medoid under cosine,
    for k-means and HDBSCAN alike. `pictures` (n,) are equal for pixel-identical images.
    """
    part = points[members].astype(np.float64)
    apart = ((part - part.mean(axis=0)) ** 2).sum(axis=1)
    ordered = members[np.lexsort((members, apart.round(12)))]
    _, first = np.unique(pictures[ordered], return_index=True)
    return [int(row) for row in ordered[np.sort(first)][:most]]


@dataclass(frozen=True)
class Method:
    """A way to find clusters. `find` takes points (n, d) of length 1 and k, and returns the cluster of each (n,), -1
    for noise, in any order; it gets None for k unless `takes_k`. `most` is the largest number of images it can take."""

    title: str
    about: str
    takes_k: bool
    find: Callable[[np.ndarray, int | None], np.ndarray]
    most: int | None = None


METHODS = {
    KMEANS: Method(
        "k-means",
        f"Lloyd's k-means from k-means++ starts (Arthur and Vassilvitskii 2007), the best of {STARTS}",
        takes_k=True,
        find=lambda points, k: k_means(points, k or 1),
    ),
    HDBSCAN: Method(
        "HDBSCAN",
        "HDBSCAN (Campello, Moulavi and Sander 2013): groups that stay dense over a range of distances, of at least "
        f"{SMALLEST} photos; a photo of none is noise",
        takes_k=False,
        find=lambda points, k: hdbscan(points),
        most=20_000,  # it compares all pairs
    ),
}


# --- agreement with the classes --------------------------------------------------------------------------------------


def contingency(one: np.ndarray, other: np.ndarray) -> Floats:
    """How many images each pair of groups shares, (groups of `one`, groups of `other`)."""
    _, rows = np.unique(one, return_inverse=True)
    _, columns = np.unique(other, return_inverse=True)
    table = np.zeros((int(rows.max(initial=-1)) + 1, int(columns.max(initial=-1)) + 1))
    np.add.at(table, (rows, columns), 1)
    return table


def nmi(table: Floats) -> float | None:
    """Normalised mutual information of two groupings from their contingency `table`, 0 to 1.

    I(a; b) / mean of H(a) and H(b) (arithmetic; Vinh, Epps and Bailey, JMLR 2010). None where both have one group.
    """
    total = table.sum()
    entropies = [_entropy(table.sum(axis=axis) / total) for axis in (1, 0)] if total else [0.0]
    mean = sum(entropies) / len(entropies)
    if mean <= 0:
        return None
    information = sum(entropies) - _entropy(table.ravel() / total)
    return float(min(1.0, max(0.0, information / mean)))


def ari(table: Floats) -> float | None:
    """The adjusted Rand index of two groupings from their contingency `table`: 1 for the same, 0 for chance.

    Hubert and Arabie 1985. None where each has one group, or each image is its own.
    """
    pairs = [float((counts * (counts - 1) / 2).sum()) for counts in (table, table.sum(axis=1), table.sum(axis=0))]
    total = float(table.sum())
    everything = total * (total - 1) / 2
    if everything == 0:
        return None
    expected = pairs[1] * pairs[2] / everything
    most = (pairs[1] + pairs[2]) / 2
    return None if most == expected else (pairs[0] - expected) / (most - expected)


def intervals(table: Floats) -> dict[str, tuple[float, float] | None]:
    """95 % intervals of `nmi` and `ari` for these clusters, by the jackknife over the images (Efron and Stein 1981).

    They say how sure the agreement is for the clusters as they are, not whether another run would find them. None for
    fewer than `statistics.FEW` images. (Resampled images would share clusters by chance, and raise both.)
    """
    result: dict[str, tuple[float, float] | None] = {"nmi": None, "ari": None}
    cells = np.argwhere(table > 0)
    weights = table[table > 0]
    for name, measure in (("nmi", nmi), ("ari", ari)):
        value = measure(table)
        if value is None:
            continue
        without = []  # the measure without one image of each cell: all of a cell are alike
        for row, column in cells:
            table[row, column] -= 1
            without.append(measure(table))
            table[row, column] += 1
        if any(each is None for each in without):
            continue
        values = np.array(without, dtype=np.float64)
        without_each = np.repeat(values, weights.astype(np.int64))
        result[name] = statistics.jackknife_interval(value, without_each, high=1.0)
    return result


def _entropy(shares: Floats) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())
