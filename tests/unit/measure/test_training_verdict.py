"""The verdict over training runs, against figures recomputed from the records with nothing of this project."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lib.learn.normalise_record import normalise
from lib.learn.results import LEVEL
from lib.measure import training_verdict as module
from lib.measure.training_verdict import training_verdict
from lib.settings import PROJECT
from tests.helpers import training_records

RECORDS = [json.loads(path.read_text()) for path in sorted((PROJECT / "lib" / "assets" / "runs").glob("*.json"))]
HERE = "f" * 64
PHOTOS = [(f"{label}/{i}.jpg", label) for label in ("a", "b") for i in range(100)]


def run(regime: str, wrong: Sequence[int], seed: int = 0, **changed: Any) -> dict[str, Any]:
    """A run that is wrong on the photos at these places, and right on all others."""
    predictions = [
        {"id": name, "label": label, "predicted": ("b" if label == "a" else "a") if i in set(wrong) else label,
         "confidence": 0.9}
        for i, (name, label) in enumerate(PHOTOS)
    ]  # fmt: skip
    accuracy = 1 - len(set(wrong)) / len(PHOTOS)
    data = {"name": "here", "fingerprint": HERE, "images": 400}
    options: dict[str, Any] = {"dataset": data, "predictions": predictions, "test_accuracy": accuracy} | changed
    return normalise(training_records.record(regime, PHOTOS, seed=seed, **options))


def text(*runs: dict[str, Any], fingerprint: str = HERE) -> str:
    return training_verdict(runs, fingerprint).text


def _right(record: dict[str, Any]) -> np.ndarray:
    return np.array([row["label"] == row["predicted"] for row in sorted(record["predictions"], key=lambda r: r["id"])])


def test_the_bundled_runs_verdict_is_what_their_predictions_say() -> None:
    runs = [normalise(record) for record in RECORDS]
    said = text(*runs, fingerprint=runs[0]["dataset"]["fingerprint"])
    by_regime: dict[str, list[np.ndarray]] = {}
    for record in sorted(RECORDS, key=lambda record: record["seed"]):
        by_regime.setdefault(record["regime"], []).append(_right(record))
    best, second = sorted(by_regime, key=lambda name: -np.mean(by_regime[name]))[:2]
    assert best == "init" and said.startswith("Initialisation (pretrained, fully trained) is best")
    assert f"{100 * np.mean(by_regime[best]):.1f}% test accuracy over {len(by_regime[best])} seeds" in said
    apart = np.mean(by_regime[best], axis=0) - np.mean(by_regime[second], axis=0)
    points, low, high = map(float, re.search(r"([\d.]+) points \[(-?[\d.]+), (-?[\d.]+)\]", said).groups())
    assert points == round(100 * float(apart.mean()), 1)
    # A bootstrap of our own, with draws of its own.
    draws = np.random.default_rng(7).integers(0, len(apart), (4_000, len(apart)))
    expected = np.percentile(100 * apart[draws].mean(axis=1), [2.5, 97.5])
    assert [low, high] == pytest.approx(expected, abs=0.3)
    # McNemar's exact test, Holm-corrected over every seed of every pair.
    tests = []
    for i, a in enumerate(by_regime):
        for b in list(by_regime)[i + 1 :]:
            for x, y in zip(by_regime[a], by_regime[b], strict=True):
                only, other = int((x & ~y).sum()), int((y & ~x).sum())
                tail = sum(math.comb(only + other, k) for k in range(min(only, other) + 1))
                tests.append((min(1.0, 2 * tail / 2 ** (only + other)), {a, b} == {best, second}))
    tests.sort()
    significant, running = 0, 0.0
    for rank, (p, is_pair) in enumerate(tests):
        running = max(running, min(1.0, (len(tests) - rank) * p))
        significant += is_pair and running < LEVEL
    assert significant == 1  # the sentence below is of this case
    assert said.endswith(f"more than chance with the seeds together, in {significant} of 3 alone.")


def test_a_clear_lead_of_one_seed_is_more_than_chance() -> None:
    said = text(run("init", range(4)), run("transfer", range(44)))
    assert said.startswith("Initialisation (pretrained, fully trained) is best: 98.0% test accuracy over 1 seed, ")
    assert "20.0 points [" in said and said.endswith(" above Transfer (78.0%); more than chance.")


def test_every_seed_counts() -> None:
    runs = [run(name, range(n), seed) for name, n in (("init", 4), ("transfer", 44)) for seed in (0, 1)]
    assert text(*runs).endswith("more than chance in every seed.")


def test_a_small_lead_may_be_chance() -> None:
    said = text(run("scratch", range(10)), run("init", range(10, 21)))
    assert "From scratch is best: 95.0%" in said and "0.5 points [" in said
    assert said.endswith("; this may be chance.")


def test_equal_regimes_are_no_points_apart() -> None:
    assert "0.0 points [" in text(run("scratch", range(10)), run("init", range(10, 20)))


def test_a_lead_that_the_common_seeds_do_not_have_is_said() -> None:
    # By its second seed init is best on the mean; on the seed that both have it is behind.
    said = text(run("init", range(20), 0), run("init", (), 1), run("scratch", range(12), 0))
    assert "Initialisation" in said.split(" is best")[0]
    assert "4.0 points [" in said and "below From scratch over the common seeds" in said


def test_runs_that_cannot_be_tested_say_why() -> None:
    said = text(run("init", range(4)), run("scratch", range(9), predictions=[]))
    assert said.endswith("above From scratch (95.5%; not tested: a run has no prediction per photo).")
    assert text(run("init", range(4)), run("scratch", range(9), seed=1)).endswith("; not tested: no seed in common).")


def test_no_run_one_run_one_regime() -> None:
    assert text() == module.NO_RUN
    assert text(run("init", (), test_accuracy=None)) == module.NO_ACCURACY
    assert text(run("init", range(10))).endswith("%]; one run does not show the effect of chance.")
    assert text(run("init", range(10)), run("init", range(12), 1)).endswith("%]; no other to compare it with.")


def test_runs_on_other_photos_are_named_and_those_of_two_data_sets_not_compared() -> None:
    assert "test accuracy on other photos (here) over" in text(run("init", range(4)), fingerprint="0" * 64)
    other = run("scratch", range(9), dataset={"name": "there", "fingerprint": "0" * 64, "images": 9})
    assert text(run("init", range(4)), other) == "These runs are of 2 data sets, on which accuracies do not compare."


def test_the_best_is_compared_with_a_regime_that_is_asked_for() -> None:
    runs = [run("init", range(4)), run("finetune", range(8)), run("transfer", range(44))]
    assert "above Fine-tuning (96.0%)" in text(*runs)
    assert "20.0 points [" in training_verdict(runs, HERE, "transfer").text
    assert "above Transfer (78.0%)" in training_verdict(runs, HERE, "transfer").text
    # Where that regime is the best, or there is none, the next one.
    assert training_verdict(runs, HERE, "init").text == text(*runs) == training_verdict(runs, HERE, "scratch").text


def test_a_regime_that_is_never_right_counts_too() -> None:
    assert "98.0 points" in text(run("init", range(4)), run("scratch", range(200)))
