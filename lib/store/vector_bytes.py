"""Vectors between the bytes in which Milvus keeps the narrow kinds and plain numbers.

pymilvus gives float vectors as lists and all narrower ones as bytes, which `query` wraps in a list of one: read as
numbers those would be the wrong ones. Shapes: pymilvus.client.field_data_extractors; test_vector_kinds.py holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from lib.errors import QueryError

# Each kind of bytes: how they become numbers, float32 or, of binary vectors, 0 and 1.
_READ: Final[Mapping[str, Callable[[bytes], np.ndarray]]] = {
    "FLOAT16_VECTOR": lambda raw: np.frombuffer(raw, "<f2").astype(np.float32),
    # bfloat16 is the upper half of a float32.
    "BFLOAT16_VECTOR": lambda raw: (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4"),
    "INT8_VECTOR": lambda raw: np.frombuffer(raw, np.int8).astype(np.float32),
    # Whoever wrote them chose the order of the bits in a byte; Milvus' documents put the first one lowest.
    "BINARY_VECTOR": lambda raw: np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little").astype(np.float32),
}


def numbers(kind: str, value: Any) -> Any:
    """A vector of this kind as pymilvus gave it, as a list of numbers; float and sparse ones, and None, unchanged."""
    if kind not in _READ:
        return value
    raw = value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], bytes) else value
    if not isinstance(raw, bytes):
        return raw
    found: list[float] = _READ[kind](raw).tolist()
    return found if kind in {"FLOAT16_VECTOR", "BFLOAT16_VECTOR"} else [int(each) for each in found]


def data(kind: str, vector: np.ndarray) -> Any:
    """The numbers of a query, (d,), as pymilvus wants them for a field of this kind. Raises QueryError for numbers that
    such a field cannot hold."""
    x = np.ascontiguousarray(vector, dtype=np.float32)
    if kind == "FLOAT16_VECTOR":
        if np.abs(x).max(initial=0) > np.finfo(np.float16).max:
            raise QueryError("FLOAT16 holds numbers up to 65504: use smaller ones.")
        return x.astype("<f2").tobytes()
    if kind == "BFLOAT16_VECTOR":  # to the nearest, ties to even
        bits = x.view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()
    if kind == "INT8_VECTOR":
        if (x != np.rint(x)).any() or (x < -128).any() or (x > 127).any():
            raise QueryError("INT8 holds whole numbers from -128 to 127: use such ones.")
        return x.astype(np.int8).tobytes()
    if kind == "BINARY_VECTOR":
        if not np.isin(x, (0, 1)).all():
            raise QueryError("A binary vector holds only 0 and 1: use such numbers.")
        return np.packbits(x.astype(np.uint8), bitorder="little").tobytes()
    return x
