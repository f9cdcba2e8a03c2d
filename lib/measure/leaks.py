"""Leaks between splits: near-duplicates of which one is a test image and the other is not.

A leak makes a score too good, since the query finds a copy of itself.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from lib import artifacts
from lib.data import labelled
from lib.data.catalog import Catalog
from lib.documents.prepare import Leak
from lib.errors import ArtifactError, PetalscopeError, QueryError, Remedy
from lib.prepare.workspace import Workspace
from lib.progress import Progress, no_progress
from lib.search import near_duplicates
from lib.search.near_duplicates import NearDuplicates, Source

NOT_SEARCHED = "Near-duplicates could not be searched for, so no score is without leaks: prepare the photos again."
# The space whose neighbours are compared, where it is prepared; else the last one that is.
PREFERRED_SPACE = "resnet18"
PIXELS = "pixels"


def find(workspace: Workspace, catalog: Catalog, progress: Progress = no_progress) -> NearDuplicates:
    """The near-duplicates among the prepared images, read from their file, else computed and written.

    Raises ArtifactError when no space is prepared. `progress` receives (pairs compared, candidates).
    """
    kept = stored(workspace, catalog)
    if kept is not None:
        return kept
    space = features_space(workspace)
    entry = workspace.space(space)
    file = near_duplicates.file_in(workspace.folder, entry["folder"], entry["fingerprint"])
    stretched = (
        near_duplicates.stretched_from_vectors(workspace.vectors(PIXELS).values)
        if PIXELS in workspace.spaces
        else near_duplicates.stretched_from_files(catalog)
    )
    source = Source(space, entry["fingerprint"], workspace.neighbourhoods(space), stretched)
    return near_duplicates.compute(file, catalog, source, progress)


def stored(workspace: Workspace, catalog: Catalog) -> NearDuplicates | None:
    """The near-duplicates that `find` has written; None while there are none. Raises ArtifactError as `find` does."""
    entry = workspace.space(features_space(workspace))
    return near_duplicates.load(
        near_duplicates.file_in(workspace.folder, entry["folder"], entry["fingerprint"]), catalog
    )


def find_or_none(workspace: Workspace, catalog: Catalog, progress: Progress = no_progress) -> NearDuplicates | None:
    """As `find`; None where photos or artifacts that it needs cannot be read any more: then show `NOT_SEARCHED`."""
    try:
        return find(workspace, catalog, progress)
    except PetalscopeError:
        return None


def leaks(near: NearDuplicates, catalog: Catalog) -> list[Leak]:
    """The pairs that straddle test and the other splits, the most alike first: the `leaks` of the `audit` document."""
    ids, labels, splits = catalog.ids, catalog.labels, list(catalog.frame["split"])
    places = near.leaks(catalog)
    places = places[near.correlation[places].argsort(kind="stable")[::-1]]
    return [
        {
            "ids": [ids[a], ids[b]],
            "labels": [labels[a], labels[b]],
            "splits": [str(splits[a]), str(splits[b])],
            "correlation": float(near.correlation[place]),
            "equal": catalog.hashes[a] == catalog.hashes[b],
        }
        for place, (a, b) in zip(places.tolist(), near.rows[places].tolist(), strict=True)
    ]


def shared_split_table(near: NearDuplicates, catalog: Catalog) -> str:
    """A CSV table `id,label,split` in which near-duplicates share a split; images without one keep theirs."""
    labelled.require(catalog, "Tables of labels and splits")
    splits = near_duplicates.shared_splits(catalog, near.groups(catalog))
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["id", "label", "split"])
    writer.writerows(zip(catalog.ids, catalog.labels, splits, strict=True))
    return table.getvalue()


def write_table(target: Path, table: str) -> None:
    """Write a new file. Raises QueryError when it exists, ArtifactError when it cannot be written."""
    if target.exists():
        raise QueryError(f"{target} exists already; name another file, or delete it first.")
    with artifacts.replacing(target) as temporary:
        temporary.write_text(table, encoding="utf-8")


def features_space(workspace: Workspace) -> str:
    """The space whose neighbours are compared. Raises ArtifactError when none is prepared."""
    if not workspace.spaces:
        raise ArtifactError("No space is prepared, so near-duplicates cannot be found", remedy=Remedy.PREPARE)
    return PREFERRED_SPACE if PREFERRED_SPACE in workspace.spaces else workspace.spaces[-1]
