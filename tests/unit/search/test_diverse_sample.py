"""lib.search.diverse_sample: the quick choice is the plain one, larger samples begin with smaller ones, no copies."""

from __future__ import annotations

import numpy as np
import pytest

from lib.search import diverse_sample
from lib.search.clustering import unit_points


def drawn(n: int = 120, d: int = 8, seed: int = 0) -> np.ndarray:
    centres = np.random.default_rng(99).normal(size=(6, d)) * 3
    rng = np.random.default_rng(seed)
    points, _ = unit_points((centres[rng.integers(0, 6, n)] + rng.normal(size=(n, d))).astype(np.float32))
    return points


def coverage(points: np.ndarray, chosen: np.ndarray) -> float:
    return float(np.maximum(points @ points[chosen].T, 0).max(axis=1).sum(dtype=np.float64))


def facility_location_plainly(points: np.ndarray, candidates: np.ndarray, ground: np.ndarray, count: int) -> np.ndarray:
    """The reference of `facility_location`: every candidate is tried at every step."""
    likeness = np.maximum(points[candidates] @ points[ground].T, 0, dtype=np.float32)
    best = np.zeros(len(ground), dtype=np.float32)
    chosen: list[int] = []
    while len(chosen) < min(count, len(candidates)):
        gains = np.maximum(likeness - best, 0).sum(axis=1, dtype=np.float64)
        gains[chosen] = -1
        place = int(gains.argmax())
        if gains[place] <= 0 and chosen:
            break
        chosen.append(place)
        best = np.maximum(best, likeness[place])
    return np.asarray(candidates[np.array(chosen, dtype=np.int64)])


@pytest.mark.parametrize("seed", range(5))
def test_lazy_and_plain_choices_are_the_same(seed: int) -> None:
    points, rows = drawn(seed=seed), np.arange(120)
    lazy = diverse_sample.facility_location(points, rows, rows, 30)
    assert lazy.tolist() == facility_location_plainly(points, rows, rows, 30).tolist()


def test_a_sample_begins_with_every_smaller_one_and_covers_more_and_more() -> None:
    points, rows = drawn(), np.arange(120)
    whole = diverse_sample.facility_location(points, rows, rows, 40)
    for count in (1, 7, 20):
        assert diverse_sample.facility_location(points, rows, rows, count).tolist() == whole[:count].tolist()
        assert diverse_sample.k_center(points, rows, count).tolist() == (
            diverse_sample.k_center(points, rows, 40)[:count].tolist()
        )
    covered = [coverage(points, whole[:count]) for count in range(1, 41)]
    gains = np.diff(covered)
    assert (gains >= -1e-4).all()  # monotone
    assert (np.diff(gains) <= 1e-3).all()  # and each adds less than the one before: submodular


def test_it_covers_at_least_the_greedy_share_of_the_best_pair() -> None:
    points, rows = drawn(30), np.arange(30)
    best = max(coverage(points, np.array([a, b])) for a in rows for b in rows if a < b)
    assert coverage(points, diverse_sample.facility_location(points, rows, rows, 2)) >= (1 - 1 / np.e) * best


def test_it_covers_more_than_random_samples() -> None:
    points, rows = drawn(), np.arange(120)
    chosen = coverage(points, diverse_sample.facility_location(points, rows, rows, 12))
    rng = np.random.default_rng(0)
    assert all(chosen > coverage(points, rng.choice(rows, 12, replace=False)) for _ in range(50))


def test_equal_points_are_not_both_chosen() -> None:
    points = np.repeat(drawn(10), 2, axis=0)
    rows = np.arange(20)
    for chosen in (
        diverse_sample.facility_location(points, rows, rows, 20),
        diverse_sample.k_center(points, rows, 20),
    ):
        assert len(chosen) == 10
        assert sorted(place // 2 for place in chosen.tolist()) == list(range(10))


def test_k_center_is_at_most_twice_the_best_radius() -> None:
    points, rows = drawn(25), np.arange(25)
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    chosen = diverse_sample.k_center(points, rows, 2)
    best = min(apart[:, [a, b]].min(axis=1).max() for a in rows for b in rows if a < b)
    assert apart[:, chosen].min(axis=1).max() <= 2 * best + 1e-6


def test_only_candidates_are_chosen_and_one_point_is_a_sample() -> None:
    points = drawn()
    candidates = np.arange(0, 120, 3)
    for chosen in (
        diverse_sample.facility_location(points, candidates, np.arange(120), 10),
        diverse_sample.k_center(points, candidates, 10),
    ):
        assert set(chosen.tolist()) <= set(candidates.tolist()) and len(chosen) == 10
    one = np.arange(1)
    assert diverse_sample.facility_location(points[:1], one, one, 5).tolist() == [0]
    assert diverse_sample.k_center(points[:1], one, 5).tolist() == [0]


def test_every_photo_is_counted_once() -> None:
    points, chosen = drawn(), np.array([5, 80, 33])
    places = diverse_sample.nearest_chosen(points, chosen)
    assert places.shape == (120,) and set(places.tolist()) <= {0, 1, 2}
    assert places[chosen].tolist() == [0, 1, 2]
    assert (places == (points @ points[chosen].T).argmax(axis=1)).mean() > 0.99
