"""Training records in one shape, whoever wrote them and when: what a record lacks, or has of another type, is empty."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lib.learn.results import QUANTITIES, Run
from lib.learn.statistics import wilson


def normalise(record: dict[str, Any]) -> Run:
    """A record in one shape: every part is there, of the right type, and None or empty where the record lacks it.

    The record itself stays under `record`.
    """
    data, split = _dict(record.get("dataset")), _dict(_dict(record.get("dataset")).get("split"))
    classes = [str(name) for name in _list(record.get("classes"))]
    parameters = _dict(record.get("parameters"))
    interval = [_float(bound) for bound in _list(record.get("test_ci95"))]
    predictions = _predictions(record.get("predictions"))
    confusion = _confusion(record.get("confusion"), classes)
    if not confusion and predictions:
        classes = sorted({row[key] for row in predictions for key in ("label", "predicted")} | set(classes))
        confusion = _counted(predictions, classes)
    tested = len(predictions) or sum(map(sum, confusion)) or _int(split.get("test"))
    accuracy = _float(record.get("test_accuracy"))
    own = wilson(round(accuracy * tested), tested) if accuracy is not None and 0 <= accuracy <= 1 and tested else None
    given = (interval[0], interval[1]) if len(interval) == 2 and None not in interval else None
    return {
        "id": str(record.get("id", "")),
        "regime": str(record.get("regime", "")),
        "preset": str(record.get("preset") or ""),
        "weights": str(record.get("weights", "")),
        "weights_about": str(record.get("weights_about") or record.get("weights", "")),
        "seed": _int(record.get("seed")),
        "epochs": _epochs(record.get("epochs")),
        "best_epoch": _int(record.get("best_epoch")),
        "val_accuracy": _float(record.get("val_accuracy")),
        "test_accuracy": accuracy,
        "test_ci95": given or own,
        "tested": tested,
        "classes": classes,
        "confusion": confusion,
        "predictions": predictions,
        "parameters": {name: _int(parameters.get(name)) for name in ("total", "trainable", "frozen_tensors")},
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


def _epochs(value: object) -> list[dict[str, Any]]:
    rows = []
    for place, row in enumerate(_list(value), start=1):
        if isinstance(row, dict):
            numbers = {name: _float(row.get(name)) for name in QUANTITIES}
            rows.append({"epoch": _int(row.get("epoch")) or place, **numbers})
    return rows


def _predictions(value: object) -> list[dict[str, Any]]:
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


def _counted(predictions: list[dict[str, Any]], classes: list[str]) -> list[list[int]]:
    place = {name: i for i, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    for row in predictions:
        counts[place[row["label"]], place[row["predicted"]]] += 1
    found: list[list[int]] = counts.tolist()
    return found


def _probe(value: object) -> list[dict[str, Any]]:
    rows = []
    for row in map(_dict, _list(value)):
        photos, accuracy = _int(row.get("photos")), _float(row.get("accuracy"))
        if isinstance(row.get("layer"), str) and photos is not None and accuracy is not None:
            bounds = [_float(bound) for bound in _list(row.get("ci95"))]
            rows.append(
                {
                    "layer": row["layer"],
                    "dim": _int(row.get("dim")),
                    "photos": photos,
                    "accuracy": accuracy,
                    "ci95": bounds if len(bounds) == 2 and None not in bounds else None,
                }
            )
    return rows
