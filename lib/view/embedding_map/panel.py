"""The panel beside the map: the section that is open, links that carry query and selection to other pages, export."""

from __future__ import annotations

from lib.prepare.workspace import Workspace
from lib.view.embedding_map import (
    clusters,
    exports,
    fidelity,
    findings,
    photo_filter,
    query_neighbours,
    sections,
    selected_photos,
    stability,
    uploaded_photo,
    what_training_does,
)
from lib.view.embedding_map.map_choice import DisplayedMap
from lib.view.embedding_map.query_neighbours import Lookup


def show(
    workspace: Workspace,
    section: str,
    main: DisplayedMap,
    second: DisplayedMap | None,
    *,
    colour: str,
    lookup: Lookup,
    upload: bytes | None,
) -> None:
    """One of `sections.TITLES`. `second` is the map to compare with, `upload` the visitor's own photo."""
    if section == sections.QUERY:
        query_neighbours.show(workspace, main, lookup)
    elif section == sections.SELECTION:
        selected_photos.show(workspace, main.space)
    elif section == sections.FILTER:
        photo_filter.show(workspace, main.space)
    elif section == sections.FINDINGS:
        findings.show(workspace, main.space)
    elif section == sections.CLUSTERS:
        clusters.show(workspace, main.space, colour)
    elif section == sections.TRAINING:
        what_training_does.show(workspace)
    elif section == sections.PHOTO:
        uploaded_photo.show(workspace, main, upload, lookup)
    elif section == sections.STABILITY:
        stability.show(workspace, main.space)
    else:
        fidelity.show(workspace, main, second, colour)
    selected_photos.links(workspace)
    exports.show(workspace, main)
