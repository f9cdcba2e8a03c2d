"""lib.learn.run_all: whole runs on drawn pictures: what they record, and what becomes of one that is stopped."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lib.data.catalog import Catalog
from lib.errors import ArtifactError, DataError, QueryError, TrainingError
from lib.learn import backbone, checkpoints, live_status, loop, photo_dataset, plan, regimes, run_all, runs
from lib.learn.plan import PlannedRun
from lib.learn.preprocess import Preprocess
from lib.learn.recipes import Recipe
from lib.settings import PROJECT, Settings
from lib.statistics import wilson
from tests.helpers import image_files as drawn
from tests.helpers import quick_trainings

pytestmark = pytest.mark.slow

TRAINABLE = {"scratch": 11_179_077, "transfer": 2_565, "finetune": 4_855_813, "init": 11_179_077}
FROZEN = {"scratch": 0, "transfer": 60, "finetune": 50, "init": 0}


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with quick_trainings.one_thread():
        yield


@pytest.fixture(scope="module")
def catalog(pictures: Path) -> Catalog:
    return quick_trainings.catalog(pictures)


@dataclass(frozen=True)
class Trained:
    """Runs that were trained once for all tests of this file, read only, and their records by (regime, seed)."""

    settings: Settings
    planned: dict[tuple[str, int], PlannedRun]
    records: dict[tuple[str, int], dict[str, Any]]
    stages: list[str]


@pytest.fixture(scope="module")
def trained(
    pictures: Path, catalog: Catalog, quick_weights: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Trained]:
    settings = quick_trainings.settings(pictures, tmp_path_factory.mktemp("trained"), quick_weights)
    planned = quick_trainings.plan(catalog, quick_weights, ["scratch"], ema=0.0)
    planned += quick_trainings.plan(catalog, quick_weights, ["transfer", "finetune", "init"])
    planned += quick_trainings.plan(catalog, quick_weights, ["transfer"], [1], probe=True)
    stages: list[str] = []
    with quick_trainings.one_thread():
        records = run_all.train(settings, planned, on_progress=lambda stage, done, total: stages.append(stage))
    keys = [(run.regime, run.seed) for run in planned]
    yield Trained(
        settings,
        dict(zip(keys, planned, strict=True)),
        dict(zip(keys, records, strict=True)),
        list(dict.fromkeys(stages)),
    )


@pytest.fixture
def settings(pictures: Path, quick_weights: str, tmp_path: Path) -> Settings:
    """Where nothing was trained yet."""
    return quick_trainings.settings(pictures, tmp_path / "artifacts", quick_weights)


ALL = [("scratch", 0), ("transfer", 0), ("finetune", 0), ("init", 0), ("transfer", 1)]


# --- What is planned -------------------------------------------------------------------------------------------------


def test_every_regime_is_planned_under_each_seed(catalog: Catalog, quick_weights: str) -> None:
    made = quick_trainings.plan(catalog, quick_weights, ["init", "scratch"], [3, 1])
    assert [run.title for run in made] == ["init, seed 3", "scratch, seed 3", "init, seed 1", "scratch, seed 1"]
    assert [run.weights.name for run in made] == ["quick.safetensors", "random"] * 2
    assert {run.weights.preprocess.input_size for run in made} == {32}  # from scratch at the others' size
    assert len({run.id for run in made}) == 4
    assert made[0].id.startswith("init-quick-s3-")


def test_an_id_changes_with_whatever_changes_the_result(catalog: Catalog, quick_weights: str) -> None:
    def planned(**changed: Any) -> PlannedRun:
        return quick_trainings.plan(catalog, quick_weights, ["init"], **changed)[0]

    plain = planned()
    photos = replace(catalog, fingerprint="other")
    others = [planned(**{field.name: 5}) for field in fields(Recipe) if field.name not in {"image_size", "probe"}]
    others += [
        planned(image_size=48),
        planned(seeds=[1]),
        quick_trainings.plan(photos, quick_weights, ["init"])[0],
        quick_trainings.plan(catalog.reseeded(1), quick_weights, ["init"])[0],
        quick_trainings.plan(catalog, str(backbone.BUNDLED), ["init"])[0],
        quick_trainings.plan(catalog, quick_weights, ["finetune"])[0],
    ]
    assert len({plain.id, *(run.id for run in others)}) == 1 + len(others)
    assert planned().id == plain.id


@pytest.mark.parametrize(
    ("before", "side", "after"),
    [
        (Preprocess((256,), 224), 112, Preprocess((128,), 112)),
        (Preprocess((128, 128), None), 64, Preprocess((64, 64), None)),
        (Preprocess((256,), 224), None, Preprocess((256,), 224)),
        (Preprocess((256,), 224), 224, Preprocess((256,), 224)),
    ],
)
def test_another_input_size_keeps_the_margin(before: Preprocess, side: int | None, after: Preprocess) -> None:
    assert plan.resized(before, side) == after


def test_unknown_names_are_refused(catalog: Catalog, quick_weights: str) -> None:
    with pytest.raises(QueryError, match="no regime called 'none'"):
        quick_trainings.plan(catalog, quick_weights, ["init", "none"])


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ({"rose": 3, "tulip": 3}, "too few to train on .* use more photos or another --seed"),
        ({"rose": 40}, "only one class to train on, and a classifier needs two; add classes or photos"),
    ],
)
def test_what_cannot_be_trained_on_is_said(tmp_path: Path, quick_weights: str, counts: Any, says: str) -> None:
    photos = quick_trainings.catalog(drawn.folder(tmp_path, **counts), seed=0)
    with pytest.raises(TrainingError, match=says) as caught:
        quick_trainings.plan(photos, quick_weights, ["init"])
    assert "\n" not in str(caught.value)


# --- What is recorded ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ALL)
def test_a_record_holds_what_the_contract_says(trained: Trained, catalog: Catalog, which: tuple[str, int]) -> None:
    run, record = trained.planned[which], trained.records[which]
    regime, seed = which
    identity = {
        name: record[name] for name in ("id", "regime", "preset", "weights", "weights_sha256", "seed", "classes")
    }
    assert identity == {
        "id": run.id,
        "regime": regime,
        "preset": "quick",
        "weights": "random" if regime == "scratch" else "quick.safetensors",
        "weights_sha256": run.weights.sha256,
        "seed": seed,
        "classes": sorted(catalog.classes),
    }
    assert [row["epoch"] for row in record["epochs"]] == [1, 2]
    for row in record["epochs"]:
        assert {"train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds", "lr", "images"} <= set(row)
        assert all(0 <= row[name] <= 1 for name in ("train_accuracy", "val_accuracy"))
        assert row["images"] == 51
        assert row["seconds"] > 0
    accuracies = [(row["val_accuracy"], -row["val_loss"]) for row in record["epochs"]]
    assert record["best_epoch"] == 1 + accuracies.index(max(accuracies))
    assert record["val_accuracy"] == max(row["val_accuracy"] for row in record["epochs"])
    assert record["parameters"] == {
        "total": 11_179_077,
        "trainable": TRAINABLE[regime],
        "frozen_tensors": FROZEN[regime],
    }
    assert record["dataset"] == {
        "name": "drawn",
        "fingerprint": catalog.fingerprint,
        "images": 61,
        "split": {"train": 51, "val": 3, "test": 7},
        "seed": quick_trainings.SPLIT,
        "limit": None,
    }
    config = {**run.recipe.as_dict(), "resize": [32, 32], "crop_test": None}
    assert {name: record["config"][name] for name in config} == config
    assert set(record["config"]) > {field.name for field in fields(Recipe)}
    assert record["environment"]["processes"] == record["environment"]["threads"] == 1
    assert {"python", "torch", "torchvision", "petalscope", "device", "precision", "platform"} < set(
        record["environment"]
    )
    assert record["finished"].startswith("20")
    assert record["seconds"] >= sum(row["seconds"] for row in record["epochs"])


@pytest.mark.parametrize("which", ALL)
def test_what_was_said_of_the_test_photos_adds_up(trained: Trained, catalog: Catalog, which: tuple[str, int]) -> None:
    record = trained.records[which]
    test = catalog.frame[catalog.frame["split"] == "test"]
    predictions = record["predictions"]
    assert [row["id"] for row in predictions] == sorted(test["id"])
    assert [row["label"] for row in predictions] == list(test["label"])
    assert all(1 / 5 < row["confidence"] <= 1 for row in predictions)
    right = sum(row["label"] == row["predicted"] for row in predictions)
    assert record["test_accuracy"] == right / 7
    assert record["test_ci95"] == list(wilson(right, 7))
    confusion = np.array(record["confusion"])
    assert (confusion.shape, confusion.sum(), confusion.trace()) == ((5, 5), 7, right)
    for row in predictions:
        confusion[record["classes"].index(row["label"]), record["classes"].index(row["predicted"])] -= 1
    assert not confusion.any()
    assert math.isfinite(record["test_loss"])


@pytest.mark.parametrize("which", ALL)
def test_a_record_is_kept_as_json_and_listed(trained: Trained, which: tuple[str, int]) -> None:
    record = trained.records[which]
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record in runs.load(trained.settings)
    assert not checkpoints.checkpoint_file(trained.settings, record["id"]).exists()


def test_a_probe_of_every_stage_is_part_of_a_record_that_asks_for_it(trained: Trained) -> None:
    assert trained.records["transfer", 0]["probe"] == []
    found = trained.records["transfer", 1]["probe"]
    dims = {"layer1": 64, "layer2": 128, "layer3": 256, "layer4": 512}
    assert {row["layer"]: row["dim"] for row in found} == dims
    assert all(row["ci95"][0] <= row["accuracy"] <= row["ci95"][1] for row in found)


@pytest.mark.parametrize("which", ALL)
def test_the_network_kept_is_the_best_one_and_the_one_that_was_tested(trained: Trained, which: tuple[str, int]) -> None:
    import torch

    run, record = trained.planned[which], trained.records[which]
    best = record["epochs"][record["best_epoch"] - 1]
    for split, loss in (("val", best["val_loss"]), ("test", record["test_loss"])):
        scores = scored(trained.settings, run, split)
        assert scores.loss == pytest.approx(loss, rel=1e-3)
    confidences = [row["confidence"] for row in record["predictions"]]
    np.testing.assert_allclose(scores.probabilities.max(1), confidences, atol=1e-4)
    if which[0] != "scratch":
        state = kept_network(trained.settings, run).state_dict()
        start = backbone.resnet18(run.weights, 5).state_dict()
        moved = {name for name, value in start.items() if not torch.equal(value, state[name])}
        fixed = {tensor.name for tensor in regimes.tensors(5)[: FROZEN[which[0]]]}
        assert not moved & fixed
        assert "fc.weight" in moved


def kept_network(settings: Settings, run: PlannedRun) -> Any:
    from safetensors.torch import load_file

    network: Any = backbone.resnet18(run.weights, len(run.classes))
    network.load_state_dict(load_file(checkpoints.weights_file(settings, run.id)))
    return network


def scored(settings: Settings, run: PlannedRun, split: str) -> loop.EvaluationResult:
    import torch

    photos = photo_dataset.split_photos(run.catalog, split)
    inputs = photo_dataset.EvaluationPhotos(photos, run.weights.preprocess)
    return loop.evaluate(kept_network(settings, run), inputs, photos.labels, torch.device("cpu"))


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_transfer_from_random_weights_tests_the_network_whose_features_it_took(
    catalog: Catalog, settings: Settings, seeds: list[int]
) -> None:
    planned = plan.plan(
        catalog,
        backbone.random(),
        names=["transfer"],
        preset="quick",
        seeds=seeds,
        epochs=2,
        image_size=32,
        probe=False,
    )
    record = run_all.train(settings, planned)[-1]
    best = record["epochs"][record["best_epoch"] - 1]
    assert scored(settings, planned[-1], "val").loss == pytest.approx(best["val_loss"], rel=1e-3)


def test_every_stage_of_every_run_is_told(trained: Trained) -> None:
    for regime in ("scratch", "finetune", "init"):
        stages = [stage.partition(", seed 0, ")[2] for stage in trained.stages if stage.startswith(f"{regime}, ")]
        assert stages == ["read photos", "embeddings before training", "epoch 1", "epoch 2", "test"]
    stages = [stage.partition(", seed 0, ")[2] for stage in trained.stages if stage.startswith("transfer, seed 0")]
    assert stages[-3:] == ["epoch 1", "epoch 2", "test"]
    assert stages[0].startswith("features")


def test_frozen_features_are_taken_once_and_again_when_they_are_lost(
    trained: Trained, settings: Settings, catalog: Catalog
) -> None:
    def train() -> tuple[dict[str, Any], bool]:
        stages: list[str] = []
        run = trained.planned["transfer", 0]
        record = run_all.train(settings, [run], on_progress=lambda stage, done, total: stages.append(stage))[0]
        return quick_trainings.lasting(record), any("features" in stage for stage in stages)

    first, taken = train()
    assert taken
    assert train() == (first, False)
    kept = list((checkpoints.folder(settings) / "features").iterdir())
    assert len(kept) == 1
    kept[0].write_bytes(kept[0].read_bytes()[:1000])
    assert train() == (first, True)


class Watched(Catalog):
    """A catalog that notes the split of every photo opened."""

    events: list[str]

    def open(self, row: int) -> Image.Image:
        self.events.append(str(self.frame["split"].iloc[row]))
        return super().open(row)


@pytest.mark.parametrize("regime", ["finetune", "transfer"])
def test_test_photos_are_looked_at_once_and_last(
    catalog: Catalog, settings: Settings, quick_weights: str, regime: str
) -> None:
    watched = Watched(**{field.name: getattr(catalog, field.name) for field in fields(Catalog)})
    object.__setattr__(watched, "events", [])
    planned = quick_trainings.plan(watched, quick_weights, [regime], epochs=1)

    def on_progress(stage: str, done: int, total: int | None) -> None:
        watched.events.append(stage.rpartition(", ")[2])

    run_all.train(settings, planned, on_progress=on_progress)
    events = watched.events
    assert events.count("test") == 7 + events[-1:].count("test")  # the photos, and the stage of that name
    first = events.index("test")
    assert first > max(place for place, event in enumerate(events) if event == "epoch 1")
    assert "val" not in events[first:]
    assert {"train", "val"} <= set(events[:first])


def test_a_scratch_network_may_start_with_silent_blocks(
    catalog: Catalog, settings: Settings, quick_weights: str
) -> None:
    run = quick_trainings.plan(catalog, quick_weights, ["scratch"], epochs=1, lr=0.0, ema=0.0, zero_init_residual=True)[
        0
    ]
    run_all.train(settings, [run])
    norms = {name: one for name, one in kept_network(settings, run).named_parameters() if one.ndim == 1}
    silent = [name for name, one in norms.items() if name.endswith(".weight") and not one.any()]
    assert silent == [f"layer{stage}.{block}.bn2.weight" for stage in (1, 2, 3, 4) for block in (0, 1)]


# --- Seeds, stopping, going on ---------------------------------------------------------------------------------------


def test_a_seed_makes_a_run_and_another_one_another(trained: Trained, settings: Settings) -> None:
    again = run_all.train(settings, [trained.planned["finetune", 0]])[0]
    assert quick_trainings.lasting(again) == quick_trainings.lasting(trained.records["finetune", 0])
    assert weights_of(settings, again) == weights_of(trained.settings, again)
    one, other = trained.records["transfer", 0], trained.records["transfer", 1]
    assert [row["train_loss"] for row in one["epochs"]] != [row["train_loss"] for row in other["epochs"]]


def weights_of(settings: Settings, record: dict[str, Any]) -> bytes:
    return checkpoints.weights_file(settings, record["id"]).read_bytes()


def stopping(stage: str, done: int = 1) -> Callable[[str, int, int | None], None]:
    """A progress callback that interrupts when `done` photos of `stage` are processed."""

    def interrupt(current: str, processed: int, total: int | None) -> None:
        if current.endswith(stage) and processed >= done:
            raise KeyboardInterrupt

    return interrupt


@pytest.mark.parametrize(
    ("regime", "stage", "done", "epochs"),
    [
        ("transfer", "epoch 1", 20, 0),
        ("init", "epoch 2", 20, 1),
        ("finetune", "test", 1, 2),
        ("transfer", "epoch 2", 51, 1),
    ],
)
def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(
    trained: Trained, settings: Settings, regime: str, stage: str, done: int, epochs: int
) -> None:
    run, whole = trained.planned[regime, 0], trained.records[regime, 0]
    with pytest.raises(KeyboardInterrupt) as stopped:
        run_all.train(settings, [run], on_progress=stopping(stage, done))
    sentence = run_all.stopped(f"{regime}, seed 0", epochs, 2)
    assert str(stopped.value) == str(sentence)
    found = live_status.status(settings)
    assert found is not None
    assert (found.running, str(found.notice), found.epoch) == (False, str(sentence), epochs)
    assert runs.load(settings, settings.artifacts / "none") == []
    messages: list[str] = []
    stages: list[str] = []
    record = run_all.train(
        settings, [run], resume=True, on_progress=lambda stage, done, total: stages.append(stage), log=messages.append
    )[0]
    assert messages == ([run_all.resumed(epochs)] if epochs else [])
    assert {stage for stage in stages if "epoch" in stage} == {f"{run.title}, epoch {n}" for n in range(epochs + 1, 3)}
    assert quick_trainings.lasting(record) == quick_trainings.lasting(whole)
    assert weights_of(settings, record) == weights_of(trained.settings, whole)
    assert not checkpoints.checkpoint_file(settings, run.id).exists()


def test_a_finished_run_is_taken_as_it_is_unless_asked_anew(trained: Trained, settings: Settings) -> None:
    run = trained.planned["transfer", 0]
    first = run_all.train(settings, [run])[0]
    stages: list[str] = []
    messages: list[str] = []

    def again(resume: bool) -> dict[str, Any]:
        return run_all.train(
            settings,
            [run],
            resume=resume,
            on_progress=lambda stage, done, total: stages.append(stage),
            log=messages.append,
        )[0]

    assert again(True) == first
    assert (stages, messages) == ([], [run_all.already_finished("transfer, seed 0")])
    anew = again(False)
    assert f"{run.title}, epoch 1" in stages
    assert quick_trainings.lasting(anew) == quick_trainings.lasting(first)
    # A record without its network is not done.
    checkpoints.weights_file(settings, run.id).unlink()
    stages.clear()
    again(True)
    assert f"{run.title}, epoch 1" in stages


def test_a_damaged_checkpoint_is_said_and_training_starts_anew(trained: Trained, settings: Settings) -> None:
    run = trained.planned["transfer", 0]
    path = checkpoints.checkpoint_file(settings, run.id)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half of one")
    messages: list[str] = []
    record = run_all.train(settings, [run], resume=True, log=messages.append)[0]
    assert messages == [run_all.damaged_checkpoint(path)]
    assert quick_trainings.lasting(record) == quick_trainings.lasting(trained.records["transfer", 0])


def test_without_resume_a_checkpoint_is_left_aside(trained: Trained, settings: Settings) -> None:
    run = trained.planned["transfer", 0]
    with pytest.raises(KeyboardInterrupt):
        run_all.train(settings, [run], on_progress=stopping("epoch 2"))
    stages: list[str] = []
    run_all.train(settings, [run], on_progress=lambda stage, done, total: stages.append(stage))
    assert f"{run.title}, epoch 1" in stages


# --- What goes wrong -------------------------------------------------------------------------------------------------


def test_a_recipe_that_diverges_ends_with_a_sentence(catalog: Catalog, settings: Settings, quick_weights: str) -> None:
    planned = quick_trainings.plan(catalog, quick_weights, ["transfer", "init"], ema=0.0)
    wild = replace(planned[1], recipe=replace(planned[1].recipe, lr=1e30))
    with pytest.raises(TrainingError, match=r"loss became (nan|inf) in epoch 1\. Finished epochs are kept") as caught:
        run_all.train(settings, [planned[0], wild])
    assert "\n" not in str(caught.value)
    assert [run["id"] for run in runs.load(settings, settings.artifacts / "none")] == [planned[0].id]
    assert not checkpoints.weights_file(settings, wild.id).exists()
    found = live_status.status(settings)
    assert found is not None
    assert (found.running, str(found.notice)) == (False, str(caught.value))


def test_a_test_photo_that_broke_costs_nothing_that_was_trained(
    pictures: Path, settings: Settings, quick_weights: str, tmp_path: Path
) -> None:
    root = tmp_path / "photos"
    shutil.copytree(pictures, root)
    photos = quick_trainings.catalog(root)
    run = quick_trainings.plan(photos, quick_weights, ["finetune"], epochs=1)[0]
    broken = photos.path(photo_dataset.split_photos(photos, "test").ids[3])
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=f"^{broken.relative_to(root).as_posix()} "):
        run_all.train(settings, [run])
    kept = checkpoints.load(checkpoints.checkpoint_file(settings, run.id))
    assert kept is not None
    assert len(kept["epochs"]) == 1
    assert not checkpoints.record_file(settings, run.id).exists()
    broken.write_bytes(whole)
    stages: list[str] = []
    record = run_all.train(settings, [run], resume=True, on_progress=lambda stage, done, total: stages.append(stage))[0]
    assert not any("epoch" in stage for stage in stages)
    assert record["epochs"] == kept["epochs"]


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_photo_that_broke_ends_the_run_with_its_name(
    pictures: Path, settings: Settings, quick_weights: str, tmp_path: Path, split: str
) -> None:
    root = tmp_path / "photos"
    shutil.copytree(pictures, root)
    photos = quick_trainings.catalog(root)
    name = photo_dataset.split_photos(photos, split).ids[1]
    photos.path(name).unlink()
    with pytest.raises(DataError, match=f"^{name} .*run the command again") as caught:
        run_all.train(settings, quick_trainings.plan(photos, quick_weights, ["transfer"]))
    assert "\n" not in str(caught.value)


FULL_DISK = """
import subprocess, sys
from pathlib import Path
import torch
from lib.errors import ArtifactError
from lib.learn import checkpoints, run_all
from tests.helpers import quick_trainings
disk, pictures, weights = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)
settings = quick_trainings.settings(pictures, disk, weights)
run = quick_trainings.plan(quick_trainings.catalog(pictures), weights, ["transfer"])[0]

def fill(stage, done, total):
    if stage.endswith("epoch 2") and not (disk / "much").exists():
        try:
            (disk / "much").write_bytes(bytes(2_000_000))
        except OSError:
            pass

def attempt(**how):
    try:
        run_all.train(settings, [run], resume=True, **how)
        print("done")
    except ArtifactError as error:
        print(error)
    kept = checkpoints.load(checkpoints.checkpoint_file(settings, run.id))
    print(len(kept["epochs"]) if kept else None, checkpoints.record_file(settings, run.id).exists())

attempt(on_progress=fill)  # too full for a checkpoint
(disk / "much").unlink()
attempt()  # too small for the network
subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
attempt()
print(sorted(path.name for path in disk.rglob(".tmp-*")))
"""


def test_a_full_disk_ends_a_run_that_can_go_on(pictures: Path, quick_weights: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"', str(disk)]
    try:
        subprocess.run([*mount, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small disk can be mounted here")
    code = [sys.executable, "-c", FULL_DISK, str(disk), str(pictures), quick_weights]
    done = subprocess.run([*mount, *code], capture_output=True, text=True, check=False, cwd=PROJECT)
    assert done.stderr == ""
    full = "The disk that holds {} is full; free some space, then run the command again."
    assert done.stdout.splitlines() == [
        full.format(disk / "runs" / "unfinished"),
        "1 False",
        full.format(disk / "runs" / "weights"),
        "2 False",
        "done",
        "None True",
        "[]",
    ]


def test_artifacts_that_cannot_be_written_are_named(trained: Trained, settings: Settings) -> None:
    settings.artifacts.write_bytes(b"a file where the folder should be")
    with pytest.raises(ArtifactError, match=r"Cannot write to .* name another folder with --artifacts"):
        run_all.train(settings, [trained.planned["transfer", 0]])
