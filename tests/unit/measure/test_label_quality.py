"""Label scores: against cleanlab on the same probabilities, and on labels that were flipped on purpose."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from lib.measure import label_quality

K, PER_CLASS, DIM = 4, 60, 24


@pytest.fixture(scope="module")
def noisy() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vectors of four overlapping classes, their labels with 5 % flipped, which are flipped, and the probabilities."""
    rng = np.random.default_rng(3)
    true = np.repeat(np.arange(K), PER_CLASS)
    centres = rng.normal(0, 0.75, (K, DIM))
    vectors = (centres[true] + rng.normal(0, 1, (len(true), DIM)) + 2).astype(np.float32)
    codes, flipped = true.copy(), np.zeros(len(true), bool)
    rows = rng.permutation(len(true))[: len(true) // 20]
    codes[rows] = (codes[rows] + rng.integers(1, K, len(rows))) % K
    flipped[rows] = True
    inputs = label_quality.probe_inputs(vectors)
    return inputs, codes, flipped, label_quality.out_of_fold(inputs, codes, np.arange(len(codes)), K, 0)


def test_the_ranking_is_at_least_as_good_as_that_of_cleanlab_on_the_same_probabilities(noisy) -> None:
    rank = pytest.importorskip("cleanlab.rank")
    _, codes, flipped, probabilities = noisy
    ours = label_quality.ranking(probabilities, codes)
    assert sorted(ours) == list(range(len(codes)))
    own = label_quality.self_confidence(probabilities, codes)
    count = int(flipped.sum())
    for method in ("self_confidence", "normalized_margin"):
        for adjusted in (False, True):
            theirs = rank.get_label_quality_scores(codes, probabilities, method=method, adjust_pred_probs=adjusted)
            if (method, adjusted) == ("self_confidence", False):
                np.testing.assert_array_equal(own, theirs)
            assert roc_auc_score(flipped, -own) >= roc_auc_score(flipped, -theirs) - 0.01
            first = np.argsort(theirs, kind="stable")[:count]
            assert flipped[ours[:count]].mean() >= flipped[first].mean() - 0.1
    assert roc_auc_score(flipped, -own) > 0.9
    assert flipped[ours[:count]].mean() > 0.5


def test_estimated_errors_are_those_of_cleanlab(noisy) -> None:
    filters = pytest.importorskip("cleanlab.filter")
    _, codes, flipped, probabilities = noisy
    ours = label_quality.confident_errors(probabilities, codes)
    theirs = filters.find_label_issues(codes, probabilities, filter_by="confident_learning", n_jobs=1)
    np.testing.assert_array_equal(ours, theirs)
    assert 0 < ours.sum() < len(codes) / 2 and (ours & flipped).sum() > flipped.sum() / 2


def test_probabilities_are_those_of_a_regression_fitted_without_the_photo(noisy) -> None:
    inputs, codes, _, probabilities = noisy
    fold_of = label_quality.folds(codes, np.arange(len(codes)), 0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    for fold in range(label_quality.FOLDS):
        held_out = fold_of == fold
        probe = LogisticRegression(C=label_quality.STRENGTH, max_iter=2000, tol=1e-8)
        expected = probe.fit(inputs[~held_out].astype(np.float64), codes[~held_out]).predict_proba(inputs[held_out])
        np.testing.assert_allclose(probabilities[held_out], expected, atol=5e-3)


def test_folds_are_balanced_and_equal_pictures_share_one() -> None:
    codes = np.repeat([0, 1, 2], [50, 20, 10])
    pictures = np.arange(80)
    pictures[[3, 60, 75]] = 3  # one picture three times, under three labels
    fold_of = label_quality.folds(codes, pictures, 7)
    assert len(set(fold_of[[3, 60, 75]])) == 1
    for code in range(3):
        counts = np.bincount(fold_of[(codes == code) & (pictures != 3)], minlength=5)
        assert counts.max() - counts.min() <= 2
    np.testing.assert_array_equal(fold_of, label_quality.folds(codes, pictures, 7))
    assert (fold_of != label_quality.folds(codes, pictures, 8)).any()


def test_a_photo_alone_in_its_class_is_not_judged() -> None:
    rng = np.random.default_rng(0)
    codes = np.array([0] * 12 + [1] * 12 + [2])
    inputs = label_quality.probe_inputs(rng.normal(codes[:, None], 0.1, (25, 6)).astype(np.float32))
    probabilities = label_quality.out_of_fold(inputs, codes, np.arange(25), 3, 0)
    own = label_quality.self_confidence(probabilities, codes)
    assert np.isnan(own[24]) and np.isfinite(own[:24]).all()
    assert label_quality.ranking(probabilities, codes)[-1] == 24
    assert not label_quality.confident_errors(probabilities, codes)[24]


def test_zero_vectors_and_constant_dimensions_stay_finite() -> None:
    vectors = np.array([[0, 0, 0], [1, 2, 0], [2, 1, 0], [1, 1, 0]], np.float32)
    inputs = label_quality.probe_inputs(vectors)
    assert np.isfinite(inputs).all() and (inputs[:, 2] == 0).all()
