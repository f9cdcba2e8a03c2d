"""Summaries of a store's collections, cheap enough for a page of thousands.

Invariant: calls that an engine does not answer are listed with their reason (`unavailable`), once each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict

from lib.documents.inspect import CollectionDocument, IndexDocument, UnavailableCall
from lib.errors import StoreError
from lib.store.collections import load_state
from lib.store.connection import Store
from lib.store.index_types import index_document
from lib.store.inspect import map_calls

# Calls about a server itself, and what each lists.
SERVER_CALLS: Final[Mapping[str, str]] = {
    "list_databases": "databases",
    "list_users": "users",
    "list_roles": "roles",
    "list_resource_groups": "resource groups",
}


class CollectionSummary(TypedDict):
    """One line of the overview; `indexes` is text. None and an empty text stand for failed calls."""

    name: str
    row_count: int | None
    load_state: str | None
    indexes: str


def empty_summary(name: str) -> CollectionSummary:
    """A summary with nothing but the name."""
    return {"name": name, "row_count": None, "load_state": None, "indexes": ""}


def summarise_all(store: Store, names: Sequence[str], on_summary: Callable[[CollectionSummary], None]) -> None:
    """Call `on_summary` with the `summary` of each of these collections, in the order of the replies. Once a call runs
    out of time, the collections after it get an empty summary without a call."""

    def report(name: str) -> None:
        on_summary(empty_summary(name) if store.late else summarise(store, name))

    map_calls(store, report, names)


def summarise(store: Store, name: str) -> CollectionSummary:
    """The summary of one collection. A value is None where its call, or one before it, failed or ran out of time."""

    def call(method: str, *args: Any) -> Any:
        try:
            if store.late:
                return None
            return store.call(method, name, *args, doing=method.replace("_", " "))
        except StoreError:
            return None

    stats = call("get_collection_stats") or {}
    try:
        state: str | None = None if store.late else load_state(store, name)
    except StoreError:
        state = None
    lite = store.engine == "lite"
    replies = [call("describe_index", index) for index in call("list_indexes") or []]
    return {
        "name": name,
        "row_count": int(stats["row_count"]) if "row_count" in stats else None,
        "load_state": state,
        "indexes": _index_text([index_document(reply, lite=lite) for reply in replies if reply]),
    }


def summary_of(entry: CollectionDocument) -> CollectionSummary:
    """The summary of a collection that has been inspected, without another call."""
    return {
        "name": entry["name"],
        "row_count": entry["rows"]["row_count"],
        "load_state": entry["load_state"],
        "indexes": _index_text(entry["indexes"]),
    }


def _index_text(indexes: Sequence[IndexDocument]) -> str:
    """Indexes in one line."""
    parts = []
    for index in indexes:
        metric = f" ({index['metric_type']})" if index["metric_type"] else ""
        parts.append(f"{index['index_type']}{metric}" + (", not really built" if index.get("pretended") else ""))
    return " · ".join(parts)


@dataclass(frozen=True)
class ServerFacts:
    """What the engine reports about itself beside its collections: `names` by the titles of `SERVER_CALLS`, and the
    calls that failed."""

    names: dict[str, list[str]]
    unavailable: list[UnavailableCall]


def server_facts(store: Store) -> ServerFacts:
    """The facts of the server; each of `SERVER_CALLS` that fails is named."""
    facts = ServerFacts({}, [])
    for method, title in SERVER_CALLS.items():
        try:
            facts.names[title] = [_name(item) for item in store.call(method, doing=f"list its {title}")]
        except StoreError as error:
            facts.unavailable.append({"call": method, "reason": store.reason(error.__cause__ or error)})
    return facts


def _name(item: Any) -> str:
    return str(item.get("name", item)) if isinstance(item, dict) else str(item)
