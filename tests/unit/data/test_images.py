"""Every kind of picture file, whole, odd, damaged or hostile, comes in as upright RGB or is refused with a reason."""

from __future__ import annotations

import io
import os
import random
import resource
import socket
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from lib.data import formats, images
from lib.data.images import open_rgb, pixel_hash
from lib.errors import ImageError
from lib.settings import PROJECT
from tests.helpers import image_files
from tests.helpers.image_files import chunk, encoded, png, rows, scene, write

LOSSLESS = {"PNG": {}, "BMP": {}, "WEBP": {"lossless": True}}
FILES = {
    "JPEG": encoded(scene(), "JPEG", quality=90),
    "progressive JPEG": encoded(scene(), "JPEG", progressive=True),
    "MPO": encoded(scene(), "MPO", save_all=True, append_images=[scene(1)]),
    "PNG": encoded(scene()),
    "APNG": encoded(scene(), "PNG", save_all=True, append_images=[scene(1)]),
    "WebP": encoded(scene(), "WEBP"),
    "lossless WebP": encoded(scene(), "WEBP", lossless=True),
    "BMP": encoded(scene(), "BMP"),
    "GIF": encoded(scene().quantize(64), "GIF"),
    "TIFF": encoded(scene(), "TIFF", compression="tiff_lzw"),
    "TIFF of two pages": encoded(scene(), "TIFF", save_all=True, append_images=[scene(1)]),
    "AVIF": encoded(scene(), "AVIF"),
    "animated GIF": encoded(scene().quantize(64), "GIF", save_all=True, append_images=[scene(1).quantize(64)]),
}


def reason(source: Path | bytes) -> str:
    with pytest.raises(ImageError) as caught:
        open_rgb(source)
    text = str(caught.value)
    assert text
    assert "\n" not in text
    return text


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference, 0 to 255."""
    return float(np.abs(one.astype(int) - other).mean())


# --- Kinds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_formats_give_the_very_pixels(kind: str) -> None:
    assert np.array_equal(rows(open_rgb(encoded(scene(), kind, **LOSSLESS[kind]))), rows(scene()))


@pytest.mark.parametrize("kind", FILES)
def test_every_format_gives_the_first_picture(kind: str) -> None:
    decoded = open_rgb(FILES[kind])
    assert decoded.size == (60, 40)
    assert apart(rows(decoded), rows(scene())) < 16  # GIF has 64 colours here
    assert apart(rows(decoded), rows(scene(1))) > 30


def test_the_first_frame_is_told_from_the_second_by_its_very_pixels() -> None:
    frames = {"PNG": {}, "WEBP": {"lossless": True}}
    for kind, options in frames.items():
        animated = encoded(scene(), kind, save_all=True, append_images=[scene(1), scene(2)], duration=50, **options)
        assert np.array_equal(rows(open_rgb(animated)), rows(scene())), kind


def test_a_file_and_its_bytes_are_the_same_picture(tmp_path: Path) -> None:
    for kind, data in FILES.items():
        assert pixel_hash(open_rgb(write(tmp_path / kind, data))) == pixel_hash(open_rgb(data))


def test_grey_and_one_bit_and_palette() -> None:
    grey = scene().convert("L")
    assert np.array_equal(rows(open_rgb(encoded(grey))), np.repeat(np.asarray(grey)[..., None], 3, axis=2))
    black_and_white = grey.convert("1")
    expected = np.where(np.asarray(black_and_white), 255, 0)[..., None].repeat(3, axis=2)
    assert np.array_equal(rows(open_rgb(encoded(black_and_white))), expected)
    assert np.array_equal(rows(open_rgb(encoded(black_and_white, "BMP"))), expected)
    few = scene().quantize(16)
    for kind in ("PNG", "GIF", "BMP"):
        assert np.array_equal(rows(open_rgb(encoded(few, kind))), rows(few.convert("RGB"))), kind


def test_grey_jpeg() -> None:
    decoded = rows(open_rgb(encoded(scene().convert("L"), "JPEG", quality=95)))
    assert np.array_equal(decoded[..., 0], decoded[..., 2])
    assert apart(decoded[..., 0], np.asarray(scene().convert("L"))) < 2


def by_pillow(data: bytes) -> np.ndarray | None:
    """What Pillow alone makes of a JPEG; None when it refuses it."""
    try:
        return np.asarray(Image.open(io.BytesIO(data), formats=["JPEG"]).convert("RGB"))
    except Exception:
        return None


@pytest.mark.parametrize("kind", ["444", "422", "420", "440", "411"])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 3), (16, 16), (33, 31), (61, 45)])
def test_ordinary_jpegs_have_the_pixels_that_pillow_sees(kind: str, size: tuple[int, int]) -> None:
    import simplejpeg

    noise = np.random.default_rng(size).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    for quality in (1, 50, 95):
        data = simplejpeg.encode_jpeg(noise, quality, colorsubsampling=kind)
        assert np.array_equal(np.asarray(open_rgb(data)), by_pillow(data))
        progressive = encoded(Image.fromarray(noise).resize((40, 40)), "JPEG", progressive=True, quality=quality)
        assert np.array_equal(np.asarray(open_rgb(progressive)), by_pillow(progressive))


def test_a_damaged_jpeg_is_what_pillow_makes_of_it() -> None:
    rng, whole = np.random.default_rng(0), FILES["JPEG"]
    readable_count = refused = 0
    for _ in range(300):
        data = bytearray(whole)
        for at in rng.integers(20, len(data), 2):
            data[at] = rng.integers(0, 256)
        try:
            decoded = np.asarray(open_rgb(bytes(data)))
        except ImageError:
            refused += 1
            continue
        expected = by_pillow(bytes(data))
        readable_count += 1
        assert expected is not None and np.array_equal(decoded, expected)
    assert readable_count > 50 and refused > 10


def test_cmyk_jpeg() -> None:
    decoded = rows(open_rgb(encoded(scene().convert("CMYK"), "JPEG", quality=95)))
    assert apart(decoded, rows(scene())) < 6


def test_sixteen_bits_keep_the_upper_byte() -> None:
    ramp = np.linspace(0, 65535, 60 * 40).astype(np.uint16).reshape(40, 60)
    for file in (
        encoded(Image.fromarray(ramp)),
        encoded(Image.frombytes("I;16B", (60, 40), ramp.astype(">u2").tobytes())),
        png(60, 40, b"".join(b"\0" + row.tobytes() for row in ramp.astype(">u2").repeat(3, axis=1)), depth=16),
    ):
        decoded = rows(open_rgb(file))
        assert np.array_equal(decoded, (ramp >> 8).astype(np.uint8)[..., None].repeat(3, axis=2))


# --- Transparency ----------------------------------------------------------------------------------------------------


def on_white(alpha: np.ndarray, colours: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return np.rint(colours * share + 255 * (1 - share))


def test_transparency_is_laid_on_white() -> None:
    alpha = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))
    for kind in ("PNG", "WEBP"):
        picture = scene()
        picture.putalpha(Image.fromarray(alpha))
        options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        decoded = rows(open_rgb(encoded(picture, kind, **options)))
        assert np.abs(decoded - on_white(alpha, rows(scene()))).max() <= 1, kind
    grey = scene().convert("L")
    grey.putalpha(Image.fromarray(alpha))
    assert grey.mode == "LA"
    expected = on_white(alpha, rows(scene().convert("L").convert("RGB")))
    assert np.abs(rows(open_rgb(encoded(grey))) - expected).max() <= 1


def test_what_is_hidden_under_full_transparency_does_not_show() -> None:
    one, other = (Image.new("RGBA", (9, 9), (*colour, 0)) for colour in ((255, 0, 0), (0, 0, 255)))
    assert pixel_hash(open_rgb(encoded(one))) == pixel_hash(open_rgb(encoded(other)))
    assert rows(open_rgb(encoded(one))).min() == 255


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_palette_entry_is_white(kind: str) -> None:
    few = scene().quantize(8)
    expected = rows(few.convert("RGB")).copy()
    expected[np.asarray(few) == 3] = 255
    assert np.array_equal(rows(open_rgb(encoded(few, kind, transparency=3))), expected)


def test_a_palette_with_degrees_of_transparency() -> None:
    few = scene().quantize(4)
    alpha = np.array([0, 85, 170, 255], np.uint8)
    expected = on_white(alpha[np.asarray(few)], rows(few.convert("RGB")))
    decoded = rows(open_rgb(encoded(few, transparency=alpha.tobytes())))
    assert np.abs(decoded - expected).max() <= 1


def test_a_transparent_colour_is_white() -> None:
    flat = rows(scene()).copy()
    flat[:10] = (1, 2, 3)
    expected = flat.copy()
    expected[:10] = 255
    assert np.array_equal(rows(open_rgb(encoded(Image.fromarray(flat), transparency=(1, 2, 3)))), expected)
    grey = np.asarray(scene().convert("L")).copy()
    grey[grey == 7], grey[:10] = 8, 7
    decoded = rows(open_rgb(encoded(Image.fromarray(grey), transparency=7)))
    assert np.array_equal(decoded[..., 0], np.where(grey == 7, 255, grey))


def test_a_transparent_sixteen_bit_grey_is_white() -> None:
    ramp = np.arange(0, 20_000, 1000, np.uint16).reshape(4, 5)
    lines = b"".join(b"\0" + row.tobytes() for row in ramp.astype(">u2"))
    decoded = rows(open_rgb(png(5, 4, lines, chunk(b"tRNS", b"\x03\xe8"), depth=16, colour=0)))
    assert np.array_equal(decoded[..., 0], np.where(ramp == 1000, 255, ramp >> 8))


def test_a_text_named_transparency_is_a_text() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("transparency", "yes, very")
    assert np.array_equal(rows(open_rgb(encoded(scene(), pnginfo=text))), rows(scene()))


# --- EXIF, ICC and other metadata ------------------------------------------------------------------------------------


def turned(orientation: int) -> tuple[Image.Image, Image.Exif]:
    """The scene as a camera held that way stores it, and the tag that says so."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return Image.fromarray(np.ascontiguousarray(image_files.STORED[orientation](rows(scene())))), exif


@pytest.mark.parametrize("orientation", image_files.STORED)
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_all_eight_orientations_give_the_upright_original(kind: str, orientation: int) -> None:
    stored, exif = turned(orientation)
    decoded = open_rgb(encoded(stored, kind, exif=exif, **LOSSLESS[kind]))
    assert np.array_equal(rows(decoded), rows(scene()))


@pytest.mark.parametrize("orientation", image_files.STORED)
def test_jpegs_are_turned_too(orientation: int) -> None:
    stored, exif = turned(orientation)
    decoded = rows(open_rgb(encoded(stored, "JPEG", quality=95, exif=exif)))
    assert decoded.shape == (40, 60, 3)
    assert apart(decoded, rows(scene())) < 3


def test_a_turned_picture_with_a_transparent_palette_entry() -> None:
    few = scene().quantize(8)
    exif = turned(6)[1]
    expected = rows(few.convert("RGB")).copy()
    expected[np.asarray(few) == 3] = 255
    decoded = open_rgb(encoded(few.transpose(Image.Transpose.ROTATE_90), exif=exif, transparency=3))
    assert np.array_equal(rows(decoded), expected)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    assert np.array_equal(rows(open_rgb(encoded(scene(), exif=exif))), rows(scene()))


def test_broken_exif_and_icc_say_nothing_about_the_pixels() -> None:
    exif = turned(1)[1].tobytes()
    noise = random.Random(0)
    blocks = [
        b"Exif\0\0",
        b"Exif\0\0II*\0",
        b"Exif\0\0" + b"\xff" * 60,
        exif[:-1],
        exif[:14],
        b"Exif\0\0MM\0*\0\0\0\x08",
    ]
    blocks += [exif[:8] + noise.randbytes(40) for _ in range(40)]
    for block in blocks:
        for kind in ("PNG", "WEBP"):
            data = encoded(scene(), kind, exif=block, icc_profile=noise.randbytes(50), **LOSSLESS[kind])
            decoded = rows(open_rgb(data))
            # Noise may by chance be a tag that turns the picture.
            assert decoded.shape in {(40, 60, 3), (60, 40, 3)}
            assert np.array_equal(np.sort(decoded, axis=None), np.sort(rows(scene()), axis=None))


def test_exif_that_cannot_be_written_back_still_turns_the_picture() -> None:
    # The width is three bytes and no number: then Pillow's own exif_transpose raises.
    entries = [b"\0\1\7\0\3\0\0\0abc\0", b"\x12\1\3\0\1\0\0\0\6\0\0\0"]
    block = b"Exif\0\0II*\0\x08\0\0\0" + len(entries).to_bytes(2, "little") + b"".join(entries) + bytes(4)
    stored, _ = turned(6)
    assert np.array_equal(rows(open_rgb(encoded(stored, exif=block))), rows(scene()))


def test_metadata_is_left_behind(tmp_path: Path) -> None:
    comment = encoded(scene(), "JPEG", comment=b"x" * 60_000, exif=turned(3)[1], icc_profile=b"y" * 1000)
    decoded = open_rgb(write(tmp_path / "a.jpg", comment))
    assert decoded.info == {}
    assert len(encoded(decoded, "JPEG")) < 5_000


# --- Files that are not what they seem -------------------------------------------------------------------------------


def test_the_content_counts_and_not_the_name(tmp_path: Path) -> None:
    for name, kind in (("photo.jpg", "PNG"), ("notes.txt", "JPEG"), ("no ending", "WEBP"), ("film.mp4", "GIF")):
        assert open_rgb(write(tmp_path / name, scene(), kind)).size == (60, 40)
    assert reason(write(tmp_path / "text.jpg", b"I am a JPEG, honestly.\n")) == f"is not a {formats.READ}"


def test_an_empty_file(tmp_path: Path) -> None:
    assert reason(b"") == reason(write(tmp_path / "a.jpg", b"")) == "is empty (0 bytes)"


@pytest.mark.parametrize("kind", FILES)
def test_a_file_cut_anywhere_is_refused_or_whole(kind: str) -> None:
    data = FILES[kind]
    whole = pixel_hash(open_rgb(data))
    cuts = sorted({*range(1, 40, 3), *range(40, len(data), max(1, len(data) // 40)), *range(len(data) - 5, len(data))})
    refused = 0
    for cut in cuts:
        try:
            assert pixel_hash(open_rgb(data[:cut])) == whole, f"cut after {cut} bytes: other pixels"
        except ImageError as error:
            assert str(error)
            refused += 1
    assert refused >= len(cuts) / 3  # the second picture of an animation may well be missing


def test_a_cut_file_says_that_it_is_damaged() -> None:
    assert all("is damaged" in reason(data[: len(data) // 3]) for data in FILES.values())
    assert reason(FILES["PNG"][:20]).startswith("is damaged")
    assert reason(FILES["JPEG"][:6]).startswith("is damaged")


@pytest.mark.parametrize("kind", FILES)
def test_flipped_bits_give_a_picture_or_a_reason(kind: str) -> None:
    noise = random.Random(kind)
    for _ in range(150):
        data = bytearray(FILES[kind])
        for _ in range(noise.randint(1, 4)):
            data[noise.randrange(len(data))] ^= 1 << noise.randrange(8)
        try:
            decoded = open_rgb(bytes(data))
        except ImageError as error:
            assert str(error)
            continue
        assert decoded.mode == "RGB"
        assert min(decoded.size) > 0
        assert len(decoded.tobytes()) == decoded.width * decoded.height * 3


def test_noise_after_a_known_beginning_is_refused() -> None:
    noise = random.Random(0)
    for data in FILES.values():
        for kept in (3, 12, 16, 30):
            assert reason(data[:kept] + noise.randbytes(500))


# --- Sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (30_000, 1), (1, 30_000)])
def test_extreme_shapes(size: tuple[int, int]) -> None:
    decoded = open_rgb(encoded(Image.new("RGB", size, (9, 8, 7))))
    assert decoded.size == size
    assert images.resized(decoded, 8, 8).tolist() == np.full((8, 8, 3), (9, 8, 7)).tolist()
    assert len(pixel_hash(decoded)) == 64


def test_the_limit_is_64_megapixels() -> None:
    assert "8001 × 8000 = 64 megapixels" in reason(png(8001, 8000, b""))
    assert "is damaged" in reason(png(8000, 8000, b""))  # not too large, but without pixels
    assert "megapixels" in reason(png(100_000, 100_000, b""))


BOMBS = """
import resource
from lib.data.images import open_rgb
from lib.errors import ImageError
from tests.helpers.image_files import *
gif = b"GIF89a" + b"\\xff" * 4 + b"\\x80\\0\\0" + bytes(6) + b"," + bytes(4) + b"\\xff" * 4 + b"\\0\\2\\2\\x4c\\1\\0;"
text, profile = (chunk(kind, b"x\\0\\0" + zeros(80)) for kind in (b"zTXt", b"iCCP"))
bombs = [png(8001, 8000, b""), png(13_000, 13_000, b""), png(2**31 - 1, 2**31 - 1, b""), gif,
         webp_header(9000, 9000), webp_header(16_000, 16_000),
         png(9, 9, bytes(9 * 28), text), png(9, 9, bytes(9 * 28), profile), scans(scene(0, 2000, 2000), 2000),
         scans(scene(), 20_000), segments(scene(), 200_000)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for bomb in bombs:
    try:
        open_rgb(bomb)
    except ImageError as error:
        print("refused", error)
# More pixels in the file than in the picture: the rest is not unpacked.
print(open_rgb(png(9, 9, b"").replace(chunk(b"IDAT", zlib.compress(b"", 9)), chunk(b"IDAT", zeros(80)))).size)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KB on Linux only")
def test_bombs_are_refused_before_they_take_memory() -> None:
    done = subprocess.run([sys.executable, "-c", BOMBS], capture_output=True, text=True, check=True, cwd=PROJECT)
    *refusals, size, megabytes = done.stdout.splitlines()
    assert len(refusals) == 11, done.stdout
    assert size == "(9, 9)"
    assert int(megabytes) < 60
    assert done.stderr == ""


def test_a_jpeg_of_endless_scans_or_segments_is_refused() -> None:
    assert open_rgb(image_files.scans(scene(), 50)).size == (60, 40)
    assert "scans" in reason(image_files.scans(scene(), images.MAX_JPEG_SCANS))
    assert open_rgb(image_files.segments(scene(), 400)).size == (60, 40)
    assert "segments" in reason(image_files.segments(scene(), images.MAX_JPEG_SEGMENTS))


def test_what_looks_like_scans_behind_the_picture_or_in_metadata_does_not_count() -> None:
    # Some phones append a film to the photo; its bytes may hold anything.
    data = encoded(scene(), "JPEG")
    film = b"\xff\xda" * 5000
    assert np.array_equal(rows(open_rgb(data + film)), rows(open_rgb(data)))
    inside = data[:2] + b"\xff\xfe\x27\x12" + film[:10_000] + data[2:]
    assert np.array_equal(rows(open_rgb(inside)), rows(open_rgb(data)))


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    long = write(tmp_path / "a.bmp", encoded(scene(), "BMP"))
    os.truncate(long, images.MAX_BYTES + 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert reason(long) == "has 200 MB; the limit is 200 MB"
    film = write(tmp_path / "b.mp4", b"\0\0\0\x18ftypisom")
    os.truncate(film, 10**12)
    assert reason(film) == f"is a video file, not a {formats.READ}"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


# --- Things in a folder that are no files ----------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_fifo_socket_device_and_folder_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(tmp_path / "socket.jpg"))
        for path in (tmp_path / "fifo.jpg", tmp_path / "socket.jpg", Path("/dev/zero"), tmp_path):
            assert reason(path) == "is not a regular file"


def test_a_missing_file_and_an_impossible_name(tmp_path: Path) -> None:
    assert "No such file" in reason(tmp_path / "gone.jpg")
    assert "cannot be opened" in reason(tmp_path / "nul\0.jpg")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg", scene())
    path.chmod(0)
    assert "Permission denied" in reason(path)


# --- Hash ------------------------------------------------------------------------------------------------------------


def test_the_hash_is_of_pixels_and_shape_alone() -> None:
    hashes = {pixel_hash(open_rgb(encoded(scene(), kind, **options))) for kind, options in LOSSLESS.items()}
    assert hashes == {pixel_hash(scene())}
    assert pixel_hash(Image.new("RGB", (2, 3))) != pixel_hash(Image.new("RGB", (3, 2)))
    other = scene()
    red, green, blue = other.getpixel((59, 39))
    other.putpixel((59, 39), (red, green, blue ^ 1))
    assert pixel_hash(other) != pixel_hash(scene())


def test_a_large_picture_hashes_like_its_bytes_in_one_piece() -> None:
    import hashlib

    large = scene(0, 1500, 1100)
    assert pixel_hash(large) == hashlib.sha256(b"1500x1100:" + large.tobytes()).hexdigest()


# --- Warnings and threads --------------------------------------------------------------------------------------------


def complaining() -> bytes:
    """A picture on which Pillow raises a warning."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0\xff\0\0\0\xf0\0\0\0" + bytes(4)
    return encoded(scene(), "PNG", exif=exif)


def test_the_picture_that_complains_does() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Image.open(io.BytesIO(complaining())).getexif()
    assert caught


def test_pillow_is_quiet_and_nobody_else() -> None:
    data = complaining()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_rgb(data).size == (60, 40)
        with pytest.raises(UserWarning, match="mine"):
            warnings.warn("mine", UserWarning, stacklevel=1)


def test_reading_in_threads_leaves_the_warning_filters_alone() -> None:
    data = complaining()
    open_rgb(data)
    before = list(warnings.filters)
    start = threading.Barrier(8)

    def read(_: int) -> int:
        start.wait()
        return sum(open_rgb(data).width for _ in range(20))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(8))) == [1200] * 8
    assert list(warnings.filters) == before
