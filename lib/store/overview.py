"""What a store says at a glance: cheap enough to be asked for a page of thousands of collections.

Invariant: what an engine does not answer is listed with its reason (`unavailable`), once for each call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lib.errors import StoreError
from lib.store.collections import load_state
from lib.store.connection import Store
from lib.store.index_parameters import read_index
from lib.store.inspect import at_once

# What a server can be asked about itself, and what the answer is.
SERVER_CALLS = {
    "list_databases": "databases",
    "list_users": "users",
    "list_roles": "roles",
    "list_resource_groups": "resource groups",
}


def unasked(name: str) -> dict[str, Any]:
    """The summary of a collection about which nothing is known but its name."""
    return {"name": name, "row_count": None, "load_state": None, "indexes": ""}


def some(store: Store, names: Sequence[str], told: Callable[[dict[str, Any]], None]) -> None:
    """Give `told` the `summary` of each of these collections, as they come. Once the engine lets one wait too long, the
    others are not asked."""

    def one(name: str) -> None:
        told(unasked(name) if store.late else summary(store, name))

    at_once(store, one, names)


def summary(store: Store, name: str) -> dict[str, Any]:
    """`name`, `row_count`, `load_state`, and `indexes` as text; None (and nothing else) where the engine refused or,
    for this call or one before, did not answer in time."""

    def ask(method: str, *args: Any) -> Any:
        try:
            if store.late:
                return None
            return store.call(method, name, *args, doing=method.replace("_", " "))
        except StoreError:
            return None

    stats = ask("get_collection_stats") or {}
    try:
        state: str | None = None if store.late else load_state(store, name)
    except StoreError:
        state = None
    lite = store.engine == "lite"
    answers = [ask("describe_index", index) for index in ask("list_indexes") or []]
    return {
        "name": name,
        "row_count": int(stats["row_count"]) if "row_count" in stats else None,
        "load_state": state,
        "indexes": _told([read_index(raw, lite=lite) for raw in answers if raw]),
    }


def of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The summary of a collection that `inspect` has told all about: nothing is asked twice."""
    return {
        "name": entry["name"],
        "row_count": entry["rows"]["row_count"],
        "load_state": entry["load_state"],
        "indexes": _told(entry["indexes"]),
    }


def _told(indexes: Sequence[Mapping[str, Any]]) -> str:
    """Indexes, as `inspect` has them, in one line."""
    told = []
    for index in indexes:
        metric = f" ({index['metric_type']})" if index["metric_type"] else ""
        told.append(f"{index['index_type']}{metric}" + (", only pretended" if index.get("pretended") else ""))
    return " · ".join(told)


def server(store: Store) -> dict[str, Any]:
    """What the engine says about itself beside its collections, and what it does not."""
    found: dict[str, Any] = {"unavailable": []}
    for call, what in SERVER_CALLS.items():
        try:
            found[what] = [_name(item) for item in store.call(call, doing=f"list its {what}")]
        except StoreError as error:
            found["unavailable"].append({"call": call, "reason": store.reason(error.__cause__ or error)})
    return found


def _name(item: Any) -> str:
    return str(item.get("name", item)) if isinstance(item, dict) else str(item)
