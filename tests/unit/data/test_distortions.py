"""Changed pictures against what the change is by definition."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from lib.data.distortions import DISTORTIONS, MOST_SIDE, distorted, out_of_range
from lib.errors import QueryError


@pytest.fixture
def picture() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    return Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2))


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture).astype(int)


@pytest.mark.parametrize("name", list(DISTORTIONS))
def test_neutral_changes_nothing_and_every_level_something(name: str) -> None:
    kind = DISTORTIONS[name]
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8))
    assert distorted(picture, {name: kind.neutral}) is picture
    before = pixels(picture).copy()
    for level in kind.levels:
        assert kind.low <= level <= kind.high
        changed = distorted(picture, {name: level})
        assert changed.mode == "RGB"
        assert changed.size != picture.size or not np.array_equal(pixels(changed), before)
    assert np.array_equal(pixels(picture), before), "the original was changed in place"


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 2), (5, 5)])
@pytest.mark.parametrize("name", list(DISTORTIONS))
def test_no_picture_is_too_small(size: tuple[int, int], name: str) -> None:
    small = Image.new("RGB", size, (200, 10, 90))
    for level in (DISTORTIONS[name].low, DISTORTIONS[name].high):
        changed = distorted(small, {name: level})
        assert min(changed.size) >= 1


def test_flip_shift_and_crop_by_definition(picture: Image.Image) -> None:
    before = pixels(picture)
    assert np.array_equal(pixels(distorted(picture, {"flip": 1})), before[:, ::-1])
    moved = pixels(distorted(picture, {"shift": 10}))
    assert np.array_equal(moved[:, 8:], before[:, :-8])
    assert np.array_equal(moved[:, :8], before[:, :8][:, ::-1])  # the gap holds the mirrored edge
    assert np.array_equal(pixels(distorted(picture, {"shift": -10}))[:, :-8], before[:, 8:])
    assert np.array_equal(pixels(distorted(picture, {"crop": 50})), before[15:45, 20:60])


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_quarter_turn_is_numpys(degrees: int) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    turned = pixels(distorted(Image.fromarray(noise), {"rotate": degrees}))
    assert np.abs(turned - np.rot90(noise, degrees // 90).astype(int)).max() <= 1


def test_a_turn_leaves_no_black_corners() -> None:
    white = Image.new("RGB", (70, 40), "white")
    assert pixels(distorted(white, {"rotate": 33})).min() == 255


def test_brightness_blur_and_compression(picture: Image.Image) -> None:
    before = pixels(picture)
    assert np.abs(pixels(distorted(picture, {"brightness": -50})) - before / 2).max() <= 1
    assert np.abs(pixels(distorted(picture, {"brightness": 100})) - np.minimum(255, before * 2)).max() <= 1
    spread = [pixels(distorted(picture, {"blur": level})).std() for level in (0, 1, 4, 10)]
    assert spread == sorted(spread, reverse=True)
    worse = [np.abs(pixels(distorted(picture, {"jpeg": level})) - before).mean() for level in (1, 50, 99)]
    assert worse == sorted(worse)


def test_strengths_mean_the_same_for_large_pictures() -> None:
    large = Image.new("RGB", (4000, 1000))
    changed = distorted(large, {"flip": 1})
    assert max(changed.size) == MOST_SIDE
    assert distorted(large, {}) is large


def test_several_at_once_are_applied_in_order(picture: Image.Image) -> None:
    both = distorted(picture, {"jpeg": 60, "crop": 20})
    assert np.array_equal(pixels(both), pixels(distorted(distorted(picture, {"crop": 20}), {"jpeg": 60})))


def test_what_does_not_exist_is_refused(picture: Image.Image) -> None:
    with pytest.raises(QueryError, match="no distortion 'melt'; choose one of crop"):
        distorted(picture, {"melt": 1})
    for strength in (90, -1, float("nan")):
        with pytest.raises(QueryError) as raised:
            distorted(picture, {"crop": strength})
        assert str(raised.value) == out_of_range(DISTORTIONS["crop"], strength)
        assert all(number in str(raised.value) for number in ("0", "80", f"{strength:g}"))
