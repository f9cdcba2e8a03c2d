"""Results of training runs: final accuracies, differences between regimes, curves over seeds, mistakes.

Invariant: every function takes runs from `normalise_record.normalise`, whose values have the right type or are empty,
so that an old or foreign record shows what it has. Accuracies are fractions, times are seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any, NotRequired, TypedDict

import numpy as np

from lib.documents.runs import NormalisedPrediction, NormalisedRun, ProbeMean, ResultRow, SettingDifference
from lib.learn.backbone import RESNET18
from lib.learn.configurations import Configuration, by_configuration, configuration, title
from lib.learn.regimes import REGIMES
from lib.statistics import PairedDifference, holm, paired_difference, sign_test, wilson

Run = NormalisedRun
QUANTITIES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds", "lr", "images")
LAYERS = ("layer1", "layer2", "layer3", "layer4")
LEVEL = 0.05
SIGNIFICANT, NOT_SIGNIFICANT = "significant at 5 %", "not significant"
NO_PREDICTIONS = "a run has no prediction per photo"
OTHER_PHOTOS = "not the same test photos"
NO_COMMON_SEED = "no seed in common"


class PairedTest(TypedDict):
    """McNemar's test of two runs. `a_only` and `b_only` count the photos that only one of them gets right.

    `p` is two-sided. Where the runs cannot be tested it is None, the counts are 0, and `reason` says why. `p_holm` is
    Holm-corrected over all tests of `differences`.
    """

    seed: NotRequired[int | None]
    a_only: int
    b_only: int
    photos: int
    p: float | None
    p_holm: NotRequired[float]
    reason: str


class SeedsTest(TypedDict):
    """A paired test that uses all common seeds together.

    A photo's score is the share of these seeds whose network is right on it; the difference of two regimes' scores is
    tested by flipping its sign photo by photo (`statistics.paired_difference`). `ci95` is the interval of the mean
    difference over photos. `p_holm` is Holm-corrected over all pairs of `differences`.
    """

    photos: int
    seeds: int
    ci95: tuple[float, float]
    p: float
    p_holm: NotRequired[float]


class Difference(TypedDict):
    """Two rows of `table`, with a test per common seed, and one `over_seeds` (None where no seed can be tested).
    `difference` is the mean accuracy of a minus that of b."""

    a: str
    b: str
    a_key: Configuration
    b_key: Configuration
    difference: float | None
    tests: list[PairedTest]
    over_seeds: SeedsTest | None
    seeds: int
    significant_seeds: int
    # The largest of the seeds.
    p_holm: float | None
    verdict: str


def mcnemar(a: Run, b: Run) -> PairedTest:
    """McNemar's exact test: are two networks right on equally many of the same test photos?"""
    a_correct, b_correct = _correct_by_photo(a), _correct_by_photo(b)
    if not a_correct or not b_correct:
        return {"a_only": 0, "b_only": 0, "photos": 0, "p": None, "reason": NO_PREDICTIONS}
    if a_correct.keys() != b_correct.keys():
        return {"a_only": 0, "b_only": 0, "photos": 0, "p": None, "reason": OTHER_PHOTOS}
    a_only = sum(a_correct[photo] and not b_correct[photo] for photo in a_correct)
    b_only = sum(b_correct[photo] and not a_correct[photo] for photo in a_correct)
    p = sign_test(a_only, b_only)
    return {"a_only": a_only, "b_only": b_only, "photos": len(a_correct), "p": p, "reason": ""}


def _correct_by_photo(run: Run) -> dict[tuple[str, str], bool]:
    # By id and label: the same id with another label is another photo.
    return {(row["id"], row["label"]): row["label"] == row["predicted"] for row in run["predictions"]}


def table(runs: Iterable[Run]) -> list[ResultRow]:
    """Final results, a row per configuration."""
    return [_row(group) for group in by_configuration(runs).values()]


def _row(group: list[Run]) -> ResultRow:
    first = group[0]
    accuracies = [run["test_accuracy"] for run in group if run["test_accuracy"] is not None]
    accuracy = _mean(accuracies)
    # Published for ResNet18 alone.
    is_published = first["regime"] in REGIMES and first["network"] == RESNET18
    published = REGIMES[first["regime"]].published if is_published else None
    trainable = first["parameters"]["trainable"]
    seconds = _mean([run["seconds"] for run in group if run["seconds"] is not None])
    cpu_seconds = _mean([run["cpu_seconds"] for run in group if run["cpu_seconds"] is not None])
    cost = cpu_seconds or seconds
    tested = next((run["tested"] for run in group if run["tested"]), None)
    ci95 = first["test_ci95"] if len(group) == 1 else None
    if ci95 is None and accuracy is not None and 0 <= accuracy <= 1 and tested:
        ci95 = wilson(round(accuracy * tested), tested)
    several = len(accuracies) > 1
    return {
        "regime": first["regime"],
        "title": title(first),
        "preset": first["preset"],
        "weights": first["weights"],
        "dataset": first["dataset"]["name"],
        "fingerprint": first["dataset"]["fingerprint"],
        "runs": [run["id"] for run in group],
        "seeds": [run["seed"] for run in group],
        "accuracy": accuracy,
        "accuracies": accuracies,
        "band": (min(accuracies), max(accuracies)) if several else None,
        "sd": float(np.std(accuracies, ddof=1)) if several else None,
        "ci95": ci95,
        "tested": tested,
        "published": published,
        "difference": accuracy - published if accuracy is not None and published is not None else None,
        "trainable": trainable,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "per_million": accuracy / (trainable / 1e6) if accuracy is not None and trainable else None,
        "per_minute": accuracy / (cost / 60) if accuracy is not None and cost else None,
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def differences(runs: Iterable[Run]) -> list[Difference]:
    """Every pair of rows of `table`, tested photo by photo: McNemar's test per common seed, and a test over all seeds.

    McNemar's tests are Holm-corrected together, and so are the tests over seeds. The verdict is McNemar's: a pair is
    significant when every common seed is.
    """
    pairs: list[tuple[Run, Run, list[PairedTest], SeedsTest | None]] = []
    for left, right in combinations(by_configuration(runs).values(), 2):
        right_by_seed = {run["seed"]: run for run in right}
        common = [(run, right_by_seed[run["seed"]]) for run in left if run["seed"] in right_by_seed]
        tests: list[PairedTest] = [{**mcnemar(a, b), "seed": a["seed"]} for a, b in common]
        pairs.append((left[0], right[0], tests, over_seeds(common)))
    every = [test for _, _, tests, _ in pairs for test in tests]
    for test, adjusted in zip(every, holm([test["p"] for test in every]), strict=True):
        if adjusted is not None:
            test["p_holm"] = adjusted
    joint = [together for _, _, _, together in pairs]
    for together, adjusted in zip(joint, holm([each and each["p"] for each in joint]), strict=True):
        if together is not None and adjusted is not None:
            together["p_holm"] = adjusted
    return [_difference(a, b, tests, together) for a, b, tests, together in pairs]


def over_seeds(common: Sequence[tuple[Run, Run]]) -> SeedsTest | None:
    """The test of two regimes over the pairs of their runs with one seed; None unless all have the same test photos."""
    correct = [(_correct_by_photo(a), _correct_by_photo(b)) for a, b in common]
    photos = sorted(correct[0][0]) if correct else []
    if not photos or any(each.keys() != set(photos) for pair in correct for each in pair):
        return None
    shares = [tuple(sum(pair[side][photo] for pair in correct) / len(correct) for photo in photos) for side in (0, 1)]
    found = _paired(*shares)
    assert found.ci95 is not None and found.p is not None
    return {"photos": len(photos), "seeds": len(correct), "ci95": found.ci95, "p": found.p}


# The page draws the same pairs again and again.
@lru_cache(maxsize=256)
def _paired(a: tuple[float, ...], b: tuple[float, ...]) -> PairedDifference:
    return paired_difference(np.array(a), np.array(b))


def _difference(a: Run, b: Run, tests: list[PairedTest], together: SeedsTest | None) -> Difference:
    performed = [test for test in tests if test["p"] is not None]
    significant = sum(test["p_holm"] < LEVEL for test in performed)
    reasons = [test["reason"] for test in tests if test["reason"]] or [NO_COMMON_SEED]
    verdict = SIGNIFICANT if significant == len(performed) else NOT_SIGNIFICANT
    return {
        "a": title(a),
        "b": title(b),
        "a_key": configuration(a),
        "b_key": configuration(b),
        "difference": _mean([(test["a_only"] - test["b_only"]) / test["photos"] for test in performed]),
        "tests": performed,
        "over_seeds": together,
        "seeds": len(performed),
        "significant_seeds": significant,
        "p_holm": max((test["p_holm"] for test in performed), default=None),
        "verdict": verdict if performed else f"not tested: {reasons[0]}",
    }


def configuration_differences(a: Run, b: Run) -> list[SettingDifference]:
    """Where configuration, data and environment of two runs differ."""
    left, right = _settings(a), _settings(b)
    return [
        {"setting": name, "a": left.get(name), "b": right.get(name)}
        for name in dict.fromkeys([*left, *right])
        if left.get(name) != right.get(name)
    ]


def _settings(run: Run) -> dict[str, Any]:
    data = run["dataset"]
    return {
        "regime": run["regime"],
        "preset": run["preset"],
        "weights": run["weights"],
        "seed": run["seed"],
        "data name": data["name"],
        "data fingerprint": data["fingerprint"],
        "data images": data["images"],
        "data limit": data["limit"],
        **{f"config {name}": value for name, value in run["config"].items()},
        **{f"environment {name}": value for name, value in run["environment"].items()},
    }


def confusion_cell_ids(run: Run, true: str, predicted: str) -> list[str]:
    """Ids of the test photos of class `true` that are predicted as `predicted`, the most confident first."""
    rows = _most_confident(run, lambda row: row["label"] == true and row["predicted"] == predicted)
    return [row["id"] for row in rows]


def mistakes(run: Run, n: int) -> list[NormalisedPrediction]:
    """The `n` wrong predictions with the highest confidence."""
    return _most_confident(run, lambda row: row["label"] != row["predicted"])[:n]


def _most_confident(run: Run, accepts: Callable[[NormalisedPrediction], bool]) -> list[NormalisedPrediction]:
    rows = [row for row in run["predictions"] if accepts(row)]
    return sorted(rows, key=lambda row: (-(row["confidence"] or 0.0), row["id"]))


def seed_band(runs: Sequence[Run], quantity: str, x: str = "epoch") -> dict[str, np.ndarray]:
    """One quantity per epoch over the seeds of `runs`: arrays `epoch`, `x`, `mean`, `min`, `max` and `seeds`.

    `x` is the epoch, or the seconds or images up to its end (mean over seeds). An epoch counts the seeds that have it.
    """
    by_epoch: dict[int, list[tuple[float, float]]] = {}
    for run in runs:
        for epoch, at, value in curve_points(run, quantity, x):
            by_epoch.setdefault(epoch, []).append((at, value))
    rows = []
    for epoch, seeds in sorted(by_epoch.items()):
        values = [value for _, value in seeds]
        mean_x = np.mean([at for at, _ in seeds])
        rows.append((epoch, mean_x, np.mean(values), min(values), max(values), len(seeds)))
    columns = np.array(rows, dtype=float).reshape(-1, 6).T
    return dict(zip(("epoch", "x", "mean", "min", "max", "seeds"), columns, strict=True))


def curve_points(run: Run, quantity: str, x: str = "epoch") -> list[tuple[int, float, float]]:
    """(epoch, x, value) of one run, where `x` is the epoch, or the seconds or images up to that epoch's end."""
    curve: list[tuple[int, float, float]] = []
    total = 0.0
    for epoch in run["epochs"]:
        row: Mapping[str, Any] = epoch
        if x != "epoch":
            if row[x] is None:  # from here on the sum would be wrong
                break
            total += row[x]
        if row[quantity] is not None:
            curve.append((epoch["epoch"], total if x != "epoch" else float(epoch["epoch"]), row[quantity]))
    return curve


def smooth(values: Sequence[float], weight: float) -> np.ndarray:
    """Exponential moving average with bias correction (Kingma and Ba 2015, section 3): it starts at the first value.

    `weight` in [0, 1) is the weight of the past; 0 leaves the values unchanged.
    """
    if not 0 <= weight < 1:
        raise ValueError(f"the weight must be at least 0 and below 1, not {weight}")
    smoothed, average = [], 0.0
    for count, value in enumerate(values, start=1):
        average = weight * average + (1 - weight) * value
        smoothed.append(average / (1 - weight**count))
    return np.array(smoothed, dtype=float)


def probe_means(runs: Iterable[Run]) -> list[ProbeMean]:
    """Linear-probe accuracy over seeds: a row per regime, number of photos and layer, fewest photos first."""
    accuracies: dict[tuple[str, int, str], list[float]] = {}
    titles: dict[str, str] = {}
    for group in by_configuration(runs).values():
        for run in group:
            titles[run["regime"]] = title(run)
            for row in run["probe"]:
                accuracies.setdefault((run["regime"], row["photos"], row["layer"]), []).append(row["accuracy"])
    order = list(titles)
    return [
        {
            "regime": regime,
            "title": titles[regime],
            "photos": photos,
            "layer": layer,
            "accuracy": float(np.mean(values)),
            "runs": len(values),
        }
        for (regime, photos, layer), values in sorted(
            accuracies.items(), key=lambda item: (order.index(item[0][0]), item[0][1], item[0][2])
        )
    ]
