"""Epoch embeddings: the features of a fixed sample of photos before training and after each epoch, kept with the run.

The sample is drawn from the validation photos, evenly over the classes: nothing is trained on them, and the test photos
stay unseen until the end. The best epoch is chosen on validation photos, so a measure of these features favours that
epoch a little. After an epoch the features are read off during the validation that takes place anyway.

One file per epoch, `<artifacts>/runs/epochs/<run id>/<epoch>.npz`, written whole or not at all: features (n, 512)
float32, and their provenance. Transfer learning freezes the backbone, so its only file is that of epoch 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib import artifacts
from lib.errors import ArtifactError
from lib.learn import checkpoints, distributed, photo_dataset
from lib.learn.backbone import FEATURES
from lib.learn.plan import PlannedRun
from lib.progress import Message, no_message
from lib.settings import Settings

SCHEMA = 1
SAMPLE = 200  # photos at most
SEED = 0  # of the sample: the same for every run on the same photos
SPLIT = "val"
LAYER = "avgpool"
_FILE = re.compile(r"(\d{4,9})\.npz")


@dataclass(frozen=True)
class EpochEmbeddings:
    """The epoch embeddings of one run: `features` (n, d) float32 by epoch, 0 before training; at least one epoch.

    `ids` and `labels` (n) are those of the sample. `facts` is the provenance of the last epoch. `frozen` tells that the
    backbone did not train, so that epoch 0 stands for all. `unreadable` are epochs whose file is damaged.
    """

    features: dict[int, np.ndarray]
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    facts: Mapping[str, Any]
    unreadable: tuple[int, ...] = ()

    @property
    def frozen(self) -> bool:
        """Whether the backbone was frozen."""
        return bool(self.facts.get("frozen"))


def folder(settings: Settings, run_id: str) -> Path:
    """The folder of a run's epoch embeddings."""
    return checkpoints.folder(settings) / "epochs" / run_id


def sample(labels: np.ndarray, most: int = SAMPLE, seed: int = SEED) -> np.ndarray:
    """Sorted indices of at most `most` photos of classes `labels` (n,): one of each class in turn until none is left.

    So the classes differ by one photo at most, unless a class has fewer photos than its share.
    """
    order = np.random.default_rng(photo_dataset.derived_seed(seed, "epoch embeddings")).permutation(len(labels))
    turns = np.empty(len(labels), dtype=np.int64)  # the place of each photo among those of its class
    for label in np.unique(labels):
        members = order[labels[order] == label]
        turns[members] = np.arange(len(members))
    place = np.empty(len(labels), dtype=np.int64)
    place[order] = np.arange(len(labels))
    return np.sort(np.lexsort((place, turns))[:most])


class Writer:
    """Writes the epoch embeddings of a run in training. A file that cannot be written does not end the training."""

    def __init__(self, settings: Settings, run: PlannedRun, say: Message = no_message) -> None:
        self.folder = folder(settings, run.id)
        self.run, self.say = run, say
        photos = photo_dataset.split_photos(run.catalog, SPLIT)
        self.rows = sample(photos.labels)
        self._photos = photos.subset(self.rows)
        self._has_failed = False

    def begin(self, epochs: int) -> None:
        """Keep the files of the first `epochs` epochs, which are finished; those of an earlier attempt go."""
        if distributed.rank() > 0:
            return
        for epoch, path in files(self.folder).items():
            if epoch > epochs or not epochs:
                artifacts.remove(path)

    def write(self, epoch: int, features: np.ndarray, *, frozen: bool = False) -> None:
        """Write the features (n, d) of the sample after `epoch`. Says so, once, when they cannot be written."""
        if distributed.rank() > 0:
            return
        run = self.run
        facts = {
            "schema": SCHEMA,
            "run": run.id,
            "regime": run.regime,
            "run_seed": run.seed,
            "epoch": epoch,
            "epochs": run.recipe.epochs,
            "frozen": frozen,
            "layer": LAYER,
            **({} if features.shape[1] == FEATURES else {"dim": features.shape[1]}),
            "data": run.catalog.fingerprint,
            "dataset": run.catalog.name,
            "split": SPLIT,
            "split_seed": run.catalog.seed,
            "sample_seed": SEED,
            "ids": self._photos.ids,
            "labels": [run.classes[label] for label in self._photos.labels],
            "classes": list(run.classes),
            "initial_weights": run.weights.name,
            "initial_weights_sha256": run.weights.sha256,
            "input_px": run.weights.preprocess.input_size,
            "versions": artifacts.library_versions(),
        }
        try:
            artifacts.write_arrays(_file(self.folder, epoch), facts, {"features": features.astype(np.float32)})
        except ArtifactError as error:
            if not self._has_failed:
                self.say(not_written(epoch, error))
            self._has_failed = True


def not_written(epoch: int, error: ArtifactError) -> str:
    """The message of a training whose embeddings of `epoch` could not be written."""
    return f"The embeddings of epoch {epoch} were not kept; training goes on. {error}"


def _file(place: Path, epoch: int) -> Path:
    return place / f"{epoch:04}.npz"


def files(place: Path) -> dict[int, Path]:
    """The files of a run's folder by epoch, in order; empty without the folder."""
    try:
        found = [(match, path) for path in place.iterdir() if (match := _FILE.fullmatch(path.name))]
    except OSError:
        return {}
    return dict(sorted((int(match[1]), path) for match, path in found))


def version(settings: Settings, run_id: str) -> str:
    """A hash of the times and sizes of a run's files: the key of pages' caches; "" where there is none."""
    found = files(folder(settings, run_id)) if _is_name(run_id) else {}
    return artifacts.digest([(epoch, artifacts.stamp(path)) for epoch, path in found.items()]) if found else ""


def read(settings: Settings, run_id: str) -> EpochEmbeddings | None:
    """The epoch embeddings of a run; None where none can be read.

    Damaged files, and files of another run, sample or shape than the last one, are left out and named.
    """
    features: dict[int, np.ndarray] = {}
    unreadable: list[int] = []
    facts: dict[str, Any] = {}
    for epoch, path in reversed((files(folder(settings, run_id)) if _is_name(run_id) else {}).items()):
        stored = artifacts.unless_damaged(artifacts.read_arrays, path)
        if stored is None or not _is_sound(*stored, run_id, epoch) or (facts and stored[0]["ids"] != facts["ids"]):
            unreadable.append(epoch)
            continue
        facts = facts or stored[0]
        features[epoch] = stored[1]["features"]
    if not features:
        return None
    in_order = dict(sorted(features.items()))
    return EpochEmbeddings(in_order, tuple(facts["ids"]), tuple(facts["labels"]), facts, tuple(sorted(unreadable)))


def _is_name(run_id: str) -> bool:
    """Whether a run id is the name of a folder, and no path: a record of another program may hold anything."""
    return bool(re.fullmatch(r"[\w.-]+", run_id)) and run_id not in {".", ".."}


def _is_sound(facts: dict[str, Any], arrays: dict[str, np.ndarray], run_id: str, epoch: int) -> bool:
    ids, labels, values = facts.get("ids"), facts.get("labels"), arrays.get("features")
    return (
        facts.get("schema") == SCHEMA
        and (facts.get("run"), facts.get("epoch")) == (run_id, epoch)
        and isinstance(ids, list)
        and isinstance(labels, list)
        and len(ids) == len(labels) > 0
        and all(isinstance(name, str) for name in (*ids, *labels))
        and values is not None
        and values.ndim == 2
        and len(values) == len(ids)
        # Other networks have other numbers of features.
        and values.shape[1] == facts.get("dim", FEATURES)
        and values.dtype == np.float32
        and bool(np.isfinite(values).all())
    )
