"""Distortions of a picture that keep its subject: crop, flip, shift, rotation, brightness, blur, JPEG compression.

A distortion takes an upright RGB picture and a strength, and does nothing at its `neutral` strength. Strengths are
relative to the picture's size, so they are comparable between large and small photos. A rotation or a shift fills empty
areas with the mirror image of the picture, not with black, which no camera adds.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from lib.errors import QueryError

# Larger pictures are reduced first: the spaces use at most 224 px, and a slider must not wait for 12 megapixels.
MOST_SIDE = 384


@dataclass(frozen=True)
class Distortion:
    """A kind of distortion: `apply(picture, strength)`, with strengths from `low` to `high` in `unit`.

    `step` is the step of a slider; `levels` are the strengths of a sweep, in ascending order. `about` is one sentence.
    """

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
    """`picture` after the distortions in `strengths`, applied in the order of `DISTORTIONS`.

    The picture itself when all strengths are neutral. Raises QueryError for an unknown name or a strength out of range.
    """
    for name, strength in strengths.items():
        kind = distortion(name)
        if not kind.low <= strength <= kind.high:
            raise QueryError(out_of_range(kind, strength))
    active = [kind for kind in DISTORTIONS.values() if strengths.get(kind.name, kind.neutral) != kind.neutral]
    if not active:
        return picture
    result = picture.copy()
    result.thumbnail((MOST_SIDE, MOST_SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    for kind in active:
        result = kind.apply(result, float(strengths[kind.name]))
    return result


def out_of_range(kind: Distortion, strength: float) -> str:
    """The sentence for a strength that `kind` does not have."""
    return f"{kind.title} must be between {kind.low:g} and {kind.high:g} (got {strength:g})."


def distortion(name: str) -> Distortion:
    """The distortion called `name`. Raises QueryError, which names the known ones, for any other name."""
    if name not in DISTORTIONS:
        raise QueryError(f"There is no distortion {name!r}; choose one of {', '.join(DISTORTIONS)}.")
    return DISTORTIONS[name]


def _brighten(picture: Image.Image, percent: float) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(1 + percent / 100)


def _blur(picture: Image.Image, percent: float) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(percent / 100 * min(picture.size)))


def _rotate(picture: Image.Image, degrees: float) -> Image.Image:
    padded, angle = _mirrored(picture), np.deg2rad(degrees)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    # From a point in the result to a point in the padded picture; both rotate about their centres.
    x, y, padded_x, padded_y = picture.width / 2, picture.height / 2, padded.width / 2, padded.height / 2
    coefficients = (cos, -sin, padded_x - cos * x + sin * y, sin, cos, padded_y - sin * x - cos * y)
    return padded.transform(picture.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC)


def _shift(picture: Image.Image, percent: float) -> Image.Image:
    step = round(percent / 100 * picture.width)
    padded = _mirrored(picture)
    left, top = (padded.width - picture.width) // 2 - step, (padded.height - picture.height) // 2
    return padded.crop((left, top, left + picture.width, top + picture.height))


def _crop(picture: Image.Image, percent: float) -> Image.Image:
    share = 1 - percent / 100
    return _centre(picture, (max(1, round(share * picture.width)), max(1, round(share * picture.height))))


def _flip(picture: Image.Image, amount: float) -> Image.Image:
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if amount else picture


def _compress(picture: Image.Image, strength: float) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=max(1, round(100 - strength)))
    with Image.open(buffer) as decoded:
        return decoded.convert("RGB")


def _mirrored(picture: Image.Image) -> Image.Image:
    """The picture padded with its mirror images, wide enough for a rotation by any angle."""
    pixels = np.asarray(picture)
    margin = -(-(picture.width + picture.height) // 2)
    return Image.fromarray(np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric"))


def _centre(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    left, top = (picture.width - size[0]) // 2, (picture.height - size[1]) // 2
    return picture.crop((left, top, left + size[0], top + size[1]))


DISTORTIONS: dict[str, Distortion] = {
    kind.name: kind
    for kind in (
        Distortion(
            "crop",
            "Crop",
            "% cut off each side's length",
            0,
            80,
            0,
            5,
            (10, 20, 30, 45, 60),
            "Only the centre is kept.",
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
            "Rotated about the centre; the corners show the mirrored edge.",
            _rotate,
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
            "Every value times a factor, clipped at white.",
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
            "Gaussian blur; the strength is its standard deviation.",
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
