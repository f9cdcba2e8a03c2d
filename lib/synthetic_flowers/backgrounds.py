"""Backgrounds and foregrounds, out of focus. They are the same for all species, so they do not reveal the species."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from lib.synthetic_flowers.camera import blur
from lib.synthetic_flowers.colours import Floats, Rng, linear, mix, ramp, smooth
from lib.synthetic_flowers.surfaces import Layer

BACKDROPS = ("meadow", "foliage", "sky", "studio", "soil", "wall")

# Colours of flowers out of focus: those of every species, so that no background reveals the species.
FLOWER_COLOURS = (
    (250, 248, 242),
    (255, 205, 20),
    (250, 225, 70),
    (215, 25, 45),
    (240, 130, 165),
    (255, 165, 120),
    (150, 60, 140),
    (245, 120, 20),
)


def backdrop(kind: str, rng: Rng, size: int, defocus: float) -> Floats:
    """An out-of-focus background (size, size, 3), in albedo-like linear colour; `defocus` is about 0 to 1."""
    return np.maximum(_PAINTERS[kind](rng, size, defocus), np.float32(0.002))


def foreground(rng: Rng, size: int) -> Layer:
    """One to four grass blades or leaves close to the lens: large, green and far out of focus."""
    small = size // 4
    colour, cover = np.zeros((small, small, 3), np.float32), np.zeros((small, small), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        x0, bend = rng.uniform(-0.1, 1.1) * small, rng.normal(0, 0.35) * small
        t = np.linspace(0, 1, 12)
        x, y = x0 + bend * t**2, small * (1.1 - rng.uniform(0.3, 1.0) * t)
        w = rng.uniform(0.012, 0.05) * small * np.sqrt(np.maximum(0, 1 - t**2)) + 0.2
        polygon = np.concatenate([np.stack([x - w, y], 1), np.stack([x + w, y], 1)[::-1]])
        corners = [np.rint(polygon * 8).astype(np.int32)]
        cv2.fillPoly(colour, corners, (_green(rng) * 0.9).tolist(), cv2.LINE_AA, 3)
        cv2.fillPoly(cover, corners, 1.0, cv2.LINE_AA, 3)
    sigma = rng.uniform(0.012, 0.035) * small
    colour, cover = blur(colour * cover[..., None], sigma), blur(cover, sigma)
    full = (size, size)
    return Layer(cv2.resize(colour, full), cv2.resize(cover, full) * np.float32(0.92))


def _fractal(rng: Rng, size: int, base: int, octaves: int, gain: float = 0.55) -> Floats:
    """Smooth noise (size, size), mean about 0, deviation about 1."""
    total, weight, norm = np.zeros((size, size), np.float32), 1.0, 0.0
    for octave in range(octaves):
        cells = min(size, base * 2**octave)
        grid = rng.standard_normal((cells + 3, cells + 3)).astype(np.float32)
        step = size / cells
        wide = cv2.resize(grid, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        start = int(step)
        total += weight * wide[start : start + size, start : start + size]
        norm += weight * weight
        weight *= gain
    return total / np.float32(norm**0.5)


def _green(rng: Rng) -> Floats:
    fresh = rng.uniform(0, 1)
    return mix(linear(38, 84, 34), linear(128, 160, 52), fresh) * np.float32(rng.uniform(0.75, 1.25))


def _blades(rng: Rng, picture: Floats, count: int, *, low: float, high: float, width: float) -> None:
    """Grass blades drawn upwards from below the lower edge of `picture`, in place."""
    size = picture.shape[0]
    t = np.linspace(0, 1, 9)
    foot, lean = rng.uniform(-0.1, 1.1, (count, 1)) * size, rng.normal(0, 0.14, (count, 1)) * size
    top = (1 - rng.uniform(low, high, (count, 1))) * size
    x, y = foot + lean * t**2, size * 1.05 + (top - size * 1.05) * t
    w = width * size * (1 - t**1.6) + 0.3
    polygons = np.concatenate([np.stack([x - w, y], 2), np.stack([x + w, y], 2)[:, ::-1]], axis=1)
    greens = [_green(rng) for _ in range(8)]
    for number, polygon in enumerate(np.rint(polygons * 8).astype(np.int32)):
        colour = greens[number % 8] * rng.uniform(0.5, 1.3)
        cv2.fillPoly(picture, [polygon], colour.tolist(), cv2.LINE_8, 3)


def _spots(rng: Rng, picture: Floats, count: int, radius: tuple[float, float], colours: Sequence[Floats]) -> None:
    """Soft translucent discs of light, as a lens draws bright points far from focus, in place."""
    size = picture.shape[0]
    glow = np.zeros_like(picture)
    base = rng.uniform(*radius)
    for _ in range(count):
        at = (int(rng.uniform(-0.05, 1.05) * size * 8), int(rng.uniform(-0.05, 1.05) * size * 8))
        r = base * rng.uniform(0.7, 1.2) * size * 8
        colour = colours[int(rng.integers(len(colours)))] * np.float32(rng.uniform(0.08, 0.42))
        cv2.circle(glow, at, int(r), (colour * 1.2).tolist(), -1, cv2.LINE_AA, 3)
        cv2.circle(glow, at, int(r * 0.82), colour.tolist(), -1, cv2.LINE_AA, 3)
    picture += blur(glow, 0.011 * size)


def _flower_colours(rng: Rng) -> list[Floats]:
    chosen = rng.choice(len(FLOWER_COLOURS), int(rng.integers(1, 4)), replace=False)
    return [linear(*FLOWER_COLOURS[int(i)]) for i in chosen]


def _meadow(rng: Rng, size: int, defocus: float) -> Floats:
    y = ramp(0, 1, size)[:, None]
    far = mix(_green(rng) * 1.2, linear(205, 215, 190) * rng.uniform(0.5, 1.0), rng.uniform(0, 0.55))
    horizon = rng.uniform(-0.4, 0.45)
    picture = np.ascontiguousarray(mix(far, _green(rng) * 0.45, smooth(horizon - 0.25, 1.1, y + np.zeros((1, size)))))
    picture *= (1 + 0.28 * _fractal(rng, size, 4, 3))[..., None].clip(0.3)
    _blades(rng, picture, 70, low=0.1, high=0.95, width=0.012)
    colours = _flower_colours(rng)
    for _ in range(int(rng.integers(0, 46))):
        height = rng.uniform(max(0.0, horizon), 1.05)
        r = (0.008 + 0.05 * height * rng.uniform(0.5, 1)) * size
        at = (int(rng.uniform(0, size) * 8), int(height * size * 8))
        colour = (colours[int(rng.integers(len(colours)))] * rng.uniform(0.55, 1)).tolist()
        axes = (int(r * 8), int(r * rng.uniform(0.45, 0.95) * 8))
        cv2.ellipse(picture, at, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA, 3)
    picture = blur(picture, (0.012 + 0.035 * defocus) * size)
    if rng.uniform() < 0.6:
        _spots(rng, picture, int(rng.integers(5, 24)), (0.02, 0.07), [*colours, far * 1.5])
    return picture


def _foliage(rng: Rng, size: int, defocus: float) -> Floats:
    picture = np.ones((size, size, 3), np.float32) * _green(rng) * np.float32(rng.uniform(0.06, 0.25))
    if rng.uniform() < 0.6:
        gaps = smooth(0.1, 2.0, _fractal(rng, size, 3, 2))
        picture = mix(picture, linear(225, 232, 200) * rng.uniform(0.3, 0.9), gaps * 0.85)
    t = np.linspace(0, 2 * np.pi, 22)
    hue, slim = _green(rng), rng.uniform(0.22, 0.6)
    for layer in range(4):
        tone = 0.16 + 0.2 * layer
        for _ in range(int(rng.integers(8, 18))):
            r, turn = rng.uniform(0.06, 0.19) * size, rng.uniform(0, 2 * np.pi)
            x = r * np.cos(t)
            y = r * slim * rng.uniform(0.7, 1.2) * np.sin(t) * (1 - 0.35 * np.cos(t))
            c, s = np.cos(turn), np.sin(turn)
            at = rng.uniform(-0.05, 1.05, 2) * size
            polygon = np.rint(np.stack([at[0] + c * x - s * y, at[1] + s * x + c * y], 1) * 8).astype(np.int32)
            colour = mix(hue, _green(rng), 0.4) * tone * rng.uniform(0.4, 1.5)
            cv2.fillPoly(picture, [polygon], colour.tolist(), cv2.LINE_AA, 3)
            cv2.fillPoly(picture, [polygon[:11]], (colour * rng.uniform(1.1, 1.6)).tolist(), cv2.LINE_AA, 3)
        picture = blur(picture, (0.009 + 0.02 * defocus) * size)
    picture *= np.clip(1 + 0.22 * _fractal(rng, size, 3, 2), 0.3, None)[..., None]
    if rng.uniform() < 0.4:
        _spots(rng, picture, int(rng.integers(5, 20)), (0.02, 0.06), [linear(220, 230, 190), *_flower_colours(rng)])
    return picture


def _sky(rng: Rng, size: int, defocus: float) -> Floats:
    y = ramp(0, 1, size)[:, None] + np.zeros((1, size), np.float32)
    high = mix(linear(70, 125, 205), linear(120, 150, 185), rng.uniform(0, 1)) * rng.uniform(0.7, 1.1)
    low = mix(linear(190, 215, 240), linear(255, 214, 170), rng.uniform(0, 1) ** 2) * rng.uniform(0.8, 1.1)
    picture = mix(high, low, smooth(0, 1.1, y))
    clouds = smooth(rng.uniform(-0.4, 1.0), 2.2, _fractal(rng, size, 3, 5))
    picture = mix(picture, linear(250, 250, 250), clouds * rng.uniform(0.2, 0.9))
    if rng.uniform() < 0.5:
        edge = rng.uniform(0.6, 0.98) + 0.05 * _fractal(rng, size, 6, 3)[0]
        picture = mix(picture, _green(rng) * 0.4, smooth(-0.02, 0.02, y - edge[None, :]))
    return blur(picture, (0.01 + 0.03 * defocus) * size)


def _studio(rng: Rng, size: int, defocus: float) -> Floats:
    x, y = np.meshgrid(ramp(-1, 1, size), ramp(-1, 1, size))
    cx, cy = rng.uniform(-0.6, 0.6, 2)
    glow = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / rng.uniform(0.4, 1.6))
    hue = mix(linear(60, 62, 70), linear(*rng.uniform(30, 110, 3)), rng.uniform(0, 0.9))
    picture = mix(hue * 0.06, hue * rng.uniform(0.25, 1.2), glow)
    return picture * (1 + 0.06 * _fractal(rng, size, 3, 4))[..., None]


def _soil(rng: Rng, size: int, defocus: float) -> Floats:
    lumps = _fractal(rng, size, 9, 5, 0.72)
    relief = cv2.Sobel(lumps, cv2.CV_32F, 1, 1, ksize=3)
    earth = mix(linear(60, 42, 30), linear(140, 105, 78), rng.uniform(0, 1)) * rng.uniform(0.7, 1.3)
    picture = earth * np.clip(0.75 + 0.25 * lumps - 0.18 * relief, 0.08, 2.2)[..., None]
    for _ in range(int(rng.integers(0, 14))):
        at = (int(rng.uniform(0, size) * 8), int(rng.uniform(0, size) * 8))
        axes = (int(rng.uniform(0.01, 0.045) * size * 8), int(rng.uniform(0.008, 0.03) * size * 8))
        stone = (mix(linear(150, 140, 130), _green(rng), float(rng.integers(0, 2))) * rng.uniform(0.4, 1)).tolist()
        cv2.ellipse(picture, at, axes, float(rng.uniform(0, 180)), 0, 360, stone, -1, cv2.LINE_AA, 3)
    return blur(picture, (0.006 + 0.02 * defocus) * size)


def _wall(rng: Rng, size: int, defocus: float) -> Floats:
    x, y = np.meshgrid(ramp(0, 1, size), ramp(0, 1, size))
    paint = linear(
        *rng.choice(np.array([(205, 196, 180), (170, 96, 72), (150, 140, 132), (120, 142, 158), (214, 184, 140)]))
    )
    picture = paint * (1 + 0.09 * _fractal(rng, size, 6, 5))[..., None]
    pattern = rng.uniform()
    if pattern < 0.4:
        rows = int(rng.integers(6, 11))
        row = np.floor(y * rows)
        brick = np.floor(x * rows / 2.3 + 0.5 * (row % 2))
        tone = rng.uniform(0.7, 1.2, 997)[((row * 31 + brick * 7) % 997).astype(int)]
        joint = np.minimum(smooth(0, 0.12, (y * rows) % 1), smooth(0, 0.06, (x * rows / 2.3 + 0.5 * (row % 2)) % 1))
        picture = mix(linear(190, 184, 172), picture * tone[..., None], joint)
    elif pattern < 0.65:
        boards = int(rng.integers(4, 8))
        board = np.floor(x * boards).astype(int)
        grain = cv2.resize(_fractal(rng, size, 24, 2)[: size // 6], (size, size), interpolation=cv2.INTER_LINEAR)
        tone = rng.uniform(0.7, 1.2, 16)[board] * (1 + 0.12 * grain) * (0.35 + 0.65 * smooth(0, 0.07, (x * boards) % 1))
        picture = picture * tone[..., None]
    slope = 1 + rng.uniform(-0.45, 0.45) * (x - 0.5) * 2 + rng.uniform(-0.35, 0.35) * (y - 0.5) * 2
    return blur(picture * (slope * rng.uniform(0.45, 1.0))[..., None], (0.004 + 0.02 * defocus) * size)


_PAINTERS: dict[str, Callable[[Rng, int, float], Floats]] = {
    "meadow": _meadow,
    "foliage": _foliage,
    "sky": _sky,
    "studio": _studio,
    "soil": _soil,
    "wall": _wall,
}
