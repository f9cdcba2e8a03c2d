"""The five metrics against numbers worked by hand, definitions from elsewhere, and their edge cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial import distance as scipy_distance

from lib.errors import QueryError
from lib.search.metrics import METRICS, metric, order, reference

QUERY = np.array([1, 1, 1], dtype=np.float32)
GALLERY = np.array([[3, 2, 1], [2, 4, 1], [3, 1, 4], [0, 2, 0]], dtype=np.float32)  # A, B, C, D


def test_the_five_metrics_come_first_in_their_order_and_direction() -> None:
    first = list(METRICS.values())[:5]
    assert [each.name for each in first] == ["mse", "l1", "l2", "cosine", "ncc"]
    assert [each.higher_is_closer for each in first] == [False, False, False, True, True]
    assert all(each.name == name for name, each in METRICS.items())


def test_worked_example_l1() -> None:
    values = reference("l1", QUERY, GALLERY)
    assert values.tolist() == [3, 4, 5, 3]
    assert order(values, "l1").tolist() == [0, 3, 1, 2]  # A and D tie, A stands first


def test_worked_example_cosine() -> None:
    values = reference("cosine", QUERY, GALLERY)
    assert np.round(values, 3).tolist() == [0.926, 0.882, 0.906, 0.577]
    assert order(values, "cosine").tolist() == [0, 2, 1, 3]


def test_worked_example_squares_and_ncc() -> None:
    assert reference("l2", QUERY, GALLERY) == pytest.approx([5**0.5, 10**0.5, 13**0.5, 3**0.5])
    assert reference("mse", QUERY, GALLERY) == pytest.approx([5 / 3, 10 / 3, 13 / 3, 1])
    assert reference("ncc", QUERY, GALLERY).tolist() == [0, 0, 0, 0]  # the query is constant
    assert reference("ncc", GALLERY[0], GALLERY[:2]) == pytest.approx([1, 1 / 28**0.5 * 2**0.5 * 1.5**0.5])


def test_pixels_count_in_units_of_255() -> None:
    black, white = np.zeros(48, dtype=np.uint8), np.full((1, 48), 255, dtype=np.uint8)
    assert reference("l1", black, white).tolist() == [48]
    assert reference("mse", black, white).tolist() == [1]
    assert reference("l2", black, white) == pytest.approx([48**0.5])
    assert reference("cosine", black, white).tolist() == [0]
    assert reference("ncc", black, white).tolist() == [0]


@pytest.mark.parametrize("value", [0.1, 1 / 3, 7e8, 1e-20])
def test_a_constant_vector_has_no_ncc(value: float) -> None:
    """The rounded mean of equal numbers can differ from them; that must not become a direction."""
    constant = np.full((1, 7), value, dtype=np.float32)
    other = np.arange(7, dtype=np.float32)
    assert reference("ncc", other, constant).tolist() == [0]
    assert reference("ncc", constant[0], other[None]).tolist() == [0]


vectors = arrays(np.float32, (2, 9), elements=st.floats(-100, 100, width=32))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(vectors)
def test_against_scipy_and_numpy(pair: np.ndarray) -> None:
    q, x = pair.astype(np.float64)
    got = {name: reference(name, pair[0], pair[1:])[0] for name in METRICS}
    assert got["l1"] == pytest.approx(scipy_distance.cityblock(x, q))
    assert got["l2"] == pytest.approx(scipy_distance.euclidean(x, q))
    assert got["mse"] == pytest.approx(np.mean((x - q) ** 2))
    if np.linalg.norm(x) > 1e-3 and np.linalg.norm(q) > 1e-3:
        assert got["cosine"] == pytest.approx(1 - scipy_distance.cosine(x, q), abs=1e-12)
    if x.std() > 1e-3 and q.std() > 1e-3:
        assert got["ncc"] == pytest.approx(np.corrcoef(x, q)[0, 1], abs=1e-9)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(arrays(np.uint8, (2, 11)))
def test_pixels_are_their_values_over_255(pair: np.ndarray) -> None:
    as_features = pair / 255
    for name in METRICS:
        expected = reference(name, as_features[0], as_features[1:])
        assert reference(name, pair[0], pair[1:]) == pytest.approx(expected, abs=1e-9)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.one_of(vectors, arrays(np.uint8, (2, 9))))
def test_a_vector_is_closest_to_itself(pair: np.ndarray) -> None:
    for name in ("mse", "l1", "l2"):
        assert reference(name, pair[0], pair)[0] == 0
    if pair[0].any():
        assert reference("cosine", pair[0], pair)[0] == 1
    if np.ptp(pair[0].astype(np.float64)) > 0:
        assert reference("ncc", pair[0], pair)[0] == 1


def test_equal_values_keep_the_lower_row_first() -> None:
    values = np.array([2.0, 1.0, 2.0, 1.0, 3.0])
    assert order(values, "l2").tolist() == [1, 3, 0, 2, 4]
    assert order(values, "cosine").tolist() == [4, 0, 2, 1, 3]
    assert order(np.stack([values, -values]), "l2").tolist() == [[1, 3, 0, 2, 4], [4, 0, 2, 1, 3]]


def test_unknown_metric_names_the_known_ones() -> None:
    with pytest.raises(QueryError, match="mse, l1, l2, cosine, ncc"):
        metric("hamming")
    with pytest.raises(QueryError, match="hamming"):
        reference("hamming", QUERY, GALLERY)
