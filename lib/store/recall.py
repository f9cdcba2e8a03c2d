"""How much of the truth an index finds, and how fast: recall@k against an exact scan of the stored vectors.

Invariants:
- Queries are rows of the collection, and a row is never its own answer. The truth is computed here, in float64, by the
  index's own metric; rows as close as the k-th count as right, so that ties cost nothing.
- Latency is that of one query at a time, there and back, as this client sees it, answers discarded but for their keys.
- Memory stays bounded: of a large collection the rows are read page by page, twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lib.errors import QueryError, StoreError
from lib.progress import Progress
from lib.store import collections, field_search, inspect, rows
from lib.store.connection import Store

Floats = npt.NDArray[np.float64]

METRICS: Final = ("COSINE", "L2", "IP")
HELD: Final = 20_000  # rows among which queries are drawn; as many are kept in memory
_TIE: Final = 1e-6  # two values that differ by less, relative to the larger, are as close
_MARGIN: Final = 64  # rows kept beyond the k-th, for ties
_PAGE: Final = 1000
_SMALL: Final = 1024  # rows of a segment below which servers build no index (rootCoord.minSegmentSizeToEnableIndex)


@dataclass(frozen=True)
class Truth:
    """For each query its key, its vector, and the set of keys that are right answers (k of them, or more with ties)."""

    keys: list[str]
    vectors: list[np.ndarray]
    right: list[set[str]]
    k: int
    rows: int


def scores(block: np.ndarray, queries: np.ndarray, metric: str) -> Floats:
    """How close each row of `block` (n, d) is to each query (q, d): (q, n), larger = closer, in float64."""
    x, q = np.asarray(block, dtype=np.float64), np.asarray(queries, dtype=np.float64)
    if metric == "COSINE":
        x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300)
        q = q / np.maximum(np.linalg.norm(q, axis=1, keepdims=True), 1e-300)
    values: Floats = q @ x.T
    if metric == "L2":
        values = 2 * values - (x * x).sum(axis=1)[None] - (q * q).sum(axis=1)[:, None]
    # A vector with NaN in it is close to nothing.
    return np.where(np.isfinite(values), values, -np.inf)


def truth(
    pages: Iterable[tuple[Sequence[Any], np.ndarray]],
    queries: Sequence[tuple[Any, np.ndarray]],
    metric: str,
    k: int,
    progress: Callable[[int], None] | None = None,
) -> Truth:
    """The right answers to `queries` (key, vector) among all rows of `pages` (keys, (n, d) vectors)."""
    asked = np.stack([vector for _, vector in queries])
    own = [str(key) for key, _ in queries]
    keep = k + _MARGIN + 1
    best = np.full((len(own), 0), -np.inf)
    names = np.empty((len(own), 0), dtype=object)
    seen = 0
    for keys, block in pages:
        found = scores(block, asked, metric)
        words = np.array([str(key) for key in keys], dtype=object)
        best = np.concatenate([best, found], axis=1)
        names = np.concatenate([names, np.broadcast_to(words, (len(own), len(words)))], axis=1)
        if best.shape[1] > keep:
            places = np.argpartition(-best, keep - 1, axis=1)[:, :keep]
            best, names = np.take_along_axis(best, places, 1), np.take_along_axis(names, places, 1)
        seen += len(keys)
        if progress is not None:
            progress(seen)
    right = []
    for row, me in enumerate(own):
        others = [(value, name) for value, name in zip(best[row], names[row], strict=True) if name != me]
        others.sort(key=lambda pair: -pair[0])
        if not others:
            raise QueryError("There is nothing to find: a collection needs at least two rows.")
        last = others[min(k, len(others)) - 1][0]
        right.append({name for value, name in others if value >= last - _TIE * max(1e-12, abs(last))})
    return Truth(own, list(asked.astype(np.float32)), right, min(k, seen - 1), seen)


def ladder(kind: str, params: Mapping[str, Any], k: int, *, lite: bool) -> list[dict[str, int]]:
    """The settings at which an index of this type is measured, from hasty to thorough."""
    index = {"index_type": kind, "params": dict(params)}
    offered = field_search.parameters(index, k + 1, lite=lite)
    if not offered:
        return [{}]
    name = offered[0].name
    if name == "nprobe":
        most = int(offered[0].most)
        steps = [step for step in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512) if step < most]
        # SCANN's codes are coarse: it must look at the real vectors of more candidates than it answers.
        more = {"reorder_k": 10 * (k + 1)} if kind == "SCANN" else {}
        return [{name: step, **more} for step in [*steps, most]]
    least = k + 1
    return [{name: step} for step in dict.fromkeys([least, *(s for s in (16, 32, 64, 128, 256, 512) if s > least)])]


def measured(
    store: Store,
    collection: str,
    field: str,
    metric: str,
    right: Truth,
    params: Mapping[str, Any],
    *,
    key: str,
) -> dict[str, float]:
    """`recall` (mean over the queries), `p50_ms` and `p95_ms` of one setting. One query warms up, unmeasured."""
    found, times = [], []
    for place in [0, *range(len(right.keys))]:
        start = time.perf_counter()
        hits = store.call(
            "search",
            collection,
            data=[right.vectors[place]],
            anns_field=field,
            limit=right.k + 1,
            search_params={"metric_type": metric, "params": dict(params)},
            output_fields=[key],
            doing=f"search {collection}",
        )[0]
        times.append((time.perf_counter() - start) * 1000)
        answers = [str(hit.id) for hit in hits if str(hit.id) != right.keys[place]][: right.k]
        found.append(len(set(answers) & right.right[place]) / right.k)
    return {
        "recall": float(np.mean(found[1:])),
        "p50_ms": round(float(np.percentile(times[1:], 50)), 3),
        "p95_ms": round(float(np.percentile(times[1:], 95)), 3),
    }


def recall(
    store: Store,
    collection: str,
    *,
    k: int = 10,
    queries: int = 50,
    field: str = "",
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The `recall` document of the contract: one row for each setting of a collection's index, with what was measured
    and how. `field` is its vector field, by default the first float vector that is indexed. `progress(done,
    total)` counts rows read.

    Raises:
        QueryError: no float vector field with an index, a metric that is not known here, too few rows.
        StoreError: the collection is not there or not loaded, or the engine failed.
    """
    entry = inspect.inspect(store, collection)["collections"][0]
    index = _index(entry, field)
    metric, name = index["metric_type"], index["field"]
    if entry["load_state"] != "Loaded":
        raise StoreError(f"{collection} is not loaded ({entry['load_state']}): load it first.")
    right = truth_of(store, entry, name, metric, k=k, queries=queries, seed=seed, progress=progress)
    lite = store.engine == "lite"
    kind = "BRUTE_FORCE" if index.get("pretended") else index["index_type"]
    key = next(str(each["name"]) for each in entry["fields"] if each["primary"])
    found = []
    for params in ladder(kind, index["params"], right.k, lite=lite):
        values = measured(store, entry["name"], name, metric, right, params, key=key)
        found.append({"index_type": index["index_type"], "params": params, **values})
    warning = index.get("warning") or small(store, right.rows)
    build = {param: value for param, value in index["params"].items() if param in index["source"]}
    return {
        "rows": found,
        "collection": entry["name"],
        "field": name,
        "metric": metric,
        "build": build,
        "k": right.k,
        "queries": len(right.keys),
        "gallery": right.rows,
        **({"warning": warning} if warning else {}),
    }


def small(store: Store, count: int) -> str:
    """What must be said of so few rows: servers scan them, whatever index they report; empty otherwise."""
    if store.engine == "lite" or count >= _SMALL:
        return ""
    return (
        f"A server builds no index over segments of fewer than {_SMALL:,} rows, and there are {count:,} in all: these "
        "searches scan every row, whatever the index is called."
    )


def truth_of(
    store: Store,
    entry: Mapping[str, Any],
    field: str,
    metric: str,
    *,
    k: int,
    queries: int,
    seed: int = 0,
    progress: Progress | None = None,
) -> Truth:
    """The right answers to rows of the collection drawn at random among the first `HELD` by key."""
    if metric not in METRICS:
        raise QueryError(f"Recall is measured for {', '.join(METRICS)}, not for {metric or 'an unknown metric'}.")
    collection = str(entry["name"])
    keys, vectors, _ = rows.sample(store, collection, field, HELD, also=["-"])
    if len(keys) < 2:
        raise QueryError(f"{collection} has one row, so there is nothing to find: insert more.")
    sound = np.nonzero(np.isfinite(vectors).all(axis=1))[0]
    chosen = np.sort(np.random.default_rng(seed).permutation(sound)[:queries])
    asked = [(keys[place], vectors[place]) for place in chosen]
    total = entry["rows"]["count"]

    def tell(done: int) -> None:
        if progress is not None:
            progress(done, total)

    pages = _blocks(keys, vectors) if len(keys) < HELD else _read(store, entry, field)
    return truth(pages, asked, metric, k, tell)


def _blocks(keys: list[Any], vectors: np.ndarray) -> Iterator[tuple[list[Any], np.ndarray]]:
    for start in range(0, len(keys), _PAGE):
        yield keys[start : start + _PAGE], vectors[start : start + _PAGE]


def _read(store: Store, entry: Mapping[str, Any], field: str) -> Iterator[tuple[list[Any], np.ndarray]]:
    key = next(str(each["name"]) for each in entry["fields"] if each["primary"])
    for page in rows.pages(store, str(entry["name"]), vectors=[field], size=_PAGE):
        held = [row for row in page if row.get(field) is not None]
        if held:
            yield [row[key] for row in held], np.asarray([row[field] for row in held], dtype=np.float32)


def _index(entry: Mapping[str, Any], field: str) -> dict[str, Any]:
    dense = [each["name"] for each in field_search.vector_fields(entry, ("FLOAT_VECTOR",))]
    found = [index for index in entry["indexes"] if index["field"] in dense and field in {"", index["field"]}]
    if not found:
        which = f"the field {field}" if field else "any float vector field"
        raise QueryError(f"{entry['name']} has no index on {which}, so there is nothing to measure: build one first.")
    return dict(found[0])


def offered(store: Store) -> tuple[list[str], dict[str, str]]:
    """The index types that this engine really builds over float vectors, and why others are refused."""
    if store.engine == "lite":
        pretends = "Milvus Lite takes the name, reports it as finished, and searches every row without an index"
        refused = dict.fromkeys(("IVF_PQ", "SCANN", "DISKANN", "HNSW_PQ", "IVF_RABITQ", "GPU_CAGRA"), pretends)
        return [kind for kind in TYPES if kind in collections.LITE_INDEXES], refused
    if store.cloud:
        return ["AUTOINDEX"], dict.fromkeys(TYPES, "Zilliz Cloud builds AUTOINDEX only")
    known = [kind for kind in TYPES if kind != "HNSW_SQ" or collections.version(store) >= (2, 5)]
    gone = {} if "HNSW_SQ" in known else {"HNSW_SQ": "needs Milvus 2.5"}
    return known, gone | {"GPU_CAGRA": "needs a server that is built for GPUs"}


TYPES: Final[Mapping[str, Mapping[str, Any]]] = {
    "FLAT": {},
    "IVF_FLAT": {"nlist": 64},
    "IVF_SQ8": {"nlist": 64},
    "HNSW": {"M": 16, "efConstruction": 200},
    "HNSW_SQ": {"M": 16, "efConstruction": 200, "sq_type": "SQ8"},
    "IVF_PQ": {"nlist": 64, "m": 16, "nbits": 8},
    "SCANN": {"nlist": 64},
    "DISKANN": {},
}
