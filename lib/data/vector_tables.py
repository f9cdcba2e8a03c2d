"""Vectors in Parquet and CSV files: a column of lists, or a column for each dimension, and perhaps one of ids.

Invariant: a file is read a block of rows at a time, in its order; only its ids are in memory as a whole. Nothing in a
file is executed.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from lib import limits
from lib.errors import QueryError, Remedy
from lib.text import listed, shown_name

# Names of a column of ids or of vectors, tried in this order, in any case.
ID_COLUMNS: Final = (
    "id", "ids", "image_id", "path", "paths", "file", "filename", "file_name", "image", "image_path", "photo", "name",
    "sha256", "hash", "text",
)  # fmt: skip
VECTOR_COLUMNS: Final = ("vector", "vectors", "embedding", "embeddings", "features", "feature", "emb")
# Numbers in a block.
BLOCK: Final = 8_000_000
_SEPARATORS: Final = ",;\t"
_LONGEST_HEADER: Final = 200_000_000  # characters
_CSV_BLOCK: Final = 16_000_000  # bytes, or the header's length where that is more


@dataclass(frozen=True)
class VectorFile:
    """Vectors in a file: `rows` of `dim` numbers of type `dtype`. `keys` are the ids of the rows, None where the file
    has none; `keyed_by` says where they stand. `blocks()` gives the rows in order, each array (m, dim)."""

    rows: int
    dim: int
    dtype: str
    keys: list[str] | None
    keyed_by: str
    blocks: Callable[[], Iterator[np.ndarray]]


def unusable(path: Path, reason: str, remedy: Remedy | None = None) -> QueryError:
    """The error for a file of vectors: `reason` follows its name, without a full stop."""
    problem = f"{shown_name(path.name)} {reason}"
    return QueryError(problem if remedy else f"{problem}.", remedy=remedy)


def check_size(path: Path, rows: int, dim: int) -> None:
    """Raises QueryError where a file declares more rows or dimensions than are read, or none."""
    if not rows or not dim:
        raise unusable(path, "has no vectors")
    for number, most, noun in ((rows, limits.VECTOR_ROWS, "rows"), (dim, limits.VECTOR_DIMENSIONS, "dimensions")):
        if number > most:
            raise unusable(path, f"has {number:,} {noun}; at most {most:,} are read")


def rows_of_block(dim: int) -> int:
    """How many vectors of `dim` numbers are read at a time."""
    return max(1, BLOCK // max(1, dim))


def named_column(path: Path, names: Sequence[str], wanted: str, usual: Sequence[str], remedy: Remedy) -> str | None:
    """The column or array `wanted`, else the first with a usual name; None without one.

    Raises QueryError when `wanted` is missing.
    """
    if wanted:
        if wanted not in names:
            raise unusable(path, f"has no {shown_name(wanted)}, only {listed(names, 8)}", remedy)
        return wanted
    by_name = {name.casefold(): name for name in reversed(names)}
    return next((by_name[name] for name in usual if name in by_name), None)


# --- Parquet ---------------------------------------------------------------------------------------------------------


def parquet(path: Path, vectors: str, ids: str) -> VectorFile:
    """The vectors of a Parquet file. Raises QueryError when it has none or cannot be read."""
    import pyarrow as pa
    from pyarrow import parquet as files

    with _arrow_errors(path):
        file = files.ParquetFile(path, memory_map=True)
        schema, rows = file.schema_arrow, file.metadata.num_rows
        id_column = named_column(path, schema.names, ids, ID_COLUMNS, Remedy.NAME_IDS)
        lists = [each.name for each in schema if _is_list(each.type)]
        column = named_column(path, schema.names, vectors, [], Remedy.NAME_VECTORS) if vectors else None
        if column is None and len(lists) > 1:
            usual = named_column(path, lists, "", VECTOR_COLUMNS, Remedy.NAME_VECTORS)
            if usual is None:
                raise unusable(path, f"has several columns of lists, {listed(lists, 8)}", Remedy.NAME_VECTORS)
            column = usual
        column = column or (lists[0] if lists else None)
        if column is not None and not _is_list(schema.field(column).type):
            raise unusable(path, f"has no lists of numbers in {shown_name(column)}")
        numeric = [e.name for e in schema if e.name != id_column and _is_number(e.type)]
        names = [column] if column is not None else numeric
        if not names:
            raise unusable(path, "has no column of numbers, nor one of lists of numbers")
        if len(set(schema.names)) < len(schema.names):
            raise unusable(path, "has two columns of one name")
        check_size(path, rows, 1)
        if column is None:
            dim, dtype = len(numeric), str(np.result_type(*(schema.field(e).type.to_pandas_dtype() for e in numeric)))
        else:
            first = next(file.iter_batches(batch_size=1, columns=[column]))
            dim, dtype = len(first.column(0)[0] or []), str(schema.field(column).type.value_type)
        check_size(path, rows, dim)
        keys = None
        if id_column is not None and id_column != column:
            keys = [] if pa.types.is_null(schema.field(id_column).type) else _parquet_keys(file, id_column)

    def blocks() -> Iterator[np.ndarray]:
        with _arrow_errors(path):
            for batch in file.iter_batches(batch_size=rows_of_block(dim), columns=names):
                yield _lists(path, batch.column(0), dim) if column is not None else _columns(batch)

    by = "" if keys is None else f"the column {shown_name(str(id_column))}"
    return VectorFile(rows, dim, {"halffloat": "float16", "float": "float32", "double": "float64"}.get(dtype, dtype),
                      keys, by, blocks)  # fmt: skip


def _parquet_keys(file: Any, column: str) -> list[str]:
    keys: list[str] = []
    for batch in file.iter_batches(batch_size=100_000, columns=[column]):
        keys += ["" if value is None else str(value) for value in batch.column(0).to_pylist()]
    return keys


def _is_list(type_: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    is_list = types.is_list(type_) or types.is_large_list(type_) or types.is_fixed_size_list(type_)
    return is_list and _is_number(type_.value_type)


def _is_number(type_: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(type_) or pa.types.is_integer(type_))


def _lists(path: Path, column: Any, dim: int) -> np.ndarray:
    from pyarrow import compute

    lengths = compute.list_value_length(column).to_numpy(zero_copy_only=False)
    if column.null_count or not (lengths == dim).all():
        raise unusable(path, f"has vectors of different lengths, the first of {dim:,} numbers")
    return np.asarray(column.flatten().to_numpy(zero_copy_only=False)).reshape(-1, dim)


def _columns(batch: Any) -> np.ndarray:
    return np.column_stack([column.to_numpy(zero_copy_only=False) for column in batch.columns])


@contextlib.contextmanager
def _arrow_errors(path: Path) -> Iterator[None]:
    """Turns what pyarrow raises for a damaged or odd file into a QueryError."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError, ValueError) as error:
        reason = str(error).split("\n", maxsplit=1)[0][:200] or type(error).__name__
        raise unusable(path, f"cannot be read ({reason})") from error


# --- CSV -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Csv:
    """How a CSV file is laid out: its separator and columns, whether its first row names them, and its first cells."""

    separator: str
    names: list[str]
    headed: bool
    cells: list[str]
    longest: int


def text_table(path: Path, vectors: str, ids: str) -> VectorFile:
    """The vectors of a CSV file, with commas, semicolons or tabs. Raises QueryError when it has none.

    Without a header every column is a number, or the first one is an id.
    """
    outline = _outline(path)
    id_column = named_column(path, outline.names, ids, ID_COLUMNS, Remedy.NAME_IDS)
    column = named_column(path, outline.names, vectors, VECTOR_COLUMNS, Remedy.NAME_VECTORS)
    cells = dict(zip(outline.names, outline.cells, strict=True))
    if column is not None and (_is_float(cells[column]) or column == id_column):
        column = None if not vectors else column
    if column is None:
        numeric = [name for name in outline.names if name != id_column and _is_float(cells[name])]
        dim = len(numeric)
    else:
        numeric, dim = [], len(_listed(cells[column]) or [])
    if not dim:
        raise unusable(path, "has no column of numbers, nor one of lists of numbers", Remedy.NAME_VECTORS)
    check_size(path, 1, dim)
    counted = id_column or outline.names[0]
    keys = [str(value or "") for batch in _read(path, outline, {counted: "string"}) for value in batch[0].to_pylist()]
    check_size(path, len(keys), dim)

    def blocks() -> Iterator[np.ndarray]:
        columns = {column: "string"} if column is not None else dict.fromkeys(numeric, "double")
        for batch in _read(path, outline, columns):
            if column is None:
                yield np.column_stack([values.to_numpy(zero_copy_only=False) for values in batch])
                continue
            for start in range(0, len(batch[0]), rows_of_block(dim)):
                found = [_listed(text or "") for text in batch[0][start : start + rows_of_block(dim)].to_pylist()]
                if any(vector is None or len(vector) != dim for vector in found):
                    raise unusable(path, f"has vectors of different lengths, the first of {dim:,} numbers, or words")
                yield np.array(found, dtype=np.float64)

    by = f"the column {shown_name(id_column)}" if id_column is not None else ""
    return VectorFile(len(keys), dim, "float64", keys if id_column is not None else None, by, blocks)


def _outline(path: Path) -> _Csv:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [file.readline(_LONGEST_HEADER) for _ in range(2)]
        separator = max(_SEPARATORS, key=lines[0].count)
        csv.field_size_limit(_LONGEST_HEADER)
        first, second = (next(iter(csv.reader([line], delimiter=separator)), []) for line in lines)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise unusable(path, "is not a table in text, in UTF-8") from error
    if not first:
        raise unusable(path, "has no vectors")
    headed = not all(map(_is_float, first[1:])) or (len(first) == 1 and not _is_float(first[0]))
    longest = 4 * max(map(len, lines))
    if not headed:
        names = [f"f{number}" for number in range(len(first))]
        if not _is_float(first[0]):
            names[0] = ID_COLUMNS[0]
        return _Csv(separator, names, False, first, longest)
    if len(set(first)) < len(first):
        raise unusable(path, "has two columns of one name")
    if len(second) != len(first):
        raise unusable(path, "has no row of as many cells as its header")
    return _Csv(separator, first, True, second, longest)


def _read(path: Path, outline: _Csv, columns: dict[str, str]) -> Iterator[list[Any]]:
    """The chosen columns of a file, a batch of rows at a time, as Arrow arrays of these types."""
    import pyarrow as pa
    from pyarrow import csv as tables

    with _arrow_errors(path):
        reader = tables.open_csv(
            path,
            read_options=tables.ReadOptions(
                use_threads=False,
                block_size=min(2**31 - 1, max(_CSV_BLOCK, outline.longest)),
                column_names=outline.names,
                skip_rows=1 if outline.headed else 0,
            ),
            parse_options=tables.ParseOptions(delimiter=outline.separator, newlines_in_values=True),
            convert_options=tables.ConvertOptions(
                column_types={name: pa.type_for_alias(type_) for name, type_ in columns.items()},
                include_columns=list(columns),
                strings_can_be_null=False,
            ),
        )
        for batch in reader:
            yield [batch.column(name) for name in columns]


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _listed(text: str) -> list[float] | None:
    """The numbers of a cell such as `[0.1, 0.2]` or `0.1 0.2`; None for anything else."""
    try:
        return [float(word) for word in text.strip().strip("[]()").replace(",", " ").split()]
    except ValueError:
        return None
