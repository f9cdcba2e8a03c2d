"""Rows of a collection, ours or anybody's: page by page in the order of the key, or by their keys.

Invariant: pages go on after the last key, never by an offset, which Lite answers in time proportional to it. Vectors
are read only when asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from lib import documents
from lib.errors import StoreError
from lib.store import vector_bytes
from lib.store.collections import load_state
from lib.store.connection import Store
from lib.store.filters import key_literal, quoted
from lib.store.inspect import type_name
from lib.store.plain_values import plain

_KEYS_AT_ONCE = 500
_KEYS_PAGE = 10_000
_SCANNED = 200_000


def browse(
    store: Store,
    collection: str,
    *,
    after_id: str | int | None = None,
    limit: int = 50,
    filter: str = "",
    vectors: Sequence[str] = (),
    strong: bool = False,
) -> list[dict[str, Any]]:
    """Up to `limit` rows in the order of their primary key, after `after_id`, dynamic fields included, and of the
    vector fields those named in `vectors`.

    Give the last row's key as the next `after_id`; fewer than `limit` rows are the last page. `filter` is a Milvus
    expression (see `filters`). `strong` waits until everything written before is seen, as servers by default do not.

    Raises:
        StoreError: the collection is not there or not loaded, or Milvus cannot read the filter.
    """
    key, wanted, kinds = _fields(store, collection, vectors)
    found = _next(store, collection, str(key["name"]), wanted, after_id, limit, filter=filter, strong=strong)
    return [_tidy(row, kinds) for row in found]


def _next(
    store: Store,
    collection: str,
    key: str,
    wanted: Sequence[str],
    after: str | int | None,
    limit: int,
    *,
    filter: str = "",
    strong: bool = False,
) -> list[dict[str, Any]]:
    """The `limit` rows (fewer only when there are no more) that follow `after` in the order of the key."""
    found: list[dict[str, Any]] = []
    while True:
        parts = [filter] if filter.strip() else []
        if after is not None:
            # Only now in brackets: the first page shows the engine what was typed, and its errors name places in that.
            parts = [f"({part})" for part in parts]
            parts.append(f"{key} > {quoted(after) if isinstance(after, str) else int(after)}")
        consistency: dict[str, Any] = {"consistency_level": "Strong"} if strong else {}
        page = store.call(
            "query",
            collection,
            filter=" and ".join(parts),
            output_fields=list(wanted),
            limit=limit - len(found),
            # Asks for the smallest keys in order; without it Lite returns rows as they lie.
            iterator="True",
            reduce_stop_for_best="True",
            doing=f"read rows of {collection}",
            **consistency,
        )
        found += sorted(page, key=lambda row: row[key])
        # A server stops where the first of its segments ends: only an empty answer says that there is no more.
        if not page or len(found) >= limit or store.engine == "lite":
            return found[:limit]  # it may also send more than it was asked for
        after = found[-1][key]


def by_keys(
    store: Store, collection: str, keys: Sequence[str | int], *, vectors: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """The rows with these primary keys, in the order of `keys`; keys that are not there are left out."""
    key, wanted, kinds = _fields(store, collection, vectors)
    about = {"name": key["name"], "type": type_name(key.get("type"))}
    found: dict[Any, dict[str, Any]] = {}
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        listed = ", ".join(key_literal(about, each) for each in keys[start : start + _KEYS_AT_ONCE])
        rows = store.call(
            "query",
            collection,
            filter=f"{key['name']} in [{listed}]",
            output_fields=wanted,
            limit=_KEYS_AT_ONCE,
            doing=f"read rows of {collection}",
        )
        for row in rows:
            tidy = _tidy(row, kinds)
            found[str(tidy[key["name"]])] = tidy
    return [found[str(each)] for each in keys if str(each) in found]


def keys_after(
    store: Store, collection: str, after: str | int | None, count: int = 1000, *, filter: str = ""
) -> list[Any]:
    """The next `count` keys in order, fewer only when there are no more. Reading their rows with `by_keys` then costs a
    tenth of asking for what follows a key, which Lite answers by looking at all rows."""
    primary = str(_fields(store, collection, ())[0]["name"])
    return [row[primary] for row in _next(store, collection, primary, [primary], after, count, filter=filter)]


def pages(
    store: Store,
    collection: str,
    *,
    filter: str = "",
    vectors: Sequence[str] = (),
    size: int = 1000,
    strong: bool = False,
) -> Iterator[list[dict[str, Any]]]:
    """All rows, a page at a time: no more than one page is held in memory (and the keys of the next ten thousand)."""
    after: str | int | None = None
    if store.engine == "lite":  # see `keys_after`
        while True:
            keys = keys_after(store, collection, after, _KEYS_PAGE, filter=filter)
            for start in range(0, len(keys), size):
                if page := by_keys(store, collection, keys[start : start + size], vectors=vectors):
                    yield page
            if len(keys) < _KEYS_PAGE:
                return
            after = keys[-1]
    key = str(_fields(store, collection, ())[0]["name"])
    while True:
        page = browse(store, collection, after_id=after, limit=size, filter=filter, vectors=vectors, strong=strong)
        if page:
            yield page
        if len(page) < size:
            return
        after = page[-1][key]


def sample(
    store: Store, collection: str, field: str, most: int, *, also: Sequence[str] = (), scattered: bool = False
) -> tuple[list[Any], np.ndarray, list[dict[str, Any]]]:
    """Up to `most` rows in the order of their key: keys, vectors (n, d) float32, and all other fields (or `also`).

    They are the first ones, or with `scattered` a random choice among the first `_SCANNED`, always the same. Rows whose
    vector is null are left out. Raises StoreError for an empty collection.
    """
    primary = str(_fields(store, collection, ())[0]["name"])
    found = pages(store, collection, vectors=[field], size=min(1000, most))
    if scattered:
        every = list(islice(every_key(store, collection), _SCANNED))
        if len(every) > most:
            chosen = np.sort(np.random.default_rng(0).permutation(len(every))[:most])
            found = iter([by_keys(store, collection, [every[place] for place in chosen], vectors=[field])])
    keys: list[Any] = []
    rest: list[dict[str, Any]] = []
    vectors: list[np.ndarray] = []
    for page in found:
        for row in page:
            vector = row.pop(field, None)
            if vector is None or len(keys) >= most:
                continue
            keys.append(row[primary])
            vectors.append(np.asarray(vector, dtype=np.float32))
            rest.append({name: row.get(name) for name in also} if also else row)
        if len(keys) >= most:
            break
    if not keys:
        raise StoreError(f"{collection} has no rows with a vector in {field}: insert some first.")
    return keys, np.stack(vectors), rest


def every_key(store: Store, collection: str, *, strong: bool = False) -> Iterator[Any]:
    """All keys in order, read a page at a time. Raises StoreError when the rows cannot be read."""
    primary = str(_fields(store, collection, ())[0]["name"])
    after: str | int | None = None
    while True:
        page = _next(store, collection, primary, [primary], after, _KEYS_PAGE, strong=strong)
        yield from (row[primary] for row in page)
        if len(page) < _KEYS_PAGE:
            return
        after = page[-1][primary]


def _tidy(row: Mapping[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    return {str(name): _tidied(value, kinds.get(name, "")) for name, value in row.items()}


def _tidied(value: Any, kind: str) -> Any:
    value = vector_bytes.numbers(kind, value)
    # A list of floats is plain already, and there are many.
    return value if kind and isinstance(value, list) else plain(value)


def vector_facts(vector: Any) -> dict[str, Any]:
    """Of one vector, dense or sparse (`{place: value}`): `norm`, `least`, `most`, `mean`, `spread`, and how many of its
    numbers are `zeros` (dense) or set (`nonzero`, sparse). Where some are NaN or infinite, all others are NaN and
    `broken` counts those; null gives {}."""
    if vector is None:
        return {}
    sparse = isinstance(vector, Mapping)
    values = np.asarray(list(vector.values()) if sparse else vector, dtype=np.float64)
    if not len(values):
        return {"norm": 0.0, "nonzero": 0}
    facts: dict[str, Any] = {
        "norm": float(np.linalg.norm(values)),
        "least": float(values.min()),
        "most": float(values.max()),
        "mean": float(values.mean()),
        "spread": float(values.std()),
    }
    if broken := int((~np.isfinite(values)).sum()):
        facts = {**dict.fromkeys(facts, float("nan")), "broken": broken}
    facts["nonzero" if sparse else "zeros"] = len(values) if sparse else int((values == 0).sum())
    return facts


def cell(value: Any) -> Any:
    """A value as a table or a CSV file can hold it: lists and objects as JSON text."""
    return documents.text(value, ascii=False) if isinstance(value, (list, dict)) else value


def _fields(
    store: Store, collection: str, vectors: Sequence[str]
) -> tuple[Mapping[str, Any], list[str], dict[str, str]]:
    """The key's field, the names to ask for, and the types of the `vectors` among them. Raises StoreError when rows
    cannot be read."""
    state = load_state(store, collection)
    if state == "NotExist":
        raise StoreError(f"There is no collection {collection} in {store.uri}: name one of its collections.")
    if state != "Loaded":
        raise StoreError(f"The rows of {collection} cannot be read while it is not loaded ({state}): load it first.")
    about = store.call("describe_collection", collection, doing=f"describe {collection}")
    fields = [
        field for field in about["fields"] if "VECTOR" not in type_name(field.get("type")) or field["name"] in vectors
    ]
    key = next(field for field in fields if field.get("is_primary"))
    kinds = {str(field["name"]): type_name(field.get("type")) for field in fields if field["name"] in vectors}
    names = [str(field["name"]) for field in fields] + (["$meta"] if about.get("enable_dynamic_field") else [])
    return key, names, kinds
