"""The views of the retrieval page, by the name that stands in links."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from lib.prepare.workspace import Workspace
from lib.view import url_state
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


@dataclass(frozen=True)
class OfQuery:
    """A view of what is found for the query that is chosen beside it."""

    show: Callable[[Workspace, QuerySet], None]


@dataclass(frozen=True)
class OfAll:
    """A view of the whole data set, which needs no query."""

    show: Callable[[Workspace], None]


VIEWS: dict[str, OfQuery | OfAll] = {
    "Five metrics": OfQuery(result_rows.five),
    "Side by side": OfQuery(side_by_side.show),
    "Disagreements": OfAll(disagreements.show),
    "Scoreboard": OfAll(scoreboard.show),
    "Calibration": OfAll(calibration.show),
    "Robustness lab": OfAll(robustness_lab.show),
    "Understand": OfAll(understand.show),
}


def choice() -> OfQuery | OfAll:
    """Which view: a control kept in the address."""
    names = list(VIEWS)
    tied = url_state.choice("view", "retrieval", names, names[0])
    return VIEWS[str(st.segmented_control("View", names, required=True, wrap=True, **tied))]
