"""Curved shapes as grids of 3-D points, for `renderer`: petals, leaves, stems, florets.

Grids are (patches, rows, columns, 3) float32; u runs along the rows from 0 to 1, v across the columns from -1 to 1.
Angles are in radians.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from lib.synthetic_flowers.colours import Floats, ramp

GOLDEN_ANGLE = np.float32(np.pi * (3 - 5**0.5))  # 137.508 degrees: Vogel, Mathematical Biosciences 44 (1979) 179


def petals(
    azimuth: Floats,
    theta: Floats,
    length: Floats,
    width: Floats,
    profile: Floats,
    *,
    radius: Any = 0.0,
    height: Any = 0.0,
    cup: Any = 0.0,
    roll: Any = 0.0,
    ruffle: Any = 0.0,
    waves: Any = 3.0,
    phase: Any = 0.0,
    edge: Any = 0.0,
    sway: Any = 0.0,
    columns: int = 9,
) -> Floats:
    """Points (n, rows, columns, 3) of n petals around the axis +z.

    A petal leaves the axis at `radius` and `height` in direction `azimuth`, climbs at angle `theta` (n, rows) above the
    horizontal along its `length`, is `width` × `profile` ((rows,) or (n, rows)) wide on each side, bends across by the
    curvature `cup` (positive closes towards the axis), leans by the angle `roll`, has `waves` of the height `ruffle`
    and of this `phase` at its margin, curls its margin by `edge` and drifts sideways by `sway`. Each is one number,
    (n,), or (n, rows).
    """
    n, rows = theta.shape

    def column(a: Any) -> Floats:
        a = np.asarray(a, np.float32)
        if a.ndim < 2:
            a = np.broadcast_to(a, (n,))[:, None]
        return np.asarray(a[:, :, None], np.float32)

    u = ramp(0, 1, rows)[None, :, None]
    v = ramp(-1, 1, columns)[None, None, :]
    step = column(length) / (rows - 1)
    middle = (theta + np.roll(theta, 1, axis=1)) / 2
    middle[:, 0] = theta[:, 0]
    run = np.cumsum(np.cos(middle), axis=1)[:, :, None] * step - np.cos(middle)[:, :1, None] * step + column(radius)
    rise = np.cumsum(np.sin(middle), axis=1)[:, :, None] * step - np.sin(middle)[:, :1, None] * step + column(height)
    half = column(width) * (profile[None, :, None] if profile.ndim == 1 else profile[:, :, None])
    bend = column(cup)
    safe = np.where(np.abs(bend) < 1e-3, 1e-3, bend)
    angle = half * v * safe
    across = np.sin(angle) / safe
    lift = (1 - np.cos(angle)) / safe
    lift = lift + column(ruffle) * u**1.5 * np.sin(column(waves) * v * 2 + column(phase) + 4 * u) * (0.25 + v * v)
    lift = lift - column(edge) * np.abs(v) ** 3 * u
    across = across + column(sway) * u * u
    tilt = column(roll) * np.ones_like(across)
    across, lift = across * np.cos(tilt) - lift * np.sin(tilt), across * np.sin(tilt) + lift * np.cos(tilt)
    out = run - np.sin(theta)[:, :, None] * lift
    up = rise + np.cos(theta)[:, :, None] * lift
    c, s = np.cos(column(azimuth)), np.sin(column(azimuth))
    return np.stack([c * out - s * across, s * out + c * across, up], axis=-1).astype(np.float32)


@lru_cache(maxsize=512)
def outline(rows: int, *knots: tuple[float, float]) -> Floats:
    """A smooth width profile (rows,) through (u, width) knots: a cubic Hermite spline, at least 0.015."""
    u = ramp(0, 1, rows)
    x, y = np.array(knots, np.float32).T
    i = np.clip(np.searchsorted(x, u, side="right") - 1, 0, len(x) - 2)
    t = (u - x[i]) / (x[i + 1] - x[i])
    slope = np.gradient(y, x)
    slope[0], slope[-1] = (y[1] - y[0]) / (x[1] - x[0]) * 1.3, (y[-1] - y[-2]) / (x[-1] - x[-2]) * 1.5
    h = x[i + 1] - x[i]
    value = (
        (2 * t**3 - 3 * t**2 + 1) * y[i]
        + (t**3 - 2 * t**2 + t) * h * slope[i]
        + (3 * t**2 - 2 * t**3) * y[i + 1]
        + (t**3 - t**2) * h * slope[i + 1]
    )
    return np.asarray(np.maximum(value, 0.015), np.float32)


def domes(centre: Floats, normal: Floats, radius: Floats, height: Floats, *, rows: int = 4, columns: int = 7) -> Floats:
    """Points (n, rows, columns, 3) of n domes at `centre` (n, 3) along the unit vectors `normal` (n, 3).

    `radius` and `height` are (n,). u runs from the top to the rim, v around the axis.
    """
    n = len(centre)
    helper = np.where(np.abs(normal[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    right = np.cross(normal, helper)
    right /= np.linalg.norm(right, axis=1, keepdims=True) + 1e-9
    ahead = np.cross(normal, right)
    a = ramp(0.02, np.pi / 2, rows)[None, :, None, None]
    b = ramp(-np.pi, np.pi, columns)[None, None, :, None]
    shape = (n, 1, 1, 3)
    ring = np.cos(b) * right.reshape(shape) + np.sin(b) * ahead.reshape(shape)
    out = centre.reshape(shape) + np.sin(a) * ring * radius.reshape(n, 1, 1, 1)
    return np.asarray(out + np.cos(a) * normal.reshape(shape) * height.reshape(n, 1, 1, 1), np.float32)


def bezier(*knots: Any, rows: int = 16) -> Floats:
    """Points (rows, 3) of the cubic Bézier curve with four control points `knots`, (3,) each."""
    t = ramp(0, 1, rows)[:, None]
    a, b, c, d = (np.asarray(k, np.float32) for k in knots)
    return np.asarray((1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t * t * c + t**3 * d, np.float32)


def _frame(path: Floats, side: Any) -> tuple[Floats, Floats]:
    """Unit vectors across and out of a path (rows, 3); the first is as close to `side` as possible."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    side = np.broadcast_to(np.asarray(side, np.float32), path.shape)
    across = side - along * np.sum(side * along, axis=1, keepdims=True)
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    return across.astype(np.float32), np.cross(across, along).astype(np.float32)


def tube(path: Floats, radius: Any, columns: int = 9) -> Floats:
    """Points (1, rows, columns, 3) of a stem around `path` (rows, 3); `radius` is one number or (rows,)."""
    across, out = _frame(path, (1.0, 0.0, 0.15))
    b = ramp(-np.pi, np.pi, columns)[None, :, None]
    r = np.broadcast_to(np.asarray(radius, np.float32), (len(path),))[:, None, None]
    return np.asarray(path[:, None] + r * (np.cos(b) * across[:, None] + np.sin(b) * out[:, None]), np.float32)[None]


def blade(path: Floats, width: Floats, side: Any, *, fold: float = 0.3, wave: float = 0.0, columns: int = 9) -> Floats:
    """Points (1, rows, columns, 3) of a leaf along `path` (rows, 3), `width` (rows,) to each side.

    It lies across in the direction nearest to `side` (3,), is folded at the midrib by `fold`, and waves by `wave`.
    """
    across, out = _frame(path, side)
    v = ramp(-1, 1, columns)[None, :, None]
    u = ramp(0, 1, len(path))[:, None, None]
    w = width[:, None, None]
    lift = fold * w * np.abs(v) ** 1.5 + wave * w * np.sin(9 * u + 2 * v) * np.abs(v)
    return np.asarray(path[:, None] + across[:, None] * v * w - out[:, None] * lift, np.float32)[None]


def points_on_sphere(n: int, cap: float = 1.0) -> Floats:
    """n unit vectors (n, 3) spread by the golden angle over a sphere (cap 1) or its upper part around +z."""
    i = np.arange(n, dtype=np.float32)
    z = 1 - 2 * cap * (i + 0.5) / n
    r = np.sqrt(np.maximum(0, 1 - z * z))
    return np.stack([r * np.cos(i * GOLDEN_ANGLE), r * np.sin(i * GOLDEN_ANGLE), z], axis=1).astype(np.float32)
