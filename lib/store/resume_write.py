"""What an interrupted write left of a collection, so that the next one goes on from there.

Invariant: only a collection that says, word for word, what is about to be written, with vectors of that size and no
other index, is gone on with; its rows are then known by their ids alone, since the description names their contents.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from lib.errors import StoreError
from lib.store import collections, rows
from lib.store.connection import Store
from lib.store.index_parameters import read_index


def begun(
    store: Store,
    name: str,
    *,
    dim: int,
    description: str,
    metric: str,
    index: Mapping[str, Any],
    wanted: Collection[str],
    build: Callable[[], None],
) -> set[str] | None:
    """The ids that collection `name` holds already, or None when there is nothing of this write to go on with.

    A server reads no rows before they have an index: `build` makes it, over those that are there. Raises StoreError
    only when the connection to a server is lost; what else cannot be read is better written anew.
    """
    try:
        if not store.call("has_collection", name, doing=f"look for {name}"):
            return None
        if (
            not description
            or collections.description(store, name) != description
            or collections.dimension(store, name) != dim
        ):
            return None
        if not all(_fits(raw, index, metric) for raw in indexes(store, name)):
            return None
        # A server's statistic counts flushed rows.
        store.call("flush", name, doing=f"flush {name}", slow=True)
        if int(store.call("get_collection_stats", name, doing=f"count {name}")["row_count"]) == 0:
            return set()
        if store.engine != "lite":
            build()
        collections.ensure_loaded(store, name)
        found = {str(key) for key in rows.every_key(store, name, strong=True)}
        # Twice the same id is what a lost answer to an insert can leave on a server.
        whole = len(found) == collections.count_rows(store, name)
        return found if whole and found <= set(wanted) else None
    except StoreError:
        if store.lost and store.engine != "lite":
            raise
        return None


def indexes(store: Store, name: str) -> list[dict[str, Any]]:
    """The engine's raw answers about the indexes of collection `name`."""
    listed = store.call("list_indexes", name, doing=f"describe {name}")
    found = [store.call("describe_index", name, each, doing=f"describe {name}") for each in listed]
    return [raw for raw in found if raw]


def _fits(raw: Mapping[str, Any], index: Mapping[str, Any], metric: str) -> bool:
    read = read_index(raw, lite=False)
    params = dict(index.get("params") or {})
    return (
        read["index_type"] == str(index["index_type"]).upper()
        and read["metric_type"] == metric
        and all(read["params"].get(key, value) == value for key, value in params.items())
    )
