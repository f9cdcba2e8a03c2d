"""Recall and latency of an index: recall@k against an exact scan of the stored vectors.

Invariants:
- Queries are rows of the collection, and a row is never its own result. The exact neighbours are computed here, in
  float64, by the index's own metric; rows as close as the k-th count as neighbours, so that ties cost nothing.
- Latency is that of one query at a time, as a round trip measured by this client; results carry only their keys.
- The settings of an index take turns, so that none is measured while the machine is busier than for the others.
- Memory stays bounded: the rows of a large collection are read page by page, twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict

import numpy as np
import numpy.typing as npt

from lib import statistics
from lib.documents.inspect import CollectionDocument, IndexDocument, RecallDocument, RecallIntervals, RecallRow
from lib.errors import QueryError, StoreError
from lib.progress import Progress
from lib.store import field_search, index_types, inspect, rows
from lib.store.connection import Store

Floats = npt.NDArray[np.float64]

METRICS: Final = ("COSINE", "L2", "IP")
ROWS_IN_MEMORY: Final = 20_000  # the first rows by key, among which queries are drawn
ENOUGH: Final = 0.99  # of the exact neighbours: what a recommended setting surely finds
_TIE: Final = 1e-6  # two values that differ by less, relative to the larger, are as close
_MARGIN: Final = 64  # rows kept beyond the k-th, for ties
_MOST_TIED: Final = 100_000  # rows kept for a query at most, which bounds memory
_PAGE: Final = 1000
_MIN_SEGMENT: Final = 1024  # rows below which a server builds no index (rootCoord.minSegmentSizeToEnableIndex)


@dataclass(frozen=True)
class GroundTruth:
    """For each query its key, its vector (d,), and the keys of its exact neighbours (k of them, or more with ties).
    `rows` counts the rows searched."""

    keys: list[str]
    vectors: list[np.ndarray]
    neighbours: list[set[str]]
    k: int
    rows: int


class Measurement(TypedDict):
    """Recall (a fraction, mean over the queries) and latency of an index at one setting, with 95 % intervals."""

    recall: float
    p50_ms: float
    p95_ms: float
    ci95: RecallIntervals


def scores(block: np.ndarray, queries: np.ndarray, metric: str) -> Floats:
    """The closeness of each row of `block` (n, d) to each query (q, d): (q, n), larger = closer, in float64."""
    x, q = np.asarray(block, dtype=np.float64), np.asarray(queries, dtype=np.float64)
    if metric == "COSINE":
        x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300)
        q = q / np.maximum(np.linalg.norm(q, axis=1, keepdims=True), 1e-300)
    values: Floats = q @ x.T
    if metric == "L2":
        values = 2 * values - (x * x).sum(axis=1)[None] - (q * q).sum(axis=1)[:, None]
    # A vector with NaN in it is close to nothing.
    return np.where(np.isfinite(values), values, -np.inf)


def ground_truth(
    pages: Iterable[tuple[Sequence[Any], np.ndarray]],
    queries: Sequence[tuple[Any, np.ndarray]],
    metric: str,
    k: int,
    progress: Callable[[int], None] | None = None,
) -> GroundTruth:
    """The exact neighbours of `queries` (key, vector) among all rows of `pages` (keys, (n, d) vectors). Raises
    QueryError if there are no other rows."""
    vectors = np.stack([vector for _, vector in queries])
    query_keys = [str(key) for key, _ in queries]
    keep = k + _MARGIN + 1
    best = np.full((len(query_keys), 0), -np.inf)
    best_keys = np.empty((len(query_keys), 0), dtype=object)
    count = 0
    for keys, block in pages:
        block_keys = np.array([str(key) for key in keys], dtype=object)
        best = np.concatenate([best, scores(block, vectors, metric)], axis=1)
        best_keys = np.concatenate([best_keys, np.broadcast_to(block_keys, (len(query_keys), len(block_keys)))], axis=1)
        if best.shape[1] > keep:
            # As many as some query has rows as close as its k-th: of equal vectors there can be any number.
            last = -np.partition(-best, k, axis=1)[:, k : k + 1]
            near = best >= np.where(np.isfinite(last), last - _TIE * np.maximum(1e-12, np.abs(last)), np.inf)
            most = min(max(keep, int(near.sum(axis=1).max()) + 1), _MOST_TIED, best.shape[1])
            columns = np.argpartition(-best, most - 1, axis=1)[:, :most]
            best, best_keys = np.take_along_axis(best, columns, 1), np.take_along_axis(best_keys, columns, 1)
        count += len(keys)
        if progress is not None:
            progress(count)
    neighbours = []
    for row, query_key in enumerate(query_keys):
        others = [(value, key) for value, key in zip(best[row], best_keys[row], strict=True) if key != query_key]
        others.sort(key=lambda pair: -pair[0])
        if not others:
            raise QueryError("Recall needs a collection with at least two rows: insert more.")
        last = others[min(k, len(others)) - 1][0]
        neighbours.append({key for value, key in others if value >= last - _TIE * max(1e-12, abs(last))})
    return GroundTruth(query_keys, list(vectors.astype(np.float32)), neighbours, min(k, count - 1), count)


def search_settings(index: IndexDocument, k: int, *, lite: bool, largest: int | None = None) -> list[dict[str, int]]:
    """The search parameters at which an index is measured, from fast to thorough; none above `largest`."""
    parameters = index_types.search_parameters(index, k + 1, lite=lite)
    if not parameters:
        return [{}]
    name = parameters[0].name
    if name == "nprobe":
        most = int(parameters[0].most)
        steps = [*(step for step in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512) if step < most), most]
    else:
        least = k + 1
        steps = list(dict.fromkeys([least, *(step for step in (16, 32, 64, 128, 256, 512) if step > least)]))
    # SCANN's codes are coarse: it must compare the full vectors of more candidates than it returns.
    extra = {"reorder_k": 10 * (k + 1)} if index["index_type"] == "SCANN" else {}
    return [{name: step, **extra} for step in steps if largest is None or step <= largest or step == steps[0]]


def recommended(settings: Sequence[RecallRow]) -> RecallRow | None:
    """The fastest of an index's settings (ordered from fast to thorough) that surely finds `ENOUGH` of the exact
    neighbours: the lower end of its recall's interval is not below that, or it missed none. None where none does."""
    return next((row for row in settings if row["ci95"]["recall"][0] >= ENOUGH or row["recall"] == 1), None)


def measure(
    store: Store,
    collection: str,
    field: str,
    metric: str,
    truth: GroundTruth,
    settings: Sequence[Mapping[str, Any]],
    *,
    key: str,
    seed: int = 0,
) -> list[Measurement]:
    """Recall and latency at each of `settings`, in their order; `key` names the primary field.

    The settings take turns, in another order each round, so that a machine that becomes slower meanwhile makes all of
    them slower. In one round each has another query, so that none finds the vectors of the one before in the
    processor's cache; over all rounds each has had every query. One search of each setting comes before, unmeasured.
    """
    count = len(truth.keys)
    recalls, times = np.zeros((len(settings), count)), np.zeros((len(settings), count))
    generator = np.random.default_rng(seed)
    for params in settings:
        _search(store, collection, field, metric, truth, params, 0, key)
    for turn in range(count):
        for setting in generator.permutation(len(settings)):
            place = (turn + int(setting) * count // len(settings)) % count
            start = time.perf_counter()
            results = _search(store, collection, field, metric, truth, settings[setting], place, key)
            times[setting, place] = (time.perf_counter() - start) * 1000
            recalls[setting, place] = len(set(results) & truth.neighbours[place]) / truth.k
    return [_measurement(of_queries, ms) for of_queries, ms in zip(recalls, times, strict=True)]


def _search(
    store: Store,
    collection: str,
    field: str,
    metric: str,
    truth: GroundTruth,
    params: Mapping[str, Any],
    place: int,
    key: str,
) -> list[str]:
    """The keys that the engine finds for the query at `place`, without the query itself."""
    hits = store.call(
        "search",
        collection,
        data=[truth.vectors[place]],
        anns_field=field,
        limit=truth.k + 1,
        search_params={"metric_type": metric, "params": dict(params)},
        output_fields=[key],
        doing=f"search {collection}",
    )[0]
    return [str(hit.id) for hit in hits if str(hit.id) != truth.keys[place]][: truth.k]


def _measurement(recalls: Floats, ms: Floats) -> Measurement:
    mean, median = statistics.mean_interval(recalls), statistics.median_interval(ms)
    assert mean is not None  # there is at least one query
    return {
        "recall": round(float(recalls.mean()), 6),
        "p50_ms": round(float(np.percentile(ms, 50)), 3),
        "p95_ms": round(float(np.percentile(ms, 95)), 3),
        "ci95": {
            "recall": (round(mean[0], 6), round(mean[1], 6)),
            "p50_ms": median and (round(median[0], 3), round(median[1], 3)),
        },
    }


def recall(
    store: Store,
    collection: str,
    *,
    k: int = 10,
    queries: int = 50,
    field: str = "",
    seed: int = 0,
    largest: int | None = None,
    progress: Progress | None = None,
) -> RecallDocument:
    """The `recall` document: one row for each setting of a collection's index, and how it was measured.

    `field` is its vector field, by default the first float vector field with an index. Settings above
    `largest` are left out. `progress(done, total)` counts rows read.

    Raises:
        QueryError: no float vector field with an index, a metric other than `METRICS`, or too few rows.
        StoreError: the collection does not exist or is not loaded, or the engine failed.
    """
    entry = inspect.inspect(store, collection)["collections"][0]
    index = _float_index(entry, field)
    name, metric = index["field"], index["metric_type"]
    if entry["load_state"] != "Loaded":
        raise StoreError(f"{collection} is not loaded ({entry['load_state']}): load it first.")
    truth = _sampled_truth(store, entry, name, metric, k=k, queries=queries, seed=seed, progress=progress)
    key = inspect.primary_field(entry)["name"]
    settings = search_settings(index, truth.k, lite=store.engine == "lite", largest=largest)
    measured = measure(store, entry["name"], name, metric, truth, settings, key=key, seed=seed)
    table: list[RecallRow] = [
        {"index_type": index["index_type"], "params": params, **measurement}
        for params, measurement in zip(settings, measured, strict=True)
    ]
    document: RecallDocument = {
        "rows": table,
        "collection": entry["name"],
        "field": name,
        "metric": metric,
        "build": {param: value for param, value in index["params"].items() if param in index["source"]},
        "k": truth.k,
        "queries": len(truth.keys),
        "gallery": truth.rows,
        "seed": seed,
    }
    if warning := index.get("warning") or unindexed_warning(store, truth.rows):
        document["warning"] = warning
    return document


def unindexed_warning(store: Store, count: int) -> str:
    """A warning if there are so few rows that a server scans them, whatever index it reports; empty otherwise."""
    if store.engine == "lite" or count >= _MIN_SEGMENT:
        return ""
    return (
        f"A server builds no index over segments of fewer than {_MIN_SEGMENT:,} rows, and there are {count:,} in all: "
        "these searches scan every row, whatever index is reported."
    )


def _sampled_truth(
    store: Store,
    entry: CollectionDocument,
    field: str,
    metric: str,
    *,
    k: int,
    queries: int,
    seed: int,
    progress: Progress | None,
) -> GroundTruth:
    """The exact neighbours of `queries` rows, drawn at random among the first `ROWS_IN_MEMORY`."""
    if metric not in METRICS:
        raise QueryError(f"Recall is measured for {', '.join(METRICS)}, not for {metric or 'an unknown metric'}.")
    collection = entry["name"]
    keys, vectors, _ = rows.sample(store, collection, field, ROWS_IN_MEMORY, also=["-"])
    if len(keys) < 2:
        raise QueryError(f"{collection} has one row, and recall needs at least two: insert more.")
    finite = np.nonzero(np.isfinite(vectors).all(axis=1))[0]
    chosen = np.sort(np.random.default_rng(seed).permutation(finite)[:queries])
    total = entry["rows"]["count"]
    pages = _pages_of(keys, vectors) if len(keys) < ROWS_IN_MEMORY else _read_pages(store, entry, field)
    return ground_truth(
        pages,
        [(keys[place], vectors[place]) for place in chosen],
        metric,
        k,
        None if progress is None else lambda done: progress(done, total),
    )


def _pages_of(keys: list[Any], vectors: np.ndarray) -> Iterator[tuple[list[Any], np.ndarray]]:
    for start in range(0, len(keys), _PAGE):
        yield keys[start : start + _PAGE], vectors[start : start + _PAGE]


def _read_pages(store: Store, entry: CollectionDocument, field: str) -> Iterator[tuple[list[Any], np.ndarray]]:
    key = inspect.primary_field(entry)["name"]
    for page in rows.pages(store, entry["name"], vectors=[field], size=_PAGE):
        complete = [row for row in page if row.get(field) is not None]
        if complete:
            yield [row[key] for row in complete], np.asarray([row[field] for row in complete], dtype=np.float32)


def _float_index(entry: CollectionDocument, field: str) -> IndexDocument:
    """The index on `field`, or without a name the first one on a float vector field. Raises QueryError without one."""
    names = {each["name"] for each in field_search.vector_fields(entry, ("FLOAT_VECTOR",))}
    indexes = [index for index in entry["indexes"] if index["field"] in names and field in {"", index["field"]}]
    if not indexes:
        target = f"the field {field}" if field else "any float vector field"
        raise QueryError(f"{entry['name']} has no index on {target}, so there is nothing to measure: build one first.")
    return indexes[0]
