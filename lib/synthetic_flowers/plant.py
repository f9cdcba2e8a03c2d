"""A plant before it is posed, and random numbers for its petals."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lib.synthetic_flowers.colours import Floats, Rng, pigment
from lib.synthetic_flowers.surfaces import Surface, Threads

Factors = dict[str, float | str | int]


@dataclass
class Plant:
    """A flower head around +z with radius about 1, and the look of its stem.

    The stem starts at the height `base` and has the radius `stem`. `factors` go into the factor table.
    """

    surfaces: list[Surface]
    threads: list[Threads] = field(default_factory=list)
    base: float = -0.2
    stem: float = 0.05
    stem_colour: Floats = field(default_factory=lambda: pigment(92, 128, 58))
    factors: Factors = field(default_factory=dict)


def log_normal_factors(rng: Rng, n: int, spread: float) -> Floats:
    """n random factors around 1, (n,) float32; `spread` is the deviation of their logarithms."""
    return np.exp(rng.normal(0, spread, n)).astype(np.float32)


def uniform_values(rng: Rng, n: int, low: float, high: float) -> Floats:
    """n random numbers between `low` and `high`, (n,) float32."""
    return rng.uniform(low, high, n).astype(np.float32)
