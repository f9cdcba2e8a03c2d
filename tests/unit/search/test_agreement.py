"""Agreement of two rankings against values worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.errors import QueryError
from lib.search.agreement import kendall_tau, overlap, rbo


def test_overlap() -> None:
    assert overlap(["a", "b", "c", "d"], ["d", "x", "b", "y"]) == 0.5
    assert overlap(["a", "b"], ["b", "a"]) == 1
    assert overlap(["a"], ["b"]) == 0
    assert overlap(["a", "b", "c", "d"], ["a"]) == 0.25
    assert overlap([], []) is None
    with pytest.raises(QueryError, match="only once"):
        overlap(["a", "a"], ["b", "c"])


def test_rbo_by_hand() -> None:
    # Agreement at depths 1, 2, 3 is 0, 2/2, 2/3 with p = 0.5:
    # (0.5 / 0.5) * (0 * 0.5 + 1 * 0.25 + 2/3 * 0.125) + 2/3 * 0.125 = 0.25 + 1/12 + 1/12
    assert rbo(["a", "b", "c"], ["b", "a", "d"], p=0.5) == pytest.approx(0.25 + 1 / 6)


def test_rbo_of_unequal_lengths_by_hand() -> None:
    # S = a, L = a b: s = 1, l = 2, X_1 = 1, X_2 = 1, p = 0.5:
    # 1 * (1 * 0.5 + 1/2 * 0.25 + 1 * (2 - 1) / (1 * 2) * 0.25) + ((1 - 1) / 2 + 1 / 1) * 0.25 = 0.75 + 0.25
    assert rbo(["a"], ["a", "b"], p=0.5) == pytest.approx(1.0)
    # S = b, L = a b: X_1 = 0, X_2 = 1: 1 * (0 + 1/2 * 0.25 + 0) + ((1 - 0) / 2 + 0) * 0.25
    assert rbo(["b"], ["a", "b"], p=0.5) == pytest.approx(0.25)
    assert rbo(["a", "b"], ["b"], p=0.5) == pytest.approx(0.25)


def test_rbo_at_its_ends() -> None:
    assert rbo(list("abcdefghij"), list("abcdefghij")) == 1.0
    assert rbo(list("abc"), list("xyz")) == 0.0
    assert rbo([], list("ab")) == 0.0
    assert rbo([], []) is None


@settings(deadline=None, derandomize=True, max_examples=80)
@given(
    st.lists(st.integers(0, 15), unique=True, min_size=1, max_size=12),
    st.lists(st.integers(0, 15), unique=True, min_size=1, max_size=12),
)
def test_rbo_is_symmetric_and_within_its_range(a: list[int], b: list[int]) -> None:
    value = rbo(a, b)
    assert value is not None
    assert 0 <= value <= 1
    assert value == pytest.approx(rbo(b, a))
    assert (value == 0) == set(a).isdisjoint(b)


def test_rbo_weighs_the_top_more() -> None:
    base = list("abcdefghij")
    top, bottom = rbo(base, list("bacdefghij")), rbo(base, list("abcdefghji"))
    assert top is not None
    assert bottom is not None
    assert top < bottom < 1


@pytest.mark.parametrize("p", [0.0, 1.0, -1.0, 2.0])
def test_rbo_needs_a_persistence(p: float) -> None:
    with pytest.raises(QueryError, match="between 0 and 1"):
        rbo(["a"], ["b"], p=p)


def test_rbo_refuses_repeats() -> None:
    with pytest.raises(QueryError, match="only once"):
        rbo(["a", "a"], ["b"])


def test_kendall_tau_turns_both_towards_closeness() -> None:
    distances, similarities = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.9, 0.8, 0.7, 0.6])
    assert kendall_tau(distances, similarities, False, True) == pytest.approx(1)
    assert kendall_tau(distances, -similarities, False, True) == pytest.approx(-1)
    assert kendall_tau(distances, distances, False, False) == pytest.approx(1)


def test_kendall_tau_b_with_ties_by_hand() -> None:
    # Of 6 pairs, 5 concordant and one tied in b only: 5 / sqrt(6 * 5)
    assert kendall_tau(np.array([1, 2, 3, 4]), np.array([1, 2, 2, 3]), True, True) == pytest.approx(5 / 30**0.5)


def test_kendall_tau_undefined() -> None:
    assert kendall_tau(np.array([1.0]), np.array([1.0]), True, True) is None
    assert kendall_tau(np.zeros(0), np.zeros(0), True, True) is None
    assert kendall_tau(np.ones(4), np.arange(4), True, True) is None
    with pytest.raises(QueryError, match="same rows"):
        kendall_tau(np.arange(3), np.arange(4), True, True)
