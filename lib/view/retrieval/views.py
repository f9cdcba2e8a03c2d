"""The views of the retrieval page, by the names that stand in links."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lib.prepare.workspace import Workspace
from lib.view import page_controls, url_state
from lib.view.cached_search import QuerySet
from lib.view.retrieval import (
    calibration,
    disagreements,
    result_rows,
    robustness_lab,
    scoreboard,
    side_by_side,
    understand,
)
from lib.view.retrieval.view_links import FIVE_METRICS, SIDE_BY_SIDE


@dataclass(frozen=True)
class QueryView:
    """A view of the results of the query that the form beside it chooses."""

    show: Callable[[Workspace, QuerySet], None]


@dataclass(frozen=True)
class DataSetView:
    """A view of the whole data set, which needs no query."""

    show: Callable[[Workspace], None]


VIEWS: dict[str, QueryView | DataSetView] = {
    FIVE_METRICS: QueryView(result_rows.show),
    SIDE_BY_SIDE: QueryView(side_by_side.show),
    "Disagreements": DataSetView(disagreements.show),
    "Scoreboard": DataSetView(scoreboard.show),
    "Calibration": DataSetView(calibration.show),
    "Robustness lab": DataSetView(robustness_lab.show),
    "Understand": DataSetView(understand.show),
}


def choose() -> QueryView | DataSetView:
    """The chosen view: a control kept in the address."""
    return VIEWS[
        page_controls.segments(
            "View", {name: name for name in VIEWS}, url_state.SECTION, "retrieval", next(iter(VIEWS))
        )
    ]
