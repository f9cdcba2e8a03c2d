"""Searching Petalscope's collections under its metrics."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np

from lib.errors import QueryError
from lib.search import metrics
from lib.store.collections import (
    VECTOR,
    Array,
    centre,
    collection_for,
    dimension,
    ensure_loaded,
    index_of_metric,
    primary_key,
)
from lib.store.connection import Store

MAX_RESULTS: Final = 16_384  # Milvus' limit for `limit` of one search
_MIN_CANDIDATES: Final = 200  # rows to re-rank, where Milvus does not have the metric
_TIE_MARGIN: Final = 8  # results beyond k, so that equal values at the k-th place break by id and not by chance


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
    """Milvus' own results for every query (q, d), in any collection: `{"id", "distance", **output_fields}`, closest
    first.

    `distance` is Milvus' (its L2 is squared). `filter` is a Milvus expression (see `filters` for its literals).
    """
    if not 1 <= limit <= MAX_RESULTS:
        raise QueryError(f"Milvus returns 1 to {MAX_RESULTS} results per query, not {limit}: use a smaller k.")
    params: dict[str, Any] = {"params": dict(search_params or {})}
    if metric_type:
        params["metric_type"] = metric_type
    # Never left to the engine: without names, Lite sends every field, vectors included.
    fields = list(output_fields) or [primary_key(store, name)]
    # Replies are rebuilt row by row in Python on Lite, and must fit one message on a server.
    numbers_per_row = queries.shape[1] if field in fields else 8
    step = max(1, min(256, 8_000_000 // (limit * numbers_per_row)))
    results: list[list[dict[str, Any]]] = []
    for start in range(0, len(queries), step):
        block = np.ascontiguousarray(queries[start : start + step], dtype=np.float32)
        reply = store.call(
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
        results += [[{**hit["entity"], "id": hit.id, "distance": hit.distance} for hit in hits] for hits in reply]
    return results


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
    """The k closest rows to every query (q, d) under one of our metrics: `(id, label, value)`, closest first.

    `base` is the space's base name; the metric picks its collection, which is loaded if it is not. `leave_out` names
    ids to exclude from the results. `search_params` go to the index, by default `ef` = max(128, 2k). A metric that
    Milvus does not have is computed exactly on max(200, 20k) COSINE candidates, so it can miss rows; measure its recall
    against the full scan. `filter` is a Milvus expression that results must meet.

    Raises:
        QueryError: an unknown metric, a query that does not fit, or a k out of range.
        StoreError: no such collection, or the engine failed.
    """
    queries = np.atleast_2d(np.asarray(queries, dtype=np.float32))
    if not np.isfinite(queries).all():
        raise QueryError("The query's vector is not finite (NaN or infinite): embed the picture again.")
    if not 1 <= k <= MAX_RESULTS:
        raise QueryError(
            f"Milvus returns 1 to {MAX_RESULTS} results per query, not {k}: use another k, or the exact engine."
        )
    name = collection_for(base, metric)
    ensure_loaded(store, name)
    dim = dimension(store, name)
    if queries.shape[1] != dim:
        raise QueryError(f"{name} holds vectors of {dim} numbers and the query has {queries.shape[1]}: name its space.")
    limit, default_params = plan_search(metric, k, len(leave_out), cloud=store.cloud)
    metric_type, centred = index_of_metric(metric)
    hits_by_query = search_vectors(
        store,
        name,
        centre(queries) if centred else queries,
        limit,
        metric_type=metric_type,
        search_params=default_params if search_params is None else search_params,
        output_fields=["label", VECTOR] if _is_reranked(metric) else ["label"],
        filter=filter,
    )
    sign = -1.0 if metrics.metric(metric).higher_is_closer else 1.0
    results = []
    for query, hits in zip(queries, hits_by_query, strict=True):
        rows = [
            (str(hit["id"]), str(hit["label"]), _value(metric, hit, query))
            for hit in hits
            if hit["id"] not in leave_out
        ]
        results.append(sorted(rows, key=lambda row: (sign * row[2], row[0]))[:k])
    return results


def plan_search(metric: str, k: int, left_out: int, *, cloud: bool = False) -> tuple[int, dict[str, Any]]:
    """The number of results to request from a collection so that k remain in the right order, and the index's search
    parameters."""
    reranked = _is_reranked(metric)
    enough = max(_MIN_CANDIDATES, 20 * k) if reranked else k + _TIE_MARGIN
    limit = min(MAX_RESULTS, max(k, enough + left_out))
    # Zilliz Cloud chooses its index and that index's parameters.
    return limit, {} if cloud else {"ef": max(128, 2 * k, limit if reranked else 0)}


def _is_reranked(metric: str) -> bool:
    """Whether Milvus does not have the metric, so that candidates of another are re-ranked."""
    return metrics.metric(metric).milvus is None


def _value(metric: str, hit: dict[str, Any], query: Array) -> float:
    """Milvus' value in our unit; undefined values (a zero vector has no direction) are 0."""
    if _is_reranked(metric):
        return float(metrics.reference(metric, query, np.asarray([hit[VECTOR]], dtype=np.float64))[0])
    raw = float(hit["distance"])
    if metrics.metric(metric).higher_is_closer:
        return 0.0 if math.isnan(raw) else min(1.0, max(-1.0, raw))
    squared = max(0.0, raw)  # rounding can leave a tiny negative
    return squared / len(query) if metric == "mse" else squared**0.5
