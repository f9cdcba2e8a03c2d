"""The photo that a row of anybody's collection is about, where one of its fields names a file that pages may open.

Invariant: only files in the folders that the settings allow are opened; an http address is never fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from lib.errors import QueryError
from lib.settings import Settings
from lib.store import pool

_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"})


def file_of(settings: Settings, row: Mapping[str, Any]) -> Path | None:
    """The picture file that some text field of `row` names: a path, absolute or under an allowed folder, or a `file://`
    address; None when there is none."""
    for value in row.values():
        if not isinstance(value, str) or len(value) > 4096:
            continue
        path = unquote(urlsplit(value).path) if value.startswith("file://") else value
        if Path(path).suffix.lower() not in _SUFFIXES or "://" in path:
            continue
        places = [Path(path)] if Path(path).is_absolute() else [root / path for root in pool.folders(settings)]
        for place in places:
            with suppress(QueryError, OSError, ValueError):
                found = pool.confined(settings, str(place))
                if found.is_file():
                    return found
    return None
