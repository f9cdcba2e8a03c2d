"""Conversion to sRGB of pictures with an embedded ICC profile.

Invariant: pictures without a profile, and those whose profile means sRGB, keep their very pixels. Phones write
Display P3 and cameras Adobe RGB: read as sRGB, such a picture is paler than it should be, and lies apart from its copy
in sRGB.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Final

import numpy as np
from PIL import Image, ImageCms

# Printers' profiles have up to 3 MB. A larger block is no profile that anybody made on purpose.
MAX_PROFILE_BYTES: Final = 8_000_000
# A profile means sRGB when it changes no colour of a grid by more than this, of 255. The profiles of makers differ from
# Little CMS's own sRGB by 1 or 2 where they round another way; Display P3 differs by up to 100.
SAME_COLOUR: Final = 3
_GRID: Final = 13  # values of each channel
# The modes of pictures that a profile of each colour space describes. A grey picture with an RGB profile lies on the
# grey axis of that profile.
_MODES: Final = {
    "RGB": {"RGB", "RGBA", "RGBX", "P", "PA", "L", "LA", "YCbCr"},
    "GRAY": {"L", "LA"},
    "CMYK": {"CMYK"},
    "Lab": {"LAB"},
}
_INPUT: Final = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}


def to_srgb(image: Image.Image, profile: object) -> Image.Image | None:
    """`image` without its transparency as an sRGB picture in mode RGB; None where nothing has to be converted.

    `profile` are the bytes of an ICC profile, or whatever a file has in their place. A profile that is damaged, or
    that is not made for pictures of this mode, counts as none.
    """
    found = _conversion(profile, image.mode)
    if found is None:
        return None
    space, transform = found
    wanted = _INPUT[space]
    if image.mode == "LA" and space == "GRAY":
        return transform.apply(image.getchannel("L"))
    return transform.apply(image if image.mode == wanted else image.convert(wanted))


def converts(profile: object, mode: str) -> bool:
    """Whether `to_srgb` converts a picture of this mode and profile."""
    return _conversion(profile, mode) is not None


def _conversion(profile: object, mode: str) -> tuple[str, ImageCms.ImageCmsTransform] | None:
    if not isinstance(profile, bytes) or not 0 < len(profile) <= MAX_PROFILE_BYTES:
        return None
    found = _transform(profile)
    return found if found is not None and mode in _MODES[found[0]] else None


# The photos of one camera share a profile, and making a transform takes longer than applying it to a small photo.
@lru_cache(maxsize=16)
def _transform(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform] | None:
    """The colour space of a profile, and its conversion to sRGB; None for a damaged profile and for sRGB itself.

    The intent is perceptual, as in browsers; a profile without tables for it is converted relative to white.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space not in _INPUT:
            return None
        transform = ImageCms.buildTransform(
            source, ImageCms.createProfile("sRGB"), _INPUT[space], "RGB", ImageCms.Intent.PERCEPTUAL
        )
        return None if space in {"RGB", "GRAY"} and _changes_nothing(transform, _INPUT[space]) else (space, transform)
    except Exception:  # Little CMS and Pillow raise many types for damaged profiles
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    values = np.linspace(0, 255, _GRID).round().astype(np.uint8)
    if mode == "L":
        before = np.arange(256, dtype=np.uint8)[None]
        expected = before[..., None].repeat(3, axis=2)
    else:
        before = expected = np.stack(np.meshgrid(values, values, values), axis=-1).reshape(_GRID, -1, 3)
    after = np.asarray(transform.apply(Image.fromarray(before)))
    return bool(np.abs(after.astype(np.int16) - expected).max() <= SAME_COLOUR)
