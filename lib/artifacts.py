"""Results on disk: written to a temporary name and renamed, so that a reader sees the old one or the new one.

Layout under the artifacts folder: `data/` (downloaded or drawn photos), `sets/<data set>/` (catalog, spaces, maps and
the state file that names the current ones), `thumbnails/`, `petalscope.db` (Milvus Lite).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib import documents
from lib.errors import ArtifactError

# A leftover of a killed process; never read, swept by the next `prepare`.
TEMPORARY = ".tmp-"
# Free bytes under which a write that failed without saying why is taken for one that met a full disk.
ROOM = 1_000_000
LIBRARIES = (
    "torch",
    "torchvision",
    "numpy",
    "pillow",
    "umap-learn",
    "faiss-cpu",
    "pymilvus",
    "milvus-lite",
    "streamlit",
)


def key(name: str, root: Path) -> str:
    """The folder name of a data set: readable, and different for every root."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "data"
    # Not Path.resolve, which raises on links in a circle.
    return f"{slug}-{digest(os.path.realpath(root))[:8]}"


def digest(*parts: object) -> str:
    """SHA-256 (hex) of the parts as canonical JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()


@contextlib.contextmanager
def replacing(path: Path, *, lasting: bool = True) -> Iterator[Path]:
    """A temporary path beside `path`, to be filled as a file or a folder; renamed to `path` when the block ends well.

    When it does not, `path` stays what it was. With `lasting`, what was written survives a power cut from then on; a
    cache does without that and is faster. Raises ArtifactError when the disk is full or the folder cannot be written.
    """
    temporary = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if lasting:
            _flush(temporary)
        _put(temporary, path)
        if lasting:
            _flush_names(path.parent)
    except OSError as error:
        raise unwritable(path.parent, error) from error
    finally:
        remove(temporary)


def _beside(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY}{uuid.uuid4().hex[:8]}-{path.name}")


def _put(temporary: Path, path: Path) -> None:
    """Rename over `path`. One act for files; a folder in the way has to step aside first, for two renames' time."""
    if not (path.is_dir() or (temporary.is_dir() and os.path.lexists(path))):
        temporary.replace(path)
        return
    old = _beside(path)
    path.rename(old)
    try:
        temporary.rename(path)
    except OSError:
        old.rename(path)
        raise
    remove(old)


def unwritable(folder: Path, error: OSError) -> ArtifactError:
    """The sentence for an OSError met while writing under `folder`."""
    if _is_full(folder, error):
        return ArtifactError(f"The disk that holds {folder} is full; free some space, then run the command again.")
    return ArtifactError(
        f"Cannot write to {folder} ({error.strerror or error}); name another folder with --artifacts "
        "or PETALSCOPE_ARTIFACTS."
    )


def _is_full(folder: Path, error: OSError) -> bool:
    if error.errno is not None:
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    # NumPy says only how many of its bytes were written.
    try:
        return shutil.disk_usage(folder).free < ROOM
    except OSError:
        return False


def _flush(path: Path) -> None:
    """Bytes reach the disk before the rename does, else a power cut can leave an empty file under the final name."""
    for child in [path, *path.rglob("*")]:
        if child.is_file():
            # Read-write, since Windows refuses to flush a file that is open for reading only.
            with child.open("rb+") as handle:
                os.fsync(handle.fileno())
        else:
            _flush_names(child)


def _flush_names(folder: Path) -> None:
    """The names in `folder` reach the disk, where the system can do that: Windows cannot open a folder."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """`value` as JSON at `path`, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(documents.text(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object at `path`, or None when there is none.

    Raises ArtifactError when the file is damaged or cannot be read.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
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
    with contextlib.suppress(OSError):
        for child in list(folder.iterdir()):
            if child.name.startswith(TEMPORARY) or child.name not in keep:
                remove(child)


def to_json(value: Any) -> str:
    """`value` as one line of JSON."""
    return documents.text(value, sort_keys=True)


def from_json(text: str) -> Any:
    """The value in `text`. Raises ValueError when it is not JSON."""
    return json.loads(text)


def libraries() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found
