"""Resuming an interrupted write of a collection.

Invariant: a collection is resumed only if its description equals that of the new write, word for word, with vectors of
the same dimension and no other index. Its rows are then identified by id alone, since the description identifies their
contents.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from lib.errors import StoreError
from lib.store import collections, rows
from lib.store.connection import Store
from lib.store.index_types import index_document


def written_ids(
    store: Store,
    name: str,
    ids: Collection[str],
    *,
    dim: int,
    description: str,
    metric: str,
    index: Mapping[str, Any],
    build_index: Callable[[], None],
) -> set[str] | None:
    """The ids that collection `name` holds already, or None if it is not an interrupted write of these `ids`.

    A server reads rows only with an index, which `build_index` builds over those that exist. Raises StoreError only
    when the connection to a server is lost; a collection that cannot be read otherwise is to be written anew.
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
        if not all(_matches(raw, index, metric) for raw in _raw_indexes(store, name)):
            return None
        # A server's statistic counts flushed rows.
        store.call("flush", name, doing=f"flush {name}", slow=True)
        if int(store.call("get_collection_stats", name, doing=f"count {name}")["row_count"]) == 0:
            return set()
        if store.engine != "lite":
            build_index()
        collections.ensure_loaded(store, name)
        written = {str(key) for key in rows.every_key(store, name, strong=True)}
        # On a server, an insert whose reply was lost can leave an id twice.
        unique = len(written) == collections.count_rows(store, name)
        return written if unique and written <= set(ids) else None
    except StoreError:
        if store.lost and store.engine != "lite":
            raise
        return None


def _raw_indexes(store: Store, name: str) -> list[dict[str, Any]]:
    """The engine's replies about the indexes of collection `name`."""
    listed = store.call("list_indexes", name, doing=f"describe {name}")
    replies = [store.call("describe_index", name, each, doing=f"describe {name}") for each in listed]
    return [reply for reply in replies if reply]


def _matches(raw: Mapping[str, Any], index: Mapping[str, Any], metric: str) -> bool:
    """Whether an engine's reply describes the index that is about to be built."""
    existing = index_document(raw, lite=False)
    params = dict(index.get("params") or {})
    return (
        existing["index_type"] == str(index["index_type"]).upper()
        and existing["metric_type"] == metric
        and all(existing["params"].get(key, value) == value for key, value in params.items())
    )
