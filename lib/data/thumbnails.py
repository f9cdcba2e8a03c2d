"""Small JPEGs of photos, made once per picture and size and kept by the hash of the picture's pixels."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
from PIL import Image

from lib import artifacts
from lib.data import images
from lib.errors import ArtifactError, ImageError

QUALITY = 80


def encode(image: Image.Image, size: int) -> bytes:
    """`image` as a JPEG whose longer side is at most `size` px."""
    small = image.copy()
    small.thumbnail((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def thumbnail(path: Path, sha256: str, size: int, folder: Path) -> bytes:
    """JPEG of the photo at `path`, from `folder` when it was made before.

    `sha256` is the pixel hash that the catalog has of the photo. Raises ImageError when the photo cannot be read any
    more, or is another picture by now: under numbers of the old one the new one would be a lie.
    """
    kept = folder / str(size) / sha256[:2] / f"{sha256}.jpg"
    with contextlib.suppress(OSError):
        found = kept.read_bytes()
        # A power cut may leave a part of it.
        if found.startswith(b"\xff\xd8") and found.endswith(b"\xff\xd9"):
            return found
    picture = images.open_rgb(path)
    if images.pixel_hash(picture) != sha256:
        raise ImageError("is another picture now than when it was prepared")
    made = encode(picture, size)
    # A full disk costs only the speed of the next look, so it is not worth an error here.
    with contextlib.suppress(ArtifactError), artifacts.replacing(kept, lasting=False) as temporary:
        temporary.write_bytes(made)
    return made


def from_array(pixels: np.ndarray) -> Image.Image:
    """The picture of a uint8 array of shape (height, width, 3)."""
    return Image.fromarray(pixels)
