"""The parts of a scene (curved surfaces, threads, light) and the layer that they are rendered to.

The frame spans [-1, 1] in x (right) and y (up) at z = 0; z grows towards the viewer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lib.synthetic_flowers.colours import Floats

Material = Callable[[Floats, Floats, NDArray[np.intp]], Floats]
Cut = Callable[[Floats, Floats], NDArray[np.bool_]]
CAMERA = 6.0  # distance of the eye from the plane z = 0; gives a mild perspective


@dataclass(frozen=True)
class Surface:
    """n curved patches of one material, `points` (n, U, V, 3).

    `material(u, v, k)` is the albedo (3, M) at u in 0..1 and v in -1..1 of the parts k. `cut(u, v)` is true where the
    surface exists. `through` is translucency, `gloss` sheen.
    """

    points: Floats
    material: Material
    through: float = 0.3
    gloss: float = 0.1
    cut: Cut | None = None


@dataclass(frozen=True)
class Threads:
    """Hair-thin lines (m, 2 or more points, 3), with a width in frame units, blended over a layer."""

    lines: Floats
    width: float
    colour: Floats
    opacity: float


@dataclass(frozen=True)
class Light:
    """`towards` is the unit vector from the scene to the sun; the three colours are linear intensities (3,).

    `shadow` in 0..1 is the depth of shadows.
    """

    towards: Floats
    sun: Floats
    sky: Floats
    ground: Floats
    shadow: float = 0.8


@dataclass
class Layer:
    """A rendered picture plane: premultiplied linear colour (S, S, 3), coverage (S, S), depth (S, S)."""

    colour: Floats
    cover: Floats
    depth: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))


def project(points: Floats, size: int) -> tuple[Floats, Floats, Floats]:
    """Pixel column, pixel row and depth of points (…, 3) in a size × size frame."""
    z = points[..., 2]
    scale = np.float32(CAMERA) / np.maximum(np.float32(CAMERA) - z, np.float32(0.5))
    half = np.float32(size / 2)
    return half + points[..., 0] * scale * half, half - points[..., 1] * scale * half, z
