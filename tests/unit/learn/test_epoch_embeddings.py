"""lib.learn.epoch_embeddings: the sample, what a run keeps of it, and that keeping it changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.data.catalog import Catalog
from lib.errors import ArtifactError
from lib.learn import backbone, checkpoints, epoch_embeddings, live_status, loop, photo_dataset, run_all
from lib.learn.plan import PlannedRun
from lib.settings import Settings
from tests.helpers import quick_trainings


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with quick_trainings.one_thread():
        yield


@pytest.fixture(scope="module")
def catalog(pictures: Path) -> Catalog:
    return quick_trainings.catalog(pictures)


@pytest.fixture
def settings(pictures: Path, quick_weights: str, tmp_path: Path) -> Settings:
    return quick_trainings.settings(pictures, tmp_path / "artifacts", quick_weights)


def planned(catalog: Catalog, weights: str, regime: str = "init") -> PlannedRun:
    return quick_trainings.plan(catalog, weights, [regime])[0]


# --- The sample ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [(90, 90, 90, 90, 90), (3, 200, 50), (1,), (2, 2)])
def test_the_sample_is_even_over_the_classes(counts: tuple[int, ...]) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    chosen = epoch_embeddings.sample(labels, most=100)
    assert len(set(chosen.tolist())) == len(chosen) == min(100, len(labels))
    assert chosen.tolist() == sorted(chosen.tolist()) == epoch_embeddings.sample(labels, most=100).tolist()
    taken = np.bincount(labels[chosen], minlength=len(counts))
    for label, count in enumerate(counts):  # as many as the largest class, but for one photo, or all there are
        assert taken[label] >= min(count, taken.max() - 1)


def test_another_seed_is_another_sample() -> None:
    labels = np.repeat([0, 1], 100)
    assert epoch_embeddings.sample(labels, 20).tolist() != epoch_embeddings.sample(labels, 20, seed=1).tolist()


# --- What is kept ----------------------------------------------------------------------------------------------------


def writer(settings: Settings, run: PlannedRun, said: list[Any]) -> epoch_embeddings.Writer:
    return epoch_embeddings.Writer(settings, run, said.append)


def some(run: epoch_embeddings.Writer, value: float) -> np.ndarray:
    return np.full((len(run.rows), backbone.FEATURES), value, dtype=np.float32)


def test_what_was_written_is_read_with_its_provenance(settings: Settings, catalog: Catalog, quick_weights: str) -> None:
    run = planned(catalog, quick_weights)
    assert epoch_embeddings.read(settings, run.id) is None
    assert epoch_embeddings.version(settings, run.id) == ""
    kept = writer(settings, run, [])
    kept.begin(0)
    for epoch in (0, 1):
        kept.write(epoch, some(kept, epoch))
    found = epoch_embeddings.read(settings, run.id)
    assert found is not None
    assert {epoch: values[0, 0] for epoch, values in found.features.items()} == {0: 0.0, 1: 1.0}
    photos = photo_dataset.split_photos(catalog, "val").subset(kept.rows)
    assert list(found.ids) == photos.ids
    assert list(found.labels) == [run.classes[label] for label in photos.labels]
    expected = {"run": run.id, "epoch": 1, "data": catalog.fingerprint, "split": "val", "layer": "avgpool"}
    assert expected.items() <= dict(found.facts).items()
    assert not found.frozen


def test_a_resumed_run_keeps_its_finished_epochs_and_a_new_one_none(
    settings: Settings, catalog: Catalog, quick_weights: str
) -> None:
    kept = writer(settings, planned(catalog, quick_weights), [])
    for epoch in range(4):
        kept.write(epoch, some(kept, epoch))
    kept.begin(2)
    assert list(epoch_embeddings.files(kept.folder)) == [0, 1, 2]
    kept.begin(0)
    assert list(epoch_embeddings.files(kept.folder)) == []


def test_damaged_and_foreign_files_are_left_out_and_named(
    settings: Settings, catalog: Catalog, quick_weights: str
) -> None:
    run = planned(catalog, quick_weights)
    kept = writer(settings, run, [])
    for epoch in range(4):
        kept.write(epoch, some(kept, epoch))
    paths = epoch_embeddings.files(kept.folder)
    paths[1].write_bytes(paths[1].read_bytes()[:500])
    shutil.copy(paths[3], paths[2])  # says that it is of epoch 3
    (kept.folder / ".tmp-0009.npz").write_bytes(b"half")
    found = epoch_embeddings.read(settings, run.id)
    assert found is not None
    assert (list(found.features), found.unreadable) == ([0, 3], (1, 2))


@pytest.mark.parametrize("name", ["..", "../..", "a/b", "", "."])
def test_a_run_id_is_no_path(settings: Settings, name: str) -> None:
    assert epoch_embeddings.read(settings, name) is None
    assert epoch_embeddings.version(settings, name) == ""


def test_a_full_disk_is_said_once_and_ends_nothing(
    settings: Settings, catalog: Catalog, quick_weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Any] = []
    kept = writer(settings, planned(catalog, quick_weights), said)

    def full(*arguments: Any) -> None:
        raise ArtifactError("The disk is full")

    monkeypatch.setattr(epoch_embeddings.artifacts, "write_arrays", full)
    for epoch in (1, 2):
        kept.write(epoch, some(kept, epoch))
    assert said == [epoch_embeddings.not_written(1, ArtifactError("The disk is full"))]


# --- In a training ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("regime", ["init", "transfer"])
def test_a_training_is_bit_for_bit_the_same_with_and_without(
    settings: Settings, catalog: Catalog, quick_weights: str, tmp_path: Path, regime: str
) -> None:
    run = planned(catalog, quick_weights, regime)
    other = replace(settings, artifacts=tmp_path / "without")
    with_them = run_all.train(settings, [run])[0]
    without = run_all.train(other, [run], embed_epochs=False)[0]
    assert quick_trainings.lasting(with_them) == quick_trainings.lasting(without)
    weights = [checkpoints.weights_file(where, run.id).read_bytes() for where in (settings, other)]
    assert weights[0] == weights[1]
    assert epoch_embeddings.read(other, run.id) is None
    found = epoch_embeddings.read(settings, run.id)
    assert found is not None
    assert (list(found.features), found.frozen) == (([0], True) if regime == "transfer" else ([0, 1, 2], False))
    # Those of the best epoch are what the network that was kept computes.
    from safetensors.torch import load_file

    network: Any = backbone.resnet18(run.weights, 5)
    if regime == "init":
        network.load_state_dict(load_file(checkpoints.weights_file(settings, run.id)))
    photos = photo_dataset.split_photos(catalog, "val")
    inputs = photo_dataset.EvaluationPhotos(photos, run.weights.preprocess)
    everything = np.arange(len(photos))
    result = loop.evaluate(network, inputs, photos.labels, photo_device(), features_of=everything)
    assert result.features is not None
    best = 0 if regime == "transfer" else with_them["best_epoch"]
    assert found.features[best] == pytest.approx(result.features, abs=1e-4)


def photo_device() -> Any:
    import torch

    return torch.device("cpu")


@pytest.mark.slow
def test_a_training_goes_on_without_its_embeddings_and_its_status_says_so(
    settings: Settings, catalog: Catalog, quick_weights: str
) -> None:
    run = planned(catalog, quick_weights, "transfer")
    place = epoch_embeddings.folder(settings, run.id)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"a file where the folder should be")
    said: list[str] = []
    run_all.train(settings, [run], log=lambda message: said.append(str(message)))
    status = live_status.status(settings)
    assert status is not None
    assert said == [status.warning]
    assert "embeddings of epoch 0 were not kept; training goes on" in status.warning
