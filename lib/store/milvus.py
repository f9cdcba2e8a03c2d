"""Writing vectors to Milvus and searching them: Milvus Lite, a server and Zilliz Cloud through one client.

Invariants:
- Nothing but `PetalscopeError`s leaves this module (only a caller's own progress callback may raise what it likes),
  no library logs through it, every call has a timeout, and a token never stands in a text.
- Vectors are (n, d) float32 in, values are in Petalscope's units out: `l2` a distance (Milvus answers its square),
  `mse` that square over d, `cosine` and `ncc` similarities in [-1, 1]. Ties break by id.
- A space has three collections with the same ids, because Milvus before 2.4 keeps one vector field per collection and
  Milvus Lite answers wrongly, without an error, when an index is searched under a metric that it was not built for:
  `<base>` (COSINE), `<base>_centred` (COSINE over centred vectors, which is NCC) and `<base>_l2` (L2). L1, which
  Milvus does not have, is answered by COSINE candidates put in order by their exact L1.
- One process owns a Lite store, with one client per path, shared by everybody who opens it in that process.
"""

from __future__ import annotations

import atexit
import json
import logging
import math
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit, urlunsplit

import numpy as np
import numpy.typing as npt

from lib.errors import QueryError, StoreError, StoreLockedError

Array = npt.NDArray[np.float32]

VECTOR: Final = "vector"
MAX_DIM: Final = 32_768  # Milvus' limit for a float vector
MAX_ANSWERS: Final = 16_384  # Milvus' limit for `limit` of one search
# VARCHAR limits count bytes on a server and characters on Lite; we hold everybody to bytes.
MAX_BYTES: Final = {"id": 4096, "path": 4096, "label": 1024, "split": 64}
# What Milvus Lite 3.2 really builds. It accepts more names, reports them as finished, and scans everything.
LITE_INDEXES: Final = frozenset({"FLAT", "BRUTE_FORCE", "IVF_FLAT", "IVF_SQ8", "HNSW", "HNSW_SQ", "AUTOINDEX"})
HNSW: Final[Mapping[str, Any]] = {"index_type": "HNSW", "params": {"M": 16, "efConstruction": 200}}
PROPERTY: Final = "petalscope"  # the collection property that carries the provenance where descriptions are dropped

_CONNECT_S = 5.0  # a server that does not answer in this time is called dead
_SLOW = 20  # building and loading may take this many times the store's timeout
_SIBLING: Final = {"mse": "_l2", "l2": "_l2", "cosine": "", "l1": "", "ncc": "_centred"}
_L1_CANDIDATES = 200
_TIE_MARGIN = 8  # answers beyond k, so that equal values at the k-th place break by id and not by chance


# -- opening and closing --------------------------------------------------------------------------------------------


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
        try:
            return getattr(self.client, method)(*args, timeout=self.timeout_s * (_SLOW if slow else 1), **kwargs)
        except Exception as error:
            raise StoreError(f"Milvus at {self.uri} cannot {doing}: {self.reason(error)}.") from error

    def reason(self, error: BaseException) -> str:
        """Why the engine refused, in its own words: one line, no token."""
        return _reason(error, self._token)

    def close(self) -> None:
        """Let go of the connection; the last user of a Lite store in this process releases its lock. Idempotent."""
        with _LOCK:
            if self._closed:
                return
            self._closed = True
            if self._local is None:
                _quietly(self.client.close)
                return
            self._local.users -= 1
            if self._local.users == 0:
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
    path = _local_path(uri)
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


def _local_path(uri: str) -> Path | None:
    """The absolute path of a Lite store, or None if `uri` is a server's address."""
    if not uri:
        raise StoreError("No Milvus address was given: name a path that ends in .db or a server with --milvus-uri.")
    if "://" in uri or uri.startswith("unix:"):
        scheme = uri.split(":", 1)[0].lower()
        if scheme not in {"http", "https", "tcp", "unix"}:
            raise StoreError(
                f"The Milvus address begins with {scheme!r}: use http://host:19530, https:// or a path ending in .db."
            )
        if scheme != "unix" and uri.endswith(".db"):
            # pymilvus would take the whole address for the path of a Lite store.
            raise StoreError("A server's address cannot end in .db: leave that part out.")
        return None
    if not uri.endswith(".db"):
        raise StoreError(
            f"{uri} is neither a Milvus Lite store, whose name ends in .db, nor a server's address such as "
            "http://localhost:19530: name one of them."
        )
    path = Path(uri).expanduser().absolute()
    real = path.resolve()
    return real if real.name.endswith(".db") else path  # one name per store, however it was reached


def _check_local(path: Path) -> None:
    """Refuse what Milvus Lite would fail on without saying why, or would scatter its files into."""
    if not path.parent.is_dir():
        raise StoreError(f"The folder {path.parent} for the Milvus Lite store does not exist: create it first.")
    if path.is_file():
        with path.open("rb") as file:
            old = file.read(15) == b"SQLite format 3"
        what = "a single-file database of Milvus Lite 2.x, which version 3 cannot read" if old else "a plain file"
        raise StoreError(f"{path} is {what}: move it away or name another path ending in .db with --milvus-uri.")
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
        _write_owner(path, role)
    local.users += 1
    store = Store(local.client, str(path), local.version, timeout_s)
    store._local = local
    return store


def _start_local(path: Path) -> _Local:
    pymilvus = _pymilvus()
    options = {
        "grpc.enable_http_proxy": 0,  # the engine is in this process; a proxy from the environment cannot reach it
        # pymilvus pings every 10 s even when idle, which Lite's server answers by hanging up.
        "grpc.keepalive_time_ms": 2**31 - 1,
        "grpc.keepalive_permit_without_calls": 0,
    }
    client = None
    with _last_logged("milvus_lite.server_manager") as logged:
        try:
            client = pymilvus.MilvusClient(str(path), timeout=_CONNECT_S, dedicated=True, grpc_options=options)
            version = str(client.get_server_version(timeout=_CONNECT_S))
        except Exception as error:
            # Lite only logs why it did not start, and pymilvus raises the same sentence for everything.
            cause = logged[-1] if logged else error
            if client is not None:
                _quietly(client.close)
            _release_server(path)
            if type(cause).__name__ == "DataDirLockedError":
                raise StoreLockedError(_owner_text(path)) from error
            raise StoreError(
                f"Milvus Lite cannot open {path} ({_reason(cause)}): check that the folder is complete and writable, "
                "or name another path."
            ) from error
    return _Local(client, version, path, os.getpid(), 0)


def _open_server(uri: str, token: str, timeout_s: float) -> Store:
    address, found = _split_credentials(uri)
    token = token or found
    wait = min(timeout_s, _CONNECT_S)
    with _LOCK:
        pymilvus = _pymilvus()
    store = Store(None, address, "", timeout_s, token=token)
    try:
        store.client = pymilvus.MilvusClient(address, token=token, timeout=wait, dedicated=True)
        version = str(store.client.get_server_version(timeout=wait))
        store.client.list_collections(timeout=wait)  # the first call that needs a right
    except Exception as error:
        if store.client is not None:
            _quietly(store.client.close)
        if _is_refused(error):
            remedy = "check MILVUS_TOKEN (`user:password` or an API key)"
            raise StoreError(f"The Milvus server at {address} refused the credentials: {remedy}.") from None
        if isinstance(error, ValueError):
            raise StoreError(f"{address} is not a server's address: write http://host:19530.") from None
        raise StoreError(
            f"No Milvus server answers at {address} ({_reason(error, token)}): start it, or correct --milvus-uri."
        ) from None
    return Store(store.client, address, version, timeout_s, token=token)


def _split_credentials(uri: str) -> tuple[str, str]:
    """`https://user:password@host/db` → (`https://host/db`, `user:password`), so that the address can be shown."""
    if uri.startswith("unix:"):
        return uri, ""
    parts = urlsplit(uri)
    userinfo, at, host = parts.netloc.rpartition("@")
    return (urlunsplit(parts._replace(netloc=host)), unquote(userinfo)) if at else (uri, "")


def _is_refused(error: BaseException | None) -> bool:
    """Whether the server turned us away, however deep pymilvus has wrapped that."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:  # pymilvus raises errors that are their own cause
        seen.add(id(error))
        code = getattr(error, "code", None)
        code = code() if callable(code) else code
        if getattr(code, "name", "") in {"UNAUTHENTICATED", "PERMISSION_DENIED"}:
            return True
        words = str(getattr(error, "message", "")).lower()
        if "unauthenticated" in words or "auth check failure" in words or "permission deny" in words:
            return True
        error = error.__cause__ or error.__context__
    return False


def _release(local: _Local) -> None:
    """Stop the Lite engine behind `local` and give its lock back; caller holds `_LOCK`."""
    if _LOCAL.get(local.path) is local:
        del _LOCAL[local.path]
    if local.pid != os.getpid():
        return
    _quietly(local.client.close)
    # Remove our name first: once the lock is free another owner may write its own.
    with suppress(OSError):
        _owner_file(local.path).unlink()
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


def _reason(error: BaseException, token: str = "") -> str:
    """The library's own words in one line, without the token and without gRPC's dump."""
    details, code = getattr(error, "details", None), getattr(error, "code", None)
    text = getattr(error, "message", "") or (details() if callable(details) else "") or str(error)
    if callable(code):  # a bare gRPC error: its status says more than its details
        text = f"{code().name}: {text}"
    line = next((line.strip() for line in str(text).splitlines() if line.strip()), type(error).__name__)
    for secret in sorted({token, *token.split(":")}, key=len, reverse=True):
        line = line.replace(secret, "***") if len(secret) > 3 else line
    return line.rstrip(".!")[:300]


def _quietly(function: Callable[..., Any], *args: Any) -> None:
    with suppress(Exception):
        function(*args)


# -- who owns a Lite store ------------------------------------------------------------------------------------------


def _owner_file(path: Path) -> Path:
    return path.with_name(path.name + ".owner.json")


def _write_owner(path: Path, role: str) -> None:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    owner = {"pid": os.getpid(), "role": role, "since": since, "host": socket.gethostname()}
    with suppress(OSError):  # a note for others; the lock itself is Lite's
        _owner_file(path).write_text(json.dumps(owner), encoding="utf-8")


def _owner_text(path: Path) -> str:
    """One sentence: who has the store at `path`, and the two ways out."""
    who = "another process"
    try:
        owner = json.loads(_owner_file(path).read_text(encoding="utf-8"))
        pid, host = int(owner["pid"]), str(owner["host"])
        if host != socket.gethostname():
            who = f"{owner['role']} (process {pid} on {host}, since {owner['since']})"
        elif _is_alive(pid):
            who = f"{owner['role']} (process {pid}, since {owner['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return (
        f"The Milvus Lite store {path} is in use by {who}, and only one process can own it: stop that process (the "
        "app, if it is running), or give --milvus-uri a server."
    )


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # there, signal 0 would be Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


# -- the library, kept quiet ----------------------------------------------------------------------------------------


def _pymilvus() -> Any:
    """Import pymilvus without what its import does to a process; caller holds `_LOCK`.

    pymilvus reads MILVUS_URI when imported and raises if it holds a path, which is what our users put there; it loads
    any `.env` it finds above itself into the environment; and it prints a traceback for every error that it raises.
    """
    real, me = os.getenv, threading.get_ident()

    def without_milvus(key: str, default: Any = None) -> Any:
        return default if key.startswith("MILVUS_") and threading.get_ident() == me else real(key, default)

    dotenv = os.environ.get("PYTHON_DOTENV_DISABLED")
    # os.getenv and not os.environ, so that other threads still see MILVUS_URI meanwhile.
    os.getenv = without_milvus
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"
    try:
        import pymilvus
    except ImportError as error:
        raise StoreError(
            f"Milvus cannot be used without its client ({error}): run pip install 'pymilvus[milvus-lite]'."
        ) from error
    finally:
        os.getenv = real
        if dotenv is None:
            os.environ.pop("PYTHON_DOTENV_DISABLED", None)
        else:
            os.environ["PYTHON_DOTENV_DISABLED"] = dotenv
    for name in ("pymilvus", "pymilvus.milvus_client", "milvus_lite"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [logging.NullHandler()]
        logger.propagate = False
    return pymilvus


@contextmanager
def _last_logged(name: str) -> Iterator[list[BaseException]]:
    """The exceptions that logger `name` reports meanwhile."""
    seen: list[BaseException] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info and record.exc_info[1] is not None:
                seen.append(record.exc_info[1])

    logger, handler = logging.getLogger(name), Keep()
    logger.addHandler(handler)
    try:
        yield seen
    finally:
        logger.removeHandler(handler)


# -- names ----------------------------------------------------------------------------------------------------------


def collection_names(space: str, fingerprint: str) -> dict[str, str]:
    """The collections of a space: `{"base": …, "centred": …, "l2": …}`, named `<space>_<fingerprint8>`.

    Milvus takes letters, digits and underscores and no leading digit; other characters become underscores.
    """
    base = re.sub(r"[^0-9A-Za-z_]", "_", f"{space}_{fingerprint[:8]}")
    base = base if not base[0].isdigit() else f"_{base}"
    return {"base": base, "centred": f"{base}_centred", "l2": f"{base}_l2"}


def collection_for(base: str, metric: str) -> str:
    """The one of `base`'s collections that answers `metric`."""
    if metric not in _SIBLING:
        raise QueryError(f"There is no metric {metric!r}: use one of {', '.join(_SIBLING)}.")
    return base + _SIBLING[metric]


def names(store: Store) -> list[str]:
    """The store's collections, sorted."""
    return sorted(store.call("list_collections", doing="list its collections"))


# -- writing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """What a collection holds, row by row: ids (unique), paths, labels and splits, and (n, d) float32 vectors.

    The vectors may be memory-mapped: they are read in blocks.
    """

    ids: Sequence[str]
    paths: Sequence[str]
    labels: Sequence[str]
    splits: Sequence[str]
    vectors: Array


def write_collection(
    store: Store,
    name: str,
    rows: Rows,
    *,
    metric: str,
    centred: bool = False,
    index: Mapping[str, Any] | None = None,
    description: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Make collection `name` anew from `rows`, with a built and loaded index, and return its number of rows.

    Whatever has that name is dropped first, so pass the name of a new collection and switch to it afterwards. If
    anything fails, what was made is dropped again. `metric` is `COSINE` or `L2`; `centred` takes every vector's mean
    off first. `index` is `{"index_type": …, "params": {…}}`, by default HNSW with M = 16 and efConstruction = 200
    (AUTOINDEX on Zilliz Cloud, which builds nothing else). `description` travels with the collection (see
    `provenance`). `progress(done, total)` is called after every batch.

    Raises:
        StoreError: rows that Milvus cannot hold, an index that this engine only pretends to build, or a failure of it.
    """
    index = index or ({"index_type": "AUTOINDEX"} if store.cloud else HNSW)
    kind = str(index.get("index_type", "")).upper()
    if metric not in {"COSINE", "L2"}:
        raise StoreError(f"A collection is written for COSINE or L2, not for {metric!r}: name one of them.")
    if store.engine == "lite" and kind not in LITE_INDEXES:
        raise StoreError(
            f"Milvus Lite does not build {kind or 'an unnamed index'}, it would only say so: use one of "
            f"{', '.join(sorted(LITE_INDEXES))}, or a server."
        )
    _check_rows(rows)
    total, dim = (int(size) for size in rows.vectors.shape)
    batch = 500 if store.engine == "lite" else 1000
    # One batch of long vectors must stay below a server's 64 MB message limit.
    batch = max(1, min(batch, 32_000_000 // (4 * dim)))
    drop(store, name)
    try:
        _create(store, name, dim, description)
        for start in range(0, total, batch):
            block = np.asarray(rows.vectors[start : start + batch], dtype=np.float32)
            block = centre(block) if centred else block
            stop = start + len(block)
            columns = (rows.ids[start:stop], rows.paths[start:stop], rows.labels[start:stop], rows.splits[start:stop])
            data = [
                {"id": i, "path": p, "label": lab, "split": s, VECTOR: v}
                for i, p, lab, s, v in zip(*columns, block, strict=True)
            ]
            store.call("insert", name, data, doing=f"insert into {name}")
            if progress is not None:
                progress(stop, total)
        # Rows that are not flushed never use an index.
        store.call("flush", name, doing=f"flush {name}", slow=True)
        params = store.client.prepare_index_params()
        # Only in this double form do the build parameters arrive on Lite; a server takes it too.
        nested = {"params": dict(index.get("params") or {})}
        params.add_index(VECTOR, index_type=kind, metric_type=metric, params=nested)
        # Lite builds while it loads, so there is nothing to wait for here.
        wait = store.engine != "lite"
        store.call("create_index", name, params, sync=wait, doing=f"build {kind} for {name}", slow=True)
        store.call("load_collection", name, doing=f"load {name}", slow=True)
        count = count_rows(store, name)
        if count != total:
            raise StoreError(f"{name} holds {count} of {total} rows after writing: check the server and write again.")
    except BaseException:
        with suppress(StoreError):
            drop(store, name)
        raise
    return total


def _create(store: Store, name: str, dim: int, description: str) -> None:
    from pymilvus import DataType

    schema = store.client.create_schema(auto_id=False, enable_dynamic_field=False, description=description)
    for field, limit in MAX_BYTES.items():
        schema.add_field(field, DataType.VARCHAR, max_length=limit, is_primary=field == "id")
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dim)
    # Lite drops descriptions but keeps properties.
    extra: dict[str, Any] = {"properties": {PROPERTY: description}} if store.engine == "lite" and description else {}
    store.call("create_collection", name, schema=schema, doing=f"create {name}", **extra)


def _check_rows(rows: Rows) -> None:
    """Everything that would otherwise fail half-way, or not fail and be wrong."""
    if rows.vectors.ndim != 2 or rows.vectors.shape[0] == 0:
        raise StoreError(f"There are no vectors to write (shape {rows.vectors.shape}): give an (n, d) array.")
    total, dim = rows.vectors.shape
    if not 2 <= dim <= MAX_DIM:
        raise StoreError(f"Milvus holds vectors of 2 to {MAX_DIM} numbers, not {dim}: search this space exactly.")
    columns = {"id": rows.ids, "path": rows.paths, "label": rows.labels, "split": rows.splits}
    for field, values in columns.items():
        if len(values) != total:
            raise StoreError(f"{len(values)} values of {field} for {total} vectors: give one each.")
        for value in values:
            try:
                size = len(value.encode("utf-8"))
            except UnicodeEncodeError:
                raise StoreError(
                    f"The {field} {value!r} is not valid Unicode, which Milvus needs: rename the file."
                ) from None
            if size > MAX_BYTES[field]:
                raise StoreError(
                    f"The {field} {value[:60]!r}… has {size} bytes and Milvus takes {MAX_BYTES[field]}: shorten it."
                )
    if len(set(rows.ids)) != total:
        raise StoreError("Two rows have the same id, and a server would keep both: make the ids unique.")
    for start in range(0, total, 4096):
        finite = np.isfinite(rows.vectors[start : start + 4096]).all(axis=1)
        if not finite.all():
            bad = rows.ids[start + int(np.argmin(finite))]
            raise StoreError(f"The vector of {bad!r} is not finite (NaN or infinite): compute it again.")


def centre(vectors: Array) -> Array:
    """Each row less its mean, as float32; constant rows become exactly zero (no direction, so NCC is 0)."""
    # In float64, equal float32 numbers add up without rounding, so their mean is exactly that number.
    wide = vectors.astype(np.float64)
    centred: Array = (wide - wide.mean(axis=1, keepdims=True)).astype(np.float32)
    return centred


# -- collections ----------------------------------------------------------------------------------------------------


def ensure_loaded(store: Store, name: str) -> None:
    """Load `name` unless it is: reopened Lite stores and restarted servers come back with nothing loaded."""
    state = load_state(store, name)
    if state == "NotExist":
        raise StoreError(f"There is no collection {name} in {store.uri}: run prepare, or name one of its collections.")
    if state != "Loaded":
        store.call("load_collection", name, doing=f"load {name}", slow=True)


def load_state(store: Store, name: str) -> str:
    """`Loaded`, `Loading`, `NotLoad` or `NotExist`."""
    state = store.call("get_load_state", name, doing=f"tell whether {name} is loaded")["state"]
    return str(getattr(state, "name", state))


def count_rows(store: Store, name: str) -> int:
    """How many rows a query sees (a server needs the collection loaded)."""
    answer = store.call(
        "query", name, filter="", output_fields=["count(*)"], consistency_level="Strong", doing=f"count {name}"
    )
    return int(answer[0]["count(*)"])


def drop(store: Store, name: str) -> None:
    """Remove collection `name` if it is there."""
    if store.call("has_collection", name, doing=f"look for {name}"):
        store.call("drop_collection", name, doing=f"drop {name}", slow=True)


def provenance(store: Store, name: str) -> dict[str, Any]:
    """What `description` said when we wrote collection `name`, or {} if it is none of ours."""
    about = store.call("describe_collection", name, doing=f"describe {name}")
    text = (about.get("properties") or {}).get(PROPERTY) or about.get("description") or ""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


# -- searching ------------------------------------------------------------------------------------------------------


def search_vectors(
    store: Store,
    name: str,
    queries: Array,
    limit: int,
    *,
    field: str = VECTOR,
    metric_type: str = "",
    search_params: dict[str, Any] | None = None,
    output_fields: Sequence[str] = (),
    filter: str = "",
) -> list[list[dict[str, Any]]]:
    """Milvus' own answer for every query, in any collection: `{"id", "distance", **output_fields}`, closest first.

    `distance` is Milvus' (its L2 is squared). `filter` is a Milvus expression (`inspect.escape` its literals).
    """
    if not 1 <= limit <= MAX_ANSWERS:
        raise QueryError(f"Milvus gives 1 to {MAX_ANSWERS} answers to a query, not {limit}: ask for fewer.")
    params: dict[str, Any] = {"params": dict(search_params or {})}
    if metric_type:
        params["metric_type"] = metric_type
    # Never left to the engine: without names, Lite sends every field, vectors included.
    fields = list(output_fields) or [primary_key(store, name)]
    # Answers are rebuilt row by row in Python on Lite and must fit one message on a server.
    wide = queries.shape[1] if field in fields else 8
    step = max(1, min(256, 8_000_000 // (limit * wide)))
    found: list[list[dict[str, Any]]] = []
    for start in range(0, len(queries), step):
        block = np.ascontiguousarray(queries[start : start + step], dtype=np.float32)
        answers = store.call(
            "search",
            name,
            data=list(block),
            anns_field=field,
            limit=limit,
            filter=filter,
            search_params=params,
            output_fields=fields,
            doing=f"search {name}",
        )
        found += [[{**hit["entity"], "id": hit.id, "distance": hit.distance} for hit in hits] for hits in answers]
    return found


def search_collection(
    store: Store,
    base: str,
    metric: str,
    queries: Array,
    k: int,
    *,
    leave_out: Collection[str] = (),
    search_params: dict[str, Any] | None = None,
) -> list[list[tuple[str, str, float]]]:
    """The k closest rows to every query under one of our metrics: `(id, label, value)`, closest first.

    `base` is the space's base name; the metric picks its collection, which is loaded if it is not. `leave_out` names
    ids that must not be among the answers. `search_params` go to the index, by default `ef` = max(128, 2k). `l1` is
    exact on max(200, 20k) COSINE candidates, so it can miss rows; measure it against the full scan.
    """
    queries = np.atleast_2d(np.asarray(queries, dtype=np.float32))
    if not np.isfinite(queries).all():
        raise QueryError("The query's vector is not finite (NaN or infinite): embed the picture again.")
    if not 1 <= k <= MAX_ANSWERS:
        raise QueryError(f"Milvus gives 1 to {MAX_ANSWERS} answers to a query, not {k}: ask for fewer, or exactly.")
    name = collection_for(base, metric)
    ensure_loaded(store, name)
    dim = _dim(store, name)
    if queries.shape[1] != dim:
        raise QueryError(f"{name} holds vectors of {dim} numbers and the query has {queries.shape[1]}: name its space.")
    wanted = max(_L1_CANDIDATES, 20 * k) if metric == "l1" else k + _TIE_MARGIN
    ask = min(MAX_ANSWERS, max(k, wanted + len(leave_out)))
    params = search_params
    if params is None:
        # Zilliz Cloud chooses its index and that index's parameters.
        params = {} if store.cloud else {"ef": max(128, 2 * k, ask if metric == "l1" else 0)}
    asked = centre(queries) if metric == "ncc" else queries
    answers = search_vectors(
        store,
        name,
        asked,
        ask,
        metric_type="L2" if metric in {"l2", "mse"} else "COSINE",
        search_params=params,
        output_fields=["label", VECTOR] if metric == "l1" else ["label"],
    )
    sign = -1.0 if metric in {"cosine", "ncc"} else 1.0
    ranked = []
    for query, hits in zip(queries, answers, strict=True):
        rows = [
            (str(hit["id"]), str(hit["label"]), _value(metric, hit, query))
            for hit in hits
            if hit["id"] not in leave_out
        ]
        ranked.append(sorted(rows, key=lambda row: (sign * row[2], row[0]))[:k])
    return ranked


def _value(metric: str, hit: dict[str, Any], query: Array) -> float:
    """Milvus' answer in our unit; undefined (a zero vector has no direction) is 0."""
    if metric == "l1":
        return float(np.abs(np.asarray(hit[VECTOR], dtype=np.float64) - query.astype(np.float64)).sum())
    raw = float(hit["distance"])
    if metric in {"cosine", "ncc"}:
        return 0.0 if math.isnan(raw) else min(1.0, max(-1.0, raw))
    squared = max(0.0, raw)  # rounding can leave a tiny negative
    return squared / len(query) if metric == "mse" else squared**0.5


def primary_key(store: Store, name: str) -> str:
    """The name of the collection's primary field."""
    about = store.call("describe_collection", name, doing=f"describe {name}")
    return str(next(field["name"] for field in about["fields"] if field.get("is_primary")))


def _dim(store: Store, name: str) -> int:
    about = store.call("describe_collection", name, doing=f"describe {name}")
    for field in about["fields"]:
        if field["name"] == VECTOR and "dim" in field.get("params", {}):
            return int(field["params"]["dim"])
    raise StoreError(f"{name} has no field {VECTOR!r}: it is not one of Petalscope's collections.")
