"""What a Milvus reports of its collections, whoever wrote them, and how reliable each value is.

Invariants: nothing here writes, loads or changes a collection; a call that an engine does not offer is listed under
`unavailable` with the engine's reason; a value that was not reported is marked as such (`source`); and the engine's own
reply stands beside our reading of it (`raw`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Literal, TypeVar

from lib.documents.inspect import (
    CollectionDocument,
    CollectionOutline,
    FieldDocument,
    IndexDocument,
    InspectDocument,
    RowCounts,
    UnavailableCall,
)
from lib.errors import StoreError
from lib.store.collections import count_rows, load_state, names
from lib.store.connection import Store
from lib.store.index_types import index_document
from lib.store.plain_values import parse_number, plain

# Calls that only servers implement, by the key of their reply in the document.
_SERVER_CALLS: Final[Mapping[Literal["replicas", "segments", "loaded_segments"], str]] = {
    "replicas": "describe_replica",
    "segments": "list_persistent_segments",
    "loaded_segments": "list_loaded_segments",
}
_CALLS: Final = (
    "describe_collection",
    "get_collection_stats",
    "query count(*)",
    "list_partitions",
    "list_aliases",
    "get_load_state",
    "list_indexes",
    *_SERVER_CALLS.values(),
)
_FLAGS: Final[tuple[Literal["is_partition_key", "is_function_output", "is_clustering_key", "is_dynamic"], ...]] = (
    "is_partition_key",
    "is_function_output",
    "is_clustering_key",
    "is_dynamic",
)
NOT_CALLED: Final = "not called, since the first call did not answer in time"
_THREADS: Final = 10

T = TypeVar("T")
R = TypeVar("R")


def inspect(store: Store, collection: str | None = None) -> InspectDocument:
    """The `inspect` document of one collection (or alias), or of all of them.

    `rows.row_count` is the engine's statistic and `rows.count` a count(*), None with a reason in `unavailable` where
    that fails (a server counts only loaded collections, and nothing is loaded here).

    Raises:
        StoreError: no such collection, or the server does not answer at all.
    """
    existing = names(store)
    if collection is None:
        selected = existing
    elif collection in existing or store.call("has_collection", collection, doing=f"look for {collection}"):
        selected = [collection]
    else:
        listed = ", ".join(existing[:8]) + (", …" if len(existing) > 8 else "") if existing else "none"
        raise StoreError(f"There is no collection {collection} in {store.uri}: name one of these: {listed}.")
    described = [_collection(store, name) for name in selected]
    return {
        "uri": store.uri,
        "engine": store.engine,
        "server_version": store.version,
        "databases": [] if store.late else databases(store),  # a slow server would only hold this up, too
        "collections": described,
    }


def databases(store: Store) -> list[str]:
    """The databases of a store, sorted; none on a server before 2.2.9."""
    try:
        return sorted(str(name) for name in store.call("list_databases", doing="list its databases"))
    except StoreError:
        return []


def outline(store: Store, collection: str) -> CollectionOutline:
    """`name`, `load_state`, `dynamic` and `fields` of a collection, as in `inspect`. It makes no count, which on Milvus
    Lite takes time in proportion to the rows. Raises StoreError."""
    schema = store.call("describe_collection", collection, doing=f"describe {collection}")
    return {
        "name": str(schema.get("collection_name") or collection),
        "load_state": load_state(store, collection),
        "dynamic": bool(schema.get("enable_dynamic_field", False)),
        "fields": _fields(schema),
    }


def primary_field(collection: CollectionOutline) -> FieldDocument:
    """The primary field of a collection."""
    return next(field for field in collection["fields"] if field["primary"])


def map_calls(store: Store, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """`function` of each item; on a server several at a time, since each call waits for the network. A Lite store is
    in this process, where calls would only wait for each other."""
    if store.engine == "lite" or len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(_THREADS, len(items))) as threads:
        return list(threads.map(function, items))


def _replies(store: Store, name: str) -> tuple[dict[str, Any], list[UnavailableCall]]:
    """The reply to each of `_CALLS` about a collection, None without one; and the calls that failed, with reasons."""
    ours = {"query count(*)": count_rows, "get_load_state": load_state}

    def read(method: str) -> tuple[Any, list[UnavailableCall]]:
        failed: list[UnavailableCall] = []

        def call(method: str, *args: Any) -> Any:
            try:
                if method in ours:
                    return ours[method](store, *args)
                return store.call(method, *args, doing=method.replace("_", " "))
            except StoreError as error:
                failed.append({"call": method, "reason": store.reason(error.__cause__ or error)})
                return None

        return _indexes(store, name, call) if method == "list_indexes" else call(method, name), failed

    first, *others = _CALLS
    results = {first: read(first)}
    if store.late:  # the others would only wait, too
        results |= {method: (None, [{"call": method, "reason": NOT_CALLED}]) for method in others}
    else:
        results |= dict(zip(others, map_calls(store, read, others), strict=True))
    replies = {method: reply for method, (reply, _) in results.items()}
    return replies, [item for _, failed in results.values() for item in failed]


def _collection(store: Store, name: str) -> CollectionDocument:
    replies, unavailable = _replies(store, name)
    schema = replies["describe_collection"] or {}
    stats = replies["get_collection_stats"] or {}
    row_count = int(stats["row_count"]) if "row_count" in stats else None
    count = replies["query count(*)"]
    rows: RowCounts = {"row_count": row_count, "count": count}
    if row_count is not None and count is not None and row_count != count:
        rows["note"] = (
            "row_count is the server's statistic of flushed rows, including deleted ones; count is what queries see."
        )
    document: CollectionDocument = {
        "name": str(schema.get("collection_name") or name),
        "description": str(schema.get("description") or ""),
        "properties": plain(schema.get("properties") or {}),
        "rows": rows,
        "load_state": replies["get_load_state"],
        "consistency": schema.get("consistency_level_name") or plain(schema.get("consistency_level")),
        "dynamic": bool(schema.get("enable_dynamic_field", False)),
        "shards": plain(schema.get("num_shards")),
        "functions": plain(schema.get("functions") or []),
        "fields": _fields(schema),
        "indexes": replies["list_indexes"] or [],
        "partitions": sorted(str(item) for item in replies["list_partitions"] or []),
        "aliases": sorted(str(item) for item in (replies["list_aliases"] or {}).get("aliases", [])),
        "unavailable": unavailable,
    }
    for key, method in _SERVER_CALLS.items():
        if replies[method] is not None:
            document[key] = plain(replies[method])
    return document


def _fields(schema: Mapping[str, Any]) -> list[FieldDocument]:
    """The fields of a schema, those inside arrays of structs included."""
    fields: list[Mapping[str, Any]] = list(schema.get("fields") or [])
    for group in schema.get("struct_array_fields") or schema.get("struct_fields") or []:
        fields += [{**field, "name": f"{group['name']}[{field['name']}]"} for field in group.get("fields") or []]
    return [_field(field, bool(schema.get("auto_id"))) for field in fields]


def _field(field: Mapping[str, Any], collection_auto_id: bool) -> FieldDocument:
    params = field.get("params") or {}
    primary = bool(field.get("is_primary", False))
    document: FieldDocument = {
        "name": str(field["name"]),
        "type": type_name(field.get("type")),
        "dim": parse_number(params.get("dim")),
        "max_length": parse_number(params.get("max_length")),
        "primary": primary,
        # Old servers report it for the collection, not for the field.
        "auto_id": bool(field.get("auto_id", primary and collection_auto_id)),
        "nullable": bool(field.get("nullable", False)),
    }
    if field.get("element_type"):
        document["element_type"] = type_name(field["element_type"])
        document["max_capacity"] = parse_number(params.get("max_capacity"))
    for flag in _FLAGS:
        if field.get(flag):
            document[flag] = True
    default = _default(field.get("default_value"))
    if default is not None:
        document["default"] = default
    if field.get("description"):
        document["description"] = str(field["description"])
    return document


def _default(value: Any) -> Any:
    """A field's default: a plain value, or the one set part of a protocol message."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    which = value.WhichOneof("data") if hasattr(value, "WhichOneof") else None
    return plain(getattr(value, which) if which else value)


def _indexes(store: Store, name: str, call: Callable[..., Any]) -> list[IndexDocument]:
    replies = [call("describe_index", name, index) for index in call("list_indexes", name) or []]
    return [index_document(reply, lite=store.engine == "lite") for reply in replies if reply]


def type_name(kind: Any) -> str:
    """A field's type by its name in Milvus, such as `FLOAT_VECTOR`, from pymilvus' enumeration or a text."""
    return str(getattr(kind, "name", kind)).lstrip("_")
