"""Thumbnails: small, made once, of the right picture, and never the reason for a failure."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib.data import images, thumbnails
from lib.data.thumbnails import encode, thumbnail
from lib.errors import ImageError
from tests.helpers.image_files import encoded, rows, scene, write


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG"
    image.load()
    return image


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("size", "small"),
    [((600, 400), (96, 64)), ((400, 600), (64, 96)), ((30_000, 1), (96, 1)), ((1, 30_000), (1, 96)), ((1, 1), (1, 1))],
)
def test_the_longer_side_has_the_size(size: tuple[int, int], small: tuple[int, int]) -> None:
    picture = scene(0, *size)
    assert opened(encode(picture, 96)).size == small
    assert picture.size == size


def test_a_small_picture_is_not_blown_up() -> None:
    assert opened(encode(scene(0, 60, 40), 96)).size == (60, 40)


def test_it_shows_the_picture_upright_and_on_white(tmp_path: Path) -> None:
    picture = scene(3, 300, 200)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = write(tmp_path / "a.png", picture.transpose(Image.Transpose.ROTATE_90), exif=exif)
    small = opened(thumbnail(path, images.pixel_hash(picture), 100, tmp_path / "kept"))
    expected = rows(picture.resize(small.size, Image.Resampling.BILINEAR)).astype(int)
    assert small.size == (100, 67)
    assert np.abs(rows(small) - expected).mean() < 3
    clear, white = Image.new("RGBA", (300, 300), (0, 0, 0, 0)), Image.new("RGB", (300, 300), (255, 255, 255))
    path = write(tmp_path / "clear.png", clear)
    assert rows(opened(thumbnail(path, images.pixel_hash(white), 50, tmp_path / "kept"))).min() > 250


def test_a_picture_with_a_long_comment_has_a_short_thumbnail() -> None:
    # A GIF's comment may be longer than a JPEG can hold.
    gif = encoded(scene().quantize(), "GIF", comment=b"x" * 100_000)
    assert len(encode(images.open_rgb(gif), 96)) < 3_000


def test_it_is_made_once_and_kept_by_picture_and_size(tmp_path: Path) -> None:
    path, cache = write(tmp_path / "a.png", scene(0, 300, 200)), tmp_path / "kept"
    sha256 = images.pixel_hash(scene(0, 300, 200))
    first = thumbnail(path, sha256, 96, cache)
    assert [file.name for file in files(cache)] == [f"{sha256}.jpg"]
    path.unlink()
    assert thumbnail(path, sha256, 96, cache) == first  # from the folder: the photo is not there any more
    with pytest.raises(ImageError):
        thumbnail(path, sha256, 97, cache)
    write(path, scene(0, 300, 200), "BMP")
    assert opened(thumbnail(path, sha256, 40, cache)).size == (40, 27)
    assert len(files(cache)) == 2


@pytest.mark.parametrize("damage", [b"", b"\xff\xd8\xff", b"not a jpeg"])
def test_a_damaged_one_is_made_again(tmp_path: Path, damage: bytes) -> None:
    path, cache = write(tmp_path / "a.png", scene()), tmp_path / "kept"
    first = thumbnail(path, images.pixel_hash(scene()), 96, cache)
    files(cache)[0].write_bytes(damage)
    assert thumbnail(path, images.pixel_hash(scene()), 96, cache) == first
    assert files(cache)[0].read_bytes() == first


def test_a_replaced_photo_is_neither_shown_nor_kept_under_the_old_hash(tmp_path: Path) -> None:
    path, cache = write(tmp_path / "a.png", scene(1)), tmp_path / "kept"
    sha256 = images.pixel_hash(scene(0))
    with pytest.raises(ImageError, match="is another picture now"):
        thumbnail(path, sha256, 96, cache)
    assert not cache.exists()
    write(path, scene(0))
    assert thumbnail(path, sha256, 96, cache) == encode(scene(0), 96)


@pytest.mark.parametrize("content", [b"", b"words", encoded(scene())[:60]])
def test_an_unreadable_photo_is_an_image_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ImageError):
        thumbnail(write(tmp_path / "a.jpg", content), "0" * 64, 96, tmp_path / "kept")
    with pytest.raises(ImageError):
        thumbnail(tmp_path / "gone.jpg", "0" * 64, 96, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_a_folder_that_cannot_be_written_costs_only_the_next_look(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", scene())
    (tmp_path / "kept").write_bytes(b"a file, not a folder")
    assert thumbnail(path, images.pixel_hash(scene()), 96, tmp_path / "kept") == encode(scene(), 96)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", scene())
    (tmp_path / "kept").mkdir(mode=0o555)
    assert thumbnail(path, images.pixel_hash(scene()), 96, tmp_path / "kept") == encode(scene(), 96)


def test_pixels_become_a_picture() -> None:
    assert np.array_equal(rows(thumbnails.from_array(rows(scene()))), rows(scene()))
