"""lib.learn.distributed: two processes on this machine's CPU, started by `torchrun` as many machines would be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.data.catalog import Catalog
from lib.learn import backbone, checkpoints, distributed, live_status, loop, photo_dataset, plan, run_all, runs
from lib.settings import PROJECT, Settings
from tests.helpers import quick_trainings

pytestmark = pytest.mark.slow

EVALUATION = """
import sys
from pathlib import Path
import numpy as np, torch
from lib.learn import distributed, loop
torch.set_num_threads(1)
with distributed.group():
    pixels = torch.from_numpy(np.load(sys.argv[1]))
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 5))
    rank = distributed.rank()
    for count in (1, 2, 75):
        labels = np.arange(count) % 5
        opened = []
        def inputs(places):
            opened.extend(places.tolist())
            return pixels[places]
        scores = loop.evaluate(network, inputs, labels, distributed.device())
        np.savez(Path(sys.argv[2]) / f"{rank}-{count}.npz", p=scores.probabilities, l=scores.losses, opened=opened)
    assert distributed.size() == 2
    assert distributed.all_gather(rank) == [0, 1]
    assert distributed.broadcast(f"rank {rank}") == "rank 0"
assert distributed.size() == 1
"""


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with quick_trainings.one_thread():
        yield


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PETALSCOPE_OFFLINE": "1", "PYTHONPATH": str(PROJECT)}
    return subprocess.run(
        [*launcher, *arguments], cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_alone_there_is_one_process() -> None:
    assert (distributed.size(), distributed.rank()) == (1, 0)
    with distributed.group():
        assert distributed.size() == 1
    assert distributed.all_gather("mine") == ["mine"]
    assert distributed.broadcast("mine") == "mine"
    assert str(distributed.device()).startswith(("cpu", "cuda"))


def test_a_shared_evaluation_equals_that_of_one_process(tmp_path: Path) -> None:
    import torch

    pixels = np.random.default_rng(0).normal(size=(75, 3, 4, 4)).astype(np.float32)
    np.save(tmp_path / "pixels.npy", pixels)
    (tmp_path / "evaluation.py").write_text(EVALUATION, encoding="utf-8")
    done = torchrun(str(tmp_path / "evaluation.py"), str(tmp_path / "pixels.npy"), str(tmp_path))
    assert done.returncode == 0, done.stderr
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 5))
    for count in (1, 2, 75):
        labels = np.arange(count) % 5
        alone = loop.evaluate(network, lambda places: torch.from_numpy(pixels[places]), labels, distributed.device())
        shares = []
        for rank in (0, 1):
            with np.load(tmp_path / f"{rank}-{count}.npz") as shared:
                np.testing.assert_allclose(shared["p"], alone.probabilities, atol=1e-6)
                np.testing.assert_allclose(shared["l"], alone.losses, atol=1e-5)
                assert np.array_equal(shared["p"].argmax(1), alone.probabilities.argmax(1))
                shares.append(shared["opened"].tolist())
        assert sorted(shares[0] + shares[1]) == list(range(count))
        assert abs(len(shares[0]) - len(shares[1])) <= 1


@dataclass(frozen=True)
class Together:
    """What two processes made of `init` in one epoch."""

    settings: Settings
    out: str
    err: str
    record: dict[str, Any]


@pytest.fixture(scope="module")
def together(pictures: Path, quick_weights: str, tmp_path_factory: pytest.TempPathFactory) -> Together:
    settings = quick_trainings.settings(pictures, tmp_path_factory.mktemp("together") / "artifacts", quick_weights)
    words = ["--regime", "init", "--preset", "quick", "--epochs", "1", "--image-size", "32", "--batch-size", "16"]
    words += ["--data", str(pictures), "--artifacts", str(settings.artifacts), "--weights", quick_weights]
    done = torchrun("-m", "lib", "train", "--json", "--seed", str(quick_trainings.SPLIT), *words)
    assert done.returncode == 0, done.stderr
    return Together(settings, done.stdout, done.stderr, json.loads(done.stdout)["runs"][0])


def test_two_processes_answer_once(together: Together) -> None:
    assert together.out.count("\n") == 1
    assert "Traceback" not in together.err
    record = together.record
    assert record["environment"]["processes"] == 2
    assert [row["epoch"] for row in record["epochs"]] == [1]
    assert record["epochs"][0]["images"] == 48  # a last step of 3 is too few for two norms
    status = live_status.status(together.settings)
    assert status is not None
    assert (status.running, status.epoch) == (False, 1)


def test_two_processes_test_every_photo_once(together: Together, pictures: Path) -> None:
    catalog = quick_trainings.catalog(pictures)
    predictions = together.record["predictions"]
    assert [row["id"] for row in predictions] == list(catalog.frame["id"][catalog.frame["split"] == "test"])
    assert runs.load(together.settings, together.settings.artifacts / "none") == [together.record]


def test_two_processes_record_the_network_that_they_keep(together: Together, pictures: Path) -> None:
    catalog = quick_trainings.catalog(pictures)
    for split, loss in (("val", together.record["epochs"][0]["val_loss"]), ("test", together.record["test_loss"])):
        scores, labels = scored(together, catalog, split)
        assert scores.loss == pytest.approx(loss, rel=1e-4)
    assert scores.accuracy(labels) == together.record["test_accuracy"]


def scored(together: Together, catalog: Catalog, split: str) -> tuple[loop.EvaluationResult, np.ndarray]:
    from safetensors.torch import load_file

    path = checkpoints.weights_file(together.settings, together.record["id"])
    weights = backbone.from_file(path)
    network: Any = backbone.resnet18(weights, 5)
    network.load_state_dict(load_file(path))
    photos = photo_dataset.split_photos(catalog, split)
    inputs = photo_dataset.EvaluationPhotos(photos, weights.preprocess)
    return loop.evaluate(network, inputs, photos.labels, distributed.device()), photos.labels


def test_two_processes_make_the_steps_of_one(together: Together, pictures: Path, tmp_path: Path) -> None:
    """The loss of the epoch is that of one process: same photos, same pictures, and nearly the same norms."""
    catalog = quick_trainings.catalog(pictures)
    planned = plan.plan(
        catalog,
        backbone.from_file(Path(str(together.settings.weights))),
        names=["init"],
        preset="quick",
        seeds=[0],
        epochs=1,
        image_size=32,
        batch_size=16,
        micro_batch=8,
    )
    alone = run_all.train(quick_trainings.settings(pictures, tmp_path, str(together.settings.weights)), planned)[0]
    assert alone["epochs"][0]["train_loss"] == pytest.approx(together.record["epochs"][0]["train_loss"], rel=0.15)
