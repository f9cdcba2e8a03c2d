"""`kill -9` in the middle of `train`, of a training that a page started, and of a map that a page has made."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lib.embed.projection import MapParameters
from lib.errors import WeightsError
from lib.learn import backbone, checkpoints, live_status, runs
from lib.prepare import pipeline, workspace
from lib.progress import Reporter
from lib.settings import Settings
from lib.view.embedding_map import map_jobs
from tests.helpers import quick_trainings
from tests.helpers.killed_work import KilledWork, killed_work
from tests.torture import killing, tally
from tests.torture.tally import Scale

pytestmark = [
    # tests/unit/commands/test_train.py kills once in `make test`.
    pytest.mark.skipif(tally.scale().short, reason="make torture"),
    # The page hands its process over to a thread that takes note of its end.
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]


@pytest.fixture(scope="module")
def worker() -> Iterator[KilledWork]:
    with killed_work() as work:
        yield work


def is_sound(settings: Settings, expected: dict[str, str]) -> None:
    """Every result is the finished one, or a checkpoint that can be taken up; a record has its whole network."""
    for name, content in killing.results(settings.artifacts).items():
        path = settings.artifacts / name
        if path.parent.name == "unfinished" and path.suffix == ".pt":
            assert checkpoints.load(path) is not None
        elif path.suffix == ".json" and path.parent.name == "weights":
            continue  # of a network that no record vouches for yet
        else:
            assert content == expected.get(name), name
    for run in runs.own(settings):
        weights = backbone.from_file(checkpoints.weights_file(settings, run["id"]))
        assert weights.preprocess.input_size == run["config"]["image_size"], "the card of the network is gone"


@pytest.mark.parametrize("regime", ["transfer", "finetune"])
def test_train(
    worker: KilledWork, pictures: Path, quick_weights: str, tmp_path: Path, regime: str, scale: Scale
) -> None:
    settings = quick_trainings.settings(pictures, tmp_path / "artifacts", quick_weights)
    task: dict[str, Any] = {"regime": regime, "resume": True}
    undisturbed = worker.run("train", settings, **task)
    expected = killing.results(settings.artifacts)
    for moment in killing.moments(undisturbed, "", scale.kills, regime):
        shutil.rmtree(settings.artifacts)
        killing.kill(worker, "train", settings, moment, **task)
        is_sound(settings, expected)
        worker.run("train", settings, **task)
        assert killing.results(settings.artifacts) == expected
    assert not killing.temporary(settings.artifacts / "runs" / "unfinished")


def test_training_again_over_a_finished_run(
    worker: KilledWork, pictures: Path, quick_weights: str, tmp_path: Path, scale: Scale
) -> None:
    """The old record must not vouch for a network of which only half is written."""
    settings = quick_trainings.settings(pictures, tmp_path / "artifacts", quick_weights)
    undisturbed = worker.run("train", settings, regime="transfer", resume=False)
    expected = killing.results(settings.artifacts)
    last = undisturbed["places"][-1]
    # Every step from the last photo on: a dozen.
    steps = undisturbed["places"].count(last)
    for step in range(max(1, steps - max(12, scale.kills)), steps + 1):
        killing.kill(worker, "train", settings, {"die_in": last, "die_at": step}, regime="transfer", resume=False)
        is_sound(settings, expected)
        photos = quick_trainings.catalog(pictures)
        try:
            assert runs.network(settings, "transfer", photos).preprocess.input_size == 32
        except WeightsError as error:
            assert "No network was trained" in str(error)
        worker.run("train", settings, regime="transfer", resume=True)
        assert killing.results(settings.artifacts) == expected, step


def wait(until: Callable[[], bool]) -> None:
    while not until():
        time.sleep(0.02)


def test_a_training_that_a_page_started(
    pictures: Path, quick_weights: str, tmp_path: Path, scale: Scale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PETALSCOPE_OFFLINE", "1")
    choices: dict[str, Any] = {"regimes": ["transfer"], "preset": "quick", "seeds": [0]}

    def begin(settings: Settings) -> int:
        assert live_status.start(settings, **choices)
        return live_status.status(settings).pid  # type: ignore[union-attr]

    def over(settings: Settings) -> bool:
        status = live_status.status(settings)
        return status is not None and not status.running

    whole = quick_trainings.settings(pictures, tmp_path / "whole", quick_weights)
    began = time.monotonic()
    begin(whole)
    wait(lambda: over(whole))
    took = time.monotonic() - began
    expected = killing.results(whole.artifacts)
    assert any(name.startswith("runs/transfer") for name in expected)
    settings = quick_trainings.settings(pictures, tmp_path / "artifacts", quick_weights)
    noise = random.Random(7)
    killed = 0
    while killed < scale.kills:
        shutil.rmtree(settings.artifacts, ignore_errors=True)
        pid = begin(settings)
        time.sleep(noise.uniform(0, took / 2))
        if pid and not over(settings):
            os.kill(pid, signal.SIGKILL)
            wait(lambda: over(settings))
            killed += 1
            tally.note("kills")
            last_status = live_status.status(settings)
            assert last_status is not None and last_status.message == live_status.EXITED_UNEXPECTEDLY
        is_sound(settings, expected)
    begin(settings)
    wait(lambda: over(settings))
    assert live_status.status(settings).message == ""  # type: ignore[union-attr]
    assert killing.results(settings.artifacts) == expected


def test_a_map_that_a_page_has_made(copied: Settings, scale: Scale, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process is killed: the page says so in a sentence, and the maps are as before; another try makes it."""
    monkeypatch.setenv("PETALSCOPE_OFFLINE", "1")
    parameters = MapParameters(n_neighbors=5)
    before = killing.results(copied.artifacts)
    began = time.monotonic()
    pipeline.make_map(copied, "resnet18", parameters, Reporter())
    took = time.monotonic() - began
    expected = killing.results(copied.artifacts)
    (name,) = expected.keys() - before.keys()
    (copied.artifacts / name).unlink()
    maker, noise, killed = map_jobs.MapJobs(), random.Random(8), 0
    while killed < scale.kills:
        assert maker.start(copied, "resnet18", parameters)
        making = maker.job
        assert making is not None
        assert not maker.start(replace(copied, seed=9), "pixels", parameters), "two maps at once"
        time.sleep(noise.uniform(0, took))
        making.process.kill()
        wait(lambda: not making.running)  # noqa: B023
        now = killing.results(copied.artifacts)
        assert now in (before, expected)
        if making.process.returncode == -signal.SIGKILL:
            killed += 1
            tally.note("kills")
            assert making.error == map_jobs.exit_error(-signal.SIGKILL)
        (copied.artifacts / name).unlink(missing_ok=True)
    assert maker.start(copied, "resnet18", parameters)
    wait(lambda: not maker.job.running)  # type: ignore[union-attr]
    assert maker.job is not None and maker.job.error == ""
    assert killing.results(copied.artifacts) == expected
    assert workspace.open_workspace(copied).other_map("resnet18", parameters) is not None
