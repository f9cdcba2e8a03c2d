"""A bounded sample of any collection's vectors, and its projection to a plane: read once and cached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from lib.documents.embeddings import MapFacts
from lib.embed import projection
from lib.embed.projection import MapParameters
from lib.errors import QueryError
from lib.store import collections, field_search, rows
from lib.view import cached
from lib.view.cached_milvus import BY_COLLECTION, MilvusContext

MOST = 5_000
LEAST = 3  # rows that a projection needs


@dataclass(frozen=True)
class Sample:
    """Rows of a collection: `keys`, `vectors` (n, d) float32, and each row's other `fields`."""

    keys: list[str]
    vectors: np.ndarray
    fields: list[dict[str, Any]]


@dataclass(frozen=True)
class Plane:
    """Coordinates `xy` (n, 2) of a sample's rows, and the `facts` of the projection."""

    xy: np.ndarray
    facts: MapFacts


def sample(context: MilvusContext, field: str, most: int = MOST) -> Sample:
    """Up to `most` rows chosen at random, without rows whose vector has NaN or inf. Raises StoreError.

    Shared by all sessions: read only.
    """
    return _sample(context, field, most, context.read_entry()["rows"]["count"])


@st.cache_resource(max_entries=4, ttl=600, show_spinner="Reading vectors", hash_funcs=BY_COLLECTION)
def _sample(context: MilvusContext, field: str, most: int, row_count: int | None) -> Sample:
    # `row_count` only keys the cache: a collection that has grown is sampled anew.
    keys, vectors, fields = rows.sample(context.open_store(), str(context.name), field, most, scattered=True)
    finite = np.nonzero(np.isfinite(vectors).all(axis=1))[0]
    return Sample([str(keys[row]) for row in finite], vectors[finite], [fields[row] for row in finite])


def plane(context: MilvusContext, field: str, points: Sample, method: str) -> Plane:
    """A sample projected by `pca` or `umap`. Raises QueryError for fewer than `LEAST` rows."""
    if len(points.keys) < LEAST:
        raise QueryError("A map needs at least three rows with a vector: insert more.")
    index = field_search.index_on(context.read_entry(), field)
    metric = "cosine" if index is not None and index["metric_type"] == "COSINE" else "euclidean"
    return _plane(context, field, len(points.keys), method, metric, points.vectors)


@st.cache_data(max_entries=16, ttl=600, show_spinner="Projecting the vectors", hash_funcs=BY_COLLECTION)
def _plane(context: MilvusContext, field: str, row_count: int, method: str, metric: str, _vectors: np.ndarray) -> Plane:
    projected = projection.project(_vectors, MapParameters(method=method, metric=metric))
    return Plane(projected.xy, projected.facts)


def vector_fields(context: MilvusContext, kinds: Sequence[str] = field_search.DENSE) -> list[str]:
    """Names of the collection's vector fields of these types: dense ones unless others are named."""
    return [field["name"] for field in field_search.vector_fields(context.read_entry(), kinds)]


def prepared_plane(context: MilvusContext, points: Sample) -> np.ndarray | None:
    """Coordinates (n, 2) of these rows on the map that `prepare` made of the same space; None where there is none."""
    workspace = context.workspace
    if workspace is None:
        return None
    provenance = collections.provenance(context.open_store(), str(context.name))
    space = provenance.get("space")
    if space not in workspace.spaces or provenance.get("fingerprint") != workspace.space(space)["fingerprint"]:
        return None
    photos = cached.catalog(workspace)
    photo_rows = [photos.row(key) for key in points.keys]
    if any(row is None for row in photo_rows):
        return None
    xy: np.ndarray = workspace.map(space).xy[np.array(photo_rows, dtype=np.int64)]
    return xy
