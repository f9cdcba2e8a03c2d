"""A search of any vector field of any collection, checked before it is sent, and told with its value's name and unit.

Invariants: the metric is the index's own (Lite answers another one without an error, and wrongly); `milliseconds` is
the time of the call there and back as this client saw it; vectors never come along unasked.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from lib.errors import QueryError, StoreError
from lib.store import rows as reading
from lib.store import vector_bytes
from lib.store.connection import Store
from lib.store.filters import key_literal
from lib.store.plain_values import plain

# Milvus' metrics: what the number in an answer is, and whether more of it is closer.
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


@dataclass(frozen=True)
class Parameter:
    """A search parameter of an index type: its name, what it does, and the range that makes sense."""

    name: str
    help: str
    least: float
    most: float
    default: float


@dataclass(frozen=True)
class FieldAnswers:
    """`rows` have `key`, `value` and the output fields; closest first."""

    rows: list[dict[str, Any]]
    metric: str
    value_name: str
    higher_is_closer: bool
    milliseconds: float
    code: str
    notes: list[str] = field(default_factory=list)


def vector_fields(entry: Mapping[str, Any], kinds: Sequence[str] = SEARCHABLE) -> list[dict[str, Any]]:
    """The fields of an `inspect` entry that hold vectors of these kinds."""
    return [dict(each) for each in entry["fields"] if each["type"] in kinds]


def index_on(entry: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """The index on field `name`; None when there is none."""
    return next((dict(index) for index in entry["indexes"] if index["field"] == name), None)


def parameters(index: Mapping[str, Any] | None, limit: int, *, lite: bool) -> list[Parameter]:
    """The search parameters that an index really obeys."""
    kind = "" if index is None or index.get("pretended") else str(index["index_type"])
    known = dict((index or {}).get("params") or {})
    if kind.startswith("HNSW") or (kind == "AUTOINDEX" and lite):
        most = max(1024, 4 * limit)
        told = "How many candidates the graph search keeps; at least as many as the answers."
        return [Parameter("ef", told, limit, most, min(most, max(128, 2 * limit)))]
    if kind.startswith("IVF") or kind in {"SCANN", "BIN_IVF_FLAT"}:
        cells = int(known.get("nlist") or 128)
        return [Parameter("nprobe", f"How many of the {cells} cells are looked into.", 1, cells, min(16, cells))]
    if kind == "DISKANN":
        return [Parameter("search_list", "How many candidates are kept.", limit, max(1024, 4 * limit), 2 * limit)]
    if kind.startswith("SPARSE"):
        return [Parameter("drop_ratio_search", "The share of the query's smallest numbers to leave out.", 0.0, 0.9, 0)]
    return []


def parsed(text: str, about: Mapping[str, Any]) -> Any:
    """A typed vector for field `about`: numbers with commas or spaces, a JSON list, or for a sparse field
    `{"7": 0.5}` or `7:0.5 9:0.2`. Raises QueryError."""
    text = text.strip()
    sparse = about["type"] == "SPARSE_FLOAT_VECTOR"
    try:
        if sparse and not text.startswith("{"):
            pairs = [part.split(":") for part in text.replace(",", " ").split()]
            found: Any = {int(place): float(value) for place, value in pairs}
        elif text.startswith(("[", "{")):
            found = json.loads(text)
        else:
            found = [float(part) for part in text.replace(",", " ").replace(";", " ").split()]
        if sparse:
            return {int(place): float(value) for place, value in dict(found).items()}
        return np.asarray(found, dtype=np.float32)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        shape = '`7:0.5 9:0.2` or `{"7": 0.5}`' if sparse else "numbers with commas or spaces between them"
        raise QueryError(f"This is no vector: type {shape}.") from error


def stored(store: Store, entry: Mapping[str, Any], key: str, name: str) -> Any:
    """The vector in field `name` of the row whose primary key is `key`. Raises QueryError for an unknown key."""
    primary = next(each for each in entry["fields"] if each["primary"])
    key_literal(primary, key)
    found = reading.by_keys(store, str(entry["name"]), [key], vectors=[name])
    if not found:
        raise QueryError(f"There is no row with the key {key[:200]!r} in {entry['name']}; choose another.")
    vector = found[0][name]
    if vector is None:
        raise QueryError(f"The row {key[:200]!r} has no vector in {name} (it is null); choose another.")
    if isinstance(vector, Mapping):
        return {int(place): float(value) for place, value in vector.items()}
    return np.asarray(vector, dtype=np.float32)


def search(
    store: Store,
    entry: Mapping[str, Any],
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

    `entry` is the collection as `inspect` has it. `metric` may be left to the index; where there is no index, it is
    needed.

    Raises:
        QueryError: a vector that does not fit, or a metric that is not the index's.
        StoreError: the engine refused (a filter that does not parse, a collection that is not loaded).
    """
    about = next((each for each in vector_fields(entry) if each["name"] == name), None)
    if about is None:
        raise QueryError(f"{entry['name']} has no vector field {name!r} that can be searched: choose another.")
    index = index_on(entry, name)
    metric = _metric(index, metric, name, store)
    _check(vector, about, metric)
    notes = [] if index is None else [index["warning"]] if index.get("warning") else []
    wanted = limit + (leave_out is not None)
    primary = next(str(each["name"]) for each in entry["fields"] if each["primary"])
    fields = list(output_fields) or [primary]  # named in any case: Lite would send all of them, with the vectors
    asked = {"metric_type": metric, "params": dict(params or {})}
    data = [vector] if isinstance(vector, Mapping) else [vector_bytes.data(str(about["type"]), vector)]
    start = time.perf_counter()
    hits = store.call(
        "search",
        str(entry["name"]),
        data=data,
        anns_field=name,
        limit=wanted,
        filter=filter,
        search_params=asked,
        output_fields=fields,
        doing=f"search {entry['name']}",
    )[0]
    milliseconds = (time.perf_counter() - start) * 1000
    value_name, higher = VALUES.get(metric, (metric, True))
    found = [
        {"key": hit.id, "value": float(hit.distance), **{str(k): plain(v) for k, v in hit["entity"].items()}}
        for hit in hits
        if leave_out is None or str(hit.id) != leave_out
    ][:limit]
    sent = data[0] if isinstance(data[0], bytes) else vector
    code = _code(store, str(entry["name"]), name, sent, wanted, asked, filter, fields)
    return FieldAnswers(found, metric, value_name, higher, milliseconds, code, notes)


def _metric(index: Mapping[str, Any] | None, metric: str, name: str, store: Store) -> str:
    built = str(index["metric_type"]) if index is not None else ""
    if built and metric and metric != built:
        told = "Milvus Lite would answer, and wrongly" if store.engine == "lite" else "the server would refuse"
        raise QueryError(f"The index on {name} is built for {built}, not for {metric}: search with {built} ({told}).")
    if not built and not metric:
        raise StoreError(f"{name} has no index, so it has no metric of its own: choose one.")
    return built or metric


def _check(vector: Any, about: Mapping[str, Any], metric: str) -> None:
    if isinstance(vector, Mapping):
        if about["type"] != "SPARSE_FLOAT_VECTOR":
            raise QueryError(f"{about['name']} holds dense vectors of {about['dim']} numbers, and this one is sparse.")
        if not vector:
            raise QueryError("A sparse query needs at least one number that is not zero.")
        values = np.asarray(list(vector.values()), dtype=np.float64)
    else:
        values = np.asarray(vector, dtype=np.float64)
        if about["type"] == "SPARSE_FLOAT_VECTOR":
            raise QueryError(f"{about['name']} holds sparse vectors: type `7:0.5 9:0.2`.")
        if values.ndim != 1 or len(values) != about["dim"]:
            raise QueryError(
                f"{about['name']} holds vectors of {about['dim']} numbers and the query has {values.size}: use a "
                "vector of the same network."
            )
    if not np.isfinite(values).all():
        raise QueryError("The query's vector is not finite (NaN or infinite): use another.")
    if metric == "COSINE" and not values.any():
        raise QueryError("A vector of zeros has no direction, so no cosine: use another.")


def _code(
    store: Store,
    collection: str,
    name: str,
    vector: Any,
    limit: int,
    asked: Mapping[str, Any],
    filter: str,
    fields: Sequence[str],
) -> str:
    """The same search as pymilvus code that runs as it is, but for the token."""
    shown = repr(vector if isinstance(vector, Mapping) else [])
    if isinstance(vector, bytes):  # as Milvus keeps the field's numbers
        shown = f'bytes.fromhex("{vector.hex()}")'
    elif not isinstance(vector, Mapping):
        shown = repr([round(float(value), 7) for value in vector])
    token = ', token=os.environ["MILVUS_TOKEN"]' if store.has_token else ""
    return (
        ("import os\n\n" if token else "")
        + "from pymilvus import MilvusClient\n\n"
        + f"client = MilvusClient({store.uri!r}{token})\n"
        + f"vector = {shown}\n"
        + f"hits = client.search(\n    {collection!r},\n    data=[vector],\n    anns_field={name!r},\n"
        + f"    limit={limit},\n"
        + f"    filter={filter!r},\n    search_params={dict(asked)!r},\n    output_fields={list(fields)!r},\n)\n"
        + "for hit in hits[0]:\n    print(hit.id, hit.distance)\n"
    )
