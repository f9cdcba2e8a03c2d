"""lib.statistics: intervals and tests, against published examples and scipy."""

from __future__ import annotations

import numpy as np
import pytest

from lib.search import significance
from lib.statistics import (
    FEW,
    holm,
    mean_interval,
    mean_intervals,
    median_interval,
    paired_difference,
    sign_test,
    wilson,
)


def test_wilson_is_the_published_example() -> None:
    # Newcombe 1998, table I: 81 of 263 and 15 of 148 and 0 of 20, to four decimals.
    assert wilson(81, 263, z=1.959964) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148, z=1.959964) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20, z=1.959964) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(20, 20)[1] == pytest.approx(1.0)


@pytest.mark.parametrize(("successes", "n"), [(-1, 3), (4, 3), (0, 0)])
def test_wilson_refuses_counts_that_are_not_a_share(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{successes} of {n} is not a share"):
        wilson(successes, n)


def test_the_medians_interval_is_the_published_table() -> None:
    # Conover 1999, table A3, binomial with p = 0.5: of 10 values the 2nd and 9th, of 20 the 6th and 15th.
    assert median_interval(range(10)) == (1.0, 8.0)
    assert median_interval([*range(20)][::-1]) == (5.0, 14.0)
    assert median_interval(range(6)) == (0.0, 5.0)
    assert median_interval(range(5)) is None
    assert median_interval([]) is None


@pytest.mark.parametrize("n", [6, 25, 100, 700])
def test_the_medians_interval_covers_95_per_cent(n: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    lower, upper = median_interval(range(n)) or (0, 0)
    coverage = stats.binom.cdf(upper, n, 0.5) - stats.binom.cdf(lower, n, 0.5)
    one_narrower = stats.binom.cdf(upper - 1, n, 0.5) - stats.binom.cdf(lower + 1, n, 0.5)
    assert one_narrower < 0.95 <= coverage


def test_the_bootstrap_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(4).beta(2, 5, size=120)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=1).confidence_interval
    ours = mean_intervals(values[:, None], resamples=20_000)[0]
    assert ours == pytest.approx(tuple(theirs), abs=0.0015)
    # With this many values the bias-corrected interval is nearly the same.
    corrected = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=1).confidence_interval
    assert ours == pytest.approx(tuple(corrected), abs=0.003)


def test_a_weighted_mean_has_the_interval_of_its_bootstrap() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(5)
    values, weights = rng.uniform(size=80), rng.uniform(0.1, 3, size=80)

    def weighted(v: np.ndarray, w: np.ndarray, axis: int) -> np.ndarray:
        return (v * w).sum(axis=axis) / w.sum(axis=axis)

    theirs = stats.bootstrap(
        (values, weights), weighted, n_resamples=20_000, method="percentile", paired=True, rng=1
    ).confidence_interval
    ours = mean_intervals(values[:, None], weights=weights, resamples=20_000)[0]
    assert ours == pytest.approx(tuple(theirs), abs=0.003)


def test_an_interval_is_seeded_and_leaves_out_undefined_values() -> None:
    values = np.random.default_rng(4).uniform(size=200)
    assert mean_interval(values, seed=1) == mean_interval(values, seed=1) != mean_interval(values, seed=2)
    assert mean_interval([np.nan, *values]) == mean_interval(values)
    assert mean_interval([np.nan]) is None
    assert mean_intervals(np.empty((0, 2))) == [None, None]
    together = mean_intervals(np.stack([values, values**2, np.ones(200)], axis=1))
    assert together == [mean_interval(values), mean_interval(values**2), mean_interval(np.ones(200))]


@pytest.mark.parametrize("n", [1, 2, 5, 40, 4000])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_shares_and_means_at_their_ends_have_wilsons_interval(n: int, value: float) -> None:
    assert mean_interval(np.full(n, value)) == pytest.approx(wilson(n * value, n))
    weighted = mean_intervals(np.full((n, 1), value), weights=np.ones(n))[0]
    assert weighted == pytest.approx(wilson(n * value, n))
    half = np.arange(n) % 2 == 0
    assert mean_interval(half) == pytest.approx(wilson(int(half.sum()), n))


def test_no_interval_has_width_zero() -> None:
    assert mean_interval([0.3]) == pytest.approx((0.3 - 0.3 * wilson(0, 1)[1], 0.3 + 0.7 * wilson(0, 1)[1]))
    narrow = mean_interval(np.full(400, 0.3))
    assert narrow is not None
    assert narrow[0] < 0.3 < narrow[1] < 0.31
    few = mean_interval(np.linspace(0.49, 0.51, FEW - 1))
    assert few is not None and few[1] - few[0] > 0.2
    same = paired_difference(np.full(40, 0.4), np.full(40, 0.4))
    assert same.mean == 0 and same.p == 1
    assert same.ci95 == pytest.approx((-wilson(0, 40)[1], wilson(0, 40)[1]))


@pytest.mark.parametrize("n", [3, 8, 20, 60])
def test_intervals_cover_the_true_mean(n: int) -> None:
    """Average precisions of an easy data set: many ones, and a tail. Small samples may not be too sure."""
    rng, covered = np.random.default_rng(6), 0
    population = np.where(rng.random(5000) < 0.6, 1.0, rng.beta(3, 2, 5000))
    for _ in range(300):
        low, high = mean_interval(rng.choice(population, n)) or (0.0, 0.0)
        covered += low <= population.mean() <= high
    assert covered / 300 >= 0.9


@pytest.mark.parametrize(("a", "b"), [(0, 0), (1, 0), (3, 9), (9, 3), (20, 20), (5, 60), (700, 801)])
def test_the_sign_test_is_scipys(a: int, b: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(a, a + b).pvalue if a + b else 1.0
    assert sign_test(a, b) == pytest.approx(expected, rel=1e-9)


def test_holm_is_the_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_leaves_out_tests_without_a_p_value() -> None:
    assert holm([0.4, 0.01, None, 0.03, 0.02]) == pytest.approx([0.4, 0.04, None, 0.06, 0.06])
    assert holm([None, None]) == [None, None]


def test_searches_are_corrected_by_the_same_function() -> None:
    assert significance.holm is holm
