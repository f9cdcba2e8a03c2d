"""What is being trained right now, for every session and command to see; and how a page starts and stops it.

A run is a process of its own (`python -m lib train`), so that it outlives a page, a session and the app. It holds a
lock while it lives and tells how it goes in one small file.
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
from typing import Any

from lib import artifacts, documents
from lib.errors import ArtifactError, TrainingError
from lib.learn import checkpoints, photo_dataset
from lib.learn.recipes import Recipe
from lib.settings import PROJECT, Settings

# Seconds between two writes of the file.
PERIOD = 1.0


@dataclass(frozen=True)
class Status:
    """How training goes or went. `queue` holds a title for each run asked for, `place` is the current one's index;
    `done` of `total` photos of `stage` are through; `curve` has the finished epochs' rows, as in a record."""

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
    curve: list[dict[str, Any]] = field(default_factory=list)
    message: str = ""
    started: float = 0.0
    updated: float = 0.0


def _file(settings: Settings) -> Path:
    return checkpoints.folder(settings) / "live.state"


def _lock(settings: Settings) -> Any:
    from filelock import FileLock

    return FileLock(checkpoints.folder(settings) / "training.lock")


def status(settings: Settings) -> Status | None:
    """How training goes or went last; None when none was ever started with these artifacts, or the file is damaged."""
    try:
        told = artifacts.read_json(_file(settings))
        if told is None:
            return None
        known = {one.name for one in fields(Status)}
        found = Status(**{name: value for name, value in told.items() if name in known})
    except ArtifactError:
        return None
    if not _sound(found):
        return None
    running = found.running and _held(settings)
    if found.running and not running:
        return replace(found, running=False, message="The training process ended without a word; start it again.")
    return found


def _sound(found: Status) -> bool:
    """Whether every part is of the type of its default; a file from elsewhere may hold anything."""
    plain = (bool, int, str, list, float)
    kinds = {one.name: type(getattr(Status(), one.name)) for one in fields(Status)}
    return all(
        isinstance(getattr(found, name), (int, float) if kind is float else kind)
        for name, kind in kinds.items()
        if kind in plain
    ) and all(isinstance(row, dict) for row in found.curve)


def _held(settings: Settings, patience_s: float = 0.0) -> bool:
    """Whether a training process lives. Others who look hold the lock for a moment: `patience_s` tells them apart."""
    from filelock import Timeout

    lock = _lock(settings)
    try:
        lock.acquire(timeout=patience_s)
    except Timeout:
        return True
    except OSError:  # artifacts that may only be read: nobody trains into them
        return False
    lock.release()
    return False


def start(
    settings: Settings,
    *,
    regimes: Sequence[str],
    preset: str,
    seeds: Sequence[int],
) -> bool:
    """Train in a process of its own, taking up what was begun; False when training goes on already.

    Of several who start at once one does, and the others are told False when it has. Raises ArtifactError when nothing
    can be written.
    """
    from filelock import FileLock

    folder = checkpoints.folder(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        alone = FileLock(folder / "starting.lock")
        alone.acquire()
    except OSError as error:
        raise artifacts.unwritable(folder, error) from error
    try:
        return not _held(settings, 0.5) and _start(settings, regimes, preset, seeds)
    finally:
        alone.release()


def _start(settings: Settings, regimes: Sequence[str], preset: str, seeds: Sequence[int]) -> bool:
    command = [sys.executable, "-m", "lib", "train", "--resume", "--preset", preset]
    command += ["--regime", ",".join(regimes), "--seeds", ",".join(map(str, seeds))]
    command += settings.options()
    # Also what goes wrong before the process can tell it itself.
    log = checkpoints.folder(settings) / "training.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        _tell(settings, Status(running=True, stage="starting", started=time.time(), updated=time.time()))
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
        raise artifacts.unwritable(log.parent, error) from error
    # Somebody has to take note of its end.
    threading.Thread(target=process.wait, daemon=True, name="petalscope-training").start()
    # Until it holds the lock, a second start would not see it, and a look would take it for dead: on a busy machine its
    # imports alone may take a minute.
    for _ in range(6_000):
        if _held(settings) or process.poll() is not None:
            break
        time.sleep(0.1)
    if process.poll():
        # A process that was killed leaves half a progress bar as its last line: only sentences are told.
        lines = log.read_text(errors="replace").replace("\r", "\n").splitlines()
        said = [line.removeprefix("petalscope: ") for line in lines if line.startswith("petalscope: ")]
        ended = f"The training process ended with status {process.returncode}; see {log}."
        _tell(settings, Status(message=said[-1] if said else ended))
    return True


def stop(settings: Settings) -> bool:
    """Ask the running process to stop; it keeps its finished epochs. False when none runs."""
    found = status(settings)
    if found is None or not found.running or not found.pid:
        return False
    try:
        os.kill(found.pid, signal.SIGTERM)
    except OSError:
        return False
    return True


def _tell(settings: Settings, told: Status) -> None:
    with artifacts.replacing(_file(settings), lasting=False) as temporary:
        temporary.write_text(documents.text(asdict(told)), encoding="utf-8")


class StatusWriter:
    """Writes the live file while this process trains."""

    def __init__(self, settings: Settings, queue: Sequence[str]) -> None:
        self.settings = settings
        self.told = Status(running=True, pid=os.getpid(), queue=list(queue), started=time.time())
        self._written = 0.0
        self._stage_began = (time.perf_counter(), 0)
        self._sizes: list[int] = []

    def change(self, *, now: bool = True, **changed: Any) -> None:
        """Note what has changed; written at once, or when the last writing is a while ago."""
        self.told = replace(self.told, updated=time.time(), **changed)
        if now or time.perf_counter() - self._written > PERIOD:
            # A full disk must not end a run that can still train; its checkpoint will say so.
            with contextlib.suppress(ArtifactError):
                _tell(self.settings, self.told)
            self._written = time.perf_counter()

    def begin(self, place: int, regime: str, seed: int, run_id: str, recipe: Recipe, side: int) -> None:
        """A run of the queue begins; `side` is the network's input, px."""
        self._sizes = [photo_dataset.side_of(recipe, epoch, side) for epoch in range(recipe.epochs)]
        self.change(
            place=place,
            regime=regime,
            seed=seed,
            run_id=run_id,
            epoch=0,
            epochs=recipe.epochs,
            curve=[],
            stage="starting",
            done=0,
            total=None,
            images_per_s=None,
            seconds_left=None,
        )

    def progress(self, stage: str, done: int, total: int | None) -> None:
        """Photos of a stage that are through."""
        now = time.perf_counter()
        if stage != self.told.stage or done < self.told.done:
            self._stage_began = (now, done)
        since, before = self._stage_began
        rate = (done - before) / (now - since) if now - since > 0.2 and done > before else None
        left = self._left(done, total, rate)
        self.change(
            now=stage != self.told.stage, stage=stage, done=done, total=total, images_per_s=rate, seconds_left=left
        )

    def _left(self, done: int, total: int | None, rate: float | None) -> float | None:
        """Seconds that the rest of this run takes, when a photo costs as much as its area."""
        if rate is None or total is None or self.told.epoch >= len(self._sizes):
            return None
        areas = [size * size for size in self._sizes[self.told.epoch :]]
        return (total - done) / rate + sum(area / areas[0] for area in areas[1:]) * total / rate

    def epoch(self, rows: list[dict[str, Any]]) -> None:
        """An epoch is finished."""
        self.change(epoch=len(rows), curve=list(rows))


@contextmanager
def training(settings: Settings, queue: Sequence[str]) -> Iterator[StatusWriter]:
    """Only one training at a time writes into these artifacts.

    Raises TrainingError when another one does, ArtifactError when the folder cannot be written.
    """
    from filelock import Timeout

    folder = checkpoints.folder(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _lock(settings)
        # A page that looks whether somebody trains holds the lock for a moment.
        lock.acquire(timeout=2)
    except Timeout as error:
        found = status(settings)
        who = f" (process {found.pid})" if found is not None and found.pid else ""
        raise TrainingError(
            f"Another training{who} writes into {folder}; wait for it, stop it on the Training regimes page, or name "
            "another folder with --artifacts."
        ) from error
    except OSError as error:
        raise artifacts.unwritable(folder, error) from error
    teller = StatusWriter(settings, queue)
    try:
        teller.change()
        yield teller
        teller.change(running=False, message="")
    except BaseException as error:
        teller.change(running=False, message=str(error) or type(error).__name__)
        raise
    finally:
        lock.release()
