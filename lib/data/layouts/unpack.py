"""Archives of photos that the user names: unpacked once into the artifacts, into a folder named by their contents.

Invariant: a folder under its final name is complete. An unfinished one is called `.<folder>.tmp`; the next call
replaces it. Nothing is written outside of it: links, devices and paths that lead out of the archive refuse the archive.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import json
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from lib import artifacts
from lib.data import archive as archives
from lib.data.archive import BadArchiveError, BoundedStream
from lib.data.images import is_plain_name
from lib.data.scanning import NOISE
from lib.errors import DataError
from lib.locks import exclusive_lock
from lib.progress import Progress, no_progress
from lib.text import shown_name

SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
FOLDER = "unpacked"
_NOTES = {"", ".txt", ".md", ".rst", ".pdf", ".html"}
# Photos do not compress: an archive that unpacks to much more than this is no archive of photos.
MAX_RATIO = 50
LEAST_BYTES = 1_000_000_000
LIMITS = archives.Limits(member=2_000_000_000, total=1_000_000_000_000, members=5_000_000, depth=32)
_CHUNK = 1024 * 1024
_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.GzipFile, b"BZh": bz2.BZ2File, b"\xfd7zXZ": lzma.LZMAFile}
_DAMAGE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError),
    *(ValueError, LookupError, ArithmeticError),
)


@dataclass(frozen=True)
class Unpacked:
    """Where an archive is, or would be, unpacked; `ready` when the folder is complete."""

    archive: Path
    folder: Path
    ready: bool


def is_archive(path: Path) -> bool:
    """Whether `path` is a file with the name of an archive."""
    return has_suffix(path.name) and path.is_file()


def has_suffix(name: str) -> bool:
    """Whether a file called `name` is an archive by its suffix."""
    return name.lower().endswith(SUFFIXES)


def stem(path: Path) -> str:
    """The name of an archive without its suffix."""
    return next((path.name[: -len(each)] for each in SUFFIXES if path.name.lower().endswith(each)), path.stem)


def only_archive(folder: Path) -> list[Path]:
    """The archives in a folder that holds nothing else but noise and notes; empty otherwise."""
    try:
        entries = [
            path for path in folder.iterdir() if path.name.lower() not in NOISE and not path.name.startswith(".")
        ]
    except OSError:
        return []
    found = [path for path in entries if is_archive(path)]
    notes = [
        path for path in entries if path.suffix.lower() in {".txt", ".md", ".rst", ".pdf", ".html"} or not path.suffix
    ]
    others = [path for path in entries if path not in found and not (path in notes and path.is_file())]
    return [] if others else sorted(found)


def look(archive: Path, parent: Path) -> Unpacked:
    """Whether `archive` is unpacked in a folder of `parent`. Reads a note instead of the archive."""
    note = _note(archive, parent)
    try:
        content = json.loads(note.read_text(encoding="utf-8"))
        folder = parent / FOLDER / str(content["folder"])
        fresh = content["stamp"] == _stamp(archive) and folder.parent == parent / FOLDER
    except (OSError, ValueError, LookupError, TypeError):
        return Unpacked(archive, archive, False)
    return (
        Unpacked(archive, folder, True) if fresh and archives.is_filled(folder) else Unpacked(archive, archive, False)
    )


def unpack(
    archive: Path, parent: Path, *, progress: Progress = no_progress, limits: archives.Limits = LIMITS
) -> Unpacked:
    """Unpack `archive` into a folder of `parent`, named by the hash of its bytes, unless it is there already.

    `progress(done, total)` counts bytes of the archive, twice: when it is hashed and when it is unpacked. Raises
    DataError when the archive is damaged, hostile, protected by a password or beyond `limits`; nothing is left behind.
    """
    known = look(archive, parent)
    if known.ready:
        return known
    base = parent / FOLDER
    with artifacts.disk_errors(base, DataError), exclusive_lock(base / ".lock", error_class=DataError):
        try:
            before = _stamp(archive)
            folder = base / f"{_hash(archive, progress)[:16]}"
        except OSError as error:
            raise DataError(f"The archive {archive} cannot be read: {error.strerror or error}.") from error
        if not archives.is_filled(folder):
            _unpack_into(archive, folder, progress, limits)
        artifacts.write_json(_note(archive, parent), {"folder": folder.name, "stamp": before})
    return Unpacked(archive, folder, True)


def _unpack_into(archive: Path, folder: Path, progress: Progress, limits: archives.Limits) -> None:
    temporary = folder.with_name(f".{folder.name}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        size = archive.stat().st_size
        writer = _Writer(temporary, limits, min(limits.total, max(LEAST_BYTES, MAX_RATIO * size)))
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, writer, progress)
        else:
            _unpack_tar(archive, writer, progress)
        if not writer.files:
            raise BadArchiveError("holds no files")
        progress(size, size)
        if hasattr(os, "sync"):
            os.sync()  # one flush for all files, before the rename declares them complete
        folder.unlink(missing_ok=True) if folder.is_file() else shutil.rmtree(folder, ignore_errors=True)
        temporary.replace(folder)
    except BadArchiveError as error:
        raise DataError(f"The archive {archive} {error}; unpack it yourself and name the folder.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class _Writer:
    """Writes the files of an archive into a folder, within limits."""

    def __init__(self, folder: Path, limits: archives.Limits, total: int) -> None:
        self.folder, self.limits, self.total = folder, limits, total
        self.files = self.members = self.bytes = 0

    def declare(self, name: str, size: int) -> None:
        """Count a member before it is read. Raises BadArchiveError beyond the limits."""
        self.members += 1
        if self.members > self.limits.members:
            raise BadArchiveError(f"holds more than {self.limits.members:,} files")
        if not 0 <= size <= self.limits.member:
            raise BadArchiveError(f"holds {shown_name(name)} of {size:,} bytes, more than {self.limits.member:,}")

    def write(self, name: str, stream: IO[bytes]) -> None:
        """Write a file. Raises BadArchiveError for a name that leads out of the folder, or that exists."""
        parts = _parts(name, self.limits.depth)
        if any(part.lower() in NOISE or part.startswith("._") for part in parts):
            return
        path = self.folder.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                while chunk := stream.read(_CHUNK):
                    self.bytes += len(chunk)
                    if self.bytes > self.total:
                        raise BadArchiveError(f"unpacks to more than {self.total:,} bytes, too many for photos")
                    file.write(chunk)
        except FileExistsError as error:
            raise BadArchiveError(f"holds {shown_name(name)} twice") from error
        except NotADirectoryError as error:
            raise BadArchiveError(f"holds a file and a folder called {shown_name(name)}") from error
        self.files += 1


def _parts(name: str, depth: int) -> list[str]:
    """The names of a member's path. Raises BadArchiveError for a path that is absolute, leads out, or is too deep."""
    path = PurePosixPath(name.replace("\\", "/"))
    parts = [part for part in path.parts if part != "."]
    hostile = path.is_absolute() or ".." in parts or "\0" in name or (parts and parts[0][1:2] == ":")
    if hostile or not parts or not is_plain_name(name):
        raise BadArchiveError(f"holds {shown_name(name)!r}, a name that leads out of it or is no name")
    if len(parts) > depth:
        raise BadArchiveError(f"holds {shown_name(name)!r}, more than {depth} folders deep")
    return parts


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise BadArchiveError(f"is damaged ({' '.join(str(error).split())[:120]})") from error


def _unpack_zip(archive: Path, writer: _Writer, progress: Progress) -> None:
    with contextlib.ExitStack() as stack:
        with _damage():
            file = stack.enter_context(zipfile.ZipFile(archive))
            members = file.infolist()
        if sum(member.file_size for member in members) > writer.total:
            raise BadArchiveError(f"unpacks to more than {writer.total:,} bytes, too many for photos")
        packed, total = 0, archive.stat().st_size
        for member in members:
            writer.declare(member.filename, member.file_size)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
                raise BadArchiveError(f"holds {shown_name(member.filename)}, which is a link or a device")
            if member.is_dir():
                continue
            if member.flag_bits & 1:
                raise BadArchiveError("is protected by a password")
            with _damage(), _open_member(file, member) as stream:
                writer.write(member.filename, stream)
            packed += member.compress_size
            progress(min(packed, total), total)


def _open_member(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    try:
        return file.open(member)
    except RuntimeError as error:  # how zipfile reports encryption that the flags do not
        raise BadArchiveError(f"cannot be read ({error})") from error


def _unpack_tar(archive: Path, writer: _Writer, progress: Progress) -> None:
    size = archive.stat().st_size
    with archive.open("rb") as raw, contextlib.ExitStack() as stack:
        head = raw.read(6)
        raw.seek(0)
        opener = next((each for mark, each in _OPENERS.items() if head.startswith(mark)), None)
        source = raw if opener is None else opener(raw) if opener is not gzip.GzipFile else gzip.GzipFile(fileobj=raw)
        stream = BoundedStream(cast(gzip.GzipFile, source))
        with archives.archive_errors(), _damage():
            tar = stack.enter_context(tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|", bufsize=_CHUNK))
        while True:
            with archives.archive_errors(), _damage():
                member = tar.next()
                if member is None:
                    break
                writer.declare(member.name, member.size)
                stream.allowance = member.size + archives.OVERHEAD_BYTES + 2 * _CHUNK
                if member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    raise BadArchiveError(f"holds {shown_name(member.name)}, which is a link, a device or has holes")
                content = tar.extractfile(member)
                if content is not None:
                    writer.write(member.name, content)
            progress(min(raw.tell(), size), size)


def _hash(path: Path, progress: Progress) -> str:
    digest, done, total = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            progress(done, total)
    return digest.hexdigest()


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def _note(archive: Path, parent: Path) -> Path:
    return parent / FOLDER / f"{artifacts.digest(os.path.realpath(archive))[:16]}.json"
