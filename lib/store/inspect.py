"""Reading what a Milvus knows about its collections, ours or anybody's, and saying how it knows it.

Invariants: nothing here writes, loads or changes a collection; a call that an engine does not offer is listed under
`unavailable` with the engine's reason; a number that was not reported is never shown as if it had been (`source`), and
the engine's own answer stands beside our reading of it (`raw`).

Build parameters: https://milvus.io/docs/index-explained.md. Defaults of Milvus Lite: its source, milvus_lite/index.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from lib.errors import StoreError
from lib.store.collections import count_rows, load_state, names
from lib.store.connection import Store
from lib.store.index_parameters import read_index
from lib.store.plain_values import _number, plain

# What only a server has, by its name in our answer; on Lite each of these is unimplemented and says so.
_SERVERS: Final = {
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
    *_SERVERS.values(),
)


_AT_ONCE: Final = 10


T = TypeVar("T")


R = TypeVar("R")


def collections(store: Store) -> list[str]:
    """The store's collections, sorted."""
    return names(store)


def inspect(store: Store, collection: str | None = None) -> dict[str, Any]:
    """What `store` says about one collection (or alias), or about all of them; JSON types only.

    Every collection has `name, rows, load_state, consistency, fields, indexes, partitions, aliases, unavailable`.
    `rows.row_count` is the engine's statistic and `rows.count` a real count(*), null with a reason in `unavailable`
    where it cannot be had (a server counts only loaded collections, and nothing is loaded here). An index has flat
    `params` with numbers as numbers, and for each of them a `source`: `reported` by the engine, `default` (not
    reported, but known from the engine's source code) or `not exposed` (this build parameter exists, its value cannot
    be learnt). `state_note` and `warning` say what must not be believed.

    Raises:
        StoreError: no such collection, or the server does not answer at all.
    """
    known = names(store)
    if collection is None:
        wanted = known
    elif collection in known or store.call("has_collection", collection, doing=f"look for {collection}"):
        wanted = [collection]
    else:
        listed = ", ".join(known[:8]) + (", …" if len(known) > 8 else "") if known else "none"
        raise StoreError(f"There is no collection {collection} in {store.uri}: name one of these: {listed}.")
    return {
        "uri": store.uri,
        "engine": store.engine,
        "server_version": store.version,
        "collections": [_collection(store, name) for name in wanted],
    }


def outline(store: Store, collection: str) -> dict[str, Any]:
    """`name`, `load_state`, `dynamic` and `fields` of a collection, as in `inspect`: what its rows are read by. It asks
    for no count, which on Milvus Lite costs time in proportion to the rows. Raises StoreError."""
    about = store.call("describe_collection", collection, doing=f"describe {collection}")
    return {
        "name": str(about.get("collection_name") or collection),
        "load_state": load_state(store, collection),
        "dynamic": bool(about.get("enable_dynamic_field", False)),
        "fields": [_field(field, bool(about.get("auto_id"))) for field in _all_fields(about)],
    }


def at_once(store: Store, ask: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """`ask` for each of `items`: of a server several at a time, since it takes its time for every answer. A Lite store
    is in this process, and its answers would only wait for each other."""
    if store.engine == "lite" or len(items) < 2:
        return [ask(item) for item in items]
    with ThreadPoolExecutor(_AT_ONCE) as workers:
        return list(workers.map(ask, items))


def _asked(store: Store, name: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The answer to each of `_CALLS` about a collection, None where there is none, and what was refused and why."""
    own = {"query count(*)": count_rows, "get_load_state": load_state}

    def ask(question: str) -> tuple[Any, list[dict[str, str]]]:
        refused: list[dict[str, str]] = []

        def get(call: str, *args: Any) -> Any:
            try:
                return own[call](store, *args) if call in own else store.call(call, *args, doing=call.replace("_", " "))
            except StoreError as error:
                refused.append({"call": call, "reason": store.reason(error.__cause__ or error)})
                return None

        return _indexes(store, name, get) if question == "list_indexes" else get(question, name), refused

    first, *others = _CALLS
    found = {first: ask(first)}
    if store.late:  # the others would only wait, too
        reason = "not asked, since the first call got no answer in time"
        found |= {call: (None, [{"call": call, "reason": reason}]) for call in others}
    else:
        found |= dict(zip(others, at_once(store, ask, others), strict=True))
    return {call: answer for call, (answer, _) in found.items()}, [each for _, some in found.values() for each in some]


def _collection(store: Store, name: str) -> dict[str, Any]:
    answers, unavailable = _asked(store, name)
    about = answers["describe_collection"] or {}
    stats = answers["get_collection_stats"] or {}
    row_count = int(stats["row_count"]) if "row_count" in stats else None
    count = answers["query count(*)"]
    rows: dict[str, Any] = {"row_count": row_count, "count": count}
    if row_count is not None and count is not None and row_count != count:
        rows["note"] = (
            "row_count is the server's statistic of flushed rows, deleted ones included; count is what a query sees."
        )
    result: dict[str, Any] = {
        "name": str(about.get("collection_name") or name),
        "description": str(about.get("description") or ""),
        "properties": plain(about.get("properties") or {}),
        "rows": rows,
        "load_state": answers["get_load_state"],
        "consistency": about.get("consistency_level_name") or plain(about.get("consistency_level")),
        "dynamic": bool(about.get("enable_dynamic_field", False)),
        "shards": plain(about.get("num_shards")),
        "functions": plain(about.get("functions") or []),
        "fields": [_field(field, bool(about.get("auto_id"))) for field in _all_fields(about)],
        "indexes": answers["list_indexes"] or [],
        "partitions": sorted(str(item) for item in answers["list_partitions"] or []),
        "aliases": sorted(str(item) for item in (answers["list_aliases"] or {}).get("aliases", [])),
    }
    for key, call in _SERVERS.items():
        if answers[call] is not None:
            result[key] = plain(answers[call])
    result["unavailable"] = unavailable
    return result


def _all_fields(about: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    fields = list(about.get("fields") or [])
    for group in about.get("struct_array_fields") or about.get("struct_fields") or []:
        fields += [{**field, "name": f"{group['name']}[{field['name']}]"} for field in group.get("fields") or []]
    return fields


def _field(field: Mapping[str, Any], collection_auto_id: bool) -> dict[str, Any]:
    params = field.get("params") or {}
    primary = bool(field.get("is_primary", False))
    result = {
        "name": str(field["name"]),
        "type": type_name(field.get("type")),
        "dim": _number(params.get("dim")),
        "max_length": _number(params.get("max_length")),
        "primary": primary,
        # Old servers say it of the collection, not of the field.
        "auto_id": bool(field.get("auto_id", primary and collection_auto_id)),
        "nullable": bool(field.get("nullable", False)),
    }
    if field.get("element_type"):
        result["element_type"] = type_name(field["element_type"])
        result["max_capacity"] = _number(params.get("max_capacity"))
    for flag in ("is_partition_key", "is_function_output", "is_clustering_key", "is_dynamic"):
        if field.get(flag):
            result[flag] = True
    default = _default(field.get("default_value"))
    if default is not None:
        result["default"] = default
    if field.get("description"):
        result["description"] = str(field["description"])
    return result


def _default(value: Any) -> Any:
    """A field's default: a plain value, or the protocol's message whose one set part is the value."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    which = value.WhichOneof("data") if hasattr(value, "WhichOneof") else None
    return plain(getattr(value, which) if which else value)


def _indexes(store: Store, name: str, get: Callable[..., Any]) -> list[dict[str, Any]]:
    found = []
    for index in get("list_indexes", name) or []:
        raw = get("describe_index", name, index)
        if raw:
            found.append(read_index(raw, lite=store.engine == "lite"))
    return found


def type_name(kind: Any) -> str:
    """A field's type by its name in Milvus, such as `FLOAT_VECTOR`, from pymilvus' enumeration or a text."""
    return str(getattr(kind, "name", kind)).lstrip("_")
