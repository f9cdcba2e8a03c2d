"""Rows of a collection that are like one of its rows, by the index's own metric; works on collections of any maker."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from lib.errors import QueryError, StoreError
from lib.store import inspect, milvus
from lib.store.connection import Store

# Milvus' names of its metrics, and what the number in an answer is.
_VALUES = {
    "L2": ("squared L2 distance (Milvus leaves out the root)", False),
    "IP": ("inner product", True),
    "COSINE": ("cosine similarity", True),
}


def vector_of(store: Store, collection: str, key: str) -> np.ndarray:
    """The vector, (dim,) float32, of the row whose primary key is `key`, in the first indexed float vector field.

    Raises QueryError for an unknown key, StoreError when the collection has no such field.
    """
    return _row(store, collection, key)[2]


def _row(store: Store, collection: str, key: str) -> tuple[dict[str, Any], str | int, np.ndarray]:
    """The index of a collection that is searched, a key in the collection's type, and the vector of that row."""
    about = inspect.inspect(store, collection)["collections"][0]
    primary = next(field for field in about["fields"] if field["primary"])
    index = next((each for each in about["indexes"] if each["metric_type"] in _VALUES), None)
    if index is None:
        raise StoreError(
            f"{collection} has no index on a float vector field, so it cannot be searched; build one first."
        )
    if primary["type"] != "VARCHAR" and not key.lstrip("-").isdigit():
        raise QueryError(f"The keys of {collection} are whole numbers; type one.")
    wanted: str | int = key if primary["type"] == "VARCHAR" else int(key)
    # Not pymilvus' own get(): it does not escape quotes in keys.
    literal = f'"{inspect.escape(wanted)}"' if isinstance(wanted, str) else str(wanted)
    found = store.call(
        "query",
        collection,
        filter=f"{primary['name']} == {literal}",
        output_fields=[index["field"]],
        limit=1,
        doing=f"read a row of {collection}",
    )
    if not found:
        raise QueryError(f"There is no row with the key {key!r} in {collection}; choose another.")
    return index, wanted, np.asarray(found[0][index["field"]], dtype=np.float32)


def similar(store: Store, collection: str, key: str, *, limit: int = 10) -> dict[str, Any]:
    """The `limit` rows closest to the row whose primary key is `key`, itself left out.

    Answers `rows` ({"key", "value"}), `value_name`, `higher_is_closer`, and `milliseconds` as timed by this client.
    Raises QueryError for an unknown key, StoreError when the collection has no index on a float vector.
    """
    index, wanted, vector = _row(store, collection, key)
    params = {"ef": max(128, 2 * limit)} if index["index_type"] in {"HNSW", "HNSW_SQ", "AUTOINDEX"} else {}
    start = time.perf_counter()
    hits = milvus.search_vectors(
        store,
        collection,
        vector[None],
        limit + 1,
        field=index["field"],
        metric_type=index["metric_type"],
        search_params=params,
    )[0]
    milliseconds = (time.perf_counter() - start) * 1000
    name, higher = _VALUES[index["metric_type"]]
    rows = [{"key": str(hit["id"]), "value": float(hit["distance"])} for hit in hits if hit["id"] != wanted][:limit]
    return {"rows": rows, "value_name": name, "higher_is_closer": higher, "milliseconds": milliseconds}
