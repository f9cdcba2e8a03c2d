"""What training records say: final results, differences between regimes, curves over seeds, mistakes.

Invariant: everything here works on records that went through `tidying.tidy`, whose parts have the right type or are
empty, so that an old or foreign record shows what it has. Accuracies are fractions, times seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from lib import artifacts
from lib.learn.regimes import REGIMES
from lib.learn.statistics import holm, sign_test, wilson

Run = dict[str, Any]
QUANTITIES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds", "lr", "images")
LAYERS = ("layer1", "layer2", "layer3", "layer4")
LEVEL = 0.05
SIGNIFICANT, NOT_SIGNIFICANT = "significant at 5 %", "not significant"


def mcnemar(a: Run, b: Run) -> dict[str, Any]:
    """McNemar's exact test: are two networks right on equally many of the same test photos?

    `a_only` and `b_only` count the photos that only one of them gets right, `p` is two-sided. When the two were not
    tested on the same photos, `p` is None and `reason` says so.
    """
    mine, other = _right(a), _right(b)
    nothing = {"a_only": None, "b_only": None, "photos": 0, "p": None}
    if not mine or not other:
        return nothing | {"reason": "a run has no prediction per photo"}
    if mine.keys() != other.keys():
        return nothing | {"reason": "not the same test photos"}
    a_only = sum(mine[key] and not other[key] for key in mine)
    b_only = sum(other[key] and not mine[key] for key in mine)
    return {"a_only": a_only, "b_only": b_only, "photos": len(mine), "p": sign_test(a_only, b_only), "reason": ""}


def _right(run: Run) -> dict[tuple[str, str], bool]:
    # The label is part of the key: the same name with another class is another photo.
    return {(row["id"], row["label"]): row["label"] == row["predicted"] for row in run["predictions"]}


Key = tuple[str, str, str, str, str, str]


def key(run: Run) -> Key:
    """What makes runs comparable over seeds: regime, preset, weights, the data, and how the recipe was changed."""
    data, config = run["dataset"], run["config"]
    size = " · ".join(
        f"{config[name]} {unit}" for name, unit in (("image_size", "px"), ("epochs", "epochs")) if name in config
    )
    # The rest of the recipe only has to tell runs apart.
    recipe = f"{size} · {artifacts.digest(config)[:4]}" if config else ""
    return run["regime"], run["preset"], run["weights"], data["name"], data["fingerprint"], recipe


def title(run: Run) -> str:
    """The regime's title, or its name when it is none of ours."""
    known = REGIMES.get(run["regime"])
    return known.title if known else str(run["regime"])


def by_key(runs: Iterable[Run]) -> dict[Key, list[Run]]:
    """Runs that differ in seed only, together; regimes in their usual order. Of equal seeds the newest run counts."""
    groups: dict[Key, dict[Any, Run]] = {}
    for run in sorted(runs, key=lambda run: run["finished"]):
        groups.setdefault(key(run), {})[run["seed"]] = run
    order = list(REGIMES)
    ranked = sorted(
        groups, key=lambda name: (order.index(name[0]) if name[0] in REGIMES else len(order), name[1:], name[0])
    )
    return {
        name: sorted(groups[name].values(), key=lambda run: -1 if run["seed"] is None else run["seed"])
        for name in ranked
    }


def table(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """Final results: one row per regime, preset, weights and data, over seeds.

    `accuracy` is the mean over seeds, `band` the least and the most of them (None with one seed), `ci95` Wilson's
    interval of a single run of that accuracy; `seconds` (wall) and `cpu_seconds` (processor) are of one run.
    """
    return [_row(group) for group in by_key(runs).values()]


def _row(group: list[Run]) -> dict[str, Any]:
    run = group[0]
    accuracies = [each["test_accuracy"] for each in group if each["test_accuracy"] is not None]
    accuracy = _mean(accuracies)
    published = REGIMES[run["regime"]].published if run["regime"] in REGIMES else None
    trainable = run["parameters"]["trainable"]
    seconds = _mean([each["seconds"] for each in group if each["seconds"] is not None])
    worked = _mean([each["cpu_seconds"] for each in group if each["cpu_seconds"] is not None])
    cost = worked or seconds
    tested = next((each["tested"] for each in group if each["tested"]), None)
    single = group[0]["test_ci95"] if len(group) == 1 else None
    if single is None and accuracy is not None and 0 <= accuracy <= 1 and tested:
        single = wilson(round(accuracy * tested), tested)
    several = len(accuracies) > 1
    return {
        "regime": run["regime"],
        "title": title(run),
        "preset": run["preset"],
        "weights": run["weights"],
        "dataset": run["dataset"]["name"],
        "fingerprint": run["dataset"]["fingerprint"],
        "runs": [each["id"] for each in group],
        "seeds": [each["seed"] for each in group],
        "accuracy": accuracy,
        "accuracies": accuracies,
        "band": (min(accuracies), max(accuracies)) if several else None,
        "sd": float(np.std(accuracies, ddof=1)) if several else None,
        "ci95": single,
        "tested": tested,
        "published": published,
        "difference": accuracy - published if accuracy is not None and published is not None else None,
        "trainable": trainable,
        "seconds": seconds,
        "cpu_seconds": worked,
        "per_million": accuracy / (trainable / 1e6) if accuracy is not None and trainable else None,
        "per_minute": accuracy / (cost / 60) if accuracy is not None and cost else None,
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def differences(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """Every two rows of `table`, compared photo by photo: McNemar's test per common seed, all of them Holm-corrected.

    A pair is called significant when every common seed is.
    """
    pairs: list[tuple[Run, Run, list[dict[str, Any]]]] = []
    for left, right in combinations(by_key(runs).values(), 2):
        others = {run["seed"]: run for run in right}
        common = [(run, others[run["seed"]]) for run in left if run["seed"] in others]
        pairs.append((left[0], right[0], [{"seed": a["seed"], **mcnemar(a, b)} for a, b in common]))
    tested = [test for _, _, tests in pairs for test in tests if test["p"] is not None]
    for test, adjusted in zip(tested, holm([test["p"] for test in tested]), strict=True):
        test["p_holm"] = adjusted
    return [_pair(a, b, tests) for a, b, tests in pairs]


def _pair(a: Run, b: Run, tests: list[dict[str, Any]]) -> dict[str, Any]:
    done = [test for test in tests if test["p"] is not None]
    passed = sum(test["p_holm"] < LEVEL for test in done)
    reasons = [test["reason"] for test in tests if test["reason"]] or ["no seed in common"]
    gap = _mean([(test["a_only"] - test["b_only"]) / test["photos"] for test in done])
    return {
        "a": title(a),
        "b": title(b),
        "a_key": key(a),
        "b_key": key(b),
        "difference": gap,
        "tests": done,
        "seeds": len(done),
        "significant_seeds": passed,
        "p_holm": max((test["p_holm"] for test in done), default=None),
        "verdict": (SIGNIFICANT if passed == len(done) else NOT_SIGNIFICANT) if done else f"not tested: {reasons[0]}",
    }


def diff_config(a: Run, b: Run) -> list[dict[str, Any]]:
    """Where two runs' configuration, data and environment differ; None stands for what a record does not say."""
    left, right = _flat(a), _flat(b)
    return [
        {"setting": name, "a": left.get(name), "b": right.get(name)}
        for name in dict.fromkeys([*left, *right])
        if left.get(name) != right.get(name)
    ]


def _flat(run: Run) -> dict[str, Any]:
    return {
        **{name: run[name] for name in ("regime", "preset", "weights", "seed")},
        **{f"data {name}": run["dataset"][name] for name in ("name", "fingerprint", "images", "limit")},
        **{f"config {name}": value for name, value in run["config"].items()},
        **{f"environment {name}": value for name, value in run["environment"].items()},
    }


def cell_ids(run: Run, true: str, predicted: str) -> list[str]:
    """The test photos of class `true` that the network takes for `predicted`, the most confident first."""
    return [row["id"] for row in _confident(run, lambda row: row["label"] == true and row["predicted"] == predicted)]


def mistakes(run: Run, n: int) -> list[dict[str, Any]]:
    """The `n` wrong predictions that the network was most confident of."""
    return _confident(run, lambda row: row["label"] != row["predicted"])[:n]


def _confident(run: Run, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    found = [row for row in run["predictions"] if wanted(row)]
    return sorted(found, key=lambda row: (-(row["confidence"] or 0.0), row["id"]))


def seed_band(runs: Sequence[Run], quantity: str, x: str = "epoch") -> dict[str, np.ndarray]:
    """One quantity over epochs, over the seeds of `runs`: arrays `epoch`, `x`, `mean`, `min`, `max` and `seeds`.

    `x` is the epoch, or the seconds or images up to its end (mean over seeds); an epoch counts the seeds that have it.
    """
    found: dict[int, list[tuple[float, float]]] = {}
    for run in runs:
        for epoch, place, value in points(run, quantity, x):
            found.setdefault(epoch, []).append((place, value))
    rows = [
        (epoch, np.mean([place for place, _ in at]), *_spread([value for _, value in at]), len(at))
        for epoch, at in sorted(found.items())
    ]
    columns = np.array(rows, dtype=float).reshape(-1, 6).T
    return dict(zip(("epoch", "x", "mean", "min", "max", "seeds"), columns, strict=True))


def _spread(values: list[float]) -> tuple[float, float, float]:
    return float(np.mean(values)), min(values), max(values)


def points(run: Run, quantity: str, x: str = "epoch") -> list[tuple[int, float, float]]:
    """(epoch, x, value) of one run, where `x` is the epoch, or the seconds or images up to that epoch's end."""
    found, total = [], 0.0
    for row in run["epochs"]:
        if x != "epoch":
            if row[x] is None:  # from here on the sum would be wrong
                break
            total += row[x]
        if row[quantity] is not None:
            found.append((row["epoch"], total if x != "epoch" else float(row["epoch"]), row[quantity]))
    return found


def smooth(values: Sequence[float], weight: float) -> np.ndarray:
    """Exponential moving average, debiased so that it starts at the first value (Kingma & Ba 2015, section 3).

    `weight` in [0, 1) is how much of the past stays; 0 changes nothing.
    """
    if not 0 <= weight < 1:
        raise ValueError("the weight is at least 0 and below 1")
    smoothed, average = [], 0.0
    for place, value in enumerate(values, start=1):
        average = weight * average + (1 - weight) * value
        smoothed.append(average / (1 - weight**place))
    return np.array(smoothed, dtype=float)


def probes(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """Linear-probe accuracy over seeds: one row per regime, layer and number of photos, fewest photos first."""
    found: dict[tuple[str, int, str], list[float]] = {}
    titles: dict[str, str] = {}
    for group in by_key(runs).values():
        for run in group:
            titles[run["regime"]] = title(run)
            for row in run["probe"]:
                found.setdefault((run["regime"], row["photos"], row["layer"]), []).append(row["accuracy"])
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
            found.items(), key=lambda item: (list(titles).index(item[0][0]), item[0][1], item[0][2])
        )
    ]
