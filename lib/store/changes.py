"""Changes of a store: each as a plan, with its effect in words and as pymilvus code, and its execution.

Invariant: the code that is shown and the calls that are made come from one list. Nothing here asks for confirmation;
the page does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lib.documents.inspect import CollectionDocument
from lib.errors import QueryError
from lib.store import collections, field_search, index_types
from lib.store.connection import Store
from lib.text import counted

TITLES: Final[Mapping[str, str]] = {
    "load": "Load",
    "release": "Release",
    "flush": "Flush",
    "compact": "Compact",
    "create_index": "Create an index",
    "drop_index": "Drop an index",
    "drop_collection": "Drop the collection",
}


@dataclass(frozen=True)
class StoreCall:
    """One call of the client: `method(*args)`; `index` are the index parameters of `create_index`."""

    method: str
    args: tuple[Any, ...]
    index: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ChangePlan:
    """A change: its `effect` as a sentence, its `calls`, and the `code` that makes them with a `client`."""

    title: str
    effect: str
    calls: tuple[StoreCall, ...]

    @property
    def code(self) -> str:
        """The calls as pymilvus code."""
        lines = []
        for call in self.calls:
            args = ", ".join(repr(arg) for arg in call.args)
            if call.index is not None:
                keywords = ", ".join(f"{name}={value!r}" for name, value in call.index.items())
                lines += ["params = client.prepare_index_params()", f"params.add_index({keywords})"]
                args += ", params"
            lines.append(f"client.{call.method}({args})")
        return "\n".join(lines)


def plan(
    store: Store,
    entry: CollectionDocument,
    action: str,
    *,
    field: str = "",
    kind: str = "",
    metric: str = "",
    params: Mapping[str, Any] | None = None,
) -> ChangePlan:
    """The plan of one action (see `TITLES`) on a collection. `kind`, `metric` and `params` are those of a new index.
    Raises QueryError if the action cannot work, before anything is called."""
    if action not in TITLES:
        raise QueryError(f"There is no change called {action!r}: choose one of {', '.join(TITLES)}.")
    if action == "drop_index":
        return _drop_index(store, entry, field)
    if action == "create_index":
        return _create_index(store, entry, field, kind, metric, dict(params or {}))
    name, count = entry["name"], entry["rows"]["count"] or entry["rows"]["row_count"]
    rows = "all rows" if count is None else f"{counted(count, 'row')}"
    method, effect = {
        "load": ("load_collection", f"Reads {rows} of {name} and their indexes into memory. Nothing is changed."),
        "release": (
            "release_collection",
            f"Removes {name} from memory: it cannot be searched until it is loaded again. Nothing is deleted.",
        ),
        "flush": ("flush", f"Closes the growing segment of {name}, so that its newest rows use the index, too."),
        "compact": ("compact", f"Merges small segments of {name} and drops deleted rows. The other rows stay."),
        "drop_collection": (
            "drop_collection",
            f"Deletes {name} with {rows}, its indexes and its aliases, permanently and for everybody.",
        ),
    }[action]
    return ChangePlan(TITLES[action], effect, (StoreCall(method, (name,)),))


def _reload(entry: CollectionDocument) -> tuple[tuple[StoreCall, ...], tuple[StoreCall, ...], str]:
    """The calls before and after a change of an index, which a loaded collection does not allow, and their effect."""
    name = entry["name"]
    if entry["load_state"] != "Loaded":
        return (), (), ""
    release, load = StoreCall("release_collection", (name,)), StoreCall("load_collection", (name,))
    return (release,), (load,), f" Meanwhile, {name} cannot be searched."


def _drop_index(store: Store, entry: CollectionDocument, field: str) -> ChangePlan:
    index = field_search.index_on(entry, field)
    if index is None:
        raise QueryError(f"{field or 'This field'} has no index that could be dropped.")
    before, after, pause = _reload(entry)
    effect = (
        f"Deletes the {index['index_type']} index on {field}: searches there scan all rows on Milvus Lite, and a "
        f"server does not load the collection until it has another.{pause}"
    )
    drop = StoreCall("drop_index", (entry["name"], index["name"] or field))
    # A server loads no collection whose vectors have no index.
    return ChangePlan(TITLES["drop_index"], effect, (*before, drop, *(after if store.engine == "lite" else ())))


def _create_index(
    store: Store, entry: CollectionDocument, field: str, kind: str, metric: str, params: dict[str, Any]
) -> ChangePlan:
    name = entry["name"]
    target = next((each for each in entry["fields"] if each["name"] == field), None)
    if target is None or "VECTOR" not in target["type"]:
        raise QueryError(f"{name} has no vector field {field!r}: choose another.")
    if field_search.index_on(entry, field) is not None:
        raise QueryError(f"{field} has an index already: drop it first.")
    if target["type"] == "FLOAT_VECTOR":
        buildable, refused = index_types.buildable_types(store)
        buildable = [*buildable, "AUTOINDEX"]
        if kind not in buildable:
            why = refused.get(kind, "it is not a known type")
            raise QueryError(f"{kind} cannot be built: {why}. Choose one of {', '.join(dict.fromkeys(buildable))}.")
    before, after, pause = _reload(entry)
    index = {"field_name": field, "index_type": kind, "metric_type": metric, "params": {"params": params}}
    listed = ", ".join(f"{key} {value}" for key, value in params.items())
    effect = f"Builds {kind}{f' ({listed})' if listed else ''} for {metric} on {field} of {name}.{pause}"
    create = StoreCall("create_index", (name,), index)
    return ChangePlan(TITLES["create_index"], effect, (*before, create, *after))


def run(store: Store, change: ChangePlan, on_call: Callable[[str], None] = lambda method: None) -> list[str]:
    """Make the calls of a plan and return the engine's replies as text. `on_call` is called with each method before it
    runs. Raises StoreError at the first failure; the calls before it stay done."""
    replies = []
    for call in change.calls:
        on_call(call.method)
        args = call.args
        if call.index is not None:
            params = store.client.prepare_index_params()
            params.add_index(**call.index)
            args = (*args, params)
        doing = call.method.replace("_", " ")
        reply = store.call(call.method, *args, doing=f"{doing} on {call.args[0]}", slow=True)
        replies.append(f"{call.method}: {reply!r}")
    if any(call.method == "create_index" for call in change.calls):
        name = str(change.calls[0].args[0])
        replies.append(f"load state: {collections.load_state(store, name)}")
    return replies
