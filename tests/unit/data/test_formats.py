"""Formats are recognised by their first bytes, and those that are not read are named."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from lib.data import formats, images
from lib.data.images import open_rgb
from lib.errors import ImageError
from lib.view import uploads
from tests.helpers import image_files
from tests.helpers.image_files import encoded, rows, scene

NOT_READ = {
    "a HEIC file": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99),
    "a JPEG 2000 file": encoded(scene(), "JPEG2000"),
    "a JPEG XL file": b"\xff\x0a" + bytes(50),
    "an SVG file": b'<?xml version="1.0"?>\n<!-- drawn --><svg xmlns="http://www.w3.org/2000/svg"/>',
    "an HTML file": b"<!DOCTYPE html><html><body>404</body></html>",
    "an icon file": encoded(scene(0, 32, 32), "ICO"),
    "a PDF file": encoded(scene(), "PDF"),
    "a Photoshop file": b"8BPS\0\1" + bytes(30),
    "a PPM file": encoded(scene(), "PPM"),
    "a camera raw file": b"II*\0\x10\0\0\0CR\2\0" + bytes(60),
    "a video file": b"\0\0\0\x18ftypisom" + bytes(40),
    "a ZIP file": b"PK\x03\x04" + bytes(40),
    "a DICOM file": bytes(128) + b"DICM",
}


def reason(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        open_rgb(data)
    return str(caught.value)


@pytest.mark.parametrize("name", NOT_READ)
def test_a_format_that_is_not_read_is_named_with_its_article(name: str) -> None:
    assert reason(NOT_READ[name]) == f"is {name}, not a {formats.READ}"


def test_what_is_read_stands_in_the_sentence() -> None:
    assert formats.READ == "JPEG, PNG, WebP, BMP, GIF, TIFF or AVIF picture"
    assert reason(b"I am a JPEG, honestly.") == f"is not a {formats.READ}"


def test_a_pointer_of_git_lfs_is_called_one() -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 4\n"
    assert reason(pointer) == formats.IS_LFS_POINTER


def test_uploads_take_the_endings_of_all_formats_and_no_others() -> None:
    assert set(uploads.KINDS) == {ending for each in formats.READABLE for ending in each.endings}
    for each in formats.READABLE:
        picture = uploads.read.__wrapped__(encoded(scene(), each.pillow))  # type: ignore[attr-defined]
        assert picture.whole.size == (60, 40)


# --- TIFF and AVIF ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_tiff_gives_the_very_pixels(compression: str | None) -> None:
    assert np.array_equal(rows(open_rgb(encoded(scene(), "TIFF", compression=compression))), rows(scene()))


def test_big_and_big_endian_tiff() -> None:
    assert np.array_equal(rows(open_rgb(encoded(scene(), "TIFF", big_tiff=True))), rows(scene()))
    data = struct.pack(">2sHI", b"MM", 42, 8) + struct.pack(">H", 8)
    short, long = 3, 4  # the types of TIFF's numbers
    entries = {256: (short, 2), 257: (short, 1), 258: (short, 8), 259: (short, 1), 262: (short, 1)}
    for tag, (kind, value) in {**entries, 273: (long, 200), 278: (short, 1)}.items():
        number = struct.pack(">HH", value, 0) if kind == short else struct.pack(">I", value)
        data += struct.pack(">HHI", tag, kind, 1) + number
    data += struct.pack(">HHII", 279, 4, 1, 2) + bytes(4)
    data = data.ljust(200, b"\0") + bytes([7, 250])
    assert rows(open_rgb(data))[0, :, 0].tolist() == [7, 250]


def test_the_first_page_counts() -> None:
    pages = encoded(scene(), "TIFF", save_all=True, append_images=[scene(1), scene(2)])
    assert np.array_equal(rows(open_rgb(pages)), rows(scene()))
    film = encoded(scene(), "AVIF", save_all=True, append_images=[scene(1)], quality=95)
    assert np.abs(rows(open_rgb(film)).astype(int) - rows(scene())).mean() < 6


@pytest.mark.parametrize("orientation", image_files.STORED)
@pytest.mark.parametrize("kind", ["TIFF", "AVIF"])
def test_turned_tiff_and_avif_are_upright(kind: str, orientation: int) -> None:
    stored = Image.fromarray(np.ascontiguousarray(image_files.STORED[orientation](rows(scene()))))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95, "subsampling": "4:4:4"} if kind == "AVIF" else {}
    decoded = rows(open_rgb(encoded(stored, kind, exif=exif, **options)))
    assert decoded.shape == (40, 60, 3)
    assert np.abs(decoded.astype(int) - rows(scene())).mean() < 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "YCbCr"])
def test_tiff_of_every_mode(mode: str) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(scene().convert("L")).astype(np.uint16) * 257)
    else:
        picture = scene().convert(mode)
    decoded = rows(open_rgb(encoded(picture, "TIFF")))
    expected = rows(scene().convert("L" if mode in {"L", "LA", "I;16"} else mode).convert("RGB"))
    assert np.abs(decoded.astype(int) - expected).mean() < 3


def test_avif_with_transparency_is_laid_on_white() -> None:
    clear = scene().convert("RGBA")
    clear.putalpha(0)
    assert rows(open_rgb(encoded(clear, "AVIF"))).min() > 250


def test_an_avif_of_a_general_brand_is_read_and_a_heic_of_it_is_named() -> None:
    data = encoded(scene(), "AVIF")
    assert data[8:12] == b"avif"
    assert open_rgb(data[:8] + b"mif1" + data[12:]).size == (60, 40)
    assert "HEIC" in reason(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(99))


@pytest.mark.parametrize("mode", ["F", "I"])
def test_numbers_of_32_bits_are_refused_with_the_way_out(mode: str) -> None:
    assert reason(encoded(scene().convert("L").convert(mode), "TIFF")) == images.IS_32_BIT


def test_a_preview_in_a_raw_file_is_not_taken_for_the_photo() -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = 1
    assert reason(encoded(scene(), "TIFF", tiffinfo=tags)) == images.IS_PREVIEW
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[50706] = b"\1\4\0\0"
    assert reason(encoded(scene(), "TIFF", tiffinfo=tags)) == images.IS_PREVIEW


def test_a_tiff_that_is_too_large_or_of_a_rare_kind() -> None:
    data = bytearray(encoded(scene(), "TIFF"))
    assert struct.unpack_from("<H", data, 10)[0] == 256
    for at in range(10, 40, 12):
        tag = struct.unpack_from("<H", data, at)[0]
        if tag in {256, 257}:
            struct.pack_into("<HHII", data, at, tag, 4, 1, 60_000)
    assert "megapixels" in reason(bytes(data))
    rgb, colour_filter = (struct.pack("<HHIHH", 262, 3, 1, value, 0) for value in (2, 32803))
    whole = encoded(scene(), "TIFF")
    assert whole.count(rgb) == 1
    assert "rare kind" in reason(whole.replace(rgb, colour_filter))


@pytest.mark.parametrize("kind", ["TIFF", "AVIF"])
def test_a_cut_file_is_refused(kind: str) -> None:
    data = encoded(scene(), kind)
    for cut in range(12, len(data) - 1, max(1, len(data) // 60)):
        try:
            decoded = open_rgb(data[:cut])
        except ImageError:
            continue
        assert np.array_equal(rows(decoded), rows(open_rgb(data))), cut


def test_a_tiff_of_enormous_tiles_is_refused_before_they_are_made() -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[TiffImagePlugin.TILEWIDTH] = tags[TiffImagePlugin.TILELENGTH] = 60_000
    assert "tiles of more than 64 megapixels" in reason(encoded(scene(), "TIFF", tiffinfo=tags))
