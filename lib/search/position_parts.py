"""Where in two photos a metric's value comes from: an exact split of the value over positions.

A pooled vector x (d,) is the mean of a map F (d, h, w) over its h·w positions, so a value that is a·x (see
`Metric.directions`) is the sum over the positions p of a·F(p) / hw. Of a similarity the parts of each photo alone sum
to the value; of a distance (of `l2`, its square) the parts of both photos together do. Pixels are split by pixel. All
sums are float64; nothing is approximated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lib.search.contributions import contributions
from lib.search.metrics import PIXEL_SCALE, Array, Floats, Metric, metric

CHANNELS = 3


@dataclass(frozen=True)
class Map:
    """A map's `values` (d, h, w), whose mean over the positions is `vector` (d,), both float64.

    `rounding` is by how much the network's own map missed the vector, relative to the vector's length (see `located`).
    """

    values: Floats
    vector: Floats
    rounding: float = 0.0

    @property
    def local(self) -> Floats:
        """The features of each position, row by row, (h · w, d)."""
        return np.asarray(self.values.reshape(len(self.values), -1).T)


def located(values: Array, vector: Array | None = None) -> Map:
    """The map (d, h, w) of a photo with this vector (d,), its mean where None is given.

    The network rounds a photo's map a little differently in another batch, and a vector may be stored in fewer bits:
    what the mean misses of the vector is spread evenly over the positions, so that the parts sum to the very value that
    a search has. A zero vector is compared with a length of 1.
    """
    maps = values.astype(np.float64)
    mean = maps.mean(axis=(1, 2))
    if vector is None:
        return Map(maps, mean)
    wanted = vector.astype(np.float64)
    missed = wanted - mean
    length = float(np.linalg.norm(wanted)) or 1.0
    return Map(maps + missed[:, None, None], wanted, float(np.linalg.norm(missed)) / length)


@dataclass(frozen=True)
class PositionParts:
    """The parts of a metric's value at each position of the query and of the answer, (h, w) each.

    Each photo's parts sum to `total` where `alone` (similarities), else both photos' parts together do; `total` is the
    value, of `l2` its square. Where a similarity is undefined all parts are 0 and `defined` is False. A positive part
    of a similarity binds the photos, one of a distance divides them. Where the query is the vector of no photo, `whole`
    is True, and its parts (1, 1) are the one number that it adds.
    """

    name: str
    query: Floats
    answer: Floats
    total: float
    alone: bool
    defined: bool = True
    whole: bool = False

    @property
    def binding(self) -> int:
        """The sign of the parts that bring the photos together: 1 of a similarity, -1 of a distance."""
        return 1 if self.alone else -1


def of_maps(name: str, query: Map, answer: Map) -> PositionParts:
    """The parts between two maps. Raises QueryError for an unknown metric."""
    chosen = metric(name)
    alone = chosen.higher_is_closer
    if not _defined(chosen, query.vector, answer.vector):
        nothing_q, nothing_x = (np.zeros(each.values.shape[1:]) for each in (query, answer))
        return PositionParts(name, nothing_q, nothing_x, 0.0, alone, defined=False)
    split = chosen.directions or (lambda x, q: _apportioned(chosen, x, q))
    to_answer, to_query = split(answer.vector, query.vector)
    parts_q, parts_x = _over_positions(to_query, query), _over_positions(to_answer, answer)
    total = float(parts_x.sum()) if alone else float(parts_x.sum() + parts_q.sum())
    return PositionParts(name, parts_q, parts_x, total, alone)


def of_answer(name: str, query: Array, answer: Map) -> PositionParts:
    """The parts between a vector of no photo, `query` (d,), and a map: of a moved query only the answer has positions.

    They are as exact as those of two maps: `directions` takes any two vectors. Raises QueryError for an unknown metric.
    """
    point = query.astype(np.float64)
    return replace(of_maps(name, Map(point[:, None, None], point), answer), whole=True)


def of_pixels(name: str, query: Array, answer: Array, side: int) -> PositionParts:
    """The parts between two pixel vectors, uint8 (side · side · 3,): each pixel's contribution over its colours.

    A pixel is compared with the one at its place, so its contribution is the same in both photos; of a distance each
    photo has half of it. Raises QueryError for an unknown metric.
    """
    chosen = metric(name)
    alone = chosen.higher_is_closer
    if not _defined(chosen, query / PIXEL_SCALE, answer / PIXEL_SCALE):
        nothing = np.zeros((side, side))
        return PositionParts(name, nothing, nothing, 0.0, alone, defined=False)
    split = contributions(name, query, answer)
    pixels = split.parts.reshape(side, side, CHANNELS).sum(axis=2)
    each = pixels if alone else pixels / 2
    return PositionParts(name, each, each, split.total, alone)


def pairs(name: str, query: Map, answer: Map) -> Floats | None:
    """The value's exact split over pairs of positions, (query's positions, answer's positions).

    Cosine is Σ F_q(p)·F_x(p') / (hw · hw · ‖q‖ ‖x‖), so rows sum to the query's parts and columns to the answer's; NCC
    is the same with each local vector's mean taken away. None for distances, which do not split so, and where the
    similarity is undefined.
    """
    chosen = metric(name)
    if chosen.kernel not in {"products", "centred products"}:
        return None
    if not _defined(chosen, query.vector, answer.vector):
        return None
    (q, local_q), (x, local_x) = ((each.vector, each.local) for each in (query, answer))
    if chosen.kernel == "centred products":
        q, x = q - q.mean(), x - x.mean()
        local_q, local_x = (local - local.mean(axis=1, keepdims=True) for local in (local_q, local_x))
    product = np.sqrt((q * q).sum() * (x * x).sum())
    return np.asarray(local_q @ local_x.T / (len(local_q) * len(local_x) * product))


def matches(query: Map, answer: Map) -> Floats:
    """The cosine of every local feature of the query with every one of the answer, (positions, positions); NaN where a
    local feature is zero."""
    local_q, local_x = query.local, answer.local
    norms = np.linalg.norm(local_q, axis=1)[:, None] * np.linalg.norm(local_x, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(norms > 0, np.clip(local_q @ local_x.T / norms, -1, 1), np.nan))


def strongest(parts: Floats, share: float) -> npt.NDArray[np.bool_]:
    """The `share` of the positions with the largest parts (h, w), at least one; equal parts by their place."""
    count = max(1, round(parts.size * share))
    chosen = np.zeros(parts.size, dtype=bool)
    chosen[np.argsort(-parts.ravel(), kind="stable")[:count]] = True
    return chosen.reshape(parts.shape)


def _defined(chosen: Metric, q: Floats, x: Floats) -> bool:
    return chosen.undefined is None or not bool(chosen.undefined(np.stack([q, x])).any())


def _over_positions(direction: Floats, map_: Map) -> Floats:
    return np.asarray(np.tensordot(direction, map_.values, axes=1) / map_.values[0].size)


def _apportioned(chosen: Metric, x: Floats, q: Floats) -> tuple[Floats, Floats]:
    """`directions` of a metric without them: they give each dimension its contribution. What a dimension contributes
    whose values are all 0, or equal in both, is then left out."""
    parts = contributions(chosen.name, q, x).parts
    if chosen.higher_is_closer:
        return _ratio(parts, x), _ratio(parts, q)
    direction = _ratio(parts, x - q)
    return direction, -direction


def _ratio(parts: Floats, values: Floats) -> Floats:
    return np.divide(parts, values, out=np.zeros(len(values)), where=values != 0)
