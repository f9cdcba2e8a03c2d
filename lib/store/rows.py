"""Rows of any collection: page by page in the order of the key, or by their keys; and the photos that they name.

Invariants: a page starts after the last key of the one before, never at an offset, for which Lite needs time in
proportion to it. Vectors are read only on request. Photos are opened only in the folders that the settings allow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import numpy as np

from lib import documents
from lib.errors import QueryError, StoreError
from lib.settings import Settings
from lib.store import pool
from lib.store.collections import load_state
from lib.store.connection import Store
from lib.store.filters import key_literal, quoted
from lib.store.inspect import type_name
from lib.store.plain_values import decode_vector, plain

_KEYS_PER_CALL: Final = 500
_KEYS_PER_PAGE: Final = 10_000
_SCANNED_KEYS: Final = 200_000  # among which a scattered sample is drawn
_PHOTO_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"})


@dataclass(frozen=True)
class _Columns:
    """How rows of a collection are read: the primary field with its type, the fields to request, and the types of the
    vector fields among them."""

    key: str
    key_type: str
    names: list[str]
    vector_types: dict[str, str]


def _columns(store: Store, collection: str, vectors: Sequence[str] = ()) -> _Columns:
    """The columns of a collection, with the named vector fields only. Raises StoreError when rows cannot be read."""
    state = load_state(store, collection)
    if state == "NotExist":
        raise StoreError(f"There is no collection {collection} in {store.uri}: name one of its collections.")
    if state != "Loaded":
        raise StoreError(
            f"The rows of {collection} cannot be read while the collection is not loaded ({state}): load it first."
        )
    schema = store.call("describe_collection", collection, doing=f"describe {collection}")
    types = {str(field["name"]): type_name(field.get("type")) for field in schema["fields"]}
    types = {name: kind for name, kind in types.items() if "VECTOR" not in kind or name in vectors}
    key = next(str(field["name"]) for field in schema["fields"] if field.get("is_primary"))
    names = [*types, "$meta"] if schema.get("enable_dynamic_field") else [*types]
    return _Columns(key, types[key], names, {name: kind for name, kind in types.items() if name in vectors})


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
    """Up to `limit` rows in the order of their primary key, after `after_id`; with their dynamic fields, and with the
    vector fields named in `vectors`.

    Pass the last row's key as the next `after_id`; fewer than `limit` rows are the last page. `filter` is a Milvus
    expression (see `filters`). `strong` includes everything written before, which servers by default may miss.

    Raises:
        StoreError: the collection does not exist or is not loaded, or Milvus cannot parse the filter.
    """
    columns = _columns(store, collection, vectors)
    rows = _next(store, collection, columns.key, columns.names, after_id, limit, filter=filter, strong=strong)
    return [_decoded(row, columns) for row in rows]


def _next(
    store: Store,
    collection: str,
    key: str,
    names: Sequence[str],
    after: str | int | None,
    limit: int,
    *,
    filter: str = "",
    strong: bool = False,
) -> list[dict[str, Any]]:
    """The `limit` rows (fewer only at the end) that follow `after` in the order of the key, not yet decoded."""
    rows: list[dict[str, Any]] = []
    while True:
        parts = [filter] if filter.strip() else []
        if after is not None:
            # No brackets on the first page: there, the columns in the engine's errors refer to the typed text.
            parts = [f"({part})" for part in parts]
            parts.append(f"{key} > {quoted(after) if isinstance(after, str) else int(after)}")
        consistency: dict[str, Any] = {"consistency_level": "Strong"} if strong else {}
        page = store.call(
            "query",
            collection,
            filter=" and ".join(parts),
            output_fields=list(names),
            limit=limit - len(rows),
            # The smallest keys in order; without these, Lite returns rows in the order of storage.
            iterator="True",
            reduce_stop_for_best="True",
            doing=f"read rows of {collection}",
            **consistency,
        )
        rows += sorted(page, key=lambda row: row[key])
        # A server stops where the first of its segments ends: only an empty reply is the end.
        if not page or len(rows) >= limit or store.engine == "lite":
            return rows[:limit]  # it may also send more than the limit
        after = rows[-1][key]


def by_keys(
    store: Store, collection: str, keys: Sequence[str | int], *, vectors: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """The rows with these primary keys, in the order of `keys`; unknown keys are left out."""
    columns = _columns(store, collection, vectors)
    rows: dict[str, dict[str, Any]] = {}
    for start in range(0, len(keys), _KEYS_PER_CALL):
        part = keys[start : start + _KEYS_PER_CALL]
        literals = ", ".join(key_literal(columns.key, columns.key_type, key) for key in part)
        reply = store.call(
            "query",
            collection,
            filter=f"{columns.key} in [{literals}]",
            output_fields=columns.names,
            limit=_KEYS_PER_CALL,
            doing=f"read rows of {collection}",
        )
        for row in reply:
            decoded = _decoded(row, columns)
            rows[str(decoded[columns.key])] = decoded
    return [rows[str(key)] for key in keys if str(key) in rows]


def keys_after(
    store: Store, collection: str, after: str | int | None, count: int = 1000, *, filter: str = ""
) -> list[Any]:
    """The next `count` keys in order, fewer only at the end. On Lite, reading rows with `by_keys` takes a tenth of the
    time of `browse`, which scans all rows for those after a key."""
    key = _columns(store, collection).key
    return [row[key] for row in _next(store, collection, key, [key], after, count, filter=filter)]


def pages(
    store: Store,
    collection: str,
    *,
    filter: str = "",
    vectors: Sequence[str] = (),
    size: int = 1000,
    strong: bool = False,
) -> Iterator[list[dict[str, Any]]]:
    """All rows, a page at a time. Memory holds one page (and on Lite the keys of the next ten thousand rows)."""
    after: str | int | None = None
    if store.engine == "lite":  # see `keys_after`
        while True:
            keys = keys_after(store, collection, after, _KEYS_PER_PAGE, filter=filter)
            for start in range(0, len(keys), size):
                if page := by_keys(store, collection, keys[start : start + size], vectors=vectors):
                    yield page
            if len(keys) < _KEYS_PER_PAGE:
                return
            after = keys[-1]
    key = _columns(store, collection).key
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

    They are the first rows, or with `scattered` a random choice among the first 200,000, with a fixed seed. Rows whose
    vector is null are left out. Raises StoreError if no row has a vector.
    """
    key = _columns(store, collection).key
    source = pages(store, collection, vectors=[field], size=min(1000, most))
    if scattered:
        candidates = list(islice(every_key(store, collection), _SCANNED_KEYS))
        if len(candidates) > most:
            chosen = np.sort(np.random.default_rng(0).permutation(len(candidates))[:most])
            source = iter([by_keys(store, collection, [candidates[place] for place in chosen], vectors=[field])])
    keys: list[Any] = []
    other_fields: list[dict[str, Any]] = []
    vectors: list[np.ndarray] = []
    for page in source:
        for row in page:
            vector = row.pop(field, None)
            if vector is None or len(keys) >= most:
                continue
            keys.append(row[key])
            vectors.append(np.asarray(vector, dtype=np.float32))
            other_fields.append({name: row.get(name) for name in also} if also else row)
        if len(keys) >= most:
            break
    if not keys:
        raise StoreError(f"{collection} has no rows with a vector in {field}: insert some first.")
    return keys, np.stack(vectors), other_fields


def every_key(store: Store, collection: str, *, strong: bool = False) -> Iterator[Any]:
    """All keys in order, read a page at a time. Raises StoreError when the rows cannot be read."""
    key = _columns(store, collection).key
    after: str | int | None = None
    while True:
        page = _next(store, collection, key, [key], after, _KEYS_PER_PAGE, strong=strong)
        yield from (row[key] for row in page)
        if len(page) < _KEYS_PER_PAGE:
            return
        after = page[-1][key]


def _decoded(row: Mapping[str, Any], columns: _Columns) -> dict[str, Any]:
    """A row of the engine as plain Python values."""
    return {str(name): _decoded_value(value, columns.vector_types.get(name, "")) for name, value in row.items()}


def _decoded_value(value: Any, vector_type: str) -> Any:
    value = decode_vector(vector_type, value)
    # A list of floats is plain already, and `plain` would visit each of them.
    return value if vector_type and isinstance(value, list) else plain(value)


def vector_facts(vector: Any) -> dict[str, float]:
    """Statistics of one vector, dense or sparse (`{place: value}`): `norm`, `least`, `most`, `mean`, `spread` (standard
    deviation), and the count of its `zeros` (dense) or set numbers (`nonzero`, sparse). If some numbers are NaN or
    infinite, `broken` counts them and the statistics are NaN; null gives {}."""
    if vector is None:
        return {}
    sparse = isinstance(vector, Mapping)
    values = np.asarray(list(vector.values()) if sparse else vector, dtype=np.float64)
    if not len(values):
        return {"norm": 0.0, "nonzero": 0}
    facts: dict[str, float] = {
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


def table_cell(value: Any) -> Any:
    """A value for a table or a CSV file: lists and objects as JSON text."""
    return documents.json_text(value, ascii=False) if isinstance(value, (list, dict)) else value


def photo_file(settings: Settings, row: Mapping[str, Any]) -> Path | None:
    """The image file that a text field of `row` names: a path, absolute or below an allowed folder, or a `file://`
    address. None without one; an http address is never fetched."""
    for value in row.values():
        if not isinstance(value, str) or len(value) > 4096:
            continue
        path = unquote(urlsplit(value).path) if value.startswith("file://") else value
        if Path(path).suffix.lower() not in _PHOTO_SUFFIXES or "://" in path:
            continue
        candidates = (
            [Path(path)] if Path(path).is_absolute() else [root / path for root in pool.allowed_folders(settings)]
        )
        for candidate in candidates:
            with suppress(QueryError, OSError, ValueError):
                file = pool.confined_path(settings, str(candidate))
                if file.is_file():
                    return file
    return None
