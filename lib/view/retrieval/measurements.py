"""What the retrieval page measures over the whole data set: read from artifacts, or measured in the background once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import streamlit as st

from lib.data.distortions import DISTORTIONS, Distortion
from lib.embed import spaces
from lib.measure import robustness, scoreboard
from lib.measure.scoreboard import SpaceScores
from lib.prepare.workspace import Workspace
from lib.progress import Reporter
from lib.search import disagreement, equivalence, significance
from lib.search.disagreement import ClassResult, Disagreement, Hubs
from lib.search.equivalence import Equivalence
from lib.search.evaluation import Scores
from lib.search.significance import Difference
from lib.view import background_jobs, cached
from lib.view.formatting import plain

# Above so many numbers to compare, some minutes on two cores, nothing is measured before somebody asks for it.
UNASKED = 4e11


@st.cache_resource(max_entries=16, show_spinner=False)
def _scores(version: str, space: str, changed: int, _opened: Workspace) -> SpaceScores | None:
    return scoreboard.load(_opened, space, cached.catalog(_opened))


def scores(opened: Workspace) -> dict[str, SpaceScores]:
    """The kept scores of every space that has some, by space. Shared by all sessions: read only.

    Raises ArtifactError when one is damaged.
    """
    catalog, found = cached.catalog(opened), {}
    for space in opened.spaces:
        file = scoreboard.path(opened, space, catalog)
        if file.is_file():
            known = _scores(opened.version, space, file.stat().st_mtime_ns, opened)
            if known is not None:
                found[space] = known
    return found


@st.cache_resource(max_entries=400, show_spinner=False)
def _difference(a: str, b: str, measure: str, _a: Scores, _b: Scores) -> Difference:
    return significance.difference(scoreboard.per_query(_a, measure), scoreboard.per_query(_b, measure))


def difference(found: dict[str, SpaceScores], a: str, b: str, measure: str) -> Difference:
    """The paired test of two cells, each "space.metric". Shared by all sessions: read only."""
    cells = []
    for cell in (a, b):
        space, metric = cell.split(".")
        facts = found[space].facts
        cells.append((f"{cell} {facts['space_fingerprint']} {facts['split_seed']} {facts['made']}", space, metric))
    (one, *first), (two, *second) = cells
    return _difference(one, two, measure, found[first[0]].scores[first[1]], found[second[0]].scores[second[1]])


def all_scores(opened: Workspace) -> dict[str, SpaceScores] | None:
    """The scores of every space; None while they are being measured, of which the page then shows the progress."""
    known = scores(opened)
    if len(known) == len(opened.spaces):
        return known

    def work(reporter: Reporter) -> None:
        scoreboard.measure_all(
            opened, lambda space: reporter.stage(f"{spaces.get(space).title}, queries under five metrics")
        )

    catalog = cached.catalog(opened)
    effort = scoreboard.cost(opened, catalog)
    _measure(
        work,
        "scores",
        f"Nothing is scored yet: {catalog.splits['test']:,} test photos as queries against all others, in "
        f"{len(opened.spaces)} spaces.",
        "Score every space and metric",
        unasked=effort <= UNASKED,
    )
    return None


def _measure(work: Callable[[Reporter], object], name: str, why: str, label: str, *, unasked: bool) -> None:
    """Begin a measurement, at once when it is `unasked`, else behind a button; then show its progress."""
    running = background_jobs.measurements()
    if running.job.running:
        background_jobs.follow(measuring=True)
        return
    if running.job.error and running.job.name == name:
        st.error(plain(running.job.error), icon=":material/error:")
    elif unasked:
        running.start(work, name)
        background_jobs.follow(measuring=True)
        return
    st.info(plain(why), icon=":material/hourglass_empty:")
    if st.button(label, type="primary", icon=":material/play_arrow:", key=f"measure_{name}"):
        running.start(work, name)
        st.rerun()


@st.cache_resource(max_entries=16, show_spinner=False)
def _disagreement(version: str, space: str, k: int, _opened: Workspace) -> Disagreement:
    labels = cached.catalog(_opened).frame["label"].to_numpy(dtype=object)
    return disagreement.measure(cached.neighbourhoods(_opened, space), labels, k)


def disagreements(opened: Workspace, space: str, k: int) -> Disagreement:
    """How far L1 and cosine differ on every photo. Shared by all sessions: read only."""
    return _disagreement(opened.version, space, k, opened)


@st.cache_resource(max_entries=32, show_spinner=False)
def _by_class(version: str, space: str, k: int, _opened: Workspace) -> list[ClassResult]:
    labels = cached.catalog(_opened).frame["label"].to_numpy(dtype=object)
    return disagreement.by_class(disagreements(_opened, space, k), labels)


def disagreements_by_class(opened: Workspace, space: str, k: int) -> list[ClassResult]:
    """Which classes one of the two wins. Shared by all sessions: read only."""
    return _by_class(opened.version, space, k, opened)


@st.cache_resource(max_entries=16, show_spinner=False)
def _hubs(version: str, space: str, metric: str, k: int, _opened: Workspace) -> Hubs:
    labels = cached.catalog(_opened).frame["label"].to_numpy(dtype=object)
    return disagreement.hubs(cached.neighbourhoods(_opened, space), labels, metric, k)


def hubs(opened: Workspace, space: str, metric: str, k: int) -> Hubs:
    """How one metric hands out its answers. Shared by all sessions: read only."""
    return _hubs(opened.version, space, metric, k, opened)


@st.cache_resource(max_entries=8, show_spinner="Comparing the rankings of every two metrics")
def _equivalence(version: str, space: str, _opened: Workspace) -> Equivalence:
    return equivalence.measure(cached.loaded(_opened, space).gallery)


def equivalences(opened: Workspace, space: str) -> Equivalence:
    """Which metrics rank alike in a space. Shared by all sessions: read only."""
    return _equivalence(opened.version, space, opened)


@st.cache_data(max_entries=64, show_spinner=False)
def _sweep(version: str, space: str, kind: str, changed: int, _opened: Workspace) -> dict[str, Any]:
    loaded = cached.loaded(_opened, space)
    return robustness.measure(_opened, loaded, DISTORTIONS[kind], lambda: cached.embedder(_opened, space))


def sweeps(
    opened: Workspace, names: Iterable[str], kinds: Iterable[Distortion]
) -> dict[tuple[str, str], dict[str, Any]]:
    """The kept sweeps by (space, distortion)."""
    catalog, found = cached.catalog(opened), {}
    for space in names:
        for kind in kinds:
            file = robustness.path(opened, space, kind, catalog.contents, catalog.seed)
            if file.is_file():
                found[space, kind.name] = _sweep(opened.version, space, kind.name, file.stat().st_mtime_ns, opened)
    return found


def sweep_button(opened: Workspace, names: list[str], kinds: list[Distortion], label: str) -> None:
    """A button that measures some sweeps in the background, and their progress while they are measured."""

    def work(reporter: Reporter) -> None:
        for kind in kinds:
            for space in names:
                robustness.measure(
                    opened,
                    cached.loaded(opened, space),
                    kind,
                    lambda space=space: cached.embedder(opened, space),  # type: ignore[misc]
                    reporter.stage(f"{kind.title}, photos in {spaces.get(space).title}"),
                )

    photos = len(robustness.sample(cached.loaded(opened, names[0])))
    _measure(
        work,
        "sweeps",
        f"Not measured yet: {photos} test photos, changed at every strength, searched in "
        f"{' and '.join(spaces.get(name).title for name in names)}.",
        label,
        unasked=False,
    )
