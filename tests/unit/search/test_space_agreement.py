"""lib.search.space_agreement: shared neighbours by sets, residuals against SciPy's Procrustes."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.spatial

from lib.search.space_agreement import mutual_knn, procrustes_residual


def draw(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(2, 1, (n, d)).astype(np.float32)


def test_shared_neighbours_are_those_in_both_sets() -> None:
    rng = np.random.default_rng(0)
    a, b = (np.array([rng.permutation(30)[:12] for _ in range(40)], dtype=np.int32) for _ in range(2))
    expected = [len(set(one[:10]) & set(other[:10])) / 10 for one, other in zip(a.tolist(), b.tolist(), strict=True)]
    np.testing.assert_allclose(mutual_knn(a, b), expected)
    np.testing.assert_allclose(mutual_knn(a, a), 1)


def test_missing_neighbours_are_no_shared_ones() -> None:
    a = np.array([[1, 2, -1], [2, -1, -1], [-1, -1, -1], [0, 1, 2]], dtype=np.int32)
    b = np.array([[2, 3, -1], [0, 2, 3], [0, 1, -1], [2, 1, 0]], dtype=np.int32)
    np.testing.assert_allclose(mutual_knn(a, b, 3), [0.5, 0, np.nan, 1])


def test_the_residual_is_scipy_s_disparity_also_with_padded_dimensions() -> None:
    x, y = draw(50, 6, 0), draw(50, 4, 1)
    y[:, :4] += x[:, :4]
    padded = np.hstack([y, np.zeros((50, 2))])
    _, _, expected = scipy.spatial.procrustes(x.astype(np.float64), padded)
    one, other = procrustes_residual(x, y), procrustes_residual(y, x)
    assert one and other
    assert (one.value, other.value) == pytest.approx((expected, expected), rel=1e-10)
    assert one.ci95 == pytest.approx(other.ci95)


def test_a_turned_space_leaves_nothing() -> None:
    x = draw(40, 5, 0)
    turn, _ = np.linalg.qr(draw(5, 5, 1).astype(np.float64))
    found = procrustes_residual(x, 40 * x @ turn - 9)
    assert found is not None and found.value == pytest.approx(0, abs=1e-9)


def test_the_interval_of_the_residual_is_the_jackknife_to_first_order() -> None:
    x, y = draw(300, 5, 0).astype(np.float64), draw(300, 3, 1).astype(np.float64)
    y += x[:, :3]
    padded = np.hstack([y, np.zeros((300, 2))])
    found = procrustes_residual(x, y)
    assert found is not None
    without = np.array(
        [scipy.spatial.procrustes(np.delete(x, i, axis=0), np.delete(padded, i, axis=0))[2] for i in range(300)]
    )
    half = 1.96 * np.sqrt(299 / 300 * ((without - without.mean()) ** 2).sum())
    assert found.ci95 == pytest.approx((found.value - half, found.value + half), rel=5e-3)
    few = procrustes_residual(x[:9], y[:9])
    assert few is not None and few.ci95 is None


def test_one_vector_for_all_images_has_no_residual() -> None:
    assert procrustes_residual(np.full((6, 3), 0.1), draw(6, 2, 0)) is None
