"""The flower heads of the five species; every random generator yields another head."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lib.synthetic_flowers.colours import Floats, Rng, blend, mottle, pigment, smooth, stripes, tint
from lib.synthetic_flowers.composite_heads import bracts, daisy_head, dandelion_head, sunflower_head
from lib.synthetic_flowers.plant import Plant, log_normal_factors, uniform_values
from lib.synthetic_flowers.shapes import GOLDEN_ANGLE, domes, outline, petals
from lib.synthetic_flowers.surfaces import Surface

_ROSES = {
    "red": ((158, 8, 24), (98, 2, 12), (182, 18, 36)),
    "pink": ((240, 130, 165), (222, 84, 130), (250, 176, 198)),
    "white": ((250, 246, 236), (244, 230, 196), (253, 250, 246)),
    "yellow": ((255, 196, 44), (244, 150, 16), (255, 214, 92)),
    "peach": ((255, 156, 108), (240, 98, 58), (255, 190, 150)),
}


def _rose_head(rng: Rng, bloom: float, strain: float) -> Plant:
    name = list(_ROSES)[int(strain * len(_ROSES))]
    body, centre_colour, lip_colour = (tint(rng, pigment(*c), 0.04) for c in _ROSES[name])
    n, rows, columns = int(rng.integers(21, 30)), 13, 13
    u = np.linspace(0, 1, rows, dtype=np.float32)[None]
    surfaces: list[Surface] = []
    order = np.arange(n)
    age = (order / (n - 1)).astype(np.float32)  # 0 the innermost petal, 1 the outermost
    spread = np.clip(age * (0.55 + 0.55 * bloom), 0, 1)
    radius = 0.035 + 0.30 * age**0.9
    # Each petal leaves the base flat, stands up as a wall, and (outer ones) rolls its lip outwards and down.
    wall = 1.62 - 0.95 * spread**1.5
    lips = (0.1 + 2.1 * spread**1.2) * rng.uniform(0.75, 1.2, n)
    theta = 0.25 + (wall[:, None] - 0.25) * np.minimum(1, u / 0.22) - lips[:, None] * smooth(0.5, 1.05, u) ** 1.5
    length = 0.62 + 0.34 * age + rng.normal(0, 0.03, n)
    half = (0.10 + 0.46 * age**0.75) * rng.uniform(0.9, 1.1, n)
    profile = outline(rows, (0, 0.35), (0.3, 0.85), (0.62, 1), (0.88, 0.82), (1, 0.38))
    wrap = (0.75 / (radius + 0.1 + 0.25 * spread))[:, None] * (1 - 0.55 * spread[:, None] * u)
    azimuth = order * GOLDEN_ANGLE + rng.normal(0, 0.12, n)
    height = -0.1 * age + 0.02
    tones_by_petal = log_normal_factors(rng, n, 0.05)
    for group, hidden_rows in zip(np.array_split(order, 3), (3, 2, 0), strict=True):
        points = petals(
            azimuth[group].astype(np.float32),
            theta[group].astype(np.float32),
            length[group].astype(np.float32),
            half[group].astype(np.float32),
            profile,
            radius=radius[group] * 0.6,
            height=height[group],
            cup=wrap[group],
            roll=rng.normal(0, 0.1, len(group)).astype(np.float32),
            ruffle=(rng.uniform(0.01, 0.05, len(group)) * (0.3 + age[group])).astype(np.float32),
            waves=uniform_values(rng, len(group), 1.5, 3.5),
            phase=uniform_values(rng, len(group), 0, 6),
            edge=(rng.uniform(0.02, 0.16, len(group)) * spread[group]).astype(np.float32),
            columns=columns,
        )
        tone, ages, hidden = tones_by_petal[group], age[group], hidden_rows / (rows - 1)

        def petal(
            u: Floats,
            v: Floats,
            k: NDArray[np.intp],
            tone: Floats = tone,
            ages: Floats = ages,
            hidden: float = hidden,
        ) -> Floats:
            u = hidden + u * (1 - hidden)
            colour = blend(centre_colour, body, np.clip(smooth(0.15, 0.75, u) * (0.45 + 0.8 * ages[k]), 0, 1))
            colour = blend(colour, lip_colour, smooth(0.72, 1.0, u + 0.12 * np.abs(v) ** 2) * 0.85)
            vein = stripes(v * (1.2 - 0.5 * u), 9, 0.045, k)
            return colour * (tone[k] * vein * (1 + 0.025 * mottle(u, v, k, 3, 2)))

        # The foot of an inner petal is hidden by the outer ones.
        surfaces.append(Surface(points[:, hidden_rows:], petal, through=0.38, gloss=0.08))
    surfaces.append(bracts(rng, 5, 0.1, 0.62, 0.11, -0.1, 1.6))
    plug = domes(np.array([[0, 0, 0.0]]), np.array([[0, 0, 1.0]]), np.array([0.26]), np.array([0.34]), rows=7)
    surfaces.append(Surface(plug, lambda u, v, k: np.repeat(centre_colour * 0.6, len(u), 1), through=0.1))
    hip = domes(np.array([[0, 0, -0.32]]), np.array([[0, 0, 1.0]]), np.array([0.16]), np.array([0.24]))
    surfaces.append(Surface(hip, lambda u, v, k: np.repeat(pigment(84, 118, 56), len(u), 1), through=0.1))
    return Plant(
        surfaces, base=-0.3, stem=0.06, stem_colour=pigment(92, 104, 52), factors={"petals": n, "colour": name}
    )


_TULIPS = {
    "red": ((206, 22, 34), (250, 208, 60), (150, 6, 28)),
    "yellow": ((254, 200, 20), (250, 232, 110), (216, 60, 20)),
    "pink": ((236, 110, 156), (252, 226, 214), (206, 40, 110)),
    "white": ((248, 246, 236), (226, 236, 178), (214, 40, 70)),
    "purple": ((122, 40, 120), (226, 200, 226), (70, 14, 76)),
    "orange": ((248, 124, 24), (255, 206, 70), (206, 44, 24)),
}


def _tulip_head(rng: Rng, bloom: float, strain: float) -> Plant:
    name = list(_TULIPS)[int(strain * len(_TULIPS))]
    body, base, flame = (tint(rng, pigment(*c), 0.04) for c in _TULIPS[name])
    flamed = strain * 97 % 1 if strain * 31 % 1 < 0.6 else 0.0
    rows, columns = 15, 13
    u = np.linspace(0, 1, rows, dtype=np.float32)[None]
    pointed = rng.uniform(0, 1)
    opened = bloom * rng.uniform(0.1, 1.0)
    surfaces = []
    for whorl in (0, 1):
        azimuth = np.arange(3) * 2 * np.pi / 3 + whorl * np.pi / 3 + rng.normal(0, 0.08, 3)
        lean = (1.62 - 0.52 * opened + rng.normal(0, 0.06, 3))[:, None]
        theta = 0.1 + (lean - 0.1) * smooth(-0.05, 0.3, u) + (0.42 - 0.95 * opened) * smooth(0.55, 1.1, u)
        points = petals(
            azimuth.astype(np.float32),
            theta.astype(np.float32),
            (1.9 + rng.normal(0, 0.05, 3)).astype(np.float32) * (0.98 if whorl else 1.0),
            np.full(3, 0.60 if whorl else 0.66, np.float32),
            outline(rows, (0, 0.3), (0.22, 0.86), (0.5, 1), (0.8, 0.74 - 0.12 * pointed), (1, 0.1)),
            radius=0.06,
            height=0.03 * whorl,
            cup=(1.75 + 0.5 * whorl) * (1 - 0.3 * opened * u) * np.ones((3, 1), np.float32),
            roll=(rng.normal(0, 0.06, 3) + 0.09).astype(np.float32),
            ruffle=uniform_values(rng, 3, 0.0, 0.03),
            waves=uniform_values(rng, 3, 1.5, 3),
            phase=uniform_values(rng, 3, 0, 6),
            edge=uniform_values(rng, 3, -0.02, 0.08),
            columns=columns,
        )
        tones = log_normal_factors(rng, 3, 0.04)

        def petal(u: Floats, v: Floats, k: NDArray[np.intp], tones: Floats = tones) -> Floats:
            streak = mottle(u * 0.15, v * (1.1 - 0.3 * u), k, 1, 5)
            colour = blend(base, body, smooth(0.02, 0.34, u + 0.05 * streak))
            flare = smooth(0.75, 0.1, np.abs(v) + 0.28 * u * u + 0.16 * streak) * smooth(0.0, 0.25, u)
            colour = blend(colour, flame, np.clip(flare * flamed, 0, 0.92))
            colour = blend(colour, body * 1.12 + 0.03, 0.5 * smooth(0.8, 1.0, np.abs(v)))
            return colour * (tones[k] * (1 + 0.05 * streak) * (1 - 0.1 * np.exp(-((v / 0.06) ** 2))))

        surfaces.append(Surface(points, petal, through=0.42, gloss=0.24))
    stamen_azimuth = np.arange(6) * np.pi / 3
    stamens = petals(
        stamen_azimuth.astype(np.float32),
        np.full((6, 5), 1.25, np.float32),
        np.full(6, 0.55, np.float32),
        np.full(6, 0.035, np.float32),
        outline(5, (0, 0.4), (0.5, 0.5), (0.8, 1), (1, 0.4)),
        radius=0.1,
        columns=4,
    )
    surfaces.append(
        Surface(stamens, lambda u, v, k: blend(pigment(200, 190, 90), pigment(44, 30, 40), smooth(0.5, 0.6, u)))
    )
    pistil = domes(np.array([[0, 0, 0.05]]), np.array([[0, 0, 1.0]]), np.array([0.1]), np.array([0.55]))
    surfaces.append(Surface(pistil, lambda u, v, k: np.repeat(pigment(180, 190, 96), len(u), 1)))
    for surface in surfaces:  # poses rotate about the middle of the cup, not about its foot
        surface.points[..., 2] -= 0.85
    return Plant(
        surfaces, base=-0.85, stem=0.075, stem_colour=pigment(112, 146, 84), factors={"petals": 6, "colour": name}
    )


# By species: the head for (generator, bloom in 0..1, strain in 0..1), where the strain is the cultivar.
HEADS: dict[str, Callable[[Rng, float, float], Plant]] = {
    "daisy": daisy_head,
    "dandelion": dandelion_head,
    "rose": _rose_head,
    "sunflower": sunflower_head,
    "tulip": _tulip_head,
}
