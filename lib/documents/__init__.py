"""Values as JSON that every parser accepts: a number that is not finite becomes null.

Python writes NaN and Infinity as bare words, which are not JSON and which strict parsers refuse.
"""

from __future__ import annotations

import json
import math
from typing import Any


def json_text(value: Any, *, indent: int | None = None, sort_keys: bool = False, ascii: bool = True) -> str:
    """`value` as JSON text; numbers that are not finite become null. Raises TypeError for any other type."""

    def dump(document: Any) -> str:
        return json.dumps(document, indent=indent, sort_keys=sort_keys, ensure_ascii=ascii, allow_nan=False)

    try:
        return dump(value)
    except ValueError:  # rare, so the value is copied only in this case
        return dump(finite(value))


def finite(value: Any) -> Any:
    """A copy of `value` with None for every number that is not finite, at any depth of lists, tuples and objects."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_key(key): finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def _key(key: Any) -> Any:
    return str(key) if isinstance(key, float) and not math.isfinite(key) else key
