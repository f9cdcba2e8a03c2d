"""What may be changed in a store from a page, each as a plan: what it will do, in words and as pymilvus code; and
its run, which makes the same calls.

Invariant: the code that is shown and the calls that are made come from one list. Nothing here asks for leave: pages do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lib.errors import QueryError
from lib.store import collections, recall
from lib.store.connection import Store

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
    """One call of the client: `method(*args)`; `index` is for `create_index`, whose parameters need preparing."""

    method: str
    args: tuple[Any, ...]
    index: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ChangePlan:
    """What a change will do: in `words`, as `calls`, and as `code` on a `client`."""

    title: str
    words: str
    calls: tuple[StoreCall, ...]

    @property
    def code(self) -> str:
        """The calls as pymilvus code."""
        lines = []
        for call in self.calls:
            args = ", ".join(repr(arg) for arg in call.args)
            if call.index is not None:
                words = ", ".join(f"{name}={value!r}" for name, value in call.index.items())
                lines += ["params = client.prepare_index_params()", f"params.add_index({words})"]
                args += ", params"
            lines.append(f"client.{call.method}({args})")
        return "\n".join(lines)


def plan(
    store: Store,
    entry: Mapping[str, Any],
    action: str,
    *,
    field: str = "",
    kind: str = "",
    metric: str = "",
    params: Mapping[str, Any] | None = None,
) -> ChangePlan:
    """The plan of one action on a collection. Raises QueryError when it cannot work, before anything is called."""
    if action not in TITLES:
        raise QueryError(f"There is no change called {action!r}: choose one of {', '.join(TITLES)}.")
    name, rows = str(entry["name"]), entry["rows"]["count"] or entry["rows"]["row_count"]
    counted = "all rows" if rows is None else f"{rows:,} rows"
    loaded = entry["load_state"] == "Loaded"
    simple = {
        "load": ("load_collection", f"Reads {counted} of {name} and their indexes into memory. Nothing is changed."),
        "release": (
            "release_collection",
            f"Takes {name} out of memory: it cannot be searched until it is loaded again. Nothing is deleted.",
        ),
        "flush": ("flush", f"Closes the growing segment of {name}, so that its newest rows use the index, too."),
        "compact": ("compact", f"Merges small segments of {name} and drops what was deleted. Rows stay as they are."),
        "drop_collection": (
            "drop_collection",
            f"Deletes {name} with {counted}, its indexes and its aliases, for ever and for everybody.",
        ),
    }
    if action in simple:
        method, words = simple[action]
        return ChangePlan(TITLES[action], words, (StoreCall(method, (name,)),))
    again = (StoreCall("load_collection", (name,)),) if loaded else ()
    before = (StoreCall("release_collection", (name,)),) if loaded else ()
    pause = f" {name} cannot be searched meanwhile." if loaded else ""
    if action == "drop_index":
        index = next((each for each in entry["indexes"] if each["field"] == field), None)
        if index is None:
            raise QueryError(f"{field or 'This field'} has no index that could be dropped.")
        words = f"Deletes the {index['index_type']} index on {field}: searches there scan all rows on Milvus Lite, and "
        words += "a server does not load the collection until there is another." + pause
        # A server loads nothing whose vectors have no index.
        after = again if store.engine == "lite" else ()
        return ChangePlan(
            TITLES[action], words, (*before, StoreCall("drop_index", (name, index["name"] or field)), *after)
        )
    return _index_plan(store, entry, field, kind, metric, dict(params or {}), before, again, pause)


def _index_plan(
    store: Store,
    entry: Mapping[str, Any],
    field: str,
    kind: str,
    metric: str,
    params: dict[str, Any],
    before: tuple[StoreCall, ...],
    again: tuple[StoreCall, ...],
    pause: str,
) -> ChangePlan:
    name = str(entry["name"])
    about = next((each for each in entry["fields"] if each["name"] == field), None)
    if about is None or "VECTOR" not in about["type"]:
        raise QueryError(f"{entry['name']} has no vector field {field!r}: choose another.")
    if any(each["field"] == field for each in entry["indexes"]):
        raise QueryError(f"{field} has an index already: drop it first.")
    if about["type"] == "FLOAT_VECTOR":
        known, refused = recall.offered(store)
        known = [*known, "AUTOINDEX"]
        if kind not in known:
            why = refused.get(kind, "this engine does not know it")
            raise QueryError(f"{kind} cannot be built: {why}. Choose one of {', '.join(dict.fromkeys(known))}.")
    index = {"field_name": field, "index_type": kind, "metric_type": metric, "params": {"params": params}}
    told = ", ".join(f"{key} {value}" for key, value in params.items())
    words = f"Builds {kind}{f' ({told})' if told else ''} for {metric} on {field} of {name}.{pause}"
    return ChangePlan(TITLES["create_index"], words, (*before, StoreCall("create_index", (name,), index), *again))


def run(store: Store, made: ChangePlan, told: Callable[[str], None] = lambda words: None) -> list[str]:
    """Make the calls; gives the engine's answers as text. Raises StoreError at the first that fails: those before it
    stay done."""
    answers = []
    for call in made.calls:
        told(call.method)
        args = call.args
        if call.index is not None:
            params = store.client.prepare_index_params()
            params.add_index(**call.index)
            args = (*args, params)
        doing = call.method.replace("_", " ")
        answer = store.call(call.method, *args, doing=f"{doing} on {call.args[0]}", slow=True)
        answers.append(f"{call.method}: {answer!r}")
    if any(call.method == "create_index" for call in made.calls):
        name = str(made.calls[0].args[0])
        answers.append(f"load state: {collections.load_state(store, name)}")
    return answers
