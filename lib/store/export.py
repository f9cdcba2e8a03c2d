"""A collection's rows as a file: CSV, JSON or Parquet, written page by page, so that memory stays bounded.

Invariants: the file appears under its name only when it is complete; it holds vectors only on request; 64-bit keys and
text are unchanged.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol

from lib import artifacts, documents
from lib.documents.inspect import FieldDocument
from lib.progress import Progress
from lib.store import collections, inspect, rows
from lib.store.connection import Store

FORMATS: Final = {"csv": "CSV", "json": "JSON", "parquet": "Parquet"}
META: Final = "$meta"  # the column of dynamic fields, where a format needs equal columns
PAGE: Final = 1000


class _Writer(Protocol):
    def write(self, page: list[dict[str, Any]]) -> None: ...


def export(
    store: Store,
    collection: str,
    target: Path,
    kind: str,
    *,
    filter: str = "",
    vectors: Sequence[str] = (),
    progress: Progress | None = None,
) -> int:
    """Write the rows that meet `filter` to `target`, as `kind` (see `KINDS`), and return their number. `vectors` names
    the vector fields to include. `progress(done, total)` is called after every page; the total is None with a filter.

    Raises:
        StoreError: the collection cannot be read.
        ArtifactError: the file cannot be written.
    """
    entry = inspect.inspect(store, collection)["collections"][0]
    fields = [field for field in entry["fields"] if "VECTOR" not in field["type"] or field["name"] in vectors]
    total = None if filter.strip() else collections.count_rows(store, collection)
    part = target.with_name(f".{target.name}.part")
    done = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _WRITERS[kind](part, fields, entry["dynamic"]) as writer:
            # Long vectors are read in smaller pages: a page must fit one message.
            numbers_per_row = sum(field["dim"] or 0 for field in fields)
            size = max(50, min(PAGE, 1_000_000 // max(1, numbers_per_row)))
            for page in rows.pages(store, collection, filter=filter, vectors=vectors, size=size, strong=True):
                writer.write(page)
                done += len(page)
                if progress is not None:
                    progress(done, total)
        part.replace(target)
    except OSError as error:
        raise artifacts.disk_error(target.parent, error) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return done


def _split(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A row with its dynamic fields under one name, `META`."""
    extra = {name: value for name, value in row.items() if name not in names}
    return {**{name: row.get(name) for name in names}, META: extra or None}


@contextmanager
def _csv(path: Path, fields: list[FieldDocument], dynamic: bool) -> Iterator[_Writer]:
    names = [field["name"] for field in fields]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, [*names, META] if dynamic else names, extrasaction="ignore")
        table.writeheader()

        class Writer:
            def write(self, page: list[dict[str, Any]]) -> None:
                for row in page:
                    table.writerow({name: rows.table_cell(value) for name, value in _split(row, names).items()})

        yield Writer()


@contextmanager
def _json(path: Path, fields: list[FieldDocument], dynamic: bool) -> Iterator[_Writer]:
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        first = True

        class Writer:
            def write(self, page: list[dict[str, Any]]) -> None:
                nonlocal first
                for row in page:
                    file.write("\n" if first else ",\n")
                    file.write(documents.json_text(row, ascii=False))
                    first = False

        yield Writer()
        file.write("\n]\n")


@contextmanager
def _parquet(path: Path, fields: list[FieldDocument], dynamic: bool) -> Iterator[_Writer]:
    import pyarrow as pa
    from pyarrow import parquet

    column_types = {
        "BOOL": pa.bool_(),
        "INT8": pa.int8(),
        "INT16": pa.int16(),
        "INT32": pa.int32(),
        "INT64": pa.int64(),
        "FLOAT": pa.float32(),
        "DOUBLE": pa.float64(),
        "FLOAT_VECTOR": pa.list_(pa.float32()),
        "FLOAT16_VECTOR": pa.list_(pa.float32()),
        "BFLOAT16_VECTOR": pa.list_(pa.float32()),
        "INT8_VECTOR": pa.list_(pa.int8()),
        "BINARY_VECTOR": pa.list_(pa.int8()),
    }
    names = [field["name"] for field in fields]
    # All other types (JSON, arrays, sparse vectors) become JSON text, as in CSV.
    types = {name: column_types.get(field["type"], pa.string()) for name, field in zip(names, fields, strict=True)}
    if dynamic:
        types[META] = pa.string()
    schema = pa.schema(list(types.items()))
    with parquet.ParquetWriter(path, schema) as file:

        class Writer:
            def write(self, page: list[dict[str, Any]]) -> None:
                split = [_split(row, names) for row in page]
                columns = {
                    name: [rows.table_cell(row[name]) if pa.types.is_string(type_) else row[name] for row in split]
                    for name, type_ in types.items()
                }
                file.write_table(pa.table(columns, schema=schema))

        yield Writer()


_WRITERS: Final = {"csv": _csv, "json": _json, "parquet": _parquet}
