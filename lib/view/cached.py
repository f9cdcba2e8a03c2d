"""What pages read, cached. Every cache is keyed by hashes of inputs (a workspace's version), never by arrays.

Streamlit does not hash arguments whose names begin with an underscore; they come along only to compute a miss.
"""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from lib import documents, settings
from lib.data import audit, catalog_file, images, thumbnails
from lib.data.catalog import Catalog
from lib.embed.embedder import Embedder
from lib.embed.projection import Map, MapParameters
from lib.errors import ArtifactError
from lib.learn import results
from lib.learn import runs as records
from lib.learn.normalise_record import normalise
from lib.measure import findings as findings_of
from lib.measure import traits as traits_of
from lib.measure.findings import Finding
from lib.measure.traits import Trait
from lib.prepare import doctor, workspace
from lib.prepare.workspace import Workspace
from lib.retrieval import search as retrieval_search
from lib.retrieval.query import find_query
from lib.retrieval.search import SearchableSpace
from lib.search import centrality
from lib.search.neighbourhoods import Neighbourhoods
from lib.settings import Settings
from lib.store import collections
from lib.store import pool as pools
from lib.store.connection import Store
from lib.store.pool import Connection, Pool
from lib.view.components import gallery

THUMBNAIL = 160


@st.cache_resource
def current_settings() -> Settings:
    """The environment's settings; the environment of a running server does not change."""
    return settings.from_environment()


def open_workspace() -> Workspace:
    """The workspace as its state file says now (read anew on each run: it is small and it is what switches)."""
    return workspace.open_workspace(current_settings())


@st.cache_resource(max_entries=4, show_spinner=False)
def _catalog(version: str, _opened: Workspace) -> Catalog:
    return _opened.catalog()


def catalog(opened: Workspace) -> Catalog:
    """The catalog. Shared by all sessions: read only."""
    return _catalog(opened.version, opened)


@st.cache_resource(max_entries=8, show_spinner="Opening the vectors")
def _loaded(version: str, space: str, _opened: Workspace) -> SearchableSpace:
    return retrieval_search.load_space(_opened, space)


def loaded(opened: Workspace, space: str) -> SearchableSpace:
    """A space ready to be searched. Shared by all sessions: read only."""
    return _loaded(opened.version, space, opened)


@st.cache_resource(max_entries=16, show_spinner=False)
def _map(version: str, space: str, key: str, _opened: Workspace, _parameters: MapParameters) -> Map | None:
    return _opened.other_map(space, _parameters)


def space_map(opened: Workspace, space: str, parameters: MapParameters) -> Map | None:
    """The map of a space with these parameters; None while there is none. Shared by all sessions: read only."""
    if not opened.map_file(space, parameters).is_file():
        return None
    return _map(opened.version, space, parameters.key(), opened, parameters)


@st.cache_resource(max_entries=8, show_spinner=False)
def _neighbourhoods(version: str, space: str, _opened: Workspace) -> Neighbourhoods:
    return _opened.neighbourhoods(space)


def neighbourhoods(opened: Workspace, space: str) -> Neighbourhoods:
    """Each photo's nearest in a space. Shared by all sessions: read only."""
    return _neighbourhoods(opened.version, space, opened)


@st.cache_resource(max_entries=8, show_spinner=False)
def _traits(version: str, space: str, runs_version: str, _opened: Workspace) -> dict[str, Trait]:
    weights = (_opened.space(space)["weights"] or {}).get("name")
    # Only of this space's own network, or of a classifier on these very weights: others see other features.
    mine = [run for run in runs(runs_version) if weights in (run["id"], run["weights"])]
    return traits_of.traits(catalog(_opened), space, neighbourhoods(_opened, space), mine)


def traits(opened: Workspace, space: str) -> dict[str, Trait]:
    """What is known of each photo in a space. Shared by all sessions: read only."""
    try:
        version = records.version(current_settings())
        runs(version)
    except ArtifactError:  # a damaged record is told of on its own page
        version = ""
    return _traits(opened.version, space, version, opened)


@st.cache_resource(max_entries=8, show_spinner="Looking for what stands out")
def _findings(version: str, space: str, _opened: Workspace) -> list[Finding]:
    return findings_of.findings(catalog(_opened).ids, traits(_opened, space), audited(_opened))


def findings(opened: Workspace, space: str) -> list[Finding]:
    """What stands out in a space. Shared by all sessions: read only."""
    return _findings(opened.version, space, opened)


@st.cache_data(max_entries=64, show_spinner=False)
def _closeness(version: str, space: str, rows: bytes, _opened: Workspace) -> np.ndarray:
    return centrality.closeness(loaded(_opened, space).gallery.vectors, np.frombuffer(rows, dtype=np.int64))


def closeness(opened: Workspace, space: str, rows: np.ndarray) -> np.ndarray:
    """Mean cosine of each photo of a selection to the others of it."""
    return _closeness(opened.version, space, rows.astype(np.int64).tobytes(), opened)


@st.cache_resource(max_entries=2, show_spinner="Loading the network")
def _embedder(fingerprint: str, space: str, _opened: Workspace) -> Embedder:
    return _opened.embedder(space)


def embedder(opened: Workspace, space: str) -> Embedder:
    """The function that embeds an uploaded photo as the space's own photos were."""
    return _embedder(str(opened.space(space)["fingerprint"]), space, opened)


@st.cache_data(max_entries=20_000, show_spinner=False)
def _thumbnail(sha256: str, size: int, _opened: Workspace, _catalog: Catalog, _image_id: str) -> str:
    folder = _opened.settings.artifacts / "thumbnails"
    return gallery.data_uri(thumbnails.thumbnail(_catalog.path(_image_id), sha256, size, folder))


def thumbnail(opened: Workspace, image_id: str, size: int = THUMBNAIL) -> str:
    """A photo of the catalog as a small picture's address. Raises ImageError when the file is gone, or another
    picture."""
    photos = catalog(opened)
    row = photos.row(image_id)
    sha256 = "" if row is None else photos.hashes[row]
    return _thumbnail(sha256, size, opened, photos, image_id)


@st.cache_data(max_entries=400, show_spinner=False)
def _search(version: str, space: str, image_id: str, metric: str, k: int, _opened: Workspace) -> dict[str, Any]:
    found = loaded(_opened, space)
    query = find_query(found.catalog, image_id)
    return retrieval_search.search(_opened, found, query, metric_name=metric, k=k)


def search(opened: Workspace, space: str, image_id: str, metric: str, k: int) -> dict[str, Any]:
    """The exact answer to a catalog photo, as `python -m lib search` prints it."""
    return _search(opened.version, space, image_id, metric, k, opened)


@st.cache_data(max_entries=4, show_spinner="Comparing every photo with every other")
def _audit(version: str, _opened: Workspace) -> dict[str, Any]:
    return audit.audit(catalog(_opened))


def audited(opened: Workspace) -> dict[str, Any]:
    """Duplicates, contradicting labels and unreadable files of the prepared photos."""
    return _audit(opened.version, opened)


@st.cache_resource(max_entries=4, show_spinner=False)
def runs(version: str) -> list[results.Run]:
    """All training runs, in one shape; `version` is that of the records, "" for none. Shared: read only.

    Raises ArtifactError when a record is damaged.
    """
    return [normalise(run) for run in records.load(current_settings())] if version else []


@st.cache_data(ttl=15, max_entries=8, show_spinner=False)
def readiness(version: str) -> dict[str, Any]:
    """The `doctor` document without the store, which this process may hold itself; looked up at most every 15 s."""
    return doctor.examine(current_settings(), look_into_store=False)


@st.cache_data(ttl=30, max_entries=8, show_spinner=False)
def _changes(version: str, _opened: Workspace) -> dict[str, int]:
    return catalog_file.changes(catalog(_opened))


def changes(opened: Workspace) -> dict[str, int]:
    """Files added, removed or changed since the photos were prepared."""
    return _changes(opened.version, opened)


@st.cache_resource
def pool() -> Pool:
    """The open Milvus clients of this process, for all sessions."""
    return Pool(_load_own)


def _load_own(connection: Connection, opened: Store) -> None:
    """Load our own collections: Milvus Lite forgets on closing that they were loaded."""
    if connection.name != pools.MAIN:
        return
    present = set(collections.names(opened))
    with contextlib.suppress(ArtifactError):
        mine = open_workspace().state.get("collections", {}).get(workspace.store_key(current_settings()), {})
        for entry in mine.values():
            for suffix in collections.SIBLINGS:
                if entry["base"] + suffix in present:
                    collections.ensure_loaded(opened, entry["base"] + suffix)


def store() -> Store:
    """The client of our own store, for all sessions. Raises StoreError with the remedy."""
    return pool().get(pools.own(current_settings()))


def release_store() -> None:
    """Close all clients, so that a `prepare` or another process can own the store; the next call opens it again."""
    pool().close_all()


def decoded(upload: bytes) -> Image.Image:
    """An uploaded file as an upright RGB picture. Raises ImageError with the reason."""
    return images.open_rgb(upload)


def json_of(value: Any) -> bytes:
    """`value` as indented JSON, for a download."""
    return documents.text(value, indent=1).encode()


def encoded(picture: Image.Image, size: int = 320) -> bytes:
    """A picture as a small JPEG."""
    return thumbnails.encode(picture, size)
