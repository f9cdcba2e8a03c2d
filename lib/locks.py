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

    `waiting` is called twice a second while another process or thread holds the lock. Raises `error_class` when the
    lock file cannot be written.
    """
    import filelock

    with artifacts.disk_errors(path.parent, error_class):
        path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path)
    while not _acquire(lock, error_class):
        waiting()
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: BaseFileLock, error_class: type[PetalscopeError]) -> bool:
    """Whether the lock was free within `POLL_S` seconds; it is held from then on."""
    import filelock

    with artifacts.disk_errors(Path(lock.lock_file).parent, error_class):
        try:
            lock.acquire(timeout=POLL_S)
        except filelock.Timeout:
            return False
    return True
