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
    assert procrustes_residual(x, y) == pytest.approx(expected, rel=1e-10)
    assert procrustes_residual(y, x) == pytest.approx(expected, rel=1e-10)


def test_a_turned_space_leaves_nothing() -> None:
    x = draw(40, 5, 0)
    turn, _ = np.linalg.qr(draw(5, 5, 1).astype(np.float64))
    assert procrustes_residual(x, 40 * x @ turn - 9) == pytest.approx(0, abs=1e-9)


def test_one_vector_for_all_images_has_no_residual() -> None:
    assert procrustes_residual(np.full((6, 3), 0.1), draw(6, 2, 0)) is None
