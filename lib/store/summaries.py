"""What a store says at a glance: cheap enough to be asked for a page of thousands of collections.

Invariant: what an engine does not answer is listed with its reason (`unavailable`), once for each call.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from lib.errors import StoreError
from lib.store.connection import Store
from lib.store.inspect import at_once, read_index
from lib.store.milvus import load_state

# What a server can be asked about itself, and what the answer is.
SERVER_CALLS = {
    "list_databases": "databases",
    "list_users": "users",
    "list_roles": "roles",
    "list_resource_groups": "resource groups",
}


def some(store: Store, names: Sequence[str]) -> list[dict[str, Any]]:
    """The `summary` of each of these collections."""
    return at_once(store, partial(summary, store), names)


def summary(store: Store, name: str) -> dict[str, Any]:
    """`name`, `row_count`, `load_state`, and `indexes` as text; None (and nothing else) where the engine refused."""

    def ask(method: str, *args: Any) -> Any:
        try:
            return store.call(method, name, *args, doing=method.replace("_", " "))
        except StoreError:
            return None

    stats = ask("get_collection_stats") or {}
    try:
        state: str | None = load_state(store, name)
    except StoreError:
        state = None
    told = []
    for index in ask("list_indexes") or []:
        raw = ask("describe_index", index)
        if raw:
            read = read_index(raw, lite=store.engine == "lite")
            metric = f" ({read['metric_type']})" if read["metric_type"] else ""
            told.append(f"{read['index_type']}{metric}" + (", only pretended" if read.get("pretended") else ""))
    return {
        "name": name,
        "row_count": int(stats["row_count"]) if "row_count" in stats else None,
        "load_state": state,
        "indexes": " · ".join(told),
    }


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
