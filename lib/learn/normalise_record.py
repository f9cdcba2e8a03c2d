"""Training records in one shape, whichever version wrote them: a value that is missing or of another type is empty.

Invariant: `normalise` never raises, whatever JSON a record holds. One damaged value does not hide the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from lib.documents.runs import NormalisedEpoch, NormalisedPrediction, NormalisedProbe, NormalisedRun
from lib.learn.backbone import RESNET18
from lib.learn.results import QUANTITIES
from lib.statistics import wilson


def normalise(record: Mapping[str, Any]) -> NormalisedRun:
    """`record` with every key present and of the right type; None or empty where the record lacks the value.

    A missing confusion matrix is counted from the predictions, and a missing interval computed from the accuracy. The
    record itself is under `record`.
    """
    data, split = _dict(record.get("dataset")), _dict(_dict(record.get("dataset")).get("split"))
    classes = [str(name) for name in _list(record.get("classes"))]
    parameters = _dict(record.get("parameters"))
    predictions = _predictions(record.get("predictions"))
    confusion = _confusion(record.get("confusion"), classes)
    if not confusion and predictions:
        predicted = {name for row in predictions for name in (row["label"], row["predicted"])}
        classes = sorted(predicted | set(classes))
        confusion = _counted(predictions, classes)
    tested = len(predictions) or sum(map(sum, confusion)) or _int(split.get("test"))
    if tested is not None and tested < 0:
        tested = None
    accuracy = _float(record.get("test_accuracy"))
    network, weights = str(record.get("network") or RESNET18), str(record.get("weights", ""))
    # Runs of two networks are never averaged, and differ by their weights.
    weights = weights if network == RESNET18 else f"{network} {weights}"
    computed = None
    if accuracy is not None and 0 <= accuracy <= 1 and tested:
        computed = wilson(round(accuracy * tested), tested)
    return {
        "id": str(record.get("id", "")),
        "network": network,
        "regime": str(record.get("regime", "")),
        "preset": str(record.get("preset") or ""),
        "weights": weights,
        "weights_about": str(record.get("weights_about") or record.get("weights", "")),
        "seed": _int(record.get("seed")),
        "epochs": _epochs(record.get("epochs")),
        "best_epoch": _int(record.get("best_epoch")),
        "val_accuracy": _float(record.get("val_accuracy")),
        "test_accuracy": accuracy,
        "test_ci95": _interval(record.get("test_ci95")) or computed,
        "tested": tested,
        "untrained": {
            "classes": [str(name) for name in _list(_dict(record.get("untrained")).get("classes"))],
            "photos": _int(_dict(record.get("untrained")).get("photos")) or 0,
        },
        "classes": classes,
        "confusion": confusion,
        "predictions": predictions,
        "parameters": {
            "total": _int(parameters.get("total")),
            "trainable": _int(parameters.get("trainable")),
            "frozen_tensors": _int(parameters.get("frozen_tensors")),
        },
        "probe": _probe(record.get("probe")),
        "dataset": {
            "name": str(data.get("name", "unnamed data")),
            "fingerprint": str(data.get("fingerprint", "")),
            "images": _int(data.get("images")),
            "split": {name: _int(split.get(name)) for name in ("train", "val", "test")},
            "limit": data.get("limit"),
        },
        "config": _dict(record.get("config")),
        "environment": _dict(record.get("environment")),
        "finished": str(record.get("finished") or ""),
        "seconds": _float(record.get("seconds")),
        "cpu_seconds": _float(record.get("cpu_seconds")),
        "recorded": bool(record.get("recorded")),
        "record": record,
    }


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _int(value: object) -> int | None:
    number = _float(value)
    return int(number) if number is not None and number == int(number) else None


def _interval(value: object) -> tuple[float, float] | None:
    bounds = [bound for bound in map(_float, _list(value)) if bound is not None]
    return (bounds[0], bounds[1]) if len(bounds) == len(_list(value)) == 2 else None


def _epochs(value: object) -> list[NormalisedEpoch]:
    rows = []
    for number, row in enumerate(_list(value), start=1):
        if isinstance(row, dict):
            quantities = {name: _float(row.get(name)) for name in QUANTITIES}
            rows.append(cast(NormalisedEpoch, {"epoch": _int(row.get("epoch")) or number, **quantities}))
    return rows


def _predictions(value: object) -> list[NormalisedPrediction]:
    return [
        {
            "id": row["id"],
            "label": row["label"],
            "predicted": row["predicted"],
            "confidence": _float(row.get("confidence")),
        }
        for row in _list(value)
        if isinstance(row, dict) and all(isinstance(row.get(name), str) for name in ("id", "label", "predicted"))
    ]


def _confusion(value: object, classes: list[str]) -> list[list[int]]:
    rows = [[_int(count) for count in _list(row)] for row in _list(value)]
    square = len(rows) == len(classes) and all(len(row) == len(classes) and None not in row for row in rows)
    return [[count or 0 for count in row] for row in rows] if square else []


def _counted(predictions: list[NormalisedPrediction], classes: list[str]) -> list[list[int]]:
    index = {name: i for i, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    for row in predictions:
        counts[index[row["label"]], index[row["predicted"]]] += 1
    return cast(list[list[int]], counts.tolist())


def _probe(value: object) -> list[NormalisedProbe]:
    rows: list[NormalisedProbe] = []
    for row in map(_dict, _list(value)):
        layer, photos, accuracy = row.get("layer"), _int(row.get("photos")), _float(row.get("accuracy"))
        if isinstance(layer, str) and photos is not None and accuracy is not None:
            rows.append(
                {
                    "layer": layer,
                    "dim": _int(row.get("dim")),
                    "photos": photos,
                    "accuracy": accuracy,
                    "ci95": _interval(row.get("ci95")),
                }
            )
    return rows
