"""A lesson in five steps, from connecting to a search, with the user's own photos: in a scratch Lite store, or on a
server in a scratch collection.

Invariants: the code that a step shows is the code that runs, statement by statement, with a timeout on every call. On a
server, only collections named `petalscope_five_steps_…` are written or dropped.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np

from lib.errors import StoreError
from lib.store import collections, errors
from lib.store.addresses import split_credentials
from lib.store.connection import Store, open_store
from lib.store.plain_values import plain

COLLECTION_PREFIX: Final = "petalscope_five_steps_"
_ABANDONED_S: Final = 86_400  # the age at which remains of other lessons are deleted
# The calls that go to the engine, and how many of the store's timeouts each may take.
_CALLS: Final = {
    "create_collection": 1,
    "describe_collection": 1,
    "insert": 1,
    "flush": 20,
    "create_index": 20,
    "load_collection": 20,
    "describe_index": 1,
    "search": 1,
}


@dataclass(frozen=True)
class Step:
    """One step: its `purpose` as a sentence, and its code, which leaves the engine's reply in `answer`."""

    title: str
    purpose: str
    code: str


@dataclass(frozen=True)
class StepResult:
    """The result of a step: the engine's `answer` as JSON types, and the time it took."""

    answer: Any
    milliseconds: float


@dataclass(frozen=True)
class Server:
    """A server to run a lesson on instead of a Lite store: its address and, if needed, a token."""

    uri: str = field(repr=False)
    token: str = field(default="", repr=False)


class _Client:
    """A pymilvus client with a timeout on every call, although the code of the steps names none."""

    def __init__(self, client: Any, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Any] = getattr(self._client, name)
        return partial(method, timeout=self._timeout_s * _CALLS[name]) if name in _CALLS else method


class Lesson:
    """The five steps over some photos: in a new Lite store in `folder`, or on `server`. `done` are the results so far;
    `close()` deletes everything that the steps created."""

    def __init__(
        self,
        folder: Path,
        ids: Sequence[str],
        labels: Sequence[str],
        vectors: np.ndarray,
        *,
        server: Server | None = None,
    ) -> None:
        _delete_abandoned(folder)
        self.home = folder / f"steps-{uuid.uuid4().hex[:8]}"
        self.home.mkdir(parents=True)
        self.store: Store | None = None
        self.server = server
        self.done: list[StepResult] = []
        self.ids = list(ids)
        # From the time in the name, later lessons see which collections are abandoned.
        self.collection = f"{COLLECTION_PREFIX}{int(time.time())}_{uuid.uuid4().hex[:6]}" if server else "five_steps"
        self._names: dict[str, Any] = {}
        data = self.home / "photos.npz"
        np.savez(data, id=np.array(list(ids)), label=np.array(list(labels)), vector=np.asarray(vectors, np.float32))
        connect = _connect_code(server) if server else f"client = MilvusClient({str(self._path)!r})"
        self.steps = _steps(connect, self.collection, str(data), int(vectors.shape[1]))

    @property
    def _path(self) -> Path:
        return self.home / "five_steps.db"

    def run(self) -> StepResult:
        """Run the next step. Raises StoreError with the engine's words."""
        step = self.steps[len(self.done)]
        start = time.perf_counter()
        try:
            if not self.done:
                # As `MilvusClient(…)` in the first step, but the store's lock can be released afterwards.
                uri, token = (self.server.uri, self.server.token) if self.server else (str(self._path), "")
                self.store = store = open_store(uri, token, role="five steps")
                self._names = {"client": _Client(store.client, store.timeout_s), "answer": store.version}
            else:
                exec(step.code, self._names)  # noqa: S102 (our own code, which the page shows)
        except StoreError:
            raise
        except Exception as error:  # a step calls pymilvus directly, without `Store.call`
            why = errors.reason(error, self.server.token if self.server else "")
            raise StoreError(f"Step {len(self.done) + 1} failed: {why}.") from error
        result = StepResult(plain(self._names["answer"]), (time.perf_counter() - start) * 1000)
        self.done.append(result)
        if len(self.done) == 1 and self.server and self.store:
            _drop_abandoned(self.store)
        return result

    def close(self) -> None:
        """Delete everything that the steps created, and close the store. Idempotent."""
        if self.store is not None:
            if self.server:
                with contextlib.suppress(StoreError):
                    collections.drop(self.store, self.collection)
            self.store.close()
            self.store = None
        shutil.rmtree(self.home, ignore_errors=True)


def _delete_abandoned(folder: Path) -> None:
    """Delete the stores of lessons that were never closed."""
    with contextlib.suppress(OSError):
        for home in folder.glob("steps-*"):
            if time.time() - home.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(home, ignore_errors=True)


def _drop_abandoned(store: Store) -> None:
    """Drop the collections of lessons on this server that were never closed."""
    with contextlib.suppress(StoreError):
        for name in collections.names(store):
            created = (
                name.removeprefix(COLLECTION_PREFIX).partition("_")[0] if name.startswith(COLLECTION_PREFIX) else ""
            )
            if created.isdigit() and time.time() - int(created) > _ABANDONED_S:
                collections.drop(store, name)


def _connect_code(server: Server) -> str:
    """The statement that connects to a server; a token is read from the environment, never shown."""
    address = split_credentials(server.uri)[0]
    parts = urlsplit(address)
    arguments = [repr(parts._replace(path="").geturl() if parts.scheme != "unix" else address)]
    if server.token or address != server.uri:
        arguments.append('token=os.environ["MILVUS_TOKEN"]')
    if parts.scheme != "unix" and parts.path.strip("/"):
        arguments.append(f"db_name={parts.path.strip('/')!r}")
    return f"client = MilvusClient({', '.join(arguments)})"


def _steps(connect: str, name: str, data: str, dim: int) -> list[Step]:
    return [
        Step(
            "Connect",
            "A path is Milvus Lite, in this process; `http://host:19530`, with a token where needed, is a server.",
            ("import os\n\n" if "os.environ" in connect else "")
            + f"from pymilvus import MilvusClient\n\n{connect}\nanswer = client.get_server_version()",
        ),
        Step(
            "Create a collection",
            "The types of fields cannot be changed later. The primary key identifies a row, and a vector field has a "
            "fixed number of dimensions.",
            "from pymilvus import DataType\n\nschema = client.create_schema(auto_id=False)\n"
            'schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=4096)\n'
            'schema.add_field("label", DataType.VARCHAR, max_length=1024)\n'
            f'schema.add_field("vector", DataType.FLOAT_VECTOR, dim={dim})\n'
            f'client.create_collection("{name}", schema=schema)\n'
            f'answer = client.describe_collection("{name}")',
        ),
        Step(
            "Insert",
            "Insert dicts in batches of a few hundred. Flush closes the segment: only flushed rows use an index.",
            f"import numpy as np\n\nwith np.load({data!r}) as file:\n"
            '    photos = {name: file[name] for name in ("id", "label", "vector")}\n'
            'columns = zip(photos["id"], photos["label"], photos["vector"])\n'
            'rows = [{"id": str(i), "label": str(name), "vector": vector} for i, name, vector in columns]\n'
            f'answer = client.insert("{name}", rows)["insert_count"]\n'
            f'client.flush("{name}")',
        ),
        Step(
            "Index",
            "HNSW is a graph of near neighbours. The metric is fixed here: searches must use the same. (The nested "
            "`params` are for Milvus Lite, which drops build parameters in the usual form.)",
            "params = client.prepare_index_params()\n"
            "params.add_index(\n"
            '    "vector",\n    index_type="HNSW",\n    metric_type="COSINE",\n'
            '    params={"params": {"M": 16, "efConstruction": 200}},\n)\n'
            f'client.create_index("{name}", params)\n'
            f'client.load_collection("{name}")\n'
            f'answer = client.describe_index("{name}", "vector")',
        ),
        Step(
            "Search",
            "Query with the first photo's vector. Name the output fields: without names, Lite also sends the vectors.",
            f'found = client.search(\n    "{name}",\n    data=[photos["vector"][0]],\n    anns_field="vector",\n'
            '    limit=6,\n    search_params={"metric_type": "COSINE", "params": {"ef": 64}},\n'
            '    output_fields=["label"],\n)\n'
            'answer = [{"id": hit.id, "cosine": hit.distance, "label": hit["entity"]["label"]} for hit in found[0]]',
        ),
    ]
