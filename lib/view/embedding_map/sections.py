"""The sections of the panel beside the map, and which of them is open: a choice kept in the address."""

from __future__ import annotations

from lib.prepare.workspace import Workspace
from lib.view import cached, page_controls, selection, url_state

QUERY, SELECTION, FILTER, FINDINGS, CLUSTERS, TRAINING, PHOTO, READING, STABILITY = (
    "query", "selection", "filter", "findings", "clusters", "training", "photo", "reading", "stability",
)  # fmt: skip
TITLES = {
    QUERY: "Query",
    SELECTION: "Selection",
    FILTER: "Filter",
    FINDINGS: "Findings",
    CLUSTERS: "Clusters",
    TRAINING: "Training",
    PHOTO: "Your photo",
    READING: "Fidelity",
    STABILITY: "Stability",
}


def choose(workspace: Workspace) -> str:
    """The open section, as buttons side by side; without one in the address its filter, selection or query."""
    photos = cached.catalog(workspace)
    has_filter = bool(url_state.parameters(url_state.PASSING))
    has_selection = bool(selection.selected_rows(len(photos.ids), photos.contents))
    return page_controls.segments(
        "Beside the map",
        TITLES,
        url_state.SECTION,
        "map",
        FILTER if has_filter else SELECTION if has_selection else QUERY,
        label_is_shown=False,
    )
