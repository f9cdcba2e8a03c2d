"""lib.search.centrality against all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from lib.search.centrality import mean_cosines


@pytest.mark.parametrize("pixels", [False, True])
@pytest.mark.parametrize("n", [2, 7, 600])
def test_closeness_is_the_mean_cosine_to_the_others(n: int, pixels: bool) -> None:
    rng = np.random.default_rng(n)
    vectors = (
        rng.integers(0, 256, (900, 12), dtype=np.uint8) if pixels else rng.normal(size=(900, 12)).astype(np.float32)
    )
    rows = rng.permutation(900)[:n]
    chosen = vectors[rows].astype(np.float64)
    chosen /= np.linalg.norm(chosen, axis=1, keepdims=True)
    cosines = chosen @ chosen.T
    expected = [np.delete(cosines[i], i).mean() for i in range(n)]
    np.testing.assert_allclose(mean_cosines(vectors, rows), expected, atol=1e-9)


def test_one_image_or_none_or_a_zero_vector() -> None:
    vectors = np.array([[1, 0], [0, 0], [1, 0]], np.float32)
    assert mean_cosines(vectors, np.array([1])).tolist() == [0]
    assert mean_cosines(vectors, np.array([], dtype=int)).tolist() == []
    assert mean_cosines(vectors, np.array([0, 1, 2])).tolist() == [0.5, 0, 0.5]
