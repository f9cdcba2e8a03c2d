"""Results on disk: written to a temporary name and renamed, so that a reader sees the old one or the new one.

Layout under the artifacts folder: `data/` (downloaded or drawn photos), `sets/<data set>/` (catalog, spaces, maps and
the state file that names the current ones), `thumbnails/`, `petalscope.db` (Milvus Lite).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib.errors import ArtifactError

# A leftover of a killed process; never read, swept by the next `prepare`.
TEMPORARY = ".tmp-"


def key(name: str, root: Path) -> str:
    """The folder name of a data set: readable, and different for every root."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "data"
    return f"{slug}-{digest(str(root.resolve()))[:8]}"


def digest(*parts: object) -> str:
    """SHA-256 (hex) of the parts as canonical JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, to be filled as a file or a folder; renamed to `path` when the block ends well.

    Raises ArtifactError when the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary)
        if temporary.is_dir() and path.exists():
            remove(path)
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path.parent, error) from error
    finally:
        remove(temporary)


def unwritable(folder: Path, error: OSError) -> ArtifactError:
    """The sentence for an OSError met while writing under `folder`."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ArtifactError(f"The disk that holds {folder} is full; free some space, then run the command again.")
    return ArtifactError(
        f"Cannot write to {folder} ({error.strerror or error}); name another folder with --artifacts "
        "or PETALSCOPE_ARTIFACTS."
    )


def _flush(path: Path) -> None:
    """Bytes reach the disk before the rename does, else a power cut can leave an empty file under the final name."""
    for file in [path] if path.is_file() else [child for child in path.rglob("*") if child.is_file()]:
        # Read-write, since Windows refuses to flush a file that is open for reading only.
        with file.open("rb+") as handle:
            os.fsync(handle.fileno())


def write_json(path: Path, value: Any) -> None:
    """`value` as JSON at `path`, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object at `path`, or None when there is none.

    Raises ArtifactError when the file is damaged or cannot be read.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise damaged(path) from error
    if not isinstance(value, dict):
        raise damaged(path)
    return value


def damaged(path: Path) -> ArtifactError:
    """The sentence for an artifact that cannot be read back."""
    return ArtifactError(f"{path} cannot be read; delete it and run `python -m lib prepare`.")


def remove(path: Path) -> None:
    """Delete a file or a folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def sweep(folder: Path, keep: set[str]) -> None:
    """Delete what a killed process left in `folder`, and everything there that is not named in `keep`."""
    if folder.is_dir():
        for child in folder.iterdir():
            if child.name.startswith(TEMPORARY) or child.name not in keep:
                remove(child)


def to_json(value: Any) -> str:
    """`value` as one line of JSON."""
    return json.dumps(value, sort_keys=True)


def from_json(text: str) -> Any:
    """The value in `text`. Raises ValueError when it is not JSON."""
    return json.loads(text)
