"""Colours, and the patterns on surfaces.

Colours are linear RGB (float32, 1 = white) until `camera.develop` converts them to sRGB bytes. All randomness comes
from the generator that is passed in.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]  # float32 throughout; NumPy's stubs lose the width in mixed arithmetic
Rng = np.random.Generator


def linear(*rgb: float) -> Floats:
    """An sRGB colour (0..255) as linear light (3,)."""
    return (np.asarray(rgb, np.float32) / 255) ** np.float32(2.2)


def pigment(*rgb: float) -> Floats:
    """`linear` as a column (3, 1), since surfaces compute channel first."""
    return linear(*rgb)[:, None]


def tint(rng: Rng, colour: Floats, spread: float = 0.06) -> Floats:
    """A random colour (3, 1) near `colour`; the channels deviate by about `spread`."""
    return np.asarray(colour * np.exp(rng.normal(0, spread, (3, 1))), np.float32)


def blend(a: Any, b: Any, t: Any) -> Floats:
    """a where t = 0, b where t = 1; colours (3, 1) or (3, M), weights (M,)."""
    return np.asarray(a + (b - a) * t, np.float32)


def mix(a: Any, b: Any, t: Any) -> Floats:
    """a where t = 0, b where t = 1; colours (…, 3) with weights (…) broadcast."""
    t = np.asarray(t, np.float32)[..., None]
    return np.asarray(a + (np.asarray(b, np.float32) - a) * t, np.float32)


def smooth(low: float, high: float, x: Any) -> Floats:
    """Smoothstep from 0 at `low` to 1 at `high` (which may be the smaller number)."""
    t = np.clip((np.asarray(x, np.float32) - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


@lru_cache(maxsize=512)
def ramp(low: float, high: float, count: int) -> Floats:
    """`count` evenly spaced numbers. The array is shared: do not modify it."""
    return np.linspace(low, high, count, dtype=np.float32)


@lru_cache(maxsize=1)
def _tile() -> Floats:
    """A tile (256, 256) of smooth noise, with equal opposite edges."""
    rng = np.random.default_rng(7)
    total = np.zeros((256, 256), np.float32)
    for cells, weight in ((8, 1.0), (32, 0.7), (128, 0.5)):
        grid = np.pad(rng.standard_normal((cells, cells)).astype(np.float32), 2, mode="wrap")
        step = 256 // cells
        total += (
            weight
            * cv2.resize(grid, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)[
                2 * step : 2 * step + 256, 2 * step : 2 * step + 256
            ]
        )
    return np.asarray(total / total.std(), np.float32)


def mottle(u: Floats, v: Floats, k: NDArray[np.intp], fu: float, fv: float) -> Floats:
    """Smooth noise (mean 0, deviation 1) over a surface; each part k has another patch of it."""
    row = (u * np.float32(fu * 32)).astype(np.int32) + k * 57
    column = ((v + 1) * np.float32(fv * 32)).astype(np.int32) + k * 101
    return np.asarray(_tile()[row & 255, column & 255])


def stripes(v: Floats, count: float, depth: float, k: NDArray[np.intp]) -> Floats:
    """Parallel veins: 1 between them, 1 - depth on them."""
    wave = np.square(0.5 + 0.5 * np.cos(v * np.float32(np.pi * count) + (k * 1.7).astype(np.float32)))
    return np.asarray(1 - depth * wave * wave, np.float32)
