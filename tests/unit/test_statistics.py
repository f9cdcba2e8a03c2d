"""lib.statistics: intervals and tests, against published examples and scipy."""

from __future__ import annotations

import pytest

from lib.search import significance
from lib.statistics import holm, sign_test, wilson


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
