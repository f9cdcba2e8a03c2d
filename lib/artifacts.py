"""Results on disk: written under a temporary name and renamed, so that a reader finds the old result or the new one.

Each holds a hash of its contents, or has one beside it, so that a result which changed after it was written is not
believed. Results of before there were hashes are read; the next `prepare` adds one.

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
import stat
import threading
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from lib import documents
from lib.errors import ArtifactError, PetalscopeError, Remedy

Result = TypeVar("Result")
# Prefix of unfinished results. A killed process leaves them behind; nothing reads them, and the next `prepare` deletes
# them.
TEMPORARY = ".tmp-"
# A write that failed without an error number met a full disk if fewer bytes than this are free.
FULL_DISK_BYTES = 1_000_000
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


def dataset_key(name: str, root: Path) -> str:
    """The folder name of a data set: readable, and different for every root."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "data"
    # Not Path.resolve, which raises on links in a circle.
    return f"{slug}-{digest(os.path.realpath(root))[:8]}"


def digest(*parts: object) -> str:
    """SHA-256 (hex) of the parts as canonical JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()


@contextlib.contextmanager
def replacing(path: Path, *, lasting: bool = True) -> Iterator[Path]:
    """A temporary path beside `path`, to be written as a file or a folder; renamed to `path` when the block succeeds.

    When the block fails, `path` is unchanged. With `lasting`, the result survives a power cut; a cache does without
    that and is faster. Raises ArtifactError when the disk is full or the folder cannot be written.
    """
    temporary = _temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if lasting:
            _flush(temporary)
        _rename_over(temporary, path)
        if lasting:
            _flush_names(path.parent)
    except OSError as error:
        raise disk_error(path.parent, error) from error
    finally:
        remove(temporary)


def _temporary_beside(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY}{uuid.uuid4().hex[:8]}-{path.name}")


def _rename_over(temporary: Path, path: Path) -> None:
    """Rename over `path`. Atomic for files; a folder at `path` is moved aside first, for the time of two renames."""
    if not (path.is_dir() or (temporary.is_dir() and os.path.lexists(path))):
        temporary.replace(path)
        return
    old = _temporary_beside(path)
    path.rename(old)
    try:
        temporary.rename(path)
    except OSError:
        old.rename(path)
        raise
    remove(old)


@contextlib.contextmanager
def disk_errors(folder: Path, error_class: type[PetalscopeError] = ArtifactError) -> Iterator[None]:
    """Turns an OSError of a block that writes under `folder` into an error of `error_class`.

    A ConnectionError passes: it comes from a progress report whose reader is gone, not from the disk.
    """
    try:
        yield
    except ConnectionError:
        raise
    except OSError as error:
        raise disk_error(folder, error, error_class) from error


def disk_error(folder: Path, error: OSError, error_class: type[PetalscopeError] = ArtifactError) -> PetalscopeError:
    """The error of class `error_class` for an OSError raised while writing under `folder`."""
    if _is_full(folder, error):
        return error_class(f"The disk that holds {folder} is full", remedy=Remedy.FREE_SPACE)
    # A download may go to another folder than the artifacts, such as torch's cache.
    remedy = Remedy.CHOOSE_ARTIFACTS if error_class is ArtifactError else Remedy.MAKE_WRITABLE
    return error_class(f"Cannot write to {folder} ({error.strerror or error})", remedy=remedy)


def _is_full(folder: Path, error: OSError) -> bool:
    if error.errno is not None:
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    # NumPy gives only the number of bytes that it wrote.
    try:
        return shutil.disk_usage(folder).free < FULL_DISK_BYTES
    except OSError:
        return False


def _flush(path: Path) -> None:
    """Flush contents to the disk: renamed before that, a file could be empty after a power cut."""
    for child in [path, *path.rglob("*")]:
        if child.is_file():
            # Read-write, since Windows refuses to flush a file that is open for reading only.
            with child.open("rb+") as handle:
                os.fsync(handle.fileno())
        else:
            _flush_names(child)


def _flush_names(folder: Path) -> None:
    """Flush the names in `folder` to the disk, where the system can: Windows cannot open a folder."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON to `path`, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(documents.json_text(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_text(path: Path) -> str:
    """The UTF-8 text of a file. Raises OSError, also when it is no regular file: a pipe would never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return path.read_text(encoding="utf-8")


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in the file `path`; None when there is no file.

    Raises ArtifactError when the file is damaged or cannot be read.
    """
    try:
        value = json.loads(read_text(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise damaged_file_error(path) from error
    if not isinstance(value, dict):
        raise damaged_file_error(path)
    return value


def unless_damaged(read: Callable[[Path], Result | None], path: Path) -> Result | None:
    """The artifact that `read` returns for `path`; None also when it raises ArtifactError, so that it is made anew."""
    try:
        return read(path)
    except ArtifactError:
        return None


def damaged_file_error(path: Path) -> ArtifactError:
    """The error for an artifact that cannot be read back."""
    return ArtifactError(f"{path} cannot be read", remedy=Remedy.PREPARE_ANEW)


# --- hashes of contents ----------------------------------------------------------------------------------------------

_FACTS: Final = "facts"
_HASH: Final = "sha256"
_BLOCK_BYTES: Final = 4 * 1024 * 1024
_UNREADABLE: Final = (
    OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError
)  # fmt: skip

FileStamp = tuple[int, int, int]
_verified: dict[tuple[Path, str], FileStamp] = {}  # the files found sound, with the stamp that they then had
_verifying = threading.Lock()


def changed_file_error(path: Path) -> ArtifactError:
    """The error for an artifact whose contents are not those that were written."""
    return ArtifactError(f"{path} changed after it was written", remedy=Remedy.PREPARE_ANEW)


def stamp(path: Path) -> FileStamp | None:
    """What changes when a file does (size, time, inode); None without one."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


def file_hash(path: Path) -> str:
    """SHA-256 (hex) of a file, read in blocks."""
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            sha256.update(block)
    return sha256.hexdigest()


def verify_file(path: Path, sha256: str) -> None:
    """Check a file against its hash: once for this process, and again when the file changes.

    Raises ArtifactError when the file is another, or cannot be read.
    """
    with _verifying:  # sessions that open the same file together read it once
        before = stamp(path)
        if before is not None and _verified.get((path, sha256)) == before:
            return
        try:
            found = file_hash(path)
        except OSError as error:
            raise damaged_file_error(path) from error
        if found != sha256:
            raise changed_file_error(path)
        if before is not None:
            _verified[path, sha256] = before


def write_arrays(path: Path, facts: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write arrays and facts to the `.npz` file `path`, with a hash of both, atomically and without pickle."""
    text = to_json(facts)
    extra = {_FACTS: np.array(text), _HASH: np.array(_arrays_hash(text, arrays))}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **extra, **arrays)


def read_arrays(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """The facts and arrays of a file by `write_arrays`; None when there is no file.

    Raises ArtifactError when the file is damaged, or its contents are not those of its hash.
    """
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        text = str(arrays.pop(_FACTS))
        facts = from_json(text)
    except _UNREADABLE as error:
        raise damaged_file_error(path) from error
    sha256 = arrays.pop(_HASH, None)
    if not isinstance(facts, dict):
        raise damaged_file_error(path)
    if sha256 is not None and str(sha256) != _arrays_hash(text, arrays):
        raise changed_file_error(path)
    return facts, arrays


def add_hash(path: Path) -> None:
    """Write a sound `.npz` file of before there were hashes again, with its hash."""
    with zipfile.ZipFile(path) as archive:
        is_old = f"{_HASH}.npy" not in archive.namelist()
    stored = read_arrays(path) if is_old else None
    if stored is not None:
        write_arrays(path, *stored)


def _arrays_hash(facts: str, arrays: dict[str, np.ndarray]) -> str:
    sha256 = hashlib.sha256(facts.encode("utf-8", "surrogatepass"))
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        sha256.update(f"{name} {array.dtype.str} {array.shape}".encode())
        sha256.update(array.reshape(-1).view(np.uint8).data)
    return sha256.hexdigest()


# --- folders ---------------------------------------------------------------------------------------------------------


def remove(path: Path) -> None:
    """Delete a file or a folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def sweep(folder: Path, keep: set[str]) -> None:
    """Delete everything in `folder` that is not named in `keep`, and the leftovers of killed processes."""
    with contextlib.suppress(OSError):
        for child in list(folder.iterdir()):
            if child.name.startswith(TEMPORARY) or child.name not in keep:
                remove(child)


def to_json(value: Any) -> str:
    """`value` as one line of JSON with sorted keys: how facts are stored beside arrays."""
    return documents.json_text(value, sort_keys=True)


def from_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError when it is not JSON."""
    return json.loads(text)


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on, by name."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "missing"
    return versions
