"""Which Milvus may be opened, by which name, and the open ones: one client per address for a whole process.

Invariants:
- What a page or a link names as a Lite store, or as a socket, lies in one of the folders that the settings allow, and
  exists: looking at a path never makes a store. A link alone never makes us call a server (see `Connection.source`).
- A token goes to the address that it was given for, never to another, and is in no repr.
- The pool opens each connection once, however many ask at the same time, and opens it anew when it died.
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
from ipaddress import ip_address
from pathlib import Path
from socket import inet_aton, inet_ntoa
from typing import Any, Final
from urllib.parse import urlsplit

from lib import limits
from lib.errors import QueryError, StoreError
from lib.settings import Settings
from lib.store import errors
from lib.store.addresses import is_server_address, split_credentials
from lib.store.connection import Store, open_store

MAIN: Final = "own"  # the name of the store that Petalscope itself writes
_PING_S = 5.0
_SALT: Final = os.urandom(16)


@dataclass(frozen=True)
class Connection:
    """One Milvus that may be opened. `name` is what pages and links call it, `address` what may be shown.

    `source` is `settings` (the store of this app), `secrets` (`.streamlit/secrets.toml`), or `typed` (by this user).
    """

    name: str
    uri: str = field(repr=False)
    token: str = field(default="", repr=False)
    source: str = "typed"

    @property
    def address(self) -> str:
        """The address without credentials."""
        return split_credentials(self.uri)[0]

    @property
    def lite(self) -> bool:
        """Whether this is a Lite store on this machine."""
        return is_path(self.uri)

    @property
    def key(self) -> str:
        """Tells connections apart within this process, credentials included; holds none of them. Widgets' names are
        made of it, and go to browsers, so a plain hash would let them guess at passwords."""
        return f"{self.address} {hashlib.sha256(_SALT + f'{self.uri} {self.token}'.encode()).hexdigest()[:16]}"


def is_path(uri: str) -> bool:
    """Whether an address is a path on this machine rather than a server's."""
    return "://" not in uri and not uri.startswith("unix:")


def own(settings: Settings) -> Connection:
    """The store that Petalscope itself writes."""
    return Connection(MAIN, settings.store_uri, settings.milvus_token, "settings")


def configured(settings: Settings, secrets: Mapping[str, Any]) -> dict[str, Connection]:
    """The connections that whoever runs the app has set up, by name: its own store, and each `[milvus.NAME]` of the
    secrets with its `uri` and, where needed, `token`."""
    found = {MAIN: own(settings)}
    section = secrets.get("milvus")
    for name, entry in section.items() if isinstance(section, Mapping) else ():
        if name != MAIN and isinstance(entry, Mapping) and isinstance(entry.get("uri"), str):
            found[str(name)] = Connection(str(name), entry["uri"], str(entry.get("token") or ""), "secrets")
    return found


def typed(settings: Settings, uri: str, token: str = "") -> Connection:
    """What a user or a link names, checked. Raises QueryError when it is too long, no address, or a path that may not
    be opened."""
    uri = limits.check(uri, "The address of the Milvus", limits.ADDRESS).strip()
    if not uri:
        raise QueryError("Type the address of a Milvus: a path that ends in .db, or http://host:19530.")
    if uri.startswith("unix:"):  # a path, too
        socket = confined(settings, "/" + uri.removeprefix("unix:").lstrip("/"))
        return Connection(f"unix:{socket}", f"unix:{socket}", token)
    if not is_path(uri):
        address = split_credentials(uri)[0]
        if not is_server_address(address):
            raise QueryError(f"{_shown(address)} is not a server's address: write http://host:19530.")
        if _is_link_local(urlsplit(address).hostname or ""):
            raise QueryError(f"{_shown(address)} is a link-local address, where clouds keep secrets: name another.")
        return Connection(address, uri, token)
    path = confined(settings, uri)
    if not path.name.endswith(".db"):
        raise QueryError(
            f"{_shown(uri)} is no Milvus Lite store, whose name ends in .db: name one, or http://host:19530."
        )
    if path.is_dir() and not any(path.iterdir()):
        raise QueryError(f"{_shown(str(path))} is an empty folder, not a Milvus Lite store: correct the path.")
    return Connection(str(path), str(path))


def _is_link_local(host: str) -> bool:
    """Whether a host is an address at which clouds tell a machine its own secrets, however it is written."""
    with suppress(OSError):
        host = inet_ntoa(inet_aton(host))  # 0xA9FEA9FE and 169.16689662, too
    with suppress(ValueError):
        found = ip_address(host)
        return (getattr(found, "ipv4_mapped", None) or found).is_link_local
    return False


def folders(settings: Settings) -> list[Path]:
    """Where pages may open stores and photos: the artifacts, the photos, and what PETALSCOPE_FOLDERS names."""
    named = [settings.artifacts, *([settings.data] if settings.data else []), *settings.folders]
    if settings.lite_path is not None:
        named.append(settings.lite_path.parent)
    return list(dict.fromkeys(path.resolve() for path in named))


def confined(settings: Settings, path: str) -> Path:
    """`path`, followed through all links, if it lies in one of `folders`; QueryError otherwise, whether it exists or
    not, so that nobody learns by trying which files there are."""
    try:
        real = Path(path).expanduser().resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise QueryError("This is not a path: correct it.") from error
    if not any(real.is_relative_to(folder) for folder in folders(settings)):
        raise QueryError(
            f"{_shown(path)} is outside the folders that pages may open: move it into one of them, or start the app "
            "with PETALSCOPE_FOLDERS naming its folder."
        )
    return real


def _shown(path: str) -> str:
    """A path as it may stand in a sentence: not without end, and without a password, since it may be an address that
    was typed without its http://."""
    # Only from where a word begins: tried at every letter, a long word without an @ would be read once for each.
    hidden = re.sub(r"(?<![^/\s])[^/\s]*@", "***@", path)
    return hidden if len(hidden) <= 200 else f"{hidden[:200]}…"


def found_stores(settings: Settings, most: int = 50) -> list[Path]:
    """Lite stores in the allowed folders or one level below."""
    found: set[Path] = set()
    for folder in folders(settings):
        with suppress(OSError):
            for pattern in ("*.db", "*/*.db"):
                found |= {path for path in folder.glob(pattern) if path.is_dir() and (path / "LOCK").exists()}
    return sorted(found)[:most]


@dataclass(frozen=True)
class Pulse:
    """How a connection is: `milliseconds` is the time of one small call there and back, as measured here."""

    milliseconds: float
    version: str
    engine: str
    databases: list[str]


class Pool:
    """The open stores of a process. `on_open` is called with each newly opened one, and may raise StoreError."""

    def __init__(self, on_open: Callable[[Connection, Store], None] | None = None, *, wait_s: float = 1.0) -> None:
        self._on_open = on_open
        self._wait_s = wait_s
        self._stores: dict[str, Store] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self.generation = 0  # goes up whenever all is closed: what was read before may be of another store

    def get(self, connection: Connection) -> Store:
        """The open store of a connection, opened if it is not, and anew if it died. Raises StoreError."""
        with self._lock:
            gate = self._locks.setdefault(connection.key, threading.Lock())
        with gate:  # one opens, the others wait for it; other connections are not held up
            held = self._stores.get(connection.key)
            if held is not None and not held.lost and not held.closed:
                return held
            loaded: set[str] = set()
            if held is not None:
                loaded = held.loaded
                held.discard()
                del self._stores[connection.key]
            if connection.lite and not Path(connection.uri).exists():  # opening would make one
                make = "run `python -m lib prepare`" if connection.name == MAIN else "correct the path"
                raise StoreError(f"There is no Milvus Lite store at {connection.uri}: {make}.")
            opened = open_store(connection.uri, connection.token, role="app", wait_s=self._wait_s)
            try:
                if self._on_open is not None:
                    self._on_open(connection, opened)
                if opened.engine == "lite":  # it forgets on closing what was loaded
                    for name in loaded:
                        with suppress(StoreError):
                            opened.call("load_collection", name, doing=f"load {name}", slow=True)
            except BaseException:
                opened.close()
                raise
            self._stores[connection.key] = opened
            return opened

    def pulse(self, connection: Connection) -> Pulse:
        """How the connection is, now; a dead one is opened anew first. Raises StoreError when that fails."""
        for attempt in (1, 2):
            store = self.get(connection)
            try:
                start = time.perf_counter()
                store.client.get_server_version(timeout=_PING_S)
                took = (time.perf_counter() - start) * 1000
                break
            except Exception as error:  # MilvusException, gRPC's errors, ValueError of a closed channel: all mean no
                store.lost = True
                if attempt == 2:
                    raise StoreError(
                        f"Milvus at {store.uri} does not answer within {_PING_S:g} s "
                        f"({errors.reason(error, connection.token)}): check that it runs, and try again."
                    ) from None
        try:
            databases = sorted(str(name) for name in store.call("list_databases", doing="list its databases"))
        except StoreError:  # servers before 2.2.9 have none
            databases = []
        return Pulse(took, store.version, store.engine, databases)

    def close(self, connection: Connection) -> None:
        """Close a connection; the next `get` opens it again."""
        with self._lock:
            store = self._stores.pop(connection.key, None)
        if store is not None:
            store.close()

    def close_all(self) -> None:
        """Close every connection, so that other processes can own the Lite stores."""
        with self._lock:
            stores, self._stores = list(self._stores.values()), {}
            self.generation += 1
        for store in stores:
            store.close()
