"""How far a map's neighbourhoods are the data's: whether they return in other layouts of the same vectors.

Of each pair of runs, a point's agreement is the share of its k nearest on one layout that are among its k nearest on
the other. Two independent orders would agree on k / (n − 1) of them by chance. A layout of shuffled vectors says how
much the method alone agrees with itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.embed.layouts import Run
from lib.embed.neighbours import nearest, nearest_on_map

K = 15


@dataclass(frozen=True)
class Stability:
    """Agreement of neighbourhoods over all pairs of runs of n points.

    `points` (n,) float32 is each point's mean agreement over the pairs; `kept` (n,) float32 its mean agreement of the
    runs with the true neighbours in the space. `by_methods` is the mean of `points` over the pairs of two methods
    ("umap umap", "tsne umap", …), `kept_by_method` that of `kept`. `chance` is what unrelated orders share.
    """

    points: np.ndarray
    kept: np.ndarray
    by_methods: dict[str, float]
    kept_by_method: dict[str, float]
    k: int
    chance: float


def stability(space: np.ndarray, layouts: Sequence[tuple[Run, np.ndarray]], k: int = K) -> Stability:
    """The stability of `layouts` (n, 2) of the points `space` (n, d) float32, whose true neighbours are euclidean.

    Raises ValueError for fewer than two layouts or fewer than 4 points.
    """
    n = len(space)
    if len(layouts) < 2 or n < 4:
        raise ValueError(f"{len(layouts)} layouts of {n} points have no agreement; give 2 layouts of 4 points or more")
    k = min(k, (n - 1) // 2)
    true = nearest(np.ascontiguousarray(space, dtype=np.float32), k + 1, "euclidean")[0][:, 1:]
    near = [nearest_on_map(xy, k) for _, xy in layouts]
    pairs: dict[str, list[np.ndarray]] = {}
    for a, b in itertools.combinations(range(len(layouts)), 2):
        name = " ".join(sorted((layouts[a][0].method, layouts[b][0].method)))
        pairs.setdefault(name, []).append(shared(near[a], near[b]))
    kept: dict[str, list[np.ndarray]] = {}
    for (run, _), rows in zip(layouts, near, strict=True):
        kept.setdefault(run.method, []).append(shared(true, rows))
    return Stability(
        _mean(pairs),
        _mean(kept),
        {name: float(np.mean(group)) for name, group in pairs.items()},
        {name: float(np.mean(group)) for name, group in kept.items()},
        k,
        k / (n - 1),
    )


def _mean(groups: dict[str, list[np.ndarray]]) -> np.ndarray:
    """The mean (n,) float32 over all arrays of all groups."""
    every = [each for group in groups.values() for each in group]
    return np.asarray(np.stack(every).mean(axis=0), dtype=np.float32)


def shared(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The share of each row of `one` (n, k) that is in the same row of `other` (n, k), float32 (n,)."""
    both = np.sort(np.concatenate([one, other], axis=1), axis=1)
    return np.asarray((both[:, 1:] == both[:, :-1]).sum(axis=1) / one.shape[1], dtype=np.float32)
