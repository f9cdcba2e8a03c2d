"""Archives of photos made in memory, and what stands in a folder."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path
from typing import Any

PHOTOS = {
    "flower_photos/LICENSE.txt": b"by",
    "flower_photos/roses/1.jpg": b"r" * 5000,
    "flower_photos/tulips/2.jpg": b"t",
}


def entry(name: str, data: bytes = b"", **changes: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in changes.items():
        setattr(info, key, value)
    return info, data


def tar(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar that tarfile itself would not write: the entries' sizes may lie."""
    blocks = [info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512) for info, data in entries]
    return b"".join(blocks) + bytes(1024)


def tgz(files: dict[str, bytes]) -> bytes:
    return gzip.compress(tar(*(entry(name, data) for name, data in files.items())), compresslevel=1)


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}
