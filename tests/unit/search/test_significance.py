"""Paired tests against full enumeration and numbers worked by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from lib.errors import QueryError
from lib.search.significance import RESAMPLES, difference


def test_the_p_value_is_that_of_all_sign_flips() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(11), rng.random(11) * 0.8
    apart = a - b
    flips = np.array(list(product((-1, 1), repeat=11))) @ apart / 11
    exact = float((np.abs(flips) >= abs(apart.mean()) - 1e-12).mean())
    measured = difference(a, b)
    # Three standard errors of a share of so many resamples.
    assert measured.p == pytest.approx(exact, abs=3 * np.sqrt(exact * (1 - exact) / RESAMPLES))
    assert measured.mean == pytest.approx(apart.mean())
    assert (measured.wins, measured.losses, measured.ties) == (int((apart > 0).sum()), int((apart < 0).sum()), 0)


@pytest.mark.slow
def test_the_interval_covers_the_true_difference_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        a = rng.normal(0.3, 1.0, 60)
        low, high = difference(a, np.zeros(60), seed=trial).ci95 or (0.0, 0.0)
        covered += low <= 0.3 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_equal_scores_do_not_differ() -> None:
    scores = np.array([0.2, np.nan, 0.7])
    found = difference(scores, scores.copy())
    assert (found.n, found.mean, found.p, found.ties) == (2, 0.0, 1.0, 2)
    assert found.ci95 is not None and found.ci95[0] < 0 < found.ci95[1], "two queries show little"


def test_a_difference_everywhere_is_as_sure_as_the_resamples_allow() -> None:
    measured = difference(np.linspace(0.5, 0.9, 80), np.linspace(0.1, 0.3, 80))
    assert measured.p == pytest.approx(1 / (1 + RESAMPLES))
    assert measured.ci95 is not None and measured.ci95[0] > 0


def test_queries_that_one_side_leaves_undefined_do_not_count() -> None:
    found = difference(np.array([np.nan, 1.0, 0.0]), np.array([0.5, np.nan, 1.0]))
    assert (found.n, found.mean) == (1, -1.0)
    nothing = difference(np.array([np.nan]), np.array([0.5]))
    assert (nothing.n, nothing.mean, nothing.ci95, nothing.p) == (0, None, None, None)
    with pytest.raises(QueryError, match="same queries"):
        difference(np.zeros(3), np.zeros(4))


def test_the_same_seed_gives_the_same_numbers() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.random(40), rng.random(40)
    assert difference(a, b, seed=3) == difference(a, b, seed=3)
    assert difference(a, b, seed=3) != difference(a, b, seed=4)
