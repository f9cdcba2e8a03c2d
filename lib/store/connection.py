"""A connection to Milvus: Milvus Lite, a server and Zilliz Cloud through one client.

Invariants:
- Nothing but `PetalscopeError`s leaves `open_store` and `Store.call`, no library logs through them, every call has a
  timeout, and a token never stands in a text.
- One process owns a Lite store, with one client per path, shared by everybody who opens it in that process.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from lib.errors import StoreError, StoreLockedError
from lib.store import errors
from lib.store.addresses import is_server_address, local_path, split_credentials, split_database
from lib.store.lite_owner import forget_owner, owner_text, write_owner
from lib.store.pymilvus_import import import_pymilvus, last_logged

_CONNECT_S = 5.0  # a server that does not answer in this time is called dead
_PATIENCE_S = 2.0  # a server that has just let a call run out of time gets no more for the next ones
# pymilvus pings every 10 s. A server that minds (gRPC's default, and a Lite's) answers by hanging up: after a minute of
# silence, with lines of gRPC on stderr, or after three minutes of one call, which then fails (an index asked for again
# "already exists"). It allows one ping in five minutes, during calls only. Should a connection die in silence, the next
# call makes it anew.
_CALM = {"grpc.keepalive_permit_without_calls": 0, "grpc.keepalive_time_ms": 330_000}
_SLOW = 20  # building and loading may take this many times the store's timeout


@dataclass
class _Local:
    """The one client of a Lite path in this process and how many open `Store`s use it."""

    client: Any
    version: str
    path: Path
    pid: int
    users: int


_LOCK = threading.RLock()  # guards `_LOCAL`, and the first import of pymilvus
_LOCAL: dict[Path, _Local] = {}


class Store:
    """An open Milvus; use it with `with`, or `close()` it, which really gives a Lite store back.

    `uri` is the Lite path or the server's address without credentials; `engine` is `lite` or `server` by what answers
    there (a Lite served over http is still `lite`); `version` is its own name for itself; `cloud` tells Zilliz Cloud.
    `lost` is set once a call found the connection gone: only opening it anew helps. `late` is set while the last call
    ran out of time: until one is answered the others get `_PATIENCE_S` each, so that a page of many cannot hang.
    """

    def __init__(self, client: Any, uri: str, version: str, timeout_s: float, *, token: str = "") -> None:
        self.client = client
        self.uri = uri
        self.version = version
        self.engine = "lite" if version.startswith("milvus_lite") else "server"
        self.cloud = "zilliz" in f"{urlsplit(uri).hostname or ''} {version}".lower()
        self.timeout_s = timeout_s
        self._token = token
        self._local: _Local | None = None
        self.lost = False
        self.late = False
        self.loaded: set[str] = set()  # what was loaded through it, for whoever has to open it anew
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
        """`client.method(...)` under a timeout; whatever it raises becomes a StoreError «Milvus cannot <doing>»."""
        if self._closed:
            raise StoreError(f"The store {self.uri} has been closed: open it again.")
        wait = self.timeout_s * (_SLOW if slow else 1)
        if self.late and not slow:
            wait = min(wait, _PATIENCE_S)
        try:
            answer = getattr(self.client, method)(*args, timeout=wait, **kwargs)
            self.late = False
            if method == "load_collection":
                self.loaded.add(str(args[0]))
            elif method in {"release_collection", "drop_collection"}:
                self.loaded.discard(str(args[0]))
            return answer
        except Exception as error:  # MilvusException, gRPC's errors, and from Lite whatever its Python runs into
            self.lost = self.lost or errors.is_lost(error)
            self.late = errors.is_late(error)
            if self.late:
                raise StoreError(
                    f"Milvus at {self.uri} cannot {doing}: it did not answer within {wait:g} s. It is busy, or the way "
                    "to it is slow: try again in a moment."
                ) from error
            raise StoreError(f"Milvus at {self.uri} cannot {doing}: {self.reason(error)}.") from error

    def reason(self, error: BaseException) -> str:
        """Why the engine refused, in its own words: one line, no token."""
        return errors.reason(error, self._token)

    def discard(self) -> None:
        """Close it, and with it the engine of a Lite store for everybody in this process: a dead one helps nobody."""
        local = self._local
        self.close()
        if local is not None and local.users > 0:
            with _LOCK:
                local.users = 0
                _release(local)

    @property
    def has_token(self) -> bool:
        """Whether it was opened with credentials."""
        return bool(self._token)

    @property
    def closed(self) -> bool:
        """Whether somebody has closed it."""
        return self._closed

    def close(self) -> None:
        """Let go of the connection; the last user of a Lite store in this process releases its lock. Idempotent."""
        with _LOCK:
            if self._closed:
                return
            self._closed = True
            if self._local is None:
                _quietly(self.client.close)
                return
            self._local.users = max(0, self._local.users - 1)
            if self._local.users == 0 and _LOCAL.get(self._local.path) is self._local:
                _release(self._local)


def open_store(
    uri: str, token: str = "", *, role: str = "petalscope", wait_s: float = 10.0, timeout_s: float = 30.0
) -> Store:
    """Open a Milvus Lite path (`….db`), a server (`http://host:19530`) or Zilliz Cloud (`https://…`, with a token).

    A Lite store that another process owns is tried again for `wait_s` seconds. `role` is what we call ourselves in
    `<path>.owner.json`, from which others read who owns the store. Opening the same path twice in one process shares
    the client. `timeout_s` bounds every ordinary call; building and loading may take twenty times that.

    Raises:
        StoreLockedError: another process keeps the Lite store; the text names it if it can.
        StoreError: no such folder, not a Lite store, one of Milvus Lite 2.x, a dead server, a refused token.
    """
    path = local_path(uri)
    if path is None:
        return _open_server(uri, token, timeout_s)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            with _LOCK:
                return _open_local(path, role, timeout_s)
        except StoreLockedError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(min(0.2, max(0.0, deadline - time.monotonic())))


def _check_local(path: Path) -> None:
    """Refuse what Milvus Lite would fail on without saying why, or would scatter its files into."""
    if not path.parent.is_dir():
        raise StoreError(f"The folder {path.parent} for the Milvus Lite store does not exist: create it first.")
    if path.is_file():
        with path.open("rb") as file:
            old = file.read(15) == b"SQLite format 3"
        if old:
            raise StoreError(
                f"{path} is a single-file database of Milvus Lite 2.x, which version 3 cannot read: keep it, export it "
                "with `milvus-lite dump` of version 2.5, and name another path ending in .db (--milvus-uri)."
            )
        raise StoreError(f"{path} is a plain file: name another path ending in .db (--milvus-uri).")
    if path.is_dir():
        inside = {item.name for item in path.iterdir()}
        if inside and not inside & {"LOCK", "collections"}:
            raise StoreError(f"{path} is a folder of something else, not a Milvus Lite store: name another path.")


def _open_local(path: Path, role: str, timeout_s: float) -> Store:
    local = _LOCAL.get(path)
    if local is not None and local.pid != os.getpid():  # inherited by a fork: the connection is the parent's
        del _LOCAL[path]
        local = None
    if local is None:
        _check_local(path)
        local = _LOCAL[path] = _start_local(path)
        write_owner(path, role)
    local.users += 1
    store = Store(local.client, str(path), local.version, timeout_s)
    store._local = local
    return store


def _start_local(path: Path) -> _Local:
    pymilvus = import_pymilvus()
    options = {
        "grpc.enable_http_proxy": 0,  # the engine is in this process; a proxy from the environment cannot reach it
        # pymilvus pings every 10 s even when idle, which Lite's server answers by hanging up.
        "grpc.keepalive_time_ms": 2**31 - 1,
        "grpc.keepalive_permit_without_calls": 0,
    }
    client = None
    with last_logged("milvus_lite.server_manager") as logged:
        try:
            client = pymilvus.MilvusClient(str(path), timeout=_CONNECT_S, dedicated=True, grpc_options=options)
            version = str(client.get_server_version(timeout=_CONNECT_S))
        except Exception as error:  # of a damaged store Lite's reader raises anything
            # Lite only logs why it did not start, and pymilvus raises the same sentence for everything.
            cause = logged[-1] if logged else error
            if client is not None:
                _quietly(client.close)
            _release_server(path)
            if type(cause).__name__ == "DataDirLockedError":
                raise StoreLockedError(owner_text(path)) from error
            raise StoreError(
                f"Milvus Lite cannot open {path} ({errors.reason(cause)}): check that the folder is complete and "
                "writable, or name another path."
            ) from error
    return _Local(client, version, path, os.getpid(), 0)


def _open_server(uri: str, token: str, timeout_s: float) -> Store:
    address, found = split_credentials(uri)
    if not is_server_address(address):
        raise StoreError(f"{address[:200]} is not a server's address: write http://host:19530.")
    token = token or found
    wait = min(timeout_s, _CONNECT_S)
    server, database = split_database(address)
    with _LOCK:
        pymilvus = import_pymilvus()
    store = Store(None, address, "", timeout_s, token=token)
    known = None if uri.startswith("unix:") else errors.at_once(server, wait)
    if known is not None:
        raise StoreError(f"No Milvus server answers at {address} ({known[0]}): {known[1]}.")
    try:
        store.client = pymilvus.MilvusClient(
            server, token=token, db_name=database, timeout=wait, dedicated=True, grpc_options=_CALM
        )
        version = str(store.client.get_server_version(timeout=wait))
        store.client.list_collections(timeout=wait)  # the first call that needs a right
    except Exception as error:  # MilvusException, gRPC's errors, ValueError for an address that is none, and more
        if store.client is not None:
            _quietly(store.client.close)
        if errors.is_refused(error):
            remedy = "check MILVUS_TOKEN, or the token typed here (`user:password` or an API key)"
            raise StoreError(f"The Milvus server at {address} refused the credentials: {remedy}.") from None
        if isinstance(error, ValueError):
            raise StoreError(f"{address} is not a server's address: write http://host:19530.") from None
        if database and "database not found" in f"{getattr(error, 'message', '')} {error}".lower():
            raise StoreError(f"{server} has no database {database}: name one of its databases, or none.") from None
        if store.client is not None and errors.is_late(error):
            raise StoreError(
                f"The Milvus server at {address} takes connections but did not answer a call within {wait:g} s: it is "
                "busy or still starting, so try again in a moment."
            ) from None
        if uri.startswith("unix:"):
            why, remedy = errors.reason(error, token), "start it, or correct --milvus-uri"
        else:
            why, remedy = errors.why_silent(server, wait)
        raise StoreError(f"No Milvus server answers at {address} ({why}): {remedy}.") from None
    return Store(store.client, address, version, timeout_s, token=token)


def _release(local: _Local) -> None:
    """Stop the Lite engine behind `local` and give its lock back; caller holds `_LOCK`."""
    if _LOCAL.get(local.path) is local:
        del _LOCAL[local.path]
    if local.pid != os.getpid():
        return
    _quietly(local.client.close)
    # Remove our name first: once the lock is free another owner may write its own.
    forget_owner(local.path)
    _release_server(local.path)


def _release_server(path: Path) -> None:
    # `client.close()` alone keeps the engine, its threads and its lock until the process ends.
    with suppress(ImportError):
        from milvus_lite.server_manager import server_manager_instance

        _quietly(server_manager_instance.release_server, str(path))


@atexit.register
def _release_all() -> None:
    with _LOCK:
        for local in list(_LOCAL.values()):
            _release(local)


def _quietly(function: Callable[..., Any], *args: Any) -> None:
    with suppress(Exception):  # what is closed anyway has nothing to say any more, whatever it raises
        function(*args)
