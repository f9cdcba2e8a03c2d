"""Values as JSON that every parser takes: null where there is no number.

Python itself writes NaN and Infinity as bare words, which JSON does not know and strict parsers refuse.
"""

from __future__ import annotations

import json
import math
from typing import Any


def text(value: Any, *, indent: int | None = None, sort_keys: bool = False, ascii: bool = True) -> str:
    """`value` as JSON; numbers that are not finite become null. Raises TypeError for what JSON cannot hold."""

    def dumped(what: Any) -> str:
        return json.dumps(what, indent=indent, sort_keys=sort_keys, ensure_ascii=ascii, allow_nan=False)

    try:
        return dumped(value)
    except ValueError:  # rare, so only then is the value walked through
        return dumped(finite(value))


def finite(value: Any) -> Any:
    """`value` with None for every number that is not finite, inside lists, tuples and objects, too."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_key(key): finite(each) for key, each in value.items()}
    return [finite(each) for each in value] if isinstance(value, (list, tuple)) else value


def _key(key: Any) -> Any:
    return str(key) if isinstance(key, float) and not math.isfinite(key) else key
