"""Whole training runs: from a catalog and weights to records, networks and probes, one run after another."""

from __future__ import annotations

import contextlib
import datetime
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lib import artifacts
from lib.data.catalog import Catalog
from lib.errors import ArtifactError, TrainingError
from lib.learn import (
    backbone,
    checkpoints,
    distributed,
    feed,
    live,
    probe,
    regimes,
    results,
    runs,
    training,
    transforms,
)
from lib.learn.backbone import Preprocess, Weights
from lib.learn.recipes import Recipe, recipe
from lib.learn.training import Scores, State, Watch
from lib.settings import VERSION, Settings

if TYPE_CHECKING:
    import torch

SCHEMA = 1


@dataclass(frozen=True)
class Run:
    """One run before it begins. `weights` are the ones that its network starts from, with its own input size."""

    regime: str
    preset: str
    seed: int
    recipe: Recipe
    weights: Weights
    catalog: Catalog

    @property
    def id(self) -> str:
        """Readable, and different for whatever makes the result different."""
        made_of = artifacts.digest(
            SCHEMA, self.recipe.as_dict(), self.weights.provenance(), self.catalog.fingerprint, self.catalog.seed
        )
        return f"{self.regime}-{self.preset}-s{self.seed}-{made_of[:8]}"

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.regime}, seed {self.seed}"

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the network's outputs."""
        return tuple(self.catalog.classes)


def plan(
    catalog: Catalog,
    weights: Weights,
    *,
    names: Sequence[str],
    preset: str,
    seeds: Sequence[int],
    **changed: Any,
) -> list[Run]:
    """The runs that were asked for: every regime under each seed, `changed` replacing fields of their recipes.

    Raises TrainingError when a split has too few photos, QueryError for unknown names.
    """
    _check(catalog)
    found = []
    for seed in seeds:
        for name in names:
            made = recipe(name, preset, **changed)
            preprocess = sized(weights.preprocess, made.image_size)
            start = replace(weights, seed=seed) if regimes.REGIMES[name].pretrained else backbone.random(seed)
            # From scratch at the same size as the others, so that they see the same photos.
            found.append(
                Run(
                    name,
                    preset,
                    seed,
                    replace(made, image_size=preprocess.input_size),
                    replace(start, preprocess=preprocess),
                    catalog,
                )
            )
    return found


def _check(catalog: Catalog) -> None:
    splits = catalog.splits
    for split, least in (("train", 2), ("val", 1), ("test", 1)):
        if splits[split] < least:
            raise TrainingError(
                f"{catalog.name} has {splits[split]} photos in its {split} split, too few to train on "
                "(10 % are for testing, 10 % of the rest for validation); use more photos or another --seed."
            )
    if len(catalog.classes) < 2:
        raise TrainingError(f"{catalog.name} has only one class, so there is nothing to tell apart; add class folders.")


def sized(preprocess: Preprocess, side: int | None) -> Preprocess:
    """`preprocess` for another input size, its margin around the crop in proportion."""
    if side is None or side == preprocess.input_size:
        return preprocess
    share = side / preprocess.input_size
    crop = side if preprocess.crop is not None else None
    return replace(preprocess, resize=tuple(round(one * share) for one in preprocess.resize), crop=crop)


def train(
    settings: Settings,
    planned: Sequence[Run],
    *,
    resume: bool = False,
    watch: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
    say: Callable[[str], None] = lambda sentence: None,
) -> list[dict[str, Any]]:
    """Train what was planned, one run after another; returns their records.

    With `resume` a finished run is taken as it is and one that was begun goes on after its last finished epoch.
    Raises TrainingError when the loss is no number any more or another process trains into these artifacts, DataError
    when a photo cannot be read, ArtifactError when the disk is full; KeyboardInterrupt says what is kept.
    """
    with _alone(settings, [run.title for run in planned]) as teller:
        return [_one(settings, run, place, resume, teller, watch, say) for place, run in enumerate(planned)]


@contextlib.contextmanager
def _alone(settings: Settings, queue: list[str]) -> Iterator[live.Teller | None]:
    """The one training of these artifacts; of several processes that train together, the first speaks for all."""
    if distributed.rank() > 0:
        yield None
        return
    with live.training(settings, queue) as teller:
        yield teller


def _one(
    settings: Settings,
    run: Run,
    place: int,
    resume: bool,
    teller: live.Teller | None,
    progress: Callable[[str, int, int | None], None],
    say: Callable[[str], None],
) -> dict[str, Any]:
    finished = _finished(settings, run) if resume else None
    if distributed.told(finished is not None):
        say(f"{run.title}: done before.")
        return distributed.told(finished)  # type: ignore[no-any-return]

    def told(stage: str, done: int, total: int | None) -> None:
        progress(f"{run.title}, {stage}", done, total)
        if teller is not None:
            teller.progress(stage, done, total)

    if teller is not None:
        teller.begin(place, run.regime, run.seed, run.id, run.recipe, run.weights.preprocess.input_size)
    watch = Watch(told, teller.epoch if teller is not None else lambda rows: None)
    began = time.perf_counter()
    state = None
    try:
        device = distributed.device()
        pupil = _pupil(settings, run, device, watch)
        state = pupil.state
        checkpoint = checkpoints.checkpoint_file(settings, run.id)
        _take_up(state, checkpoint, resume, say)
        before = pupil.spent + sum(row["seconds"] for row in state.epochs)
        watch.epoch(state.epochs)
        training.fit(
            state,
            pupil.source,
            pupil.judge,
            run.recipe,
            seed=run.seed,
            classes=len(run.classes),
            device=device,
            watch=watch,
            keep=lambda kept: checkpoints.save(checkpoint, kept.kept()),
        )
        network = pupil.best()
        record = _record(run, pupil, network, device, watch)
        record["seconds"] = round(before + time.perf_counter() - began, 3)
        if distributed.rank() == 0:
            checkpoints.save_weights(
                checkpoints.weights_file(settings, run.id),
                network.state_dict(),
                run.weights.preprocess,
                {"run": run.id, "regime": run.regime, "classes": list(run.classes)},
            )
            artifacts.write_json(checkpoints.record_file(settings, run.id), record)
            artifacts.remove(checkpoint)
    except KeyboardInterrupt as error:
        count = len(state.epochs) if state is not None else 0
        raise KeyboardInterrupt(
            f"Stopped after epoch {count} of {run.recipe.epochs} of {run.title}; "
            "the same command with --resume goes on."
        ) from error
    return record | {"recorded": False}


def _finished(settings: Settings, run: Run) -> dict[str, Any] | None:
    path = checkpoints.record_file(settings, run.id)
    has_all = path.is_file() and checkpoints.weights_file(settings, run.id).is_file()
    return runs.read(path) | {"recorded": False} if has_all else None


def _take_up(state: State, checkpoint: Any, resume: bool, say: Callable[[str], None]) -> None:
    kept = None
    if resume and distributed.rank() == 0:
        try:
            kept = checkpoints.load(checkpoint)
        except ArtifactError as error:
            say(f"{error} Training starts anew.")
    kept = distributed.told(kept)
    if kept is not None:
        state.restore(kept)
        say(f"Going on after epoch {len(state.epochs)}.")


@dataclass(frozen=True)
class _Pupil:
    """What a run trains: its state, its photos, how it is judged on the validation photos, and how its best network
    is put together in the end."""

    state: State
    source: training.Source
    judge: Callable[[torch.nn.Module], tuple[float, float]]
    best: Callable[[], Any]
    frozen: dict[str, np.ndarray] | None = None
    # Seconds that an earlier run spent on what this one uses.
    spent: float = 0.0


def _pupil(settings: Settings, run: Run, device: Any, watch: Watch) -> _Pupil:
    import torch

    network: Any = backbone.resnet18(run.weights, len(run.classes))
    if run.recipe.zero_init_residual and run.regime == "scratch":
        for name, parameter in network.named_parameters():
            if name.endswith("bn2.weight"):
                torch.nn.init.zeros_(parameter)
    network = network.to(device, memory_format=torch.channels_last)
    train_photos, val_photos = feed.photos(run.catalog, "train"), feed.photos(run.catalog, "val")
    shown = feed.Training(train_photos, run.recipe, run.weights.preprocess, run.seed)
    if run.regime == "transfer":
        return _frozen_pupil(settings, run, network, shown, val_photos, device, watch)
    shown.load(lambda done, total: watch.progress("read photos", done, total))
    training.freeze(network, training.frozen_count(run.regime, len(run.classes)))
    state = training.new_state(network, run.recipe, _steps(run, len(train_photos)))
    look = Pictures(val_photos, run.weights.preprocess)

    def judge(judged: torch.nn.Module) -> tuple[float, float]:
        scores = training.evaluate(judged, look, val_photos.labels, device)
        return scores.loss, scores.accuracy(val_photos.labels)

    def best() -> Any:
        network.load_state_dict(state.best)
        return network

    return _Pupil(state, training.photo_source(shown, run.weights.preprocess, device), judge, best)


def _frozen_pupil(
    settings: Settings, run: Run, network: Any, shown: feed.Training, val_photos: feed.Photos, device: Any, watch: Watch
) -> _Pupil:
    """Transfer learning: the features never change, so they are computed once and only the classifier is trained."""
    frozen, spent = _frozen(settings, run, network, shown, val_photos, device, watch)
    head = training.classifier(len(run.classes), run.seed).to(device)
    state = training.new_state(head, run.recipe, _steps(run, len(shown)))
    val = frozen["val_layer4"]

    def judge(judged: torch.nn.Module) -> tuple[float, float]:
        import torch

        scores = training.evaluate(judged, lambda places: torch.from_numpy(val[places]), val_photos.labels, device)
        return scores.loss, scores.accuracy(val_photos.labels)

    def best() -> Any:
        network.fc.load_state_dict(state.best)
        return network

    views = [frozen["train_layer4"], *(frozen[f"view_{view}"] for view in range(1, run.recipe.views))]
    source = training.feature_source(np.stack(views), shown.wanted.labels, run.seed)
    return _Pupil(state, source, judge, best, frozen, spent)


def _frozen(
    settings: Settings, run: Run, network: Any, shown: feed.Training, val_photos: feed.Photos, device: Any, watch: Watch
) -> tuple[dict[str, np.ndarray], float]:
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
        began, found = time.perf_counter(), {}
        for split, wanted in (("train", shown.wanted), ("val", val_photos)):
            layers = probe.activations(
                network,
                Pictures(wanted, run.weights.preprocess),
                len(wanted),
                device,
                lambda done, total, split=split: watch.progress(f"features of {split} photos", done, total),  # type: ignore[misc]
            )
            found |= {f"{split}_{layer}": values for layer, values in layers.items()}
        augmented = training.photo_source(replace_seed(shown, 0), run.weights.preprocess, device)
        for view in range(1, run.recipe.views):
            found[f"view_{view}"] = _view(network, augmented, view, device, watch)
        found["seconds"] = np.array(time.perf_counter() - began)
        checkpoints.save_arrays(path, found)
    found = distributed.told(found)
    return found, float(found["seconds"]) if cached else 0.0


def replace_seed(shown: feed.Training, seed: int) -> feed.Training:
    """The same photos, augmented by another seed."""
    return feed.Training(shown.wanted, shown.recipe, shown.preprocess, seed)


def _steps(run: Run, count: int) -> int:
    """Optimiser steps of the whole run."""
    least = 2 * distributed.size()
    return sum(len(feed.steps(count, run.recipe, run.seed, epoch, least)) for epoch in range(run.recipe.epochs))


class Pictures:
    """Photos as they are evaluated: `pictures(places)` is the network's input (n, 3, side, side) float32.

    Read from their files the first time that they are asked for, then kept. Raises DataError when one cannot be read.
    """

    def __init__(self, wanted: feed.Photos, preprocess: Preprocess) -> None:
        self.wanted, self.preprocess = wanted, preprocess
        self._kept: dict[int, np.ndarray] = {}

    def __call__(self, places: np.ndarray) -> torch.Tensor:
        new = np.array([place for place in places if int(place) not in self._kept], dtype=np.int64)
        found = feed.read(self.wanted.among(new), lambda image: transforms.resize(image, self.preprocess))
        fresh = {int(place): one for place, one in zip(new, found, strict=True) if one is not None}
        pixels = [fresh[int(place)] if int(place) in fresh else self._kept[int(place)] for place in places]
        if (
            sum(one.nbytes for one in fresh.values()) * (len(self._kept) + len(fresh)) / max(1, len(fresh))
            < feed.MEMORY
        ):
            self._kept |= fresh
        return feed.tensor(pixels, self.preprocess)


def _view(network: Any, source: training.Source, view: int, device: Any, watch: Watch) -> np.ndarray:
    """Features of every training photo, augmented as in epoch `view`: (n, 512)."""
    passes = np.array_split(np.arange(source.count), -(-source.count // training.EVALUATED))
    waiting = source.batches(view, passes)
    stage = f"features of augmented photos, {view}"
    layers = probe.activations(
        network,
        lambda places: next(waiting),
        source.count,
        device,
        lambda done, total: watch.progress(stage, done, total),
        passes,
    )
    return layers["layer4"]


def _record(run: Run, pupil: _Pupil, network: Any, device: Any, watch: Watch) -> dict[str, Any]:
    """The record of the contract. Only here, with the best epoch chosen, are the test photos looked at."""
    state, classes = pupil.state, run.classes
    test = feed.photos(run.catalog, "test")
    look = Pictures(test, run.weights.preprocess)
    scores = training.evaluate(
        network, look, test.labels, device, lambda done, total: watch.progress("test", done, total)
    )
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
        "test_ci95": list(results.wilson(right, len(test))),
        "test_loss": scores.loss,
        "classes": list(classes),
        "confusion": _confusion(test.labels, predicted, len(classes)),
        "predictions": _predictions(test, scores, classes),
        "parameters": {
            "total": total,
            "trainable": trainable,
            "frozen_tensors": training.frozen_count(run.regime, len(classes)),
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


def _predictions(test: feed.Photos, scores: Scores, classes: Sequence[str]) -> list[dict[str, Any]]:
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
    run: Run, frozen: dict[str, np.ndarray] | None, network: Any, look: Pictures, test: feed.Photos, device: Any
) -> list[dict[str, Any]]:
    """Linear probes on the frozen network's stages, where the recipe asks for them."""
    if frozen is None or not run.recipe.probe or distributed.rank() > 0:
        return []
    parts = [
        ({layer: frozen[f"{split}_{layer}"] for layer in probe.LAYERS}, feed.photos(run.catalog, split).labels)
        for split in ("train", "val")
    ]
    return probe.accuracies(
        parts[0], parts[1], (probe.activations(network, look, len(test), device), test.labels), run.seed
    )


def environment(device: Any) -> dict[str, Any]:
    """What a run was made with, for its record."""
    import torch
    import torchvision

    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else torch.cpu.get_capabilities().get("cpu_name", "")
    )
    return {
        "petalscope": VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "device": f"{device.type} ({name})" if name else device.type,
        "threads": torch.get_num_threads(),
        "precision": training.precision(device),
        "processes": distributed.size(),
    }
