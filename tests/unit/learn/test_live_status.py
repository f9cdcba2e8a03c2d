"""lib.learn.live_status: the status that every session sees of a training, started and stopped for real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from lib import artifacts
from lib.data import datasets
from lib.errors import ArtifactError, Notice, Remedy, TrainingError
from lib.learn import checkpoints, live_status
from lib.learn.recipes import Recipe
from lib.prepare import workspace
from lib.settings import PROJECT, Settings
from tests.helpers import quick_trainings

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(artifacts=tmp_path / "artifacts")


def seen(settings: Settings) -> live_status.Status:
    found = live_status.status(settings)
    assert found is not None
    return found


def wait_until(true: Callable[[], bool], seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "nothing happened"
        time.sleep(0.1)


# --- What is told ----------------------------------------------------------------------------------------------------


def test_there_is_nothing_to_see_before_the_first_training(settings: Settings) -> None:
    assert live_status.status(settings) is None
    assert live_status.stop(settings) is False
    assert not settings.artifacts.exists()  # looking makes nothing


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "[" * 100_000])
def test_a_damaged_file_shows_nothing(settings: Settings, text: str) -> None:
    path = checkpoints.folder(settings) / "live.state"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    assert live_status.status(settings) is None
    assert live_status.stop(settings) is False
    with live_status.training(settings, ["init, seed 0"]):
        assert seen(settings).running


def test_fields_of_other_versions_do_no_harm(settings: Settings) -> None:
    path = checkpoints.folder(settings) / "live.state"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"regime": "init", "colour": "red"}), encoding="utf-8")
    assert (seen(settings).regime, seen(settings).epochs) == ("init", 0)


def test_a_training_tells_how_it_goes(settings: Settings) -> None:
    queue = ["scratch, seed 0", "init, seed 0"]
    before = time.time()
    with live_status.training(settings, queue) as writer:
        assert seen(settings) == live_status.Status(
            running=True, pid=os.getpid(), queue=queue, started=writer.status.started, updated=writer.status.updated
        )
        assert before <= seen(settings).started <= seen(settings).updated <= time.time()
        writer.begin(1, "init", 3, "init-full-s3-1", Recipe(epochs=4), 64)
        found = seen(settings)
        assert (found.place, found.regime, found.seed, found.run_id) == (1, "init", 3, "init-full-s3-1")
        assert (found.epoch, found.epochs, found.stage, found.curve) == (0, 4, "starting", [])
        writer.progress("epoch 1", 8, 40)
        assert (seen(settings).stage, seen(settings).done, seen(settings).total) == ("epoch 1", 8, 40)
        rows = [{"epoch": 1, "val_accuracy": 0.5}]
        writer.epoch(rows)
        assert (seen(settings).epoch, seen(settings).curve) == (1, rows)
        writer.begin(0, "scratch", 0, "scratch-full-s0-1", Recipe(epochs=2), 64)
        assert (seen(settings).epoch, seen(settings).epochs, seen(settings).curve) == (0, 2, [])
    found = seen(settings)
    assert (found.running, found.message, found.run_id) == (False, "", "scratch-full-s0-1")
    assert json.loads(json.dumps(asdict(found))) == asdict(found)


def test_time_left_counts_the_larger_inputs_of_later_epochs(settings: Settings) -> None:
    with live_status.training(settings, ["init, seed 0"]) as writer:
        # Sides 32, 64, 64: an epoch of the larger ones costs four times as much.
        writer.begin(0, "init", 0, "id", Recipe(epochs=3, first_size=0.5, last_size=1.0, growth=0.5), 64)
        writer.progress("epoch 1", 0, 100)
        assert writer.status.seconds_left is None  # nothing to go by yet
        time.sleep(0.3)
        writer.progress("epoch 1", 50, 100)
        rate = writer.status.images_per_s
        assert rate is not None
        assert 0 < rate < 50 / 0.3
        assert writer.status.seconds_left == pytest.approx((50 + 400 + 400) / rate)


def test_words_between_two_writings_wait(settings: Settings) -> None:
    with live_status.training(settings, ["init, seed 0"]) as writer:
        writer.progress("epoch 1", 1, 100)
        writer.progress("epoch 1", 2, 100)
        assert (seen(settings).done, writer.status.done) == (1, 2)
        time.sleep(live_status.PERIOD)
        writer.progress("epoch 1", 3, 100)
        assert seen(settings).done == 3


# --- Only one --------------------------------------------------------------------------------------------------------


def test_what_a_killed_training_left_half_written_goes_when_the_next_one_starts(settings: Settings) -> None:
    checkpoint = checkpoints.checkpoint_file(settings, "init-quick-s0")
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"whole")
    leftover = checkpoint.with_name(f"{artifacts.TEMPORARY}0f447b57-{checkpoint.name}")
    leftover.write_bytes(b"ha")
    with live_status.training(settings, []):
        assert not leftover.exists()
        assert checkpoint.exists()


def test_a_second_training_is_refused(settings: Settings) -> None:
    with live_status.training(settings, ["init, seed 0"]):
        with pytest.raises(TrainingError, match=rf"Another training \(process {os.getpid()}\) writes into") as caught:
            with live_status.training(settings, ["scratch, seed 0"]):
                pytest.fail("both train")
        assert live_status.start(settings, regimes=["init"], preset="quick", seeds=[0]) is False
        assert seen(settings).queue == ["init, seed 0"]
    assert "\n" not in str(caught.value)
    assert "--artifacts" in str(caught.value)
    with live_status.training(settings, ["scratch, seed 0"]):
        assert seen(settings).queue == ["scratch, seed 0"]


@pytest.mark.parametrize(
    ("error", "notice"),
    [
        (TrainingError("The loss is gone."), Notice("The loss is gone.")),
        (TrainingError("It is small", remedy=Remedy.MORE_PHOTOS), Notice("It is small", Remedy.MORE_PHOTOS)),
        (KeyboardInterrupt(Notice("Stopped", Remedy.RESUME)), Notice("Stopped", Remedy.RESUME)),
        (KeyboardInterrupt(), Notice("KeyboardInterrupt")),
    ],
)
def test_a_training_that_fails_says_why_last(settings: Settings, error: BaseException, notice: Notice) -> None:
    with pytest.raises(type(error)):
        with live_status.training(settings, ["init, seed 0"]):
            raise error
    found = seen(settings)
    assert (found.running, found.message) == (False, notice.problem)
    assert (found.notice.problem, found.notice.remedy) == (notice.problem, notice.remedy)
    assert str(found.notice) == str(notice)
    assert found.notice.sentence({Remedy.RESUME: "press on"}) == notice.sentence({Remedy.RESUME: "press on"})


def test_a_remedy_that_this_version_does_not_know_is_left_out() -> None:
    status = live_status.Status(message="It was odd.", remedy="ask_an_oracle", command="oracle")
    assert str(status.notice) == "It was odd."


def test_a_training_that_was_killed_is_known_to_be_over(settings: Settings) -> None:
    code = (
        "import sys; from pathlib import Path; from lib.learn import live_status; from lib.settings import Settings\n"
        "with live_status.training(Settings(artifacts=Path(sys.argv[1])), ['init, seed 0']) as writer:\n"
        "    writer.epoch([{'epoch': 1}])\n"
        "    print(flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(settings.artifacts)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert (seen(settings).running, seen(settings).pid) == (True, process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
    found = seen(settings)
    assert (found.running, found.epoch) == (False, 1)
    assert found.message == live_status.EXITED_UNEXPECTEDLY
    assert live_status.stop(settings) is False
    with live_status.training(settings, []):
        assert seen(settings).pid == os.getpid()


def test_artifacts_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ArtifactError, match="Cannot write to"):
        with live_status.training(Settings(artifacts=tmp_path / "file"), []):
            pytest.fail("it trains")


# --- Started and stopped ---------------------------------------------------------------------------------------------


@pytest.fixture
def asked(pictures: Path, quick_weights: str, tmp_path: Path) -> Iterator[Settings]:
    """Settings for a training in a process of its own, which is ended with the test."""
    settings = quick_trainings.settings(pictures, tmp_path / "artifacts", quick_weights)
    yield settings
    found = live_status.status(settings)
    if found is not None and found.running and found.pid:
        os.kill(found.pid, signal.SIGKILL)


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_a_training_is_started_followed_stopped_and_taken_up(asked: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    # Too many epochs to be over before it is stopped.
    begin = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda command, **how: begin([*command, "--epochs", "5000"], **how))
    wanted: dict[str, Any] = {"regimes": ["transfer"], "preset": "quick", "seeds": [0, 1]}
    assert live_status.start(asked, **wanted) is True
    assert live_status.start(asked, **wanted) is False
    wait_until(lambda: seen(asked).epoch >= 1)
    found = seen(asked)
    assert found.running
    assert found.pid != os.getpid()
    assert found.queue == ["transfer, seed 0", "transfer, seed 1"]
    assert (found.regime, found.seed, found.epochs, found.place) == ("transfer", 0, 5000, 0)
    assert [row["epoch"] for row in found.curve] == list(range(1, found.epoch + 1))
    assert live_status.start(asked, **wanted) is False
    assert live_status.stop(asked) is True
    wait_until(lambda: not seen(asked).running)
    stopped = seen(asked)
    assert stopped.message.startswith("Stopped after epoch ")
    assert stopped.message.endswith(" of 5000 of transfer, seed 0")
    assert stopped.notice.remedy is Remedy.RESUME
    assert live_status.stop(asked) is False
    kept = checkpoints.load(checkpoints.checkpoint_file(asked, stopped.run_id))
    assert kept is not None
    assert len(kept["epochs"]) - stopped.epoch in {0, 1}  # an epoch is kept before it is told
    assert kept["epochs"][: stopped.epoch] == stopped.curve
    assert live_status.start(asked, **wanted) is True
    wait_until(lambda: seen(asked).epoch > stopped.epoch)
    assert seen(asked).curve[: stopped.epoch] == stopped.curve
    assert live_status.stop(asked) is True
    wait_until(lambda: not seen(asked).running)


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_a_training_that_cannot_start_says_why(asked: Settings, tmp_path: Path) -> None:
    nowhere = Settings(data=tmp_path / "none", artifacts=asked.artifacts, weights=asked.weights)
    assert live_status.start(nowhere, regimes=["init"], preset="quick", seeds=[0]) is True
    found = seen(nowhere)
    assert found.running is False
    assert str(tmp_path / "none") in found.message
    assert found.notice.remedy is Remedy.CHOOSE_DATA  # not the words of the command that the page started
    assert "--data" not in found.message
    assert "Traceback" not in found.message


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_a_training_that_still_reads_the_catalog_is_seen(asked: Settings) -> None:
    dataset = datasets.find(asked)
    assert dataset is not None
    folder = workspace.folder_of(asked, dataset)
    folder.mkdir(parents=True)
    log = checkpoints.folder(asked) / "training.log"
    starting = threading.Thread(
        target=live_status.start, args=(asked,), kwargs={"regimes": ["init"], "preset": "quick", "seeds": [0]}
    )
    try:
        with FileLock(folder / "prepare.lock"):  # the catalog is not made while somebody prepares these photos
            starting.start()
            wait_until(lambda: log.is_file() and b"waiting" in log.read_bytes())
            running = seen(asked).running
    finally:
        starting.join()
        live_status.stop(asked)
        wait_until(lambda: not seen(asked).running)
    assert running


@pytest.mark.parametrize("junk", [{"queue": 5}, {"curve": [1]}, {"epoch": "2"}, {"stage": None}, {"started": "now"}])
def test_a_live_file_of_other_types_is_none(tmp_path: Path, junk: dict[str, Any]) -> None:
    settings = Settings(artifacts=tmp_path)
    artifacts.write_json(tmp_path / "runs" / "live.state", {"running": False, "message": "ended"})
    assert live_status.status(settings) is not None
    artifacts.write_json(tmp_path / "runs" / "live.state", junk)
    assert live_status.status(settings) is None


def test_a_process_that_takes_long_to_begin_is_waited_for(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine so busy that the imports take a minute, it is neither taken for dead nor started twice."""
    waited: list[float] = []
    lock = FileLock(checkpoints.folder(settings) / "training.lock")

    class Slow:
        returncode = None

        def poll(self) -> int | None:
            return None

        def wait(self) -> int:
            return 0

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if sum(waited) > 60 and not lock.is_locked:
            lock.acquire()

    monkeypatch.setattr(subprocess, "Popen", lambda *words, **named: Slow())
    monkeypatch.setattr(live_status.time, "sleep", sleep)
    assert live_status.start(settings, regimes=["transfer"], preset="quick", seeds=[0])
    try:
        assert sum(waited) > 60
        assert seen(settings).running and not seen(settings).message
        assert not live_status.start(settings, regimes=["transfer"], preset="quick", seeds=[0])
    finally:
        lock.release()
