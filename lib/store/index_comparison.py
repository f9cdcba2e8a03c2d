"""Comparing index types over the same vectors, on a scratch copy: recall, latency, build time and size.

Invariants: the compared collection is only read. The copy lies in a Lite store of its own, which is deleted afterwards,
or on a server (only a server can build its index types) in a collection named `petalscope_scratch_…`, which is dropped
afterwards in any case. Types that an engine reports without building them are never tried.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypedDict

import numpy as np

from lib.documents.inspect import CollectionDocument, RecallRow
from lib.errors import QueryError, StoreError
from lib.store import index_types, inspect, recall, rows
from lib.store.connection import Store, open_store
from lib.store.recall import GroundTruth

PREFIX: Final = "petalscope_scratch_"
_VECTOR: Final = "vector"
Report = Callable[[str], None]


class ComparedRow(RecallRow):
    """A row of `recall`, with the build parameters, the build time in seconds, and the size by formula in bytes."""

    build: dict[str, Any]
    build_s: float
    bytes: int | None


class Comparison(TypedDict):
    """The rows of all index types; `failed` has the engine's reason for each type that it did not build."""

    rows: list[ComparedRow]
    failed: dict[str, str]
    gallery: int
    k: int
    queries: int
    warning: str


def compare(
    store: Store,
    entry: CollectionDocument,
    field: str,
    metric: str,
    kinds: Sequence[str],
    *,
    most: int = 20_000,
    k: int = 10,
    queries: int = 50,
    folder: Path | None = None,
    report: Report = lambda text: None,
) -> Comparison:
    """Build every index type in `kinds` over the first `most` vectors of `field`, and measure each.

    `folder` is where the scratch store of a Lite collection is created. `report` is called with each step's name.

    Raises:
        QueryError: a type that this engine does not build, or vectors that are not finite.
        StoreError: the copy cannot be made.
    """
    buildable, refused = index_types.buildable_types(store)
    for kind in kinds:
        if kind not in buildable:
            why = refused.get(kind, "it is not a known type")
            raise QueryError(f"{kind} cannot be compared on this engine: {why}.")
    report("reading the vectors")
    _, vectors, _ = rows.sample(store, entry["name"], field, most, also=["-"])
    if not np.isfinite(vectors).all():
        raise QueryError(f"{field} holds vectors that are not finite: correct or delete their rows first.")
    chosen = np.sort(np.random.default_rng(0).permutation(len(vectors))[:queries])
    pages = ((range(i, min(i + 1000, len(vectors))), vectors[i : i + 1000]) for i in range(0, len(vectors), 1000))
    truth = recall.ground_truth(pages, [(int(place), vectors[place]) for place in chosen], metric, k)
    measured: list[ComparedRow] = []
    failed: dict[str, str] = {}
    with _scratch_store(store, folder) as scratch, _scratch_collection(scratch, vectors, report) as name:
        for kind in kinds:
            report(f"building {kind}")
            try:
                measured += _build_and_measure(scratch, name, kind, metric, truth, vectors.shape)
            except StoreError as error:
                failed[kind] = scratch.reason(error.__cause__ or error)
    return {
        "rows": measured,
        "failed": failed,
        "gallery": len(vectors),
        "k": truth.k,
        "queries": len(truth.keys),
        "warning": recall.unindexed_warning(store, len(vectors)),
    }


@contextmanager
def _scratch_store(store: Store, folder: Path | None) -> Iterator[Store]:
    """The store for the copy: a new Lite store in `folder`, deleted afterwards, or the server itself."""
    if store.engine != "lite" or "://" in store.uri:
        yield store
        return
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="scratch-", dir=folder))
    try:
        with open_store(str(home / "scratch.db"), role="scratch") as scratch:
            yield scratch
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _scratch_collection(store: Store, vectors: np.ndarray, report: Report) -> Iterator[str]:
    """The name of a new collection with these vectors (n, d), under their row numbers; dropped afterwards."""
    from pymilvus import DataType

    name = PREFIX + uuid.uuid4().hex[:8]
    schema = store.client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field(_VECTOR, DataType.FLOAT_VECTOR, dim=int(vectors.shape[1]))
    store.call("create_collection", name, schema=schema, doing="make a scratch collection")
    try:
        step = max(50, min(1000, 8_000_000 // (4 * vectors.shape[1])))
        for start in range(0, len(vectors), step):
            report(f"copying, {start:,} of {len(vectors):,} rows")
            block = [{"id": start + i, _VECTOR: row} for i, row in enumerate(vectors[start : start + step])]
            store.call("insert", name, block, doing="fill a scratch collection")
        store.call("flush", name, doing="flush a scratch collection", slow=True)
        yield name
    finally:
        with suppress(StoreError):
            store.call("drop_collection", name, doing="drop a scratch collection", slow=True)


def _build_parameters(kind: str, rows: int, dim: int) -> dict[str, Any]:
    """The build parameters of a type, adapted to the number of rows and dimensions."""
    params = dict(index_types.TYPES.get(kind, {}))
    if "nlist" in params:  # faiss wants some 39 rows for each cell
        params["nlist"] = max(1, min(int(params["nlist"]), rows // 39 or 1))
    if "m" in params:
        params["m"] = next(m for m in (16, 8, 4, 2, 1) if dim % m == 0)
    return params


def _build_and_measure(
    store: Store, name: str, kind: str, metric: str, truth: GroundTruth, shape: tuple[int, ...]
) -> list[ComparedRow]:
    """One row for each search setting of an index of type `kind`, which is built on `name` and dropped again."""
    lite = store.engine == "lite"
    build = _build_parameters(kind, shape[0], shape[1])
    params = store.client.prepare_index_params()
    params.add_index(_VECTOR, index_type=kind, metric_type=metric, params={"params": build})
    start = time.perf_counter()
    try:
        store.call("create_index", name, params, doing=f"build {kind}", slow=True, sync=not lite)
        store.call("load_collection", name, doing=f"load {kind}", slow=True)
        seconds = round(time.perf_counter() - start, 3)
        indexes = inspect.inspect(store, name)["collections"][0]["indexes"]
        if [index["index_type"] for index in indexes] != [kind] or indexes[0].get("pretended"):
            raise StoreError(f"The engine reports another index than {kind}.")
        size = index_types.estimated_size(kind, "FLOAT_VECTOR", shape[0], shape[1], build, lite=lite)
        settings = recall.search_settings(indexes[0], truth.k, lite=lite)
        measured = recall.measure(store, name, _VECTOR, metric, truth, settings, key="id")
        return [
            {
                "index_type": kind,
                "params": setting,
                **measurement,
                "build": build,
                "build_s": seconds,
                "bytes": size.memory,
            }
            for setting, measurement in zip(settings, measured, strict=True)
        ]
    finally:
        for method, args in (("release_collection", ()), ("drop_index", (_VECTOR,))):
            with suppress(StoreError):
                store.call(method, name, *args, doing="clear an index", slow=True)
