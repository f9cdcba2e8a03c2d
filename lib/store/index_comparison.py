"""Other index types built over the same vectors, on a scratch copy, to compare what they find, cost and take.

Invariants: the collection that is compared is only read. The copy lies in a Lite store of its own that is deleted
afterwards, or on a server (which alone can build its index types) in a collection named `petalscope_scratch_…`, which
is dropped afterwards whatever happens. Types that an engine only pretends to build are never tried.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from lib.errors import QueryError, StoreError
from lib.store import inspect, recall, rows, sizing
from lib.store.connection import Store, open_store
from lib.store.recall import TYPES

PREFIX: Final = "petalscope_scratch_"
_VECTOR: Final = "vector"
Tell = Callable[[str], None]


def compare(
    store: Store,
    entry: Mapping[str, Any],
    field: str,
    metric: str,
    kinds: Sequence[str],
    *,
    most: int = 20_000,
    k: int = 10,
    queries: int = 50,
    folder: Path | None = None,
    tell: Tell = lambda words: None,
) -> dict[str, Any]:
    """`rows` as `recall` has them, for every index type in `kinds`, each with `build_s` and `bytes` (by formula); and
    `failed`: the engine's reason for each type that it did not build.

    `folder` is where the scratch store of a Lite collection is made. `tell` is told what is being done.

    Raises:
        QueryError: a type that this engine does not build.
        StoreError: the copy cannot be made.
    """
    known, refused = recall.offered(store)
    for kind in kinds:
        if kind not in known:
            why = refused.get(kind, "it is not known here")
            raise QueryError(f"{kind} cannot be compared on this engine: {why}.")
    tell("reading the vectors")
    _, vectors, _ = rows.sample(store, str(entry["name"]), field, most, also=["-"])
    if not np.isfinite(vectors).all():
        raise QueryError(f"{field} holds vectors that are not finite (see Health): mend them first.")
    chosen = np.sort(np.random.default_rng(0).permutation(len(vectors))[:queries])
    pages = ((range(i, min(i + 1000, len(vectors))), vectors[i : i + 1000]) for i in range(0, len(vectors), 1000))
    right = recall.truth(pages, [(int(place), vectors[place]) for place in chosen], metric, k)
    found: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    with _place(store, folder) as home, _copy(home, vectors, tell) as name:
        for kind in kinds:
            tell(f"building {kind}")
            try:
                found += _one(home, name, kind, metric, right, vectors.shape)
            except StoreError as error:
                failed[kind] = home.reason(error.__cause__ or error)
    warning = recall.small(store, len(vectors))
    about = {"gallery": len(vectors), "k": right.k, "queries": len(right.keys), "warning": warning}
    return {"rows": found, "failed": failed, **about}


@contextmanager
def _place(store: Store, folder: Path | None) -> Iterator[Store]:
    if store.engine != "lite" or "://" in store.uri:
        yield store
        return
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="scratch-", dir=folder))
    try:
        with open_store(str(home / "scratch.db"), role="scratch") as opened:
            yield opened
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _copy(store: Store, vectors: np.ndarray, tell: Tell) -> Iterator[str]:
    from pymilvus import DataType

    name = PREFIX + uuid.uuid4().hex[:8]
    schema = store.client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field(_VECTOR, DataType.FLOAT_VECTOR, dim=int(vectors.shape[1]))
    store.call("create_collection", name, schema=schema, doing="make a scratch collection")
    try:
        step = max(50, min(1000, 8_000_000 // (4 * vectors.shape[1])))
        for start in range(0, len(vectors), step):
            tell(f"copying, {start:,} of {len(vectors):,} rows")
            block = [{"id": start + i, _VECTOR: row} for i, row in enumerate(vectors[start : start + step])]
            store.call("insert", name, block, doing="fill a scratch collection")
        store.call("flush", name, doing="flush a scratch collection", slow=True)
        yield name
    finally:
        with suppress(StoreError):
            store.call("drop_collection", name, doing="drop a scratch collection", slow=True)


def _one(
    store: Store, name: str, kind: str, metric: str, right: recall.Truth, shape: tuple[int, ...]
) -> list[dict[str, Any]]:
    build = dict(TYPES.get(kind, {}))
    if "nlist" in build:  # faiss wants some 39 rows for each cell
        build["nlist"] = max(1, min(int(build["nlist"]), shape[0] // 39 or 1))
    if "m" in build:
        build["m"] = next(m for m in (16, 8, 4, 2, 1) if shape[1] % m == 0)
    params = store.client.prepare_index_params()
    params.add_index(_VECTOR, index_type=kind, metric_type=metric, params={"params": build})
    start = time.perf_counter()
    try:
        wait = {"sync": store.engine != "lite"}
        store.call("create_index", name, params, doing=f"build {kind}", slow=True, **wait)
        store.call("load_collection", name, doing=f"load {kind}", slow=True)
        took = time.perf_counter() - start
        made = inspect.inspect(store, name)["collections"][0]["indexes"]
        if [index["index_type"] for index in made] != [kind] or made[0].get("pretended"):
            raise StoreError(f"The engine says that it built something else than {kind}.")
        size = sizing.size(kind, "FLOAT_VECTOR", shape[0], shape[1], build, lite=store.engine == "lite")
        lite = store.engine == "lite"
        return [
            {
                "index_type": kind,
                "params": setting,
                **recall.measured(store, name, _VECTOR, metric, right, setting, key="id"),
                "build": build,
                "build_s": round(took, 3),
                "bytes": size.memory,
            }
            for setting in recall.ladder(kind, build, right.k, lite=lite)
        ]
    finally:
        for undo in ("release_collection", "drop_index"):
            with suppress(StoreError):
                store.call(undo, name, *([_VECTOR] if undo == "drop_index" else []), doing="clear an index", slow=True)
