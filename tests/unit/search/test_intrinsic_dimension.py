"""lib.search.intrinsic_dimension: against scikit-dimension's TwoNN, and surfaces whose dimension is known."""

from __future__ import annotations

import numpy as np
import pytest

from lib.search import neighbourhoods
from lib.search.intrinsic_dimension import neighbour_distances, two_nn

# What `skdim.id.TwoNN(discard_fraction=0.1)` of scikit-dimension 0.5.0 returns for `surface` of these numbers. The
# package would bring matplotlib with it, so its results are kept here.
SCIKIT_DIMENSION = {
    (0, 500, 2, 10): 2.068351091420828,
    (1, 400, 6, 30): 5.665639094433264,
    (2, 300, 1, 5): 1.0983250302660539,
}


def surface(seed: int, n: int, d: int, dimensions: int) -> np.ndarray:
    """n points of a curved surface of d dimensions in a space of more."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(n, d))
    return np.asarray(np.hstack([x, np.sin(x)]) @ rng.normal(size=(2 * d, dimensions)))


def nearest_two(points: np.ndarray) -> np.ndarray:
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return np.sort(apart, axis=1)[:, :2]


@pytest.mark.parametrize("numbers", SCIKIT_DIMENSION)
def test_it_is_what_scikit_dimension_computes(numbers: tuple[int, int, int, int]) -> None:
    # Scaled, so that none is near enough to count as a copy.
    found = two_nn(1e3 * nearest_two(surface(*numbers)))
    assert found.dimension == pytest.approx(SCIKIT_DIMENSION[numbers], rel=1e-9)
    assert found.images == numbers[1]


def test_the_interval_holds_the_dimension() -> None:
    found = two_nn(1e3 * nearest_two(np.random.default_rng(3).uniform(size=(900, 3))))
    assert found.ci95 is not None and found.dimension is not None
    low, high = found.ci95
    assert low < found.dimension < high
    assert low < 3 < high
    assert high - low < 1


def test_copies_and_lone_images_are_left_out_and_counted() -> None:
    distances = 1e3 * nearest_two(surface(0, 500, 2, 10))
    odd = np.array([[0, 5.0], [1e-5, 5], [np.nan, np.nan], [3, np.nan]])
    found = two_nn(np.concatenate([distances, odd]))
    assert (found.images, found.zero, found.lone) == (500, 2, 2)
    assert found.dimension == pytest.approx(SCIKIT_DIMENSION[0, 500, 2, 10], rel=1e-9)


@pytest.mark.parametrize("distances", [np.ones((9, 2)), np.ones((50, 2)), np.zeros((50, 2)), np.empty((0, 2))])
def test_too_few_or_equal_ratios_have_no_dimension(distances: np.ndarray) -> None:
    found = two_nn(distances)
    assert (found.dimension, found.ci95) == (None, None)


def test_the_distances_are_those_on_the_sphere_and_skip_copies_of_a_neighbour() -> None:
    rng = np.random.default_rng(4)
    points = rng.normal(size=(40, 6)).astype(np.float32)
    vectors = np.concatenate([points, points[:1], points[:1]])  # picture 0 occurs three times
    pictures = np.array([*range(40), 0, 0])
    copies = [[row for row in range(42) if pictures[row] == picture] for picture in pictures]
    found = neighbour_distances(neighbourhoods.k_nearest(vectors, copies), pictures)
    unit = points.astype(np.float64) / np.linalg.norm(points.astype(np.float64), axis=1, keepdims=True)
    np.testing.assert_allclose(found, nearest_two(unit), atol=1e-6)


def test_images_without_neighbours_have_no_distances() -> None:
    alone = neighbourhoods.k_nearest(np.ones((1, 3), np.float32), [[0]])
    assert np.isnan(neighbour_distances(alone, np.array([0]))).all()
    two = neighbourhoods.k_nearest(np.array([[1, 0], [1, 1]], np.float32), [[0], [1]])
    found = neighbour_distances(two, np.array([0, 1]))
    np.testing.assert_allclose(found[:, 0], np.sqrt(2 - np.sqrt(2)), rtol=1e-6)
    assert np.isnan(found[:, 1]).all()
