"""The verdicts on a data set as an artifact: computed once from what is stored, and read back by the first page.

Nothing is measured here. The file's name is a hash of everything that the sentences are computed from, so that a new
training, score or recall measurement makes them anew.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib import artifacts
from lib.data import audit_file
from lib.data.catalog import Catalog
from lib.errors import ArtifactError, PetalscopeError
from lib.learn import runs
from lib.learn.normalise_record import normalise
from lib.measure import clusters, data_set_verdicts, findings, index_recall, leaks, scoreboard, traits, unlabelled
from lib.measure.data_set_verdicts import DataSetVerdict
from lib.measure.provenance import provenance
from lib.measure.scoreboard import SpaceScores
from lib.measure.verdicts import Verdict
from lib.prepare import workspace as workspaces
from lib.prepare.workspace import Workspace
from lib.progress import Progress, no_progress
from lib.search.clustering import KMEANS
from lib.settings import VERSION
from lib.store import collections

SCHEMA = 3
FOLDER = "measured"


def version(workspace: Workspace, catalog: Catalog) -> str:
    """A hash of all that the verdicts are computed from: photos, vectors, stored measurements and training records."""
    files = [
        *(scoreboard.scores_file(workspace, space, catalog) for space in workspace.spaces),
        workspace.folder / audit_file.FOLDER / audit_file.file_name(catalog),
        *_recall_files(workspace),
        *sorted((workspace.folder / "near-duplicates").glob("*.json")),
        *(() if catalog.classes else sorted((workspace.folder / clusters.FOLDER).glob("*-clusters-*.npz"))),
    ]
    stamps = [(file.name, artifacts.stamp(file)) for file in files]
    try:
        records = runs.version(workspace.settings)
    except OSError:
        records = ""
    # The version of Petalscope, since another one may word the sentences otherwise.
    own = (SCHEMA, VERSION)
    return artifacts.digest("petalscope-verdicts", own, workspace.version, catalog.contents, stamps, records)


def find(workspace: Workspace, progress: Progress = no_progress) -> list[DataSetVerdict]:
    """The verdicts, read from their file, else computed and written. Raises ArtifactError when no space is prepared."""
    catalog = workspace.catalog()
    space = leaks.features_space(workspace)
    file = _file(workspace, space, version(workspace, catalog))
    stored = artifacts.unless_damaged(artifacts.read_json, file)
    if stored is not None:
        return [_read(each) for each in stored["verdicts"]]
    found = compute(workspace, catalog, space)
    progress(1, 1)
    for earlier in file.parent.glob(f"{Path(workspace.space(space)['folder']).name}-verdicts-*.json"):
        artifacts.remove(earlier)
    with contextlib.suppress(ArtifactError):  # where nothing can be written they are computed again
        artifacts.write_json(
            file, {"verdicts": [dataclasses.asdict(each) for each in found], **provenance(workspace, space, catalog)}
        )
    return found


def compute(workspace: Workspace, catalog: Catalog, space: str) -> list[DataSetVerdict]:
    """The verdicts on the photos, in the order in which they are shown; findings are those of `space`."""
    ids = catalog.ids
    scores = _scores(workspace, catalog)
    audit = audit_file.load(workspace.folder, catalog)
    near = leaks.stored(workspace, catalog)
    columns = traits.traits(catalog, space, workspace.neighbourhoods(space))
    none: dict[str, Any] = {"duplicates": [], "corrupt": [], "images": len(ids)}
    rules = {each.name: each for each in findings.findings(ids, columns, audit or none)}  # type: ignore[arg-type]
    try:
        records = [normalise(run) for run in runs.load(workspace.settings)]
    except ArtifactError:
        records = None
    stored = workspace.state["collections"].get(workspaces.store_key(workspace.settings), {})
    near_leaks = None if near is None else leaks.leaks(near, catalog)
    tested = catalog.splits["test"]
    if not catalog.classes:
        k = clusters.default_k(catalog)
        return [
            unlabelled.verdict(clusters.load(workspace, space, catalog, KMEANS, k), space, len(ids)),
            data_set_verdicts.duplicates(audit, near_leaks, tested, labelled=False),
            data_set_verdicts.hubs(rules["hubs"], columns["hubness"].values, space),
            data_set_verdicts.index(_recalls(workspace), len(stored)),
        ]
    return [
        data_set_verdicts.best_configuration(scores),
        data_set_verdicts.l1_against_cosine(scores, ids),
        data_set_verdicts.label_errors(rules["strays"], columns["purity"].values, len(catalog.classes), space),
        data_set_verdicts.duplicates(audit, near_leaks, tested),
        data_set_verdicts.hubs(rules["hubs"], columns["hubness"].values, space),
        data_set_verdicts.training(records, catalog.fingerprint, ids),
        data_set_verdicts.index(_recalls(workspace), len(stored)),
    ]


def _scores(workspace: Workspace, catalog: Catalog) -> dict[str, SpaceScores]:
    """The stored scores of all spaces; none while one is missing, since the best may be among the missing ones."""
    try:
        found = {space: scoreboard.load(workspace, space, catalog) for space in workspace.spaces}
    except PetalscopeError:
        return {}
    stored = {space: scores for space, scores in found.items() if scores is not None}
    return stored if len(stored) == len(found) else {}


def _recall_files(workspace: Workspace) -> list[Path]:
    stored = workspace.state["collections"].get(workspaces.store_key(workspace.settings), {})
    return [
        index_recall.file(workspace, space, entry["base"] + suffix)
        for space, entry in stored.items()
        if space in workspace.state["spaces"]
        for suffix in collections.SIBLINGS
    ]


def _recalls(workspace: Workspace) -> list[Mapping[str, Any]]:
    """The `recall` documents that are stored for the current vectors."""
    found = [artifacts.unless_damaged(artifacts.read_json, file) for file in _recall_files(workspace)]
    documents = [each["recall"] for each in found if each is not None and isinstance(each.get("recall"), dict)]
    return [document for document in documents if document.get("rows")]


def _file(workspace: Workspace, space: str, inputs: str) -> Path:
    return workspace.folder / FOLDER / f"{Path(workspace.space(space)['folder']).name}-verdicts-{inputs[:16]}.json"


def _read(stored: dict[str, Any]) -> DataSetVerdict:
    return DataSetVerdict(**{**stored, "verdict": Verdict(**stored["verdict"])})
