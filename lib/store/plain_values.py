"""Values and vectors of pymilvus as plain Python values, which JSON and pages can show.

pymilvus gives float vectors as lists and all narrower kinds as bytes, which `query` wraps in a list of one. Shapes:
pymilvus.client.field_data_extractors; test_vector_kinds.py pins them.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from lib.errors import QueryError

DEEPEST: Final = 32
CUT: Final = f"… (cut: more than {DEEPEST} levels deep)"

# For each narrow kind, its bytes as numbers: float32, or 0 and 1 for binary vectors.
_DECODERS: Final[Mapping[str, Callable[[bytes], np.ndarray]]] = {
    "FLOAT16_VECTOR": lambda raw: np.frombuffer(raw, "<f2").astype(np.float32),
    # bfloat16 is the upper half of a float32.
    "BFLOAT16_VECTOR": lambda raw: (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4"),
    "INT8_VECTOR": lambda raw: np.frombuffer(raw, np.int8).astype(np.float32),
    # The writer chose the order of the bits in a byte; Milvus' documentation puts the first one lowest.
    "BINARY_VECTOR": lambda raw: np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little").astype(np.float32),
}


def parse_json(value: Any) -> Any:
    """A text of JSON as its value; anything else unchanged."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


def parse_number(value: Any) -> Any:
    """`"16"` → 16, `"0.2"` → 0.2, `"true"` → True; anything else unchanged."""
    if not isinstance(value, str):
        return value
    if value.lower() in {"true", "false"}:
        return value.lower() == "true"
    for kind in (int, float):
        try:
            number = kind(value)
        except ValueError:
            continue
        return number if math.isfinite(number) else value
    return value


def plain(value: Any, levels: int = DEEPEST) -> Any:
    """Any value that a client returns, as JSON types. Lists and objects inside more than `levels` others become `CUT`:
    Milvus stores JSON of any depth, and neither Python's JSON nor a browser's table can hold it."""
    if isinstance(value, enum.Enum):
        return value.name
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    is_list = not isinstance(value, Mapping) and hasattr(value, "__len__") and hasattr(value, "__iter__")
    if not is_list and not isinstance(value, Mapping) and getattr(value, "__dict__", None):
        value = {key.lstrip("_"): item for key, item in vars(value).items()}
    if not is_list and not isinstance(value, Mapping):
        return str(value)
    if levels == 0:
        return CUT if value else plain(value)
    if is_list:
        return [plain(item, levels - 1) for item in value]
    return {str(key): plain(item, levels - 1) for key, item in value.items()}


def decode_vector(field_type: str, value: Any) -> Any:
    """A stored vector of this type as a list of numbers; float and sparse vectors, and None, unchanged."""
    if field_type not in _DECODERS:
        return value
    raw = value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], bytes) else value
    if not isinstance(raw, bytes):
        return raw
    numbers: list[float] = _DECODERS[field_type](raw).tolist()
    return numbers if field_type in {"FLOAT16_VECTOR", "BFLOAT16_VECTOR"} else [int(number) for number in numbers]


def encode_query(field_type: str, vector: np.ndarray) -> Any:
    """A query vector (d,) in the form that pymilvus needs for a field of this type. Raises QueryError for numbers that
    such a field cannot hold."""
    x = np.ascontiguousarray(vector, dtype=np.float32)
    if field_type == "FLOAT16_VECTOR":
        if np.abs(x).max(initial=0) > np.finfo(np.float16).max:
            raise QueryError("FLOAT16 holds numbers up to 65504: use smaller ones.")
        return x.astype("<f2").tobytes()
    if field_type == "BFLOAT16_VECTOR":  # to the nearest, ties to even
        bits = x.view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()
    if field_type == "INT8_VECTOR":
        if (x != np.rint(x)).any() or (x < -128).any() or (x > 127).any():
            raise QueryError("INT8 holds whole numbers from -128 to 127: use only these.")
        return x.astype(np.int8).tobytes()
    if field_type == "BINARY_VECTOR":
        if not np.isin(x, (0, 1)).all():
            raise QueryError("A binary vector holds only 0 and 1: use only these.")
        return np.packbits(x.astype(np.uint8), bitorder="little").tobytes()
    return x
