"""Thumbnails: small JPEGs of photos, cached by the hash of the pixels and by size."""

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


def encode(image: Image.Image, size: int, quality: int = QUALITY) -> bytes:
    """`image` as a JPEG whose longer side is at most `size` px."""
    small = image.copy()
    small.thumbnail((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def thumbnail(path: Path, sha256: str, size: int, folder: Path) -> bytes:
    """JPEG of the photo at `path`, its longer side at most `size` px; cached in `folder`.

    `sha256` is the photo's pixel hash in the catalog. Raises ImageError when the photo cannot be read, or has become
    another picture: results of the old picture must not be shown with the new one.
    """
    cache_file = folder / str(size) / sha256[:2] / f"{sha256}.jpg"
    with contextlib.suppress(OSError):
        cached = cache_file.read_bytes()
        # A power cut can truncate the file.
        if cached.startswith(b"\xff\xd8") and cached.endswith(b"\xff\xd9"):
            return cached
    jpeg = encode(open_same(path, sha256), size)
    # Without the cache, on a full disk, the thumbnail is only slower: no reason for an error.
    with contextlib.suppress(ArtifactError), artifacts.replacing(cache_file, lasting=False) as temporary:
        temporary.write_bytes(jpeg)
    return jpeg


def thumbnail_image(path: Path, sha256: str, size: int, folder: Path) -> Image.Image:
    """The picture of `thumbnail`, RGB. Raises ImageError as it does."""
    return Image.open(io.BytesIO(thumbnail(path, sha256, size, folder))).convert("RGB")


def open_same(path: Path, sha256: str) -> Image.Image:
    """The picture at `path`, upright RGB. Raises ImageError as `thumbnail` does."""
    picture = images.open_rgb(path)
    if images.pixel_hash(picture) != sha256:
        raise ImageError("is another picture now than when it was prepared")
    return picture


def from_array(pixels: np.ndarray) -> Image.Image:
    """The picture of a uint8 array of shape (height, width, 3)."""
    return Image.fromarray(pixels)
