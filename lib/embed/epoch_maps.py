"""The map of a run's epochs: the features of every epoch on one plane, and how well they separate the classes.

The plane is PCA of the features of all epochs together: each vector at unit length, as for cosine, and each epoch
centred on its own mean, since a shift that all photos share says nothing of their neighbourhoods. So the places of two
epochs are on the same axes. With another epoch the axes change: they are then turned so that the first epochs
stay where they were (Procrustes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lib.embed.procrustes import similarity_transform
from lib.embed.projection import principal_axes
from lib.embed.scratch_arrays import unit_rows
from lib.statistics import mean_interval

K = 5  # neighbours of the purity
FEWEST = 20  # photos: the mean over fewer is a matter of single photos
ANCHORS = 2  # first epochs, by which a map is oriented


@dataclass(frozen=True)
class EpochMaps:
    """`planes` (n, 2) float32 by epoch, on one pair of axes that holds the share `variance` of all variance."""

    planes: dict[int, np.ndarray]
    variance: float


@dataclass(frozen=True)
class Separation:
    """The mean purity of one epoch: the share of a photo's `k` nearest that are of its class, with its 95 % interval.

    None for fewer than `FEWEST` photos. `n` counts the photos.
    """

    epoch: int
    purity: float | None
    ci95: tuple[float, float] | None
    k: int
    n: int


def maps(features: Mapping[int, np.ndarray]) -> EpochMaps:
    """The maps of `features` (n, d) by epoch, at least one."""
    centred = {epoch: _centred(values) for epoch, values in sorted(features.items())}
    axes, centre, share = principal_axes(np.concatenate(list(centred.values())))
    planes = {epoch: (values - centre) @ axes for epoch, values in centred.items()}
    turn = _turn(planes, centred)
    return EpochMaps({epoch: np.asarray(xy @ turn, dtype=np.float32) for epoch, xy in planes.items()}, share)


def _centred(values: np.ndarray) -> np.ndarray:
    rows = unit_rows(np.array(values, dtype=np.float32)).astype(np.float64)
    return np.asarray(rows - rows.mean(axis=0))


def _turn(planes: Mapping[int, np.ndarray], centred: Mapping[int, np.ndarray]) -> np.ndarray:
    """The rotation or reflection (2, 2) that brings the first epochs nearest to the map of these epochs alone.

    So a map that grows with a training keeps its orientation, and depends on the features only, not on what was drawn
    before: every session and every later look gets the same map.
    """
    first = list(planes)[:ANCHORS]
    axes, centre, _ = principal_axes(np.concatenate([centred[epoch] for epoch in first]))
    anchor = np.concatenate([(centred[epoch] - centre) @ axes for epoch in first])
    matrix, _ = similarity_transform(np.concatenate([planes[epoch] for epoch in first]), anchor)
    scale = np.sqrt(abs(np.linalg.det(matrix)))
    return matrix / scale if scale > 0 else np.eye(2)


def separations(features: Mapping[int, np.ndarray], labels: Sequence[str], k: int = K) -> list[Separation]:
    """The purity of each epoch in all dimensions, under cosine; of equally near photos the first in order count.

    The interval is a bootstrap over the photos: it speaks of other photos of this kind, not of another training.
    """
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    rows = []
    for epoch, values in sorted(features.items()):
        n = len(values)
        near = min(k, n - 1)
        if n < FEWEST:
            rows.append(Separation(epoch, None, None, max(near, 0), n))
            continue
        unit = unit_rows(np.array(values, dtype=np.float32)).astype(np.float64)
        similarity = unit @ unit.T
        np.fill_diagonal(similarity, -np.inf)
        nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :near]
        shares = (codes[nearest] == codes[:, None]).mean(axis=1)
        rows.append(Separation(epoch, float(shares.mean()), mean_interval(shares), near, n))
    return rows


def chance(labels: Sequence[str]) -> float | None:
    """The expected purity where neighbours do not depend on the class; None for fewer than two photos."""
    counts = np.unique(np.asarray(labels), return_counts=True)[1]
    n = int(counts.sum())
    return float((counts * (counts - 1)).sum() / (n * (n - 1))) if n > 1 else None
