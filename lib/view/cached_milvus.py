"""What the Milvus page reads from a store, cached for a few seconds and shared by all sessions.

A cache's key holds the connection's key (its address and a salted hash of the credentials), never a client or a token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from lib.documents.inspect import CollectionDocument, CollectionOutline
from lib.errors import StoreError
from lib.prepare.workspace import Workspace
from lib.store import collections, inspect, overview, pool
from lib.store.connection import Store
from lib.store.overview import CollectionSummary, ServerFacts
from lib.store.pool import Connection, Pulse
from lib.view import cached

HashFunctions = dict[str | type[Any], Callable[[Any], Any]]  # as Streamlit's caches take them

TTL_S = 20
PATIENCE_S = 1.0  # how long the overview waits for summaries before it shows those that have arrived
NO_COLLECTION = "This store holds no collection yet. *Five steps* shows how to create one."


@dataclass(frozen=True)
class MilvusContext:
    """Where the user is: a connection, its collections `names`, the chosen one (`name`; None where there is none), and
    the prepared photos (`workspace`; None where there are none)."""

    connection: Connection
    pulse: Pulse
    names: tuple[str, ...]
    name: str | None
    workspace: Workspace | None

    @property
    def key(self) -> str:
        """The connection and the collection as a text without credentials; a new one once all clients were closed."""
        return f"{_connection_key(self.connection)} {self.name}"

    @property
    def is_own(self) -> bool:
        """Whether this is the store that Petalscope itself writes."""
        return self.connection.name == pool.MAIN

    @property
    def lite(self) -> bool:
        """Whether the engine is Milvus Lite, whatever the address looks like."""
        return self.pulse.engine == "lite"

    def open_store(self) -> Store:
        """The open client. Raises StoreError."""
        return cached.pool().get(self.connection)

    def read_entry(self) -> CollectionDocument:
        """The chosen collection's entry in the `inspect` document, at most `TTL_S` old. Raises StoreError."""
        return collection_entry(self.connection, self._chosen())

    def read_outline(self) -> CollectionOutline:
        """`name`, `load_state`, `dynamic` and `fields` of the entry, at most `TTL_S` old: what rows are read by, fast
        however many rows there are. Raises StoreError."""
        return _outline(self.connection, self._chosen())

    def _chosen(self) -> str:
        if self.name is None:
            raise StoreError(NO_COLLECTION)
        return self.name


def _connection_key(connection: Connection) -> str:
    # The generation changes when all clients are closed: what was read before is then out of date.
    return f"{connection.key} {cached.pool().generation}"


# What caches take for these arguments; the caches of the page's parts use them, too.
BY_CONNECTION: Final[HashFunctions] = {Connection: _connection_key}
BY_COLLECTION: Final[HashFunctions] = {MilvusContext: lambda context: context.key}


@st.cache_data(ttl=5, max_entries=64, show_spinner="Connecting", hash_funcs=BY_CONNECTION)
def pulse(connection: Connection) -> Pulse:
    """The connection's health; a dead client is opened anew. Raises StoreError."""
    return cached.pool().pulse(connection)


@st.cache_data(ttl=TTL_S, max_entries=64, show_spinner="Reading from Milvus", hash_funcs=BY_CONNECTION)
def collection_names(connection: Connection, state: str = "") -> list[str]:
    """The collections, sorted.

    For Petalscope's own store `state` is the version of the prepared photos: a `prepare` changes the collections.
    """
    return collections.names(cached.pool().get(connection))


@st.cache_resource
def _summary_threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(4, "petalscope-summaries")


@st.cache_resource(ttl=TTL_S, max_entries=256, show_spinner=False, hash_funcs=BY_CONNECTION)
def _summaries(connection: Connection, names: tuple[str, ...]) -> tuple[list[CollectionSummary], Future[None]]:
    """The list that a thread fills with summaries, and that thread's future."""
    rows: list[CollectionSummary] = []
    return rows, _summary_threads().submit(overview.summarise_all, cached.pool().get(connection), names, rows.append)


def summaries(
    connection: Connection, page_names: Sequence[str], known_entry: CollectionDocument | None = None
) -> tuple[list[CollectionSummary], bool]:
    """A summary of each of these collections, and whether all are complete.

    A slow server may take seconds for each. After `PATIENCE_S` this returns what has arrived, with empty summaries for
    the rest; a later call returns more. The collection of `known_entry`, which the caller has read already, is not read
    again. A summary that the engine was too slow for is not cached. Raises StoreError.
    """
    missing = tuple(name for name in page_names if known_entry is None or name != known_entry["name"])
    rows, reading = _summaries(connection, missing)
    complete = bool(wait([reading], PATIENCE_S).done)
    if complete:
        reading.result()  # raises the error of the thread
    if complete and cached.pool().get(connection).late:
        _summaries.clear(connection, missing)
    by_name = {str(row["name"]): row for row in list(rows)}
    if known_entry is not None:
        by_name[str(known_entry["name"])] = overview.summary_of(known_entry)
    return [by_name.get(name) or overview.empty_summary(name) for name in page_names], complete


@st.cache_data(ttl=TTL_S, max_entries=128, show_spinner=False, hash_funcs=BY_CONNECTION)
def _outline(connection: Connection, name: str) -> CollectionOutline:
    return inspect.outline(cached.pool().get(connection), name)


@st.cache_data(ttl=TTL_S, max_entries=128, show_spinner="Reading from Milvus", hash_funcs=BY_CONNECTION)
def collection_entry(connection: Connection, name: str) -> CollectionDocument:
    """A collection's entry in the `inspect` document. Raises StoreError."""
    document = inspect.inspect(cached.pool().get(connection), name)["collections"][0]
    if not document["fields"]:  # nothing could be shown without fields; raising keeps it out of the cache
        reasons = (item["reason"] for item in document["unavailable"] if item["call"] == "describe_collection")
        reason = next(reasons, "") or "it names no fields"
        raise StoreError(f"Milvus cannot describe {name}: {reason}. Try again in a moment.")
    return document


@st.cache_data(ttl=60, max_entries=32, show_spinner=False, hash_funcs=BY_CONNECTION)
def server_info(connection: Connection) -> ServerFacts:
    """What the engine reports about itself: databases, users, roles, resource groups; `unavailable` has the rest."""
    return overview.server_facts(cached.pool().get(connection))


def refresh() -> None:
    """Empty these caches: the next read goes to the engine."""
    for read in (pulse, collection_names, _summaries, _outline, collection_entry, server_info):
        read.clear()
