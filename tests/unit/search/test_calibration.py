"""Calibration against scikit-learn and against counting pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lib.search import calibration
from lib.search.calibration import Collector, auc, calibrate
from lib.search.evaluation import evaluate_metrics
from lib.search.exact import gallery
from lib.search.metrics import METRICS, reference


@pytest.mark.parametrize("higher", [True, False])
@pytest.mark.parametrize("digits", [1, 9])  # with very many ties, and with hardly any
def test_auc_equals_scikit_learn(higher: bool, digits: int) -> None:
    rng = np.random.default_rng(0)
    same, different = rng.normal(0.5, 1, 300).round(digits), rng.normal(0, 1, 700).round(digits)
    truth = np.concatenate([np.ones(300), np.zeros(700)])
    values = np.concatenate([same, different])
    assert auc(same, different, higher) == pytest.approx(roc_auc_score(truth, values if higher else -values), abs=1e-12)


def test_auc_of_nothing_is_undefined() -> None:
    assert auc(np.array([]), np.array([1.0]), True) is None
    assert auc(np.array([1.0]), np.array([]), True) is None
    assert auc(np.array([1.0]), np.array([1.0]), True) == 0.5


@pytest.mark.parametrize("name", ["l1", "cosine"])
def test_every_threshold_lets_in_what_counting_lets_in(name: str) -> None:
    rng = np.random.default_rng(1)
    # Values on the very edges among them: halves of the range, its ends.
    same = np.concatenate([rng.random(500), [0.0, 0.5, 1.0]])
    different = np.concatenate([rng.random(900) ** 2, [0.0, 0.5, 1.0]])
    measured = calibrate(name, same, different, queries=7)
    for edge in measured.thresholds:
        at = measured.cost(edge)
        line = measured.edges[edge]
        closer = (lambda x, t=line: x >= t) if METRICS[name].higher_is_closer else (lambda x, t=line: x <= t)
        assert (at.true_positives, at.false_positives) == (int(closer(same).sum()), int(closer(different).sum()))
        assert (at.positives, at.negatives) == (len(same), len(different))
    loosest = measured.cost(measured.thresholds[0 if METRICS[name].higher_is_closer else -1])
    assert (loosest.recall, loosest.fall_out) == (1.0, 1.0)
    best = measured.cost(measured.best())
    assert all(
        (best.recall - best.fall_out) >= (at.recall - at.fall_out) for at in map(measured.cost, measured.thresholds)
    )


def test_one_value_for_all_pairs_is_still_a_calibration() -> None:
    measured = calibrate("ncc", np.zeros(3), np.zeros(5), queries=1)
    assert (measured.auc, int(measured.same.sum()), int(measured.different.sum())) == (0.5, 3, 5)
    assert measured.cost(measured.thresholds[0]).precision == pytest.approx(3 / 8)
    empty = calibrate("ncc", np.array([]), np.array([]), queries=0)
    assert (empty.auc, empty.cost(1).recall, empty.cost(1).precision) == (None, None, None)


@pytest.mark.parametrize("name", list(METRICS))
def test_the_collector_sees_every_pair_but_copies(name: str) -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(40, 6)).astype(np.float32)
    vectors[3] = vectors[30]
    labels = rng.choice(["a", "b", "c"], 40)
    pictures = np.arange(40)
    pictures[3] = pictures[30]
    query_rows, searched = np.arange(10), np.arange(10, 40)
    collector = Collector(len(query_rows), len(searched))
    evaluate_metrics(
        gallery(vectors),
        labels,
        metrics=[name],
        query_rows=query_rows,
        gallery_rows=searched,
        same_picture=pictures,
        observe=collector.observe,
    )
    measured = collector.calibrations()[name]
    pairs = [(q, x) for q in query_rows for x in searched if pictures[q] != pictures[x]]
    same = np.array([reference(name, vectors[q], vectors)[x] for q, x in pairs if labels[q] == labels[x]])
    different = np.array([reference(name, vectors[q], vectors)[x] for q, x in pairs if labels[q] != labels[x]])
    assert (int(measured.same.sum()), int(measured.different.sum())) == (len(same), len(different))
    assert measured.auc == pytest.approx(auc(same, different, METRICS[name].higher_is_closer))
    assert measured.queries == 10


def test_too_many_pairs_are_sampled_by_query() -> None:
    collector = Collector(10, calibration.MOST_PAIRS)
    values = np.arange(20.0).reshape(10, 2)
    same = np.tile([True, False], (10, 1))
    for block in (slice(0, 4), slice(4, 10)):
        collector.observe("l1", block, values[block], same[block], np.zeros((block.stop - block.start, 2), dtype=bool))
    measured = collector.calibrations()["l1"]
    assert (measured.queries, int(measured.same.sum()), int(measured.different.sum())) == (1, 1, 1)
