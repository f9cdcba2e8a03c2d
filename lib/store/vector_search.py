"""Searching our collections under the five metrics."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np

from lib.errors import QueryError
from lib.search.metrics import metric as find_metric
from lib.search.metrics import reference
from lib.store.collections import (
    CANDIDATES,
    VECTOR,
    Array,
    centre,
    collection_for,
    dimension,
    ensure_loaded,
    primary_key,
)
from lib.store.connection import Store

MAX_ANSWERS: Final = 16_384  # Milvus' limit for `limit` of one search


_CANDIDATES = 200


_TIE_MARGIN = 8  # answers beyond k, so that equal values at the k-th place break by id and not by chance


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
    ids that must not be among the answers. `search_params` go to the index, by default `ef` = max(128, 2k). A
    metric without an index (`Metric.milvus`), such as `l1`, is exact on max(200, 20k) COSINE candidates, so it can miss
    rows; measure it against the full scan. `filter` is a
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
    chosen = find_metric(metric)
    metric_type, centred = chosen.milvus or CANDIDATES
    answers = search_vectors(
        store,
        name,
        centre(queries) if centred else queries,
        ask,
        metric_type=metric_type,
        search_params=params,
        output_fields=["label", VECTOR] if chosen.milvus is None else ["label"],
        filter=filter,
    )
    sign = -1.0 if chosen.higher_is_closer else 1.0
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
    by_candidates = find_metric(metric).milvus is None
    wanted = max(_CANDIDATES, 20 * k) if by_candidates else k + _TIE_MARGIN
    ask = min(MAX_ANSWERS, max(k, wanted + left_out))
    # Zilliz Cloud chooses its index and that index's parameters.
    return ask, {} if cloud else {"ef": max(128, 2 * k, ask if by_candidates else 0)}


def _value(metric: str, hit: dict[str, Any], query: Array) -> float:
    """Milvus' answer in our unit; undefined (a zero vector has no direction) is 0."""
    chosen = find_metric(metric)
    if chosen.milvus is None:
        return float(reference(metric, query, np.asarray([hit[VECTOR]], dtype=np.float64))[0])
    raw = float(hit["distance"])
    if chosen.milvus[0] == "COSINE":
        return 0.0 if math.isnan(raw) else min(1.0, max(-1.0, raw))
    squared = max(0.0, raw)  # rounding can leave a tiny negative
    return squared / len(query) if metric == "mse" else squared**0.5
