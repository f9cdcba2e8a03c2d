"""All vectors of a collection's field, copied into a file: what makes a space of a collection.

Invariant: rows are read a page at a time, and vectors go to the disk at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from lib import limits
from lib.documents.inspect import CollectionDocument
from lib.errors import QueryError
from lib.progress import Progress, no_progress
from lib.store import collections, field_search, inspect, rows
from lib.store.connection import Store
from lib.text import counted, listed, shown_name

# Numbers in a page: a page must fit one message.
_NUMBERS: Final = 1_000_000


def dense_fields(entry: CollectionDocument) -> dict[str, int]:
    """The dimension of each field of float vectors, by name."""
    return {field["name"]: int(field["dim"] or 0) for field in field_search.vector_fields(entry, field_search.DENSE)}


def id_fields(entry: CollectionDocument) -> list[str]:
    """The fields that can name photos, the primary key first."""
    fields = [field for field in entry["fields"] if field["type"] in {"VARCHAR", "INT64"}]
    return [field["name"] for field in sorted(fields, key=lambda field: not field["primary"])]


def copy(
    store: Store,
    collection: str,
    field: str,
    target: Path,
    *,
    id_field: str = "",
    progress: Progress = no_progress,
) -> list[str]:
    """Write the vectors of `field` ("": the only one) to the NPY file `target` (n, dim), float32, in the order of the
    key. Returns the ids of the rows, from `id_field` ("": the primary key).

    Raises QueryError for a field that is missing or has no float vectors, or a row without a vector; StoreError when
    the rows cannot be read.
    """
    entry = inspect.inspect(store, collection)["collections"][0]
    dims, names = dense_fields(entry), id_fields(entry)
    if not field and len(dims) == 1:
        field = next(iter(dims))
    if field not in dims:
        what = f"no field {shown_name(field)} of" if field else "not one field of"
        raise QueryError(f"{shown_name(collection)} has {what} float vectors; it has {listed(dims) or 'none'}.")
    if id_field and id_field not in names:
        raise QueryError(
            f"{shown_name(collection)} has no field {shown_name(id_field)} of ids; it has {listed(names)}."
        )
    key = id_field or collections.primary_key(store, collection)
    dim, total = dims[field], collections.count_rows(store, collection)
    if not total:
        raise QueryError(f"{shown_name(collection)} has no rows.")
    if total > limits.VECTOR_ROWS:
        raise QueryError(f"{shown_name(collection)} has {total:,} rows; at most {limits.VECTOR_ROWS:,} are read.")
    values = np.lib.format.open_memmap(target, mode="w+", dtype=np.float32, shape=(total, dim))
    ids: list[str] = []
    for page in _pages(store, collection, field, dim):
        for row in page:
            if row.get(field) is None:
                raise QueryError(f"The row {shown_name(str(row.get(key)))} has no vector in {shown_name(field)}.")
            if len(ids) == total:
                break
            values[len(ids)] = row[field]
            ids.append("" if row.get(key) is None else str(row[key]))
        progress(len(ids), total)
    values.flush()
    if len(ids) < total:
        gone = counted(total - len(ids), "row")
        raise QueryError(f"{gone} of {shown_name(collection)} went while it was being read; try again.")
    return ids


def _pages(store: Store, collection: str, field: str, dim: int) -> Iterator[list[dict[str, Any]]]:
    collections.ensure_loaded(store, collection)
    size = max(10, min(1000, _NUMBERS // max(1, dim)))
    return rows.pages(store, collection, vectors=[field], size=size, strong=True)
