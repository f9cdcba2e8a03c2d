"""Hostile pictures and folders, made anew by every run of the tests: the same each time, some hundred of them.

`files()` gives names and bytes, grouped by what is wrong with them; `odd_names()` names of files and classes that are
legal and unpleasant; `not_files(folder)` makes what is no file at all.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import random
import socket
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from tests.helpers import image_files
from tests.helpers.image_files import chunk, encoded, png, scene

MARK = "petalscope-was-here"  # what a script in a name or a file would leave behind


def _kinds() -> dict[str, bytes]:
    return {
        "jpg": encoded(scene(1), "JPEG", quality=88),
        "progressive.jpg": encoded(scene(2), "JPEG", progressive=True),
        "png": encoded(scene(3)),
        "webp": encoded(scene(4), "WEBP"),
        "lossless.webp": encoded(scene(5), "WEBP", lossless=True),
        "gif": encoded(scene(6).quantize(32), "GIF"),
        "bmp": encoded(scene(7), "BMP"),
    }


def _cut() -> dict[str, bytes]:
    return {
        f"cut-{part:02}-of-20.{kind}": data[: len(data) * part // 20]
        for kind, data in _kinds().items()
        for part in range(20)
    }


def _flipped() -> dict[str, bytes]:
    collected = {}
    for kind, data in _kinds().items():
        noise = random.Random(kind)
        for number in range(10):
            damaged = bytearray(data)
            for _ in range(1 << number // 2):
                damaged[noise.randrange(len(damaged))] ^= 1 << noise.randrange(8)
            collected[f"flipped-{number}.{kind}"] = bytes(damaged)
    return collected


def _gif(width: int, height: int, frames: int = 1) -> bytes:
    """A GIF whose header says this size, with `frames` frames of one pixel each."""
    head = b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + bytes(6)
    frame = b"," + struct.pack("<HHHH", 0, 0, 1, 1) + b"\0\x02\x02\x4c\x01\0"
    return head + frame * frames + b";"


def _bmp(width: int, height: int) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(head), 0, 0, 54) + head + bytes(64)


def _resized_jpeg(width: int, height: int) -> bytes:
    data = bytearray(encoded(scene(1), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _bombs() -> dict[str, bytes]:
    line = zlib.compress(bytes(1 + 3 * 8000) * 8000, 9)
    solid = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 8000, 8000, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", line)
        + chunk(b"IEND", b"")
    )
    return {
        "bomb-30000.png": png(30_000, 30_000, b""),
        "bomb-most.png": png(2**31 - 1, 2**31 - 1, b""),
        "bomb-one-too-many.png": png(8001, 8000, b""),
        "bomb-allowed.png": solid,  # 64 megapixels in 190 KB, the largest that is read
        "bomb-text.png": png(9, 9, bytes(252), chunk(b"zTXt", b"x\0\0" + image_files.zeros(50))),
        "bomb-profile.png": png(9, 9, bytes(252), chunk(b"iCCP", b"x\0\0" + image_files.zeros(50))),
        "bomb-pixels.png": png(9, 9, b"").replace(
            chunk(b"IDAT", zlib.compress(b"", 9)), chunk(b"IDAT", image_files.zeros(50))
        ),
        "bomb-canvas.webp": image_files.webp_header(9000, 9000),
        "bomb-canvas-most.webp": image_files.webp_header(16_000, 16_000),
        "bomb.gif": _gif(65_535, 65_535),
        "bomb-frames.gif": _gif(4, 4, 20_000),
        "bomb.bmp": _bmp(60_000, 60_000),
        "bomb-negative.bmp": _bmp(60_000, -(2**31)),
        "bomb-zero.bmp": _bmp(0, 0),
        "bomb.jpg": _resized_jpeg(65_535, 65_535),
        "bomb-allowed-size.jpg": _resized_jpeg(8000, 8000),  # says 64 megapixels, has 2,400
        "bomb-scans.jpg": image_files.scans(scene(1), 3000),
        "bomb-segments.jpg": image_files.segments(scene(1), 30_000),
    }


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../etc/cron.d/x", MARK)
    return buffer.getvalue()


def _polyglots() -> dict[str, bytes]:
    whole = _kinds()
    script = f"<script>window.name='{MARK}'</script>".encode()
    return {
        "jpeg-and-zip.jpg": whole["jpg"] + _zip(),
        "zip-and-jpeg.jpg": _zip() + whole["jpg"],
        "png-and-html.png": whole["png"] + b"<html>" + script,
        "html-comment.jpg": whole["jpg"][:2]
        + b"\xff\xfe"
        + struct.pack(">H", len(script) + 2)
        + script
        + whole["jpg"][2:],
        "php.jpg": whole["jpg"] + b"<?php unlink('" + MARK.encode() + b"'); ?>",
        "gifjs.gif": b"GIF89a/*" + whole["gif"][8:] + b"*/=1;window.name=1",
        "gif-only-words.gif": b"GIF89a=0;//" + b"alert(1)" * 40,
        "bm-only-words.bmp": b"BM is how this text begins, and nothing else\n" * 4,
        "riff-that-sings.webp": b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + bytes(28),
        "webp-without-picture.webp": b"RIFF" + struct.pack("<I", 4) + b"WEBP",
        "pdf-and-jpeg.jpg": b"%PDF-1.4\n" + whole["jpg"],
        "jpeg-in-png.png": whole["png"][:8] + whole["jpg"],
        "png-in-jpeg.jpg": whole["jpg"][:3] + whole["png"],
        "svg.jpg": b"<svg xmlns='http://www.w3.org/2000/svg'>" + script + b"</svg>",
        "svg-in-xml.png": b'<?xml version="1.0"?><!-- --><svg>' + script + b"</svg>",
        "pickle.jpg": b"cos\nsystem\n(S'touch " + MARK.encode() + b"'\ntR.",
        "elf.png": b"\x7fELF" + bytes(300),
        "xxe.jpg": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]><svg>&y;</svg>',
        "two-jpegs.jpg": whole["jpg"] + whole["progressive.jpg"],
        "nothing-but-ff.jpg": b"\xff" * 5000,
        "nothing-but-0.png": bytes(5000),
        "empty.jpg": b"",
        "one-byte.png": b"\x89",
        "newline.webp": b"\n",
    }


def _misnamed() -> dict[str, bytes]:
    whole = _kinds()
    result = {f"misnamed-{kind.replace('.', '-')}.txt": data for kind, data in whole.items()}
    result |= {
        "misnamed-png.jpg": whole["png"],
        "misnamed-jpg.png": whole["jpg"],
        "misnamed-gif.webp": whole["gif"],
        "no-ending": whole["png"],
        "two.endings.jpg.exe": whole["jpg"],
        "capitals.JPEG": whole["jpg"],
        "tiff.jpg": encoded(scene(1), "TIFF"),
        "icon.png": encoded(scene(1, 32, 32), "ICO"),
        "pdf.png": encoded(scene(1), "PDF"),
        "jpeg2000.jpg": encoded(scene(1), "JPEG2000"),
        "ppm.jpg": encoded(scene(1), "PPM"),
        "tga.jpg": encoded(scene(1), "TGA"),
        "heic.jpg": b"\0\0\0\x18ftypheic" + bytes(100),
        "jxl.png": b"\xff\x0a" + bytes(100),
        "psd.png": b"8BPS" + bytes(100),
    }
    return result


def _metadata() -> dict[str, bytes]:
    noise = random.Random(5)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    collected = {
        "icc-good.jpg": encoded(scene(1), "JPEG", icc_profile=profile),
        "icc-cut.jpg": encoded(scene(1), "JPEG", icc_profile=profile[:100]),
        "icc-noise.png": encoded(scene(1), icc_profile=noise.randbytes(5000)),
        "icc-of-cmyk-size.png": encoded(scene(1), icc_profile=profile[:16] + b"CMYK" + profile[20:]),
        "icc-large.jpg": encoded(scene(1), "JPEG", icc_profile=noise.randbytes(3_000_000)),
        "icc.webp": encoded(scene(1), "WEBP", icc_profile=noise.randbytes(500)),
    }
    for value in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 65_535):
        exif = Image.Exif()
        exif[0x0112] = value
        collected[f"exif-turn-{value}.jpg"] = encoded(scene(1), "JPEG", exif=exif)
    endless = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\x08\0\0\0"  # the next block is itself
    blocks = {
        "endless": endless,
        "cut": endless[:20],
        "noise": b"Exif\0\0" + noise.randbytes(200),
        "words": b"Exif\0\0II*\0\x08\0\0\0" + b"\xff\xff" + noise.randbytes(60_000),
        "far": b"Exif\0\0MM\0*\xff\xff\xff\xf0",
    }
    for name, block in blocks.items():
        for kind in ("JPEG", "PNG", "WEBP"):
            collected[f"exif-{name}.{kind.lower()}"] = encoded(scene(1), kind, exif=block)
    collected["comment.jpg"] = encoded(scene(1), "JPEG", comment=b"x" * 65_000)
    return collected


def _shapes() -> dict[str, bytes]:
    ramp = np.linspace(0, 65_535, 60 * 40).astype(np.uint16).reshape(40, 60)
    colour = b"".join(b"\0" + row.tobytes() for row in ramp.astype(">u2").repeat(3, axis=1))
    alpha = b"".join(b"\0" + row.tobytes() for row in ramp.astype(">u2").repeat(4, axis=1))
    few = scene(1).quantize(8)
    frames = [scene(number) for number in (1, 2, 3)]
    small = [frame.quantize(16) for frame in frames]
    clear = scene(1)
    clear.putalpha(0)
    collected = {
        f"{width}x{height}.{kind.lower()}": encoded(Image.new("RGB", (width, height), (9, 99, 200)), kind)
        for width, height in ((1, 1), (1, 2), (2, 1))
        for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF")
    }
    collected |= {
        "30000x1.png": encoded(Image.new("RGB", (30_000, 1), (1, 2, 3))),
        "1x30000.png": encoded(Image.new("RGB", (1, 30_000), (1, 2, 3))),
        "30000x1.jpg": encoded(Image.new("RGB", (30_000, 1), (1, 2, 3)), "JPEG"),
        "1x30000.bmp": encoded(Image.new("RGB", (1, 30_000), (1, 2, 3)), "BMP"),
        "16383x1.webp": encoded(Image.new("RGB", (16_383, 1), (1, 2, 3)), "WEBP"),
        "16-bit-grey.png": encoded(Image.fromarray(ramp)),
        "16-bit-colour.png": png(60, 40, colour, depth=16),
        "16-bit-alpha.png": png(60, 40, alpha, depth=16, colour=6),
        "1-bit.png": encoded(scene(1).convert("1")),
        "palette.png": encoded(few),
        "palette-clear.png": encoded(few, transparency=3),
        "palette-degrees.png": encoded(few, transparency=bytes(range(0, 256, 32))),
        "palette-clear.gif": encoded(few, "GIF", transparency=3),
        "palette-missing.png": png(4, 4, b"\0\1\2\3\4" * 4, colour=3),
        "palette-short.png": png(4, 4, b"\0\1\2\3\4" * 4, chunk(b"PLTE", bytes(3)), colour=3),
        "grey-alpha.png": encoded(scene(1).convert("LA")),
        "all-clear.png": encoded(clear),
        "cmyk.jpg": encoded(scene(1).convert("CMYK"), "JPEG"),
        "grey.jpg": encoded(scene(1).convert("L"), "JPEG"),
        "ycbcr.jpg": encoded(scene(1).convert("YCbCr"), "JPEG"),
        "animated.gif": encoded(small[0], "GIF", save_all=True, append_images=small[1:], duration=20),
        "animated.webp": encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=20),
        "animated.png": encoded(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=20),
        "mpo.jpg": encoded(frames[0], "MPO", save_all=True, append_images=frames[1:]),
        "gif-without-frames.gif": _gif(4, 4, 0),
        "gif-frame-outside.gif": _gif(1, 1).replace(b"," + bytes(4), b"," + struct.pack("<HH", 60_000, 60_000)),
        "no-width.png": png(0, 40, b""),
        "no-height.jpg": _resized_jpeg(60, 0),
        "depth-3.png": png(4, 4, bytes(64), depth=3),
        "colour-5.png": png(4, 4, bytes(64), colour=5),
    }
    return collected


@functools.cache
def files() -> dict[str, dict[str, bytes]]:
    """Class → name → content. About half of it can be read, the rest cannot; which, the readers must agree on."""
    return {
        "cut": _cut(),
        "flipped": _flipped(),
        "bombs": _bombs(),
        "polyglots": _polyglots(),
        "misnamed": _misnamed(),
        "metadata": _metadata(),
        "shapes": _shapes(),
    }


def odd_names() -> list[str]:
    """Ids whose names are legal on Linux and unpleasant everywhere else. Their pictures are whole."""
    scripts = [
        f"<script>document.title='{MARK}'<%2fscript>.png",
        f"<img src=x onerror=\"document.title='{MARK}'\">.png",
        f"\"><svg onload=document.title='{MARK}'>.png",
        "[click](javascript:alert(1)).png",
        "**bold** _it_ `code` $x^2$ :red[x].png",
        ":material_delete: :smile: # h1.png",
        "{{7*7}} ${7*7} %s %(x)s {0}.png",
        "x' or 1==1 or label == 'x.png",
        '" or id != ".png',
        "%{customdata[0]}<extra>.png",
        "<b>a<br>b.png",
        "&lt;i&gt;&amp;.png",
    ]
    plain = [
        "line\nbreak.png",
        "carriage\rreturn.png",
        "\u202egnp.evil",
        "\u2066isolated\u2069.png",
        "\u200bzero width.png",
        "-rf.png",
        "--help",
        "-",
        "x" * 251 + ".png",
        "é" * 125 + ".png",
        "\x1b[31mred.png",
        "\x07bell.png",
        " spaces .png ",
        "..png",
        "...",
        "~",
        "con.png",
        "a\\..\\b.png",
        "%2e%2e%2fpasswd.png",
        "=1+1.csv.png",
        "@SUM(A1).png",
        "'quote\".png",
        "nan",
        "null",
        "👩‍👩‍👧 family.png",
        "日本語 שלום العربية.png",
        "e\u0301 and \u00e9.png",
    ]
    classes = ["<i>class", "-flag", "new\nline", "\u202eRTL", "a'b\"c", "c" * 255, "**md** $y$", "=cmd|x"]
    return [f"{classes[number % len(classes)]}/{name}" for number, name in enumerate(scripts + plain)]


def write(root: Path) -> dict[str, bytes]:
    """Every file of the corpus below `root`, odd names included; id → content."""
    result = {f"{label}/{name}": data for label, group in files().items() for name, data in group.items()}
    result |= {name: encoded(scene(200 + number)) for number, name in enumerate(odd_names())}
    for name, data in result.items():
        image_files.write(root / name, data)
    return result


def not_files(root: Path) -> set[str]:
    """What is no picture file, in class folders below `root`: links in circles and out of the folder, FIFOs, sockets,
    devices and names that are not text, as far as this user may make them. Returns their ids."""
    folder = root / "things"
    folder.mkdir(parents=True)
    collected: set[str] = set()
    links = {
        "self": "self",
        "ping": "pong",
        "pong": "ping",
        "here": ".",
        "up": "..",
        "root": "/",
        "passwd.jpg": "/etc/passwd",
        "zero.jpg": "/dev/zero",
        "stdin.jpg": "/dev/stdin",
        "environ.jpg": "/proc/self/environ",
        "mem.jpg": "/proc/self/mem",
        "nowhere.jpg": "nowhere",
        "empty": "",
        "far.jpg": "x/" * 2000,
    }
    for name, target in links.items():
        with contextlib.suppress(OSError):
            (folder / name).symlink_to(target)
            collected.add(f"things/{name}")
    chain = folder / "chain-0"
    chain.symlink_to("chain-1")
    for number in range(1, 60):  # longer than the system follows
        (folder / f"chain-{number}").symlink_to(f"chain-{number + 1}")
    collected |= {f"things/chain-{number}" for number in range(60)}
    os.mkfifo(folder / "fifo.jpg")
    collected.add("things/fifo.jpg")
    with socket.socket(socket.AF_UNIX) as listening, contextlib.suppress(OSError):
        listening.bind(os.path.relpath(folder / "socket.jpg"))
        collected.add("things/socket.jpg")
    for name, device in {"zero-device.jpg": (1, 5), "random-device.png": (1, 9), "full-device.png": (1, 7)}.items():
        with contextlib.suppress(OSError):  # root alone may
            os.mknod(folder / name, 0o020666, os.makedev(*device))
            collected.add(f"things/{name}")
    for raw in (b"\xff\xfe.jpg", b"\xc3(.png", b"\xed\xa0\x80.gif"):
        (folder / os.fsdecode(raw)).write_bytes(encoded(scene(1)))
        collected.add(f"things/{os.fsdecode(raw)}".encode("utf-8", "backslashreplace").decode())
    return collected
