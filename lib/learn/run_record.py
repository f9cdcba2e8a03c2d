"""The record of a finished run: its inputs, its curves, and its predictions for the test photos."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np

from lib import artifacts
from lib.data.catalog import Catalog
from lib.documents.runs import Prediction, ProbeRow, RunDataset, RunRecord
from lib.learn import distributed, hardware, linear_probe, loop, photo_dataset
from lib.learn.backbone import RESNET18
from lib.learn.loop import Callbacks, EvaluationResult
from lib.learn.plan import SCHEMA, PlannedRun
from lib.learn.results import LAYERS
from lib.learn.trainee import Trainee, frozen_tensors
from lib.learn.untrained import untrained_classes
from lib.progress import of_stage
from lib.settings import VERSION
from lib.statistics import wilson


def record(run: PlannedRun, trainee: Trainee, network: Any, device: Any, callbacks: Callbacks) -> RunRecord:
    """The record of `run`, whose best network is `network`. Only here are the test photos used.

    Its times are set by the caller. Raises DataError when a test photo cannot be read.
    """
    state, classes = trainee.state, run.classes
    test = photo_dataset.split_photos(run.catalog, "test")
    inputs = photo_dataset.EvaluationPhotos(test, run.weights.preprocess)
    result = loop.evaluate(network, inputs, test.labels, device, of_stage(callbacks.progress, "test"))
    predicted = result.probabilities.argmax(1)
    correct = int((predicted == test.labels).sum())
    untrained = untrained_classes(run.catalog)
    unknown = sum(classes[label] in untrained for label in test.labels)
    # A share of photos of which none can be right says nothing of the network.
    tested = unknown < len(test)
    parameters = [parameter.numel() for parameter in network.parameters()]
    frozen = frozen_tensors(run, network)
    made: RunRecord = {
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
        "test_accuracy": correct / len(test) if tested else None,
        "test_ci95": list(wilson(correct, len(test))) if tested else None,
        "untrained": {"classes": untrained, "photos": unknown},
        "test_loss": result.loss,
        "classes": list(classes),
        "confusion": _confusion(test.labels, predicted, len(classes)),
        "predictions": _predictions(test, result, classes),
        "parameters": {
            "total": sum(parameters),
            "trainable": sum(parameters[frozen:]),
            "frozen_tensors": frozen,
        },
        "probe": _probes(run, trainee.features, network, inputs, test, device) if tested else [],
        "dataset": _dataset(run.catalog),
        "config": {
            **run.recipe.as_dict(),
            "resize": list(run.weights.preprocess.resize),
            "crop_test": run.weights.preprocess.crop,
        },
        "environment": environment(device),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    if run.network != RESNET18:
        made["network"] = run.network
    return made


def _dataset(catalog: Catalog) -> RunDataset:
    dataset: RunDataset = {
        "name": catalog.name,
        "fingerprint": catalog.fingerprint,
        "images": len(catalog.frame),
        "split": catalog.splits,
        "seed": catalog.seed,
        "limit": catalog.limit,
    }
    if catalog.split_key:
        dataset["split_key"] = catalog.split_key
    return dataset


def _confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> list[list[int]]:
    """Counts of photos by true class (row) and predicted class (column)."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes).tolist()


def _predictions(test: photo_dataset.Photos, result: EvaluationResult, classes: Sequence[str]) -> list[Prediction]:
    return [
        {
            "id": image_id,
            "label": classes[label],
            "predicted": classes[int(row.argmax())],
            "confidence": round(float(row.max()), 6),
        }
        for image_id, label, row in zip(test.ids, test.labels, result.probabilities, strict=True)
    ]


def _probes(
    run: PlannedRun,
    features: dict[str, np.ndarray] | None,
    network: Any,
    inputs: photo_dataset.EvaluationPhotos,
    test: photo_dataset.Photos,
    device: Any,
) -> list[ProbeRow]:
    """Linear probes on the stages of the frozen network, if the recipe has `probe`."""
    if features is None or not run.recipe.probe or distributed.rank() > 0:
        return []
    train, val = (
        (
            {layer: features[f"{split}_{layer}"] for layer in LAYERS},
            photo_dataset.split_photos(run.catalog, split).labels,
        )
        for split in ("train", "val")
    )
    test_activations = linear_probe.activations(network, inputs, len(test), device)
    return linear_probe.accuracies(train, val, (test_activations, test.labels), run.seed)


def environment(device: Any) -> dict[str, str | int]:
    """Software and hardware of this process, for a record."""
    import torch

    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else torch.cpu.get_capabilities().get("cpu_name", "")
    )
    return {
        "petalscope": VERSION,
        **artifacts.library_versions(),
        "platform": platform.platform(),
        "device": f"{device.type} ({name})" if name else device.type,
        "threads": torch.get_num_threads(),
        "precision": hardware.precision(device),
        "processes": distributed.size(),
    }
