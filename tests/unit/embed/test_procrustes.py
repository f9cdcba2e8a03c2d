"""lib.embed.procrustes: undoes what means nothing, leaves what differs; against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import procrustes

from lib.embed.procrustes import aligned, disparity


def cloud(n: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(n, 2)) * [3, 1] + [5, -2]).astype(np.float32)


@pytest.mark.parametrize("mirrored", [1, -1])
@pytest.mark.parametrize("angle", [0.0, 0.4, 2.5])
def test_a_turned_map_is_turned_back(angle: float, mirrored: int) -> None:
    fixed = cloud(50)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag([mirrored, 1])
    moved = (0.2 * fixed @ turn + [100, 7]).astype(np.float32)
    np.testing.assert_allclose(aligned(moved, fixed), fixed, atol=1e-3)
    assert disparity(moved, fixed) == pytest.approx(0, abs=1e-6)


def test_what_is_left_is_what_scipy_says() -> None:
    fixed, moved = cloud(80), cloud(80, seed=1)
    expected = procrustes(fixed.astype(float), moved.astype(float))[2]
    assert disparity(fixed, moved) == pytest.approx(expected)
    assert disparity(moved, fixed) == pytest.approx(expected)
    left = ((aligned(moved, fixed) - fixed) ** 2).sum() / ((fixed - fixed.mean(axis=0)) ** 2).sum()
    assert left == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("moved", [np.ones((4, 2), np.float32), cloud(4)])
@pytest.mark.parametrize("fixed", [np.zeros((4, 2), np.float32), cloud(4, seed=2)])
def test_points_without_extent_stay_finite(moved: np.ndarray, fixed: np.ndarray) -> None:
    result = aligned(moved, fixed)
    assert result.shape == (4, 2) and np.isfinite(result).all()
    np.testing.assert_allclose(result.mean(axis=0), fixed.mean(axis=0), atol=1e-5)
    assert 0 <= disparity(moved, fixed) <= 1


def test_a_single_image_lies_where_the_other_map_has_it() -> None:
    assert aligned(cloud(1), cloud(1, seed=3)).tolist() == cloud(1, seed=3).tolist()
