"""A plant before it is posed: its surfaces and threads, and random numbers for its petals."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lib.synthetic_flowers.colours import Floats, Rng, pigment
from lib.synthetic_flowers.surfaces import Surface, Threads

Factors = dict[str, float | str | int]


@dataclass
class Plant:
    """A flower head around +z with radius about 1, and how its stem and leaves look."""

    surfaces: list[Surface]
    threads: list[Threads] = field(default_factory=list)
    base: float = -0.2
    stem: float = 0.05
    stem_colour: Floats = field(default_factory=lambda: pigment(92, 128, 58))
    factors: Factors = field(default_factory=dict)


def _table(rng: Rng, n: int, spread: float) -> Floats:
    return np.exp(rng.normal(0, spread, n)).astype(np.float32)


def _column(rng: Rng, n: int, low: float, high: float) -> Floats:
    return rng.uniform(low, high, n).astype(np.float32)
