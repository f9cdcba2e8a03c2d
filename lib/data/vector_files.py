"""Files of vectors from other programs: NPY, NPZ, safetensors, Parquet and CSV, read a block of rows at a time.

Invariants: nothing is unpickled; what a file declares is checked against `limits` before it is read; a damaged or odd
file gives one sentence.
"""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from lib import limits
from lib.data import vector_tables
from lib.data.vector_tables import (
    ID_COLUMNS,
    VECTOR_COLUMNS,
    VectorFile,
    check_size,
    named_column,
    rows_of_block,
    unusable,
)
from lib.errors import QueryError, Remedy
from lib.text import listed, shown_name

ENDINGS: Final = ("npy", "npz", "parquet", "csv", "tsv", "safetensors")
_NUMBERS: Final = "fiub"  # dtype kinds


def open_file(path: Path, *, vectors: str = "", ids: str = "") -> VectorFile:
    """The vectors of a file, by its ending. `vectors` and `ids` name their columns or arrays, "" for the usual names.

    Raises QueryError when the file is missing, too large, damaged, or of another kind.
    """
    ending = path.suffix.lower().lstrip(".")
    readers = {
        "npy": _npy, "npz": _npz, "safetensors": _safetensors, "parquet": vector_tables.parquet,
        "csv": vector_tables.text_table, "tsv": vector_tables.text_table,
    }  # fmt: skip
    try:
        if not path.is_file():
            raise QueryError(f"{shown_name(str(path))} is not a file; name a file of vectors.")
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise QueryError(f"{shown_name(str(path))} cannot be opened; name a file of vectors.") from error
    if ending not in readers:
        raise unusable(path, f"is no file of vectors; those end in {', '.join(f'.{each}' for each in ENDINGS)}")
    if size > limits.VECTOR_FILE_BYTES:
        raise unusable(path, f"has {size / 1e9:.0f} GB; at most {limits.VECTOR_FILE_BYTES / 1e9:.0f} GB are read")
    try:
        return readers[ending](path, vectors, ids)
    except (OSError, ValueError, EOFError, KeyError, struct.error, zipfile.BadZipFile, zlib.error) as error:
        raise unusable(path, f"cannot be read ({str(error)[:200] or type(error).__name__})") from error


def query_vector(path: Path) -> np.ndarray:
    """The one vector (dim,) in a file, float32. Raises QueryError when it has several, or numbers without value."""
    found = open_file(path)
    if found.rows != 1:
        raise unusable(path, f"has {found.rows:,} vectors; a query is one")
    with np.errstate(over="ignore"):
        values = next(found.blocks())[0].astype(np.float32)
    if not np.isfinite(values).all():
        raise unusable(path, "has NaN or infinite numbers, which no vector can be compared with")
    return np.asarray(values)


def _table(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, int]:
    """Rows and dimensions of an array. Raises QueryError when it is no table of numbers."""
    if dtype.kind not in _NUMBERS:
        raise unusable(path, f"holds {dtype.name or 'records'}, not numbers")
    if len(shape) == 1 and path.suffix.lower() == ".npy":  # one vector
        shape = (1, *shape)
    if len(shape) != 2:
        raise unusable(path, f"has an array of the shape {shape}; vectors are a table, a row for each photo")
    check_size(path, shape[0], shape[1])
    return shape[0], shape[1]


# --- NPY -------------------------------------------------------------------------------------------------------------


def _npy(path: Path, vectors: str, ids: str) -> VectorFile:
    if ids:
        raise unusable(path, "has no columns, so none of ids", Remedy.NAME_IDS)
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    rows, dim = _table(path, values.shape, values.dtype)
    values = values.reshape(rows, dim) if values.ndim == 1 else values

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, rows, rows_of_block(dim)):
            yield np.asarray(values[start : start + rows_of_block(dim)])

    return VectorFile(rows, dim, values.dtype.name, None, "", blocks)


# --- NPZ -------------------------------------------------------------------------------------------------------------


def _npz(path: Path, vectors: str, ids: str) -> VectorFile:
    with zipfile.ZipFile(path) as archive:
        members = {each.filename.removesuffix(".npy"): each for each in archive.infolist()}
        headers = {}
        for name, member in members.items():
            with archive.open(member) as file:
                headers[name] = _header(path, file)
        tables = [name for name, (shape, _, dtype) in headers.items() if len(shape) == 2 and dtype.kind in _NUMBERS]
        chosen = _chosen(path, list(headers), tables, vectors)
        shape, is_fortran, dtype = headers[chosen]
        rows, dim = _table(path, shape, dtype)
        if is_fortran and rows > 1 and dim > 1:
            raise unusable(path, f"holds {shown_name(chosen)} by columns; save it with np.ascontiguousarray")
        texts = [name for name, (shape, _, dtype) in headers.items() if len(shape) == 1 and dtype.kind in "USiu"]
        keyed = named_column(path, list(headers) if ids else texts, ids, ID_COLUMNS, Remedy.NAME_IDS)
        keys = None
        if keyed is not None:
            length, kind = headers[keyed][0], headers[keyed][2]
            if len(length) != 1 or kind.kind not in "USiu":
                raise unusable(path, f"has no list of texts in {shown_name(keyed)}")
            if length[0] * kind.itemsize > limits.IDS_BYTES:
                raise unusable(path, "has too many ids")
            with archive.open(members[keyed]) as file:
                keys = as_keys(np.lib.format.read_array(file, allow_pickle=False))

    def blocks() -> Iterator[np.ndarray]:
        step = rows_of_block(dim)
        with zipfile.ZipFile(path) as archive, archive.open(members[chosen]) as file:
            _header(path, file)
            for start in range(0, rows, step):
                count = min(step, rows - start) * dim
                data = file.read(count * dtype.itemsize)
                if len(data) < count * dtype.itemsize:
                    raise unusable(path, "ends too early")
                yield np.frombuffer(data, dtype=dtype).reshape(-1, dim)

    return VectorFile(rows, dim, dtype.name, keys, "" if keyed is None else f"the array {shown_name(keyed)}", blocks)


def _header(path: Path, file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type of the NPY array that `file` is at the start of."""
    version = np.lib.format.read_magic(file)
    if version not in {(1, 0), (2, 0)}:
        raise unusable(path, f"has an array of NPY's version {version[0]}, which is for records")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(file)
    return shape, is_fortran, dtype


def _chosen(path: Path, names: list[str], tables: list[str], vectors: str) -> str:
    """The array of vectors: the named one, the one with a usual name, or the only table."""
    named = named_column(path, names if vectors else tables, vectors, VECTOR_COLUMNS, Remedy.NAME_VECTORS)
    if named is None and len(tables) > 1:
        raise unusable(path, f"has several tables of numbers, {listed(tables, 8)}", Remedy.NAME_VECTORS)
    if named is None and not tables:
        raise unusable(path, "has no table of numbers, a row for each photo")
    return named or tables[0]


def as_keys(values: np.ndarray) -> list[str]:
    """An array (n,) of texts or whole numbers as ids."""
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values.tolist()]


# --- safetensors -----------------------------------------------------------------------------------------------------


def _safetensors(path: Path, vectors: str, ids: str) -> VectorFile:
    from safetensors import SafetensorError, safe_open

    types = {"F16": "float16", "F32": "float32", "F64": "float64", "I8": "int8", "U8": "uint8", "I16": "int16",
             "U16": "uint16", "I32": "int32", "U32": "uint32", "I64": "int64", "U64": "uint64"}  # fmt: skip
    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            shapes = {name: (tuple(each.get_shape()), each.get_dtype()) for name, each in slices.items()}
            notes = file.metadata() or {}
    except SafetensorError as error:
        raise unusable(path, f"cannot be read ({str(error)[:200]})") from error
    chosen = _chosen(path, list(shapes), [name for name, (shape, _) in shapes.items() if len(shape) == 2], vectors)
    shape, kind = shapes[chosen]
    if kind not in types:
        raise unusable(path, f"holds {kind} numbers; save them as F32")
    rows, dim = _table(path, shape, np.dtype(types[kind]))
    keyed = ids or next((name for name in ID_COLUMNS if name in notes), "")
    keys = None
    if keyed:
        keys = json.loads(notes[keyed]) if keyed in notes and len(notes[keyed]) <= limits.IDS_BYTES else None
        if not isinstance(keys, list):
            raise unusable(path, f"has no list of ids called {shown_name(keyed)} in its metadata", Remedy.NAME_IDS)
        keys = list(map(str, keys))

    def blocks() -> Iterator[np.ndarray]:
        with safe_open(path, framework="numpy") as file:
            part = file.get_slice(chosen)
            for start in range(0, rows, rows_of_block(dim)):
                yield part[start : min(rows, start + rows_of_block(dim))]

    return VectorFile(rows, dim, types[kind], keys, f"the metadata {shown_name(keyed)}" if keyed else "", blocks)
