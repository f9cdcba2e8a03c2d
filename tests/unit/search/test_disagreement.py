"""Where L1 and cosine disagree, against plain loops over plain searches."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import skew

from lib.search import disagreement, exact, neighbourhoods
from lib.search.neighbourhoods import Neighbourhoods


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    vectors = rng.gamma(1.0, 1.0, (70, 8)).astype(np.float32)
    vectors[5] = vectors[60]
    return vectors


@pytest.fixture(scope="module")
def copies(vectors: np.ndarray) -> list[list[int]]:
    return [[row] if row not in (5, 60) else [5, 60] for row in range(len(vectors))]


@pytest.fixture(scope="module")
def near(vectors: np.ndarray, copies: list[list[int]]) -> Neighbourhoods:
    return neighbourhoods.k_nearest(vectors, copies)


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return np.random.default_rng(1).choice(["iris", "lily", "rose"], 70).astype(object)


@pytest.mark.parametrize("k", [1, 7, 10])
def test_equals_plain_searches(
    vectors: np.ndarray, copies: list[list[int]], near: Neighbourhoods, labels: np.ndarray, k: int
) -> None:
    measured = disagreement.measure(near, labels, k)
    gallery = exact.gallery(vectors)
    for row in range(len(vectors)):
        answers = {
            name: exact.top_k(gallery, vectors[row], name, k, leave_out=[copies[row]]).rows[0].tolist()
            for name in ("l1", "cosine")
        }
        assert measured.overlap[row] == pytest.approx(len(set(answers["l1"]) & set(answers["cosine"])) / k, abs=1e-6)
        for name, rows in answers.items():
            assert measured.right[name][row] == pytest.approx(np.mean(labels[rows] == labels[row]), abs=1e-6)


def test_the_worst_come_first_and_rows_ahead_differ_as_named(near: Neighbourhoods, labels: np.ndarray) -> None:
    measured = disagreement.measure(near, labels, 10)
    worst = measured.worst()
    assert sorted(worst) == list(range(70))
    keys = [(measured.overlap[row], measured.rbo[row]) for row in worst]
    assert keys == sorted(keys)
    for winner, loser in (("l1", "cosine"), ("cosine", "l1")):
        ahead = [measured.right[winner][row] - measured.right[loser][row] for row in measured.rows_ahead(winner)]
        assert ahead == sorted(ahead, reverse=True)
        assert all(each > 0 for each in ahead)
        assert len(ahead) == int((measured.right[winner] > measured.right[loser]).sum())


def test_a_class_is_won_by_who_finds_more_of_it() -> None:
    n, k = 60, 10
    rows = np.array([[(row + step) % n for step in range(1, k + 1)] for row in range(n)], dtype=np.int32)
    other = rows.copy()
    labels = np.array(["a"] * 30 + ["b"] * 30, dtype=object)
    # L1 misses the class of every photo of "a", and finds nothing else for "b".
    other[:30] = np.arange(30, 40)
    nothing = {name: np.zeros((n, k), dtype=np.float32) for name in ("cosine", "l1")}
    measured = disagreement.measure(Neighbourhoods({"cosine": rows, "l1": other}, nothing, {}), labels, k)
    results = {each.label: each for each in disagreement.by_class(measured, labels)}
    assert results["a"].winner == "cosine"
    assert results["a"].difference.ci95[0] > 0
    assert results["a"].right["l1"] == 0
    assert results["b"].winner == "neither"
    assert results["b"].difference.mean == 0


def test_hubs_are_counted_and_skewed_as_scipy_says(near: Neighbourhoods, labels: np.ndarray) -> None:
    for name in ("l1", "cosine"):
        measured = disagreement.hubs(near, labels, name, 10)
        rows = near.rows[name][:, :10]
        assert measured.counts.tolist() == [int((rows == image).sum()) for image in range(70)]
        bad = [
            sum(labels[query] != labels[image] and image in rows[query].tolist() for query in range(70))
            for image in range(70)
        ]
        assert measured.bad.tolist() == bad
        assert measured.skewness == pytest.approx(skew(measured.counts))
        assert measured.never_retrieved == pytest.approx(np.mean(measured.counts == 0))
        assert measured.counts[measured.top[0]] == measured.counts.max()
        assert 0 < measured.top_share <= 1


def test_images_without_neighbours_are_unknown_not_wrong() -> None:
    alone = {name: np.full((2, 3), -1, dtype=np.int32) for name in ("l1", "cosine")}
    empty = {name: np.full((2, 3), np.nan, dtype=np.float32) for name in ("l1", "cosine")}
    labels = np.array(["a", "b"], dtype=object)
    near = Neighbourhoods(alone, empty, {})
    measured = disagreement.measure(near, labels, 10)
    assert np.isnan(measured.overlap).all() and np.isnan(measured.rbo).all()
    assert not len(measured.worst()) and not len(measured.rows_ahead("l1"))
    hubs = disagreement.hubs(near, labels, "l1", 3)
    assert (hubs.counts.tolist(), hubs.skewness, hubs.top_share) == ([0, 0], None, 0.0)
