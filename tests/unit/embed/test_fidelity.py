"""lib.embed.fidelity against scikit-learn, and on maps whose worth is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from lib.embed.fidelity import fidelity


def cloud(n: int, dim: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32) + 5


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("n", [12, 61, 400])
def test_it_is_what_scikit_learn_says(n: int, metric: str) -> None:
    points = cloud(n, 24)
    xy = points[:, :2] + 0.3 * cloud(n, 2, seed=1)
    measured = fidelity(points, xy, metric, k=5)
    assert measured.trustworthiness == pytest.approx(
        trustworthiness(points, xy, n_neighbors=5, metric=metric), abs=1e-5
    )
    wide = points / np.linalg.norm(points, axis=1, keepdims=True) if metric == "cosine" else points
    assert measured.continuity == pytest.approx(trustworthiness(xy, wide, n_neighbors=5), abs=1e-5)
    assert (measured.k, measured.ranked) == (5, n)


def test_preservation_is_counted_image_by_image() -> None:
    points, xy = cloud(70, 9), cloud(70, 2, seed=1)

    def near(values: np.ndarray, row: int) -> set[int]:
        return set(np.argsort(np.linalg.norm(values - values[row], axis=1))[1:8].tolist())

    measured = fidelity(points, xy, "euclidean", k=7)
    assert measured.preserved.tolist() == pytest.approx([len(near(points, i) & near(xy, i)) / 7 for i in range(70)])
    assert measured.preservation == pytest.approx(measured.preserved.mean())


def test_a_perfect_map_has_all_and_a_random_one_little() -> None:
    xy = cloud(300, 2)
    turned = (xy @ [[0, -3], [3, 0]] + [40, -7]).astype(np.float32)
    perfect = fidelity(xy, turned, "euclidean")
    assert (perfect.trustworthiness, perfect.continuity, perfect.preservation) == (1, 1, 1)
    random = fidelity(xy, cloud(300, 2, seed=2), "euclidean")
    assert random.preservation is not None and random.preservation < 0.1
    assert random.trustworthiness == pytest.approx(0.5, abs=0.05)


def test_copies_are_no_errors() -> None:
    points = np.repeat(cloud(20, 8), 3, axis=0)
    measured = fidelity(points, np.repeat(cloud(20, 2), 3, axis=0), "euclidean", k=2)
    assert (measured.trustworthiness, measured.continuity, measured.preservation) == (1, 1, 1)


def test_a_sample_speaks_for_all() -> None:
    points = cloud(900, 24)
    xy = points[:, :2] + 0.3 * cloud(900, 2, seed=1)
    whole, part = fidelity(points, xy, "euclidean"), fidelity(points, xy, "euclidean", most=300)
    assert part.ranked == 300
    assert part.trustworthiness == pytest.approx(whole.trustworthiness, abs=0.02)
    assert part.continuity == pytest.approx(whole.continuity, abs=0.02)
    np.testing.assert_array_equal(part.preserved, whole.preserved)


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_images_have_nothing_to_measure(n: int) -> None:
    measured = fidelity(cloud(n, 4), cloud(n, 2), "cosine")
    assert (measured.trustworthiness, measured.continuity, measured.preservation, measured.k) == (None, None, None, 0)
    assert np.isnan(measured.preserved).all()


def test_few_images_are_measured_with_fewer_neighbours() -> None:
    measured = fidelity(cloud(9, 4), cloud(9, 2), "euclidean")
    assert measured.k == 4
    assert measured.trustworthiness is not None and 0 <= measured.trustworthiness <= 1


def test_photos_that_are_all_equal_have_nothing_to_preserve() -> None:
    points = np.tile(np.random.default_rng(0).normal(size=8), (40, 1)).astype(np.float32)
    xy = np.random.default_rng(1).normal(size=(40, 2)).astype(np.float32)
    for metric in ("cosine", "euclidean"):
        measured = fidelity(points, xy, metric)
        assert (measured.k, measured.trustworthiness, measured.continuity, measured.preservation) == (
            0,
            None,
            None,
            None,
        )
        assert np.isnan(measured.preserved).all()


def test_neighbours_at_one_distance_count_in_expectation() -> None:
    """Against neighbours drawn many times: copies in the space, and points on a grid on the map."""
    rng, k = np.random.default_rng(2), 3
    points = np.repeat(rng.normal(size=(3, 5)), [8, 6, 2], axis=0).astype(np.float32)
    xy = rng.permutation(np.stack(np.meshgrid(np.arange(4), np.arange(4)), axis=-1).reshape(16, 2)).astype(np.float32)

    def drawn(values: np.ndarray, row: int) -> set[int]:
        apart = ((values - values[row]).astype(np.float64) ** 2).sum(axis=1)
        others = [other for other in rng.permutation(16) if other != row]
        return set(sorted(others, key=lambda other: apart[other])[:k])

    expected = [
        np.mean([len(drawn(points, row) & drawn(xy, row)) / k for _ in range(3000)]) for row in range(len(points))
    ]
    np.testing.assert_allclose(fidelity(points, xy, "euclidean", k=k).preserved, expected, atol=0.03)
