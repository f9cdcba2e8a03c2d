"""Small JPEGs of photos, made once per picture and size and kept by the hash of the picture's pixels."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from PIL import Image

from lib import artifacts
from lib.data import images
from lib.errors import ArtifactError

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

    Raises ImageError when the photo cannot be read any more.
    """
    kept = folder / str(size) / sha256[:2] / f"{sha256}.jpg"
    with contextlib.suppress(OSError):
        return kept.read_bytes()
    made = encode(images.open_rgb(path), size)
    # A full disk costs only the speed of the next look, so it is not worth an error here.
    with contextlib.suppress(ArtifactError), artifacts.replacing(kept) as temporary:
        temporary.write_bytes(made)
    return made
