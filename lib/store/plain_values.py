"""Values of pymilvus and of engines as plain Python values, which JSON and pages can show."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections.abc import Mapping
from typing import Any


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _number(value: Any) -> Any:
    """`"16"` → 16, `"0.2"` → 0.2, `"true"` → True, anything else as it is."""
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


def plain(value: Any) -> Any:
    """Anything a client returns, as JSON types."""
    found: Any = str(value)
    if isinstance(value, enum.Enum):
        found = value.name
    elif value is None or isinstance(value, (bool, int, float, str)):
        found = value
    elif isinstance(value, Mapping):
        found = {str(key): plain(item) for key, item in value.items()}
    elif hasattr(value, "__len__") and hasattr(value, "__iter__"):
        found = [plain(item) for item in value]
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = plain(dataclasses.asdict(value))
    elif getattr(value, "__dict__", None):
        found = {key.lstrip("_"): plain(item) for key, item in vars(value).items()}
    return found
