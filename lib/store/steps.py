"""From nothing to a search in five steps, on a scratch store with the user's own photos.

Invariant: the code that a step shows is the code that is run, statement by statement.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from lib.errors import StoreError
from lib.store import failures
from lib.store.connection import Store, open_store
from lib.store.inspect import plain

COLLECTION: Final = "five_steps"
_OLD_S: Final = 86_400


@dataclass(frozen=True)
class Step:
    """One step: what it is for, and its code, which leaves the engine's answer in `answer`."""

    title: str
    words: str
    code: str


@dataclass(frozen=True)
class Done:
    """What a step gave: the engine's `answer` as JSON types, and its time in milliseconds."""

    answer: Any
    milliseconds: float


class Lesson:
    """The five steps over some photos, in a Lite store of its own in `folder`. `close()` deletes it."""

    def __init__(self, folder: Path, ids: Sequence[str], labels: Sequence[str], vectors: np.ndarray) -> None:
        _forget_old(folder)
        self.home = folder / f"steps-{uuid.uuid4().hex[:8]}"
        self.home.mkdir(parents=True)
        self.store: Store | None = None
        self.done: list[Done] = []
        self.ids = list(ids)
        self._names: dict[str, Any] = {}
        data = self.home / "photos.npz"
        np.savez(data, id=np.array(list(ids)), label=np.array(list(labels)), vector=np.asarray(vectors, np.float32))
        self.steps = _steps(str(self.home / "five_steps.db"), str(data), int(vectors.shape[1]))

    def run(self) -> Done:
        """Run the next step. Raises StoreError with the engine's words."""
        step = self.steps[len(self.done)]
        start = time.perf_counter()
        try:
            if not self.done:
                # What `MilvusClient(…)` in the first step does, but its lock can be given back afterwards.
                self.store = open_store(str(self.home / "five_steps.db"), role="five steps")
                self._names = {"client": self.store.client, "answer": self.store.version}
            else:
                exec(step.code, self._names)  # noqa: S102 (our own code, shown beside)
        except StoreError:
            raise
        except Exception as error:
            raise StoreError(f"Step {len(self.done) + 1} failed: {failures.reason(error)}.") from error
        done = Done(plain(self._names["answer"]), (time.perf_counter() - start) * 1000)
        self.done.append(done)
        return done

    def close(self) -> None:
        """Close the store and delete it. Idempotent."""
        if self.store is not None:
            self.store.close()
            self.store = None
        shutil.rmtree(self.home, ignore_errors=True)


def _forget_old(folder: Path) -> None:
    """Delete what sessions that ended without saying so have left."""
    with contextlib.suppress(OSError):
        for home in folder.glob("steps-*"):
            if time.time() - home.stat().st_mtime > _OLD_S:
                shutil.rmtree(home, ignore_errors=True)


def _steps(uri: str, data: str, dim: int) -> list[Step]:
    return [
        Step(
            "Connect",
            "A path is Milvus Lite, in this process; `http://host:19530` with a token would be a server.",
            f"from pymilvus import MilvusClient\n\nclient = MilvusClient({uri!r})\n"
            "answer = client.get_server_version()",
        ),
        Step(
            "Create a collection",
            "Fields have types that cannot be changed later. The primary key tells rows apart, and a vector field has "
            "a fixed number of dimensions.",
            "from pymilvus import DataType\n\nschema = client.create_schema(auto_id=False)\n"
            'schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=4096)\n'
            'schema.add_field("label", DataType.VARCHAR, max_length=1024)\n'
            f'schema.add_field("vector", DataType.FLOAT_VECTOR, dim={dim})\n'
            f'client.create_collection("{COLLECTION}", schema=schema)\n'
            f'answer = client.describe_collection("{COLLECTION}")',
        ),
        Step(
            "Insert",
            "Rows go in as dictionaries, best some hundred at a time. Flush closes the segment: only flushed rows use "
            "an index.",
            f"import numpy as np\n\nphotos = np.load({data!r})\n"
            'columns = zip(photos["id"], photos["label"], photos["vector"])\n'
            'rows = [{"id": str(i), "label": str(name), "vector": vector} for i, name, vector in columns]\n'
            f'answer = client.insert("{COLLECTION}", rows)["insert_count"]\n'
            f'client.flush("{COLLECTION}")',
        ),
        Step(
            "Index",
            "HNSW is a graph of near neighbours. The metric is fixed here: searches must use the same. (The doubled "
            "`params` are for Milvus Lite, which drops build parameters in the usual form.)",
            "params = client.prepare_index_params()\n"
            "params.add_index(\n"
            '    "vector",\n    index_type="HNSW",\n    metric_type="COSINE",\n'
            '    params={"params": {"M": 16, "efConstruction": 200}},\n)\n'
            f'client.create_index("{COLLECTION}", params)\n'
            f'client.load_collection("{COLLECTION}")\n'
            f'answer = client.describe_index("{COLLECTION}", "vector")',
        ),
        Step(
            "Search",
            "The first photo's own vector asks. Name the output fields: without, Lite sends the vectors, too.",
            f'found = client.search(\n    "{COLLECTION}",\n    data=[photos["vector"][0]],\n    anns_field="vector",\n'
            '    limit=6,\n    search_params={"metric_type": "COSINE", "params": {"ef": 64}},\n'
            '    output_fields=["label"],\n)\n'
            'answer = [{"id": hit.id, "cosine": hit.distance, "label": hit["entity"]["label"]} for hit in found[0]]',
        ),
    ]
