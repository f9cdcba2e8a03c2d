"""Locks between processes, held by files.

Lock files stay behind: deleting one while another process waits for it would let two processes in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lib import artifacts
from lib.errors import ArtifactError, PetalscopeError

if TYPE_CHECKING:
    from filelock import BaseFileLock

POLL_S = 0.5


@contextmanager
def exclusive_lock(
    path: Path, *, waiting: Callable[[], object] = lambda: None, error_class: type[PetalscopeError] = ArtifactError
) -> Iterator[None]:
    """Hold the lock file `path`, whose folder is created; other processes and threads wait.

    `waiting` is called at once when another process or thread holds the lock, and twice a second until it is free.
    Raises `error_class` when the lock file cannot be written.
    """
    lock = _lock_file(path, error_class)
    patience_s = 0.0
    while not _acquire(lock, patience_s, error_class):
        waiting()
        patience_s = POLL_S
    try:
        yield
    finally:
        lock.release()


@contextmanager
def lock_if_free(path: Path, *, patience_s: float = 0.0) -> Iterator[bool]:
    """Hold the lock file `path`, whose folder is created, if it is free within `patience_s`; yields whether it is held.

    Raises ArtifactError when the lock file cannot be written.
    """
    lock = _lock_file(path, ArtifactError)
    is_held = _acquire(lock, patience_s, ArtifactError)
    try:
        yield is_held
    finally:
        if is_held:
            lock.release()


def _lock_file(path: Path, error_class: type[PetalscopeError]) -> BaseFileLock:
    import filelock

    with artifacts.disk_errors(path.parent, error_class):
        path.parent.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(path)


def _acquire(lock: BaseFileLock, patience_s: float, error_class: type[PetalscopeError]) -> bool:
    """Whether the lock was free within `patience_s` seconds; it is held from then on."""
    import filelock

    with artifacts.disk_errors(Path(lock.lock_file).parent, error_class):
        try:
            lock.acquire(timeout=patience_s)
        except filelock.Timeout:
            return False
    return True
