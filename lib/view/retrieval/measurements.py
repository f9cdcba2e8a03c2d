"""Measurements over the whole data set: read from artifacts, or measured once in the background."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import streamlit as st

from lib.data.distortions import DISTORTIONS, Distortion
from lib.embed import spaces
from lib.errors import ArtifactError
from lib.learn import runs as records
from lib.learn.backbone import Weights
from lib.measure import depth as measured_depth
from lib.measure import paired_scores, retrieval_verdicts, robustness, scoreboard
from lib.measure.depth import Depth
from lib.measure.paired_scores import ClassDifference, PairedScores
from lib.measure.retrieval_verdicts import Typical
from lib.measure.robustness import RobustnessSweep
from lib.measure.scoreboard import SpaceScores
from lib.prepare.workspace import Workspace
from lib.progress import Reporter
from lib.search import disagreement, equivalence, neighbourhoods, significance
from lib.search.disagreement import ClassResult, Disagreement, Hubs
from lib.search.equivalence import Equivalence
from lib.search.metrics import METRICS
from lib.search.significance import Difference
from lib.view import background_jobs, cached

# A measurement with more multiplications than this takes minutes on two cores: it waits for a click on its button.
UNASKED = 4e11
NOT_SCORED = "No scores are measured yet"
SCORE_BUTTON = "Score every space and metric"
DEPTH_BUTTON = "Measure depth"
Cell = tuple[str, str]  # a space and a metric
_measure = background_jobs.measure_on_request


def scores(workspace: Workspace) -> dict[str, SpaceScores]:
    """The stored scores by space, of the spaces that have some. Shared by all sessions: read only.

    Raises ArtifactError when one is damaged.
    """
    catalog, scores_by_space = cached.catalog(workspace), {}
    for space in workspace.spaces:
        file = scoreboard.scores_file(workspace, space, catalog)
        if file.is_file():
            space_scores = _scores(workspace, space, file.stat().st_mtime_ns)
            if space_scores is not None:
                scores_by_space[space] = space_scores
    return scores_by_space


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=cached.KEYS)
def _scores(workspace: Workspace, space: str, modified_ns: int) -> SpaceScores | None:
    return scoreboard.load(workspace, space, cached.catalog(workspace))


def _measured(space_scores: SpaceScores) -> tuple[str, str, str]:
    facts = space_scores.facts
    return str(facts["space_fingerprint"]), str(facts["split_seed"]), str(facts["made"])


@st.cache_resource(max_entries=400, show_spinner=False, hash_funcs={SpaceScores: _measured})
def difference(scores_by_space: dict[str, SpaceScores], a: str, b: str, measure: str) -> Difference:
    """The paired test of two cells, each "space.metric". Shared by all sessions: read only."""
    values_a, values_b = (
        scoreboard.per_query(scores_by_space[space].scores[metric], measure)
        for space, metric in (cell.rsplit(".", 1) for cell in (a, b))
    )
    return significance.difference(values_a, values_b)


def all_scores(workspace: Workspace, *, unasked: bool = True) -> dict[str, SpaceScores] | None:
    """The scores of every space. None while they are measured: the page then shows the progress.

    Small data sets are measured at once, unless `unasked` is False: then always behind the button.
    """
    stored = scores(workspace)
    if len(stored) == len(workspace.spaces):
        return stored

    def stage_title(name: str) -> str:
        if name == scoreboard.NEAR_STAGE:
            return "Pairs of similar photos, compared"
        return f"{spaces.get(name).title}, queries under every metric"

    def work(reporter: Reporter) -> None:
        scoreboard.measure_all(workspace, lambda name: reporter.stage(stage_title(name)))

    catalog = cached.catalog(workspace)
    _measure(
        work,
        "scores",
        f"{NOT_SCORED}: {catalog.splits['test']:,} test photos are queries against all other photos, in "
        f"{len(workspace.spaces)} spaces.",
        SCORE_BUTTON,
        at_once=unasked and scoreboard.cost(workspace, catalog) <= UNASKED,
    )
    return None


def _labels(workspace: Workspace) -> np.ndarray:
    labels: np.ndarray = cached.catalog(workspace).frame["label"].to_numpy(dtype=object)
    return labels


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=cached.KEYS)
def disagreements(workspace: Workspace, space: str, k: int) -> Disagreement:
    """How far L1 and cosine differ on each photo. Shared by all sessions: read only."""
    return disagreement.measure(cached.neighbourhoods(workspace, space), _labels(workspace), k)


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs=cached.KEYS)
def typical(workspace: Workspace, space: str, metric: str, k: int) -> Typical | None:
    """How many of their first `k` results have the query's class, for the test photos (all photos where none is in the
    test split). None where it is not stored: only the first results by L1 and cosine are. Shared: read only."""
    measured = disagreements(workspace, space, k)
    if measured.k != k or metric not in measured.right:
        return None
    right, noun = measured.right[metric], "test photo"
    is_test = (cached.catalog(workspace).frame["split"] == "test").to_numpy()
    if not is_test.any():
        is_test, noun = np.ones(len(right), dtype=bool), "photo"
    return retrieval_verdicts.typical(METRICS[metric].short, right[is_test], k, noun)


@dataclass(frozen=True)
class Compared:
    """Two configurations over the data set: their scores by query, the paired test of b − a, and that of each class."""

    paired: PairedScores
    test: Difference
    by_class: list[ClassDifference]


def compared(workspace: Workspace, a: Cell, b: Cell, measure: str, k: int) -> Compared | None:
    """Two configurations by the stored scores, else L1 and cosine of one space by the stored neighbours, as P@k.

    None where neither is stored. Shared by all sessions: read only.
    """
    stored = scores(workspace)
    if a[0] in stored and b[0] in stored:
        stamp = f"{stored[a[0]].facts['made']} {stored[b[0]].facts['made']}"
        return _compared(workspace, a, b, measure, stamp)
    if a[0] == b[0] and {a[1], b[1]} == set(neighbourhoods.METRICS):
        return _compared(workspace, a, b, f"p{min(k, neighbourhoods.DEPTH)}", "")
    return None


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs=cached.KEYS)
def _compared(workspace: Workspace, a: Cell, b: Cell, measure: str, scored: str) -> Compared:
    """`scored` says when the scores were made, "" means by the neighbours."""
    if scored:
        stored = scores(workspace)
        paired = paired_scores.from_scores(stored[a[0]].scores[a[1]], stored[b[0]].scores[b[1]], measure)
    else:
        measured = disagreements(workspace, a[0], int(measure.removeprefix("p")))
        paired = paired_scores.from_neighbours(measured, a[1], b[1])
    return Compared(paired, paired.difference(), paired_scores.by_class(paired, _labels(workspace)))


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs=cached.KEYS)
def disagreements_by_class(workspace: Workspace, space: str, k: int) -> list[ClassResult]:
    """Which of L1 and cosine is better for each class. Shared by all sessions: read only."""
    return disagreement.by_class(disagreements(workspace, space, k), _labels(workspace))


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=cached.KEYS)
def hubs(workspace: Workspace, space: str, metric: str, k: int) -> Hubs:
    """How often each photo is among the results under a metric. Shared by all sessions: read only."""
    return disagreement.hubs(cached.neighbourhoods(workspace, space), _labels(workspace), metric, k)


@st.cache_resource(max_entries=8, show_spinner="Comparing the rankings of every two metrics", hash_funcs=cached.KEYS)
def equivalences(workspace: Workspace, space: str) -> Equivalence:
    """Which metrics give the same ranking in a space. Shared by all sessions: read only."""
    return equivalence.measure(cached.searchable_space(workspace, space).gallery)


def sweeps(
    workspace: Workspace, names: Iterable[str], kinds: Iterable[Distortion]
) -> dict[tuple[str, str], RobustnessSweep]:
    """The stored sweeps by (space, distortion)."""
    catalog, stored = cached.catalog(workspace), {}
    for space in names:
        for kind in kinds:
            file = robustness.sweep_file(workspace, space, kind, catalog.contents, catalog.seed)
            if file.is_file():
                stored[space, kind.name] = _sweep(workspace, space, kind.name, file.stat().st_mtime_ns)
    return stored


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=cached.KEYS)
def _sweep(workspace: Workspace, space: str, kind: str, modified_ns: int) -> RobustnessSweep:
    loaded = cached.searchable_space(workspace, space)
    return robustness.measure(workspace, loaded, DISTORTIONS[kind], lambda: cached.embedder(workspace, space))


def sweep_button(workspace: Workspace, names: list[str], kinds: list[Distortion], label: str) -> None:
    """A button that measures sweeps in the background, and their progress while they are measured."""

    def work(reporter: Reporter) -> None:
        for kind in kinds:
            for space in names:
                robustness.measure(
                    workspace,
                    cached.searchable_space(workspace, space),
                    kind,
                    lambda space=space: cached.embedder(workspace, space),  # type: ignore[misc]
                    reporter.stage(f"{kind.title}, photos in {spaces.get(space).title}"),
                )

    photos = len(robustness.sample(cached.searchable_space(workspace, names[0])))
    _measure(
        work,
        "sweeps",
        f"Not measured yet: {photos} test photos, distorted at every strength and searched for in "
        f"{' and '.join(spaces.get(name).title for name in names)}.",
        label,
        at_once=False,
    )


def networks(workspace: Workspace) -> dict[str, Weights]:
    """The networks whose depth can be measured, by the name of their space. Shared by all sessions: read only."""
    try:
        version = records.version(workspace.settings)
    except ArtifactError:
        version = ""
    return _networks(workspace, version)


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs=cached.KEYS)
def _networks(workspace: Workspace, runs_version: str) -> dict[str, Weights]:
    return measured_depth.networks(workspace, cached.catalog(workspace))


def depth(workspace: Workspace) -> Depth | None:
    """The depth of every network. None while it is not measured: the page then shows a button, or the progress.

    Raises QueryError where no photo is a test photo. Shared by all sessions: read only.
    """
    chosen, catalog = networks(workspace), cached.catalog(workspace)
    target = measured_depth.file(workspace, catalog, chosen)
    if target.is_file():
        found = _depth(workspace, str(target), target.stat().st_mtime_ns)
        if found is not None:
            return found
    photos = len(measured_depth.sample(catalog))
    titles = " and ".join(spaces.get(name).title for name in chosen)
    _measure(
        lambda reporter: measured_depth.measure(workspace, reporter),
        "depth",
        f"Not measured yet: {photos:,} photos pass through {titles}, and every stage is searched and probed. That "
        "takes some minutes.",
        DEPTH_BUTTON,
        at_once=False,
    )
    return None


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs=cached.KEYS, validate=lambda found: found is not None)
def _depth(workspace: Workspace, target: str, modified_ns: int) -> Depth | None:
    return measured_depth.load(workspace, cached.catalog(workspace), networks(workspace))
