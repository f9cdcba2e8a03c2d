"""Tables from outside (CSV, TSV, Parquet, JSON lines) as columns of text, whatever separator and encoding they have."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.errors import DataError

SUFFIXES = frozenset({".csv", ".tsv", ".txt", ".parquet", ".jsonl", ".ndjson"})
MAX_BYTES = 500_000_000
_SEPARATORS = ",;\t|"
_SAMPLE = 50  # lines that decide on the separator
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
class Table:
    """A table of text: `columns` by name, all of one length. `has_header` is false where the first line may be data."""

    columns: dict[str, list[str]]
    has_header: bool = True

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values()), []))

    def without_header(self) -> Table:
        """The same table with its header as the first row, and columns called 1, 2, 3 …"""
        return Table({str(place): [name, *cells] for place, (name, cells) in enumerate(self.columns.items(), start=1)})


_PROVENANCE = "# {"  # how the line begins that a page writes above a table that it saves


def read(file: Path) -> Table:
    """The table in `file`; empty cells are "". Raises DataError, a predicate of a sentence, when it is none."""
    try:
        if not file.is_file():
            raise DataError("is not a file")
        if file.stat().st_size > MAX_BYTES:
            raise DataError(f"has more than {MAX_BYTES / 1e6:,.0f} MB")
        if file.suffix.lower() == ".parquet":
            return _parquet(file)
        text = decoded(file.read_bytes()).replace("\0", "")
        return _json_lines(text) if file.suffix.lower() in {".jsonl", ".ndjson"} else _separated(text)
    except OSError as error:
        raise DataError(f"cannot be opened: {error.strerror or error}") from error
    except (csv.Error, ValueError, RecursionError) as error:
        raise DataError(f"is not a table: {' '.join(str(error).split())[:120]}") from error


def decoded(data: bytes) -> str:
    """A text file as people save it: UTF-8, UTF-16 or UTF-32 with a mark, else Windows' Western code page."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return data.decode(encoding)
    start = data[:400]
    # UTF-16 without a mark: one byte of each ASCII letter is zero. A single zero byte is damage, and is left out later.
    if start.count(b"\0") * 8 > len(start):
        return data.decode("utf-16-be" if data[:1] == b"\0" else "utf-16-le")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _separated(text: str) -> Table:
    if text.startswith(_PROVENANCE):
        text = text.partition("\n")[2]
    separator = _separator(text)
    if separator:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True))
    else:
        lines = [line.split() for line in text.splitlines() if line.strip()]
        even = len({len(line) for line in lines}) == 1 and len(lines[0]) > 2
        if not even or len({line[0] for line in lines}) < len(lines):
            # A path, which may have spaces, then a word: `rose/a b.jpg 3`.
            lines = [line.rsplit(maxsplit=1) for line in text.splitlines()]
        rows = lines
    rows = [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]
    if not rows or len(rows[0]) < 2:
        raise DataError("is not a table of two or more columns")
    width = len(rows[0])
    if any(len(row) > width and any(row[width:]) for row in rows):
        raise DataError("has rows that are longer than its header")
    names = _unique(rows[0])
    cells = [row[:width] + [""] * (width - len(row)) for row in rows[1:]]
    return Table({name: [row[place] for row in cells] for place, name in enumerate(names)}, has_header=False)


def _separator(text: str) -> str:
    """The separator by which most lines have the same number of columns; "" where none makes two columns."""
    lines = [line for line in text[:200_000].splitlines() if line.strip()][:_SAMPLE]
    best, found = (0, 0), ""
    for separator in _SEPARATORS:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator)]
        if not widths or widths[0] < 2:
            continue
        score = (sum(width == widths[0] for width in widths), widths[0])
        if score > best:
            best, found = score, separator
    return found


def _unique(names: list[str]) -> list[str]:
    found: list[str] = []
    for place, name in enumerate(names, start=1):
        known = name and name not in found
        found.append(name if known else f"{name or 'column'} {place}")
    return found


def _json_lines(text: str) -> Table:
    rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError("is not a table: its lines are not JSON objects")
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    return Table({name: [_text(row.get(name)) for row in rows] for name in names})


def _parquet(file: Path) -> Table:
    import pyarrow.parquet
    from pyarrow import types

    try:
        schema = pyarrow.parquet.read_schema(file)
        # Some tables hold the pictures themselves; their bytes are not read.
        plain = [each.name for each in schema if not (types.is_nested(each.type) or types.is_binary(each.type))]
        table = pyarrow.parquet.read_table(file, columns=plain)
    except Exception as error:  # Arrow raises almost any error on damaged files
        raise DataError(f"is not a Parquet table: {' '.join(str(error).split())[:120]}") from error
    return Table(
        {
            str(name): [_text(value) for value in column.to_pylist()]
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
    )


def _text(value: Any) -> str:
    """A cell as text: 3.0 is 3, and a missing value is empty."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    # JSON may hold half of a character, which no file could be written with.
    return str(value).strip().encode("utf-8", "replace").decode()
