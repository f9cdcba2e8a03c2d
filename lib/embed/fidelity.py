"""How far a map can be trusted: what of the neighbourhoods in all dimensions is left on the plane.

Preservation is a share per image: of its k nearest in the space, those that are among its k nearest on the map.
Trustworthiness and continuity (Venna and Kaski 2001) also weigh how far off the others are: the first falls when the
map shows neighbours that are none, the second when it tears neighbours apart. All three are 1 on a perfect map.

Of very many images the neighbours in the space are approximate ones, found elsewhere: preservation is then measured
against these, while the other two, taken over a sample, still know the sample's exact neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.embed.neighbours import nearest, nearest_of_rows, nearest_on_map
from lib.embed.scratch_arrays import room, unit

# Neighbours looked at, unless there are too few images.
K = 15
# Images whose neighbourhoods are ranked; of more a random sample is, since ranking costs their number times all.
MOST = 2_000
_BLOCK = 128


@dataclass(frozen=True)
class Fidelity:
    """`preserved` is (n,) float32, NaN where nothing can be measured, as the two means are then None. `ranked` images
    were looked at for the means, with `k` neighbours each."""

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
    most: int = MOST,
    approximate: np.ndarray | None = None,
) -> Fidelity:
    """Measure a map `xy` (n, 2) against what it was made from: `points` (n, d) under `cosine` or `euclidean`.

    Means are taken over all images, or over a sample of `most` that is always the same. `approximate` (n, more than k)
    holds each image's nearest, itself first, where finding the exact ones would take too long.
    """
    n = len(points)
    # Beyond half of all images the measures lose their meaning.
    k = min(k, (n - 1) // 2)
    if k < 1:
        return Fidelity(np.full(n, np.nan, np.float32), None, None, 0, 0)
    wide, flat = _comparable(points, metric), _comparable(xy, "euclidean")
    sample = np.arange(n) if n <= most else np.sort(np.random.default_rng(0).choice(n, most, replace=False))
    if approximate is None:
        near, shown = (nearest(each, k + 1, "euclidean")[0][:, 1:] for each in (wide, flat))
        true = near[sample]
    else:
        near, shown, true = approximate[:, 1 : k + 1], nearest_on_map(flat, k), nearest_of_rows(wide, sample, k)
    preserved = np.concatenate(
        [
            (near[block][:, :, None] == shown[block][:, None, :]).any(axis=2).mean(axis=1, dtype=np.float32)
            for block in _blocks(np.arange(n))
        ]
    )
    false, torn = 0, 0
    for rows, theirs in zip(_blocks(sample), _blocks(true), strict=True):
        false += _beyond(_distances(wide, rows), shown[rows], k)
        torn += _beyond(_distances(flat, rows), theirs, k)
    scale = 2 / (len(sample) * k * (2 * n - 3 * k - 1))
    return Fidelity(preserved, 1 - scale * false, 1 - scale * torn, k, len(sample))


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]


def _comparable(points: np.ndarray, metric: str) -> np.ndarray:
    """Points whose squared differences order as the metric does; centred, so that float32 loses little."""
    values = np.asarray(points, dtype=np.float32)
    if metric == "cosine":
        values = unit(values)
    centre = values.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = room(values.shape)
    np.subtract(values, centre, out=centred)
    return centred


def _distances(points: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Squared distances (len(rows), n) float32 to all points, each row's own infinite."""
    squares = np.einsum("ij,ij->i", points, points)
    found: np.ndarray = squares[rows, None] + squares[None, :] - 2 * (points[rows] @ points.T)
    found[np.arange(len(rows)), rows] = np.inf
    return found


def _beyond(distances: np.ndarray, chosen: np.ndarray, k: int) -> int:
    """How far the `chosen` (m, k) lie beyond rank k, in all. Of equal distances each counts as the nearest of them."""
    total = 0
    for column in chosen.T:
        limit = np.take_along_axis(distances, column[:, None], 1)
        total += int(np.maximum((distances < limit).sum(axis=1) + 1 - k, 0).sum())
    return total
