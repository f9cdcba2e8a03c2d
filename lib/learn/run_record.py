"""The record of a finished run: what it was made of and how it did, on photos that it had not seen before."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np

from lib import artifacts
from lib.learn import distributed, hardware, linear_probe, loop, photo_dataset, regimes
from lib.learn.loop import EvaluationResult, Watch
from lib.learn.plan import SCHEMA, PlannedRun
from lib.learn.results import LAYERS
from lib.learn.statistics import wilson
from lib.learn.trainee import Trainee
from lib.settings import VERSION


def record(run: PlannedRun, pupil: Trainee, network: Any, device: Any, watch: Watch) -> dict[str, Any]:
    """The record of the contract. Only here, with the best epoch chosen, are the test photos looked at."""
    state, classes = pupil.state, run.classes
    test = photo_dataset.photos(run.catalog, "test")
    look = photo_dataset.Pictures(test, run.weights.preprocess)
    scores = loop.evaluate(network, look, test.labels, device, lambda done, total: watch.progress("test", done, total))
    predicted = scores.probabilities.argmax(1)
    right = int((predicted == test.labels).sum())
    total, trainable = regimes.parameters(regimes.REGIMES[run.regime], len(classes))
    return {
        "schema": SCHEMA,
        "id": run.id,
        "regime": run.regime,
        "preset": run.preset,
        "weights": run.weights.name,
        "weights_about": run.weights.about,
        "weights_sha256": run.weights.sha256,
        "seed": run.seed,
        "epochs": state.epochs,
        "best_epoch": state.best_epoch,
        "val_accuracy": state.epochs[state.best_epoch - 1]["val_accuracy"],
        "test_accuracy": right / len(test),
        "test_ci95": list(wilson(right, len(test))),
        "test_loss": scores.loss,
        "classes": list(classes),
        "confusion": _confusion(test.labels, predicted, len(classes)),
        "predictions": _predictions(test, scores, classes),
        "parameters": {
            "total": total,
            "trainable": trainable,
            "frozen_tensors": regimes.frozen(regimes.REGIMES[run.regime], len(classes)),
        },
        "probe": _probes(run, pupil.frozen, network, look, test, device),
        "dataset": {
            "name": run.catalog.name,
            "fingerprint": run.catalog.fingerprint,
            "images": len(run.catalog.frame),
            "split": run.catalog.splits,
            "seed": run.catalog.seed,
            "limit": run.catalog.limit,
        },
        "config": {
            **run.recipe.as_dict(),
            "resize": list(run.weights.preprocess.resize),
            "crop_test": run.weights.preprocess.crop,
        },
        "environment": environment(device),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> list[list[int]]:
    """Photos of each class (row) by what they were taken for (column)."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes).tolist()


def _predictions(test: photo_dataset.Photos, scores: EvaluationResult, classes: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "id": image_id,
            "label": classes[label],
            "predicted": classes[int(row.argmax())],
            "confidence": round(float(row.max()), 6),
        }
        for image_id, label, row in zip(test.ids, test.labels, scores.probabilities, strict=True)
    ]


def _probes(
    run: PlannedRun,
    frozen: dict[str, np.ndarray] | None,
    network: Any,
    look: photo_dataset.Pictures,
    test: photo_dataset.Photos,
    device: Any,
) -> list[dict[str, Any]]:
    """Linear probes on the frozen network's stages, where the recipe asks for them."""
    if frozen is None or not run.recipe.probe or distributed.rank() > 0:
        return []
    parts = [
        ({layer: frozen[f"{split}_{layer}"] for layer in LAYERS}, photo_dataset.photos(run.catalog, split).labels)
        for split in ("train", "val")
    ]
    return linear_probe.accuracies(
        parts[0], parts[1], (linear_probe.activations(network, look, len(test), device), test.labels), run.seed
    )


def environment(device: Any) -> dict[str, Any]:
    """What a run was made with, for its record."""
    import torch

    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else torch.cpu.get_capabilities().get("cpu_name", "")
    )
    return {
        "petalscope": VERSION,
        **artifacts.libraries(),
        "platform": platform.platform(),
        "device": f"{device.type} ({name})" if name else device.type,
        "threads": torch.get_num_threads(),
        "precision": hardware.precision(device),
        "processes": distributed.size(),
    }
