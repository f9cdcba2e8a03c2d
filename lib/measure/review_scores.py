"""The scores before and after a label review, side by side, as far as both are stored: nothing is measured here."""

from __future__ import annotations

from dataclasses import dataclass

from lib.errors import PetalscopeError
from lib.measure import scoreboard
from lib.measure.scoreboard import SpaceScores
from lib.prepare.workspace import Workspace

METRIC = "cosine"
# The measures that are compared (`scoreboard.MEASURES`).
MEASURES = ("p1", "map")
Interval = tuple[float, float]


@dataclass(frozen=True)
class Score:
    """A mean over `queries` test photos with its 95 % interval; None where it is undefined."""

    mean: float | None
    interval: Interval | None
    queries: int


@dataclass(frozen=True)
class ScorePair:
    """A measure of a space under `METRIC`, `before` and `after` the review; None where it is not stored."""

    space: str
    measure: str
    before: Score | None
    after: Score | None


def compare(before: Workspace | None, after: Workspace) -> list[ScorePair]:
    """The measures of every space of `after`; `before` is the workspace without the review."""
    return [
        ScorePair(
            space,
            measure,
            None if before is None or space not in before.spaces else _score(_stored(before, space), measure),
            _score(_stored(after, space), measure),
        )
        for space in after.spaces
        for measure in MEASURES
    ]


def _stored(workspace: Workspace, space: str) -> SpaceScores | None:
    try:
        return scoreboard.load(workspace, space, workspace.catalog())
    except PetalscopeError:
        return None


def _score(scores: SpaceScores | None, measure: str) -> Score | None:
    if scores is None:
        return None
    of_metric = scores.scores[METRIC]
    mean, interval = scoreboard.mean_and_interval(of_metric, measure)
    return Score(mean, interval, int(of_metric.per_query.counted.sum()))
