"""lib.search.cka: against the paper's formula, written out in float64 with centring matrices."""

from __future__ import annotations

import numpy as np
import pytest

from lib.search import cka
from lib.search.cka import linear_cka, unbiased_linear_cka


def formula(x: np.ndarray, y: np.ndarray) -> float:
    """HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)) with K = XXᵀ and HSIC(K, L) = tr(KHLH) (Kornblith et al. 2019, eq. 3)."""
    n = len(x)
    h = np.eye(n) - np.ones((n, n)) / n
    k, l = (each.astype(np.float64) @ each.astype(np.float64).T for each in (x, y))  # noqa: E741
    return float(np.trace(k @ h @ l @ h) / np.sqrt(np.trace(k @ h @ k @ h) * np.trace(l @ h @ l @ h)))


def hsic1(k: np.ndarray, l: np.ndarray) -> float:  # noqa: E741
    """Song et al. 2012, equation 5, as a sum over images i ≠ j and plain loops."""
    n = len(k)
    trace = sum(k[i, j] * l[j, i] for i in range(n) for j in range(n) if i != j)
    all_k, all_l = (sum(m[i, j] for i in range(n) for j in range(n) if i != j) for m in (k, l))
    chains = sum(k[i, j] * l[j, m] for i in range(n) for j in range(n) for m in range(n) if i != j and j != m)
    return float((trace + all_k * all_l / (n - 1) / (n - 2) - 2 * chains / (n - 2)) / n / (n - 3))


def draw(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(2, 1, (n, d)).astype(np.float32)


@pytest.mark.parametrize(("n", "d", "e"), [(40, 5, 7), (40, 40, 3), (20, 300, 6), (12, 500, 700)])
def test_it_is_the_formula(n: int, d: int, e: int) -> None:
    x, y = draw(n, d, 0), draw(n, e, 1)
    y[:, :3] += x[:, :3]
    assert linear_cka(x, y) == pytest.approx(formula(x, y), rel=1e-10)
    assert linear_cka(y, x) == pytest.approx(formula(x, y), rel=1e-10)


def test_pixels_are_compared_exactly() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 49_152), dtype=np.uint8)
    features = draw(9, 4, 1)
    assert linear_cka(pixels, features) == pytest.approx(formula(pixels, features), rel=1e-10)


def test_it_ignores_rotation_shift_and_scale_and_sees_another_map() -> None:
    x = draw(50, 8, 0)
    turn, _ = np.linalg.qr(draw(8, 8, 1).astype(np.float64))
    assert linear_cka(x, 1e6 * (x @ turn) + 17) == pytest.approx(1, abs=1e-9)
    stretch = np.diag([100.0, 1, 1, 1, 1, 1, 1, 1])
    assert linear_cka(x, x @ stretch) == pytest.approx(formula(x, x @ stretch))
    assert (linear_cka(x, x @ stretch) or 1) < 0.6


def test_few_images_in_many_dimensions_look_alike_by_the_formula_of_2019_only() -> None:
    pairs = [(draw(60, 60, seed), draw(60, 60, seed + 100)) for seed in range(20)]
    biased = np.mean([linear_cka(x, y) for x, y in pairs])
    unbiased = np.mean([unbiased_linear_cka(x, y) for x, y in pairs])
    assert biased == pytest.approx(0.5, abs=0.03)
    assert abs(float(unbiased)) < 0.03


def test_the_unbiased_terms_are_those_of_song() -> None:
    x, y = draw(7, 9, 0).astype(np.float64), draw(7, 4, 1).astype(np.float64)
    y[:, 0] += x[:, 0]
    k, l = x @ x.T, y @ y.T  # noqa: E741
    expected = hsic1(k, l) / np.sqrt(hsic1(k, k) * hsic1(l, l))
    assert unbiased_linear_cka(x, y) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e30])
def test_one_vector_for_all_images_has_no_value(value: float) -> None:
    assert linear_cka(np.full((6, 3), value), draw(6, 2, 0)) is None
    assert unbiased_linear_cka(np.full((6, 3), value), draw(6, 2, 0)) is None


def test_large_numbers_do_not_overflow() -> None:
    x, y = draw(30, 4, 0).astype(np.float64), draw(30, 4, 1)
    assert linear_cka(x * 1e200, y) == pytest.approx(formula(x, y))


def test_too_few_images_have_no_unbiased_value() -> None:
    assert unbiased_linear_cka(draw(3, 2, 0), draw(3, 2, 1)) is None


def test_spaces_of_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="same images"):
        linear_cka(draw(5, 2, 0), draw(6, 2, 0))


@pytest.mark.parametrize(("n", "d", "e"), [(30, 4, 6), (15, 60, 5)])
@pytest.mark.parametrize("name", ["linear_cka", "unbiased_linear_cka"])
def test_the_interval_leaves_out_each_image(name: str, n: int, d: int, e: int) -> None:
    x, y = draw(n, d, 0), draw(n, e, 1)
    y[:, :3] += 2 * x[:, :3]
    compare, interval = getattr(cka, name), getattr(cka, f"{name}_interval")
    without = np.array([compare(np.delete(x, i, axis=0), np.delete(y, i, axis=0)) for i in range(n)])
    half = 1.96 * np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    value = compare(x, y)
    wanted = max(-1.0 if "unbiased" in name else 0.0, value - half), min(1.0, value + half)
    assert interval(x, y) == pytest.approx(wanted, rel=1e-8)
    assert interval(x[:6], y[:6]) is None
    assert interval(np.ones((n, 3)), y) is None


def test_the_table_is_that_of_every_two_spaces() -> None:
    spaces = [draw(20, 5, 0), draw(20, 50, 1), draw(20, 5, 2), np.ones((20, 4))]
    values, bounds = cka.unbiased_linear_cka_table(spaces)
    for i, one in enumerate(spaces):
        for j, other in enumerate(spaces):
            value = unbiased_linear_cka(one, other)
            assert values[i, j] == pytest.approx(np.nan if value is None else value, nan_ok=True)
            if i != j:
                interval = cka.unbiased_linear_cka_interval(one, other)
                assert bounds[i, j] == pytest.approx((np.nan, np.nan) if interval is None else interval, nan_ok=True)
    assert np.isnan(cka.unbiased_linear_cka_table([x[:4] for x in spaces])[0]).all()
    with pytest.raises(ValueError, match="same images"):
        cka.unbiased_linear_cka_table([spaces[0], spaces[1][:9]])


def test_intervals_are_as_wide_as_samples_differ() -> None:
    """Over many samples of one distribution: the mean width is that of the spread, or wider, as the jackknife errs."""
    rng, found = np.random.default_rng(0), {"linear_cka": [], "unbiased_linear_cka": []}
    mix, sizes = rng.normal(size=(20, 15)), np.exp(-np.arange(20) / 6)
    for _ in range(40):
        x = rng.normal(size=(120, 20)) * sizes
        y = x @ mix + rng.normal(size=(120, 15))
        for name, rows in found.items():
            low, high = getattr(cka, f"{name}_interval")(x, y)
            rows.append((getattr(cka, name)(x, y), (high - low) / 3.92))
    for rows in found.values():
        values, errors = np.array(rows).T
        assert 0.75 < errors.mean() / values.std() < 2
