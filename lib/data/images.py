"""Decoding of picture files to upright RGB, with a reason where that is impossible.

Invariant: every photo in Petalscope is decoded here, so the catalog's hash, the vectors, the thumbnails and an uploaded
query all refer to the same pixels.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import overload

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from lib import text
from lib.data import colour_profiles, formats, resampling
from lib.errors import ImageError

# Raised when the same file would give other pixels than before: 2 converts colours to sRGB by the file's ICC profile.
DECODER = 2
IS_PREVIEW = "is a camera raw file, or a TIFF whose first picture is only a preview; save it as JPEG or TIFF"
IS_32_BIT = "has 32 bits a channel, and nothing says which numbers are black and white; save it with 8 or 16"
MAX_PIXELS = 64_000_000
MAX_BYTES = 200_000_000
# Ordinary JPEGs have about 10 scans and 20 segments. A scan of 100 bytes still takes a pass over all pixels, and the
# time of Pillow grows with the square of the metadata, so a few MB can keep a core busy for an hour.
MAX_JPEG_SCANS = 100
MAX_JPEG_SEGMENTS = 500

# How to turn a picture upright, by the value of EXIF's Orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# TIFF 6.0, p. 36, and the DNG specification.
_NEW_SUBFILE_TYPE, _DNG_VERSION = 254, 50706
_PILLOW_FILTER = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_filter_lock = threading.Lock()


def open_rgb(source: Path | bytes, side: int | None = None) -> Image.Image:
    """The picture in `source` (a file or its bytes) as an upright 8-bit RGB image.

    EXIF orientation is applied, and colours are converted to sRGB by the file's ICC profile. Transparent pixels are
    blended with white. Grey, palette, CMYK, Lab and 16-bit pictures are converted (16-bit ones to their upper byte).
    Of a file of several pictures this is the first. The image has no metadata. With `side`, a large JPEG may be decoded
    at a half, a quarter or an eighth of its size, at least twice `side` px: that skips detail which resampling
    averages. Raises ImageError with the reason when `source` is not a readable picture of at most 64 megapixels.
    """
    return _decode(_bytes(source), side)


def open_pixels(source: Path | bytes, side: int | None = None) -> np.ndarray | Image.Image:
    """The picture of `open_rgb`, as a writable uint8 array (h, w, 3) where it is an ordinary JPEG.

    The array is the decoder's own. Copying it to an image and back would take half the time of decoding. Raises the
    errors of `open_rgb`.
    """
    return _decode(_bytes(source), side, arrays=True)


def _bytes(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        _check_head(source[: formats.HEAD_BYTES])
        _check_bytes(len(source))
        return source
    try:
        return _content(source)
    except (OSError, ValueError) as error:  # ValueError: the name contains NUL
        raise ImageError(f"cannot be opened: {getattr(error, 'strerror', None) or error}") from error


def _content(path: Path) -> bytes:
    # A FIFO would block open() for ever; a device never ends and may act on being opened. So the kind is checked first,
    # and again after a non-blocking open(), since another file may have taken the name in between.
    _check_kind(path.stat())
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        _check_kind(status)
        _check_head(file.read(formats.HEAD_BYTES))
        _check_bytes(status.st_size)
        file.seek(0)
        return file.read(MAX_BYTES)


def _check_kind(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("is not a regular file")


def _check_head(head: bytes) -> None:
    """Raises ImageError for the first bytes of a file that is not a picture, before the rest (a film, say) is read."""
    if not head:
        raise ImageError("is empty (0 bytes)")
    if formats.readable(head) is None:
        raise ImageError(formats.refusal(head))


def is_picture(path: Path) -> bool:
    """Whether the first bytes of a file are those of a picture, of a format that is read or of another one."""
    try:
        _check_kind(path.stat())
        with path.open("rb") as file:
            return formats.is_picture(file.read(formats.HEAD_BYTES))
    except (OSError, ValueError, ImageError):
        return False


def _check_bytes(size: int) -> None:
    if size > MAX_BYTES:
        raise ImageError(f"has {size / 1e6:,.0f} MB; the limit is {MAX_BYTES / 1e6:,.0f} MB")


@overload
def _decode(data: bytes, side: int | None) -> Image.Image: ...
@overload
def _decode(data: bytes, side: int | None, *, arrays: bool) -> np.ndarray | Image.Image: ...
def _decode(data: bytes, side: int | None, *, arrays: bool = False) -> np.ndarray | Image.Image:
    _quiet_pillow()
    _check_segments(data)
    try:
        # This reads only the header; pixels are decoded after the check of the size.
        image = Image.open(io.BytesIO(data), formats=formats.PILLOW_NAMES)
        _check_pixels(image.width, image.height)
        _check_tiff(image)
        pixels, turn = _ordinary_jpeg(image, data, side), _turn(image)
        if pixels is None:
            picture = _decoded_by_pillow(image)
        else:
            converted = _to_srgb_array(pixels, image.info.get("icc_profile"))
            if arrays and turn is None and converted is None:
                return pixels
            picture = converted or Image.fromarray(pixels)
        picture = picture if turn is None else picture.transpose(turn)
    except UnidentifiedImageError as error:
        raise ImageError(_unreadable_header(data)) from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"has far more than the limit of {MAX_PIXELS / 1e6:,.0f} megapixels") from error
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError("does not fit into memory") from error
    except Exception as error:  # Pillow's decoders raise almost any error on damaged files: SyntaxError, struct.error…
        raise ImageError(f"is damaged: {_one_line(error)}") from error
    # A JPEG comment or a transparent colour would be written again wherever the picture is saved.
    picture.info = {}
    return picture


def _ordinary_jpeg(image: Image.Image, data: bytes, side: int | None) -> np.ndarray | None:
    """The pixels (h, w, 3) of an ordinary colour JPEG: twice as fast as Pillow, and bit for bit equal at full size.

    None for other pictures, and for files about which libjpeg-turbo warns: Pillow decides whether those are readable.
    """
    if image.format != "JPEG" or image.mode != "RGB":
        return None
    import simplejpeg

    divisor = 1 if side is None else resampling.halvings(image.width, image.height, side)
    least = {"min_width": -(-image.width // divisor), "min_height": -(-image.height // divisor)} if divisor > 1 else {}
    with contextlib.suppress(ValueError):
        return np.asarray(simplejpeg.decode_jpeg(data, "RGB", strict=True, **least))
    return None


def _to_srgb_array(pixels: np.ndarray, profile: object) -> Image.Image | None:
    # Without a profile, which is the common case, the array is never copied into an image.
    return None if profile is None else colour_profiles.to_srgb(Image.fromarray(pixels), profile)


def _unreadable_header(data: bytes) -> str:
    found = formats.readable(data[: formats.HEAD_BYTES])
    name = found.name if found is not None else "file"
    # TIFF allows what no program reads whole: five channels, any number of bits.
    rare = " or of a rare kind" if name == "TIFF" else ""
    return f"is damaged{rare}: its {name} header cannot be read"


def _check_tiff(image: Image.Image) -> None:
    """Raises ImageError for a TIFF file whose first picture is not what the file is about, or takes too much memory."""
    if image.format != "TIFF":
        return
    tags = image.tag_v2  # type: ignore[attr-defined]
    if tags.get(_NEW_SUBFILE_TYPE, 0) & 1 or _DNG_VERSION in tags:
        raise ImageError(
            "is a camera raw file, or a TIFF whose first picture is only a preview; save it as JPEG or TIFF"
        )
    sides = (tags.get(tag, 1) for tag in (TiffImagePlugin.TILEWIDTH, TiffImagePlugin.TILELENGTH))
    if math.prod(int(side) for side in sides) > MAX_PIXELS:
        raise ImageError(f"has tiles of more than {MAX_PIXELS / 1e6:,.0f} megapixels")


def _decoded_by_pillow(image: Image.Image) -> Image.Image:
    image.seek(0)
    image.load()
    return _to_rgb(image)


def _quiet_pillow() -> None:
    """Ignore Pillow's warnings about EXIF blocks and large pictures, which are checked here.

    The filter stays: photos are read in threads, where `warnings.catch_warnings` can change the filters of the process
    for good. Its presence is checked for every picture, since another catch_warnings may have removed it.
    """
    if _PILLOW_FILTER not in warnings.filters:
        with _filter_lock:
            if _PILLOW_FILTER not in warnings.filters:
                warnings.filterwarnings("ignore", module=_PILLOW_FILTER[3].pattern)


def _check_pixels(width: int, height: int) -> None:
    if width * height == 0:
        raise ImageError("has no pixels")
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"has {width} × {height} = {width * height / 1e6:,.0f} megapixels; the limit is {MAX_PIXELS / 1e6:,.0f}"
        )


def _check_segments(data: bytes) -> None:
    """Raises ImageError for a JPEG of so many scans or segments that decoding it would take minutes."""
    if not data.startswith(b"\xff\xd8"):
        return
    # Walking through the coded pixels takes time, and is unnecessary where there cannot be many scans.
    end = b"\xda" if data.count(b"\xff\xda") <= MAX_JPEG_SCANS else b"\xd9"
    scans = 0
    for segments, marker in enumerate(_jpeg_markers(data), start=1):
        if marker == end:
            return
        scans += marker == b"\xda"
        if segments > MAX_JPEG_SEGMENTS or scans > MAX_JPEG_SCANS:
            raise ImageError(f"is a JPEG of more than {MAX_JPEG_SCANS} scans or {MAX_JPEG_SEGMENTS} segments")


def _jpeg_markers(data: bytes) -> Iterator[bytes]:
    """The second byte of each marker after the start of image."""
    # After FF, 00 and D0 to D7 belong to the coded pixels, and further FFs are padding (ITU-T T.81, B.1.1).
    marker, position = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])"), 2
    while match := marker.search(data, position):
        yield match[1]
        position = match.end()
        position += int.from_bytes(data[position : position + 2])


def _turn(image: Image.Image) -> Image.Transpose | None:
    """The transposition that turns `image` upright, by its EXIF block; None where it is upright."""
    if image.format == "TIFF":  # Pillow turns these itself, as it loads them
        return None
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a damaged EXIF block does not make the pixels unreadable
        return None


def _to_rgb(image: Image.Image) -> Image.Image:
    # A PNG may contain a text named "transparency", which Pillow mistakes for transparency.
    if not isinstance(image.info.get("transparency", 0), int | bytes | tuple):
        del image.info["transparency"]
    profile = image.info.get("icc_profile")
    if image.mode in {"F", "I"}:
        raise ImageError(IS_32_BIT)
    if image.mode.startswith("I;16"):
        grey = _from_16_bit(image)
        return colour_profiles.to_srgb(grey, profile) or grey.convert("RGB")
    converted = colour_profiles.to_srgb(image, profile)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGB", layer.size, (255, 255, 255))
        white.paste(converted or layer, mask=layer)
        return white
    if converted is not None:
        return converted
    return image.copy() if image.mode == "RGB" else image.convert("RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    grey = np.asarray(image)
    # As in Pillow's decoders of 16-bit colour, and of 16-bit grey with alpha.
    small = (grey >> 8).astype(np.uint8)
    if isinstance(clear := image.info.get("transparency"), int):
        small[grey == clear] = 255
    return Image.fromarray(small)


def has_foreign_colours(path: Path) -> bool:
    """Whether the picture at `path` has an ICC profile by which its pixels are converted; False if it is unreadable."""
    try:
        _quiet_pillow()
        with Image.open(io.BytesIO(_content(path)), formats=formats.PILLOW_NAMES) as image:
            return colour_profiles.converts(image.info.get("icc_profile"), image.mode)
    except Exception:  # whatever is wrong with the file is found when it is decoded
        return False


def pixel_hash(image: Image.Image) -> str:
    """SHA-256 of the size and the RGB bytes of `image`: equal if and only if the decoded pictures are equal."""
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    # In bands of about 3 MB, so that a large picture is not copied as a whole.
    band = max(1, 1_000_000 // image.width)
    for top in range(0, image.height, band):
        part = (0, top, image.width, min(top + band, image.height))
        digest.update((image if band >= image.height else image.crop(part)).tobytes())
    return digest.hexdigest()


def resized(image: Image.Image, width: int, height: int) -> np.ndarray:
    """`image` stretched with Pillow's antialiased bilinear resampling: uint8 array of shape (height, width, 3)."""
    # A copy, since Pillow's memory is read-only, and torch warns about that.
    return np.array(image.resize((width, height), Image.Resampling.BILINEAR), dtype=np.uint8)


def _one_line(error: BaseException) -> str:
    return text.shortened(text.one_line(str(error)), 120) or type(error).__name__


def is_plain_name(name: str) -> bool:
    """Whether a file name can be written as UTF-8 (Linux allows names that cannot)."""
    try:
        os.fsencode(name).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
