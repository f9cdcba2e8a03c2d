"""Searching any vector field of any collection. The query is checked before it is sent; values have a name and a unit.

Invariants: the metric is the index's own (Lite answers another one without an error, and wrongly); `milliseconds` is
the round trip as measured by this client; vectors are returned only on request.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from lib.documents.inspect import CollectionDocument, FieldDocument, IndexDocument
from lib.errors import QueryError, StoreError
from lib.store import rows as stored_rows
from lib.store.connection import Store
from lib.store.filters import key_literal
from lib.store.inspect import primary_field
from lib.store.plain_values import encode_query, plain

# Milvus' metrics: the name of their value, and whether a larger value is closer.
VALUES: Final[Mapping[str, tuple[str, bool]]] = {
    "L2": ("L2² (squared L2 distance: Milvus leaves out the root)", False),
    "IP": ("inner product", True),
    "COSINE": ("cosine similarity", True),
    "BM25": ("BM25 score", True),
    "HAMMING": ("Hamming distance (bits that differ)", False),
    "JACCARD": ("Jaccard distance", False),
}
DENSE: Final = ("FLOAT_VECTOR", "FLOAT16_VECTOR", "BFLOAT16_VECTOR", "INT8_VECTOR")
BINARY: Final = "BINARY_VECTOR"
SEARCHABLE: Final = (*DENSE, BINARY, "SPARSE_FLOAT_VECTOR")

SPARSE_SYNTAX: Final = 'This is not a vector: type `7:0.5 9:0.2` or `{"7": 0.5}`.'
DENSE_SYNTAX: Final = "This is not a vector: type numbers with commas or spaces between them."

# Old name, until its callers are renamed.


@dataclass(frozen=True)
class FieldAnswers:
    """The results of a search. `rows` have `key`, `value` and the output fields; closest first. `code` is the search as
    pymilvus code."""

    rows: list[dict[str, Any]]
    metric: str
    value_name: str
    higher_is_closer: bool
    milliseconds: float
    code: str
    notes: list[str] = field(default_factory=list)


def vector_fields(entry: CollectionDocument, kinds: Sequence[str] = SEARCHABLE) -> list[FieldDocument]:
    """The fields of a collection that hold vectors of these types."""
    return [each for each in entry["fields"] if each["type"] in kinds]


def index_on(entry: CollectionDocument, name: str) -> IndexDocument | None:
    """The index on field `name`; None without one."""
    return next((index for index in entry["indexes"] if index["field"] == name), None)


def parse_vector(text: str, field: FieldDocument) -> Any:
    """A typed vector for `field`: numbers with commas or spaces, a JSON list, or for a sparse field `{"7": 0.5}` or
    `7:0.5 9:0.2`. Raises QueryError."""
    text = text.strip()
    sparse = field["type"] == "SPARSE_FLOAT_VECTOR"
    try:
        if sparse and not text.startswith("{"):
            pairs = [part.split(":") for part in text.replace(",", " ").split()]
            numbers: Any = {int(place): float(value) for place, value in pairs}
        elif text.startswith(("[", "{")):
            numbers = json.loads(text)
        else:
            numbers = [float(part) for part in text.replace(",", " ").replace(";", " ").split()]
        if sparse:
            return {int(place): float(value) for place, value in dict(numbers).items()}
        return np.asarray(numbers, dtype=np.float32)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise QueryError(SPARSE_SYNTAX if sparse else DENSE_SYNTAX) from error


def stored_vector(store: Store, entry: CollectionDocument, key: str, name: str) -> Any:
    """The vector in field `name` of the row with primary key `key`: (d,) float32, or `{place: value}` if sparse. Raises
    QueryError for an unknown key or a null vector."""
    primary = primary_field(entry)
    key_literal(primary["name"], primary["type"], key)
    rows = stored_rows.by_keys(store, entry["name"], [key], vectors=[name])
    if not rows:
        raise QueryError(f"There is no row with the key {key[:200]!r} in {entry['name']}; choose another.")
    vector = rows[0][name]
    if vector is None:
        raise QueryError(f"The row {key[:200]!r} has no vector in {name} (it is null); choose another.")
    if isinstance(vector, Mapping):
        return {int(place): float(value) for place, value in vector.items()}
    return np.asarray(vector, dtype=np.float32)


def search(
    store: Store,
    entry: CollectionDocument,
    name: str,
    vector: Any,
    *,
    limit: int = 10,
    metric: str = "",
    params: Mapping[str, Any] | None = None,
    filter: str = "",
    output_fields: Sequence[str] = (),
    leave_out: str | None = None,
) -> FieldAnswers:
    """The `limit` rows whose vector in field `name` is closest to `vector`, without the row whose key is `leave_out`.

    `entry` is the collection from `inspect`. `metric` is by default the index's; without an index, it is required.

    Raises:
        QueryError: a vector that does not fit, or a metric that is not the index's.
        StoreError: the engine refused (a filter that does not parse, a collection that is not loaded).
    """
    target = next((each for each in vector_fields(entry) if each["name"] == name), None)
    if target is None:
        raise QueryError(f"{entry['name']} has no vector field {name!r} that can be searched: choose another.")
    index = index_on(entry, name)
    metric = _metric(index, metric, name, store)
    _check(vector, target, metric)
    data = vector if isinstance(vector, Mapping) else encode_query(target["type"], vector)
    call: dict[str, Any] = {
        "anns_field": name,
        "limit": limit + (leave_out is not None),
        "filter": filter,
        "search_params": {"metric_type": metric, "params": dict(params or {})},
        # Always named: without names, Lite would send every field, vectors included.
        "output_fields": list(output_fields) or [primary_field(entry)["name"]],
    }
    start = time.perf_counter()
    hits = store.call("search", entry["name"], data=[data], doing=f"search {entry['name']}", **call)[0]
    milliseconds = (time.perf_counter() - start) * 1000
    value_name, higher = VALUES.get(metric, (metric, True))
    results = [
        {"key": hit.id, "value": float(hit.distance), **{str(k): plain(v) for k, v in hit["entity"].items()}}
        for hit in hits
        if leave_out is None or str(hit.id) != leave_out
    ][:limit]
    code = _code(store, entry["name"], data if isinstance(data, bytes) else vector, call)
    warning = None if index is None else index.get("warning")
    return FieldAnswers(results, metric, value_name, higher, milliseconds, code, [warning] if warning else [])


def _metric(index: IndexDocument | None, metric: str, name: str, store: Store) -> str:
    """The metric to search with: the index's, or without an index the given one."""
    index_metric = "" if index is None else index["metric_type"]
    if index_metric and metric and metric != index_metric:
        effect = "Milvus Lite would answer, and wrongly" if store.engine == "lite" else "the server would refuse"
        raise QueryError(
            f"The index on {name} is built for {index_metric}, not for {metric}: search with {index_metric} ({effect})."
        )
    if not index_metric and not metric:
        raise StoreError(f"{name} has no index that fixes its metric: choose a metric.")
    return index_metric or metric


def _check(vector: Any, target: FieldDocument, metric: str) -> None:
    """Raise QueryError for a query that field `target` cannot be searched with."""
    if isinstance(vector, Mapping):
        if target["type"] != "SPARSE_FLOAT_VECTOR":
            raise QueryError(
                f"{target['name']} holds dense vectors of {target['dim']} numbers, and the query is sparse: use a "
                "dense one."
            )
        if not vector:
            raise QueryError("A sparse query needs at least one number that is not zero.")
        values = np.asarray(list(vector.values()), dtype=np.float64)
    else:
        values = np.asarray(vector, dtype=np.float64)
        if target["type"] == "SPARSE_FLOAT_VECTOR":
            raise QueryError(f"{target['name']} holds sparse vectors: type `7:0.5 9:0.2`.")
        if values.ndim != 1 or len(values) != target["dim"]:
            raise QueryError(
                f"{target['name']} holds vectors of {target['dim']} numbers and the query has {values.size}: use a "
                "vector of the same network."
            )
    if not np.isfinite(values).all():
        raise QueryError("The query's vector is not finite (NaN or infinite): use another.")
    if metric == "COSINE" and not values.any():
        raise QueryError("A vector of zeros has no direction, so no cosine: use another.")


def _code(store: Store, collection: str, vector: Any, call: Mapping[str, Any]) -> str:
    """The same search as pymilvus code, complete but for the token."""
    if isinstance(vector, Mapping):
        literal = repr(vector)
    elif isinstance(vector, bytes):  # as Milvus stores the field's numbers
        literal = f'bytes.fromhex("{vector.hex()}")'
    else:
        literal = repr([round(float(value), 7) for value in vector])
    token = ', token=os.environ["MILVUS_TOKEN"]' if store.has_token else ""
    arguments = {"data": "[vector]"} | {name: repr(value) for name, value in call.items()}
    lines = "".join(f"    {name}={value},\n" for name, value in arguments.items())
    return (
        ("import os\n\n" if token else "")
        + "from pymilvus import MilvusClient\n\n"
        + f"client = MilvusClient({store.uri!r}{token})\n"
        + f"vector = {literal}\n"
        + f"hits = client.search(\n    {collection!r},\n{lines})\n"
        + "for hit in hits[0]:\n    print(hit.id, hit.distance)\n"
    )
