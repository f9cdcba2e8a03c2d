"""The leaves of the five species. They grow from a stem (rows, 3) below a head of radius `scale`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lib.synthetic_flowers.colours import Floats, Rng, blend, mottle, pigment, smooth, stripes, tint
from lib.synthetic_flowers.shapes import bezier, blade, domes, outline, tube
from lib.synthetic_flowers.surfaces import Surface


def _leaf(rng: Rng, colour: Floats, veins: float, *, parallel: bool = False) -> Callable[..., Floats]:
    """The material of a leaf: a pale midrib, side veins (or parallel ones), mottled green."""
    tone = tint(rng, colour, 0.08)

    def material(u: Floats, v: Floats, k: NDArray[np.intp]) -> Floats:
        midrib = np.exp(-((v / 0.06) ** 2)) * smooth(1.0, 0.7, u)
        if parallel:
            side = 1 - stripes(v, 9, 1.0, k * 0)
        else:
            side = np.exp(-((((u * 7 - np.abs(v) * 1.6) % 1) - 0.5) ** 2) / 0.006) * 0.8
        shade = 1 + 0.10 * mottle(u, v, k, 2, 1) - 0.12 * u
        return blend(tone * shade, tone * 1.5 + 0.02, np.clip(midrib + side * veins, 0, 1) * 0.55)

    return material


def _toothed(count: float, depth: float, back: float = 0.0) -> Callable[[Floats, Floats], NDArray[np.bool_]]:
    """A margin with `count` teeth, as deep as `depth` times the half width, leaning backwards by `back`."""

    def cut(u: Floats, v: Floats) -> NDArray[np.bool_]:
        across = np.abs(v)
        tooth = (u + np.float32(back) * across) * np.float32(count)
        tooth -= np.floor(tooth)
        return np.asarray(across <= 1 - np.float32(depth) * tooth * (u < 0.97), bool)

    return cut


def _reach(start: Floats, step: Any, bend: float) -> Floats:
    """A midrib (14, 3) from `start` by `step`, which rises first and bends down by `bend` before its end."""
    x, y, z = (float(a) for a in step)
    rise = start + np.array([x * 0.25, y * 0.5 + bend * 0.4, z * 0.4])
    end = start + np.array([x, y, z])
    return bezier(start, rise, end + np.array([-x * 0.2, bend, 0]), end, rows=14)


def _below(stem: Floats, scale: float, start: Floats, rise: float) -> float:
    """`rise`, limited so that a leaf from `start` does not cover the flower on top of the stem."""
    return min(rise, float(stem[0, 1] - start[1]) - 0.9 * scale)


def _sides(rng: Rng, low: int, high: int) -> list[float]:
    """Alternating sides, -1 and 1, of `low` to `high` leaves."""
    first = -1.0 if rng.uniform() < 0.5 else 1.0
    return [first * (-1) ** i for i in range(int(rng.integers(low, high + 1)))]


def _tulip_leaves(rng: Rng, stem: Floats, scale: float) -> list[Surface]:
    grids = []
    room = float(stem[0, 1] - stem[-1, 1])  # leaves must end below the flower
    for side in _sides(rng, 2, 3):
        start = stem[-1 - int(rng.integers(0, 3))]
        tall = min(scale * rng.uniform(1.9, 3.4), room * rng.uniform(0.6, 0.98))
        step = (side * scale * rng.uniform(0.45, 1.1), tall, rng.uniform(-0.35, 0.2))
        width = outline(14, (0, 0.5), (0.35, 1), (0.75, 0.6), (1, 0.02)) * scale * rng.uniform(0.24, 0.36)
        facing = np.array([0.75, 0, rng.uniform(-0.8, 0.8)], np.float32)
        grids.append(blade(_reach(start, step, 0.4 * scale), width, facing, fold=-0.45, wave=0.12))
    leaf = _leaf(rng, pigment(92, 132, 92), 0.25, parallel=True)
    return [Surface(np.concatenate(grids), leaf, through=0.3, gloss=0.14)]


def _dandelion_leaves(rng: Rng, stem: Floats, scale: float) -> list[Surface]:
    grids = []
    for side in _sides(rng, 2, 4):
        rise = _below(stem, scale, stem[-3], scale * rng.uniform(0.5, 1.5))
        step = (side * scale * rng.uniform(0.7, 2.2), rise, rng.uniform(-0.4, 0.3))
        width = outline(14, (0, 0.14), (0.4, 0.65), (0.75, 1), (0.9, 0.8), (1, 0.05)) * scale * 0.4
        grids.append(blade(_reach(stem[-3], step, 0.12 * scale), width, (0.3, 0.9, 0.7), fold=0.1, wave=0.08))
    leaf = _leaf(rng, pigment(82, 128, 46), 0.2)
    return [Surface(np.concatenate(grids), leaf, through=0.35, gloss=0.08, cut=_toothed(4.4, 0.66, 0.1))]


def _daisy_leaves(rng: Rng, stem: Floats, scale: float) -> list[Surface]:
    grids = []
    for side in _sides(rng, 2, 5):
        rise = _below(stem, scale, stem[-2], scale * rng.uniform(0.4, 1.3))
        step = (side * scale * rng.uniform(0.5, 1.5), rise, rng.uniform(-0.3, 0.3))
        width = outline(14, (0, 0.14), (0.4, 0.25), (0.75, 1), (0.93, 0.75), (1, 0.1)) * scale * 0.22
        grids.append(blade(_reach(stem[-2], step, 0.15 * scale), width, (0.5, 0.6, 0.6), fold=0.15))
    leaf = _leaf(rng, pigment(84, 126, 54), 0.15)
    return [Surface(np.concatenate(grids), leaf, through=0.35, gloss=0.1, cut=_toothed(9, 0.12))]


def _sunflower_leaves(rng: Rng, stem: Floats, scale: float) -> list[Surface]:
    grids = []
    for side in _sides(rng, 1, 3):
        start = stem[int(len(stem) * rng.uniform(0.3, 0.95))]
        span = scale * rng.uniform(0.8, 1.35)
        rise = _below(stem, scale, start, span * rng.uniform(-0.35, 0.5))
        step = (side * span, rise, rng.uniform(-0.3, 0.1))
        width = outline(14, (0, 0.06), (0.18, 0.08), (0.3, 0.9), (0.42, 1), (0.75, 0.55), (1, 0.02)) * span * 0.42
        facing = (0.1, 1.0, rng.uniform(0.2, 0.9))
        grids.append(blade(_reach(start, step, 0.25 * scale), width, facing, fold=0.2, wave=0.1))
    leaf = _leaf(rng, pigment(76, 120, 46), 0.8)
    return [Surface(np.concatenate(grids), leaf, through=0.35, gloss=0.06, cut=_toothed(16, 0.07))]


def _rose_leaves(rng: Rng, stem: Floats, scale: float) -> list[Surface]:
    """Pinnate leaves of five serrate leaflets, and the thorns."""
    grids, stalks = [], []
    for side in _sides(rng, 1, 3):
        start = stem[int(len(stem) * rng.uniform(0.25, 0.9))]
        span = scale * rng.uniform(0.9, 1.4)
        rise = _below(stem, scale, start, span * rng.uniform(-0.3, 0.45))
        step = (side * span, rise, rng.uniform(-0.1, 0.2))
        stalk = _reach(start, step, 0.2 * scale)
        stalks.append(tube(stalk, 0.022 * scale, 5))
        along = stalk[-1] - stalk[-4]
        along /= np.linalg.norm(along) + 1e-6
        across = np.array([-along[1], along[0], 0.25], np.float32)
        for row, turn in ((13, 0.0), (9, 1.0), (9, -1.0), (5, 1.0), (5, -1.0)):
            size = span * rng.uniform(0.42, 0.56) * (1.0 if turn else 1.15)
            heading = (along * 0.75 + across * turn * 0.9 if turn else along) * size
            width = outline(14, (0, 0.15), (0.3, 0.9), (0.5, 1), (0.8, 0.55), (1, 0.04)) * size * 0.34
            facing = np.cross(heading, [0, 0.25, 1])
            facing /= np.linalg.norm(facing) + 1e-6
            grids.append(blade(_reach(stalk[row], heading, 0.06 * scale), width, facing, fold=0.3))
    leaf = _leaf(rng, blend(pigment(52, 92, 42), pigment(94, 112, 52), rng.uniform(0, 1)), 0.5)
    return [
        Surface(np.concatenate(grids), leaf, through=0.3, gloss=0.22, cut=_toothed(11, 0.13)),
        Surface(np.concatenate(stalks), leaf, through=0.2),
        _thorns(rng, stem, scale),
    ]


def _thorns(rng: Rng, stem: Floats, scale: float) -> Surface:
    n = 7
    rows = rng.integers(3, len(stem) - 1, n)
    out = np.stack([rng.choice([-1.0, 1.0], n), rng.uniform(-0.7, -0.1, n), rng.uniform(-0.2, 0.6, n)], 1)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    points = domes(stem[rows] + out * 0.03 * scale, out, np.full(n, 0.035 * scale), np.full(n, 0.14 * scale))
    return Surface(
        points, lambda u, v, k: blend(pigment(150, 70, 52), pigment(110, 112, 60), u), through=0.2, gloss=0.2
    )


# By species: the surfaces of the leaves for (generator, stem, scale).
LEAVES: dict[str, Callable[[Rng, Floats, float], list[Surface]]] = {
    "daisy": _daisy_leaves,
    "dandelion": _dandelion_leaves,
    "rose": _rose_leaves,
    "sunflower": _sunflower_leaves,
    "tulip": _tulip_leaves,
}
