"""The results that a first look needs: measured right after `prepare`, so that no view computes them while users wait.

Each step reads its result if it is stored, and measures and stores it otherwise. So a step that failed or was
interrupted is made up for by the next `prepare`, or by the first view that needs its result; and `prepare` itself never
fails by a step. To add a step, add a `Step` to `STEPS`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lib.data import audit_file
from lib.embed import spaces
from lib.errors import Notice, PetalscopeError
from lib.locks import exclusive_lock
from lib.measure import clusters, feature_examples, index_recall, leaks, scoreboard, stored_verdicts, suspects
from lib.prepare import workspace as workspaces
from lib.prepare.workspace import Workspace
from lib.progress import Progress, Reporter
from lib.settings import Settings

LOCK = "first-results.lock"
# Scores that need more multiplications take minutes on two cores: they are measured on request only.
MOST_WORK = 4e11
# Probes that need more take minutes: 4,064 photos of 5 classes with 512 features need 5e7, and two seconds.
MOST_PROBES = 1e9
LATER = "It is made when it is first looked at, or by the next prepare."


@dataclass(frozen=True)
class Step:
    """A result, or several of one kind. `title` names it in the progress.

    `make` stores it unless it is stored already; it raises PetalscopeError where it cannot be measured, and calls its
    progress at least once if it takes long. It opens the store, where it needs one, by `workspaces.open_store`, and
    closes it.
    """

    title: str
    make: Callable[[Workspace, Progress], object]


def _audit(workspace: Workspace, progress: Progress) -> None:
    audit_file.find(workspace.folder, workspace.catalog(), progress)


def _near_duplicates(workspace: Workspace, progress: Progress) -> None:
    leaks.find(workspace, workspace.catalog(), progress)


def _scores(workspace: Workspace, progress: Progress) -> None:
    catalog = workspace.catalog()
    can_be_scored = catalog.classes and 0 < catalog.splits["test"] < len(catalog.ids)
    if can_be_scored and scoreboard.cost(workspace, catalog) <= MOST_WORK:
        scoreboard.measure_all(workspace, lambda _: progress)


def _clusters(workspace: Workspace, progress: Progress) -> None:
    """The groups that stand in the place of classes where there are no labels."""
    catalog = workspace.catalog()
    if catalog.classes:
        return
    for done, space in enumerate(workspace.spaces, start=1):
        if clusters.cost(workspace, space, catalog, clusters.default_k(catalog)) <= MOST_WORK:
            clusters.find(workspace, space, catalog)
        progress(done, len(workspace.spaces))


def _suspects(workspace: Workspace, progress: Progress) -> None:
    catalog = workspace.catalog()
    space = leaks.features_space(workspace)
    if len(catalog.classes) > 1 and suspects.cost(workspace, space, catalog) <= MOST_PROBES:
        suspects.find(workspace, space, catalog, progress)


def _features(workspace: Workspace, progress: Progress) -> None:
    named = [space for space in workspace.spaces if not spaces.get(space).pixels]  # those that an explanation names
    for done, space in enumerate(named, start=1):
        feature_examples.find(workspace, space)
        progress(done, len(named))


STEPS: tuple[Step, ...] = (
    Step("find duplicates", _audit),
    Step("compare similar photos", _near_duplicates),
    Step("score spaces and metrics", _scores),
    Step("find clusters", _clusters),
    Step("rank doubtful labels", _suspects),
    Step("describe features", _features),
    Step("measure recall", index_recall.measure_all),
    Step("word the verdicts", stored_verdicts.find),  # the last: it reads what the others store
)


def make(settings: Settings, reporter: Reporter | None = None, steps: Sequence[Step] | None = None) -> float:
    """Make every missing result of `steps`, by default all, for the prepared photos. Returns the seconds taken.

    What cannot be measured is said in a sentence; nothing is raised for it.
    """
    start = time.perf_counter()
    report = reporter or Reporter()
    try:
        workspace = workspaces.open_workspace(settings)
        # A second run of the same photos waits, and then finds the results.
        with exclusive_lock(workspace.folder / LOCK):
            for step in STEPS if steps is None else steps:
                _take(step, workspace, report)
    except PetalscopeError as error:  # nothing is prepared, or the lock cannot be written
        report.say(_notice("The first results were not measured", error))
    return time.perf_counter() - start


def _take(step: Step, workspace: Workspace, reporter: Reporter) -> None:
    try:
        step.make(workspace, reporter.stage(step.title))
    except PetalscopeError as error:
        reporter.say(_notice(f"{step.title.capitalize()}: not done", error))
    except Exception as error:  # a fault of one step must not take the others, and the prepared photos, with it
        reporter.say(f"{step.title.capitalize()}: not done ({type(error).__name__}: {error}). {LATER}")


def _notice(what: str, error: PetalscopeError) -> Notice:
    return Notice(f"{what}. {error.problem}", error.remedy, error.command, outcome=LATER)
