"""The views of the retrieval page, by the name that stands in links."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from lib.view import beside, calibrating, disagreeing, lab, links, scoring, searching, understanding
from lib.view.answers import Asked
from lib.workspace import Workspace


@dataclass(frozen=True)
class OfQuery:
    """A view of what is found for the query that is chosen beside it."""

    show: Callable[[Workspace, Asked], None]


@dataclass(frozen=True)
class OfAll:
    """A view of the whole data set, which needs no query."""

    show: Callable[[Workspace], None]


VIEWS: dict[str, OfQuery | OfAll] = {
    "Five metrics": OfQuery(searching.five),
    "Side by side": OfQuery(beside.show),
    "Disagreements": OfAll(disagreeing.show),
    "Scoreboard": OfAll(scoring.show),
    "Calibration": OfAll(calibrating.show),
    "Robustness lab": OfAll(lab.show),
    "Understand": OfAll(understanding.show),
}


def choice() -> OfQuery | OfAll:
    """Which view: a control kept in the address."""
    names = list(VIEWS)
    tied = links.choice("view", "retrieval", names, names[0])
    return VIEWS[str(st.segmented_control("View", names, required=True, wrap=True, **tied))]
