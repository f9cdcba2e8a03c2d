"""Template matching of small grey copies: windows of a picture are found, other pictures are not."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lib.data import overlap

RNG = np.random.default_rng(0)


def scene(seed: int, width: int = 240, height: int = 160) -> Image.Image:
    """Smooth random blobs: as photos have, most of the pattern is coarse."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 12), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert("RGB")


def measured(first: Image.Image, second: Image.Image) -> float:
    copies = [overlap.grey_copies(np.asarray(each)[None]) for each in (first, second)]
    aspect = (second.width / second.height) / (first.width / first.height)
    whole, window = overlap.overlap(*copies, np.array([aspect]))
    assert whole[0] <= window[0]
    return float(window[0])


@pytest.mark.parametrize(
    "box",
    [(0, 0, 240, 160), (0, 0, 200, 160), (40, 0, 240, 160), (20, 10, 200, 150), (60, 40, 210, 150), (48, 30, 192, 130)],
)
def test_a_window_is_found_whatever_its_shape_and_place(box: tuple[int, int, int, int]) -> None:
    whole = scene(1)
    part = whole.crop(box)
    assert measured(whole, part) > 0.97
    assert measured(part, whole) > 0.97  # either may be the part


def test_brightness_and_contrast_change_nothing() -> None:
    whole = scene(2)
    dark = whole.point(lambda value: value // 2 + 30)
    assert measured(whole, dark) > 0.995
    assert measured(whole, dark.crop((24, 0, 240, 140))) > 0.97


def test_size_and_stretching_change_nothing() -> None:
    whole = scene(3)
    assert measured(whole, whole.resize((60, 40))) > 0.99
    assert measured(whole, whole.resize((100, 100))) > 0.99


def test_other_scenes_are_far_below_the_threshold_of_copies() -> None:
    values = [measured(scene(seed), scene(seed + 1)) for seed in range(10, 40)]
    assert max(values) < 0.9


def test_mirrored_and_tiny_parts_are_not_found() -> None:
    whole = scene(4)
    assert measured(whole, whole.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) < 0.9
    assert measured(whole, whole.crop((0, 0, 60, 40))) < 0.9


def test_pictures_without_a_pattern_match_nothing() -> None:
    plain = Image.new("RGB", (50, 50), (90, 90, 90))
    assert measured(plain, plain) == 0
    assert measured(scene(5), plain) == 0


def test_the_measure_is_the_correlation_of_the_best_window() -> None:
    """Against every window, correlated one by one."""
    whole = RNG.normal(100, 20, (1, 12, 12)).astype(np.float32)
    part = RNG.normal(90, 25, (1, 8, 9)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(whole[0], (8, 9)).reshape(-1, 72)
    expected = max(float(np.corrcoef(window, part.reshape(-1))[0, 1]) for window in windows)
    assert overlap._in_windows(overlap._searched(whole), part)[0] == pytest.approx(expected, abs=1e-5)


def test_no_pictures_have_no_copies() -> None:
    assert overlap.grey_copies(np.zeros((0, 4, 4, 3), np.uint8)).shape == (0, overlap.SIDE, overlap.SIDE)
    assert [len(each) for each in overlap.overlap(np.zeros((0, 64, 64)), np.zeros((0, 64, 64)), np.zeros(0))] == [0, 0]
