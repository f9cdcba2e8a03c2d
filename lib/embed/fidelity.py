"""Fidelity of a map: how much of the neighbourhoods in the space is preserved on the plane.

Preservation is a share per image: of its k nearest in the space, those that are among its k nearest on the map.
Trustworthiness and continuity (Venna and Kaski 2001) also weigh ranks: trustworthiness falls when the map shows false
neighbours, continuity when it separates true ones. All three are 1 on a perfect map.

Neighbours at the same distance count in expectation over their orders: where several are the k-th, each is a neighbour
with the probability that it would be drawn. Photos that all have the same vector have no neighbourhoods to preserve.

For very many images the neighbours in the space are approximate: preservation is then measured against these, while
trustworthiness and continuity still use the exact neighbours of a sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.embed.neighbours import nearest, nearest_of_rows, nearest_on_map
from lib.embed.scratch_arrays import empty_array, unit_rows

# Neighbours of each image, unless there are too few images.
K = 15
# Images whose neighbourhoods are ranked: a random sample of more, since ranking costs their number times all.
MAX_RANKED = 2_000
_BLOCK = 128


@dataclass(frozen=True)
class Fidelity:
    """`preserved` (n,) float32 is each image's preservation. The two means are over `ranked` images with `k` neighbours
    each. Too few images, or images that all have the same vector, give NaN, None and k = 0."""

    preserved: np.ndarray
    trustworthiness: float | None
    continuity: float | None
    k: int
    ranked: int

    @property
    def preservation(self) -> float | None:
        """Mean of `preserved`."""
        return None if self.k == 0 else float(self.preserved.mean())


def fidelity(
    points: np.ndarray,
    xy: np.ndarray,
    metric: str,
    *,
    k: int = K,
    most: int = MAX_RANKED,
    approximate: np.ndarray | None = None,
) -> Fidelity:
    """Measure a map `xy` (n, 2) of `points` (n, d) under `cosine` or `euclidean`.

    Means are over all images, or over a fixed sample of `most`. `approximate` (n, more than k) holds each image's
    nearest rows, itself first, where exact search would take too long.
    """
    n = len(points)
    # Beyond half of all images the measures lose their meaning.
    k = min(k, (n - 1) // 2)
    if k < 1:
        return Fidelity(np.full(n, np.nan, np.float32), None, None, 0, 0)
    space, plane = _comparable(points, metric), _comparable(xy, "euclidean")
    if (space == space[0]).all():
        return Fidelity(np.full(n, np.nan, np.float32), None, None, 0, 0)
    sample = np.arange(n) if n <= most else np.sort(np.random.default_rng(0).choice(n, most, replace=False))
    tied = np.zeros(n, dtype=bool)
    if approximate is None:
        found = [nearest(each, k + 2, "euclidean") for each in (space, plane)]
        in_space, on_map = (rows[:, 1 : k + 1] for rows, _ in found)
        for _, distances in found:
            tied |= distances[:, k] == distances[:, k + 1]
        true = in_space[sample]
    else:
        in_space, on_map = approximate[:, 1 : k + 1], nearest_on_map(plane, k)
        true = nearest_of_rows(space, sample, k)
    preserved = np.concatenate(
        [
            (in_space[block][:, :, None] == on_map[block][:, None, :]).any(axis=2).mean(axis=1, dtype=np.float32)
            for block in _blocks(np.arange(n))
        ]
    )
    # Beyond so many tied images, which only copies make, the rest keep the neighbours of the lowest rows.
    for rows in np.array_split(np.flatnonzero(tied)[:most], 1 + tied.sum() // _BLOCK):
        shared = _chances(space, rows, k) * _chances(plane, rows, k)
        preserved[rows] = shared.sum(axis=1) / k
    false, missed = 0, 0
    for rows, true_rows in zip(_blocks(sample), _blocks(true), strict=True):
        false += _excess_rank(_distances(space, rows), on_map[rows], k)
        missed += _excess_rank(_distances(plane, rows), true_rows, k)
    scale = 2 / (len(sample) * k * (2 * n - 3 * k - 1))
    return Fidelity(preserved, 1 - scale * false, 1 - scale * missed, k, len(sample))


def _chances(points: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """The probability (len(rows), n) that each point is among the k nearest of a row when ties are drawn at random."""
    from scipy.spatial.distance import cdist

    # Each pair by itself in float64, so that equal points are equally far.
    distances = cdist(points[rows].astype(np.float64), points.astype(np.float64), "sqeuclidean")
    distances[np.arange(len(rows)), rows] = np.inf
    limit = np.partition(distances, k - 1, axis=1)[:, k - 1 : k]
    nearer, last = distances < limit, distances == limit
    share = (k - nearer.sum(axis=1, keepdims=True)) / last.sum(axis=1, keepdims=True)
    chances: np.ndarray = nearer + last * share
    return chances


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]


def _comparable(points: np.ndarray, metric: str) -> np.ndarray:
    """Points (n, d) whose squared distances order as the metric does; centred, so that float32 loses little."""
    values = np.asarray(points, dtype=np.float32)
    if metric == "cosine":
        values = unit_rows(values)
    centre = values.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = empty_array(values.shape)
    np.subtract(values, centre, out=centred)
    return centred


def _distances(points: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Squared distances (len(rows), n) float32 to all points, infinite to itself."""
    squares = np.einsum("ij,ij->i", points, points)
    distances: np.ndarray = squares[rows, None] + squares[None, :] - 2 * (points[rows] @ points.T)
    distances[np.arange(len(rows)), rows] = np.inf
    return distances


def _excess_rank(distances: np.ndarray, chosen: np.ndarray, k: int) -> int:
    """How far the `chosen` rows (m, k) lie beyond rank k, summed. Equal distances share the lowest of their ranks."""
    total = 0
    for column in chosen.T:
        limit = np.take_along_axis(distances, column[:, None], 1)
        total += int(np.maximum((distances < limit).sum(axis=1) + 1 - k, 0).sum())
    return total
