"""Documents of training: the record of a run, the document of `train` and `runs`, and the live status file.

Accuracies are fractions, losses are in nats, times in seconds. A record that another version wrote may lack any key
that is marked `NotRequired`; `lib.learn.normalise_record` fills the gaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict


class EpochRow(TypedDict):
    """One finished epoch. `train_*` are means over the augmented photos while the weights changed."""

    epoch: int
    train_loss: float
    train_accuracy: float
    images: int
    # Learning rate of the last step.
    lr: float
    val_loss: float
    val_accuracy: float
    # Wall time, and processor time of all cores.
    seconds: float
    cpu_seconds: NotRequired[float]


class Prediction(TypedDict):
    """The prediction for one test photo. `confidence` is the probability of the predicted class."""

    id: str
    label: str
    predicted: str
    confidence: float


class ParameterCounts(TypedDict):
    """Parameters of the network, those that train, and how many of its first tensors are frozen."""

    total: int
    trainable: int
    frozen_tensors: NotRequired[int]


class ProbeRow(TypedDict):
    """Test accuracy of a linear probe on one stage: `dim` features, fitted on `photos` training photos."""

    layer: str
    dim: int
    photos: int
    accuracy: float
    # Wilson's interval.
    ci95: list[float]


class RunDataset(TypedDict):
    """The photos of a run. `split` counts photos by split, `limit` is the most photos that were read; `split_key` is a
    hash of a split that the data came with, "" where the split was drawn."""

    name: str
    fingerprint: str
    images: int
    split: NotRequired[dict[str, int]]
    split_key: NotRequired[str]
    seed: NotRequired[int]
    limit: NotRequired[int | None]


class Untrained(TypedDict):
    """The classes with test photos and without a training photo, and the number of these test photos."""

    classes: list[str]
    photos: int


class RunRecord(TypedDict):
    """The record of a finished run: `<artifacts>/runs/<id>.json`, and an item of the document of `runs`."""

    schema: NotRequired[int]
    id: str
    # Absent for ResNet18.
    network: NotRequired[str]
    regime: str
    preset: NotRequired[str]
    weights: str
    weights_about: NotRequired[str]
    weights_sha256: NotRequired[str]
    seed: int
    epochs: list[EpochRow]
    # The epoch whose network was tested, from 1: the highest validation accuracy, then the lowest loss.
    best_epoch: int
    val_accuracy: NotRequired[float]
    # None where no class of the test photos has a training photo.
    test_accuracy: float | None
    test_ci95: NotRequired[list[float] | None]
    untrained: NotRequired[Untrained]
    test_loss: NotRequired[float]
    classes: NotRequired[list[str]]
    # Counts of test photos: a row per true class, a column per predicted class, in the order of `classes`.
    confusion: NotRequired[list[list[int]]]
    predictions: NotRequired[list[Prediction]]
    parameters: NotRequired[ParameterCounts]
    probe: NotRequired[list[ProbeRow]]
    dataset: RunDataset
    # Every field of the recipe, with `resize` and `crop_test` of the evaluation transform.
    config: NotRequired[dict[str, Any]]
    # Versions of libraries, device, precision, threads, processes.
    environment: NotRequired[dict[str, str | int]]
    # ISO 8601, in UTC.
    finished: NotRequired[str]
    seconds: NotRequired[float]
    cpu_seconds: NotRequired[float]
    # Not in the file: whether the record came with Petalscope.
    recorded: NotRequired[bool]


class RunsDocument(TypedDict):
    """The document of the commands `train` and `runs`."""

    runs: list[RunRecord]


class StatusDocument(TypedDict):
    """The live status file, `<artifacts>/runs/live.state`; `lib.learn.live_status.Status` explains the fields."""

    running: bool
    pid: int
    queue: list[str]
    place: int
    regime: str
    seed: int
    run_id: str
    epoch: int
    epochs: int
    stage: str
    done: int
    total: int | None
    images_per_s: float | None
    seconds_left: float | None
    curve: list[EpochRow]
    message: str
    remedy: str
    command: str
    warning: str
    started: float
    updated: float


class NormalisedEpoch(TypedDict):
    """An epoch as `lib.learn.normalise_record` reads it: a number that is missing or not finite is None."""

    epoch: int
    train_loss: float | None
    train_accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    seconds: float | None
    lr: float | None
    images: float | None


class NormalisedPrediction(TypedDict):
    """A prediction whose confidence may be unknown."""

    id: str
    label: str
    predicted: str
    confidence: float | None


class NormalisedParameters(TypedDict):
    """Parameter counts, None where unknown."""

    total: int | None
    trainable: int | None
    frozen_tensors: int | None


class NormalisedProbe(TypedDict):
    """A probe whose features and interval may be unknown."""

    layer: str
    dim: int | None
    photos: int
    accuracy: float
    ci95: tuple[float, float] | None


class NormalisedDataset(TypedDict):
    """The photos of a run; `split` has `train`, `val` and `test`, None where unknown."""

    name: str
    fingerprint: str
    images: int | None
    split: dict[str, int | None]
    limit: Any


class NormalisedRun(TypedDict):
    """A record with every key present and of the right type; what the record lacks is None or empty.

    `tested` counts the test photos, and `record` is the record as it was read.
    """

    id: str
    network: str
    regime: str
    preset: str
    weights: str
    weights_about: str
    seed: int | None
    epochs: list[NormalisedEpoch]
    best_epoch: int | None
    val_accuracy: float | None
    test_accuracy: float | None
    test_ci95: tuple[float, float] | None
    tested: int | None
    untrained: Untrained
    classes: list[str]
    confusion: list[list[int]]
    predictions: list[NormalisedPrediction]
    parameters: NormalisedParameters
    probe: list[NormalisedProbe]
    dataset: NormalisedDataset
    config: dict[str, Any]
    environment: dict[str, Any]
    finished: str
    seconds: float | None
    cpu_seconds: float | None
    recorded: bool
    record: Mapping[str, Any]


class ResultRow(TypedDict):
    """Final results of one configuration over its seeds, as `lib.learn.results.table` computes them.

    `accuracy` is the mean over seeds, `band` the minimum and maximum over them and `sd` their standard deviation (None
    with one seed). `ci95` is Wilson's interval of a single run of that accuracy. `seconds` (wall) and `cpu_seconds`
    (processor) are means per run; `per_million` and `per_minute` are accuracy per million trainable parameters and per
    minute of processor time (of wall time where that is unknown).
    """

    regime: str
    title: str
    preset: str
    weights: str
    dataset: str
    fingerprint: str
    runs: list[str]
    seeds: list[int | None]
    accuracy: float | None
    accuracies: list[float]
    band: tuple[float, float] | None
    sd: float | None
    ci95: tuple[float, float] | None
    tested: int | None
    published: float | None
    difference: float | None
    trainable: int | None
    seconds: float | None
    cpu_seconds: float | None
    per_million: float | None
    per_minute: float | None


class SettingDifference(TypedDict):
    """A setting with different values in two runs; None where a record lacks it."""

    setting: str
    a: Any
    b: Any


class ProbeMean(TypedDict):
    """Accuracy of a linear probe, averaged over `runs` runs."""

    regime: str
    title: str
    photos: int
    layer: str
    accuracy: float
    runs: int
