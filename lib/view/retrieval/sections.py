"""The sections of the retrieval page, by the words that stand in links."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lib.prepare.workspace import Workspace
from lib.view import page_controls, url_state
from lib.view.retrieval import (
    calibration,
    depth,
    disagreements,
    features,
    result_rows,
    robustness_lab,
    scoreboard,
    space_comparison,
    two_configurations,
    understand,
    what_if,
)
from lib.view.retrieval.section_links import DEPTH, FEATURES, GRIDS, L1_COSINE, SPACES, WHAT_IF


@dataclass(frozen=True)
class Section:
    """A part of the page: its title, and the function that draws it."""

    title: str
    show: Callable[[Workspace], None]


SECTIONS = {
    L1_COSINE: Section("L1 | cosine", two_configurations.show),
    GRIDS: Section("Result grids", result_rows.show),
    "scoreboard": Section("Scoreboard", scoreboard.show),
    "disagreements": Section("Disagreements", disagreements.show),
    "calibration": Section("Calibration", calibration.show),
    "robustness": Section("Robustness", robustness_lab.show),
    SPACES: Section("Spaces", space_comparison.show),
    WHAT_IF: Section("What if", what_if.show),
    FEATURES: Section("Features", features.show),
    DEPTH: Section("Depth", depth.show),
    "understand": Section("Understand", understand.show),
}


def choose() -> Section:
    """The chosen section: a control kept in the address."""
    titles = {name: section.title for name, section in SECTIONS.items()}
    name = page_controls.segments(
        "Section", titles, url_state.SECTION, "retrieval", next(iter(SECTIONS)), label_is_shown=False
    )
    return SECTIONS[name]
