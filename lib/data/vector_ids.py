"""Which vector of a file belongs to which photo: ids of files, and how they match the catalog.

Invariant: one way of matching holds for a whole file, so that no id means a path here and a hash there.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from lib import limits
from lib.data import vector_files
from lib.data.catalog import Catalog
from lib.data.vector_tables import ID_COLUMNS, unusable
from lib.errors import QueryError
from lib.text import counted, listed

# The ways of matching in their order: of two that match as many photos, the first one holds.
WAYS: Final = {
    "order": "by order",
    "path": "by path",
    "name": "by base name",
    "stem": "by base name without its ending",
    "pixels": "by the hash of the pixels",
    "file": "by the hash of the file",
}
_HASH: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Match:
    """The row of the file for each photo of the catalog, `rows` (n,), -1 where there is none; `how` is one of `WAYS`.
    `extra` are the rows that no photo has, ascending."""

    rows: np.ndarray
    extra: np.ndarray
    how: str


def read_ids(path: Path) -> list[str]:
    """The ids in a file of their own: NPY, a JSON list, a CSV with a column of ids, or text with an id on each line.

    Raises QueryError when it cannot be read.
    """
    try:
        if path.stat().st_size > limits.IDS_BYTES:
            raise unusable(path, "is too large for a file of ids")
        if path.suffix.lower() == ".npy":
            values = np.load(path, mmap_mode="r", allow_pickle=False)
            if values.ndim != 1 or values.dtype.kind not in "USiu":
                raise unusable(path, "is no list of ids")
            return vector_files.as_keys(values)
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".json":
            found = json.loads(text)
            if not isinstance(found, list):
                raise unusable(path, "is no JSON list of ids")
            return list(map(str, found))
        lines = text.splitlines()
        if path.suffix.lower() in {".csv", ".tsv"} and lines:
            table = list(csv.reader(lines, delimiter="\t" if "\t" in lines[0] else ","))
            head = [cell.strip().casefold() for cell in table[0]]
            column = next((head.index(name) for name in ID_COLUMNS if name in head), None)
            return [row[column or 0] for row in (table if column is None else table[1:]) if row]
        return [line.strip() for line in lines if line.strip()]
    except (OSError, ValueError, EOFError, IndexError, csv.Error, RecursionError) as error:
        raise unusable(path, f"cannot be read as ids ({str(error)[:200]})") from error


def match(keys: Sequence[str] | None, rows: int, catalog: Catalog, source: str) -> Match:
    """Which of the `rows` vectors belongs to which photo; without `keys` they are in the catalog's order.

    Raises QueryError, which names the file `source`, when the numbers differ or two rows are for one photo.
    """
    photos = len(catalog.ids)
    if keys is None:
        if rows != photos:
            raise QueryError(
                f"{source} has no ids, so its vectors are matched by order; but it has {counted(rows, 'vector')} and "
                f"there are {counted(photos, 'photo')}."
            )
        return Match(np.arange(photos), np.empty(0, dtype=np.int64), "order")
    if len(keys) != rows:
        raise QueryError(f"{source} has {counted(rows, 'vector')} and {counted(len(keys), 'id')}.")
    best = Match(np.full(photos, -1), np.arange(rows), "path")
    is_hash = any(_HASH.fullmatch(key.strip().lower()) for key in keys[:100])
    for how in ("path", "pixels", "file", "name", "stem") if is_hash else ("path", "name", "stem"):
        found = by(how, keys, catalog)
        if np.count_nonzero(found >= 0) > np.count_nonzero(best.rows >= 0):
            best = Match(found, _unused(found, rows), how)
        if (best.rows >= 0).all():
            break
    _check_repeated(keys, catalog, best, source)
    return best


def by(how: str, keys: Sequence[str], catalog: Catalog) -> np.ndarray:
    """The row of `keys` for each photo (n,), -1 where there is none; of equal keys the first."""
    found = np.full(len(catalog.ids), -1)
    if how == "path":
        for row, key in reversed(list(enumerate(keys))):
            place = _row_of_path(key, catalog)
            if place is not None:
                found[place] = row
        return found
    first: dict[str, int] = {}
    clean = _cleaner(how)
    for row, key in enumerate(keys):
        first.setdefault(clean(key), row)
    first.pop("", None)
    names = catalog.hashes if how == "pixels" else list(map(clean, catalog.ids))
    if how == "file":
        names = [_file_hash(catalog.path(image_id)) for image_id in catalog.ids]
    unique: dict[str, int] = {}
    for name in names:
        unique[name] = unique.get(name, 0) + 1
    for place, name in enumerate(names):
        # A base name that several photos have says nothing; equal pixels have equal vectors.
        if how in {"pixels", "file"} or unique[name] == 1:
            found[place] = first.get(name, -1)
    return found


def _cleaner(how: str) -> Callable[[str], str]:
    if how in {"pixels", "file"}:
        return lambda key: key.strip().lower()
    if how == "name":
        return lambda key: _posix(key).name
    return lambda key: _posix(key).stem


def _posix(key: str) -> PurePosixPath:
    return PurePosixPath(key.strip().replace("\\", "/"))


def _row_of_path(key: str, catalog: Catalog) -> int | None:
    """The photo that a path names: its id, or a path that ends in an id, such as an absolute one."""
    row = catalog.row(key)
    if row is not None:
        return row
    parts = [part for part in _posix(key).parts if part not in {"/", "."}]
    # The id of a photo in a class folder has two parts: its bare name would be another way of matching.
    for start in range(min(len(parts), 64)):
        row = catalog.row("/".join(parts[start:]))
        if row is not None:
            return row
    return None


def _shown_row(row: int | None) -> str:
    return "" if row is None else str(row)


def _file_hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _unused(found: np.ndarray, rows: int) -> np.ndarray:
    unused = np.ones(rows, dtype=bool)
    unused[found[found >= 0]] = False
    return np.nonzero(unused)[0]


def _check_repeated(keys: Sequence[str], catalog: Catalog, best: Match, source: str) -> None:
    """Raises QueryError where two rows of a file name one photo."""
    clean = _cleaner(best.how) if best.how != "path" else lambda key: _shown_row(_row_of_path(key, catalog))
    used = {clean(keys[row]) for row in set(best.rows[best.rows >= 0].tolist())} - {""}
    repeated = [keys[row] for row in best.extra.tolist() if clean(keys[row]) in used]
    if repeated:
        names = listed(dict.fromkeys(repeated), 3)
        raise QueryError(f"{source} has more than one vector for the same photo: {names}; keep one of them.")


def best(keys: Sequence[str], catalog: Catalog) -> np.ndarray:
    """The row of `keys` for each photo (n,) by the way that matches the most photos; -1 where there is none."""
    found = [by(how, keys, catalog) for how in ("path", "pixels", "name", "stem")]
    return max(found, key=lambda rows: int(np.count_nonzero(rows >= 0)))
