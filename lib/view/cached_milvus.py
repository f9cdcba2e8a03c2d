"""What the Milvus page asks of a store, kept for a few seconds and shared by all sessions.

A cache's key is the connection's (address and a hash of the credentials), never the client or a token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import streamlit as st

from lib.errors import StoreError
from lib.prepare.workspace import Workspace
from lib.store import collections, inspect, overview, pool
from lib.store.connection import Store
from lib.store.pool import Connection, Pulse
from lib.view import cached

TTL_S = 20
PATIENCE_S = 1.0  # that the overview waits for answers before it shows those that came


@dataclass(frozen=True)
class MilvusContext:
    """Where the user is: a connection, one of its collections (None when it has none), and the prepared photos (None
    when there are none)."""

    connection: Connection
    pulse: Pulse
    names: tuple[str, ...]
    name: str | None
    opened: Workspace | None

    @property
    def store(self) -> Store:
        """The open client."""
        return cached.pool().get(self.connection)

    @property
    def entry(self) -> dict[str, Any]:
        """All that is known of the collection, at most `TTL_S` old."""
        if self.name is None:
            raise StoreError("This store holds no collection yet: see *Five steps* for how one is made.")
        return entry(self.connection, self.name)

    @property
    def outline(self) -> dict[str, Any]:
        """What its rows are read by: `name`, `load_state`, `dynamic`, `fields` as in `entry`, at once however many rows
        there are; at most `TTL_S` old."""
        if self.name is None:
            raise StoreError("This store holds no collection yet: see *Five steps* for how one is made.")
        return _outline(_key(self.connection), self.name, self.connection)

    @property
    def is_own(self) -> bool:
        """Whether this is the store that Petalscope itself writes."""
        return self.connection.name == pool.MAIN

    @property
    def lite(self) -> bool:
        """Whether the engine is Milvus Lite, whatever the address looks like."""
        return self.pulse.engine == "lite"


def _key(connection: Connection) -> str:
    return f"{connection.key} {cached.pool().generation}"


@st.cache_data(ttl=5, max_entries=64, show_spinner="Connecting")
def _pulse(key: str, _connection: Connection) -> Pulse:
    return cached.pool().pulse(_connection)


def pulse(connection: Connection) -> Pulse:
    """How the connection is; a dead one is opened anew. Raises StoreError."""
    return _pulse(_key(connection), connection)


@st.cache_data(ttl=TTL_S, max_entries=64, show_spinner="Asking Milvus")
def _names(key: str, _connection: Connection) -> list[str]:
    return collections.names(cached.pool().get(_connection))


def names(connection: Connection, state: str = "") -> list[str]:
    """The collections, sorted.

    Of our own store `state` is the version of the prepared photos: after a `prepare` it has other collections at once.
    """
    return _names(f"{_key(connection)} {state}", connection)


@st.cache_resource
def _askers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(4, "petalscope-summaries")


@st.cache_resource(ttl=TTL_S, max_entries=256, show_spinner=False)
def _some(key: str, names: tuple[str, ...], _connection: Connection) -> tuple[list[dict[str, Any]], Future[None]]:
    found: list[dict[str, Any]] = []
    return found, _askers().submit(overview.some, cached.pool().get(_connection), names, found.append)


def summaries(
    connection: Connection, wanted: Sequence[str], known: Mapping[str, Any] | None = None
) -> tuple[list[dict[str, Any]], bool]:
    """A summary of each of these collections, those of one page of the overview, and whether all have come: a server of
    thousands may take seconds for each, so after `PATIENCE_S` there are those that came until then, and asking again
    gives the others. That of `known`, an entry, is taken from there. What was not asked, since the engine does not
    answer, is not remembered."""
    asked = tuple(name for name in wanted if known is None or name != known["name"])
    came, asking = _some(_key(connection), asked, connection)
    complete = bool(wait([asking], PATIENCE_S).done)
    if complete:
        asking.result()  # raises what went wrong
    if complete and cached.pool().get(connection).late:
        _some.clear(_key(connection), asked, connection)
    found = {str(each["name"]): each for each in came}
    if known is not None:
        found[str(known["name"])] = overview.of(known)
    return [found.get(name) or overview.unasked(name) for name in wanted], complete


@st.cache_data(ttl=TTL_S, max_entries=128, show_spinner=False)
def _outline(key: str, name: str, _connection: Connection) -> dict[str, Any]:
    return inspect.outline(cached.pool().get(_connection), name)


@st.cache_data(ttl=TTL_S, max_entries=128, show_spinner="Asking Milvus")
def _entry(key: str, name: str, _connection: Connection) -> dict[str, Any]:
    found: dict[str, Any] = inspect.inspect(cached.pool().get(_connection), name)["collections"][0]
    if not found["fields"]:  # without them there is nothing to show, and it must not be kept
        why = next((item["reason"] for item in found["unavailable"] if item["call"] == "describe_collection"), "")
        raise StoreError(f"Milvus cannot describe {name}: {why or 'it names no fields'}. Try again in a moment.")
    return found


def entry(connection: Connection, name: str) -> dict[str, Any]:
    """The `inspect` document's entry of one collection."""
    return _entry(_key(connection), name, connection)


@st.cache_data(ttl=60, max_entries=32, show_spinner=False)
def _server(key: str, _connection: Connection) -> dict[str, Any]:
    return overview.server(cached.pool().get(_connection))


def server(connection: Connection) -> dict[str, Any]:
    """What the engine says about itself."""
    return _server(_key(connection), connection)


def refresh() -> None:
    """Forget all answers: the next question goes to the engine."""
    for kept in (_pulse, _names, _some, _outline, _entry, _server):
        kept.clear()
