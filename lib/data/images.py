"""One picture file in, one upright RGB picture out, or one reason why not.

Invariant: whatever reads a photo anywhere in Petalscope reads it here, so that the catalog's hash, the vectors, the
thumbnails and an uploaded query always mean the same pixels.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import overload

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from lib.data import resampling
from lib.errors import ImageError

# By content, not by file ending. What some phones write as .jpg and Pillow calls MPO (a JPEG with more pictures behind
# it) comes in by the JPEG opener; naming MPO here would make Pillow fail on everything that is not a JPEG.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
MAX_PIXELS = 64_000_000
MAX_BYTES = 200_000_000
# Ordinary JPEGs have about 10 scans and 20 segments. A scan may be 100 bytes long and still costs a pass over all
# pixels, and Pillow's time grows with the square of the metadata, so that some MB can keep a core busy for an hour.
MAX_JPEG_SCANS = 100
MAX_JPEG_SEGMENTS = 500

HEAD = 1000
# How the files of these formats begin.
_SIGNATURES = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "WebP": rb"RIFF.{4}WEBP",
    "BMP": rb"BM",
    "GIF": rb"GIF8[79]a",
}
# Pictures that people do have, and that are not read here: a reason that names the kind says what to convert.
_OTHERS = {
    "TIFF": rb"II\*\0|MM\0\*",
    "HEIC": rb".{4}ftyp(hei|hev|mif|msf)",
    "AVIF": rb".{4}ftypavi",
    "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    "JPEG XL": rb"\0\0\0\x0cJXL |\xff\x0a",
    "SVG": rb"(\xef\xbb\xbf)?\s*<(svg|[?!].*<svg)\b",
    "icon": rb"\0\0\x01\0",
    "PDF": rb"%PDF",
    "Photoshop": rb"8BPS",
}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_quieting = threading.Lock()


def open_rgb(source: Path | bytes, side: int | None = None) -> Image.Image:
    """The picture in `source` (a file or its bytes) as an upright 8-bit RGB image; the first frame of an animation.

    EXIF orientation is applied; transparency is laid on white; grey, palette, CMYK and 16-bit pictures are converted
    (16-bit ones keep their upper byte). The image holds pixels only, no metadata. With `side`, a large JPEG may come at
    a half, a quarter or an eighth, still at least twice `side` px: its decoder then skips what would be averaged away.
    Raises ImageError with the reason when it is not a readable picture of at most 64 megapixels.
    """
    return _decode(_bytes(source), side)


def open_pixels(source: Path | bytes, side: int | None = None) -> np.ndarray | Image.Image:
    """The picture of `open_rgb`: an ordinary JPEG as the writable array (h, w, 3) of uint8 that its decoder gives, all
    else as an image. An array copied into an image and back costs half as much as decoding it.

    Raises ImageError as `open_rgb` does.
    """
    return _decode(_bytes(source), side, arrays=True)


def _bytes(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        _check_head(source[:HEAD])
        _check_bytes(len(source))
        return source
    try:
        return _content(source)
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        raise ImageError(f"cannot be opened: {getattr(error, 'strerror', None) or error}") from error


def _content(path: Path) -> bytes:
    # A FIFO would block open() for ever, a device never ends and may act on being opened: the kind is asked first, and
    # again of what was opened, without waiting for it, since another file may have taken the name in between.
    _check_kind(path.stat())
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        _check_kind(status)
        _check_head(file.read(HEAD))
        _check_bytes(status.st_size)
        file.seek(0)
        return file.read(MAX_BYTES)


def _check_kind(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("is not a regular file")


def _check_head(head: bytes) -> None:
    """Refuse what is no picture by its first bytes, before the rest of it, a film perhaps, is read."""
    if not head:
        raise ImageError("is empty (0 bytes)")
    if _format(head) is not None:
        return
    for name, pattern in _OTHERS.items():
        if re.match(pattern, head, re.DOTALL | re.IGNORECASE):
            raise ImageError(f"is a {name} file, not a JPEG, PNG, WebP, BMP or GIF picture")
    raise ImageError("is not a JPEG, PNG, WebP, BMP or GIF picture")


def _format(head: bytes) -> str | None:
    return next((name for name, pattern in _SIGNATURES.items() if re.match(pattern, head, re.DOTALL)), None)


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
        # Only the header is read here; pixels are decoded when the size is known to be fair.
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        _check_pixels(image.width, image.height)
        pixels, turn = _plain_jpeg(image, data, side), _turn(image)
        if arrays and pixels is not None and turn is None:
            return pixels
        picture = _by_pillow(image) if pixels is None else Image.fromarray(pixels)
        picture = picture if turn is None else picture.transpose(turn)
    except UnidentifiedImageError as error:
        raise ImageError(f"is damaged: its {_format(data)} header cannot be read") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"has far more than the limit of {MAX_PIXELS / 1e6:,.0f} megapixels") from error
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError("does not fit into memory") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files: SyntaxError, struct.error…
        raise ImageError(f"is damaged: {_one_line(error)}") from error
    # A JPEG comment or a transparent colour would come up again wherever the picture is saved.
    picture.info = {}
    return picture


def _plain_jpeg(image: Image.Image, data: bytes, side: int | None) -> np.ndarray | None:
    """The pixels (h, w, 3) of an ordinary colour JPEG, twice as fast as Pillow's and at full size equal bit for bit.

    None for everything else, and for files that libjpeg-turbo finds anything wrong with: those are Pillow's to judge.
    """
    if image.format != "JPEG" or image.mode != "RGB":
        return None
    import simplejpeg

    part = 1 if side is None else resampling.halvings(image.width, image.height, side)
    least = {"min_width": -(-image.width // part), "min_height": -(-image.height // part)} if part > 1 else {}
    with contextlib.suppress(ValueError):
        return np.asarray(simplejpeg.decode_jpeg(data, "RGB", strict=True, **least))
    return None


def _by_pillow(image: Image.Image) -> Image.Image:
    image.seek(0)
    image.load()
    return _to_rgb(image)


def _quiet_pillow() -> None:
    """Pillow's modules complain of odd EXIF blocks and large pictures; what matters of that is judged here.

    One filter that stays, since photos are read in threads and `warnings.catch_warnings` there can leave the filters
    of the whole process changed for good. Asked every time, since somebody else's catch_warnings may have taken it out.
    """
    if _QUIET not in warnings.filters:
        with _quieting:
            if _QUIET not in warnings.filters:
                warnings.filterwarnings("ignore", module=_QUIET[3].pattern)


def _check_pixels(width: int, height: int) -> None:
    if width * height == 0:
        raise ImageError("has no pixels")
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"has {width} × {height} = {width * height / 1e6:,.0f} megapixels; the limit is {MAX_PIXELS / 1e6:,.0f}"
        )


def _check_segments(data: bytes) -> None:
    """Refuse a JPEG of so many segments that decoding it takes minutes."""
    if not data.startswith(b"\xff\xd8"):
        return
    # The walk through the coded pixels takes time, and is not needed where there cannot be many scans.
    end = b"\xda" if data.count(b"\xff\xda") <= MAX_JPEG_SCANS else b"\xd9"
    scans = 0
    for segments, marker in enumerate(_jpeg_markers(data), start=1):
        if marker == end:
            return
        scans += marker == b"\xda"
        if segments > MAX_JPEG_SEGMENTS or scans > MAX_JPEG_SCANS:
            raise ImageError(f"is a JPEG of more than {MAX_JPEG_SCANS} scans or {MAX_JPEG_SEGMENTS} segments")


def _jpeg_markers(data: bytes) -> Iterator[bytes]:
    # 00 and D0 to D7 after FF belong to the coded pixels, further FFs are padding (ITU-T T.81, B.1.1).
    marker, at = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])"), 2
    while found := marker.search(data, at):
        yield found[1]
        at = found.end()
        at += int.from_bytes(data[at : at + 2])


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What turns the file `image` upright, as its EXIF block says."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return None


def _to_rgb(image: Image.Image) -> Image.Image:
    # A PNG may carry a text named "transparency", which Pillow takes for the real thing.
    if not isinstance(image.info.get("transparency", 0), int | bytes | tuple):
        del image.info["transparency"]
    if image.mode.startswith("I;16"):
        return _from_16_bit(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGB", layer.size, (255, 255, 255))
        white.paste(layer, mask=layer)
        return white
    return image.copy() if image.mode == "RGB" else image.convert("RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    grey = np.asarray(image)
    # As Pillow's decoders do with 16-bit colour and 16-bit grey with alpha.
    small = (grey >> 8).astype(np.uint8)
    if isinstance(clear := image.info.get("transparency"), int):
        small[grey == clear] = 255
    return Image.fromarray(small).convert("RGB")


def pixel_hash(image: Image.Image) -> str:
    """SHA-256 of the size and the RGB bytes of `image`: equal exactly when the decoded pictures are equal."""
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    # In bands of some MB, so that a large picture is not copied as a whole.
    band = max(1, 1_000_000 // image.width)
    for top in range(0, image.height, band):
        part = (0, top, image.width, min(top + band, image.height))
        digest.update((image if band >= image.height else image.crop(part)).tobytes())
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
