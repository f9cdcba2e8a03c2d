"""From nothing to a search in five steps, with the user's own photos: on a scratch Lite store, or on a server in a
scratch collection.

Invariants: the code that a step shows is the code that is run, statement by statement, with a timeout on every call.
On a server nothing is touched but collections named `petalscope_five_steps_…`.
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

PREFIX: Final = "petalscope_five_steps_"
_OLD_S: Final = 86_400
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
    """One step: what it is for, and its code, which leaves the engine's answer in `answer`."""

    title: str
    words: str
    code: str


@dataclass(frozen=True)
class StepResult:
    """What a step gave: the engine's `answer` as JSON types, and its time in milliseconds."""

    answer: Any
    milliseconds: float


@dataclass(frozen=True)
class Server:
    """Where a lesson may be held instead of a Lite store: an address and, where needed, a token."""

    uri: str = field(repr=False)
    token: str = field(default="", repr=False)


class _Client:
    """A pymilvus client whose calls end in time, whether the code names a timeout or not."""

    def __init__(self, client: Any, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s

    def __getattr__(self, name: str) -> Any:
        real: Callable[..., Any] = getattr(self._client, name)
        return partial(real, timeout=self._timeout_s * _CALLS[name]) if name in _CALLS else real


class Lesson:
    """The five steps over some photos: in a Lite store of its own in `folder`, or on `server`. `close()` deletes what
    they made."""

    def __init__(
        self,
        folder: Path,
        ids: Sequence[str],
        labels: Sequence[str],
        vectors: np.ndarray,
        *,
        server: Server | None = None,
    ) -> None:
        _forget_old(folder)
        self.home = folder / f"steps-{uuid.uuid4().hex[:8]}"
        self.home.mkdir(parents=True)
        self.store: Store | None = None
        self.server = server
        self.done: list[StepResult] = []
        self.ids = list(ids)
        # The time in the name tells later lessons which ones nobody will come back to.
        self.collection = f"{PREFIX}{int(time.time())}_{uuid.uuid4().hex[:6]}" if server else "five_steps"
        self._names: dict[str, Any] = {}
        data = self.home / "photos.npz"
        np.savez(data, id=np.array(list(ids)), label=np.array(list(labels)), vector=np.asarray(vectors, np.float32))
        connect = _connecting(server) if server else f"client = MilvusClient({str(self._path)!r})"
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
                # What `MilvusClient(…)` in the first step does, but its lock can be given back afterwards.
                uri, token = (self.server.uri, self.server.token) if self.server else (str(self._path), "")
                self.store = store = open_store(uri, token, role="five steps")
                self._names = {"client": _Client(store.client, store.timeout_s), "answer": store.version}
            else:
                exec(step.code, self._names)  # noqa: S102 (our own code, shown beside)
        except StoreError:
            raise
        except Exception as error:  # the step calls pymilvus as a user would, without `Store.call` around it
            why = errors.reason(error, self.server.token if self.server else "")
            raise StoreError(f"Step {len(self.done) + 1} failed: {why}.") from error
        done = StepResult(plain(self._names["answer"]), (time.perf_counter() - start) * 1000)
        self.done.append(done)
        if len(self.done) == 1 and self.server and self.store:
            _drop_old(self.store)
        return done

    def close(self) -> None:
        """Delete what the steps made, and close the store. Idempotent."""
        if self.store is not None:
            if self.server:
                with contextlib.suppress(StoreError):
                    collections.drop(self.store, self.collection)
            self.store.close()
            self.store = None
        shutil.rmtree(self.home, ignore_errors=True)


def _forget_old(folder: Path) -> None:
    """Delete what sessions that ended without saying so have left."""
    with contextlib.suppress(OSError):
        for home in folder.glob("steps-*"):
            if time.time() - home.stat().st_mtime > _OLD_S:
                shutil.rmtree(home, ignore_errors=True)


def _drop_old(store: Store) -> None:
    """The same on a server."""
    with contextlib.suppress(StoreError):
        for name in collections.names(store):
            made = name.removeprefix(PREFIX).partition("_")[0] if name.startswith(PREFIX) else ""
            if made.isdigit() and time.time() - int(made) > _OLD_S:
                collections.drop(store, name)


def _connecting(server: Server) -> str:
    """The statement that connects to a server; a token is named, never shown."""
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
            "Fields have types that cannot be changed later. The primary key tells rows apart, and a vector field has "
            "a fixed number of dimensions.",
            "from pymilvus import DataType\n\nschema = client.create_schema(auto_id=False)\n"
            'schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=4096)\n'
            'schema.add_field("label", DataType.VARCHAR, max_length=1024)\n'
            f'schema.add_field("vector", DataType.FLOAT_VECTOR, dim={dim})\n'
            f'client.create_collection("{name}", schema=schema)\n'
            f'answer = client.describe_collection("{name}")',
        ),
        Step(
            "Insert",
            "Rows go in as dictionaries, best some hundred at a time. Flush closes the segment: only flushed rows use "
            "an index.",
            f"import numpy as np\n\nphotos = np.load({data!r})\n"
            'columns = zip(photos["id"], photos["label"], photos["vector"])\n'
            'rows = [{"id": str(i), "label": str(name), "vector": vector} for i, name, vector in columns]\n'
            f'answer = client.insert("{name}", rows)["insert_count"]\n'
            f'client.flush("{name}")',
        ),
        Step(
            "Index",
            "HNSW is a graph of near neighbours. The metric is fixed here: searches must use the same. (The doubled "
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
            "The first photo's own vector asks. Name the output fields: without, Lite sends the vectors, too.",
            f'found = client.search(\n    "{name}",\n    data=[photos["vector"][0]],\n    anns_field="vector",\n'
            '    limit=6,\n    search_params={"metric_type": "COSINE", "params": {"ef": 64}},\n'
            '    output_fields=["label"],\n)\n'
            'answer = [{"id": hit.id, "cosine": hit.distance, "label": hit["entity"]["label"]} for hit in found[0]]',
        ),
    ]
