"""`train` and `runs` as commands: what they print, what they refuse, and how they end when they are told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lib.commands import cli
from lib.learn import checkpoints, live_status, run_all
from lib.learn.regimes import REGIMES
from lib.settings import PROJECT, Settings
from tests.helpers import quick_trainings

pytestmark = pytest.mark.slow

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PETALSCOPE_OFFLINE": "1"}
LIMIT = 58


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with quick_trainings.one_thread():
        yield


@dataclass(frozen=True)
class Place:
    """Options of every command here, and a way to start them."""

    settings: Settings

    @property
    def words(self) -> list[str]:
        where = ["--data", str(self.settings.data), "--artifacts", str(self.settings.artifacts)]
        return [*where, "--weights", str(self.settings.weights), "--seed", str(quick_trainings.SPLIT)]

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "lib", "train", *self.words, *words]
        return subprocess.Popen(
            command, cwd=PROJECT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        with self.start(*words) as process:
            out, err = process.communicate(timeout=300)
        return process.returncode, out, err


@pytest.fixture
def place(pictures: Path, quick_weights: str, tmp_path: Path) -> Place:
    return Place(quick_trainings.settings(pictures, tmp_path / "artifacts", quick_weights))


# --- All four --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """What a command of its own process said."""

    place: Place
    status: int
    out: str
    err: str

    @property
    def runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.out)["runs"]
        return found


@pytest.fixture(scope="module")
def everything(pictures: Path, quick_weights: str, tmp_path_factory: pytest.TempPathFactory) -> Said:
    place = Place(quick_trainings.settings(pictures, tmp_path_factory.mktemp("all") / "artifacts", quick_weights))
    words = ["--regime", "all", "--epochs", "1", "--limit", str(LIMIT), "--image-size", "32", "--preset", "quick"]
    return Said(place, *place.run("--json", *words))


def test_all_regimes_are_one_json_document(everything: Said) -> None:
    assert everything.status == 0, everything.err
    assert everything.out.count("\n") == 1
    assert [run["regime"] for run in everything.runs] == list(REGIMES)
    for run in everything.runs:
        contract = {
            "id",
            "regime",
            "weights",
            "seed",
            "epochs",
            "best_epoch",
            "test_accuracy",
            "test_ci95",
            "confusion",
        }
        assert contract | {"predictions", "parameters", "dataset", "config", "environment"} <= set(run)
        assert [set(row) >= {"epoch", "train_loss", "val_accuracy", "seconds", "lr"} for row in run["epochs"]] == [True]
        assert (run["best_epoch"], run["seed"], run["recorded"]) == (1, 0, False)
        assert (run["dataset"]["images"], run["dataset"]["limit"]) == (LIMIT, LIMIT)
        assert run["weights"] == ("random" if run["regime"] == "scratch" else "quick.safetensors")
        assert set(run["parameters"]) >= {"total", "trainable"}
        assert run["test_ci95"][0] <= run["test_accuracy"] <= run["test_ci95"][1]


def test_progress_goes_elsewhere(everything: Said) -> None:
    assert "init, seed 0, epoch 1" in everything.err
    assert "Traceback" not in everything.err
    assert "Warning" not in everything.err


def test_runs_lists_them(everything: Said, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["runs", "--artifacts", str(everything.place.settings.artifacts)]
    assert cli.main([*words, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["runs"]
    mine = [run for run in listed if not run["recorded"]]
    assert sorted(mine, key=lambda run: run["id"]) == sorted(everything.runs, key=lambda run: run["id"])
    assert cli.main(words) == 0
    shown = capsys.readouterr().out
    for run in mine:
        assert any(run["id"] in line and f"{100 * run['test_accuracy']:.2f}" in line for line in shown.splitlines())


def test_resume_takes_finished_runs_as_they_are(everything: Said, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--regime", "init,transfer", "--epochs", "1", "--limit", str(LIMIT), "--image-size", "32"]
    command = ["train", "--resume", "--json", "--preset", "quick", *everything.place.words, *words]
    assert cli.main(command) == 0
    heard = capsys.readouterr()
    wanted = {run["regime"]: run for run in everything.runs}
    assert json.loads(heard.out)["runs"] == [wanted["init"], wanted["transfer"]]
    assert run_all.already_finished("init, seed 0") in heard.err


# --- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--regime", ""],
        ["--regime", " , "],
        ["--regime", "init", "--batch-size", "1"],
        ["--regime", "init", "--batch-size", "x"],
        ["--regime", "init", "--seeds", "x"],
        ["--regime", "init", "--seeds", ""],
        ["--regime", "init", "--seeds", "-1"],
        ["--regime", "init", "--epochs", "0"],
        ["--regime", "init", "--image-size", "31"],
        ["--regime", "init", "--image-size", "5000"],
        ["--regime", "init", "--preset", "slow"],
        ["--regime", "init", "--limit", "0"],
    ],
)
def test_usage_that_does_not_parse(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", *words])
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that a command ends with."""
    assert cli.main(["train", *words], offline=True) == 1
    heard = capsys.readouterr()
    assert heard.out == ""
    assert "Traceback" not in heard.err
    lines = [line for line in heard.err.splitlines() if line.startswith("petalscope: ")]
    assert len(lines) == 1
    assert heard.err.endswith(f"{lines[0]}\n")
    return lines[0].removeprefix("petalscope: ")


def test_an_unknown_regime(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, *place.words, "--regime", "frozen")
    assert said == "There is no regime called 'frozen'; choose one of scratch, transfer, finetune, init or all."


def test_too_few_photos(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert "too few to train on" in refusal(capsys, *place.words, "--regime", "init", "--limit", "3")


def test_photos_and_weights_that_are_not_there(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(tmp_path / "none")
    assert nowhere in refusal(capsys, *place.words, "--data", nowhere, "--regime", "init")
    assert nowhere in refusal(capsys, *place.words, "--weights", nowhere, "--regime", "init")


def test_a_training_that_goes_on_already(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    with live_status.training(place.settings, ["init, seed 0"]):
        assert f"(process {os.getpid()})" in refusal(capsys, *place.words, "--regime", "init")


# --- Told to end, and killed -----------------------------------------------------------------------------------------


def wait_for_epoch(place: Place, epoch: int, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 120
    while True:
        found = live_status.status(place.settings)
        if found is not None and found.running and found.epoch >= epoch:
            return
        assert process.poll() is None, "it ended before"
        assert time.monotonic() < until
        time.sleep(0.05)


LONG = ["--regime", "transfer", "--preset", "quick", "--image-size", "32", "--batch-size", "2", "--epochs", "2000"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_training_that_is_told_to_end_says_how_it_goes_on(place: Place, number: int) -> None:
    with place.start(*LONG) as process:
        wait_for_epoch(place, 1, process)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    last = err.splitlines()[-1]
    assert last.startswith("petalscope: Stopped after epoch ")
    assert last.endswith(" of 2000 of transfer, seed 0; the same command with --resume goes on.")
    assert "Traceback" not in err
    found = live_status.status(place.settings)
    assert found is not None
    assert (found.running, f"petalscope: {found.notice}") == (False, last)
    kept = checkpoints.load(checkpoints.checkpoint_file(place.settings, found.run_id))
    assert kept is not None
    assert len(kept["epochs"]) - found.epoch in {0, 1}  # an epoch is kept before it is told
    assert found.epoch >= 1


def test_a_killed_training_ends_like_an_undisturbed_one(
    place: Place, pictures: Path, quick_weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "--regime",
        "finetune",
        "--preset",
        "quick",
        "--image-size",
        "32",
        "--epochs",
        "3",
        "--batch-size",
        "26",
        "--json",
    ]
    with place.start(*words) as process:
        wait_for_epoch(place, 1, process)
        process.send_signal(signal.SIGKILL)
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (-signal.SIGKILL, "")
    found = live_status.status(place.settings)
    assert found is not None
    assert (found.running, found.message) == (False, live_status.EXITED_UNEXPECTEDLY)
    assert found.epoch < 3
    whole = Place(quick_trainings.settings(pictures, tmp_path / "whole", quick_weights))
    records = []
    for one, more in ((place, ["--resume"]), (whole, [])):
        assert cli.main(["train", *one.words, *words, *more]) == 0
        heard = capsys.readouterr()
        assert (run_all.resumed(found.epoch) in heard.err) is (one is place)
        records.append(json.loads(heard.out)["runs"][0])
    assert quick_trainings.lasting(records[0]) == quick_trainings.lasting(records[1])
    weights = [checkpoints.weights_file(one.settings, records[0]["id"]).read_bytes() for one in (place, whole)]
    assert weights[0] == weights[1]
