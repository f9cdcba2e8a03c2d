"""A connection to Milvus: Milvus Lite, a server and Zilliz Cloud through one client.

Invariants:
- `open_store` and `Store.call` raise only `PetalscopeError`s, let no library log, give every call a timeout, and put
  no token into a text.
- One process owns a Lite store, with one client per path, which all `Store`s of that process share.
"""

from __future__ import annotations

import atexit
import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from lib.errors import Remedy, StoreError, StoreLockedError
from lib.store import endpoints, errors
from lib.store.addresses import (
    check_lite_path,
    is_server_address,
    local_path,
    not_an_address,
    split_credentials,
    split_database,
    split_lite_database,
)
from lib.store.lite_owner import forget_owner, owner_text, write_owner
from lib.store.pymilvus_import import import_pymilvus, last_logged

_CONNECT_S = 5.0  # a server that does not answer in this time counts as dead
_PATIENCE_S = 2.0  # the timeout of each call after one that ran out of time
# pymilvus pings every 10 s. gRPC's default server (and that of Lite) allows one ping in five minutes, during calls
# only, and otherwise closes the connection: after a minute of idling, with lines of gRPC on stderr, or after three
# minutes of one call, which then fails (its retry finds that the index "already exists"). A connection that dies
# unnoticed is made anew by the next call.
#
# pymilvus lets a reply have any size. The largest that we ask for is a page of 1,000 vectors: 131 MB where they have
# 32,768 dimensions, the most that Milvus allows. The key is bytes, as in pymilvus' own options, which a text would not
# replace.
_MOST_REPLY_BYTES = 256 * 1024 * 1024
_SERVER_OPTIONS: dict[str | bytes, int] = {
    "grpc.keepalive_permit_without_calls": 0,
    "grpc.keepalive_time_ms": 330_000,
    b"grpc.max_receive_message_length": _MOST_REPLY_BYTES,
}
_LITE_OPTIONS = {
    "grpc.enable_http_proxy": 0,  # the engine is in this process; a proxy from the environment cannot reach it
    # pymilvus pings every 10 s even when idle, which Lite's server answers by hanging up.
    "grpc.keepalive_time_ms": 2**31 - 1,
    "grpc.keepalive_permit_without_calls": 0,
}
_SLOW = 20  # building and loading may take this many times the store's timeout


@dataclass
class _LiteClient:
    """The one client of a Lite path in this process, and how many open `Store`s use it."""

    client: Any
    version: str
    path: Path
    pid: int
    users: int


_LOCK = threading.RLock()  # guards `_LITE_CLIENTS`, and the first import of pymilvus
_LITE_CLIENTS: dict[Path, _LiteClient] = {}


class Store:
    """An open Milvus. Use it in a `with` block, or `close()` it, which releases a Lite store's lock.

    `uri` is the Lite path or the server's address without credentials. `engine` is `lite` or `server`, by the version
    that the engine reports (a Lite served over http is `lite`); `version` is that text; `cloud` marks Zilliz Cloud.
    `lost` is set once a call found the connection gone: only a new `Store` helps. `late` is set while the last call ran
    out of time: until a call succeeds, the timeout of each is `_PATIENCE_S`, so that a page of many calls cannot hang.
    `used_at` is when a call was last made (`time.monotonic`). `loaded` names the collections loaded through it, for
    reopening.
    """

    def __init__(self, client: Any, uri: str, version: str, timeout_s: float, *, token: str = "") -> None:
        self.client = client
        self.uri = uri
        self.version = version
        self.engine: Literal["lite", "server"] = "lite" if version.startswith("milvus_lite") else "server"
        self.cloud = "zilliz" in f"{urlsplit(uri).hostname or ''} {version}".lower()
        self.timeout_s = timeout_s
        self._token = token
        self._lite: _LiteClient | None = None
        self.lost = False
        self.late = False
        self.used_at = time.monotonic()
        self.loaded: set[str] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"Store({self.uri!r}, {self.engine}, {self.version!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def call(self, method: str, *args: Any, doing: str, slow: bool = False, **kwargs: Any) -> Any:
        """`client.method(...)` under a timeout. Any error becomes a StoreError «Milvus cannot <doing>»."""
        if self._closed:
            raise StoreError(f"The store {self.uri} has been closed: open it again.")
        wait = self.timeout_s * (_SLOW if slow else 1)
        if self.late and not slow:
            wait = min(wait, _PATIENCE_S)
        self.used_at = time.monotonic()
        try:
            reply = getattr(self.client, method)(*args, timeout=wait, **kwargs)
            self.late = False
            if method == "load_collection":
                self.loaded.add(str(args[0]))
            elif method in {"release_collection", "drop_collection"}:
                self.loaded.discard(str(args[0]))
            return reply
        except Exception as error:  # MilvusException, gRPC's errors, and from Lite any Python error
            self.lost = self.lost or errors.is_lost(error)
            self.late = errors.is_late(error)
            if self.late:
                raise StoreError(
                    f"Milvus at {self.uri} cannot {doing}: it did not answer within {wait:g} s. The server or the "
                    "network is busy: try again in a moment."
                ) from error
            raise StoreError(f"Milvus at {self.uri} cannot {doing}: {self.reason(error)}.") from error

    def reason(self, error: BaseException) -> str:
        """The engine's message of an error: one line, no token."""
        return errors.reason(error, self._token)

    def discard(self) -> None:
        """Close a dead store; a Lite engine is stopped for all its users in this process."""
        lite = self._lite
        self.close()
        if lite is not None and lite.users > 0:
            with _LOCK:
                lite.users = 0
                _release(lite)

    @property
    def version_info(self) -> tuple[int, ...]:
        """The engine's version as numbers: `v2.3.5-lite` is (2, 3, 5)."""
        match = re.search(r"\d{1,9}(?:\.\d{1,9})*", self.version)
        return tuple(int(part) for part in match[0].split(".")) if match else ()

    @property
    def has_token(self) -> bool:
        """Whether it was opened with credentials."""
        return bool(self._token)

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._closed

    def close(self) -> None:
        """Close the connection; the last user of a Lite store in this process releases its lock. Idempotent."""
        with _LOCK:
            if self._closed:
                return
            self._closed = True
            if self._lite is None:
                _quietly(self.client.close)
                return
            if self.client is not self._lite.client:
                _quietly(self.client.close)
            self._lite.users = max(0, self._lite.users - 1)
            if self._lite.users == 0 and _LITE_CLIENTS.get(self._lite.path) is self._lite:
                _release(self._lite)


def open_store(
    uri: str,
    token: str = "",
    *,
    role: str = "petalscope",
    wait_s: float = 10.0,
    timeout_s: float = 30.0,
    guarded: bool = False,
) -> Store:
    """Open a Milvus Lite path (`….db`), a server (`http://host:19530`) or Zilliz Cloud (`https://…`, with a token).

    A Lite store that another process owns is tried again for `wait_s` seconds. `role` describes this process in
    `<path>.owner.json`, which names the owner to other processes. Opening the same path twice in one process shares the
    client. `timeout_s` limits every ordinary call; building and loading may take twenty times that. `guarded` is for
    addresses from visitors: see `endpoints`.

    Raises:
        StoreLockedError: another process owns the Lite store; the text names it if the owner's note can be read.
        StoreError: no such folder, not a Lite store, a store of Milvus Lite 2.x, a dead server, a refused token.
    """
    path = local_path(uri)
    if path is None:
        return _open_server(uri, token, timeout_s, guarded=guarded)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            with _LOCK:
                return _open_lite(path, role, timeout_s, split_lite_database(uri)[1])
        except StoreLockedError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(min(0.2, max(0.0, deadline - time.monotonic())))


def _open_lite(path: Path, role: str, timeout_s: float, database: str) -> Store:
    lite = _LITE_CLIENTS.get(path)
    if lite is not None and lite.pid != os.getpid():  # inherited through a fork: the connection is the parent's
        del _LITE_CLIENTS[path]
        lite = None
    if lite is None:
        check_lite_path(path)
        lite = _LITE_CLIENTS[path] = _start_lite(path)
        write_owner(path, role)
    lite.users += 1
    store = Store(lite.client, f"{path}#{database}" if database else str(path), lite.version, timeout_s)
    store._lite = lite
    if database:
        try:
            # A client works in one database; the engine is the same one.
            store.client = import_pymilvus().MilvusClient(
                str(path), db_name=database, timeout=_CONNECT_S, dedicated=True, grpc_options=_LITE_OPTIONS
            )
            store.client.list_collections(timeout=_CONNECT_S)
        except Exception as error:
            store.close()
            raise StoreError(f"{path} has no database {database}: name one of its databases, or none.") from error
    return store


def _start_lite(path: Path) -> _LiteClient:
    pymilvus = import_pymilvus()
    client = None
    with last_logged("milvus_lite.server_manager") as logged:
        try:
            client = pymilvus.MilvusClient(str(path), timeout=_CONNECT_S, dedicated=True, grpc_options=_LITE_OPTIONS)
            version = str(client.get_server_version(timeout=_CONNECT_S))
        except Exception as error:  # Lite's reader raises anything for a damaged store
            # Lite only logs the cause, and pymilvus raises the same sentence for every cause.
            cause = logged[-1] if logged else error
            if client is not None:
                _quietly(client.close)
            _release_server(path)
            if type(cause).__name__ == "DataDirLockedError":
                raise StoreLockedError(owner_text(path), remedy=Remedy.FREE_STORE) from error
            raise StoreError(
                f"Milvus Lite cannot open {path} ({errors.reason(cause)}): check that the folder is complete and "
                "writable, or name another path."
            ) from error
    return _LiteClient(client, version, path, os.getpid(), 0)


def _open_server(uri: str, token: str, timeout_s: float, *, guarded: bool) -> Store:
    address, userinfo = split_credentials(uri)
    if not is_server_address(address):
        raise StoreError(not_an_address(address[:200]))
    token = token or userinfo
    wait = min(timeout_s, _CONNECT_S)
    server, database = split_database(address)
    with _LOCK:
        pymilvus = import_pymilvus()
    store = Store(None, address, "", timeout_s, token=token)
    place = None if uri.startswith("unix:") else endpoints.endpoint(server)
    if place is not None and guarded:
        place = endpoints.resolved(place)
    failure = None if place is None else errors.certain_failure(place, wait)
    if failure is not None:
        raise StoreError(f"No Milvus server answers at {address} ({failure[0]}): {failure[1]}.")
    # pymilvus looks a global cluster up by the words in its URI, and only a name has them.
    target = server if place is None or (not place.ip and ":" not in place.host) else place.uri
    options = _SERVER_OPTIONS | (place.grpc_options if place is not None else {})
    try:
        store.client = pymilvus.MilvusClient(
            target, token=token, db_name=database, timeout=wait, dedicated=True, grpc_options=options
        )
        version = str(store.client.get_server_version(timeout=wait))
        store.client.list_collections(timeout=wait)  # the first call that needs a permission
    except Exception as error:  # MilvusException, gRPC's errors, ValueError for an invalid address, and more
        if store.client is not None:
            _quietly(store.client.close)
        if errors.is_refused(error):
            raise StoreError(
                f"The Milvus server at {address} refused the credentials", remedy=Remedy.CHECK_CREDENTIALS
            ) from None
        if isinstance(error, ValueError):
            raise StoreError(not_an_address(address)) from None
        if database and "database not found" in f"{getattr(error, 'message', '')} {error}".lower():
            raise StoreError(f"{server} has no database {database}: name one of its databases, or none.") from None
        if store.client is not None and errors.is_late(error):
            raise StoreError(
                f"The Milvus server at {address} accepts connections but did not answer a call within {wait:g} s: it "
                "is busy or still starting, so try again in a moment."
            ) from None
        if place is None:
            why = errors.reason(error, token)
            raise StoreError(f"No Milvus server answers at {address} ({why})", remedy=Remedy.START_SERVER) from None
        why, remedy = errors.why_silent(place, wait)
        raise StoreError(f"No Milvus server answers at {address} ({why}): {remedy}.") from None
    return Store(store.client, address, version, timeout_s, token=token)


def _release(lite: _LiteClient) -> None:
    """Stop the Lite engine behind `lite` and release its lock; the caller holds `_LOCK`."""
    if _LITE_CLIENTS.get(lite.path) is lite:
        del _LITE_CLIENTS[lite.path]
    if lite.pid != os.getpid():
        return
    _quietly(lite.client.close)
    # Remove the owner's note first: once the lock is free, another owner may write its own.
    forget_owner(lite.path)
    _release_server(lite.path)


def _release_server(path: Path) -> None:
    # `client.close()` alone keeps the engine, its threads and its lock until the process ends.
    with suppress(ImportError):
        from milvus_lite.server_manager import server_manager_instance

        _quietly(server_manager_instance.release_server, str(path))


@atexit.register
def _release_all() -> None:
    with _LOCK:
        for lite in list(_LITE_CLIENTS.values()):
            _release(lite)


def _quietly(function: Callable[..., Any], *args: Any) -> None:
    with suppress(Exception):  # errors while closing do not matter
        function(*args)
