"""One picture file in, one upright RGB picture out, or one reason why not.

Invariant: whatever reads a photo anywhere in Petalscope reads it here, so that the catalog's hash, the vectors, the
thumbnails and an uploaded query always mean the same pixels.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import warnings
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from lib.errors import ImageError

# By content, not by file ending. MPO is what some phones write as .jpg (a JPEG with a second picture behind it).
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "GIF")
MAX_PIXELS = 64_000_000
MAX_BYTES = 200_000_000


def open_rgb(source: Path | bytes) -> Image.Image:
    """The picture in `source` (a file or its bytes) as an upright 8-bit RGB image; the first frame of an animation.

    EXIF orientation is applied; transparency is laid on white; grey, palette, CMYK and 16-bit pictures are converted.
    Raises ImageError with the reason when it is not a readable picture of at most 64 megapixels.
    """
    if isinstance(source, bytes):
        return _decode(io.BytesIO(source), len(source))
    try:
        with _open_regular(source) as file:
            return _decode(file, source.stat().st_size)
    except OSError as error:
        raise ImageError(f"cannot be opened: {error.strerror or error}") from error


def _open_regular(path: Path) -> IO[bytes]:
    # A FIFO would block open() for ever and a device never ends, so the kind of file is asked first.
    if not stat.S_ISREG(path.stat().st_mode):
        raise ImageError("is not a regular file")
    return path.open("rb")


def _decode(file: IO[bytes], size: int) -> Image.Image:
    if size == 0:
        raise ImageError("is empty (0 bytes)")
    if size > MAX_BYTES:
        raise ImageError(f"has {size / 1e6:,.0f} MB; the limit is {MAX_BYTES / 1e6:,.0f} MB")
    try:
        with warnings.catch_warnings():
            # Pillow's own size warning and its complaints about odd EXIF blocks: the size is checked below.
            warnings.simplefilter("ignore")
            image: Image.Image = Image.open(file, formats=FORMATS)
            pixels = image.width * image.height
            if pixels > MAX_PIXELS:
                raise ImageError(
                    f"has {image.width} × {image.height} = {pixels / 1e6:,.0f} megapixels; "
                    f"the limit is {MAX_PIXELS / 1e6:,.0f}"
                )
            image.seek(0)
            image.load()
            return _to_rgb(_upright(image))
    except UnidentifiedImageError as error:
        raise ImageError("is not a JPEG, PNG, WebP, BMP or GIF picture") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"has far more than the limit of {MAX_PIXELS / 1e6:,.0f} megapixels") from error
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError("does not fit into memory") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files: SyntaxError, struct.error…
        raise ImageError(f"is damaged: {_one_line(error)}") from error


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a damaged EXIF block says nothing about the pixels, which were read in full
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I;16") or image.mode in {"I", "F"}:
        return Image.fromarray(_to_8_bit(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _to_8_bit(grey: np.ndarray) -> NDArray:
    """Sixteen-bit grey keeps its upper byte; other integers and floats are taken as 0–255 and clipped."""
    if grey.dtype == np.uint16 or (grey.dtype.kind == "i" and grey.max(initial=0) > 255):
        return (np.clip(grey, 0, 65535) // 257).astype(np.uint8)
    return np.clip(np.nan_to_num(grey), 0, 255).astype(np.uint8)


def pixel_hash(image: Image.Image) -> str:
    """SHA-256 of the size and the RGB bytes of `image`: equal exactly when the decoded pictures are equal."""
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


def resized(image: Image.Image, width: int, height: int) -> np.ndarray:
    """`image` stretched with antialiased bilinear resampling (PIL), uint8 array of shape (height, width, 3)."""
    # Copied, since PIL hands out read-only memory and torch warns about that.
    return np.array(image.resize((width, height), Image.Resampling.BILINEAR), dtype=np.uint8)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def is_plain_name(name: str) -> bool:
    """Whether a file name can be written as UTF-8 (Linux allows names that cannot)."""
    try:
        os.fsencode(name).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
