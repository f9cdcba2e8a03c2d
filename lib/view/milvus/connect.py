"""The head of the Milvus page: which Milvus, how it is, and how another one is added.

A token typed here lives in this session's memory, for that address only: it is in no link, cache, log or file.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lib import limits
from lib.errors import PetalscopeError, QueryError
from lib.store import pool
from lib.store.pool import Connection, Pulse
from lib.view import auth, cached, cached_milvus, inputs, page_frame, url_state
from lib.view.formatting import plain

_TYPED, _WANTED = "milvus_typed", "store"


def choose() -> tuple[Connection, DeltaGenerator]:
    """The connection that the user looks at, and the place beside it for what is chosen there; a popover adds
    connections."""
    known = _known()
    _take_link(known)
    known = _known()
    left, beside, middle, right = st.columns([5, 5, 2, 2], vertical_alignment="bottom")
    chosen = left.selectbox(
        "Connection",
        list(known),
        format_func=lambda name: _title(known[name]),
        **url_state.choice(_WANTED, "milvus", list(known), pool.MAIN),
    )
    with middle.popover("Connect", icon=":material/add_link:", width="stretch"):
        _form()
    if right.button("Ask again", icon=":material/refresh:", width="stretch", help="Forget all answers kept here."):
        cached_milvus.refresh()
        st.rerun()
    return known[chosen], beside


def _known() -> dict[str, Connection]:
    return {**pool.configured(cached.current_settings(), auth.secrets()), **_typed()}


def _typed() -> dict[str, Connection]:
    found: dict[str, Connection] = st.session_state.setdefault(_TYPED, {})
    return found


def _title(connection: Connection) -> str:
    kind = "Lite" if connection.lite else "server"
    if connection.name == pool.MAIN:
        return f"Petalscope's own store · {kind}"
    return f"{connection.name if connection.source == 'secrets' else _short(connection.address)} · {kind}"


def _short(address: str) -> str:
    return address if len(address) <= 40 else f"…{address[-38:]}"


def _take_link(known: dict[str, Connection]) -> None:
    """A link may name a Lite store in an allowed folder. It may not make us call a server: that needs a click here."""
    wanted = url_state.parameter(_WANTED)
    if not wanted or wanted in known:
        return
    try:
        found = pool.typed(cached.current_settings(), wanted)
    except QueryError as error:
        page_frame.failed(error)
        return
    if found.lite:
        _typed()[found.name] = replace(found, name=wanted)
    else:
        st.warning(
            f"The link names the server {plain(found.address[:200])}, to which this session is not connected. If "
            "you trust it, type its address under *Connect*.",
            icon=":material/link_off:",
        )


def _form() -> None:
    settings = cached.current_settings()
    with st.form("connect", border=False):
        address = inputs.line_or_none(
            "Address",
            most=limits.ADDRESS,
            placeholder="http://localhost:19530, https://….zillizcloud.com, or a path ending in .db",
            help="A database other than the default is a part of it: http://localhost:19530/roses",
        )
        found = [str(path) for path in pool.found_stores(settings) if str(path) != settings.store_uri]
        picked = st.selectbox("or a Lite store found here", found, index=None) if found else None
        token = inputs.line_or_none(
            "Token or user:password", type="password", help="Kept in this session's memory, for this address only."
        )
        sent = st.form_submit_button("Connect", type="primary", width="stretch")
    if sent and address is not None and token is not None:
        try:
            connection = pool.typed(settings, address or picked or "", token.strip())
            cached.pool().get(connection)  # only what answers is added
        except PetalscopeError as error:
            page_frame.failed(error)
        else:
            _add(connection)
            st.rerun()
    for name in _typed():
        if st.button(
            f"Disconnect {plain(_short(name))}",
            icon=":material/link_off:",
            key=f"off {name}",
            width="stretch",
        ):
            cached.pool().close(_typed().pop(name))
            url_state.write(**{_WANTED: None})
            st.rerun()


def _add(connection: Connection) -> None:
    _typed()[connection.name] = connection
    url_state.write(**{_WANTED: connection.name})
    cached_milvus.refresh()


def health(connection: Connection) -> tuple[Connection, Pulse]:
    """The line that says how the connection is, and the choice of a database. Raises StoreError with the remedy."""
    pulse = cached_milvus.pulse(connection)
    kind = "Milvus Lite" if pulse.engine == "lite" else "Milvus server"
    locked = ":material/lock: read only" if not unlocked(connection) else ":material/lock_open: changes unlocked"
    unanswered = [item["call"] for item in cached_milvus.server(connection)["unavailable"]]
    st.caption(
        f":material/check_circle: {kind} {plain(pulse.version)} · answers in {pulse.milliseconds:.1f} ms (one small "
        f"call, timed here) · {plain(connection.address)} · {locked} · answers are kept for {cached_milvus.TTL_S} s"
        + (f" · does not answer {', '.join(unanswered)}" if unanswered else "")
    )
    if len(pulse.databases) > 1:
        connection = _database(connection, pulse.databases)
    return connection, pulse


def _database(connection: Connection, databases: list[str]) -> Connection:
    """The same server's other databases are connections of their own, since a client works in one of them."""
    parts = urlsplit(connection.uri)
    here = parts.path.strip("/") or "default"
    name = st.selectbox("Database", databases, index=databases.index(here) if here in databases else 0)
    if name != here:
        uri = urlunsplit(parts._replace(path="" if name == "default" else f"/{name}"))
        moved = replace(connection, uri=uri, source="typed")
        _add(replace(moved, name=moved.address))
        st.rerun()
    return connection


def unlocked(connection: Connection) -> bool:
    """Whether this session may change this store."""
    return connection.key in st.session_state.get("milvus_unlocked", set())


def unlock(connection: Connection, allowed: bool) -> None:
    """Allow this session to change this store, or forbid it."""
    keys: set[str] = st.session_state.setdefault("milvus_unlocked", set())
    (keys.add if allowed else keys.discard)(connection.key)
