"""What pages read, cached. One cached read is one function; its key is a hash of fingerprints, never of vectors.

`KEYS` says what stands for an argument in the key: a workspace counts as its version, so a new `prepare` is seen at
once. Streamlit leaves arguments whose names begin with an underscore out of the key.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from lib import artifacts, settings
from lib.data import audit_file, catalog_file, tags, thumbnails
from lib.data.catalog import Catalog
from lib.documents.prepare import AuditDocument, DoctorDocument
from lib.embed.embedder import Embedder
from lib.embed.projection import Map, MapParameters
from lib.errors import ArtifactError
from lib.learn import results
from lib.learn import runs as records
from lib.learn.normalise_record import normalise
from lib.measure import clusters as measured_clusters
from lib.measure import findings as measured_findings
from lib.measure import leaks, map_verdict, space_traits, stored_stability
from lib.measure import traits as measured_traits
from lib.measure.clusters import Clusters
from lib.measure.findings import Finding
from lib.measure.stored_stability import MeasuredStability
from lib.measure.traits import Trait
from lib.measure.verdicts import Verdict
from lib.prepare import doctor
from lib.prepare import workspace as workspaces
from lib.prepare.workspace import Workspace
from lib.retrieval import search as retrieval_search
from lib.retrieval.search import SearchableSpace
from lib.search import centrality
from lib.search.near_duplicates import NearDuplicates
from lib.search.neighbourhoods import Neighbourhoods
from lib.settings import Settings
from lib.store import collections
from lib.store import pool as pools
from lib.store.connection import Store
from lib.store.pool import Connection, Lease, Pool
from lib.view import remedies
from lib.view.components import gallery

KEYS: dict[str | type[Any], Callable[[Any], Any]] = {Workspace: attrgetter("version")}
THUMBNAIL = 160
# A photo that fills the screen: its longer side at most, px, and the quality of its JPEG.
SCREEN, SCREEN_QUALITY = 2048, 92


@st.cache_resource
def current_settings() -> Settings:
    """The environment's settings; the environment of a running server does not change."""
    return settings.from_environment()


def open_workspace() -> Workspace:
    """The workspace of the current state file, which is small and read anew on each run: it is what switches."""
    return workspaces.open_workspace(current_settings())


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs=KEYS)
def catalog(workspace: Workspace) -> Catalog:
    """The catalog. Shared by all sessions: read only."""
    return workspace.catalog()


@st.cache_resource(max_entries=8, show_spinner="Opening the vectors", hash_funcs=KEYS)
def searchable_space(workspace: Workspace, space: str) -> SearchableSpace:
    """A space ready to be searched. Shared by all sessions: read only."""
    return retrieval_search.load_space(workspace, space)


@st.cache_resource(
    max_entries=16,
    show_spinner=False,
    hash_funcs=KEYS | {MapParameters: MapParameters.key},
    validate=lambda space_map: space_map is not None,  # a map that another session makes later is seen
)
def space_map(workspace: Workspace, space: str, parameters: MapParameters) -> Map | None:
    """The map of a space with these parameters; None while there is none. Shared by all sessions: read only."""
    return workspace.other_map(space, parameters)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=KEYS)
def neighbourhoods(workspace: Workspace, space: str) -> Neighbourhoods:
    """Each photo's nearest neighbours in a space. Shared by all sessions: read only."""
    return workspace.neighbourhoods(space)


def traits(workspace: Workspace, space: str) -> dict[str, Trait]:
    """The traits of each photo in a space, by name. Shared by all sessions: read only."""
    try:
        runs_version = records.version(current_settings())
        runs(runs_version)
    except ArtifactError:  # the training page reports a damaged record
        runs_version = ""
    clusters_version = measured_clusters.version(workspace, space)
    has_stability = stability(workspace, space) is not None
    tags_stamp = artifacts.stamp(workspace.folder / tags.NAME)
    return _traits(workspace, space, runs_version, clusters_version, has_stability, tags_stamp)


def _tag_traits(workspace: Workspace) -> dict[str, Trait]:
    try:
        return measured_traits.tag_traits(catalog(workspace), tags.read(workspace.folder))
    except ArtifactError:  # the selection's panel reports a damaged file
        return {}


def clusters(workspace: Workspace, space: str) -> list[Clusters]:
    """The stored clusters of a space. Shared by all sessions: read only."""
    return _clusters(workspace, space, measured_clusters.version(workspace, space))


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=KEYS)
def _clusters(workspace: Workspace, space: str, clusters_version: str) -> list[Clusters]:
    return measured_clusters.stored(workspace, space, catalog(workspace))


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=KEYS)
def _traits(
    workspace: Workspace,
    space: str,
    runs_version: str,
    clusters_version: str,
    has_stability: bool,
    tags_stamp: artifacts.FileStamp | None,
) -> dict[str, Trait]:
    found = space_traits.joined(
        workspace,
        space,
        catalog(workspace),
        neighbourhoods(workspace, space),
        runs(runs_version),
        _clusters(workspace, space, clusters_version),
        stability(workspace, space) if has_stability else None,
    )
    return found | _tag_traits(workspace)


@st.cache_resource(
    max_entries=8,
    show_spinner=False,
    hash_funcs=KEYS,
    validate=lambda measured: measured is not None,  # one that is made later is seen
)
def stability(workspace: Workspace, space: str) -> MeasuredStability | None:
    """How stable the maps of a space are; None while that is not measured. Shared by all sessions: read only."""
    return stored_stability.load(workspace, space)


@st.cache_resource(max_entries=8, show_spinner="Looking for what stands out", hash_funcs=KEYS)
def findings(workspace: Workspace, space: str) -> list[Finding]:
    """The findings of a space. Shared by all sessions: read only."""
    return measured_findings.findings(catalog(workspace).ids, traits(workspace, space), audit_report(workspace))


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=KEYS | {MapParameters: MapParameters.key})
def verdict_of_map(workspace: Workspace, space: str, parameters: MapParameters, _laid_out: Map) -> Verdict:
    """How far the map of a space with these parameters can be trusted, and which classes mix in the space."""
    photos, near = catalog(workspace), neighbourhoods(workspace, space)
    code_of = {label: code for code, label in enumerate(photos.classes)}
    codes = np.array([code_of.get(label, 0) for label in photos.labels], dtype=np.int64)
    reading = map_verdict.read(_laid_out, near, codes, len(code_of))
    return map_verdict.map_verdict(reading, list(photos.classes), near)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=KEYS | {np.ndarray: lambda rows: rows.tobytes()})
def closeness(workspace: Workspace, space: str, rows: np.ndarray) -> np.ndarray:
    """The mean cosine of each selected photo to the other selected ones, (n,); `rows` are their catalog rows, int64."""
    return centrality.mean_cosines(searchable_space(workspace, space).gallery.vectors, rows)


def _fingerprints(workspace: Workspace) -> list[str]:
    return [str(entry["fingerprint"]) for entry in workspace.state["spaces"].values()]


# Keyed by the spaces' fingerprints, so that a `prepare` that leaves them as they are does not load the network again.
@st.cache_resource(max_entries=2, show_spinner="Loading the network", hash_funcs={Workspace: _fingerprints})
def embedder(workspace: Workspace, space: str) -> Embedder:
    """The function that embeds an uploaded photo as the space's own photos were."""
    return quiet_embedder(workspace, space)


@st.cache_resource(max_entries=2, show_spinner=False, hash_funcs={Workspace: _fingerprints})
def quiet_embedder(workspace: Workspace, space: str) -> Embedder:
    """The same one, for a thread without a page, which can show no spinner."""
    return workspace.embedder(space)


def thumbnail(workspace: Workspace, image_id: str, size: int = THUMBNAIL) -> str:
    """A photo of the catalog as the data URI of a small JPEG.

    Raises ImageError when the file is gone, or holds another picture.
    """
    photos = catalog(workspace)
    row = photos.row(image_id)
    sha256 = "" if row is None else photos.hashes[row]
    return _thumbnail(sha256, size, photos.path(image_id), workspace.settings.artifacts / "thumbnails")


# Keyed by the photo's content, so that a new `prepare` keeps the thumbnails of photos that stay the same.
@st.cache_data(max_entries=20_000, show_spinner=False)
def _thumbnail(sha256: str, size: int, _path: Path, _folder: Path) -> str:
    return gallery.data_uri(thumbnails.thumbnail(_path, sha256, size, _folder))


def screen_photo(workspace: Workspace, image_id: str) -> str:
    """A photo of the catalog as a data URI for a screen: at most `SCREEN` px on its longer side.

    Raises ImageError as `thumbnail` does.
    """
    photos = catalog(workspace)
    row = photos.row(image_id)
    return _screen_photo("" if row is None else photos.hashes[row], photos.path(image_id))


@st.cache_data(max_entries=24, show_spinner=False)
def _screen_photo(sha256: str, _path: Path) -> str:
    return gallery.data_uri(thumbnails.encode(thumbnails.open_same(_path, sha256), SCREEN, SCREEN_QUALITY))


@st.cache_data(max_entries=4, show_spinner="Comparing every photo with every other", hash_funcs=KEYS)
def audit_report(workspace: Workspace) -> AuditDocument:
    """Duplicates, contradicting labels and unreadable files of the prepared photos."""
    return audit_file.find(workspace.folder, catalog(workspace))


@st.cache_data(max_entries=4, show_spinner="Comparing photos with similar vectors", hash_funcs=KEYS)
def near_duplicates(workspace: Workspace) -> NearDuplicates:
    """The near-duplicates of the prepared photos. Raises ArtifactError while no space is prepared."""
    return leaks.find(workspace, catalog(workspace))


@st.cache_resource(max_entries=4, show_spinner=False)
def runs(version: str) -> list[results.Run]:
    """All training runs, in one shape; `version` is that of the records, "" means no runs. Shared: read only.

    Raises ArtifactError when a record is damaged.
    """
    return [normalise(run) for run in records.load(current_settings())] if version else []


@st.cache_data(ttl=15, max_entries=8, show_spinner=False)
def readiness(version: str) -> DoctorDocument:
    """The `doctor` document without the store, which this process may own itself; at most 15 s old."""
    return doctor.examine(current_settings(), look_into_store=False, wording=remedies.PAGE)


@st.cache_data(ttl=30, max_entries=8, show_spinner=False, hash_funcs=KEYS)
def changes(workspace: Workspace) -> dict[str, int]:
    """How many files were added, removed or changed since the photos were prepared; at most 30 s old."""
    return catalog_file.changes(catalog(workspace))


@st.cache_resource
def pool() -> Pool:
    """The open Milvus clients of this process, for all sessions."""
    return Pool(_load_own)


@st.cache_resource(
    scope="session",
    max_entries=8,
    show_spinner=False,
    hash_funcs={Connection: attrgetter("key")},
    # In a thread: closing a store takes a moment, and Streamlit calls this where it serves all sessions.
    on_release=lambda lease: threading.Thread(target=lease.release, daemon=True).start(),
)
def lease(connection: Connection) -> Lease:
    """This session's use of a connection, which ends with the session: when the last one ends, its store is closed."""
    return pool().lease(connection)


def _load_own(connection: Connection, client: Store) -> None:
    """Load Petalscope's own collections: Milvus Lite forgets on closing which collections were loaded."""
    if connection.name != pools.MAIN:
        return
    present = set(collections.names(client))
    with contextlib.suppress(ArtifactError):
        stores = open_workspace().state.get("collections", {})
        for entry in stores.get(workspaces.store_key(current_settings()), {}).values():
            for suffix in collections.SIBLINGS:
                if entry["base"] + suffix in present:
                    collections.ensure_loaded(client, entry["base"] + suffix)


def store() -> Store:
    """The client of Petalscope's own store, for all sessions. Raises StoreError with the remedy."""
    return pool().get(pools.app_connection(current_settings()))


def release_store() -> None:
    """Close all clients, so that a `prepare` or another process can own the store; the next use opens it again."""
    pool().close_all()
