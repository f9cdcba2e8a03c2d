"""The formats of picture files: which are read, how each is recognised, and the names of common others.

Invariant: the content decides, not the name. The catalog, uploads and every other reader take the same formats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

HEAD_BYTES: Final = 1000  # enough to recognise every format below


@dataclass(frozen=True)
class Format:
    """A format that is read: its name on screens and in Pillow, a regular expression for the first bytes, and the
    usual endings of file names."""

    name: str
    pillow: str
    signature: bytes
    endings: tuple[str, ...]


# Some phones write MPO (a JPEG with more pictures behind it) as .jpg. Pillow's JPEG opener reads it, too; with MPO in
# this list Pillow would fail on everything that is not a JPEG.
READABLE: Final = (
    Format("JPEG", "JPEG", rb"\xff\xd8\xff", ("jpg", "jpeg", "jpe", "jfif")),
    Format("PNG", "PNG", rb"\x89PNG\r\n\x1a\n", ("png", "apng")),
    Format("WebP", "WEBP", rb"RIFF.{4}WEBP", ("webp",)),
    Format("BMP", "BMP", rb"BM", ("bmp", "dib")),
    Format("GIF", "GIF", rb"GIF8[79]a", ("gif",)),
    Format("TIFF", "TIFF", rb"(?:II[*+]\0|MM\0[*+])(?!.{4}CR\x02)", ("tif", "tiff")),
    Format("AVIF", "AVIF", rb".{4}ftypavi[fs]", ("avif", "avifs")),
)
PILLOW_NAMES: Final = tuple(format.pillow for format in READABLE)
ENDINGS: Final = tuple(ending for format in READABLE for ending in format.endings)
# The formats as they stand in a sentence.
READ: Final = f"{', '.join(format.name for format in READABLE[:-1])} or {READABLE[-1].name} picture"
# Common formats that are not read, with their articles. The reason for a skipped file names its format, so that the
# user can convert it.
_OTHERS: Final = {
    "a HEIC file": rb".{4}ftyp(hei|hev|mif|msf)",
    "a JPEG 2000 file": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    "a JPEG XL file": rb"\0\0\0\x0cJXL |\xff\x0a",
    "an SVG file": rb"(\xef\xbb\xbf)?\s*<(svg|[?!].{0,900}?<svg)\b",
    "an HTML file": rb"(\xef\xbb\xbf)?\s*<(!doctype html|html)\b",
    "an icon file": rb"\0\0\x01\0",
    "a PDF file": rb"%PDF",
    "a Photoshop file": rb"8BPS",
    "a PostScript file": rb"%!PS",
    "a PPM file": rb"P[1-7]\s",
    "an OpenEXR file": rb"v/1\x01",
    "a DICOM file": rb".{128}DICM",
    "a camera raw file": rb"(II[*]\0|MM\0[*]).{4}CR\x02|FUJIFILMCCD-RAW|IIR[OS]\x08|IIU\0|.{4}ftypcrx",
    "a video file": rb".{4}ftyp(isom|iso2|mp4|M4V|qt  |3gp|avc1)|RIFF.{4}AVI |\x1aE\xdf\xa3",
    "a ZIP file": rb"PK\x03\x04",
}
_NO_PICTURES: Final = frozenset({"an HTML file", "a PDF file", "a PostScript file", "a video file", "a ZIP file"})
LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"
IS_LFS_POINTER: Final = "is a Git LFS pointer instead of the picture; fetch the picture with git lfs pull"


def readable(head: bytes) -> Format | None:
    """The format of a file with these first bytes; None when it is not one that is read."""
    if _is_avif(head):
        return READABLE[-1]
    return next((format for format in READABLE if re.match(format.signature, head, re.DOTALL)), None)


def is_picture(head: bytes) -> bool:
    """Whether a file with these first bytes is a picture, or stands for one, of a format that is read or not."""
    others = (pattern for name, pattern in _OTHERS.items() if name not in _NO_PICTURES)
    matches = any(re.match(pattern, head, re.DOTALL | re.IGNORECASE) for pattern in others)
    return readable(head) is not None or matches or head.startswith(LFS_POINTER)


def refusal(head: bytes) -> str:
    """Why a file with these first bytes is not read, without the file's name. For files that `readable` refuses."""
    if head.startswith(LFS_POINTER):
        return IS_LFS_POINTER
    for name, pattern in _OTHERS.items():
        if re.match(pattern, head, re.DOTALL | re.IGNORECASE):
            return f"is {name}, not a {READ}"
    return f"is not a {READ}"


def _is_avif(head: bytes) -> bool:
    """Whether one of the brands of an ISO media file is AVIF's: many such files call themselves mif1 in general."""
    if head[4:8] != b"ftyp" or head[8:12] not in {b"mif1", b"msf1"}:
        return False
    return not {b"avif", b"avis"}.isdisjoint(_compatible_brands(head))


def _compatible_brands(head: bytes) -> Iterator[bytes]:
    """The brands in the `ftyp` box at the start of a file (ISO/IEC 14496-12, 4.3)."""
    end = min(int.from_bytes(head[:4]), len(head))
    return (head[start : start + 4] for start in range(16, end - 3, 4))
