"""What can happen to a picture that still shows the same thing: light, blur, turns, shifts, cuts, mirrors, compression.

Every distortion takes an upright RGB picture and a strength, leaves the picture alone at its `neutral` strength, and is
relative to the picture's size, so that a strength means the same for a large and a small photo. What a turn or a shift
would leave empty is filled with the picture's own mirror image, not with black, which no camera adds.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from lib.errors import QueryError

# Larger pictures are made smaller first: the spaces see at most 224 px, and a slider must not wait for 12 megapixels.
MOST_SIDE = 384


@dataclass(frozen=True)
class Distortion:
    """One kind: `apply(picture, strength)`, strengths from `low` to `high` in `unit`; `levels` are those of a sweep,
    from harmless to strong."""

    name: str
    title: str
    unit: str
    low: float
    high: float
    neutral: float
    step: float
    levels: tuple[float, ...]
    about: str
    apply: Callable[[Image.Image, float], Image.Image]


def distorted(picture: Image.Image, strengths: Mapping[str, float]) -> Image.Image:
    """`picture` after every distortion named in `strengths`, in the order of `DISTORTIONS`, those that are neutral left
    out; the picture itself when all are. Raises QueryError for an unknown name or a strength beyond its range."""
    for name, strength in strengths.items():
        kind = distortion(name)
        if not kind.low <= strength <= kind.high:
            raise QueryError(f"{kind.title} goes from {kind.low:g} to {kind.high:g}, not to {strength:g}.")
    active = [kind for kind in DISTORTIONS.values() if strengths.get(kind.name, kind.neutral) != kind.neutral]
    if not active:
        return picture
    changed = picture.copy()
    changed.thumbnail((MOST_SIDE, MOST_SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    for kind in active:
        changed = kind.apply(changed, float(strengths[kind.name]))
    return changed


def distortion(name: str) -> Distortion:
    """The distortion called `name`; QueryError names those that exist."""
    if name not in DISTORTIONS:
        raise QueryError(f"There is no distortion {name!r}; choose one of {', '.join(DISTORTIONS)}.")
    return DISTORTIONS[name]


def _brighten(picture: Image.Image, percent: float) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(1 + percent / 100)


def _blur(picture: Image.Image, percent: float) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(percent / 100 * min(picture.size)))


def _turn(picture: Image.Image, degrees: float) -> Image.Image:
    wide, angle = _mirrored(picture), np.deg2rad(degrees)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    # From a place in the result to one in the mirrored picture; both are turned about their middles.
    x, y, wide_x, wide_y = picture.width / 2, picture.height / 2, wide.width / 2, wide.height / 2
    places = (cos, -sin, wide_x - cos * x + sin * y, sin, cos, wide_y - sin * x - cos * y)
    return wide.transform(picture.size, Image.Transform.AFFINE, places, Image.Resampling.BICUBIC)


def _shift(picture: Image.Image, percent: float) -> Image.Image:
    step = round(percent / 100 * picture.width)
    wide = _mirrored(picture)
    left, top = (wide.width - picture.width) // 2 - step, (wide.height - picture.height) // 2
    return wide.crop((left, top, left + picture.width, top + picture.height))


def _crop(picture: Image.Image, percent: float) -> Image.Image:
    share = 1 - percent / 100
    return _middle(picture, (max(1, round(share * picture.width)), max(1, round(share * picture.height))))


def _flip(picture: Image.Image, amount: float) -> Image.Image:
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if amount else picture


def _compress(picture: Image.Image, strength: float) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=max(1, round(100 - strength)))
    with Image.open(buffer) as read:
        return read.convert("RGB")


def _mirrored(picture: Image.Image) -> Image.Image:
    """The picture in the middle of its own mirror images, large enough to turn by any angle."""
    pixels = np.asarray(picture)
    room = -(-(picture.width + picture.height) // 2)
    return Image.fromarray(np.pad(pixels, ((room, room), (room, room), (0, 0)), mode="symmetric"))


def _middle(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    left, top = (picture.width - size[0]) // 2, (picture.height - size[1]) // 2
    return picture.crop((left, top, left + size[0], top + size[1]))


DISTORTIONS: dict[str, Distortion] = {
    each.name: each
    for each in (
        Distortion(
            "crop",
            "Crop",
            "% cut off each side's length",
            0,
            80,
            0,
            5,
            (10, 20, 30, 45, 60),
            "Only the middle is kept.",
            _crop,
        ),
        Distortion("flip", "Flip", "left to right", 0, 1, 0, 1, (1,), "Mirrored: left becomes right.", _flip),
        Distortion(
            "shift",
            "Shift",
            "% of the width, to the right",
            -50,
            50,
            0,
            2,
            (2, 5, 10, 20, 40),
            "Moved sideways; the gap shows the mirrored edge.",
            _shift,
        ),
        Distortion(
            "rotate",
            "Rotate",
            "degrees, counter-clockwise",
            -180,
            180,
            0,
            5,
            (5, 10, 20, 45, 90),
            "Turned about its middle; the corners show the mirrored edge.",
            _turn,
        ),
        Distortion(
            "brightness",
            "Brightness",
            "% brighter or darker",
            -90,
            150,
            0,
            5,
            (-75, -50, -25, 25, 50, 100),
            "Every value times a factor, cut off at white.",
            _brighten,
        ),
        Distortion(
            "blur",
            "Blur",
            "% of the shorter side",
            0,
            10,
            0,
            0.5,
            (0.5, 1, 2, 4, 8),
            "Gaussian blur; its standard deviation is given.",
            _blur,
        ),
        Distortion(
            "jpeg",
            "JPEG compression",
            "100 − quality",
            0,
            99,
            0,
            1,
            (20, 50, 80, 90, 97),
            "Saved as a JPEG of that quality and read back.",
            _compress,
        ),
    )
}
