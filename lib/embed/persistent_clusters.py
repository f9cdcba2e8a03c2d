"""Which clusters of a map are real: those that return in every layout and are separated in the full space.

1. Each layout is clustered by HDBSCAN (Campello, Moulavi and Sander 2013). Points that lie in one cluster in more than
   half of the layouts belong together (evidence accumulation: Fred and Jain 2005); their connected groups are the
   candidates. Every point then goes to the nearest centre of a candidate in the space.
2. Layouts tear and pack, so two candidates count as two only if the space has a gap between them. Along the axis that
   separates them best (linear discriminant, fitted on one half of their points, looked at on the other, both ways),
   three windows of equal width are compared: around either median, and midway. Where points have one mode, the middle
   window cannot hold fewer of them than both others; how far it does is an exact binomial test. The pair with the
   largest p value is merged, until all p values are below `LEVEL` divided by the number of pairs.
3. What is left must persist: over the layouts, the mean Jaccard index of the group with the clusters that lie mostly in
   it, among the points that are in any cluster, is `PERSISTENT` or more (Hennig 2007 calls 0.75 stable).

One group that remains is no cluster: nothing separates it from anything. So noise has none, however its maps clump.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.01
PERSISTENT = 0.75
_LEAST = 10  # points of a cluster


@dataclass(frozen=True)
class Clusters:
    """`labels` (n,) int64: the real cluster of each point, -1 for none. Clusters are numbered from the largest.

    Per cluster: `sizes`, `persistence` (mean Jaccard index over the layouts) and `p`, the largest p value of the gap
    to any other group, which `pairs` of groups were tested for. `candidates` counts the consensus clusters, `groups`
    what is left after merging.
    """

    labels: np.ndarray
    sizes: list[int]
    persistence: list[float]
    p: list[float]
    candidates: int
    groups: int
    pairs: int

    @property
    def count(self) -> int:
        """How many clusters are real."""
        return len(self.sizes)


def persistent_clusters(space: np.ndarray, layouts: Sequence[np.ndarray], seed: int = 0) -> Clusters:
    """The real clusters of points `space` (n, d), of which `layouts` are (n, 2) each. `seed` draws the halves."""
    found = [cluster_layout(xy) for xy in layouts]
    cores = consensus(found)
    candidates = int(cores.max()) + 1
    if candidates < 2:
        return Clusters(np.full(len(space), -1), [], [], [], candidates, min(1, candidates), 0)
    groups, tested = _merged(space, _nearest_centre(space, cores), seed)
    names, sizes = np.unique(groups, return_counts=True)
    labels = np.full(len(space), -1)
    kept: list[tuple[int, float, float]] = []
    for name in names[np.argsort(-sizes, kind="stable")].tolist() if len(names) > 1 else []:
        persistence = _persistence(groups == name, found)
        if persistence >= PERSISTENT:
            labels[groups == name] = len(kept)
            worst = max(p for pair, p in tested.items() if name in pair)
            kept.append((int((groups == name).sum()), persistence, worst))
    columns = ([each[0] for each in kept], [each[1] for each in kept], [each[2] for each in kept])
    return Clusters(labels, *columns, candidates, len(names), len(names) * (len(names) - 1) // 2)


def smallest_cluster(n: int) -> int:
    """The points that HDBSCAN needs for a cluster of `n` points: a fortieth, and at least 10."""
    return max(_LEAST, n // 40)


def cluster_layout(xy: np.ndarray) -> np.ndarray:
    """HDBSCAN's clusters of a layout (n, 2): labels (n,), -1 for points in none."""
    import threadpoolctl
    from sklearn.cluster import HDBSCAN

    with warnings.catch_warnings(), threadpoolctl.threadpool_limits(1):
        warnings.simplefilter("ignore")
        labels: np.ndarray = HDBSCAN(min_cluster_size=smallest_cluster(len(xy))).fit(xy.astype(np.float64)).labels_
    return labels


def consensus(found: Sequence[np.ndarray]) -> np.ndarray:
    """Groups of points that lie in one cluster in more than half of the clusterings: labels (n,), -1 for small ones."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(found[0])
    together = np.zeros((n, n), dtype=np.int16)
    for labels in found:
        together += (labels[:, None] == labels[None, :]) & (labels >= 0)[:, None]
    _, parts = connected_components(csr_matrix(together * 2 > len(found)), directed=False)
    names, sizes = np.unique(parts, return_counts=True)
    cores = np.full(n, -1)
    for place, name in enumerate(names[sizes >= smallest_cluster(n)]):
        cores[parts == name] = place
    return cores


def _nearest_centre(space: np.ndarray, cores: np.ndarray) -> np.ndarray:
    """Every point's group: that of the nearest mean of a candidate, so that no point between two is left out."""
    points = space.astype(np.float64)
    centres = np.stack([points[cores == name].mean(axis=0) for name in range(int(cores.max()) + 1)])
    squares = (centres**2).sum(axis=1) - 2 * points @ centres.T
    return np.asarray(squares.argmin(axis=1))


def _merged(space: np.ndarray, groups: np.ndarray, seed: int) -> tuple[np.ndarray, dict[tuple[int, int], float]]:
    """The groups (n,) after those without a gap are merged, and the p value of each pair that is left."""
    groups = groups.copy()
    tested: dict[tuple[int, int], float] = {}
    while True:
        names = np.unique(groups).tolist()
        pairs = list(itertools.combinations(names, 2))
        tested = {pair: tested[pair] if pair in tested else _gap(space, groups, pair, seed) for pair in pairs}
        if not pairs:
            return groups, tested
        worst = max(pairs, key=lambda pair: tested[pair])
        if tested[worst] < LEVEL / len(pairs):
            return groups, tested
        groups[groups == worst[1]] = worst[0]
        tested = {pair: p for pair, p in tested.items() if worst[0] not in pair and worst[1] not in pair}


def _gap(space: np.ndarray, groups: np.ndarray, pair: tuple[int, int], seed: int) -> float:
    """`gap_p_value` of two groups."""
    return gap_p_value(space[groups == pair[0]], space[groups == pair[1]], seed)


def gap_p_value(one: np.ndarray, other: np.ndarray, seed: int = 0) -> float:
    """p value of "no gap lies between the points `one` (n, d) and `other` (m, d)", see the module; 1 for few points."""
    if min(len(one), len(other)) < _LEAST:
        return 1.0
    rng = np.random.default_rng(seed)
    halves = [rng.permutation(len(each)) % 2 == 0 for each in (one, other)]
    counts = np.zeros(3, dtype=np.int64)  # around one's median, midway, around the other's
    for side in (True, False):
        fitted = [each[half == side] for each, half in zip((one, other), halves, strict=True)]
        held_out = np.concatenate([each[half != side] for each, half in zip((one, other), halves, strict=True)])
        axis = _discriminant(*fitted)
        left, right = (float(np.median(each @ axis)) for each in fitted)
        if left == right:
            return 1.0
        place = (held_out @ axis - left) / (right - left)  # 0 at one's median, 1 at the other's
        for window, centre in enumerate((0.0, 0.5, 1.0)):
            counts[window] += int((np.abs(place - centre) < 1 / 6).sum())
    return max(_fewer(int(counts[1]), int(counts[side])) for side in (0, 2))


def _fewer(middle: int, side: int) -> float:
    """One-sided binomial p value that `middle` counts fewer than `side` by more than chance."""
    total = middle + side
    return sum(math.comb(total, i) for i in range(middle + 1)) / (1 << total)


def _discriminant(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The axis (d,) that separates two groups best, by Fisher's discriminant with a shrunk covariance."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    centred = np.concatenate([a - a.mean(axis=0), b - b.mean(axis=0)])
    covariance = centred.T @ centred / max(1, len(centred) - 2)
    d = len(covariance)
    # A tenth of the mean variance on the diagonal: enough where there are fewer points than dimensions.
    covariance[np.diag_indices(d)] += 0.1 * np.trace(covariance) / d + 1e-12
    axis: np.ndarray = np.linalg.solve(covariance, b.mean(axis=0) - a.mean(axis=0))
    return axis


def _persistence(group: np.ndarray, found: Sequence[np.ndarray]) -> float:
    """Mean over clusterings of the Jaccard index of `group` (n,) with the clusters that lie mostly in it."""
    indices = []
    for labels in found:
        clustered = labels >= 0
        mostly = [name for name in np.unique(labels[clustered]) if group[labels == name].mean() > 0.5]
        union = np.isin(labels, mostly)
        either = ((group & clustered) | union).sum()
        indices.append(float((group & union).sum() / either) if either else 0.0)
    return float(np.mean(indices))
