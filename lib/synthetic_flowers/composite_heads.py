"""The heads of daisy, sunflower and dandelion, whose many small flowers stand in spirals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lib.synthetic_flowers.colours import Floats, Rng, blend, mottle, pigment, smooth, stripes, tint
from lib.synthetic_flowers.plant import Factors, Plant, log_normal_factors, uniform_values
from lib.synthetic_flowers.shapes import GOLDEN_ANGLE, domes, outline, petals, points_on_sphere
from lib.synthetic_flowers.surfaces import Surface, Threads


def _spiral(n: int, radius: float) -> tuple[Floats, Floats, Floats]:
    """x, y and r of n points in Vogel's sunflower spiral, each of shape (n,)."""
    index = np.arange(n, dtype=np.float32)
    r = radius * np.sqrt((index + 0.5) / n)
    return r * np.cos(index * GOLDEN_ANGLE), r * np.sin(index * GOLDEN_ANGLE), r


def _on_dome(x: Floats, y: Floats, radius: float, height: float) -> tuple[Floats, Floats]:
    """Points (n, 3) above (x, y) on a flat dome, and the dome's normals (n, 3) there."""
    r2 = (x * x + y * y) / radius**2
    normal = np.stack([2 * height * x / radius**2, 2 * height * y / radius**2, np.ones_like(x)], 1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return np.stack([x, y, height * (1 - r2)], 1).astype(np.float32), normal.astype(np.float32)


def bracts(rng: Rng, count: int, radius: float, length: float, width: float, height: float, fall: float) -> Surface:
    """A ring of green bracts below a head, bent down by the angle `fall` from foot to tip."""
    colour, tones = tint(rng, pigment(86, 118, 52)), log_normal_factors(rng, count, 0.12)
    u = np.linspace(0, 1, 7, dtype=np.float32)
    points = petals(
        np.arange(count, dtype=np.float32) * 2 * np.pi / count + uniform_values(rng, count, -0.1, 0.1),
        np.repeat((0.35 - fall * u)[None], count, 0).astype(np.float32),
        uniform_values(rng, count, 0.85, 1.15) * length,
        np.full(count, width, np.float32),
        outline(7, (0, 0.8), (0.35, 1), (1, 0.05)),
        radius=radius,
        height=height,
        cup=-3.0,
        columns=5,
    )
    return Surface(points, lambda u, v, k: colour * (tones[k] * (0.75 + 0.4 * u)), through=0.2, gloss=0.05)


def daisy_head(rng: Rng, bloom: float, strain: float) -> Plant:
    """Two whorls of ray florets around a disc; pink tips for a high `strain`."""
    n, rows = int(rng.integers(24, 42)), 10
    inner = n // 2
    pink = strain**3
    disc_radius, dome = float(rng.uniform(0.24, 0.31)), float(rng.uniform(0.06, 0.16))
    u = np.linspace(0, 1, rows, dtype=np.float32)
    surfaces = []
    droop = rng.uniform(0.0, 0.45)
    white, tip = tint(rng, pigment(250, 249, 246), 0.02), pigment(236, 120, 160)
    for whorl, count in enumerate((n - inner, inner)):
        azimuth = (np.arange(count) + 0.5 * whorl) * 2 * np.pi / count + rng.normal(0, 0.05, count)
        rise = 0.08 + 0.10 * whorl + (1 - bloom) * 1.0 + rng.normal(0, 0.07, count)
        theta = rise[:, None] + (0.25 - (0.35 + droop) * u)[None] * bloom + rng.normal(0, 0.1, count)[:, None] * u
        points = petals(
            azimuth.astype(np.float32),
            theta.astype(np.float32),
            (1.0 - disc_radius * 0.85) * uniform_values(rng, count, 0.9, 1.04) * (0.97 if whorl else 1.0),
            uniform_values(rng, count, 0.85, 1.15) * (2.1 / n + 0.028),
            outline(rows, (0, 0.42), (0.3, 0.8), (0.7, 1), (0.92, 0.72), (1, 0.22)),
            radius=disc_radius * 0.85,
            height=-0.03 + 0.025 * whorl,
            cup=rng.normal(1.5, 2.0, count).astype(np.float32),
            roll=rng.normal(0, 0.16, count).astype(np.float32),
            sway=rng.normal(0, 0.035, count).astype(np.float32),
            columns=7,
        )
        tones = log_normal_factors(rng, count, 0.035)

        def petal(u: Floats, v: Floats, k: NDArray[np.intp], tones: Floats = tones) -> Floats:
            base = blend(white * 0.86 * pigment(246, 250, 238), white, smooth(0, 0.3, u))
            base = blend(base, tip, pink * 0.75 * smooth(0.55, 1.0, u + 0.06 * mottle(u, v, k, 2, 1)))
            groove = 1 - 0.16 * np.exp(-(((np.abs(v) - 0.36) / 0.11) ** 2)) * smooth(1, 0.6, u)
            return base * (tones[k] * groove * (1 + 0.018 * mottle(u, v, k, 3, 2)))

        surfaces.append(Surface(points, petal, through=0.6, gloss=0.12))
    floret_count = int(rng.integers(230, 330))
    x, y, r = _spiral(floret_count, disc_radius)
    centre, normal = _on_dome(x, y, disc_radius, dome)
    size = disc_radius / floret_count**0.5 * 0.98
    rim, core = tint(rng, pigment(250, 190, 20)), tint(rng, pigment(214, 190, 30))
    share, tones = (r / disc_radius).astype(np.float32), log_normal_factors(rng, floret_count, 0.13)

    def floret(u: Floats, v: Floats, k: NDArray[np.intp]) -> Floats:
        colour = blend(core, rim, smooth(0.15, 0.75, share[k]))
        return blend(colour * 1.1, colour * pigment(190, 150, 110), smooth(0.35, 1, u)) * tones[k]

    surfaces.append(
        Surface(
            domes(centre, normal, np.full(floret_count, size), size * (1.1 + 0.9 * share)),
            floret,
            through=0.1,
            gloss=0.15,
        )
    )
    surfaces.append(bracts(rng, 17, disc_radius * 0.55, disc_radius * 0.75, 0.06, -0.12, 0.2))
    return Plant(surfaces, base=-0.12, stem=0.035, factors={"petals": n, "colour": "pink" if pink > 0.4 else "white"})


def sunflower_head(rng: Rng, bloom: float, strain: float) -> Plant:
    """Three whorls of ray florets around a large disc; `strain` selects the colour."""
    n, rows = int(rng.integers(26, 44)), 11
    disc_radius = float(rng.uniform(0.40, 0.52))
    u = np.linspace(0, 1, rows, dtype=np.float32)
    palette = {"yellow": (255, 200, 8), "gold": (252, 182, 6), "lemon": (255, 222, 60), "amber": (222, 120, 20)}
    name = list(palette)[int(np.searchsorted([0.5, 0.78, 0.96], strain, side="right"))]
    body = tint(rng, pigment(*palette[name]), 0.04)
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
            (1.05 - disc_radius * 0.85) * uniform_values(rng, count, 0.85, 1.12),
            uniform_values(rng, count, 0.8, 1.15) * (0.105 + 0.9 / n),
            outline(rows, (0, 0.5), (0.25, 0.88), (0.5, 1), (0.8, 0.56), (1, 0.03)),
            radius=disc_radius * 0.86,
            height=-0.06 + 0.03 * whorl,
            cup=rng.normal(2.4, 1.6, count).astype(np.float32),
            roll=rng.normal(0, 0.25, count).astype(np.float32),
            ruffle=uniform_values(rng, count, 0.0, 0.035),
            phase=uniform_values(rng, count, 0, 6),
            sway=rng.normal(0, 0.06, count).astype(np.float32),
            columns=9,
        )
        tones = log_normal_factors(rng, count, 0.07)

        def petal(u: Floats, v: Floats, k: NDArray[np.intp], tones: Floats = tones) -> Floats:
            colour = blend(deep, body, smooth(0, 0.55, u + 0.07 * mottle(u, v, k, 2, 1)))
            vein = stripes(v + 0.12 * v * u, 5, 0.16, k * 0) * (1 - 0.1 * np.exp(-((v / 0.07) ** 2)))
            return colour * (tones[k] * vein * (1 + 0.03 * mottle(u, v, k, 4, 2)))

        surfaces.append(Surface(points, petal, through=0.55, gloss=0.12))
    floret_count = int(rng.integers(400, 600))
    x, y, r = _spiral(floret_count, disc_radius)
    dome = float(rng.uniform(0.02, 0.14))
    centre, normal = _on_dome(x, y, disc_radius, dome)
    share = (r / disc_radius).astype(np.float32)
    centre[:, 2] -= 0.05 * np.exp(-((share / 0.35) ** 2))
    ripe = float(rng.uniform(0, 1))
    ring = 0.9 - 0.45 * ripe
    open_zone = np.exp(-(((share - ring) / 0.13) ** 2)).astype(np.float32)
    size = disc_radius / floret_count**0.5
    tall = size * (0.7 + 1.5 * open_zone + 0.4 * share + rng.uniform(0, 0.35, floret_count))
    middle = tint(rng, blend(pigment(150, 158, 60), pigment(74, 44, 22), rng.uniform(0.0, 1)), 0.08)
    outer = tint(rng, blend(pigment(92, 52, 22), pigment(48, 28, 16), rng.uniform(0, 1)), 0.08)
    pollen, tones = tint(rng, pigment(236, 160, 30)), log_normal_factors(rng, floret_count, 0.16)

    def floret(u: Floats, v: Floats, k: NDArray[np.intp]) -> Floats:
        colour = blend(middle, outer, smooth(0.18, 0.55, share[k]))
        colour = blend(colour, pollen, open_zone[k] * smooth(0.75, 0.25, u) * 0.9)
        return colour * (tones[k] * (1.25 - 0.75 * smooth(0.2, 1, u)))

    radii = size * (0.98 - 0.25 * open_zone)
    surfaces.append(Surface(domes(centre, normal, radii, tall), floret, through=0.05, gloss=0.1))
    bed = domes(np.array([[0, 0, -0.06]]), np.array([[0, 0, 1.0]]), np.array([disc_radius]), np.array([dome + 0.03]))
    surfaces.append(Surface(bed, lambda u, v, k: np.repeat(outer * 0.5, len(u), 1), through=0))
    surfaces.append(bracts(rng, 21, disc_radius * 0.75, 0.52, 0.11, -0.14, 0.5))
    surfaces.append(bracts(rng, 15, disc_radius * 0.5, 0.5, 0.12, -0.19, 0.9))
    return Plant(surfaces, base=-0.2, stem=0.075, factors={"petals": n, "colour": name})


def dandelion_head(rng: Rng, bloom: float, strain: float) -> Plant:
    """A head of ligulate florets, or the seed head for a low `strain`."""
    if strain + rng.normal(0, 0.12) < 0.42:
        return _seed_head(rng)
    n, rows = int(rng.integers(160, 220)), 7
    body = tint(rng, blend(pigment(252, 186, 4), pigment(255, 212, 16), rng.uniform(0, 1)), 0.03)
    deep = body * pigment(246, 186, 80)
    index = np.arange(n, dtype=np.float32)
    share = np.sqrt((index + 0.5) / n)  # 0 in the centre (young), 1 at the margin
    u = np.linspace(0, 1, rows, dtype=np.float32)[None]
    rise = (1.5 - 1.5 * share**1.1 * bloom - 0.25 * share)[:, None] + rng.normal(0, 0.1, n)[:, None]
    theta = rise - 0.25 * share[:, None] * u + rng.normal(0, 0.15, n)[:, None] * u
    length = (0.26 + 0.62 * share**1.15) * uniform_values(rng, n, 0.9, 1.1)
    points = petals(
        (index * GOLDEN_ANGLE).astype(np.float32),
        theta.astype(np.float32),
        length.astype(np.float32),
        ((0.022 + 0.024 * share) * uniform_values(rng, n, 0.85, 1.15)).astype(np.float32),
        outline(rows, (0, 0.55), (0.4, 0.9), (0.9, 1), (1, 0.85)),
        radius=0.24 * share,
        height=0.06 * (1 - share**2),
        cup=uniform_values(rng, n, 2, 14) * (1.3 - share),
        roll=rng.normal(0, 0.25, n).astype(np.float32),
        sway=rng.normal(0, 0.05, n).astype(np.float32),
        columns=5,
    )
    tones = log_normal_factors(rng, n, 0.06)

    def ligule(u: Floats, v: Floats, k: NDArray[np.intp]) -> Floats:
        colour = blend(
            deep * pigment(235, 205, 150), body, smooth(0.0, 0.7, u) * (0.35 + 0.65 * smooth(0, 0.6, share[k]))
        )
        return colour * (tones[k] * stripes(v, 3, 0.14, k * 0) * (0.9 + 0.12 * u))

    def teeth(u: Floats, v: Floats) -> NDArray[np.bool_]:
        return np.asarray(u < 1 - 0.06 * 2 * np.abs(v * 2.5 - np.rint(v * 2.5)), bool)

    surfaces = [Surface(points, ligule, through=0.4, gloss=0.06, cut=teeth)]
    young_count = 46  # the florets in the middle open last: short, curled over, darker
    x, y, r = _spiral(young_count, 0.17)
    theta = 1.5 - 2.6 * r[:, None] + np.linspace(0.1, 0.9, 6)[None] + rng.normal(0, 0.15, (young_count, 1))
    inner = petals(
        np.arctan2(y, x).astype(np.float32),
        theta.astype(np.float32),
        uniform_values(rng, young_count, 0.2, 0.3) + r * 0.6,
        np.full(young_count, 0.024, np.float32),
        outline(6, (0, 0.8), (0.6, 1), (1, 0.5)),
        radius=r,
        height=0.1,
        cup=12.0,
        columns=5,
    )
    tone = log_normal_factors(rng, young_count, 0.1)
    surfaces.append(Surface(inner, lambda u, v, k: blend(deep * 0.8, body, u) * tone[k], through=0.3, gloss=0.06))
    plug = domes(np.zeros((1, 3)), np.array([[0, 0, 1.0]]), np.array([0.26]), np.array([0.2]), rows=6, columns=13)
    surfaces.append(Surface(plug, lambda u, v, k: deep * (0.6 + 0.12 * mottle(u, v, k, 5, 5)), through=0.1))
    surfaces.append(bracts(rng, 15, 0.1, 0.42, 0.07, -0.1, -0.5))
    surfaces.append(bracts(rng, 13, 0.1, 0.4, 0.05, -0.16, 1.9))
    stem = blend(pigment(140, 160, 88), pigment(170, 112, 88), rng.uniform(0, 0.8))
    return Plant(surfaces, base=-0.14, stem=0.05, stem_colour=stem, factors={"petals": n, "colour": "yellow"})


def _seed_head(rng: Rng) -> Plant:
    """The seed head: achenes on a small receptacle, each with a beak and a parachute of fine rays."""
    n = int(rng.integers(110, 150))
    out = points_on_sphere(n, 0.93)
    is_windblown = rng.uniform() < 0.35
    if is_windblown:  # the seeds of one side are missing
        wind = rng.normal(size=3)
        wind /= np.linalg.norm(wind)
        out = out[out @ wind + rng.normal(0, 0.25, n) < rng.uniform(0.0, 0.6)]
        n = len(out)
    out = out + rng.normal(0, 0.03, out.shape).astype(np.float32)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    not_parallel = np.where(np.abs(out[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    right = np.cross(out, not_parallel)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    ahead = np.cross(out, right)
    rays = 22
    angle = np.arange(rays) * 2 * np.pi / rays + rng.uniform(0, 6, (n, 1)) + rng.normal(0, 0.07, (n, rays))
    hub = out * uniform_values(rng, n, 0.66, 0.72)[:, None]
    spread = (np.cos(angle)[..., None] * right[:, None] + np.sin(angle)[..., None] * ahead[:, None]) * 0.29
    lift = out[:, None] * rng.uniform(0.16, 0.3, (n, rays, 1))
    middle = hub[:, None] + spread * 0.55 + lift * 0.75
    end = hub[:, None] + spread * rng.uniform(0.85, 1.1, (n, rays, 1)) + lift
    start = np.repeat(hub[:, None], rays, 1)
    down = np.stack([start, middle, end], axis=2).reshape(-1, 3, 3).astype(np.float32)
    beak = np.stack([out * 0.2, out * 0.45, hub], axis=1).astype(np.float32)
    silk = tint(rng, pigment(246, 246, 244), 0.02)
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
        bracts(rng, 13, 0.06, 0.34, 0.045, -0.03, 2.4),
    ]
    threads = [Threads(beak, 0.008, silk.ravel() * 0.8, 0.55), Threads(down, 0.0062, silk.ravel(), 0.5)]
    stem = blend(pigment(150, 160, 100), pigment(170, 120, 96), rng.uniform(0, 1))
    factors: Factors = {"petals": 0, "colour": "white", "stage": "seed"}
    return Plant(surfaces, threads, base=-0.03, stem=0.045, stem_colour=stem, factors=factors)
