"""The head of the Milvus page: the connection, its health, and the form that adds another one.

A token typed here lives in this session's memory, for its own address only: no link, cache, log or file holds it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NoReturn
from urllib.parse import urlsplit, urlunsplit

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lib import limits
from lib.errors import PetalscopeError, QueryError
from lib.store import addresses, pool
from lib.store.pool import Connection, Pulse
from lib.text import shortened
from lib.view import auth, cached, cached_milvus, inputs, page_controls, page_frame, url_state
from lib.view.formatting import plain

_TYPED = "milvus_typed"  # this session's own connections, by name
_UNLOCKED = "milvus_unlocked"  # keys of the connections that this session may change
_STORE = "store"  # the link parameter that names a connection
REFRESH = "Refresh"
CONNECT = "Connect"
OWN_STORE = "Petalscope's own store"
READ_ONLY = "read only"
CHANGES = "Five steps & changes"  # the section that changes a store
UNLOCK = f"unlock changes (*{CHANGES}*, part *Change*)"
NOT_CONNECTED = "to which this session is not connected"


@dataclass(frozen=True)
class Places:
    """Places in the row of the connection: for the collection's control, and for the line on the connection's state."""

    collection: DeltaGenerator
    state: DeltaGenerator


def choose() -> tuple[Connection, Places]:
    """The chosen connection, and empty places beside its controls. In a narrow window those are behind a button."""
    _connect_linked()
    connections = _connections()
    row = st.container(horizontal=True, vertical_alignment="top", gap="small")
    collection = row.container(width=340, key="collection")
    with row, page_controls.sheet("connection", "Connection"):
        name = st.selectbox(
            "Connection",
            list(connections),
            format_func=lambda name: _title(connections[name]),
            width=270,
            **url_state.choice(_STORE, "milvus", list(connections), pool.MAIN),
        )
        with st.popover(CONNECT, icon=":material/add_link:", width="content"):
            _form()
        if st.button(REFRESH, icon=":material/refresh:", help="Read everything from Milvus again."):
            cached_milvus.refresh()
            st.rerun()
        state = st.container(width="stretch")
    cached.lease(connections[name])
    return connections[name], Places(collection, state)


def _connections() -> dict[str, Connection]:
    """By name: those of the settings and secrets, then this session's own."""
    return {**pool.configured_connections(cached.current_settings(), auth.secrets()), **_typed()}


def _typed() -> dict[str, Connection]:
    connections: dict[str, Connection] = st.session_state.setdefault(_TYPED, {})
    return connections


def _title(connection: Connection) -> str:
    kind = "Lite" if connection.lite else "server"
    if connection.name == pool.MAIN:
        return f"{OWN_STORE} · {kind}"
    return f"{connection.name if connection.source == 'secrets' else _short(connection.address)} · {kind}"


def _short(address: str) -> str:
    return address if len(address) <= 40 else f"…{address[-38:]}"


def _connect_linked() -> None:
    """Add the Lite store that a link names, if it lies in an allowed folder.

    A link may not make this process call a server: for that the user types the address.
    """
    name = url_state.parameter(_STORE)
    if not name or name in _connections():
        return
    try:
        connection = pool.typed_connection(cached.current_settings(), name)
    except QueryError as error:
        page_frame.restart_or_show_error(error)
        return
    if connection.lite:
        _typed()[connection.name] = replace(connection, name=name)
    else:
        st.warning(
            f"The link names the server {plain(shortened(connection.address))}, {NOT_CONNECTED}. If you trust it, type "
            f"its address under *{CONNECT}*.",
            icon=":material/link_off:",
        )


def _form() -> None:
    settings = cached.current_settings()
    with st.form("connect", border=False):
        address = inputs.line_or_none(
            "Address",
            most=limits.ADDRESS,
            placeholder="http://localhost:19530, https://….zillizcloud.com, or a path ending in .db",
            help="Add the database's name unless it is the default one: http://localhost:19530/roses",
        )
        stores = [str(path) for path in pool.discover_stores(settings) if str(path) != settings.store_uri]
        store = st.selectbox("or a Lite store on this machine", stores, index=None) if stores else None
        token = inputs.line_or_none(
            "Token or user:password", type="password", help="Kept in this session's memory, for this address only."
        )
        submitted = st.form_submit_button(CONNECT, type="primary", width="stretch")
    if submitted and address is not None and token is not None:
        try:
            connection = pool.typed_connection(settings, address or store or "", token.strip())
            cached.pool().get(connection)  # fails before a connection that does not answer is added
        except PetalscopeError as error:
            page_frame.restart_or_show_error(error)
        else:
            _add(connection)
            st.rerun()
    for name in _typed():
        if st.button(
            f"Disconnect {plain(_short(name))}", icon=":material/link_off:", key=f"off {name}", width="stretch"
        ):
            cached.lease.clear(_typed().pop(name))  # closes it, unless another session uses it
            url_state.write(**{_STORE: None})
            st.rerun()


def _add(connection: Connection) -> None:
    _typed()[connection.name] = connection
    url_state.write(**{_STORE: connection.name})
    cached_milvus.refresh()


def health(connection: Connection, place: DeltaGenerator) -> tuple[Connection, Pulse]:
    """The line on the connection's health in `place`, and the choice of a database. Raises StoreError."""
    pulse = cached_milvus.pulse(connection)
    engine = "Milvus Lite" if pulse.engine == "lite" else "Milvus server"
    lock = ":material/lock_open: changes unlocked" if unlocked(connection) else f":material/lock: {READ_ONLY}"
    facts = [
        f":material/check_circle: {engine} {plain(pulse.version)}",
        f"{pulse.milliseconds:.1f} ms for one small call, measured by this client",
        plain(connection.address),
        lock,
        f"cached {cached_milvus.TTL_S} s",
    ]
    place.caption(" · ".join(facts))
    if len(pulse.databases) > 1:
        connection = _database(connection, pulse.databases)
    return connection, pulse


def _database(connection: Connection, databases: list[str]) -> Connection:
    """The choice of a database. Each is a connection of its own, since a client works in one database."""
    if connection.lite:
        current = addresses.split_lite_database(connection.uri)[1] or "default"
    else:
        current = urlsplit(connection.uri).path.strip("/") or "default"
    options = databases if current in databases else [current, *databases]
    name = st.selectbox("Database", options, index=options.index(current))
    if name != current:
        _show_database(connection, "" if name == "default" else name)
    return connection


def _show_database(connection: Connection, database: str) -> NoReturn:
    """Start the page anew on another database of the same Milvus; "" is the default one."""
    if connection.lite:
        path = addresses.split_lite_database(connection.uri)[0]
        uri = f"{path}#{database}" if database else path
    else:
        uri = urlunsplit(urlsplit(connection.uri)._replace(path=f"/{database}" if database else ""))
    same = (each for each in _connections().values() if (each.uri, each.token) == (uri, connection.token))
    known = next(same, None)
    if known is None:  # of the same source: the operator's server stays the operator's choice
        known = replace(connection, uri=uri)
        known = replace(known, name=known.address)
        _typed()[known.name] = known
    url_state.write(**{_STORE: known.name})
    cached_milvus.refresh()
    st.rerun()


def unlocked(connection: Connection) -> bool:
    """Whether this session may change this store."""
    return connection.key in st.session_state.get(_UNLOCKED, set())


def unlock(connection: Connection, allowed: bool) -> None:
    """Allow this session to change this store, or forbid it."""
    keys: set[str] = st.session_state.setdefault(_UNLOCKED, set())
    (keys.add if allowed else keys.discard)(connection.key)
