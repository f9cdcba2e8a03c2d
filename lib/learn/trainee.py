"""The trainee of a run: its network with the parts that train, its photos, and its validation."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lib import artifacts
from lib.learn import backbone, checkpoints, distributed, linear_probe, loop, networks, photo_dataset, regimes
from lib.learn import epoch_embeddings as epochs
from lib.learn.batch_sources import Source, feature_source, photo_source
from lib.learn.loop import Callbacks
from lib.learn.photo_dataset import EvaluationPhotos, Photos, TrainingPhotos
from lib.learn.plan import SCHEMA, PlannedRun
from lib.learn.results import LAYERS
from lib.learn.state import State, classifier, freeze, new_state
from lib.progress import Progress, of_stage
from lib.settings import Settings

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Trainee:
    """The network of a run in training, with its photos and its validation.

    `validate` gives (loss, accuracy) of a network on the validation photos, `best_network` the whole network with the
    weights of the best epoch, `embed_untrained` writes the epoch embeddings of before the first epoch. `features` are
    transfer learning's frozen features by name, and `feature_seconds` the (wall, processor) seconds that an earlier run
    spent on them.
    """

    state: State
    source: Source
    validate: Callable[[torch.nn.Module], tuple[float, float]]
    best_network: Callable[[], Any]
    embed_untrained: Callable[[], None]
    features: dict[str, np.ndarray] | None = None
    feature_seconds: tuple[float, float] = (0.0, 0.0)


def make(
    settings: Settings, run: PlannedRun, device: Any, callbacks: Callbacks, embeddings: epochs.Writer | None = None
) -> Trainee:
    """The trainee of `run` before its first step, on `device`; its validation writes `embeddings`, too, if given.

    Raises DataError when a photo cannot be read, WeightsError when the weights do not fit.
    """
    import torch

    is_resnet18 = run.network == backbone.RESNET18
    build = backbone.resnet18 if is_resnet18 else networks.classifier
    network: Any = build(run.weights, len(run.classes))
    head = networks.head_of(run.weights)
    if run.recipe.zero_init_residual:
        for name, parameter in network.named_parameters():
            if name.endswith("bn2.weight"):
                torch.nn.init.zeros_(parameter)
    network = network.to(device, memory_format=torch.channels_last)
    train_photos = photo_dataset.split_photos(run.catalog, "train")
    val_photos = photo_dataset.split_photos(run.catalog, "val")
    training = TrainingPhotos(train_photos, run.recipe, run.weights.preprocess, run.seed)
    # A last layer that is a convolution has more after it, so it is trained with it.
    if run.regime == "transfer" and isinstance(network.get_submodule(head), torch.nn.Linear):
        return _on_frozen_features(settings, run, network, training, val_photos, device, callbacks, embeddings)
    training.load(of_stage(callbacks.progress, "read photos"))
    freeze(network, frozen_tensors(run, network))
    state = new_state(network, run.recipe, _total_steps(run, len(train_photos)))
    val_inputs = EvaluationPhotos(val_photos, run.weights.preprocess)

    def validate(evaluated: torch.nn.Module) -> tuple[float, float]:
        rows = None if embeddings is None else embeddings.rows
        result = loop.evaluate(evaluated, val_inputs, val_photos.labels, device, features_of=rows, head=head)
        if embeddings is not None and result.features is not None:
            embeddings.write(len(state.epochs) + 1, result.features)
        return result.loss, result.accuracy(val_photos.labels)

    def embed_untrained() -> None:
        if embeddings is None:
            return
        rows = embeddings.rows
        progress = of_stage(callbacks.progress, "embeddings before training")
        everything = np.arange(len(rows))
        result = loop.evaluate(
            state.evaluated,
            lambda indices: val_inputs(rows[indices]),
            val_photos.labels[rows],
            device,
            progress,
            everything,
            head,
        )
        if result.features is not None:
            embeddings.write(0, result.features)

    def best_network() -> Any:
        network.load_state_dict(state.best)
        return network

    source = photo_source(training, run.weights.preprocess, device)
    return Trainee(state, source, validate, best_network, embed_untrained)


def _on_frozen_features(
    settings: Settings,
    run: PlannedRun,
    network: Any,
    training: TrainingPhotos,
    val_photos: Photos,
    device: Any,
    callbacks: Callbacks,
    embeddings: epochs.Writer | None,
) -> Trainee:
    """Transfer learning: the features never change, so they are computed once and only the classifier is trained."""
    features, seconds = _frozen_features(settings, run, network, training, val_photos, device, callbacks)
    layer, last = features_layer(run), network.get_submodule(networks.head_of(run.weights))
    new_head = classifier(len(run.classes), run.seed, features[f"val_{layer}"].shape[1], last.bias is not None).to(
        device
    )
    state = new_state(new_head, run.recipe, _total_steps(run, len(training)))
    val_features = features[f"val_{layer}"]

    def validate(evaluated: torch.nn.Module) -> tuple[float, float]:
        import torch

        result = loop.evaluate(
            evaluated, lambda indices: torch.from_numpy(val_features[indices]), val_photos.labels, device
        )
        return result.loss, result.accuracy(val_photos.labels)

    def best_network() -> Any:
        last.load_state_dict(state.best)
        return network

    def embed_untrained() -> None:
        if embeddings is not None:
            embeddings.write(0, val_features[embeddings.rows], frozen=True)

    views = [features[f"train_{layer}"], *(features[f"view_{view}"] for view in range(1, run.recipe.views))]
    source = feature_source(np.stack(views), training.photos.labels, run.seed)
    return Trainee(state, source, validate, best_network, embed_untrained, features, seconds)


def _frozen_features(
    settings: Settings,
    run: PlannedRun,
    network: Any,
    training: TrainingPhotos,
    val_photos: Photos,
    device: Any,
    callbacks: Callbacks,
) -> tuple[dict[str, np.ndarray], tuple[float, float]]:
    """The frozen network's activations, and the (wall, processor) seconds that an earlier run spent on them.

    They do not depend on the run's seed: all pooled stages of the training and validation photos, and the features of
    augmented training photos. They are cached on disk for the next run.
    """
    network_used = () if run.network == backbone.RESNET18 else (run.network,)
    settings_used = (
        run.recipe.views,
        run.recipe.crop,
        run.recipe.policy,
        run.weights.sha256,
        run.weights.preprocess.as_dict(),
        *network_used,
    )
    catalog = run.catalog
    own_split = (catalog.split_key,) if catalog.split_key else ()
    key = artifacts.digest(SCHEMA, settings_used, catalog.fingerprint, catalog.seed, catalog.hashes, *own_split)
    path = checkpoints.folder(settings) / "features" / f"{key[:16]}.npz"
    features = checkpoints.load_arrays(path) if distributed.rank() == 0 else None
    cached = features is not None
    if features is None and distributed.rank() == 0:
        wall_start, cpu_start, features = time.perf_counter(), time.process_time(), {}
        for split, photos in (("train", training.photos), ("val", val_photos)):
            layers = _activations(
                run,
                network,
                EvaluationPhotos(photos, run.weights.preprocess),
                len(photos),
                device,
                of_stage(callbacks.progress, f"features of {split} photos"),
            )
            features |= {f"{split}_{layer}": values for layer, values in layers.items()}
        # Seed 0 for every run, so that runs under all seeds share the features.
        unseeded = TrainingPhotos(training.photos, training.recipe, training.preprocess, seed=0)
        augmented = photo_source(unseeded, run.weights.preprocess, device)
        for view in range(1, run.recipe.views):
            features[f"view_{view}"] = _view_features(run, network, augmented, view, device, callbacks)
        features["spent"] = np.array([time.perf_counter() - wall_start, time.process_time() - cpu_start])
        checkpoints.save_arrays(path, features)
    features = distributed.broadcast(features)
    return features, (float(features["spent"][0]), float(features["spent"][1])) if cached else (0.0, 0.0)


def frozen_tensors(run: PlannedRun, network: Any) -> int:
    """How many of the first parameter tensors of a run's network are frozen."""
    regime = regimes.REGIMES[run.regime]
    if run.network == backbone.RESNET18:
        return regimes.frozen_count(regime, len(run.classes))
    names, head = [name for name, _ in network.named_parameters()], networks.head_of(run.weights)
    return regimes.frozen_share(regime, len(names), sum(name.startswith(f"{head}.") for name in names))


def features_layer(run: PlannedRun) -> str:
    """The name of the features among a network's activations."""
    return LAYERS[-1] if run.network == backbone.RESNET18 else "features"


def _activations(
    run: PlannedRun,
    network: Any,
    inputs: Callable[[np.ndarray], torch.Tensor],
    count: int,
    device: Any,
    progress: Progress,
    passes: Sequence[np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """The pooled stages of ResNet18, or the features of another network."""
    if run.network == backbone.RESNET18:
        return linear_probe.activations(network, inputs, count, device, progress, passes)
    values = linear_probe.inputs_of(network, networks.head_of(run.weights), inputs, count, device, progress, passes)
    return {features_layer(run): values}


def _total_steps(run: PlannedRun, count: int) -> int:
    """Optimiser steps of the whole run on `count` photos."""
    least = 2 * distributed.size()
    return sum(
        len(photo_dataset.steps(count, run.recipe, run.seed, epoch, least)) for epoch in range(run.recipe.epochs)
    )


def _view_features(
    run: PlannedRun, network: Any, source: Source, view: int, device: Any, callbacks: Callbacks
) -> np.ndarray:
    """Features of every training photo, augmented as in epoch `view`: (n, d) float32."""
    passes = np.array_split(np.arange(source.count), -(-source.count // loop.EVALUATION_BATCH))
    batches = source.batches(view, passes)
    layers = _activations(
        run,
        network,
        lambda indices: next(batches),
        source.count,
        device,
        of_stage(callbacks.progress, f"features of augmented photos, {view}"),
        passes,
    )
    return layers[features_layer(run)]
