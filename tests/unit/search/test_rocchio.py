"""The moved query against the formula, and what it means for each metric."""

from __future__ import annotations

import numpy as np
import pytest

from lib.errors import QueryError
from lib.search import rocchio
from lib.search.metrics import METRICS, reference
from lib.search.rocchio import Weights

RNG = np.random.default_rng(17)
X = RNG.gamma(0.6, 1.0, (200, 24)).astype(np.float32)
QUERY, RIGHT, WRONG = X[0], X[[3, 9, 40]], X[[5, 77]]
WEIGHTS = Weights(0.9, 0.6, 0.25)


def _ranked_by_values(name: str, values: dict[str, np.ndarray]) -> np.ndarray:
    """The order of X by the weighted sum of the values to the query and to each marked photo, in float64."""
    summed = (
        WEIGHTS.alpha * values["query"][0]
        + WEIGHTS.beta * values["right"].mean(axis=0)
        - WEIGHTS.gamma * values["wrong"].mean(axis=0)
    )
    return np.argsort(-summed if METRICS[name].higher_is_closer else summed, kind="stable")


@pytest.mark.parametrize("name", ["mse", "l1", "l2"])
def test_a_distance_has_the_weighted_mean_of_the_vectors(name: str) -> None:
    q, right, wrong = (each.astype(np.float64) for each in (QUERY, RIGHT, WRONG))
    expected = (0.9 * q + 0.6 * sum(right) / 3 - 0.25 * sum(wrong) / 2) / (0.9 + 0.6 - 0.25)
    found = rocchio.moved(name, QUERY, RIGHT, WRONG, WEIGHTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["cosine", "ncc"])
def test_a_similarity_has_the_weighted_sum_of_directions(name: str) -> None:
    def direction(x: np.ndarray) -> np.ndarray:
        x = x.astype(np.float64) - (x.astype(np.float64).mean() if name == "ncc" else 0)
        return x / np.sqrt((x**2).sum())

    expected = 0.9 * direction(QUERY) + 0.6 * np.mean([direction(x) for x in RIGHT], axis=0)
    expected -= 0.25 * np.mean([direction(x) for x in WRONG], axis=0)
    found = direction(rocchio.moved(name, QUERY, RIGHT, WRONG, WEIGHTS))
    np.testing.assert_allclose(found, expected / np.sqrt((expected**2).sum()), atol=1e-6)


@pytest.mark.parametrize("name", ["mse", "l2", "cosine", "ncc"])
def test_the_moved_query_ranks_as_the_weighted_values_do(name: str) -> None:
    groups = {"query": QUERY[None], "right": RIGHT, "wrong": WRONG}
    power = 2 if name == "l2" else 1  # the identity holds for squared distances
    values = {key: np.stack([reference(name, x, X) ** power for x in group]) for key, group in groups.items()}
    by_point = reference(name, rocchio.moved(name, QUERY, RIGHT, WRONG, WEIGHTS), X)
    order = np.argsort(-by_point if METRICS[name].higher_is_closer else by_point, kind="stable")
    assert order.tolist() == _ranked_by_values(name, values).tolist()


@pytest.mark.parametrize("name", list(METRICS))
def test_without_marks_the_query_stays_bit_by_bit(name: str) -> None:
    assert rocchio.moved(name, QUERY, X[:0], X[:0]).tobytes() == QUERY.tobytes()


@pytest.mark.parametrize("name", list(METRICS))
def test_marks_of_one_kind_leave_the_other_term_out(name: str) -> None:
    only_right = rocchio.moved(name, QUERY, RIGHT, X[:0], WEIGHTS)
    no_weight = rocchio.moved(name, QUERY, RIGHT, WRONG, Weights(0.9, 0.6, 0.0))
    np.testing.assert_allclose(only_right, no_weight, rtol=1e-6)
    assert not np.allclose(rocchio.moved(name, QUERY, X[:0], WRONG, WEIGHTS), QUERY)


@pytest.mark.parametrize("name", list(METRICS))
def test_a_moved_picture_is_a_picture(name: str) -> None:
    pixels = RNG.integers(0, 256, (8, 48), dtype=np.uint8)
    found = rocchio.moved(name, pixels[0], pixels[1:3], pixels[3:6])
    assert found.dtype == np.uint8
    if name in ("mse", "l1", "l2"):
        x = pixels.astype(np.float64)
        expected = (x[0] + 0.75 * x[1:3].mean(axis=0) - 0.15 * x[3:6].mean(axis=0)) / 1.6
        assert np.abs(found - np.clip(expected, 0, 255)).max() <= 0.5
    else:  # the right photos are nearer than before, under the metric itself
        before, after = (reference(name, q, pixels[1:3]).mean() for q in (pixels[0], found))
        assert after > before


def test_impossible_weights_are_refused() -> None:
    with pytest.raises(QueryError, match="add up to -1"):
        rocchio.moved("l1", QUERY, X[:0], WRONG, Weights(1, 0, 2))
    assert rocchio.moved("cosine", QUERY, X[:0], WRONG, Weights(1, 0, 2)).shape == QUERY.shape
    for bad in (-0.1, float("nan"), float("inf")):
        with pytest.raises(QueryError, match="0 or more"):
            Weights(beta=bad)


def test_a_query_without_length_still_moves() -> None:
    found = rocchio.moved("cosine", np.zeros(24, np.float32), RIGHT, X[:0])
    assert np.isfinite(found).all()
    assert found.any()
