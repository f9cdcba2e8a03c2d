"""What the server takes from visitors before a page has let them in, and how much of it from everybody.

Invariants:
- No byte of an upload is read for a session that no page has admitted, or beyond the limits below.
- Connections that no page has admitted are at most `MOST_STRANGERS`: one more closes the oldest of them, so that
  strangers cannot keep admitted visitors out. Browsers connect again by themselves.
- The server's metrics are not served: they are open to everybody.

A page admits its session after the login (`auth.guard`), or at once where there is no login. `Home.py` installs the
gate.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, ClassVar, Final
from weakref import WeakValueDictionary

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

MOST_STRANGERS: Final = 100
# Bytes of uploads that are kept or arriving. One file has at most 50 MB (`server.maxUploadSize`).
MOST_PER_SESSION: Final = 150_000_000
MOST_IN_TOTAL: Final = 1_000_000_000
# On an open WebSocket request, the number by which a page names its connection to the gate.
HEADER: Final = "x-petalscope-connection"
LOG_IN_FIRST: Final = "Log in first"
_ADMISSION: Final = "admission"  # in the session's state

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]


class _Admission:
    """Kept in an admitted session's state, with which it goes."""


_ADMITTED: WeakValueDictionary[str, _Admission] = WeakValueDictionary()


def admit() -> None:
    """Take uploads from this session, and count its connection no longer as a stranger's."""
    context = get_script_run_ctx()
    if context is None:
        return
    if _ADMISSION not in st.session_state:
        st.session_state[_ADMISSION] = _Admission()
    _ADMITTED[context.session_id] = st.session_state[_ADMISSION]
    Gate.strangers.pop(st.context.headers.get(HEADER, ""), None)


def dismiss() -> None:
    """Take no more uploads from this session."""
    context = get_script_run_ctx()
    if context is not None:
        _ADMITTED.pop(context.session_id, None)


def is_missing() -> bool:
    """Whether a server serves this page without the gate."""
    # The exact type: AppTest, which serves nobody, puts a stand-in in the runtime's place.
    return runtime.exists() and type(runtime.get_instance()) is runtime.Runtime and not Gate.is_installed


def _bytes_kept() -> dict[str, int]:
    """The bytes of uploads that the server keeps, by session."""
    storage = getattr(runtime.get_instance().uploaded_file_mgr, "file_storage", {})
    return {session: sum(len(file.data) for file in list(files.values())) for session, files in list(storage.items())}


class Gate:
    """The middleware (ASGI) before Streamlit's own."""

    is_installed: ClassVar[bool] = False
    # What closes a connection that no page has admitted, by its number; the oldest first.
    strangers: ClassVar[dict[str, asyncio.Event]] = {}

    def __init__(self, app: ASGIApp, kept: Callable[[], dict[str, int]] = _bytes_kept) -> None:
        self._app = app
        self._kept = kept
        self._numbers = itertools.count()
        self._arriving: dict[str, int] = {}  # bytes of uploads under way, by session
        Gate.is_installed = True

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "websocket":
            await self._connect(scope, receive, send)
            return
        parts = str(scope.get("path", "")).strip("/").split("/")
        if scope["type"] == "http" and parts[-2:] == ["_stcore", "metrics"]:
            await _refuse(send, 404, "Not found")
        elif scope["type"] == "http" and parts[-4:-2] == ["_stcore", "upload_file"] and scope["method"] == "PUT":
            await self._upload(parts[-2], scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _upload(self, session: str, scope: Message, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        if session not in _ADMITTED:
            await _refuse(send, 403, LOG_IN_FIRST)
            return
        # Without a length the server would find out only after it has read the file; all browsers send it.
        if not length.isdigit() or len(length) > 15:
            await _refuse(send, 411, "The length of the file is missing")
            return
        kept = self._kept()
        own = kept.get(session, 0) + self._arriving.get(session, 0) + int(length)
        in_total = sum(kept.values()) + sum(self._arriving.values()) + int(length)
        if own > MOST_PER_SESSION or in_total > MOST_IN_TOTAL:
            await _refuse(send, 413, "Too many uploads are kept: remove some, or try again later")
            return
        self._arriving[session] = self._arriving.get(session, 0) + int(length)
        try:
            await self._app(scope, receive, send)
        finally:
            self._arriving[session] -= int(length)
            if not self._arriving[session]:
                del self._arriving[session]

    async def _connect(self, scope: Message, receive: Receive, send: Send) -> None:
        number, closing = str(next(self._numbers)), asyncio.Event()
        # The number is ours: one that a client sends is dropped.
        headers = [(name, value) for name, value in scope["headers"] if name.lower() != HEADER.encode()]
        scope = {**scope, "headers": [*headers, (HEADER.encode(), number.encode())]}
        Gate.strangers[number] = closing
        while len(Gate.strangers) > MOST_STRANGERS:
            oldest = next(iter(Gate.strangers))
            Gate.strangers.pop(oldest).set()

        async def receive_until_closed() -> Message:
            message, closed = asyncio.ensure_future(receive()), asyncio.ensure_future(closing.wait())
            try:
                await asyncio.wait([message, closed], return_when=asyncio.FIRST_COMPLETED)
                if closing.is_set():
                    with suppress(Exception):  # the client may be gone already
                        await send({"type": "websocket.close", "code": 1013})
                    return {"type": "websocket.disconnect", "code": 1013}
                return await message
            finally:
                message.cancel()
                closed.cancel()

        async def send_until_closed(message: Message) -> None:
            if not closing.is_set():
                await send(message)

        try:
            await self._app(scope, receive_until_closed, send_until_closed)
        finally:
            Gate.strangers.pop(number, None)


async def _refuse(send: Send, status: int, words: str) -> None:
    """Answer with a status and words, before anything of the request's body is read."""
    body = words.encode()
    headers = [
        (b"content-type", b"text/plain"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
