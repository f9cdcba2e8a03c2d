"""Writing vectors to Milvus and searching them, in Milvus Lite, a server and Zilliz Cloud alike.

Invariants:
- Nothing but `PetalscopeError`s leaves this module (only a caller's own progress callback may raise what it likes).
- Vectors are (n, d) float32 in, values are in Petalscope's units out: `l2` a distance (Milvus answers its square),
  `mse` that square over d, `cosine` and `ncc` similarities in [-1, 1]. Ties break by id.
- A space has three collections with the same ids (`SIBLINGS`), because Milvus before 2.4 keeps one vector field per
  collection and Milvus Lite answers wrongly, without an error, when an index is searched under a metric that it was not
  built for. NCC is the COSINE of centred vectors; L1, which Milvus does not have, is answered by COSINE candidates put
  in order by their exact L1.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lib.errors import QueryError, StoreError
from lib.store.connection import Store

Array = npt.NDArray[np.float32]

VECTOR: Final = "vector"
MAX_DIM: Final = 32_768  # Milvus' limit for a float vector
MAX_ANSWERS: Final = 16_384  # Milvus' limit for `limit` of one search
# VARCHAR limits count bytes on a server and characters on Lite; we hold everybody to bytes.
MAX_BYTES: Final = {"id": 4096, "path": 4096, "label": 1024, "split": 64}
# What Milvus Lite 3.2 really builds. It accepts more names, reports them as finished, and scans everything.
LITE_INDEXES: Final = frozenset({"FLAT", "BRUTE_FORCE", "IVF_FLAT", "IVF_SQ8", "HNSW", "HNSW_SQ", "AUTOINDEX"})
HNSW: Final[Mapping[str, Any]] = {"index_type": "HNSW", "params": {"M": 16, "efConstruction": 200}}
BATCH: Final[Mapping[str, int]] = {"lite": 500, "server": 1000}  # rows of one insert: where each engine is fastest
# The collections of a space, by suffix to its base name: the metric of the index, and whether the vectors are centred.
SIBLINGS: Final[Mapping[str, tuple[str, bool]]] = {
    "": ("COSINE", False),
    "_l2": ("L2", False),
    "_centred": ("COSINE", True),
}
PROPERTY: Final = "petalscope"  # the collection property that carries the provenance where descriptions are dropped

# What each of our metrics asks for: the metric of the index, and whether the vectors are centred.
_ASKS: Final = {
    "mse": ("L2", False),
    "l2": ("L2", False),
    "cosine": ("COSINE", False),
    "l1": ("COSINE", False),
    "ncc": ("COSINE", True),
}
_L1_CANDIDATES = 200
_TIE_MARGIN = 8  # answers beyond k, so that equal values at the k-th place break by id and not by chance


# -- names ----------------------------------------------------------------------------------------------------------


def collection_names(space: str, fingerprint: str) -> dict[str, str]:
    """The collections of a space: `{"base": …, "centred": …, "l2": …}`, named `<space>_<fingerprint8>`.

    Milvus takes letters, digits and underscores and no leading digit; other characters become underscores.
    """
    base = re.sub(r"[^0-9A-Za-z_]", "_", f"{space}_{fingerprint[:8]}")
    base = base if not base[0].isdigit() else f"_{base}"
    return {suffix.removeprefix("_") or "base": base + suffix for suffix in SIBLINGS}


def collection_for(base: str, metric: str) -> str:
    """The one of `base`'s collections that answers `metric`."""
    if metric not in _ASKS:
        raise QueryError(f"There is no metric {metric!r}: use one of {', '.join(_ASKS)}.")
    return base + next(suffix for suffix, built in SIBLINGS.items() if built == _ASKS[metric])


def version(store: Store) -> tuple[int, ...]:
    """The engine's version as numbers: `v2.3.5-lite` is (2, 3, 5)."""
    found = re.search(r"\d{1,9}(?:\.\d{1,9})*", store.version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


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
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Make collection `name` anew from `rows`, with a built and loaded index, and return its number of rows.

    Whatever has that name is dropped first, so pass the name of a new collection and switch to it afterwards. If
    anything fails, what was made is dropped again. With `resume` neither is: what was written stays, and the same call
    with the same `description`, which must name these very rows, goes on with it (see `resuming`).

    `metric` is `COSINE` or `L2`; `centred` takes every vector's mean off first. `index` is `{"index_type": …,
    "params": {…}}`, by default HNSW with M = 16 and efConstruction = 200 (AUTOINDEX on Zilliz Cloud, which builds
    nothing else). `description` travels with the collection (see `provenance`). `progress(done, total)` is called
    after every batch, and before the first when there are rows already.

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
    # One batch of long vectors must stay below a server's 64 MB message limit.
    batch = max(1, min(BATCH[store.engine], 32_000_000 // (4 * dim)))
    there: set[str] | None = None
    if resume:
        from lib.store import resuming

        build = partial(_build, store, name, index, metric)
        there = resuming.begun(
            store,
            name,
            dim=dim,
            description=description,
            metric=metric,
            index=index,
            wanted=rows.ids,
            build=build,
        )
    if there is None:
        drop(store, name)
    try:
        if there is None:
            _create(store, name, dim, description)
        _insert(store, name, rows, there or set(), batch, centred, progress)
        # Rows that are not flushed never use an index.
        store.call("flush", name, doing=f"flush {name}", slow=True)
        _build(store, name, index, metric)
        store.call("load_collection", name, doing=f"load {name}", slow=True)
        count = count_rows(store, name)
        if count != total:
            with suppress(StoreError):  # not to be gone on with
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
    there: Collection[str],
    batch: int,
    centred: bool,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Insert the rows whose ids are not `there`, a batch at a time."""
    total = len(rows.ids)
    left = np.array([place for place, image_id in enumerate(rows.ids) if image_id not in there], dtype=np.int64)
    if there and progress is not None:
        progress(total - len(left), total)
    for start in range(0, len(left), batch):
        places = left[start : start + batch]
        block = np.asarray(rows.vectors[places], dtype=np.float32)
        block = centre(block) if centred else block
        data = [
            {
                "id": rows.ids[place],
                "path": rows.paths[place],
                "label": rows.labels[place],
                "split": rows.splits[place],
                VECTOR: vector,
            }
            for place, vector in zip(places.tolist(), block, strict=True)
        ]
        store.call("insert", name, data, doing=f"insert into {name}")
        if progress is not None:
            progress(total - len(left) + start + len(places), total)


def _build(store: Store, name: str, index: Mapping[str, Any], metric: str) -> None:
    """Index the flushed rows of collection `name`, and on a server wait for it."""
    if store.engine == "lite" and store.call("list_indexes", name, doing=f"describe {name}"):
        return  # it refuses what a server takes for the same again
    kind = str(index["index_type"]).upper()
    params = store.client.prepare_index_params()
    # Only in this double form do the build parameters arrive on Lite; a server takes it too.
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
    try:
        found = json.loads(description(store, name))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def description(store: Store, name: str) -> str:
    """The `description` with which collection `name` was made, wherever this engine keeps it."""
    about = store.call("describe_collection", name, doing=f"describe {name}")
    return str((about.get("properties") or {}).get(PROPERTY) or about.get("description") or "")


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

    `distance` is Milvus' (its L2 is squared). `filter` is a Milvus expression (see `filters` for its literals).
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
    filter: str = "",
) -> list[list[tuple[str, str, float]]]:
    """The k closest rows to every query under one of our metrics: `(id, label, value)`, closest first.

    `base` is the space's base name; the metric picks its collection, which is loaded if it is not. `leave_out` names
    ids that must not be among the answers. `search_params` go to the index, by default `ef` = max(128, 2k). `l1` is
    exact on max(200, 20k) COSINE candidates, so it can miss rows; measure it against the full scan. `filter` is a
    Milvus expression that answers must meet.
    """
    queries = np.atleast_2d(np.asarray(queries, dtype=np.float32))
    if not np.isfinite(queries).all():
        raise QueryError("The query's vector is not finite (NaN or infinite): embed the picture again.")
    if not 1 <= k <= MAX_ANSWERS:
        raise QueryError(f"Milvus gives 1 to {MAX_ANSWERS} answers to a query, not {k}: ask for fewer, or exactly.")
    name = collection_for(base, metric)
    ensure_loaded(store, name)
    dim = dimension(store, name)
    if queries.shape[1] != dim:
        raise QueryError(f"{name} holds vectors of {dim} numbers and the query has {queries.shape[1]}: name its space.")
    ask, planned = plan(metric, k, len(leave_out), cloud=store.cloud)
    params = planned if search_params is None else search_params
    metric_type, centred = _ASKS[metric]
    answers = search_vectors(
        store,
        name,
        centre(queries) if centred else queries,
        ask,
        metric_type=metric_type,
        search_params=params,
        output_fields=["label", VECTOR] if metric == "l1" else ["label"],
        filter=filter,
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


def plan(metric: str, k: int, left_out: int, *, cloud: bool = False) -> tuple[int, dict[str, Any]]:
    """How many answers to ask a collection for, so that k remain in the right order, and the index's parameters."""
    wanted = max(_L1_CANDIDATES, 20 * k) if metric == "l1" else k + _TIE_MARGIN
    ask = min(MAX_ANSWERS, max(k, wanted + left_out))
    # Zilliz Cloud chooses its index and that index's parameters.
    return ask, {} if cloud else {"ef": max(128, 2 * k, ask if metric == "l1" else 0)}


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


def dimension(store: Store, name: str) -> int:
    """How long the vectors of one of our collections are. Raises StoreError when it is none of ours."""
    about = store.call("describe_collection", name, doing=f"describe {name}")
    for field in about["fields"]:
        if field["name"] == VECTOR and "dim" in field.get("params", {}):
            return int(field["params"]["dim"])
    raise StoreError(f"{name} has no field {VECTOR!r}: it is not one of Petalscope's collections.")
