"""lib.data.resampling: a compiled Pillow against Pillow itself, and large photos that are read in part."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib.data import catalog as catalogs
from lib.data import images, resampling
from lib.errors import DataError
from lib.learn import backbone, transforms
from lib.learn.backbone import IMAGENET_PREPROCESS
from lib.learn.preprocess import Preprocess
from tests.conftest import draw_photos

STRETCHED = Preprocess(resize=(64, 64), crop=None)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    values = np.random.default_rng([width, height, seed]).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(np.where(values > 127, 255, 0).astype(np.uint8) if seed % 2 else values)


def scene(width: int, height: int) -> Image.Image:
    """Something with edges and large faces, as photos have, without being smooth."""
    return noise(16, 12).resize((width, height), Image.Resampling.NEAREST)


def pillow(image: Image.Image, width: int, height: int) -> np.ndarray:
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def encoded(image: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@pytest.mark.parametrize("old", [1, 2, 31, 224, 227, 300])
@pytest.mark.parametrize("new", [1, 2, 32, 224, 256])
def test_squares_are_pillows_bit_for_bit(old: int, new: int) -> None:
    for seed in (0, 1):
        np.testing.assert_array_equal(
            resampling.bilinear(noise(old, old, seed), new, new), pillow(noise(old, old, seed), new, new)
        )


def test_any_other_shape_is_within_one_of_pillow() -> None:
    rng, differ = np.random.default_rng(0), 0
    for width, height, to_width, to_height in rng.integers(1, 200, (150, 4)).tolist():
        picture = noise(width, height, width)
        result = resampling.bilinear(picture, to_width, to_height)
        assert result.shape == (to_height, to_width, 3)
        apart = np.abs(result.astype(int) - pillow(picture, to_width, to_height)).max()
        assert apart <= 1
        differ += apart > 0
    assert differ < 75  # most are equal


def test_what_it_makes_may_be_written_to() -> None:
    for size in ((64, 64), (64, 30), (30, 64), (30, 30), (300, 300)):
        assert resampling.bilinear(noise(*size), 64, 64).flags.writeable


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((227, 227), 224, 1),
        ((895, 4000), 224, 1),
        ((896, 4000), 224, 2),
        ((4000, 3000), 224, 4),
        ((9, 1), 1, 1),
        ((9999, 9999), 32, 8),
    ],
)
def test_a_photo_is_divided_only_while_it_stays_twice_as_large(size: tuple[int, int], side: int, expected: int) -> None:
    assert resampling.halvings(*size, side) == resampling.halvings(*size[::-1], side) == expected


def test_photos_that_are_not_large_are_seen_as_before() -> None:
    for picture in (noise(227, 227), noise(255, 255)):
        np.testing.assert_array_equal(transforms.shrink(picture, STRETCHED), transforms.resize(picture, STRETCHED))
    apart = transforms.shrink(noise(500, 333), IMAGENET_PREPROCESS).astype(int) - transforms.resize(
        noise(500, 333), IMAGENET_PREPROCESS
    )
    assert np.abs(apart).max() <= 1


def test_a_large_jpeg_is_read_in_part_and_looks_the_same() -> None:
    picture = scene(1600, 1200)
    data = encoded(picture)
    read = images.open_rgb(data, 64)
    assert read.size == (200, 150)
    assert images.open_rgb(data).size == (1600, 1200)
    in_part = transforms.shrink(read, STRETCHED).astype(int)
    in_full = transforms.shrink(images.open_rgb(data), STRETCHED)
    plain = transforms.resize(images.open_rgb(data), STRETCHED)
    # Read in part or divided afterwards: an uploaded copy is seen as the stored photo was.
    assert np.abs(in_part - in_full).max() <= 8
    assert np.abs(in_part - in_full).mean() < 0.5
    assert np.abs(in_part - plain).mean() < 3


def test_a_large_photo_on_its_side_is_turned_up() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    scene(1600, 1203).save(buffer, "JPEG", exif=exif)
    assert images.open_rgb(buffer.getvalue(), 64).size == (151, 200)


@pytest.mark.parametrize("size", [(227, 227), (60, 90), (64, 64), (300, 200), (1600, 1200), (2000, 130)])
@pytest.mark.parametrize(
    "preprocess", [STRETCHED, IMAGENET_PREPROCESS, Preprocess((128,), 112, (0.5,) * 3, (0.25,) * 3)]
)
def test_pixels_and_images_are_shrunk_to_the_same(size: tuple[int, int], preprocess: Preprocess) -> None:
    data = encoded(scene(*size))
    pixels = images.open_pixels(data, preprocess.short)
    assert isinstance(pixels, np.ndarray)
    assert pixels.flags.writeable
    image = images.open_rgb(data, preprocess.short)
    np.testing.assert_array_equal(pixels, np.asarray(image))
    np.testing.assert_array_equal(transforms.shrink(pixels, preprocess), transforms.shrink(image, preprocess))


def test_what_is_no_plain_jpeg_comes_as_an_upright_image() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned, grey, png = io.BytesIO(), io.BytesIO(), io.BytesIO()
    scene(160, 123).save(turned, "JPEG", exif=exif)
    scene(160, 123).convert("L").save(grey, "JPEG")
    scene(160, 123).save(png, "PNG")
    for buffer in (turned, grey, png):
        result = images.open_pixels(buffer.getvalue(), 64)
        assert isinstance(result, Image.Image)
        np.testing.assert_array_equal(np.asarray(result), np.asarray(images.open_rgb(buffer.getvalue())))
    assert resampling.size(images.open_pixels(turned.getvalue())) == (123, 160)


def test_a_damaged_large_jpeg_is_still_pillows_to_judge() -> None:
    data = encoded(scene(1600, 1200))
    with pytest.raises(images.ImageError):
        images.open_rgb(data[: len(data) // 2], 64)


def test_a_catalog_reads_in_part_only_what_is_untouched(tmp_path: Path) -> None:
    root = draw_photos(tmp_path / "photos", per_class=1)
    path = next((root / "rose").iterdir()).with_name("large.jpg")
    path.write_bytes(encoded(scene(1600, 1200)))
    catalog = catalogs.build("photos", root, seed=0)
    row = catalog.row("rose/large.jpg")
    assert row is not None
    assert resampling.size(catalog.pixels(row, 64)) == (200, 150)
    assert catalog.open(row).size == (1600, 1200)
    path.write_bytes(path.read_bytes())  # the same pixels at another time: read in full, and found equal
    assert resampling.size(catalog.pixels(row, 64)) == (1600, 1200)
    path.write_bytes(encoded(scene(1200, 1600)))
    with pytest.raises(DataError, match="changed while it was being read"):
        catalog.pixels(row, 64)


def test_the_shorter_side_decides() -> None:
    assert backbone.IMAGENET_PREPROCESS.short == 256
    assert STRETCHED.short == 64
