"""Which Milvus may be opened, under which name, and the open ones: one client per address for a whole process.

Invariants:
- A server that a user typed is opened guarded: link-local networks are refused (`endpoints`).
- A Lite store or a socket that a page or a link names must lie in a folder that the settings allow, and must exist:
  checking a path never creates a store. A link alone never opens a server (see `Connection.source`).
- A token is sent only to the address that it was given for, and is in no repr.
- The pool opens each connection once, however many threads request it, and reopens it when it is lost.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lib import limits, text
from lib.errors import QueryError, Remedy, StoreError
from lib.settings import Settings
from lib.store import errors, inspect
from lib.store.addresses import is_server_address, not_an_address, split_credentials, split_lite_database
from lib.store.connection import Store, open_store

OUTSIDE: Final = "outside the folders that may be opened here"
MAIN: Final = "own"  # the name of the store that Petalscope itself writes
_PING_S: Final = 5.0
_MOST_LOCKS: Final = 1000
_SALT: Final = os.urandom(16)


@dataclass(frozen=True)
class Connection:
    """A Milvus that may be opened. `name` identifies it on pages and in links.

    `source` is `settings` (the store of this app), `secrets` (`.streamlit/secrets.toml`), or `typed` (by this user).
    """

    name: str
    uri: str = field(repr=False)
    token: str = field(default="", repr=False)
    source: str = "typed"

    @property
    def address(self) -> str:
        """The address without credentials, which may be shown."""
        return split_credentials(self.uri)[0]

    @property
    def lite(self) -> bool:
        """Whether this is a Lite store on this machine."""
        return is_path(self.uri)

    @property
    def key(self) -> str:
        """Identifies the connection within this process, credentials included, without containing them. The hash is
        salted: keys become parts of widget names, which browsers see, and a plain hash would allow guessing passwords.
        """
        return f"{self.address} {hashlib.sha256(_SALT + f'{self.uri} {self.token}'.encode()).hexdigest()[:16]}"


def is_path(uri: str) -> bool:
    """Whether an address is a path on this machine rather than a server's."""
    return "://" not in uri and not uri.startswith("unix:")


def app_connection(settings: Settings) -> Connection:
    """The store that Petalscope itself writes."""
    return Connection(MAIN, settings.store_uri, settings.milvus_token, "settings")


def configured_connections(settings: Settings, secrets: Mapping[str, Any]) -> dict[str, Connection]:
    """The connections that the app's operator has configured, by name: the app's own store, and each `[milvus.NAME]` of
    the secrets with its `uri` and, if needed, `token`."""
    connections = {MAIN: app_connection(settings)}
    section = secrets.get("milvus")
    for name, entry in section.items() if isinstance(section, Mapping) else ():
        if name != MAIN and isinstance(entry, Mapping) and isinstance(entry.get("uri"), str):
            connections[str(name)] = Connection(str(name), entry["uri"], str(entry.get("token") or ""), "secrets")
    return connections


def typed_connection(settings: Settings, uri: str, token: str = "") -> Connection:
    """The connection to an address from a user or a link. Raises QueryError if it is too long, not an address, or a
    path that may not be opened. Nothing is resolved or called: opening a server does that, guarded (`endpoints`)."""
    uri = limits.check_length(uri, "The address of the Milvus", limits.ADDRESS).strip()
    if not uri:
        raise QueryError("Type the address of a Milvus: a path that ends in .db, or http://host:19530.")
    if uri.startswith("unix:"):  # a path, too
        socket = confined_path(settings, "/" + uri.removeprefix("unix:").lstrip("/"))
        return Connection(f"unix:{socket}", f"unix:{socket}", token)
    if not is_path(uri):
        address = split_credentials(uri)[0]
        if not is_server_address(address):
            raise QueryError(not_an_address(_redacted(address)))
        return Connection(address, uri, token)
    text, database = split_lite_database(uri)
    path = confined_path(settings, text)
    if not path.name.endswith(".db"):
        raise QueryError(
            f"{_redacted(uri)} is not a Milvus Lite store, whose name ends in .db: name one, or http://host:19530."
        )
    if path.is_dir() and not any(path.iterdir()):
        raise QueryError(f"{_redacted(str(path))} is an empty folder, not a Milvus Lite store: correct the path.")
    address = f"{path}#{database}" if database else str(path)
    return Connection(address, address)


def allowed_folders(settings: Settings) -> list[Path]:
    """The folders in which pages may open stores and photos: those of the artifacts, the photos, the app's Lite store,
    and PETALSCOPE_FOLDERS."""
    allowed = [settings.artifacts, *([settings.data] if settings.data else []), *settings.folders]
    if settings.lite_path is not None:
        allowed.append(settings.lite_path.parent)
    return list(dict.fromkeys(path.resolve() for path in allowed))


def confined_path(settings: Settings, path: str) -> Path:
    """`path` with all links resolved, if it lies in one of `folders`. Raises QueryError otherwise, whether it exists or
    not, so that the reply does not reveal which files exist."""
    try:
        real = Path(path).expanduser().resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise QueryError("This is not a path: correct it.") from error
    if not any(real.is_relative_to(folder) for folder in allowed_folders(settings)):
        raise QueryError(f"{_redacted(path)} is {OUTSIDE}", remedy=Remedy.ALLOW_FOLDER)
    return real


def _redacted(path: str) -> str:
    """A path for a sentence: printable, short, and without a password, since it may be an address without http://."""
    # The lookbehind starts matches at word beginnings only: otherwise a long word without an @ takes quadratic time.
    redacted = re.sub(r"(?<![^/\s])[^/\s]*@", "***@", path)
    return text.shown_name(redacted)


def discover_stores(settings: Settings, most: int = 50) -> list[Path]:
    """Lite stores in the allowed folders and one level below, sorted; at most `most`."""
    stores: set[Path] = set()
    for folder in allowed_folders(settings):
        with suppress(OSError):
            for pattern in ("*.db", "*/*.db"):
                stores |= {path for path in folder.glob(pattern) if path.is_dir() and (path / "LOCK").exists()}
    return sorted(stores)[:most]


@dataclass(frozen=True)
class Pulse:
    """The state of a connection. `milliseconds` is the round trip of one small call, as measured by this client."""

    milliseconds: float
    version: str
    engine: str
    databases: list[str]


class Lease:
    """One session's use of a connection, from `Pool.lease`. Soon after the last one is released, it is closed."""

    def __init__(self, pool: Pool, key: str) -> None:
        self._pool: Pool | None = pool
        self._key = key

    def release(self) -> None:
        """End the use. Idempotent."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool._release(self._key)


class Pool:
    """The open stores of a process. `on_open` is called with each newly opened store, and may raise StoreError to
    refuse it. `generation` counts `close_all`: cached replies of an earlier one may come from another store.

    All but the app's own store are closed `grace_s` seconds after the last lease was released (a page that is loaded
    again takes a new one at once), when nobody has called them for `idle_s` seconds, and the longest unused one when
    more than `most` are open. The next `get` opens a closed one again, with the collections that were loaded.
    """

    def __init__(
        self,
        on_open: Callable[[Connection, Store], None] | None = None,
        *,
        wait_s: float = 1.0,
        most: int = 16,
        idle_s: float = 900.0,
        grace_s: float = 5.0,
    ) -> None:
        self._on_open = on_open
        self._wait_s = wait_s
        self._most = most
        self._idle_s = idle_s
        self._grace_s = grace_s
        self._stores: dict[str, Store] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._leases: dict[str, int] = {}
        self._loaded: dict[str, set[str]] = {}  # of closed stores
        self._kept: set[str] = set()  # keys of the app's own store
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self.generation = 0

    def get(self, connection: Connection) -> Store:
        """The open store of a connection; opened if it is not, and reopened if it is lost. Raises StoreError."""
        with self._lock:
            if len(self._locks) > _MOST_LOCKS:  # of addresses typed long ago
                self._locks = {key: lock for key, lock in self._locks.items() if lock.locked() or key in self._stores}
                self._loaded = {key: names for key, names in self._loaded.items() if key in self._locks}
            opening = self._locks.setdefault(connection.key, threading.Lock())
        with opening:  # other threads wait for this connection, but not for others
            store = self._stores.get(connection.key)
            if store is not None and not store.lost and not store.closed:
                store.used_at = time.monotonic()
                return store
            loaded = self._loaded.pop(connection.key, set())
            if store is not None:
                loaded = store.loaded
                store.discard()
                self._stores.pop(connection.key, None)
            opened = self._open(connection, loaded)
            with self._lock:
                self._stores[connection.key] = opened
                if connection.name == MAIN:
                    self._kept.add(connection.key)
        self.close_unused()
        return opened

    def lease(self, connection: Connection) -> Lease:
        """Keep a connection open for a session until the lease is released. Opens nothing."""
        with self._lock:
            self._leases[connection.key] = self._leases.get(connection.key, 0) + 1
        return Lease(self, connection.key)

    def _release(self, key: str) -> None:
        with self._lock:
            self._leases[key] -= 1
            if self._leases[key] > 0:
                return
            del self._leases[key]
        timer = threading.Timer(self._grace_s, self._close_unleased, [key])
        timer.daemon = True
        timer.start()

    def _close_unleased(self, key: str) -> None:
        """Close the connection unless somebody has leased it in the meantime."""
        with self._lock:
            store = None if key in self._kept or key in self._leases else self._stores.pop(key, None)
            self._remember_loaded(key, store)
            self._wait_for_idle()
        if store is not None:
            store.close()

    def _remember_loaded(self, key: str, store: Store | None) -> None:
        if store is not None and store.loaded:
            self._loaded[key] = set(store.loaded)

    def close_unused(self) -> None:
        """Close what has been idle for too long, and the longest unused beyond the most that may be open."""
        with self._lock:
            now = time.monotonic()
            others = sorted(self._stores.keys() - self._kept, key=lambda key: self._stores[key].used_at)
            excess = set(others[: max(0, len(others) - self._most)])
            keys = [key for key in others if key in excess or now - self._stores[key].used_at >= self._idle_s]
            for key in keys:
                self._remember_loaded(key, self._stores[key])
            closing = [self._stores.pop(key) for key in keys]
            self._wait_for_idle()
        for store in closing:
            store.close()

    def _wait_for_idle(self) -> None:
        """Call `close_unused` when the next store becomes idle; the caller holds `_lock`."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        last_uses = [self._stores[key].used_at for key in self._stores.keys() - self._kept]
        if last_uses:
            wait = max(0.1, min(last_uses) + self._idle_s - time.monotonic())
            self._timer = threading.Timer(wait, self.close_unused)
            self._timer.daemon = True
            self._timer.start()

    def _open(self, connection: Connection, loaded: set[str]) -> Store:
        """Open a connection; on Lite, which forgets on closing what was loaded, load these collections again."""
        # Opening would create a store.
        if connection.lite and not Path(split_lite_database(connection.uri)[0]).exists():
            missing = f"There is no Milvus Lite store at {connection.uri}"
            if connection.name == MAIN:
                raise StoreError(missing, remedy=Remedy.PREPARE)
            raise StoreError(f"{missing}: correct the path.")
        store = open_store(
            connection.uri,
            connection.token,
            role="app",
            wait_s=self._wait_s,
            guarded=connection.source == "typed",
        )
        try:
            if self._on_open is not None:
                self._on_open(connection, store)
            if store.engine == "lite":
                for name in loaded:
                    with suppress(StoreError):
                        store.call("load_collection", name, doing=f"load {name}", slow=True)
        except BaseException:
            store.close()
            raise
        return store

    def pulse(self, connection: Connection) -> Pulse:
        """The state of a connection now; a lost one is reopened first. Raises StoreError when that fails."""
        for attempt in (1, 2):
            store = self.get(connection)
            try:
                start = time.perf_counter()
                store.client.get_server_version(timeout=_PING_S)
                milliseconds = (time.perf_counter() - start) * 1000
                break
            except Exception as error:  # MilvusException, gRPC's errors, ValueError of a closed channel: all mean no
                store.lost = True
                if attempt == 2:
                    raise StoreError(
                        f"Milvus at {store.uri} does not answer within {_PING_S:g} s "
                        f"({errors.reason(error, connection.token)}): check that it runs, and try again."
                    ) from None
        return Pulse(milliseconds, store.version, store.engine, inspect.databases(store))

    def close(self, connection: Connection) -> None:
        """Close a connection; the next `get` opens it again."""
        with self._lock:
            store = self._stores.pop(connection.key, None)
            self._wait_for_idle()
        if store is not None:
            store.close()

    def close_all(self) -> None:
        """Close every connection, so that other processes can own the Lite stores."""
        with self._lock:
            stores, self._stores = list(self._stores.values()), {}
            self.generation += 1
            self._wait_for_idle()
        for store in stores:
            store.close()
