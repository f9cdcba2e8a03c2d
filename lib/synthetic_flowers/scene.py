"""A synthetic photo: plants in a pose, under a light, before a background.

Background, light and framing have the same distribution for all species, so only the plant distinguishes them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lib.errors import DataError
from lib.synthetic_flowers.backgrounds import BACKDROPS, backdrop, foreground
from lib.synthetic_flowers.camera import blur, cast_shadow, enlarge, expose, flare, focus, over, shrink
from lib.synthetic_flowers.colours import Floats, Rng, mottle, tint
from lib.synthetic_flowers.flower_heads import HEADS
from lib.synthetic_flowers.leaves import LEAVES
from lib.synthetic_flowers.plant import Factors
from lib.synthetic_flowers.renderer import render
from lib.synthetic_flowers.shapes import bezier, tube
from lib.synthetic_flowers.surfaces import Layer, Light, Surface, Threads

SPECIES = ("daisy", "dandelion", "rose", "sunflower", "tulip")
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
SUPERSAMPLE = 2


def _rotation(tilt: float, azimuth: float, roll: float) -> Floats:
    """The matrix (3, 3) that spins a head by `roll`, then tips its axis from the viewer by `tilt` towards `azimuth`."""
    c, s = np.cos(roll), np.sin(roll)
    spin = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    c, s = np.cos(tilt), np.sin(tilt)
    tip = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    c, s = np.cos(azimuth), np.sin(azimuth)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return np.asarray(turn @ tip @ turn.T @ spin, np.float32)


def _transformed(surface: Surface, turn: Floats, place: Floats) -> Surface:
    return replace(surface, points=surface.points @ turn + place)


def _plant(
    species: str, rng: Rng, strain: float, centre: Floats, scale: float
) -> tuple[list[Surface], list[Threads], Factors]:
    """A plant with its head at `centre`, `scale` frame units in radius: surfaces, threads and factors of the pose.

    `strain` in 0..1 is the cultivar, which neighbours usually share. Stem and leaves follow gravity.
    """
    if rng.uniform() < 0.2:
        strain = float(rng.uniform())
    bloom = float(rng.beta(4, 1.3))
    plant = HEADS[species](rng, bloom, strain)
    if species == "tulip":
        tilt, azimuth = rng.uniform(0.9, 1.55), np.pi / 2 + rng.normal(0, 0.16)
    elif species == "rose":
        tilt, azimuth = rng.uniform(0.1, 1.15), rng.normal(np.pi / 2, 0.7)
    else:
        tilt, azimuth = min(1.3, abs(rng.normal(0.3, 0.4))), rng.normal(np.pi / 2, 1.0)
    roll = rng.uniform(0, 2 * np.pi)
    turn = _rotation(tilt, azimuth, roll) * np.float32(scale)
    surfaces = [_transformed(surface, turn.T, centre) for surface in plant.surfaces]
    threads = [Threads(t.lines @ turn.T + centre, t.width * scale, t.colour, t.opacity) for t in plant.threads]
    axis = turn[:, 2] / scale
    start = centre + turn[:, 2] * np.float32(plant.base)
    foot = np.array([centre[0] + rng.normal(0, 0.28), min(-1.5, start[1] - 1.2), centre[2] - 0.25], np.float32)
    length = float(start[1] - foot[1])
    stem = bezier(start, start - axis * min(0.9, length * 0.45), foot + np.array([0, length * 0.4, 0]), foot, rows=18)
    thick = plant.stem * scale * np.linspace(1.0, 1.25, 18)
    colour, fuzz = tint(rng, plant.stem_colour), rng.uniform(0.04, 0.1)
    surfaces.append(
        Surface(
            tube(stem, thick),
            lambda u, v, k: colour * (1 + fuzz * mottle(u * 4, v, k, 3, 1) + 0.08 * np.cos(v * 12)),
            through=0.15,
            gloss=0.12,
        )
    )
    surfaces += LEAVES[species](rng, stem, scale)
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


def _placements(rng: Rng, framing: str, species: str) -> list[tuple[Floats, float]]:
    """Centre (3,) and radius of each sharp flower."""
    low, high = {"macro": (0.8, 1.15), "near": (0.48, 0.78), "far": (0.26, 0.42)}[framing]
    tall = (
        0.72 if species == "tulip" else 1.0
    )  # a cup is taller than its radius; so it fills as much of the frame as a disc
    scale = rng.uniform(low, high) * tall
    count = {"macro": 1, "near": 1 + int(rng.uniform() < 0.25), "far": int(rng.integers(1, 5))}[framing]
    spread = {"macro": 0.2, "near": 0.2, "far": 0.24}[framing]
    first = np.array([rng.normal(0, spread), rng.normal(0.06, spread), 0], np.float32)
    places = [(first, float(scale))]
    for _ in range(40):
        if len(places) == count:
            break
        spot = np.array([rng.uniform(-0.85, 0.85), rng.uniform(-0.6, 0.8), rng.uniform(-0.9, -0.2)], np.float32)
        size = float(scale * rng.uniform(0.75, 1.0))
        if all(np.hypot(*(spot - other)[:2]) > 0.85 * (size + other_size) for other, other_size in places):
            places.append((spot, size))
    return places


def draw(species: str, seed: int, size: int = 224) -> tuple[NDArray[np.uint8], Factors]:
    """A picture, uint8 RGB of shape (size, size, 3), and its factors; deterministic for a species and a seed.

    Raises DataError for a species that is not in SPECIES.
    """
    if species not in SPECIES:
        raise DataError(f"There is no synthetic species {species!r}; choose one of {', '.join(SPECIES)}.")
    return _compose(species, seed, size, np.random.default_rng([seed, SPECIES.index(species)]))


def _compose(species: str, seed: int, size: int, rng: Rng) -> tuple[NDArray[np.uint8], Factors]:
    render_size = size * SUPERSAMPLE
    light, light_factors = _light(rng)
    kind = str(rng.choice(BACKDROPS, p=[0.3, 0.24, 0.12, 0.12, 0.1, 0.12]))
    framing = str(rng.choice(["macro", "near", "far"], p=[0.2, 0.52, 0.28]))
    defocus = float(rng.beta(2, 2))
    strain = float(rng.uniform())
    places = _placements(rng, framing, species)
    ambient = light.sky * 0.6 + light.ground * 0.3 + light.sun * np.float32(0.32)
    picture = backdrop(kind, rng, size, defocus) * ambient
    blurred_count = int(rng.integers(1, 4)) if rng.uniform() < (0.25 if kind in ("studio", "wall") else 0.42) else 0
    if blurred_count:
        picture = _with_blurred_flowers((species, strain, blurred_count, places[0][1]), rng, picture, light, defocus)
    surfaces: list[Surface] = []
    threads: list[Threads] = []
    factors: Factors = {}
    for number, (centre, scale) in enumerate(places):
        plant_surfaces, plant_threads, pose = _plant(species, rng, strain, centre, scale)
        surfaces += plant_surfaces
        threads += plant_threads
        factors = factors if number else pose
    layer = shrink(render(surfaces, threads, light, render_size), size)
    if kind in ("wall", "soil") and light.towards[2] > 0:
        picture = cast_shadow(picture, layer, light)
    picture = over(picture, focus(layer, size, framing))
    occlusion = float(rng.uniform(0.5, 1)) if rng.uniform() < 0.22 else 0.0
    if occlusion:
        leaves_in_front = foreground(rng, size)
        picture = over(picture, Layer(leaves_in_front.colour * ambient, leaves_in_front.cover), occlusion)
    picture = flare(picture, rng, light)
    vignette, noise = float(rng.uniform(0, 0.35)), float(rng.uniform(0.002, 0.012))
    pixels = expose(picture, rng, vignette, noise)
    centre, scale = places[0]
    factors = {
        **dict.fromkeys(FACTORS, 0),
        "species": species,
        "seed": seed,
        "background": kind,
        **light_factors,
        "framing": framing,
        "strain": strain,
        "stage": "flower",
        "scale": scale,
        "x": float(centre[0]),
        "y": float(centre[1]),
        **factors,
        "flowers": len(places),
        "blurred_flowers": blurred_count,
        "defocus": defocus,
        "occlusion": occlusion,
        "vignette": vignette,
        "noise": noise,
    }
    return pixels, {name: round(v, 4) if isinstance(v, float) else v for name, v in factors.items()}


def _with_blurred_flowers(
    kind: tuple[str, float, int, float], rng: Rng, picture: Floats, light: Light, defocus: float
) -> Floats:
    """`picture` with more flowers behind the sharp ones, out of focus.

    `kind` is their species, strain and number, and the radius of the first sharp flower.
    """
    species, strain, count, scale = kind
    size = picture.shape[0]
    surfaces: list[Surface] = []
    threads: list[Threads] = []
    head, plant_threads, _ = _plant(species, rng, strain, np.zeros(3, np.float32), scale)
    for _ in range(count):
        place = np.array([rng.uniform(-1, 1), rng.uniform(-0.7, 0.9), -1.0], np.float32)
        turn = np.diag(rng.uniform(0.45, 0.75) * np.array([rng.choice([-1, 1]), 1, 1])).astype(np.float32)
        surfaces += [_transformed(surface, turn, place) for surface in head]
        threads += [Threads(t.lines @ turn + place, t.width * 0.6, t.colour, t.opacity) for t in plant_threads]
    layer = render(surfaces, threads, light, size // 2)  # half the size suffices for a blurred picture
    sigma = (0.012 + 0.03 * defocus) * size / 2
    colour, cover = enlarge(blur(layer.colour, sigma), size), enlarge(blur(layer.cover, sigma), size)
    return over(picture, Layer(colour, cover), 0.97)
