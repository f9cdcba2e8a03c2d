"""Synthetic flowers: a drawn data set of five species for machines that cannot download photos.

Each picture has its own generator, derived from (seed, species, index), so a set does not depend on how many
processes drew it. What was drawn (pose, light, background, bloom …) is written to `factors.csv` beside the pictures.
Background, light and framing come from one distribution for all species: only the plant tells them apart.
"""

from __future__ import annotations

import contextlib
import csv
import json
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lib.data.drawing import (
    BACKDROPS,
    GOLDEN_ANGLE,
    Floats,
    Layer,
    Light,
    Rng,
    Surface,
    Threads,
    backdrop,
    bezier,
    blade,
    blend,
    blur,
    cast_shadow,
    develop,
    domes,
    enlarge,
    foreground,
    mottle,
    outline,
    over,
    petals,
    pigment,
    render,
    shrink,
    smooth,
    spherical,
    tube,
)
from lib.errors import DataError

SPECIES = ("daisy", "dandelion", "rose", "sunflower", "tulip")
VERSION = "1"  # changes whenever the pictures change
FACTORS = (
    "species",
    "seed",
    "background",
    "light",
    "light_azimuth",
    "light_depth",
    "strength",
    "warmth",
    "framing",
    "scale",
    "x",
    "y",
    "tilt",
    "azimuth",
    "roll",
    "colour",
    "strain",
    "stage",
    "bloom",
    "petals",
    "flowers",
    "blurred_flowers",
    "defocus",
    "occlusion",
    "vignette",
    "noise",
)
JPEG_QUALITY = 92
SUPERSAMPLE = 2
Factors = dict[str, float | str | int]
Progress = Callable[[int, int], None]


@dataclass
class Plant:
    """A flower head around +z with radius about 1, and how its stem and leaves look."""

    surfaces: list[Surface]
    threads: list[Threads] = field(default_factory=list)
    base: float = -0.2
    stem: float = 0.05
    stem_colour: Floats = field(default_factory=lambda: pigment(92, 128, 58))
    factors: Factors = field(default_factory=dict)


def _tint(rng: Rng, colour: Floats, spread: float = 0.06) -> Floats:
    return np.asarray(colour * np.exp(rng.normal(0, spread, (3, 1))), np.float32)


def _table(rng: Rng, n: int, spread: float) -> Floats:
    return np.exp(rng.normal(0, spread, n)).astype(np.float32)


def _column(rng: Rng, n: int, low: float, high: float) -> Floats:
    return rng.uniform(low, high, n).astype(np.float32)


def _lines(v: Floats, count: float, depth: float, k: NDArray[np.intp]) -> Floats:
    """Parallel veins: 1 between them, 1 - depth on them."""
    wave = np.square(0.5 + 0.5 * np.cos(v * np.float32(np.pi * count) + (k * 1.7).astype(np.float32)))
    return np.asarray(1 - depth * wave * wave, np.float32)


# ---- heads ----------------------------------------------------------------------------------------------------------


def _vogel(n: int, radius: float) -> tuple[Floats, Floats, Floats]:
    """x, y and r of n points in Vogel's sunflower spiral."""
    i = np.arange(n, dtype=np.float32)
    r = radius * np.sqrt((i + 0.5) / n)
    return r * np.cos(i * GOLDEN_ANGLE), r * np.sin(i * GOLDEN_ANGLE), r


def _cap(x: Floats, y: Floats, radius: float, height: float) -> tuple[Floats, Floats]:
    """Points and normals on a flat dome."""
    r2 = (x * x + y * y) / radius**2
    normal = np.stack([2 * height * x / radius**2, 2 * height * y / radius**2, np.ones_like(x)], 1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return np.stack([x, y, height * (1 - r2)], 1).astype(np.float32), normal.astype(np.float32)


def _bracts(rng: Rng, count: int, radius: float, length: float, width: float, height: float, fall: float) -> Surface:
    colour, table = _tint(rng, pigment(86, 118, 52)), _table(rng, count, 0.12)
    u = np.linspace(0, 1, 7, dtype=np.float32)
    points = petals(
        np.arange(count, dtype=np.float32) * 2 * np.pi / count + _column(rng, count, -0.1, 0.1),
        np.repeat((0.35 - fall * u)[None], count, 0).astype(np.float32),
        _column(rng, count, 0.85, 1.15) * length,
        np.full(count, width, np.float32),
        outline(7, (0, 0.8), (0.35, 1), (1, 0.05)),
        radius=radius,
        height=height,
        cup=-3.0,
        columns=5,
    )
    return Surface(points, lambda u, v, k: colour * (table[k] * (0.75 + 0.4 * u)), through=0.2, gloss=0.05)


def _daisy(rng: Rng, bloom: float, strain: float) -> Plant:
    n, rows = int(rng.integers(24, 42)), 10
    inner = n // 2
    pink = strain**3
    disc_radius, dome = float(rng.uniform(0.24, 0.31)), float(rng.uniform(0.06, 0.16))
    u = np.linspace(0, 1, rows, dtype=np.float32)
    surfaces = []
    droop = rng.uniform(0.0, 0.45)
    white, tip = _tint(rng, pigment(250, 249, 246), 0.02), pigment(236, 120, 160)
    for whorl, count in enumerate((n - inner, inner)):
        azimuth = (np.arange(count) + 0.5 * whorl) * 2 * np.pi / count + rng.normal(0, 0.05, count)
        rise = 0.08 + 0.10 * whorl + (1 - bloom) * 1.0 + rng.normal(0, 0.07, count)
        theta = rise[:, None] + (0.25 - (0.35 + droop) * u)[None] * bloom + rng.normal(0, 0.1, count)[:, None] * u
        points = petals(
            azimuth.astype(np.float32),
            theta.astype(np.float32),
            (1.0 - disc_radius * 0.85) * _column(rng, count, 0.9, 1.04) * (0.97 if whorl else 1.0),
            _column(rng, count, 0.85, 1.15) * (2.1 / n + 0.028),
            outline(rows, (0, 0.42), (0.3, 0.8), (0.7, 1), (0.92, 0.72), (1, 0.22)),
            radius=disc_radius * 0.85,
            height=-0.03 + 0.025 * whorl,
            cup=rng.normal(1.5, 2.0, count).astype(np.float32),
            roll=rng.normal(0, 0.16, count).astype(np.float32),
            sway=rng.normal(0, 0.035, count).astype(np.float32),
            columns=7,
        )
        table = _table(rng, count, 0.035)

        def petal(u: Floats, v: Floats, k: NDArray[np.intp], table: Floats = table) -> Floats:
            base = blend(white * 0.86 * pigment(246, 250, 238), white, smooth(0, 0.3, u))
            base = blend(base, tip, pink * 0.75 * smooth(0.55, 1.0, u + 0.06 * mottle(u, v, k, 2, 1)))
            groove = 1 - 0.16 * np.exp(-(((np.abs(v) - 0.36) / 0.11) ** 2)) * smooth(1, 0.6, u)
            return base * (table[k] * groove * (1 + 0.018 * mottle(u, v, k, 3, 2)))

        surfaces.append(Surface(points, petal, through=0.6, gloss=0.12))
    m = int(rng.integers(230, 330))
    x, y, r = _vogel(m, disc_radius)
    centre, normal = _cap(x, y, disc_radius, dome)
    size = disc_radius / m**0.5 * 0.98
    rim, core = _tint(rng, pigment(250, 190, 20)), _tint(rng, pigment(214, 190, 30))
    share, table = (r / disc_radius).astype(np.float32), _table(rng, m, 0.13)

    def floret(u: Floats, v: Floats, k: NDArray[np.intp]) -> Floats:
        colour = blend(core, rim, smooth(0.15, 0.75, share[k]))
        return blend(colour * 1.1, colour * pigment(190, 150, 110), smooth(0.35, 1, u)) * table[k]

    surfaces.append(
        Surface(domes(centre, normal, np.full(m, size), size * (1.1 + 0.9 * share)), floret, through=0.1, gloss=0.15)
    )
    surfaces.append(_bracts(rng, 17, disc_radius * 0.55, disc_radius * 0.75, 0.06, -0.12, 0.2))
    return Plant(surfaces, base=-0.12, stem=0.035, factors={"petals": n, "colour": "pink" if pink > 0.4 else "white"})


def _sunflower(rng: Rng, bloom: float, strain: float) -> Plant:
    n, rows = int(rng.integers(26, 44)), 11
    disc_radius = float(rng.uniform(0.40, 0.52))
    u = np.linspace(0, 1, rows, dtype=np.float32)
    palette = {"yellow": (255, 200, 8), "gold": (252, 182, 6), "lemon": (255, 222, 60), "amber": (222, 120, 20)}
    name = list(palette)[int(np.searchsorted([0.5, 0.78, 0.96], strain, side="right"))]
    body = _tint(rng, pigment(*palette[name]), 0.04)
    deep = body * pigment(245, 190, 120)
    surfaces = []
    for whorl in range(3):
        count = n // 3 + (whorl < n % 3)
        azimuth = (np.arange(count) + whorl / 3) * 2 * np.pi / count + rng.normal(0, 0.08, count)
        rise = 0.10 + 0.16 * whorl + (1 - bloom) * 1.1 + rng.normal(0, 0.13, count)
        curl = rng.normal(-0.3, 0.35, count)[:, None] * u[None] ** 2
        theta = rise[:, None] + (0.1 - 0.25 * u)[None] + curl
        points = petals(
            azimuth.astype(np.float32),
            theta.astype(np.float32),
            (1.05 - disc_radius * 0.85) * _column(rng, count, 0.85, 1.12),
            _column(rng, count, 0.8, 1.15) * (0.105 + 0.9 / n),
            outline(rows, (0, 0.5), (0.25, 0.88), (0.5, 1), (0.8, 0.56), (1, 0.03)),
            radius=disc_radius * 0.86,
            height=-0.06 + 0.03 * whorl,
            cup=rng.normal(2.4, 1.6, count).astype(np.float32),
            roll=rng.normal(0, 0.25, count).astype(np.float32),
            ruffle=_column(rng, count, 0.0, 0.035),
            phase=_column(rng, count, 0, 6),
            sway=rng.normal(0, 0.06, count).astype(np.float32),
            columns=9,
        )
        table = _table(rng, count, 0.07)

        def petal(u: Floats, v: Floats, k: NDArray[np.intp], table: Floats = table) -> Floats:
            colour = blend(deep, body, smooth(0, 0.55, u + 0.07 * mottle(u, v, k, 2, 1)))
            vein = _lines(v + 0.12 * v * u, 5, 0.16, k * 0) * (1 - 0.1 * np.exp(-((v / 0.07) ** 2)))
            return colour * (table[k] * vein * (1 + 0.03 * mottle(u, v, k, 4, 2)))

        surfaces.append(Surface(points, petal, through=0.55, gloss=0.12))
    m = int(rng.integers(400, 600))
    x, y, r = _vogel(m, disc_radius)
    dome = float(rng.uniform(0.02, 0.14))
    centre, normal = _cap(x, y, disc_radius, dome)
    share = (r / disc_radius).astype(np.float32)
    centre[:, 2] -= 0.05 * np.exp(-((share / 0.35) ** 2))
    ripe = float(rng.uniform(0, 1))
    ring = 0.9 - 0.45 * ripe
    open_zone = np.exp(-(((share - ring) / 0.13) ** 2)).astype(np.float32)
    size = disc_radius / m**0.5
    tall = size * (0.7 + 1.5 * open_zone + 0.4 * share + rng.uniform(0, 0.35, m))
    middle = _tint(rng, blend(pigment(150, 158, 60), pigment(74, 44, 22), rng.uniform(0.0, 1)), 0.08)
    outer = _tint(rng, blend(pigment(92, 52, 22), pigment(48, 28, 16), rng.uniform(0, 1)), 0.08)
    pollen, table = _tint(rng, pigment(236, 160, 30)), _table(rng, m, 0.16)

    def floret(u: Floats, v: Floats, k: NDArray[np.intp]) -> Floats:
        colour = blend(middle, outer, smooth(0.18, 0.55, share[k]))
        colour = blend(colour, pollen, open_zone[k] * smooth(0.75, 0.25, u) * 0.9)
        return colour * (table[k] * (1.25 - 0.75 * smooth(0.2, 1, u)))

    radii = size * (0.98 - 0.25 * open_zone)
    surfaces.append(Surface(domes(centre, normal, radii, tall), floret, through=0.05, gloss=0.1))
    bed = domes(np.array([[0, 0, -0.06]]), np.array([[0, 0, 1.0]]), np.array([disc_radius]), np.array([dome + 0.03]))
    surfaces.append(Surface(bed, lambda u, v, k: np.repeat(outer * 0.5, len(u), 1), through=0))
    surfaces.append(_bracts(rng, 21, disc_radius * 0.75, 0.52, 0.11, -0.14, 0.5))
    surfaces.append(_bracts(rng, 15, disc_radius * 0.5, 0.5, 0.12, -0.19, 0.9))
    return Plant(surfaces, base=-0.2, stem=0.075, factors={"petals": n, "colour": name})


def _dandelion(rng: Rng, bloom: float, strain: float) -> Plant:
    if strain + rng.normal(0, 0.12) < 0.42:
        return _clock(rng)
    n, rows = int(rng.integers(160, 220)), 7
    body = _tint(rng, blend(pigment(252, 186, 4), pigment(255, 212, 16), rng.uniform(0, 1)), 0.03)
    deep = body * pigment(246, 186, 80)
    i = np.arange(n, dtype=np.float32)
    share = np.sqrt((i + 0.5) / n)  # 0 in the centre (young), 1 at the margin
    u = np.linspace(0, 1, rows, dtype=np.float32)[None]
    rise = (1.5 - 1.5 * share**1.1 * bloom - 0.25 * share)[:, None] + rng.normal(0, 0.1, n)[:, None]
    theta = rise - 0.25 * share[:, None] * u + rng.normal(0, 0.15, n)[:, None] * u
    length = (0.26 + 0.62 * share**1.15) * _column(rng, n, 0.9, 1.1)
    points = petals(
        (i * GOLDEN_ANGLE).astype(np.float32),
        theta.astype(np.float32),
        length.astype(np.float32),
        ((0.022 + 0.024 * share) * _column(rng, n, 0.85, 1.15)).astype(np.float32),
        outline(rows, (0, 0.55), (0.4, 0.9), (0.9, 1), (1, 0.85)),
        radius=0.24 * share,
        height=0.06 * (1 - share**2),
        cup=_column(rng, n, 2, 14) * (1.3 - share),
        roll=rng.normal(0, 0.25, n).astype(np.float32),
        sway=rng.normal(0, 0.05, n).astype(np.float32),
        columns=5,
    )
    table = _table(rng, n, 0.06)

    def ligule(u: Floats, v: Floats, k: NDArray[np.intp]) -> Floats:
        colour = blend(
            deep * pigment(235, 205, 150), body, smooth(0.0, 0.7, u) * (0.35 + 0.65 * smooth(0, 0.6, share[k]))
        )
        return colour * (table[k] * _lines(v, 3, 0.14, k * 0) * (0.9 + 0.12 * u))

    def teeth(u: Floats, v: Floats) -> NDArray[np.bool_]:
        return np.asarray(u < 1 - 0.06 * 2 * np.abs(v * 2.5 - np.rint(v * 2.5)), bool)

    surfaces = [Surface(points, ligule, through=0.4, gloss=0.06, cut=teeth)]
    young = 46  # the florets in the middle open last: short, curled over, darker
    x, y, r = _vogel(young, 0.17)
    inner = petals(
        np.arctan2(y, x).astype(np.float32),
        (1.5 - 2.6 * r[:, None] + np.linspace(0.1, 0.9, 6)[None] + rng.normal(0, 0.15, (young, 1))).astype(np.float32),
        _column(rng, young, 0.2, 0.3) + r * 0.6,
        np.full(young, 0.024, np.float32),
        outline(6, (0, 0.8), (0.6, 1), (1, 0.5)),
        radius=r,
        height=0.1,
        cup=12.0,
        columns=5,
    )
    tone = _table(rng, young, 0.1)
    surfaces.append(Surface(inner, lambda u, v, k: blend(deep * 0.8, body, u) * tone[k], through=0.3, gloss=0.06))
    plug = domes(np.zeros((1, 3)), np.array([[0, 0, 1.0]]), np.array([0.26]), np.array([0.2]), rows=6, columns=13)
    surfaces.append(Surface(plug, lambda u, v, k: deep * (0.6 + 0.12 * mottle(u, v, k, 5, 5)), through=0.1))
    surfaces.append(_bracts(rng, 15, 0.1, 0.42, 0.07, -0.1, -0.5))
    surfaces.append(_bracts(rng, 13, 0.1, 0.4, 0.05, -0.16, 1.9))
    stem = blend(pigment(140, 160, 88), pigment(170, 112, 88), rng.uniform(0, 0.8))
    return Plant(surfaces, base=-0.14, stem=0.05, stem_colour=stem, factors={"petals": n, "colour": "yellow"})


def _clock(rng: Rng) -> Plant:
    """The seed head: achenes on a small receptacle, each with a beak and a parachute of fine rays."""
    n = int(rng.integers(110, 150))
    out = spherical(n, 0.93)
    gone = rng.uniform() < 0.35
    if gone:  # the wind has taken the seeds of one side
        wind = rng.normal(size=3)
        wind /= np.linalg.norm(wind)
        out = out[out @ wind + rng.normal(0, 0.25, n) < rng.uniform(0.0, 0.6)]
        n = len(out)
    out = out + rng.normal(0, 0.03, out.shape).astype(np.float32)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    helper = np.where(np.abs(out[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    right = np.cross(out, helper)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    ahead = np.cross(out, right)
    rays = 22
    angle = np.arange(rays) * 2 * np.pi / rays + rng.uniform(0, 6, (n, 1)) + rng.normal(0, 0.07, (n, rays))
    hub = out * _column(rng, n, 0.66, 0.72)[:, None]
    spread = (np.cos(angle)[..., None] * right[:, None] + np.sin(angle)[..., None] * ahead[:, None]) * 0.29
    lift = out[:, None] * rng.uniform(0.16, 0.3, (n, rays, 1))
    middle = hub[:, None] + spread * 0.55 + lift * 0.75
    end = hub[:, None] + spread * rng.uniform(0.85, 1.1, (n, rays, 1)) + lift
    start = np.repeat(hub[:, None], rays, 1)
    down = np.stack([start, middle, end], axis=2).reshape(-1, 3, 3).astype(np.float32)
    beak = np.stack([out * 0.2, out * 0.45, hub], axis=1).astype(np.float32)
    silk = _tint(rng, pigment(246, 246, 244), 0.02)
    brown = pigment(126, 92, 58)
    seeds = petals(
        np.arctan2(out[:, 1], out[:, 0]).astype(np.float32),
        np.repeat(np.arcsin(out[:, 2])[:, None], 5, 1).astype(np.float32),
        np.full(n, 0.17, np.float32),
        np.full(n, 0.016, np.float32),
        outline(5, (0, 0.4), (0.6, 1), (1, 0.2)),
        radius=0.12 * np.hypot(out[:, 0], out[:, 1]),
        height=0.12 * out[:, 2],
        columns=4,
    )
    core = domes(np.zeros((1, 3)), np.array([[0, 0, 1.0]]), np.array([0.15]), np.array([0.12]), rows=7, columns=11)
    surfaces = [
        Surface(seeds, lambda u, v, k: brown * (0.7 + 0.5 * u), through=0.1),
        Surface(core, lambda u, v, k: pigment(196, 186, 140) * (1 + 0.2 * mottle(u, v, k, 6, 6)), through=0.1),
        _bracts(rng, 13, 0.06, 0.34, 0.045, -0.03, 2.4),
    ]
    threads = [Threads(beak, 0.008, silk.ravel() * 0.8, 0.55), Threads(down, 0.0062, silk.ravel(), 0.5)]
    stem = blend(pigment(150, 160, 100), pigment(170, 120, 96), rng.uniform(0, 1))
    factors: Factors = {"petals": 0, "colour": "white", "stage": "seed"}
    return Plant(surfaces, threads, base=-0.03, stem=0.045, stem_colour=stem, factors=factors)


_ROSES = {
    "red": ((158, 8, 24), (98, 2, 12), (182, 18, 36)),
    "pink": ((240, 130, 165), (222, 84, 130), (250, 176, 198)),
    "white": ((250, 246, 236), (244, 230, 196), (253, 250, 246)),
    "yellow": ((255, 196, 44), (244, 150, 16), (255, 214, 92)),
    "peach": ((255, 156, 108), (240, 98, 58), (255, 190, 150)),
}


def _rose(rng: Rng, bloom: float, strain: float) -> Plant:
    name = list(_ROSES)[int(strain * len(_ROSES))]
    body, heart, lip = (_tint(rng, pigment(*c), 0.04) for c in _ROSES[name])
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
    veil = _table(rng, n, 0.05)
    for group, skip in zip(np.array_split(order, 3), (3, 2, 0), strict=True):
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
            waves=_column(rng, len(group), 1.5, 3.5),
            phase=_column(rng, len(group), 0, 6),
            edge=(rng.uniform(0.02, 0.16, len(group)) * spread[group]).astype(np.float32),
            columns=columns,
        )
        tone, old, hidden = veil[group], age[group], skip / (rows - 1)

        def petal(
            u: Floats, v: Floats, k: NDArray[np.intp], tone: Floats = tone, old: Floats = old, hidden: float = hidden
        ) -> Floats:
            u = hidden + u * (1 - hidden)
            colour = blend(heart, body, np.clip(smooth(0.15, 0.75, u) * (0.45 + 0.8 * old[k]), 0, 1))
            colour = blend(colour, lip, smooth(0.72, 1.0, u + 0.12 * np.abs(v) ** 2) * 0.85)
            vein = _lines(v * (1.2 - 0.5 * u), 9, 0.045, k)
            return colour * (tone[k] * vein * (1 + 0.025 * mottle(u, v, k, 3, 2)))

        # The foot of an inner petal is never seen: outer ones stand around it.
        surfaces.append(Surface(points[:, skip:], petal, through=0.38, gloss=0.08))
    surfaces.append(_bracts(rng, 5, 0.1, 0.62, 0.11, -0.1, 1.6))
    plug = domes(np.array([[0, 0, 0.0]]), np.array([[0, 0, 1.0]]), np.array([0.26]), np.array([0.34]), rows=7)
    surfaces.append(Surface(plug, lambda u, v, k: np.repeat(heart * 0.6, len(u), 1), through=0.1))
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


def _tulip(rng: Rng, bloom: float, strain: float) -> Plant:
    name = list(_TULIPS)[int(strain * len(_TULIPS))]
    body, base, flame = (_tint(rng, pigment(*c), 0.04) for c in _TULIPS[name])
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
            ruffle=_column(rng, 3, 0.0, 0.03),
            waves=_column(rng, 3, 1.5, 3),
            phase=_column(rng, 3, 0, 6),
            edge=_column(rng, 3, -0.02, 0.08),
            columns=columns,
        )
        table = _table(rng, 3, 0.04)

        def petal(u: Floats, v: Floats, k: NDArray[np.intp], table: Floats = table) -> Floats:
            streak = mottle(u * 0.15, v * (1.1 - 0.3 * u), k, 1, 5)
            colour = blend(base, body, smooth(0.02, 0.34, u + 0.05 * streak))
            flare = smooth(0.75, 0.1, np.abs(v) + 0.28 * u * u + 0.16 * streak) * smooth(0.0, 0.25, u)
            colour = blend(colour, flame, np.clip(flare * flamed, 0, 0.92))
            colour = blend(colour, body * 1.12 + 0.03, 0.5 * smooth(0.8, 1.0, np.abs(v)))
            return colour * (table[k] * (1 + 0.05 * streak) * (1 - 0.1 * np.exp(-((v / 0.06) ** 2))))

        surfaces.append(Surface(points, petal, through=0.42, gloss=0.24))
    at = np.arange(6) * np.pi / 3
    stamens = petals(
        at.astype(np.float32),
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
    for surface in surfaces:  # the cup's middle, not its foot, is the centre that poses turn about
        surface.points[..., 2] -= 0.85
    return Plant(
        surfaces, base=-0.85, stem=0.075, stem_colour=pigment(112, 146, 84), factors={"petals": 6, "colour": name}
    )


_HEADS: dict[str, Callable[[Rng, float, float], Plant]] = {
    "daisy": _daisy,
    "dandelion": _dandelion,
    "rose": _rose,
    "sunflower": _sunflower,
    "tulip": _tulip,
}


# ---- leaves ---------------------------------------------------------------------------------------------------------


def _leaf(rng: Rng, colour: Floats, veins: float, *, parallel: bool = False) -> Callable[..., Floats]:
    """The material of a leaf: a pale midrib, side veins (or parallel ones), mottled green."""
    tone = _tint(rng, colour, 0.08)

    def material(u: Floats, v: Floats, k: NDArray[np.intp]) -> Floats:
        midrib = np.exp(-((v / 0.06) ** 2)) * smooth(1.0, 0.7, u)
        if parallel:
            side = 1 - _lines(v, 9, 1.0, k * 0)
        else:
            side = np.exp(-((((u * 7 - np.abs(v) * 1.6) % 1) - 0.5) ** 2) / 0.006) * 0.8
        shade = 1 + 0.10 * mottle(u, v, k, 2, 1) - 0.12 * u
        return blend(tone * shade, tone * 1.5 + 0.02, np.clip(midrib + side * veins, 0, 1) * 0.55)

    return material


def _toothed(count: float, depth: float, back: float = 0.0) -> Callable[[Floats, Floats], NDArray[np.bool_]]:
    """A margin with `count` teeth, `depth` of the half width deep, pointing backwards by `back`."""

    def cut(u: Floats, v: Floats) -> NDArray[np.bool_]:
        across = np.abs(v)
        tooth = (u + np.float32(back) * across) * np.float32(count)
        tooth -= np.floor(tooth)
        return np.asarray(across <= 1 - np.float32(depth) * tooth * (u < 0.97), bool)

    return cut


def _reach(start: Floats, step: Any, bend: float) -> Floats:
    """A midrib (14, 3) from `start` by `step`, rising first and nodding by `bend` before its end."""
    x, y, z = (float(a) for a in step)
    rise = start + np.array([x * 0.25, y * 0.5 + bend * 0.4, z * 0.4])
    end = start + np.array([x, y, z])
    return bezier(start, rise, end + np.array([-x * 0.2, bend, 0]), end, rows=14)


def _below(stem: Floats, scale: float, start: Floats, rise: float) -> float:
    """`rise`, or less where a leaf from `start` would cover the flower on top of the stem."""
    return min(rise, float(stem[0, 1] - start[1]) - 0.9 * scale)


def _sides(rng: Rng, low: int, high: int) -> list[float]:
    """Alternating sides, -1 and 1, of `low` to `high` leaves."""
    first = -1.0 if rng.uniform() < 0.5 else 1.0
    return [first * (-1) ** i for i in range(int(rng.integers(low, high + 1)))]


def _tulip_leaves(rng: Rng, stem: Floats, scale: float) -> list[Surface]:
    grids = []
    room = float(stem[0, 1] - stem[-1, 1])  # leaves end below the flower
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


_LEAVES: dict[str, Callable[[Rng, Floats, float], list[Surface]]] = {
    "daisy": _daisy_leaves,
    "dandelion": _dandelion_leaves,
    "rose": _rose_leaves,
    "sunflower": _sunflower_leaves,
    "tulip": _tulip_leaves,
}


# ---- scene ----------------------------------------------------------------------------------------------------------


def _rotation(tilt: float, azimuth: float, roll: float) -> Floats:
    """The matrix that spins a head by `roll` and then tips its axis from the viewer by `tilt` towards `azimuth`."""
    c, s = np.cos(roll), np.sin(roll)
    spin = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    c, s = np.cos(tilt), np.sin(tilt)
    tip = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    c, s = np.cos(azimuth), np.sin(azimuth)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return np.asarray(turn @ tip @ turn.T @ spin, np.float32)


def _moved(surface: Surface, turn: Floats, place: Floats) -> Surface:
    return replace(surface, points=surface.points @ turn + place)


def _plant(
    species: str, rng: Rng, strain: float, centre: Floats, scale: float
) -> tuple[list[Surface], list[Threads], Factors]:
    """One whole plant with its head at `centre`, `scale` frame units in radius; stem and leaves follow gravity.

    `strain` in 0..1 is the cultivar, which neighbours usually share.
    """
    if rng.uniform() < 0.2:
        strain = float(rng.uniform())
    bloom = float(rng.beta(4, 1.3))
    plant = _HEADS[species](rng, bloom, strain)
    if species == "tulip":
        tilt, azimuth = rng.uniform(0.9, 1.55), np.pi / 2 + rng.normal(0, 0.16)
    elif species == "rose":
        tilt, azimuth = rng.uniform(0.1, 1.15), rng.normal(np.pi / 2, 0.7)
    else:
        tilt, azimuth = min(1.3, abs(rng.normal(0.3, 0.4))), rng.normal(np.pi / 2, 1.0)
    roll = rng.uniform(0, 2 * np.pi)
    turn = _rotation(tilt, azimuth, roll) * np.float32(scale)
    surfaces = [_moved(surface, turn.T, centre) for surface in plant.surfaces]
    threads = [Threads(t.lines @ turn.T + centre, t.width * scale, t.colour, t.opacity) for t in plant.threads]
    axis = turn[:, 2] / scale
    start = centre + turn[:, 2] * np.float32(plant.base)
    foot = np.array([centre[0] + rng.normal(0, 0.28), min(-1.5, start[1] - 1.2), centre[2] - 0.25], np.float32)
    length = float(start[1] - foot[1])
    stem = bezier(start, start - axis * min(0.9, length * 0.45), foot + np.array([0, length * 0.4, 0]), foot, rows=18)
    thick = plant.stem * scale * np.linspace(1.0, 1.25, 18)
    colour, fuzz = _tint(rng, plant.stem_colour), rng.uniform(0.04, 0.1)
    surfaces.append(
        Surface(
            tube(stem, thick),
            lambda u, v, k: colour * (1 + fuzz * mottle(u * 4, v, k, 3, 1) + 0.08 * np.cos(v * 12)),
            through=0.15,
            gloss=0.12,
        )
    )
    surfaces += _LEAVES[species](rng, stem, scale)
    pose: Factors = {"tilt": tilt, "azimuth": float(azimuth % (2 * np.pi)), "roll": roll, "bloom": bloom}
    return surfaces, threads, pose | plant.factors


_LIGHTS = ("sun", "overcast", "backlit", "golden")


def _light(rng: Rng) -> tuple[Light, Factors]:
    kind = str(rng.choice(_LIGHTS, p=[0.38, 0.24, 0.2, 0.18]))
    azimuth, warmth = rng.normal(np.pi / 2, 0.75), float(np.clip(rng.normal(0, 0.5), -1, 1))
    depth = {"sun": (0.35, 0.8), "overcast": (0.4, 0.85), "backlit": (-0.65, -0.2), "golden": (-0.1, 0.4)}[kind]
    z = rng.uniform(*depth)
    flat = (1 - z * z) ** 0.5
    strength = float(rng.uniform(0.8, 1.25))
    sun = {"sun": 2.1, "overcast": 0.75, "backlit": 2.4, "golden": 2.0}[kind] * strength
    sky = {"sun": 0.5, "overcast": 1.0, "backlit": 0.72, "golden": 0.48}[kind]
    warm = np.array([1 + 0.13 * warmth, 1, 1 - 0.2 * warmth], np.float32)
    tone = np.array([1.14, 0.84, 0.52], np.float32) if kind == "golden" else np.array([1.03, 1, 0.94], np.float32)
    light = Light(
        np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), z], np.float32),
        (sun * tone * warm).astype(np.float32),
        (sky * np.array([0.9, 0.98, 1.1]) * warm).astype(np.float32),
        (sky * 0.5 * np.array([1.0, 1.02, 0.8]) * warm).astype(np.float32),
        shadow=0.45 if kind == "overcast" else 0.8,
    )
    return light, {
        "light": kind,
        "light_azimuth": float(azimuth % (2 * np.pi)),
        "light_depth": z,
        "strength": strength,
        "warmth": warmth,
    }


def _place(rng: Rng, framing: str, species: str) -> list[tuple[Floats, float]]:
    """Centre and radius of each sharp flower."""
    low, high = {"macro": (0.8, 1.15), "near": (0.48, 0.78), "far": (0.26, 0.42)}[framing]
    tall = 0.72 if species == "tulip" else 1.0  # a cup is taller than its radius: same share of the frame as a disc
    scale = rng.uniform(low, high) * tall
    count = {"macro": 1, "near": 1 + int(rng.uniform() < 0.25), "far": int(rng.integers(1, 5))}[framing]
    loose = {"macro": 0.2, "near": 0.2, "far": 0.24}[framing]
    first = np.array([rng.normal(0, loose), rng.normal(0.06, loose), 0], np.float32)
    places = [(first, float(scale))]
    for _ in range(40):
        if len(places) == count:
            break
        spot = np.array([rng.uniform(-0.85, 0.85), rng.uniform(-0.6, 0.8), rng.uniform(-0.9, -0.2)], np.float32)
        size = float(scale * rng.uniform(0.75, 1.0))
        if all(np.hypot(*(spot - other)[:2]) > 0.85 * (size + its) for other, its in places):
            places.append((spot, size))
    return places


def draw(species: str, seed: int, size: int = 224) -> tuple[NDArray[np.uint8], Factors]:
    """One picture (size, size, 3) uint8 RGB and the factors behind it; the same for the same species and seed.

    Raises DataError for a species that is not in SPECIES.
    """
    if species not in SPECIES:
        raise DataError(f"There is no synthetic species {species!r}; choose one of {', '.join(SPECIES)}.")
    return _compose(species, seed, size, np.random.default_rng([seed, SPECIES.index(species)]))


def _compose(species: str, seed: int, size: int, rng: Rng) -> tuple[NDArray[np.uint8], Factors]:
    full = size * SUPERSAMPLE
    light, lit = _light(rng)
    kind = str(rng.choice(BACKDROPS, p=[0.3, 0.24, 0.12, 0.12, 0.1, 0.12]))
    framing = str(rng.choice(["macro", "near", "far"], p=[0.2, 0.52, 0.28]))
    defocus = float(rng.beta(2, 2))
    strain = float(rng.uniform())
    places = _place(rng, framing, species)
    ambient = light.sky * 0.6 + light.ground * 0.3 + light.sun * np.float32(0.32)
    picture = backdrop(kind, rng, size, defocus) * ambient
    behind = int(rng.integers(1, 4)) if rng.uniform() < (0.25 if kind in ("studio", "wall") else 0.42) else 0
    if behind:
        picture = _blurred((species, strain, behind, places[0][1]), rng, picture, light, defocus)
    surfaces: list[Surface] = []
    threads: list[Threads] = []
    factors: Factors = {}
    for number, (centre, scale) in enumerate(places):
        more, lines, pose = _plant(species, rng, strain, centre, scale)
        surfaces += more
        threads += lines
        factors = factors if number else pose
    layer = shrink(render(surfaces, threads, light, full), size)
    if kind in ("wall", "soil") and light.towards[2] > 0:
        picture = cast_shadow(picture, layer, light)
    picture = over(picture, _focus(layer, size, framing))
    occlusion = float(rng.uniform(0.5, 1)) if rng.uniform() < 0.22 else 0.0
    if occlusion:
        front = foreground(rng, size)
        picture = over(picture, Layer(front.colour * ambient, front.cover), occlusion)
    picture = _flare(picture, rng, light)
    vignette, noise = float(rng.uniform(0, 0.35)), float(rng.uniform(0.002, 0.012))
    pixels = _lens(picture, rng, vignette, noise)
    centre, scale = places[0]
    factors = {
        **dict.fromkeys(FACTORS, 0),
        "species": species,
        "seed": seed,
        "background": kind,
        **lit,
        "framing": framing,
        "strain": strain,
        "stage": "flower",
        "scale": scale,
        "x": float(centre[0]),
        "y": float(centre[1]),
        **factors,
        "flowers": len(places),
        "blurred_flowers": behind,
        "defocus": defocus,
        "occlusion": occlusion,
        "vignette": vignette,
        "noise": noise,
    }
    return pixels, {name: round(v, 4) if isinstance(v, float) else v for name, v in factors.items()}


def _blurred(kind: tuple[str, float, int, float], rng: Rng, picture: Floats, light: Light, defocus: float) -> Floats:
    """More flowers of one kind (species, strain, number, radius of the sharp one) further away, out of focus."""
    species, strain, count, scale = kind
    size = picture.shape[0]
    surfaces: list[Surface] = []
    threads: list[Threads] = []
    one, lines, _ = _plant(species, rng, strain, np.zeros(3, np.float32), scale)
    for _ in range(count):
        place = np.array([rng.uniform(-1, 1), rng.uniform(-0.7, 0.9), -1.0], np.float32)
        turn = np.diag(rng.uniform(0.45, 0.75) * np.array([rng.choice([-1, 1]), 1, 1])).astype(np.float32)
        surfaces += [_moved(surface, turn, place) for surface in one]
        threads += [Threads(t.lines @ turn + place, t.width * 0.6, t.colour, t.opacity) for t in lines]
    layer = render(surfaces, threads, light, size // 2)  # what is blurred needs no more
    sigma = (0.012 + 0.03 * defocus) * size / 2
    colour, cover = enlarge(blur(layer.colour, sigma), size), enlarge(blur(layer.cover, sigma), size)
    return over(picture, Layer(colour, cover), 0.97)


def _focus(layer: Layer, size: int, framing: str) -> Layer:
    """A shallow depth of field: what lies well behind the nearest part of the flower softens."""
    sigma = {"macro": 0.0075, "near": 0.005, "far": 0.003}[framing] * size
    if not layer.cover.any():
        return layer
    near = float(np.percentile(layer.depth[layer.cover > 0.5], 90)) if (layer.cover > 0.5).any() else 0.0
    amount = blur(smooth(0.25, 1.0, near - layer.depth) * layer.cover, sigma * 0.7)
    soft_colour, soft_cover = blur(layer.colour, sigma), blur(layer.cover, sigma)
    amount = np.maximum(amount, smooth(0.25, 1.0, near - layer.depth) * layer.cover)
    return Layer(
        layer.colour + (soft_colour - layer.colour) * amount[..., None],
        layer.cover + (soft_cover - layer.cover) * amount,
        layer.depth,
    )


def _flare(picture: Floats, rng: Rng, light: Light) -> Floats:
    """The veil of light that a low sun in or behind the frame lays over a picture."""
    low = float(smooth(0.3, -0.4, light.towards[2])) * float(rng.uniform(0.2, 1))
    if low < 0.05:
        return picture
    x, y = light.towards[:2] / (np.hypot(*light.towards[:2]) + 1e-6) * 1.15
    axis = np.linspace(-1, 1, picture.shape[0], dtype=np.float32)
    glow = np.exp(-((axis[None, :] - x) ** 2 + (-axis[:, None] - y) ** 2) / np.float32(1.1))
    return np.asarray(picture + glow[..., None] * light.sun * np.float32(0.3 * low))


def _lens(picture: Floats, rng: Rng, vignette: float, noise: float) -> NDArray[np.uint8]:
    """Lens softness, vignette, exposure and sensor noise, then bytes."""
    size = picture.shape[0]
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    fall = 1 - np.float32(vignette) * (axis[:, None] ** 2 + axis[None, :] ** 2) / 2
    picture = blur(picture, 0.4) * fall[..., None]
    bright = float(np.percentile(picture[::4, ::4].mean(axis=2), 90))
    exposure = float(np.clip(0.56 / (bright + 0.12), 0.42, 1.15)) * float(rng.uniform(0.85, 1.12))
    grain = rng.standard_normal((size, size, 3), np.float32) * np.float32(noise)
    return develop(picture * (1 + grain * 2) + grain * 0.15, exposure)


# ---- data set -------------------------------------------------------------------------------------------------------


def _job(seed: int, number: int, per_class: int) -> tuple[str, str, int]:
    """Id, species and own seed of the picture with this number."""
    species, index = SPECIES[number // per_class], number % per_class + 1
    own = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
    return f"{species}/{species}_{index:04d}.jpg", species, own


def _write(root: Path, identity: str, species: str, seed: int, size: int) -> dict[str, Any]:
    from PIL import Image

    pixels, factors = draw(species, seed, size)
    path = root / identity
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=JPEG_QUALITY, subsampling=0)
    return {"id": identity, **factors}


def is_complete(root: Path) -> bool:
    """Whether `root` holds a finished set: its factor table and every picture that the table names."""
    table = root / "factors.csv"
    if not table.is_file():
        return False
    with table.open(newline="", encoding="utf-8") as lines:
        ids = [row.get("id") or "" for row in csv.DictReader(lines)]
    return bool(ids) and all((root / identity).is_file() for identity in ids)


def generate(
    root: Path,
    *,
    per_class: int = 240,
    size: int = 224,
    seed: int = 0,
    workers: int = 2,
    progress: Progress | None = None,
) -> None:
    """Draw `per_class` pictures of each species into `root` (`<species>/<species>_0001.jpg`, `factors.csv`).

    A complete set at `root` is left alone. Pictures are drawn into a hidden sibling folder, which takes the name
    `root` when it is whole; what an interrupted run left there is replaced. `progress(done, total)` is called from
    the calling thread. Raises DataError when `root` holds something else.
    """
    if is_complete(root):
        return
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise DataError(f"{root} is not empty and not a complete synthetic set; delete it or name another folder.")
    if per_class < 1 or size < 16:
        raise DataError(f"A set needs at least 1 picture per species of 16 px, not {per_class} of {size} px.")
    partial = root.with_name(f".{root.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    total = per_class * len(SPECIES)
    rows: dict[str, dict[str, Any]] = {}

    def take(row: dict[str, Any]) -> None:
        rows[row["id"]] = row
        if progress:
            progress(len(rows), total)

    spec = {"root": str(partial.absolute()), "per_class": per_class, "size": size, "seed": seed}
    if workers > 1:
        for row in _parallel(spec, min(workers, total)):
            take(row)
    for number in range(total):  # all of them, or those that a lost worker left
        job = _job(seed, number, per_class)
        if job[0] not in rows:
            take(_write(partial, *job, size))
    with (partial / "factors.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, ["id", *FACTORS])
        writer.writeheader()
        writer.writerows(rows[identity] for identity in sorted(rows))
    if root.exists():
        root.rmdir()
    partial.replace(root)


def _parallel(spec: dict[str, Any], workers: int) -> Iterator[dict[str, Any]]:
    """Rows from worker processes, as they come.

    Plain subprocesses rather than a process pool: a spawned pool imports the caller's main module again, which under
    Streamlit is the app itself, and fails for a program read from standard input. Fork is not safe after torch.
    """
    lines: queue.Queue[str | None] = queue.Queue()
    processes: list[subprocess.Popen[str]] = []

    def read(process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    try:
        for share in range(workers):
            command = [sys.executable, "-c", _WORKER, json.dumps(spec | {"share": share, "of": workers})]
            try:
                process = subprocess.Popen(
                    command,
                    cwd=Path(__file__).resolve().parents[2],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            except OSError:
                break
            processes.append(process)
            threading.Thread(target=read, args=(process,), daemon=True).start()
        running = len(processes)
        while running:
            line = lines.get()
            if line is None:
                running -= 1
            elif line.endswith("\n"):
                yield json.loads(line)
    finally:
        for process in processes:
            process.terminate()
            process.wait()
            if process.stdout:
                process.stdout.close()


# NumPy's BLAS reads its thread count when it is loaded: one per worker, or they wait for each other.
_WORKER = """
import os
os.environ.update(OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", OMP_NUM_THREADS="1")
from lib.data.synthetic import work
work()
"""


def work() -> None:
    """What a worker process does: draw its share of the set that the command line describes, print each row."""
    import ctypes

    import cv2

    cv2.setNumThreads(1)
    with contextlib.suppress(AttributeError, OSError, TypeError):
        # glibc hands large buffers back to the system at once; fetching them again was a tenth of the time.
        libc = ctypes.CDLL(None)
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
    spec = json.loads(sys.argv[1])
    for number in range(spec["share"], spec["per_class"] * len(SPECIES), spec["of"]):
        job = _job(spec["seed"], number, spec["per_class"])
        print(json.dumps(_write(Path(spec["root"]), *job, spec["size"])), flush=True)
