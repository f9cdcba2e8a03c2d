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
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lib.data.drawing import Floats, Layer, Light, Rng, Surface, Threads, mottle, render, tint
from lib.data.drawn import is_complete
from lib.data.heads import HEADS, Factors
from lib.data.leaves import LEAVES
from lib.data.lens import blur, cast_shadow, enlarge, expose, flare, focus, over, shrink
from lib.data.scenery import BACKDROPS, backdrop, foreground
from lib.data.shapes import bezier, tube
from lib.errors import DataError

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
JPEG_QUALITY = 92
SUPERSAMPLE = 2
Progress = Callable[[int, int], None]


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
    plant = HEADS[species](rng, bloom, strain)
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
    picture = over(picture, focus(layer, size, framing))
    occlusion = float(rng.uniform(0.5, 1)) if rng.uniform() < 0.22 else 0.0
    if occlusion:
        front = foreground(rng, size)
        picture = over(picture, Layer(front.colour * ambient, front.cover), occlusion)
    picture = flare(picture, rng, light)
    vignette, noise = float(rng.uniform(0, 0.35)), float(rng.uniform(0.002, 0.012))
    pixels = expose(picture, rng, vignette, noise)
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
