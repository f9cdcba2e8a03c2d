"""Writing vectors to a collection, in Milvus Lite, a server and Zilliz Cloud alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from lib.errors import StoreError
from lib.progress import Progress
from lib.store import resume_write
from lib.store.collections import BATCH, MAX_BYTES, MAX_DIM, PROPERTY, VECTOR, Array, centre, count_rows, drop
from lib.store.connection import Store
from lib.store.index_types import HNSW, LITE_INDEXES


@dataclass(frozen=True)
class Rows:
    """Rows of a collection, column by column: ids (unique), paths, labels and splits, and (n, d) float32 vectors.

    The vectors may be memory-mapped: they are read in blocks.
    """

    ids: Sequence[str]
    paths: Sequence[str]
    labels: Sequence[str]
    splits: Sequence[str]
    vectors: Array

    def block(self, places: Sequence[int], *, centred: bool) -> Array:
        """The vectors at these places, each less its mean if `centred`."""
        vectors = np.asarray(self.vectors[np.asarray(places, dtype=np.int64)], dtype=np.float32)
        return centre(vectors) if centred else vectors

    def entities(self, places: Sequence[int], *, centred: bool) -> list[dict[str, Any]]:
        """The rows at these places as Milvus takes them."""
        return [
            {
                "id": self.ids[place],
                "path": self.paths[place],
                "label": self.labels[place],
                "split": self.splits[place],
                VECTOR: vector,
            }
            for place, vector in zip(places, self.block(places, centred=centred), strict=True)
        ]


def write_collection(
    store: Store,
    name: str,
    rows: Rows,
    *,
    metric: str,
    centred: bool = False,
    index: Mapping[str, Any] | None = None,
    description: str = "",
    resume: bool = False,
    progress: Progress | None = None,
) -> int:
    """Create collection `name` from `rows`, with a built and loaded index, and return its number of rows.

    A collection of that name is dropped first, so pass a new name and switch to it afterwards. On a failure, the new
    collection is dropped again. With `resume`, neither is dropped: after a failure the same call continues the write if
    it has the same `description`, which must identify these very rows (see `resume_write`).

    `metric` is `COSINE` or `L2`; `centred` subtracts every vector's mean. `index` is `{"index_type": …, "params":
    {…}}`, by default HNSW with M = 16 and efConstruction = 200 (AUTOINDEX on Zilliz Cloud, which builds nothing else).
    `description` is stored with the collection (see `provenance`). `progress(done, total)` is called after every batch,
    and before the first if rows exist already.

    Raises:
        StoreError: rows that Milvus cannot hold, an index that this engine does not build, or a failure of the engine.
    """
    index = index or ({"index_type": "AUTOINDEX"} if store.cloud else HNSW)
    kind = str(index.get("index_type", "")).upper()
    if metric not in {"COSINE", "L2"}:
        raise StoreError(f"The metric of a collection is COSINE or L2, not {metric!r}: name one of these.")
    if store.engine == "lite" and kind not in LITE_INDEXES:
        raise StoreError(
            f"Milvus Lite does not build {kind or 'an unnamed index'}, it only reports that it did: use one of "
            f"{', '.join(sorted(LITE_INDEXES))}, or a server."
        )
    _check_rows(rows)
    total, dim = (int(size) for size in rows.vectors.shape)
    build_index = partial(_build_index, store, name, index, metric)
    written: set[str] | None = None
    if resume:
        written = resume_write.written_ids(
            store,
            name,
            rows.ids,
            dim=dim,
            description=description,
            metric=metric,
            index=index,
            build_index=build_index,
        )
    if written is None:
        drop(store, name)
    try:
        if written is None:
            _create(store, name, dim, description)
        _insert(store, name, rows, written or set(), centred, progress)
        # Rows that are not flushed never use an index.
        store.call("flush", name, doing=f"flush {name}", slow=True)
        build_index()
        store.call("load_collection", name, doing=f"load {name}", slow=True)
        count = count_rows(store, name)
        if count != total:
            with suppress(StoreError):  # so that no later call resumes it
                drop(store, name)
            raise StoreError(f"{name} holds {count} of {total} rows after writing: check the server and write again.")
    except BaseException:
        if not resume:
            with suppress(StoreError):
                drop(store, name)
        raise
    return total


def _insert(
    store: Store,
    name: str,
    rows: Rows,
    written: Collection[str],
    centred: bool,
    progress: Progress | None,
) -> None:
    """Insert the rows whose ids are not in `written`, a batch at a time."""
    total, dim = rows.vectors.shape
    # One batch of long vectors must stay below a server's 64 MB message limit.
    batch = max(1, min(BATCH[store.engine], 32_000_000 // (4 * dim)))
    missing = [place for place, image_id in enumerate(rows.ids) if image_id not in written]
    if written and progress is not None:
        progress(total - len(missing), total)
    for start in range(0, len(missing), batch):
        places = missing[start : start + batch]
        store.call("insert", name, rows.entities(places, centred=centred), doing=f"insert into {name}")
        if progress is not None:
            progress(total - len(missing) + start + len(places), total)


def _build_index(store: Store, name: str, index: Mapping[str, Any], metric: str) -> None:
    """Index the flushed rows of collection `name`, and on a server wait for it."""
    if store.engine == "lite" and store.call("list_indexes", name, doing=f"describe {name}"):
        return  # Lite refuses to build an index twice, which servers accept
    kind = str(index["index_type"]).upper()
    params = store.client.prepare_index_params()
    # Build parameters reach Lite only in this nested form; a server accepts it, too.
    nested = {"params": dict(index.get("params") or {})}
    params.add_index(VECTOR, index_type=kind, metric_type=metric, params=nested)
    # Lite builds while it loads, so there is nothing to wait for here.
    wait = store.engine != "lite"
    store.call("create_index", name, params, sync=wait, doing=f"build {kind} for {name}", slow=True)


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
    """Refuse rows on which a write would fail half-way, or succeed with wrong contents."""
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
