"""The verdicts of the retrieval page, and what they rest on: paired scores, and the example of a first visit."""

from __future__ import annotations

import numpy as np
import pytest

from lib import statistics
from lib.measure import example_query, paired_scores, retrieval_verdicts
from lib.measure.paired_scores import PairedScores
from lib.measure.retrieval_verdicts import Found
from lib.search import equivalence, exact
from lib.search.calibration import calibrate
from lib.search.disagreement import Disagreement


def _paired(a: list[float], b: list[float]) -> PairedScores:
    return PairedScores("mAP", "some queries", np.arange(len(a)), np.array(a), np.array(b))


def test_the_better_configuration_is_named_with_a_positive_lead() -> None:
    low, high = [0.1, 0.2, 0.3, 0.1] * 10, [0.5, 0.6, 0.6, 0.6] * 10
    for a, b in ((low, high), (high, low)):
        paired = _paired(a, b)
        said = retrieval_verdicts.comparison(paired, paired.difference(), ("L1", "cosine")).text
        assert said.startswith("Cosine beats L1 by" if b is high else "L1 beats cosine by")
        assert f"by {100 * (np.mean(high) - np.mean(low)):.1f} pp mAP [" in said and "[-" not in said
        assert "more than chance" in said and "no more" not in said


def test_a_lead_within_chance_is_none_and_equal_scores_are_equal() -> None:
    paired = _paired([0.1, 0.9, 0.4, 0.6], [0.2, 0.8, 0.5, 0.6])
    assert "no more than chance" in retrieval_verdicts.comparison(paired, paired.difference(), ("L1", "cosine")).text
    paired = _paired([0.5, 0.5], [0.5, 0.5])
    assert "the same mAP on all 2" in retrieval_verdicts.comparison(paired, paired.difference(), ("L1", "L2")).text
    paired = _paired([np.nan], [0.5])
    assert "no query" in retrieval_verdicts.comparison(paired, paired.difference(), ("L1", "L2")).text


def test_who_is_ahead_and_for_which_classes() -> None:
    paired = _paired([0.1, 0.9, np.nan, 0.5], [0.4, 0.2, 0.3, 0.5])
    assert list(paired.ahead("b")) == [0]
    assert list(paired.ahead("a")) == [1]
    labels = np.array(["x 10", "x 2", "x 2", "x 10"], dtype=object)
    classes = paired_scores.by_class(paired, labels)
    assert [each.label for each in classes] == ["x 2", "x 10"]
    assert [each.difference.n for each in classes] == [1, 2]
    assert classes[0].difference.mean == pytest.approx(-0.7)
    assert [each.winner for each in classes] == ["", ""]  # a query or two prove nothing


def test_one_query_counts_its_class_and_what_is_common() -> None:
    found = [Found("L1", ["a", "b", "c"], 2), Found("cosine", ["b", "c", "d"], 3)]
    usual = retrieval_verdicts.typical("cosine", np.array([0.2, 0.8, np.nan, 0.5] * 5), 10, "test photo")
    assert usual is not None and usual.population == "15 test photos"
    said = retrieval_verdicts.answers("rose", found, usual)
    assert "class rose: L1 2 of 3, cosine 3 of 3; 2 photos common to both; typical query: cosine 5.0 [" in said.text
    assert "One query says little" in said.about
    assert retrieval_verdicts.answers(None, found, None).text == "2 photos common to both."
    assert retrieval_verdicts.typical("cosine", np.array([np.nan]), 10, "photo") is None


def test_the_best_threshold_has_the_interval_of_its_queries_not_of_its_pairs() -> None:
    generator = np.random.default_rng(0)
    measured = calibrate("cosine", generator.normal(0.7, 0.1, 400), generator.normal(0.4, 0.1, 1600), 20)
    said = retrieval_verdicts.threshold("Features", measured)
    at = measured.cost(measured.best())
    assert said is not None and at.precision is not None
    low, high = statistics.wilson(at.precision * 20, 20)
    assert f"{at.precision:.0%} [{low:.0%}, {high:.0%}]" in said.text and "by chance 20%" in said.text


def test_the_weakest_distortion_is_the_one_with_the_lowest_share() -> None:
    def sweep(*shares: float) -> dict:
        rows = [{"metric": "l1", "level": 10 * i, "first": share, "queries": 50} for i, share in enumerate(shares)]
        return {"rows": rows, "queries": 50}

    sweeps = {"crop": sweep(1.0, 0.4), "blur": sweep(1.0, 0.9)}
    said = retrieval_verdicts.weakest_distortion("Pixels", sweeps, "l1", {"crop": "Crop", "blur": "Blur"})
    assert said is not None and "weakest under Crop (10)" in said.text and "for 40%" in said.text
    assert retrieval_verdicts.weakest_distortion("Pixels", sweeps, "l2", {}) is None


def _measured(overlap: list[float], right: list[float]) -> Disagreement:
    values = np.array(right)
    return Disagreement(10, np.array(overlap), np.array(overlap), {"l1": values, "cosine": values})


def test_the_example_is_a_test_photo_on_which_the_metrics_differ() -> None:
    splits = np.array(["train", "test", "test", "test", "test"])
    measured = _measured([0.1, 0.2, 0.9, 0.1, 1.0], [0.5, 0.5, 0.5, 1.0, 0.5])
    drawn = example_query.draw(splits, measured)
    assert drawn is not None and drawn.row == 1 and "L1 and cosine differ" in drawn.about
    assert example_query.draw(splits, measured) == drawn


def test_the_example_needs_neither_neighbours_nor_a_test_split_nor_many_photos() -> None:
    splits = np.array(["train", "test"])
    drawn = example_query.draw(splits, None)
    assert drawn is not None and drawn.row == 1 and "test split" in drawn.about
    alone = example_query.draw(np.array(["train"]), _measured([np.nan], [np.nan]))
    assert alone is not None and alone.row == 0 and "no test split" in alone.about
    assert example_query.draw(np.array([], dtype=str), None) is None
    lone_test = example_query.draw(np.array(["test"]), _measured([np.nan], [np.nan]))
    assert lone_test is not None and lone_test.row == 0


def test_metrics_that_rank_alike_are_named_and_l1_is_set_against_cosine() -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    measured = equivalence.measure(exact.gallery(vectors))
    titles = {name: name.upper() for name in measured.names}
    said = retrieval_verdicts.rankings("Some space", measured, titles)
    assert said is not None and said.text.startswith("In Some space, MSE and L2 rank alike; ")
    a, b = (measured.names.index(name) for name in ("l1", "cosine"))
    mean = measured.taus[:, a, b].mean()
    assert f"L1 against cosine: Kendall's tau {mean:.2f} [" in said.text
    assert "60 photos, mean over 20 queries" in said.about
    low, high = (float(word) for word in said.text.split("[")[1].split("]")[0].split(", "))
    assert low < mean < high
    # Without a tau there is nothing to say.
    assert (
        retrieval_verdicts.rankings("x", equivalence.measure(exact.gallery(np.ones((5, 4), np.float32))), titles)
        is None
    )


def test_a_distorted_photo_counts_the_metrics_that_find_its_original() -> None:
    said = retrieval_verdicts.distorted_query({"Raw pixels": 2, "ResNet18 features": 5}, 5)
    assert said.text.endswith("first under 2 of 5 metrics in Raw pixels, 5 of 5 metrics in ResNet18 features.")
