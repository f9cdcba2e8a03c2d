"""lib.search.clustering: groups that are known, and agreement with the classes against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from lib.search import centrality, clustering
from lib.search.clustering import NOISE


def blobs(sizes: tuple[int, ...], d: int = 8, width: float = 0.05, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points on the unit sphere around orthogonal directions, in mixed order, and the blob of each."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    points, _ = clustering.unit_points(np.eye(d)[codes] + rng.normal(0, width, (len(codes), d)))
    return points, codes


def same_groups(one: np.ndarray, other: np.ndarray) -> bool:
    return adjusted_rand_score(one, other) == 1


def test_k_means_finds_blobs_and_numbers_the_largest_first() -> None:
    points, codes = blobs((20, 60, 40))
    found = clustering.k_means(points, 3)
    assert same_groups(found, codes)
    assert [int((found == number).sum()) for number in (1, 2, 3)] == [60, 40, 20]
    np.testing.assert_array_equal(found, clustering.k_means(points, 3))


def test_hdbscan_finds_blobs_and_leaves_noise_out() -> None:
    rng = np.random.default_rng(0)
    codes = rng.permutation(np.repeat([0, 1], [40, 60]))
    points = np.array([[0, 0], [9, 0]])[codes] + rng.normal(0, 0.5, (100, 2))
    found = clustering.hdbscan(np.concatenate([points, [[90, 90], [-90, 0], [0, -200]]]))
    assert found[-3:].tolist() == [NOISE] * 3
    inside = found[:-3] != NOISE
    assert inside.mean() > 0.8
    assert sorted(set(found.tolist())) == [NOISE, 1, 2]
    assert same_groups(found[:-3][inside], codes[inside])


@pytest.mark.parametrize("n", [0, 1, 5])
def test_few_points_are_noise_for_hdbscan(n: int) -> None:
    assert clustering.hdbscan(np.ones((n, 3), np.float32)).tolist() == [NOISE] * n


def test_fewer_different_points_than_k_are_fewer_clusters() -> None:
    points = np.repeat(np.eye(2, dtype=np.float32), 4, axis=0)
    assert sorted(set(clustering.k_means(points, 5).tolist())) == [1, 2]


def test_wide_points_are_reduced_along_their_principal_axes_the_same_way_each_time() -> None:
    rng = np.random.default_rng(0)
    wide = (rng.normal(size=(60, 3)) @ rng.normal(size=(3, 1_100))).astype(np.float32)
    found = clustering.reduced(wide)
    assert found.shape == (60, 50)
    np.testing.assert_array_equal(found, clustering.reduced(wide))
    centred = wide - wide.mean(axis=0)
    np.testing.assert_allclose(found @ found.T, centred @ centred.T, rtol=1e-3, atol=1e-2 * np.abs(centred).max())
    narrow = wide[:, :9]
    assert clustering.reduced(narrow) is narrow


def test_zero_vectors_have_no_direction() -> None:
    points, has_length = clustering.unit_points(np.array([[3.0, 4], [0, 0]]))
    np.testing.assert_allclose(points, [[0.6, 0.8], [0, 0]], rtol=1e-6)
    assert has_length.tolist() == [True, False]


def test_the_first_exemplar_is_the_medoid_and_copies_stand_once() -> None:
    points, _ = blobs((30,), width=0.4)
    members = np.arange(5, 30)
    means = centrality.mean_cosines(points, members)
    found = clustering.exemplars(points, members, np.arange(30), 4)
    assert found == members[np.argsort(-means)][:4].tolist()
    pictures = np.arange(30)
    pictures[found[1]] = pictures[found[0]]
    assert clustering.exemplars(points, members, pictures, 3) == [found[0], found[2], found[3]]
    assert len(clustering.exemplars(points, members[:2], np.arange(30), 9)) == 2


def test_clusters_are_numbered_by_size_then_first_image() -> None:
    assert clustering.by_size(np.array([7, -1, 3, 3, 9, 7, 3])).tolist() == [2, -1, 1, 1, 3, 2, 1]
    assert clustering.by_size(np.array([5, 2])).tolist() == [1, 2]
    assert clustering.by_size(np.array([-1, -1])).tolist() == [-1, -1]


@pytest.mark.parametrize("seed", range(4))
def test_agreement_is_what_scikit_learn_computes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one = rng.integers(0, 4, 200)
    other = np.where(rng.random(200) < 0.3 * seed, one, rng.integers(-1, 6, 200))
    table = clustering.contingency(one, other)
    assert clustering.nmi(table) == pytest.approx(normalized_mutual_info_score(one, other), abs=1e-12)
    assert clustering.ari(table) == pytest.approx(adjusted_rand_score(one, other), abs=1e-12)


def test_the_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(12)).reshape(3, 4)
    truth = {"nmi": clustering.nmi(shares * 1e7), "ari": clustering.ari(shares * 1e7)}
    held = dict.fromkeys(truth, 0)
    for _ in range(200):
        table = rng.multinomial(400, shares.ravel()).reshape(3, 4).astype(float)
        before = table.copy()
        for name, interval in clustering.intervals(table).items():
            held[name] += interval is not None and interval[0] <= (truth[name] or 0) <= interval[1]
        np.testing.assert_array_equal(table, before)
    assert all(180 <= count <= 199 for count in held.values()), held


def test_agreement_without_two_groups_is_undefined() -> None:
    table = clustering.contingency(np.zeros(20), np.ones(20))
    assert clustering.nmi(table) is clustering.ari(table) is None
    assert clustering.intervals(table) == {"nmi": None, "ari": None}
    assert clustering.nmi(clustering.contingency(np.array([]), np.array([]))) is None
