"""One run of the pipeline: what was asked, where its results go, who else works there, and how it talks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import artifacts
from lib.data import datasets, own_folders
from lib.data.datasets import Dataset
from lib.errors import ArtifactError
from lib.prepare import workspace
from lib.progress import Reporter
from lib.settings import DEFAULT_SEED, Settings


@dataclass(frozen=True)
class PrepareJob:
    """One run: what was asked, where the results go, and the state in use when it began."""

    settings: Settings
    dataset: Dataset
    folder: Path
    old: dict[str, Any]
    talk: Reporter

    @property
    def seed(self) -> int:
        """Decides split and map: the one the user named, else the one used before."""
        named = self.settings.seed
        return named if named is not None else int(self.old.get("dataset", {}).get("seed", DEFAULT_SEED))

    @property
    def old_collections(self) -> dict[str, Any]:
        """What the old state says of the store at the current address."""
        return dict(self.old.get("collections", {}).get(workspace.store_key(self.settings), {}))


@contextmanager
def begin(settings: Settings, talk: Reporter) -> Iterator[PrepareJob]:
    """Find or fetch the photos, then wait until nobody else works on their artifacts."""
    dataset = datasets.obtain(settings, talk.progress, talk.say)
    folder = workspace.folder_of(settings, dataset)
    with _alone(folder, talk):
        # Before the photos are read, since the artifacts may lie among them.
        own_folders.mark(settings.artifacts)
        yield PrepareJob(settings, dataset, folder, state_of(folder), talk)


@contextmanager
def _alone(folder: Path, talk: Reporter) -> Iterator[None]:
    """Only one `prepare` per data set at a time; the second waits and then finds everything done."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "prepare.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            talk.say("Another prepare of these photos is running; waiting for it to end.")
            lock.acquire()
    except OSError as error:
        raise artifacts.unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def state_of(folder: Path) -> dict[str, Any]:
    """The state in use; empty when there is none, it is damaged, or another version wrote it: all is made anew."""
    try:
        return workspace.read_state(folder) or {}
    except ArtifactError:
        return {}
