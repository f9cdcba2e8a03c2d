"""lib.learn.results: intervals, tests and tables over training records, against worked examples and scipy."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from lib import statistics
from lib.learn import configurations, normalise_record, results, runs
from tests.helpers import training_records

PHOTOS = [(f"{label}/{i}.jpg", label) for label in ("daisy", "rose", "tulip") for i in range(60)]


def tidy(regime: str, **options: Any) -> dict[str, Any]:
    return normalise_record.normalise(training_records.record(regime, PHOTOS, **options))


def answers(right: str, **changed: Any) -> dict[str, Any]:
    """A run that is right on the photos marked `+`."""
    predictions = [
        {"id": str(i), "label": "a", "predicted": "a" if mark == "+" else "b", "confidence": 0.5}
        for i, mark in enumerate(right)
    ]
    return normalise_record.normalise(dict.fromkeys(runs.NEEDED, 0) | {"predictions": predictions} | changed)


def test_mcnemar_counts_the_photos_that_only_one_gets_right() -> None:
    measured = results.mcnemar(answers("++++--"), answers("+---+-"))
    assert (measured["a_only"], measured["b_only"], measured["photos"]) == (3, 1, 6)
    assert measured["p"] == pytest.approx(2 * (1 + 4) / 16)


def test_mcnemar_says_why_it_cannot() -> None:
    assert results.mcnemar(answers("+"), answers("++"))["reason"] == results.OTHER_PHOTOS
    assert results.mcnemar(answers("+"), answers(""))["reason"] == results.NO_PREDICTIONS
    other = normalise_record.normalise(
        answers("+")["record"] | {"predictions": [{"id": "0", "label": "c", "predicted": "c"}]}
    )
    measured = results.mcnemar(answers("+"), other)
    assert measured["p"] is None
    assert measured["reason"] == results.OTHER_PHOTOS


def test_a_row_per_regime_over_seeds() -> None:
    mine = [tidy("init", seed=seed, test_accuracy=value) for seed, value in ((0, 0.9), (1, 0.94))]
    rows = results.table([*mine, tidy("scratch", test_accuracy=0.5, test_ci95=[0.4, 0.6], seconds=120.0)])
    assert [row["regime"] for row in rows] == ["scratch", "init"]
    scratch, init = rows
    assert init["accuracy"] == pytest.approx(0.92)
    assert init["band"] == (0.9, 0.94)
    assert init["sd"] == pytest.approx(np.std([0.9, 0.94], ddof=1))
    assert init["seeds"] == [0, 1]
    assert init["difference"] == pytest.approx(0.92 - 0.9527)
    assert init["ci95"] == statistics.wilson(round(0.92 * len(PHOTOS)), len(PHOTOS))
    assert scratch["band"] is None
    assert scratch["sd"] is None
    assert scratch["ci95"] == (0.4, 0.6)
    assert scratch["per_minute"] == pytest.approx(0.25)
    assert scratch["per_million"] == pytest.approx(0.5 / (scratch["trainable"] / 1e6))


def test_rows_keep_apart_what_is_not_comparable() -> None:
    other = {"name": "other", "fingerprint": "1", "images": 3}
    mixed = [tidy("init"), tidy("init", preset="quick"), tidy("init", weights="imagenet"), tidy("init", dataset=other)]
    assert len(results.table(mixed)) == 4


def test_of_equal_seeds_the_newest_run_counts() -> None:
    old = tidy("init", test_accuracy=0.1, finished="2026-01-01")
    new = tidy("init", test_accuracy=0.8, finished="2026-01-02")
    assert [row["accuracy"] for row in results.table([new, old])] == [0.8]


def test_differences_are_told_from_chance() -> None:
    good, bad = "+" * 60, "-" * 40 + "+" * 20
    pair = results.differences([answers(good, regime="init"), answers(bad, regime="scratch")])
    assert [(row["a"], row["b"], row["verdict"]) for row in pair] == [
        ("From scratch", "Initialisation", results.SIGNIFICANT)
    ]
    assert pair[0]["difference"] == pytest.approx(-40 / 60)
    near = results.differences([answers(good, regime="init"), answers("-" + good[1:], regime="scratch")])
    assert near[0]["verdict"] == results.NOT_SIGNIFICANT


def test_seeds_are_tested_together() -> None:
    """Three seeds that each lead by too little, on photos that differ; and the same p as an exact enumeration."""
    rng = np.random.default_rng(0)
    marks = [["".join(rng.choice(["+", "-"], 12, p=p)) for p in ([0.9, 0.1], [0.5, 0.5])] for _ in range(3)]
    left = [answers(a, regime="scratch", seed=seed) for seed, (a, _) in enumerate(marks)]
    right = [answers(b, regime="init", seed=seed) for seed, (_, b) in enumerate(marks)]
    pair = results.differences([*left, *right])[0]
    joint = pair["over_seeds"]
    assert joint is not None and (joint["photos"], joint["seeds"]) == (12, 3)
    apart = np.array([[(x == "+") - (y == "+") for x, y in zip(a, b, strict=True)] for a, b in marks]).mean(axis=0)
    flips = np.array(list(itertools.product((-1, 1), repeat=12))) @ apart / 12
    exact = (np.abs(flips) >= abs(apart.mean()) - 1e-9).mean()
    assert joint["p"] == pytest.approx(exact, abs=0.015)
    assert joint["p_holm"] == joint["p"]
    assert joint["p"] < min(test["p"] for test in pair["tests"])
    assert pair["difference"] == pytest.approx(apart.mean())
    assert joint["ci95"][0] < apart.mean() < joint["ci95"][1]
    assert results.differences([left[0], right[1]])[0]["over_seeds"] is None


def test_differences_are_corrected_together_and_need_every_seed() -> None:
    # 6 : 0 is p = 0.031 alone, and 0.0625 as one of two.
    left = [answers("+" * 9, regime="init", seed=seed) for seed in (0, 1)]
    right = [answers("-" * 6 + "+++", regime="scratch", seed=seed) for seed in (0, 1)]
    assert results.differences([left[0], right[0]])[0]["verdict"] == results.SIGNIFICANT
    both = results.differences([*left, *right])[0]
    assert both["verdict"] == results.NOT_SIGNIFICANT
    assert both["p_holm"] == pytest.approx(2 * 2 / 2**6)
    assert results.differences([left[0], right[1]])[0]["verdict"] == f"not tested: {results.NO_COMMON_SEED}"


def test_config_diff_names_only_what_differs() -> None:
    a, b = tidy("init"), tidy("init", config={"epochs": 3, "batch_size": 256, "image_size": 128, "ema": 0.9}, seed=1)
    result = {row["setting"]: (row["a"], row["b"]) for row in results.configuration_differences(a, b)}
    assert result == {
        "seed": (0, 1),
        "config epochs": (20, 3),
        "config optimizer": ("sgd", None),
        "config regime": ("init", None),
        "config ema": (None, 0.9),
    }
    assert results.configuration_differences(a, a) == []


def test_cells_count_the_photos_that_they_open() -> None:
    run = tidy("scratch")
    for i, true in enumerate(run["classes"]):
        for j, predicted in enumerate(run["classes"]):
            assert len(results.confusion_cell_ids(run, true, predicted)) == run["confusion"][i][j]


def test_mistakes_begin_with_the_most_confident() -> None:
    run = tidy("scratch")
    result = results.mistakes(run, 5)
    assert len(result) == 5
    assert all(row["label"] != row["predicted"] for row in result)
    wrong = [row["confidence"] for row in run["predictions"] if row["label"] != row["predicted"]]
    assert [row["confidence"] for row in result] == sorted(wrong, reverse=True)[:5]


def course(*values: float | None, seed: int = 0, seconds: float = 10.0) -> dict[str, Any]:
    """A run with these validation accuracies, each epoch of 100 images and so many seconds."""
    rows = [{"epoch": i, "val_accuracy": value, "seconds": seconds, "images": 100} for i, value in enumerate(values, 1)]
    return normalise_record.normalise(training_records.record("init", PHOTOS, seed=seed) | {"epochs": rows})


def test_bands_are_mean_least_and_most_of_the_seeds() -> None:
    group = [course(0.2, 0.4), course(0.4, 0.8, 0.9, seed=1, seconds=20.0)]
    band = results.seed_band(group, "val_accuracy")
    assert band["epoch"].tolist() == band["x"].tolist() == [1, 2, 3]
    assert band["mean"].tolist() == pytest.approx([0.3, 0.6, 0.9])
    assert band["min"].tolist() == [0.2, 0.4, 0.9]
    assert band["max"].tolist() == [0.4, 0.8, 0.9]
    assert band["seeds"].tolist() == [2, 2, 1]
    assert results.seed_band(group, "val_accuracy", "seconds")["x"].tolist() == [15, 30, 60]
    assert results.seed_band(group, "val_accuracy", "images")["x"].tolist() == [100, 200, 300]
    assert all(len(column) == 0 for column in results.seed_band([], "val_loss").values())


def test_a_gap_in_the_times_ends_the_curve_over_time_only() -> None:
    run = course(0.1, None, 0.3)
    run["epochs"][2]["seconds"] = None
    assert [point[0] for point in results.curve_points(run, "val_accuracy")] == [1, 3]
    assert [point[0] for point in results.curve_points(run, "val_accuracy", "seconds")] == [1]


def test_smoothing_is_debiased_and_off_at_zero() -> None:
    values = [3.0, 1.0, 2.0]
    assert results.smooth(values, 0).tolist() == values
    assert results.smooth([5.0] * 9, 0.9) == pytest.approx([5.0] * 9)
    assert results.smooth(values, 0.5) == pytest.approx([3.0, 5 / 3, 13 / 7])
    with pytest.raises(ValueError, match="weight"):
        results.smooth(values, 1.0)


def test_probes_are_averaged_over_seeds() -> None:
    def probe(accuracy: float) -> list[dict[str, Any]]:
        return [{"layer": "layer4", "dim": 512, "photos": 60, "accuracy": accuracy}]

    result = results.probe_means([tidy("init", probe=probe(0.5)), tidy("init", probe=probe(0.7), seed=1)])
    assert [(row["layer"], row["photos"], row["runs"]) for row in result] == [("layer4", 60, 2)]
    assert result[0]["accuracy"] == pytest.approx(0.6)


@pytest.mark.parametrize("junk", [None, 0, "x", [], {}, [None], [[]], {"a": 1}, float("nan"), float("inf"), 10**400])
def test_any_part_of_a_record_may_be_junk(junk: Any) -> None:
    full = training_records.record("init", PHOTOS)
    for name in full:
        run = normalise_record.normalise(full | {name: junk})
        assert len(results.table([run])) == 1
        results.differences([run, tidy("scratch")])
        results.configuration_differences(run, tidy("scratch"))
        results.mistakes(run, 5)
        results.seed_band([run], "val_accuracy", "seconds")
        results.probe_means([run])
        assert all(len(row) == len(run["classes"]) for row in run["confusion"])


def test_what_a_record_lacks_is_worked_out_or_left_empty() -> None:
    whole = training_records.record("init", PHOTOS)
    bare = normalise_record.normalise(
        {name: whole[name] for name in runs.NEEDED} | {"predictions": whole["predictions"]}
    )
    assert bare["confusion"] == whole["confusion"]
    assert bare["classes"] == whole["classes"]
    assert bare["test_ci95"] == statistics.wilson(round(whole["test_accuracy"] * len(PHOTOS)), len(PHOTOS))
    assert bare["probe"] == []
    assert normalise_record.normalise(dict.fromkeys(runs.NEEDED, 0))["test_ci95"] is None


@pytest.mark.parametrize("junk", [{"confusion": [[-5]], "classes": ["a"]}, {"dataset": {"split": {"test": -3}}}])
def test_negative_counts_of_test_photos_are_unknown(junk: dict[str, Any]) -> None:
    bare = dict.fromkeys(runs.NEEDED, 0) | {"test_accuracy": 0.5}
    run = normalise_record.normalise(bare | junk)
    assert (run["tested"], run["test_ci95"]) == (None, None)
    assert results.table([run])[0]["ci95"] is None


def test_runs_of_other_recipes_are_not_taken_for_other_seeds() -> None:
    small, large = ({"image_size": px, "epochs": 3, "lr": 0.1} for px in (64, 128))
    runs = [
        tidy("init", seed=0, config=small),
        tidy("init", seed=1, config=small),
        tidy("init", seed=2, config=large),
        tidy("init", seed=3, config=large | {"lr": 0.2}),
    ]
    assert sorted(len(group) for group in configurations.by_configuration(runs).values()) == [1, 1, 2]
    assert {key[-1].rpartition(" · ")[0] for key in configurations.by_configuration(runs)} == {
        "64 px · 3 epochs",
        "128 px · 3 epochs",
    }
