"""The user's factor table, `factors.csv`: known properties of each photo, joined to the catalog by its id.

Invariant: whatever the table is like, the catalog is made. `Factors.note` says how many ids matched, or why the table
was not used.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from lib import text
from lib.data.layouts import label_table
from lib.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

PREFIX: Final = "factor_"
MAX_BYTES: Final = 50_000_000
MAX_COLUMNS: Final = 200
# Names of the column of ids, in the order of preference. A column of another name counts if its values are ids.
ID_COLUMNS: Final = (
    "id",
    "image_id",
    "image",
    "img",
    "photo",
    "file",
    "filename",
    "file_name",
    "filepath",
    "path",
    "name",
)
# Signs of a missing value in a column of numbers. In a column of words they are words.
_MISSING: Final = frozenset({"", "na", "n/a", "nan", "null", "none"})
# A leading zero makes a code (001), not a number.
_NUMBER: Final = re.compile(r"[+-]?(?:0|[1-9]\d*)?(?:\.\d+|(?<=\d)\.?)(?:[eE][+-]?\d+)?")
_WITH_COMMA: Final = re.compile(r"[+-]?(?:0|[1-9]\d*)(?:,\d+)?")
_THOUSANDS: Final = re.compile(r"[+-]?\d{1,3},\d{3}")


@dataclass(frozen=True)
class Factors:
    """A catalog's rows with their `factor_…` columns, and a clause about the table, "" where there is none."""

    frame: pd.DataFrame
    note: str


def join(frame: pd.DataFrame, file: Path) -> Factors:
    """`frame` with the columns of the table `file`.

    Ids match in any spelling of a path: with `/` or `\\`, with composed or separate accents, below another folder, or
    as a bare file name where that is unique. The first row of an id counts. Raises nothing: an unusable table adds no
    column.
    """
    try:
        if not file.is_file() or not file.resolve().is_relative_to(file.parent.resolve()):
            return Factors(frame, "")
        if file.stat().st_size > MAX_BYTES:
            return Factors(frame, f"{file.name} is not used: it has more than {MAX_BYTES / 1e6:,.0f} MB")
        columns = label_table.read(file).columns
    except (OSError, RuntimeError) as error:
        return Factors(frame, f"{file.name} is not used: {text.one_line(str(error))}")
    except DataError as error:
        return Factors(frame, f"{file.name} is not used: it {error}")
    find = matcher(list(frame["id"]))
    name, places = _id_column(columns, find)
    if name is None:
        names = ", ".join(text.shown_name(column) for column in list(columns)[:5])
        return Factors(frame, f"{file.name} is not used: it has no column of ids (its columns: {names})")
    values = {column: cells for column, cells in columns.items() if column != name}
    return _joined(frame, file.name, columns[name], places, values)


def _id_column(columns: dict[str, list[str]], find: Callable[[str], int | None]) -> tuple[str | None, list[int | None]]:
    """The column whose values are ids, and the catalog's row of each; of equal ones the first by name."""
    named = {column.strip().casefold(): column for column in reversed(columns)}
    preferred = [named[name] for name in ID_COLUMNS if name in named]
    best: tuple[str | None, list[int | None]] = (preferred[0] if preferred else None, [])
    most = 0
    for column in dict.fromkeys([*preferred, *list(columns)[:MAX_COLUMNS]]):
        places = [find(cell) for cell in columns[column]]
        matched = sum(place is not None for place in places)
        if matched > most or column == best[0]:
            best, most = (column, places), matched
    return best


def _joined(
    frame: pd.DataFrame, name: str, ids: list[str], places: list[int | None], values: dict[str, list[str]]
) -> Factors:
    import pandas as pd

    rows: dict[int, int] = {}  # the table's row of each of the catalog's
    for row, place in enumerate(places):
        if place is not None:
            rows.setdefault(place, row)
    matched = sum(place is not None for place in places)
    notes = [f"{name}: {matched:,} of {text.agreeing(len(ids), 'id', 'matches', 'match')}"]
    if matched < len(ids):
        first = next(id_ for id_, place in zip(ids, places, strict=True) if place is None)
        notes.append(f"there is no photo {text.shown_name(first)!r}")
    if matched > len(rows):
        notes.append(f"{text.counted(matched - len(rows), 'row')} for a photo that has one already")
    if len(values) > MAX_COLUMNS:
        notes.append(f"only the first {MAX_COLUMNS} of {len(values):,} columns are used")
    added = {}
    for column, cells in list(values.items())[:MAX_COLUMNS] if rows else []:
        typed = typed_column(cells[rows[place]] if place in rows else "" for place in range(len(frame)))
        if typed is not None:
            added[f"{PREFIX}{column}"] = typed
    # Joined at once: pandas warns about many columns that are added one by one.
    joined = frame.join(pd.DataFrame(added, index=frame.index)) if added else frame
    return Factors(joined, "; ".join(notes))


# --- Ids -------------------------------------------------------------------------------------------------------------


def matcher(ids: Sequence[str]) -> Callable[[str], int | None]:
    """A function that finds the row of an id in any spelling; None for an unknown or an ambiguous one."""
    exact = {image_id: row for row, image_id in enumerate(ids)}
    spelled = [_Index(ids, form) for form in (_plain, _folded)]

    def find(cell: str) -> int | None:
        row = exact.get(cell)
        return (
            row if row is not None else next((row for index in spelled if (row := index.find(cell)) is not None), None)
        )

    return find


def _plain(path: str) -> str:
    """A path with `/`, composed accents, and nothing in front."""
    parts = unicodedata.normalize("NFC", path.strip()).replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in {"", "."})


def _folded(path: str) -> str:
    return _plain(path).casefold()


class _Index:
    """Rows by the paths of ids, by their last parts, and by file names without their endings."""

    def __init__(self, ids: Sequence[str], form: Callable[[str], str]) -> None:
        self._form = form
        self._whole: dict[str, int | None] = {}
        self._ends: dict[str, int | None] = {}
        self._stems: dict[str, int | None] = {}
        for row, image_id in enumerate(ids):
            path = form(image_id)
            self._add(self._whole, path, row)
            parts = path.split("/")
            for start in range(1, len(parts)):
                self._add(self._ends, "/".join(parts[start:]), row)
            self._add(self._stems, parts[-1].rpartition(".")[0] or parts[-1], row)

    @staticmethod
    def _add(rows: dict[str, int | None], name: str, row: int) -> None:
        rows[name] = None if name in rows else row  # None: several photos have this name

    def find(self, cell: str) -> int | None:
        path = self._form(cell)
        if path in self._whole:
            return self._whole[path]
        if path in self._ends:
            return self._ends[path]
        parts = path.split("/")
        if len(parts) == 1:
            return self._stems.get(path)
        # The path as it is on another machine: C:/data/flowers/rose/a.jpg.
        ends = ("/".join(parts[start:]) for start in range(1, len(parts) - 1))
        return next((self._whole[end] for end in ends if end in self._whole), None)


# --- Values ----------------------------------------------------------------------------------------------------------


def typed_column(cells: Iterable[str]) -> np.ndarray | pd.Series | None:
    """Cells as numbers where all of them are, else as text; None where all are empty.

    Numbers have a decimal point, or a decimal comma in all of the column. A column in which every comma is followed by
    exactly three digits may mean thousands and stays text, as do codes with leading zeros.
    """
    import pandas as pd

    column = [cell.strip() for cell in cells]
    present = [cell for cell in column if cell.casefold() not in _MISSING]
    if not any(column):
        return None
    if present and all(map(_NUMBER.fullmatch, present)):
        numbers = _numbers(column)
    elif (
        present
        and all(map(_WITH_COMMA.fullmatch, present))
        and not all(_THOUSANDS.fullmatch(cell) for cell in present if "," in cell)
    ):
        numbers = _numbers([cell.replace(",", ".") for cell in column])
    else:
        numbers = None
    return numbers if numbers is not None else pd.Series([cell or None for cell in column], dtype="str")


def _numbers(cells: list[str]) -> np.ndarray | None:
    """Whole numbers as int64 where all are, else float64 with NaN for missing values; None where one is too large."""
    missing = [cell.casefold() in _MISSING for cell in cells]
    if not any(missing) and all(re.fullmatch(r"[+-]?\d{1,18}", cell) for cell in cells):
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    values = [math.nan if absent else float(cell) for cell, absent in zip(cells, missing, strict=True)]
    return None if any(map(math.isinf, values)) else np.array(values, dtype=np.float64)
