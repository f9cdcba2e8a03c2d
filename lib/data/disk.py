"""Writing below a folder that others may use too: one at a time, and with the disk's complaints in plain words."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock

from lib.errors import PetalscopeError

Progress = Callable[[int, int | None], None]

CHUNK = 128 * 1024  # bytes that are read or written in one step


def no_progress(done: int, total: int | None) -> None:
    """The progress that nobody watches."""
    del done, total


@contextlib.contextmanager
def exclusive_lock(
    folder: Path, name: str, kind: type[PetalscopeError], *, waiting: Callable[[], None]
) -> Iterator[None]:
    """Holds `folder/.<name>.lock`; calls `waiting` twice a second while another process or thread has it."""
    with plain_disk_errors(folder, kind):
        folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / f".{name}.lock")
    while not lock.is_locked:
        try:
            with plain_disk_errors(folder, kind):
                lock.acquire(timeout=0.5)
        except filelock.Timeout:
            waiting()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def plain_disk_errors(folder: Path, kind: type[PetalscopeError]) -> Iterator[None]:
    """Turns what the disk says into one sentence of class `kind`."""
    try:
        yield
    except (filelock.Timeout, ConnectionError):
        raise  # a held lock, or a progress report that nobody reads any more: no fault of the disk
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise kind(f"The disk that holds {folder} is full; free some space, then start again.") from error
        raise kind(
            f"Cannot write to {folder} ({error.strerror or error}); make it writable or choose another folder."
        ) from error
