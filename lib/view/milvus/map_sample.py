"""Any float vector field of any collection on a plane: a bounded sample, read once and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from lib.embed import projection
from lib.embed.projection import MapParameters
from lib.errors import QueryError
from lib.store import collections, field_search, rows
from lib.view import cached
from lib.view.cached_milvus import MilvusContext

MOST = 5_000


@dataclass(frozen=True)
class Sample:
    """Rows of a collection: `keys`, `vectors` (n, d), and each row's other `fields`."""

    keys: list[str]
    vectors: np.ndarray
    fields: list[dict[str, Any]]


@st.cache_resource(max_entries=4, ttl=600, show_spinner="Reading vectors")
def _sample(key: str, name: str, field: str, most: int, count: int | None, _here: MilvusContext) -> Sample:
    keys, vectors, rest = rows.sample(_here.store, name, field, most, scattered=True)
    sound = np.isfinite(vectors).all(axis=1)
    chosen = np.nonzero(sound)[0]
    return Sample([str(keys[row]) for row in chosen], vectors[chosen], [rest[row] for row in chosen])


def sample(here: MilvusContext, field: str, most: int = MOST) -> Sample:
    """Up to `most` rows chosen at random, those with NaN left out. Shared by all sessions: read only."""
    entry = here.entry
    key = f"{here.connection.key} {cached.pool().generation}"
    return _sample(key, entry["name"], field, most, entry["rows"]["count"], here)


@st.cache_data(max_entries=16, ttl=600, show_spinner="Laying the vectors out on a plane")
def _plane(key: str, name: str, field: str, n: int, method: str, metric: str, _vectors: np.ndarray) -> dict[str, Any]:
    made = projection.project(_vectors, MapParameters(method=method, metric=metric))
    return {"xy": made.xy, "facts": made.facts}


def plane(here: MilvusContext, field: str, taken: Sample, method: str) -> dict[str, Any]:
    """`xy` (n, 2) of a sample, by `pca` or `umap`, and the `facts` of that map. Raises QueryError for too few rows."""
    if len(taken.keys) < 3:
        raise QueryError("A map needs at least three rows with a vector: insert more.")
    index = field_search.index_on(here.entry, field)
    metric = "cosine" if index is not None and index["metric_type"] == "COSINE" else "euclidean"
    key = f"{here.connection.key} {cached.pool().generation}"
    return _plane(key, str(here.name), field, len(taken.keys), method, metric, taken.vectors)


def dense(here: MilvusContext, kinds: Sequence[str] = field_search.DENSE) -> list[str]:
    """The fields of the collection with dense vectors, or with vectors of these kinds."""
    return [field["name"] for field in field_search.vector_fields(here.entry, kinds)]


def own_plane(here: MilvusContext, taken: Sample) -> np.ndarray | None:
    """The places of these rows on the map that `prepare` made of this very space; None where there is none."""

    if here.opened is None:
        return None
    said = collections.provenance(here.store, str(here.name))
    space = said.get("space")
    if space not in here.opened.spaces or said.get("fingerprint") != here.opened.space(space)["fingerprint"]:
        return None
    photos = cached.catalog(here.opened)
    places = [photos.row(key) for key in taken.keys]
    if any(place is None for place in places):
        return None
    xy: np.ndarray = here.opened.map(space).xy[np.array(places, dtype=np.int64)]
    return xy
