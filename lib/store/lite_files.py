"""The size of a collection's files in a Milvus Lite store, as they lie on this machine's disk."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from lib.store.addresses import split_lite_database


def disk_bytes(uri: str, collection: str) -> int | None:
    """The bytes of a collection's files; None for a server's, or where they are not found.

    Links are not followed. A file that the engine removes meanwhile counts nothing.
    """
    if "://" in uri or uri.startswith("unix:"):
        return None
    path, database = split_lite_database(uri)
    root = Path(path) / "databases" / database / "collections" if database else Path(path) / "collections"
    folder = root / collection
    # Names come from a store that anybody may have made.
    if folder.parent != root or collection in {"", ".", ".."} or folder.is_symlink() or not folder.is_dir():
        return None
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += (Path(place) / name).lstat().st_size
    return total
