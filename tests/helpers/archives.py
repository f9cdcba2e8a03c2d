"""Archives of photos built in memory, and the contents of folders."""

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


def entry(name: str, data: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A member for `tar`; `fields` override those of its header."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def tar(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar file, which tarfile itself would refuse to write if the sizes of entries are wrong."""
    blocks = [info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512) for info, data in entries]
    return b"".join(blocks) + bytes(1024)


def tgz(files: dict[str, bytes]) -> bytes:
    """A compressed tar file of the contents of `files`, by name."""
    return gzip.compress(tar(*(entry(name, data) for name, data in files.items())), compresslevel=1)


def tree(folder: Path) -> dict[str, bytes]:
    """The contents of all files below `folder`, by relative path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(folder: Path) -> set[str]:
    """The names in `folder` but those of lock files."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}
