"""lib.search.space_geometry: against the formulas written out in float64, scikit-learn and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import silhouette_samples

from lib.search import space_geometry as geometry


def draw(n: int = 60, d: int = 7, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.5, 1, (n, d)).astype(np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    wide = vectors.astype(np.float64)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True))


CODES = np.random.default_rng(9).integers(0, 4, 60)


def test_more_dimensions_than_images_are_turned_into_as_many_without_a_change() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 3_000), dtype=np.uint8)
    turned = geometry.isometric(pixels)
    assert turned.shape == (30, 30)
    np.testing.assert_allclose(turned @ turned.T, pixels.astype(np.float64) @ pixels.astype(np.float64).T, rtol=1e-12)
    dependent = np.concatenate([pixels, pixels[:5]])
    turned = geometry.isometric(dependent)
    wide = dependent.astype(np.float64)
    np.testing.assert_allclose(turned @ turned.T, wide @ wide.T, rtol=1e-9)
    np.testing.assert_array_equal(geometry.isometric(draw()), draw().astype(np.float64))


@pytest.mark.parametrize(("n", "d"), [(60, 7), (20, 50)])
def test_the_effective_rank_is_that_of_roy_and_vetterli(n: int, d: int) -> None:
    x = draw(n, d).astype(np.float64)
    singular = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    p = singular[singular > 1e-10] / singular.sum()
    found = geometry.effective_rank(x)
    assert found is not None and found.value == pytest.approx(np.exp(scipy.stats.entropy(p)), rel=1e-9)


def ranks_without(x: np.ndarray) -> np.ndarray:
    """The effective rank without each image in turn, by singular value decompositions."""
    ranks = []
    for i in range(len(x)):
        rest = np.delete(x, i, axis=0)
        singular = np.linalg.svd(rest - rest.mean(axis=0), compute_uv=False)
        ranks.append(np.exp(scipy.stats.entropy(singular[singular > 1e-10])))
    return np.array(ranks)


def jackknife(value: float, without: np.ndarray) -> tuple[float, float]:
    """The formula of Efron and Stein 1981."""
    n = len(without)
    half = 1.96 * math.sqrt((n - 1) / n * sum((each - without.mean()) ** 2 for each in without))
    return value - half, value + half


def test_the_interval_of_the_effective_rank_is_the_jackknife_to_first_order() -> None:
    x = np.random.default_rng(1).normal(size=(400, 6)) * [9, 5, 3, 2, 1, 0.5]
    found = geometry.effective_rank(x)
    assert found is not None
    assert found.ci95 == pytest.approx(jackknife(found.value, ranks_without(x)), rel=2e-3)
    wide = geometry.effective_rank(np.random.default_rng(2).normal(size=(60, 200)))
    assert wide is not None and wide.ci95 is not None and wide.ci95[0] < wide.value < wide.ci95[1]
    few = geometry.effective_rank(x[:9])
    assert few is not None and few.ci95 is None


def test_the_effective_rank_of_known_shapes() -> None:
    corners = np.concatenate([np.eye(4), -np.eye(4)])
    for shape, rank in ((corners, 4), (np.outer(np.arange(9.0), np.arange(1.0, 4)), 1)):
        found = geometry.effective_rank(shape)
        assert found is not None and found.value == pytest.approx(rank)
    assert geometry.effective_rank(np.full((5, 3), 0.1)) is None


def test_figures_over_pairs_are_plain_means() -> None:
    x, gram = unit(draw()), geometry.cosines(draw())
    n = len(x)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    squares = {(i, j): float(((x[i] - x[j]) ** 2).sum()) for i, j in pairs}
    cosine, same, spread = geometry.mean_cosine(gram), geometry.alignment(gram, CODES), geometry.uniformity(gram)
    assert cosine and same and spread
    assert cosine.value == pytest.approx(np.mean([x[i] @ x[j] for i, j in pairs]))
    assert same.value == pytest.approx(np.mean([squares[i, j] for i, j in pairs if CODES[i] == CODES[j]]))
    assert spread.value == pytest.approx(np.log(np.mean([np.exp(-2 * squares[pair]) for pair in pairs])))


def test_the_interval_over_pairs_is_the_jackknife_s() -> None:
    gram = geometry.cosines(draw())
    n = len(gram)
    found = geometry.alignment(gram, CODES)

    def mean_of(kept: np.ndarray) -> float:
        part = geometry.alignment(gram[np.ix_(kept, kept)], CODES[kept])
        assert part is not None
        return part.value

    without = np.array([mean_of(np.delete(np.arange(n), i)) for i in range(n)])
    half = 1.96 * np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    assert found and found.ci95 == pytest.approx((found.value - half, found.value + half))


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    # Independent vectors: the mean cosine of two is the squared length of the mean direction.
    directions = unit(rng.normal(1, 1, (400_000, 4)))
    truth = float((directions.mean(axis=0) ** 2).sum())
    held = 0
    for _ in range(200):
        found = geometry.mean_cosine(geometry.cosines(rng.normal(1, 1, (150, 4))))
        assert found is not None and found.ci95 is not None
        held += found.ci95[0] <= truth <= found.ci95[1]
    assert 180 <= held <= 199


def test_silhouettes_are_those_of_scikit_learn() -> None:
    codes = CODES.copy()
    codes[0] = 9  # alone in its class
    gram = geometry.cosines(draw())
    found = geometry.silhouettes(gram, codes)
    assert found is not None
    np.testing.assert_allclose(found, silhouette_samples(1 - gram, codes, metric="precomputed"), atol=1e-12)
    estimate = geometry.silhouette(gram, codes)
    assert estimate and estimate.ci95 and estimate.ci95[0] < estimate.value < estimate.ci95[1]
    assert geometry.silhouette(gram, np.zeros(60, dtype=int)) is None


def nearest(x: np.ndarray, depth: int) -> np.ndarray:
    """The `depth` nearest rows of each row."""
    apart = ((x[:, None] - x) ** 2).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    return np.argsort(apart, axis=1, kind="stable")[:, :depth]


def test_hubness_is_scipy_s_skewness_and_its_interval_leaves_out_each_image() -> None:
    x, k = np.random.default_rng(0).normal(size=(80, 12)), 5
    found = geometry.hubness_skewness(nearest(x, 20), k)
    assert found is not None
    counts = np.bincount(nearest(x, k).ravel(), minlength=80)
    assert found.value == pytest.approx(scipy.stats.skew(counts))
    without = []
    for i in range(80):  # searched anew, among the others alone
        others = nearest(np.delete(x, i, axis=0), k)
        without.append(scipy.stats.skew(np.bincount(others.ravel(), minlength=79)))
    assert found.ci95 == pytest.approx(jackknife(found.value, np.array(without)))
    shallow = geometry.hubness_skewness(nearest(x, k), k)
    assert shallow is not None and shallow.ci95 is None


def test_hubness_counts_only_neighbours_that_are_there() -> None:
    ring = (np.arange(9)[:, None] + [1, 2]) % 9
    assert geometry.hubness_skewness(ring, 2) is None  # all are found equally often
    assert geometry.hubness_skewness(np.zeros((0, 5), dtype=int), 2) is None
    holes = np.array([[1, 2, -1], [0, -1, -1], [0, 1, 3], [0, -1, -1]])
    found = geometry.hubness_skewness(holes, 2)
    assert found is not None and found.value == pytest.approx(scipy.stats.skew([3, 2, 1, 0]))


def test_a_dimension_is_redundant_if_it_repeats_another() -> None:
    x = np.random.default_rng(0).normal(size=(200, 6))
    x[:, 1] = -3 * x[:, 0] + 0.01 * x[:, 1] + 1_000
    x[:, 2] = 7
    found = geometry.redundancy(x)
    assert (found.share, found.ci95, found.checked, found.dimensions, found.constant) == (2 / 5, None, 5, 5, 1)
    correlations = np.abs(np.corrcoef(np.delete(x, 2, axis=1).T)) - np.eye(5)
    limit = float(correlations.max(axis=1)[2])  # of a dimension that repeats nothing
    assert geometry.redundancy(x, threshold=limit * 0.999).share == pytest.approx(
        (correlations.max(axis=1) >= limit * 0.999).mean()
    )


def test_of_very_many_dimensions_a_sample_is_compared_with_all() -> None:
    base = np.random.default_rng(0).integers(0, 256, (50, 300), dtype=np.uint8)
    pixels = np.concatenate([base, base[:, :100]], axis=1)  # 200 of 400 occur twice
    assert geometry.redundancy(pixels).share == 0.5
    found = geometry.redundancy(pixels, most=120, seed=1)
    assert found.checked == 120 and found.share is not None and found.ci95 is not None
    assert found.ci95[0] < 0.5 < found.ci95[1]
    assert geometry.redundancy(np.full((9, 4), 0.1)).share is None


def test_single_images_have_no_figures() -> None:
    gram = geometry.cosines(np.ones((1, 3)))
    assert geometry.mean_cosine(gram) is geometry.uniformity(gram) is geometry.alignment(gram, np.zeros(1)) is None
    few = geometry.mean_cosine(geometry.cosines(draw(5)))
    assert few is not None and few.ci95 is None
    apart = geometry.alignment(geometry.cosines(draw(5)), np.arange(5))
    assert apart is None
