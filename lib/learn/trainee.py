"""What a run trains: the network with what may change in it, its photos, and how it is judged."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lib import artifacts
from lib.learn import backbone, checkpoints, distributed, linear_probe, loop, photo_dataset, regimes
from lib.learn.batch_sources import Source, feature_source, photo_source
from lib.learn.loop import Watch
from lib.learn.photo_dataset import Pictures
from lib.learn.plan import SCHEMA, PlannedRun
from lib.learn.state import State, classifier, freeze, new_state
from lib.settings import Settings

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Trainee:
    """What a run trains: its state, its photos, how it is judged on the validation photos, and how its best network
    is put together in the end."""

    state: State
    source: Source
    judge: Callable[[torch.nn.Module], tuple[float, float]]
    best: Callable[[], Any]
    frozen: dict[str, np.ndarray] | None = None
    # Seconds and processor seconds that an earlier run spent on what this one uses.
    spent: tuple[float, float] = (0.0, 0.0)


def make(settings: Settings, run: PlannedRun, device: Any, watch: Watch) -> Trainee:
    """The pupil of `run` before its first step, on `device`.

    Raises DataError when a photo cannot be read, WeightsError when the weights do not fit.
    """
    import torch

    network: Any = backbone.resnet18(run.weights, len(run.classes))
    if run.recipe.zero_init_residual:
        for name, parameter in network.named_parameters():
            if name.endswith("bn2.weight"):
                torch.nn.init.zeros_(parameter)
    network = network.to(device, memory_format=torch.channels_last)
    train_photos, val_photos = photo_dataset.photos(run.catalog, "train"), photo_dataset.photos(run.catalog, "val")
    shown = photo_dataset.TrainingPhotos(train_photos, run.recipe, run.weights.preprocess, run.seed)
    if run.regime == "transfer":
        return _of_frozen(settings, run, network, shown, val_photos, device, watch)
    shown.load(lambda done, total: watch.progress("read photos", done, total))
    freeze(network, regimes.frozen(regimes.REGIMES[run.regime], len(run.classes)))
    state = new_state(network, run.recipe, _steps(run, len(train_photos)))
    look = Pictures(val_photos, run.weights.preprocess)

    def judge(judged: torch.nn.Module) -> tuple[float, float]:
        scores = loop.evaluate(judged, look, val_photos.labels, device)
        return scores.loss, scores.accuracy(val_photos.labels)

    def best() -> Any:
        network.load_state_dict(state.best)
        return network

    return Trainee(state, photo_source(shown, run.weights.preprocess, device), judge, best)


def _of_frozen(
    settings: Settings,
    run: PlannedRun,
    network: Any,
    shown: photo_dataset.TrainingPhotos,
    val_photos: photo_dataset.Photos,
    device: Any,
    watch: Watch,
) -> Trainee:
    """Transfer learning: the features never change, so they are computed once and only the classifier is trained."""
    frozen, spent = _frozen(settings, run, network, shown, val_photos, device, watch)
    head = classifier(len(run.classes), run.seed).to(device)
    state = new_state(head, run.recipe, _steps(run, len(shown)))
    val = frozen["val_layer4"]

    def judge(judged: torch.nn.Module) -> tuple[float, float]:
        import torch

        scores = loop.evaluate(judged, lambda places: torch.from_numpy(val[places]), val_photos.labels, device)
        return scores.loss, scores.accuracy(val_photos.labels)

    def best() -> Any:
        network.fc.load_state_dict(state.best)
        return network

    views = [frozen["train_layer4"], *(frozen[f"view_{view}"] for view in range(1, run.recipe.views))]
    source = feature_source(np.stack(views), shown.wanted.labels, run.seed)
    return Trainee(state, source, judge, best, frozen, spent)


def _frozen(
    settings: Settings,
    run: PlannedRun,
    network: Any,
    shown: photo_dataset.TrainingPhotos,
    val_photos: photo_dataset.Photos,
    device: Any,
    watch: Watch,
) -> tuple[dict[str, np.ndarray], tuple[float, float]]:
    """Everything that transfer learning asks of the frozen network, whatever the run's seed: pooled stages of the
    training and validation photos, and the features of augmented training photos. Kept on the disk for the next
    run, which is told how many seconds they took.
    """
    used = (run.recipe.views, run.recipe.crop, run.recipe.policy, run.weights.sha256, asdict(run.weights.preprocess))
    name = artifacts.digest(SCHEMA, used, run.catalog.fingerprint, run.catalog.seed, list(run.catalog.frame["sha256"]))
    path = checkpoints.folder(settings) / "features" / f"{name[:16]}.npz"
    found = checkpoints.load_arrays(path) if distributed.rank() == 0 else None
    cached = found is not None
    if found is None and distributed.rank() == 0:
        began, worked, found = time.perf_counter(), time.process_time(), {}
        for split, wanted in (("train", shown.wanted), ("val", val_photos)):
            layers = linear_probe.activations(
                network,
                Pictures(wanted, run.weights.preprocess),
                len(wanted),
                device,
                lambda done, total, split=split: watch.progress(f"features of {split} photos", done, total),  # type: ignore[misc]
            )
            found |= {f"{split}_{layer}": values for layer, values in layers.items()}
        augmented = photo_source(_reseeded(shown, 0), run.weights.preprocess, device)
        for view in range(1, run.recipe.views):
            found[f"view_{view}"] = _view(network, augmented, view, device, watch)
        found["spent"] = np.array([time.perf_counter() - began, time.process_time() - worked])
        checkpoints.save_arrays(path, found)
    found = distributed.broadcast(found)
    return found, (float(found["spent"][0]), float(found["spent"][1])) if cached else (0.0, 0.0)


def _reseeded(shown: photo_dataset.TrainingPhotos, seed: int) -> photo_dataset.TrainingPhotos:
    """The same photos, augmented by another seed."""
    return photo_dataset.TrainingPhotos(shown.wanted, shown.recipe, shown.preprocess, seed)


def _steps(run: PlannedRun, count: int) -> int:
    """Optimiser steps of the whole run."""
    least = 2 * distributed.size()
    return sum(
        len(photo_dataset.steps(count, run.recipe, run.seed, epoch, least)) for epoch in range(run.recipe.epochs)
    )


def _view(network: Any, source: Source, view: int, device: Any, watch: Watch) -> np.ndarray:
    """Features of every training photo, augmented as in epoch `view`: (n, 512)."""
    passes = np.array_split(np.arange(source.count), -(-source.count // loop.EVALUATED))
    waiting = source.batches(view, passes)
    stage = f"features of augmented photos, {view}"
    layers = linear_probe.activations(
        network,
        lambda places: next(waiting),
        source.count,
        device,
        lambda done, total: watch.progress(stage, done, total),
        passes,
    )
    return layers["layer4"]
