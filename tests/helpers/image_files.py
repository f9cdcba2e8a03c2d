"""Small pictures for tests, different by seed and little changed by JPEG, and folders of them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

# From the upright rows of pixels to the stored ones, by the value of `Orientation` (TIFF 6.0, p. 36).
STORED = {
    1: lambda rows: rows,
    2: lambda rows: rows[:, ::-1],
    3: lambda rows: rows[::-1, ::-1],
    4: lambda rows: rows[::-1],
    5: lambda rows: rows.transpose(1, 0, 2),
    6: lambda rows: np.rot90(rows, 1),
    7: lambda rows: rows[::-1, ::-1].transpose(1, 0, 2),
    8: lambda rows: np.rot90(rows, -1),
}


def scene(seed: int = 0, width: int = 60, height: int = 40) -> Image.Image:
    """A smooth picture without any symmetry, different for every seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def rows(image: Image.Image) -> np.ndarray:
    """The pixels of an RGB picture, (height, width, 3) uint8."""
    assert image.mode == "RGB"
    return np.asarray(image)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """`image` as a file of this kind."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def write(path: Path, image: Image.Image | bytes, kind: str = "PNG", **options: Any) -> Path:
    """Write a picture file of this kind to `path`, whatever its name; folders are created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image if isinstance(image, bytes) else encoded(image, kind, **options))
    return path


def folder(root: Path, **counts: int) -> Path:
    """`root` with that many pictures in each class, all different: `root/<class>/<number>.png`."""
    for place, (label, count) in enumerate(sorted(counts.items())):
        for number in range(count):
            write(root / label / f"{number:03}.png", scene(1000 * place + number))
    return root


def chunk(kind: bytes, data: bytes) -> bytes:
    """One PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes, *chunks: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG with this header, these chunks before its pixels, and `data` as the uncompressed, filtered pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            *chunks,
            chunk(b"IDAT", zlib.compress(data, 9)),
            chunk(b"IEND", b""),
        ]
    )


def zeros(megabytes: int) -> bytes:
    """That many MB of zeros, compressed by zlib to a thousandth."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(megabytes)) + packer.flush()


def webp_header(width: int, height: int) -> bytes:
    """An animated WebP whose canvas has this size and whose only frame is tiny."""
    frame = bytes(6) + struct.pack("<I", 15)[:3] * 2 + b"\x64\0\0\0" + encoded(scene(0, 16, 16), "WEBP")[12:]
    body = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0"
    body += struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body += b"ANIM" + struct.pack("<I", 6) + bytes(6) + b"ANMF" + struct.pack("<I", len(frame)) + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body


def scans(image: Image.Image, more: int) -> bytes:
    """A progressive JPEG whose last scan is repeated `more` times."""
    data = encoded(image, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * more + data[-2:]


def segments(image: Image.Image, count: int) -> bytes:
    """A JPEG with `count` comments."""
    data = encoded(image, "JPEG")
    return data[:2] + b"\xff\xfe\0\x03x" * count + data[2:]
