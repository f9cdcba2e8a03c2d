"""The results of before a label review: kept while the review is applied, so that scores can be compared with it and
undoing it is a matter of seconds.

Invariant: what is kept belongs to the same photos as the state in use, only without the decisions. The state file of
before is a copy of the one that the first `prepare` with a review replaced; with the review gone, it is put back byte
for byte.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from lib import artifacts
from lib.data import catalog_file, label_review
from lib.data.catalog import Catalog
from lib.documents.prepare import State
from lib.prepare import state_file
from lib.prepare.job import PrepareJob
from lib.prepare.workspace import Workspace

NAME: Final = "state-before-review.json"


def workspace(current: Workspace) -> Workspace | None:
    """The workspace of the same photos without the label review; None where none is applied, or nothing is kept."""
    review = current.state.get("review")
    before = None if review is None else read(current.folder)
    if review is None or before is None or before["catalog"] != review["before"]:
        return None
    return replace(current, state=before)


def read(folder: Path) -> State | None:
    """The state of before; None when there is none, or it is damaged."""
    return artifacts.unless_damaged(lambda path: state_file.read(path, NAME), folder)


def job_without_review(job: PrepareJob, catalog: Catalog, name: str) -> PrepareJob:
    """A run whose photos have no review any more goes on from the state of before, where that is of these photos."""
    before = None
    if job.previous is not None and "review" in job.previous and not catalog.review:
        before = read(job.folder)
    return job if before is None or before["catalog"] != name else replace(job, previous=before)


def keep(job: PrepareJob, state: State) -> State | None:
    """Called before `state` is written: the state of before it, which stays on disk with its results, or None.

    The state in use is kept when `state` is the first with a review. What is kept of other photos is deleted.
    """
    path, review = job.folder / NAME, state.get("review")
    if review is None:
        return None
    in_use = artifacts.unless_damaged(state_file.read, job.folder)
    if in_use is not None and "review" not in in_use and in_use["catalog"] == review["before"]:
        with artifacts.replacing(path) as temporary:
            temporary.write_bytes((job.folder / state_file.NAME).read_bytes())
        return in_use
    before = read(job.folder)
    if before is not None and before["catalog"] == review["before"]:
        return before
    artifacts.remove(path)
    return None


def forget(folder: Path, state: State) -> None:
    """Called after `state` is written: without a review there is no state of before."""
    if "review" not in state:
        artifacts.remove(folder / NAME)


def catalog(folder: Path, state: State) -> Catalog | None:
    """The catalog of a state; None when it cannot be read."""
    return artifacts.unless_damaged(catalog_file.load, folder / state["catalog"])


def pending(current: Workspace) -> bool:
    """Whether decisions were made or taken back since the photos were prepared. Raises ArtifactError as `read` does."""
    applied = current.state.get("review")
    return label_review.read(current.folder).digest != ("" if applied is None else applied["digest"])


def catalog_without_review(current: Workspace) -> Catalog:
    """The catalog of the photos as they were before any decision. Raises ArtifactError when it is missing."""
    review = current.state.get("review")
    before = None if review is None else artifacts.unless_damaged(catalog_file.load, current.folder / review["before"])
    return current.catalog() if before is None else before
