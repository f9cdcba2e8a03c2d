"""A run of the pipeline: its settings, its folder of artifacts, its lock and its progress reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lib import artifacts
from lib.data import datasets, own_folders
from lib.data.datasets import Dataset
from lib.documents.prepare import CollectionEntry, SpaceEntry, State
from lib.locks import exclusive_lock
from lib.prepare import state_file, workspace
from lib.progress import Reporter
from lib.settings import DEFAULT_SEED, Settings

WAITING = "Another prepare of these photos is running; waiting for it to end."


@dataclass(frozen=True)
class PrepareJob:
    """A run: its settings, the folder for its results, and the state in use when it began (None for the first run)."""

    settings: Settings
    dataset: Dataset
    folder: Path
    previous: State | None
    reporter: Reporter

    @property
    def seed(self) -> int:
        """The seed of split and map: the user's, else that of the previous state."""
        if self.settings.seed is not None:
            return self.settings.seed
        return DEFAULT_SEED if self.previous is None else self.previous["dataset"]["seed"]

    @property
    def previous_spaces(self) -> dict[str, SpaceEntry]:
        """The spaces of the previous state."""
        return {} if self.previous is None else self.previous["spaces"]

    @property
    def previous_stores(self) -> dict[str, dict[str, CollectionEntry]]:
        """The collections of the previous state by store and space."""
        return {} if self.previous is None else self.previous["collections"]

    @property
    def previous_collections(self) -> dict[str, CollectionEntry]:
        """The collections of the previous state at the current address, by space."""
        return self.previous_stores.get(workspace.store_key(self.settings), {})


@contextmanager
def begin(settings: Settings, reporter: Reporter) -> Iterator[PrepareJob]:
    """Find or download the photos, then lock their artifacts; waits while another process holds the lock."""
    dataset = datasets.obtain(settings, reporter.progress, reporter.say)
    folder = workspace.folder_of(settings, dataset)
    # The second `prepare` of a data set waits, and then finds everything done.
    with exclusive_lock(folder / "prepare.lock", waiting=_say_once(reporter)):
        # Before the photos are read, since the artifacts may lie among them.
        own_folders.mark(settings.artifacts)
        yield PrepareJob(settings, dataset, folder, usable_state(folder), reporter)


def _say_once(reporter: Reporter) -> Callable[[], None]:
    """Says `WAITING` at the first call only."""
    sentences = iter([WAITING])

    def waiting() -> None:
        for sentence in sentences:
            reporter.say(sentence)

    return waiting


def read_definitions(settings: Settings) -> None:
    """Make the spaces known by name that the state in use defines, if there is one."""
    dataset = datasets.find(settings)
    if dataset is not None:
        usable_state(workspace.folder_of(settings, dataset))


def usable_state(folder: Path) -> State | None:
    """The state in use; None when it is missing, damaged or of another version, so that everything is rebuilt."""
    return artifacts.unless_damaged(state_file.read, folder)
