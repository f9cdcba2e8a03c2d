"""Contributions against the metrics' reference: what is shown as a sum must be one."""

from __future__ import annotations

import numpy as np
import pytest

from lib.errors import QueryError
from lib.search.contributions import contributions, lengths
from lib.search.metrics import METRICS, reference


def _pair(kind: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    if kind == "pixels":
        return rng.integers(0, 256, 300, dtype=np.uint8), rng.integers(0, 256, 300, dtype=np.uint8)
    return rng.normal(size=300).astype(np.float32), rng.normal(size=300).astype(np.float32)


@pytest.mark.parametrize("kind", ["pixels", "features"])
@pytest.mark.parametrize("name", METRICS)
def test_the_parts_sum_to_the_metric(name: str, kind: str) -> None:
    query, row = _pair(kind)
    measured = contributions(name, query, row)
    value = reference(name, query, row[None])[0]
    assert measured.total == pytest.approx(value**2 if name == "l2" else value)
    assert measured.parts.shape == query.shape
    assert measured.shares.sum() == pytest.approx(1)


def test_the_worked_example_by_hand() -> None:
    query, row = np.array([1.0, 1, 1]), np.array([3.0, 2, 1])
    assert contributions("l1", query, row).parts.tolist() == [2, 1, 0]
    assert contributions("mse", query, row).parts == pytest.approx([4 / 3, 1 / 3, 0])
    assert contributions("cosine", query, row).parts == pytest.approx(np.array([3, 2, 1]) / np.sqrt(3 * 14))
    measured = contributions("l1", query, row)
    assert measured.order.tolist() == [0, 1, 2]
    assert measured.curve == pytest.approx([2 / 3, 1, 1])
    assert [measured.holding(share) for share in (0.5, 0.67, 1.0)] == [1, 2, 2]
    assert measured.effective == pytest.approx(1 / (4 / 9 + 1 / 9))


def test_equal_shares_are_not_concentrated() -> None:
    measured = contributions("l1", np.zeros(8), np.ones(8))
    assert measured.effective == pytest.approx(8)
    assert measured.holding(0.5) == 4
    assert measured.holding(1.0) == 8


@pytest.mark.parametrize("name", METRICS)
def test_nothing_to_share_is_zero(name: str) -> None:
    measured = contributions(name, np.zeros(4, dtype=np.float32), np.zeros(4, dtype=np.float32))
    assert (measured.total, measured.effective, measured.holding(0.5)) == (0, 0, 0)
    assert np.isfinite(measured.curve).all()


def test_length_and_direction_make_the_distance() -> None:
    query, row = _pair("features")
    measured = lengths(query, 3 * row)
    cosine = reference("cosine", query, row[None])[0]
    assert measured.squared == pytest.approx(reference("l2", query, 3 * row[None])[0] ** 2)
    assert measured.of_direction == pytest.approx(2 * measured.query * measured.row * (1 - cosine))
    same = lengths(query, 2 * query)
    assert same.of_direction == pytest.approx(0, abs=1e-6)
    assert same.of_length == pytest.approx(same.query**2)


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(QueryError, match="no metric"):
        contributions("unheard-of", np.zeros(2), np.zeros(2))
