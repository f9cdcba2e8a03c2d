"""The status of the training in progress, shared by all sessions and commands; and how a page starts and stops it.

A training is a process of its own (`python -m lib train`), so that it outlives a page, a session and the app. It holds
a lock while it runs and writes its status into one small file, `live.state`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

from lib import artifacts, documents
from lib.documents.runs import EpochRow, StatusDocument
from lib.errors import ArtifactError, Notice, PetalscopeError, Remedy, TrainingError
from lib.learn import checkpoints, photo_dataset
from lib.learn.recipes import Recipe
from lib.locks import exclusive_lock, lock_if_free
from lib.settings import PROJECT, Settings, arguments

# Least seconds between two writes of the status file during a stage.
PERIOD = 1.0
EXITED_UNEXPECTEDLY = "The training process exited unexpectedly; start it again."


@dataclass(frozen=True)
class Status:
    """The status of a training, running or ended.

    `queue` holds the titles of all planned runs, `place` is the index of the current run in it. `done` of the `total`
    photos of `stage` are processed. `curve` has one row per finished epoch, as in a record. `started` and `updated` are
    seconds since the epoch; `message` says why the training ended, and is empty when it finished. `remedy` is the value
    of a `Remedy`, or empty, and `command` its command line: `notice` has all three. `warning` says what the current run
    goes on without.
    """

    running: bool = False
    pid: int = 0
    queue: list[str] = field(default_factory=list)
    place: int = 0
    regime: str = ""
    seed: int = 0
    run_id: str = ""
    epoch: int = 0
    epochs: int = 0
    stage: str = ""
    done: int = 0
    total: int | None = None
    images_per_s: float | None = None
    seconds_left: float | None = None
    curve: list[EpochRow] = field(default_factory=list)
    message: str = ""
    remedy: str = ""
    command: str = ""
    warning: str = ""
    started: float = 0.0
    updated: float = 0.0

    @property
    def notice(self) -> Notice:
        """Why the training ended, and the way out; its problem is empty when the training finished."""
        known = self.remedy in {remedy.value for remedy in Remedy}
        return Notice(self.message, Remedy(self.remedy) if known else None, self.command)


def _file(settings: Settings) -> Path:
    return checkpoints.folder(settings) / "live.state"


def _lock_file(settings: Settings) -> Path:
    return checkpoints.folder(settings) / "training.lock"


def status(settings: Settings) -> Status | None:
    """The status of the running or the last training; None before the first training, or when the file is damaged."""
    try:
        document = artifacts.read_json(_file(settings))
        if document is None:
            return None
        names = {field.name for field in fields(Status)}
        current = Status(**{name: value for name, value in document.items() if name in names})
    except ArtifactError:
        return None
    if not _has_valid_types(current):
        return None
    if current.running and not _is_training(settings):
        return replace(current, running=False, message=EXITED_UNEXPECTEDLY)
    return current


def _has_valid_types(status: Status) -> bool:
    """Whether every field has the type of its default; a file from another program may hold anything."""
    plain = (bool, int, str, list, float)
    types = {field.name: type(getattr(Status(), field.name)) for field in fields(Status)}
    return all(
        isinstance(getattr(status, name), (int, float) if type_ is float else type_)
        for name, type_ in types.items()
        if type_ in plain
    ) and all(isinstance(row, dict) for row in status.curve)


def _is_training(settings: Settings, patience_s: float = 0.0) -> bool:
    """Whether a training process holds the lock.

    Another call of this function holds it too, for a moment: a lock held for longer than `patience_s` is a training's.
    """
    try:
        with lock_if_free(_lock_file(settings), patience_s=patience_s) as is_free:
            return not is_free
    except ArtifactError:  # in a read-only folder nothing can train
        return False


def start(
    settings: Settings,
    *,
    regimes: Sequence[str],
    preset: str,
    seeds: Sequence[int],
) -> bool:
    """Start a training process, which resumes unfinished runs; False when a training is already running.

    Of several simultaneous calls one starts a process; the others wait for it and return False. Raises ArtifactError
    when the folder cannot be written.
    """
    with exclusive_lock(checkpoints.folder(settings) / "starting.lock"):
        return not _is_training(settings, 0.5) and _start(settings, regimes, preset, seeds)


def _start(settings: Settings, regimes: Sequence[str], preset: str, seeds: Sequence[int]) -> bool:
    choices = arguments(resume=True, preset=preset, regime=",".join(regimes), seeds=",".join(map(str, seeds)))
    command = [sys.executable, "-m", "lib", "train", *choices, *settings.options()]
    # Catches errors from before the process can write its own status.
    log = checkpoints.folder(settings) / "training.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        _write(settings, Status(running=True, stage="starting", started=time.time(), updated=time.time()))
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=out,
                start_new_session=True,
            )
    except OSError as error:
        raise artifacts.disk_error(log.parent, error) from error
    # Reap the process when it ends.
    threading.Thread(target=process.wait, daemon=True, name="petalscope-training").start()
    # Until the process holds the lock, a second start would not notice it and `status` would report it as ended. On a
    # busy machine its imports alone may take a minute.
    for _ in range(6_000):
        if _is_training(settings) or process.poll() is not None:
            break
        time.sleep(0.1)
    if process.poll() and not _has_reported(settings, process.pid):
        # The last line of a killed process is half a progress bar; errors start with the name of the program.
        lines = log.read_text(errors="replace").replace("\r", "\n").splitlines()
        errors = [line.removeprefix("petalscope: ") for line in lines if line.startswith("petalscope: ")]
        unexplained = f"The training process exited with status {process.returncode}; see {log}."
        _write(settings, Status(message=errors[-1] if errors else unexplained))
    return True


def _has_reported(settings: Settings, pid: int) -> bool:
    """Whether the process `pid` has written why its training ended, with the remedy that its log lacks."""
    ended = status(settings)
    return ended is not None and ended.pid == pid and ended.message not in {"", EXITED_UNEXPECTEDLY}


def stop(settings: Settings) -> bool:
    """Stop the training process, which keeps its finished epochs; False when no training is running."""
    current = status(settings)
    if current is None or not current.running or not current.pid:
        return False
    try:
        os.kill(current.pid, signal.SIGTERM)
    except OSError:
        return False
    return True


def _write(settings: Settings, status: Status) -> None:
    document = cast(StatusDocument, asdict(status))
    with artifacts.replacing(_file(settings), lasting=False) as temporary:
        temporary.write_text(documents.json_text(document), encoding="utf-8")


class StatusWriter:
    """Writes the status file of the training in this process."""

    def __init__(self, settings: Settings, queue: Sequence[str]) -> None:
        self.settings = settings
        self.status = Status(running=True, pid=os.getpid(), queue=list(queue), started=time.time())
        self._written = 0.0
        self._stage_start = (time.perf_counter(), 0)
        self._sides: list[int] = []

    def update(self, *, now: bool = True, **changes: Any) -> None:
        """Change fields of the status, and write it: `now`, or only when the last write is `PERIOD` ago."""
        self.status = replace(self.status, updated=time.time(), **changes)
        if now or time.perf_counter() - self._written > PERIOD:
            # A full disk must not end a run that can still train; the run fails when it writes its checkpoint.
            with contextlib.suppress(ArtifactError):
                _write(self.settings, self.status)
            self._written = time.perf_counter()

    def begin(self, place: int, regime: str, seed: int, run_id: str, recipe: Recipe, side: int) -> None:
        """Begin the run at index `place` of the queue; `side` is the network's input in evaluation, px."""
        self._sides = [photo_dataset.input_side(recipe, epoch, side) for epoch in range(recipe.epochs)]
        self.update(
            place=place,
            regime=regime,
            seed=seed,
            run_id=run_id,
            epoch=0,
            epochs=recipe.epochs,
            curve=[],
            warning="",
            stage="starting",
            done=0,
            total=None,
            images_per_s=None,
            seconds_left=None,
        )

    def progress(self, stage: str, done: int, total: int | None) -> None:
        """Report that `done` of the `total` photos of a stage are processed."""
        now = time.perf_counter()
        if stage != self.status.stage or done < self.status.done:
            self._stage_start = (now, done)
        start, done_at_start = self._stage_start
        rate = (done - done_at_start) / (now - start) if now - start > 0.2 and done > done_at_start else None
        self.update(
            now=stage != self.status.stage,
            stage=stage,
            done=done,
            total=total,
            images_per_s=rate,
            seconds_left=self._seconds_left(done, total, rate),
        )

    def _seconds_left(self, done: int, total: int | None, rate: float | None) -> float | None:
        """Seconds until the last epoch of this run ends, if the time per photo grows with the area of the input."""
        if rate is None or total is None or self.status.epoch >= len(self._sides):
            return None
        areas = [side * side for side in self._sides[self.status.epoch :]]
        return (total - done) / rate + sum(area / areas[0] for area in areas[1:]) * total / rate

    def epoch(self, rows: list[EpochRow]) -> None:
        """Report the rows of all finished epochs, after each epoch."""
        self.update(epoch=len(rows), curve=list(rows))

    def end(self, why: Notice) -> None:
        """Report that the training ended: because of `why`, or well when its problem is empty."""
        remedy, command = (why.remedy.value, why.command) if why.remedy else ("", "")
        self.update(running=False, message=why.problem, remedy=remedy, command=command)


def _why(error: BaseException) -> Notice:
    """Why a training ended with `error`; an interrupt carries its notice as its argument."""
    if isinstance(error, PetalscopeError):
        return error.notice
    if error.args and isinstance(error.args[0], Notice):
        return error.args[0]
    return Notice(str(error) or type(error).__name__)


@contextmanager
def training(settings: Settings, queue: Sequence[str]) -> Iterator[StatusWriter]:
    """Hold the training lock of these artifacts, and write the status: at the start, and with the error at the end.

    Raises TrainingError when another process holds the lock, ArtifactError when the folder cannot be written.
    """
    # `_is_training` in another process holds the lock for a moment.
    with lock_if_free(_lock_file(settings), patience_s=2) as is_held:
        if not is_held:
            current = status(settings)
            process = f" (process {current.pid})" if current is not None and current.pid else ""
            folder = checkpoints.folder(settings)
            raise TrainingError(f"Another training{process} writes into {folder}", remedy=Remedy.END_TRAINING)
        checkpoints.remove_leftovers(settings)
        writer = StatusWriter(settings, queue)
        try:
            writer.update()
            yield writer
            writer.end(Notice(""))
        except BaseException as error:
            writer.end(_why(error))
            raise
