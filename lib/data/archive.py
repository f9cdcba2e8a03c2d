"""Archives of photos, unpacked without trusting them.

Invariant: a folder under its final name is complete; what is half-made is called `.<folder>.tmp` and is replaced by the
next try.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import shutil
import struct
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from lib.data import disk
from lib.data.disk import Progress
from lib.errors import DataError


@dataclass(frozen=True)
class Limits:
    """What an archive of photos may hold: bytes in one file, bytes in all files, files and folders."""

    member: int = 100_000_000
    total: int = 2_000_000_000
    members: int = 100_000
    depth: int = 16


LIMITS = Limits()


def extract_photos(archive: Path, into: Path, *, progress: Progress | None = None, limits: Limits = LIMITS) -> Path:
    """The folder `into` with the photos of the `.tgz` archive, without the archive's single top folder.

    A folder that is there and not empty is complete, and left alone. Only plain files and folders are written, with
    nothing of the archive's owners, modes or links. `progress(done, total)` counts bytes of the archive. One caller at
    a time: whoever may meet others at `into` holds a lock (`disk.exclusive_lock`).

    Raises DataError, with nothing left behind, when the archive is damaged, hostile or beyond `limits`.
    """
    if is_filled(into):
        return into
    if not archive.is_file():
        raise DataError(f"The archive {archive} does not exist; download it again.")
    temporary = into.with_name(f".{into.name}.tmp")
    try:
        with disk.plain_disk_errors(into.parent, DataError):
            _remove(temporary)
            temporary.mkdir(parents=True)
            size = archive.stat().st_size
            free = shutil.disk_usage(temporary).free
        # Photos hardly compress, so the archive's size is a lower bound of what is needed.
        if size > free:
            raise DataError(
                f"There is not enough room in {into.parent} to unpack {archive.name}: more than {size:,} bytes are "
                f"needed and {free:,} are free; free some space, then start again."
            )
        _unpack(archive, temporary, progress or disk.no_progress, limits)
        with disk.plain_disk_errors(into.parent, DataError):
            if hasattr(os, "sync"):
                os.sync()  # one flush for all files, before the name says that they are complete
            if into.is_dir():
                into.rmdir()
            _top(temporary).replace(into)
    except _BadArchiveError as error:
        raise DataError(f"The archive {archive} {error}; delete it and download it again.") from error
    finally:
        _remove(temporary)
    return into


def is_filled(folder: Path) -> bool:
    """Whether `folder` is there with something in it, which only a complete one has."""
    return folder.is_dir() and any(folder.iterdir())


class _BadArchiveError(Exception):
    """Why an archive is refused; the text follows the archive's name."""


def _unpack(archive: Path, folder: Path, progress: Progress, limits: Limits) -> None:
    """Writes every member under `folder`, or raises _BadArchiveError at the first that is not acceptable."""
    written = files = members = 0
    with contextlib.ExitStack() as stack:
        with disk.plain_disk_errors(archive.parent, DataError):
            raw = stack.enter_context(archive.open("rb"))
            size = os.fstat(raw.fileno()).st_size
        # Headers and padding come on top of the files' own bytes.
        stream = _BoundedStream(stack.enter_context(gzip.GzipFile(fileobj=raw)), limits.total + 2048 * limits.members)
        with _tar_errors():
            tar = stack.enter_context(tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:"))
        while (member := _next(tar)) is not None:
            members += 1
            if members > limits.members:
                raise _BadArchiveError(f"holds more than {limits.members:,} files")
            path = folder.joinpath(*_place(member, limits).parts)
            _second_opinion(member, folder)
            written += member.size
            if written > limits.total:
                raise _BadArchiveError(f"unpacks to more than {limits.total:,} bytes")
            with disk.plain_disk_errors(folder.parent, DataError), _tar_errors(), _clashes(member):
                if member.isdir():
                    path.mkdir(parents=True, exist_ok=True)
                else:
                    files += 1
                    path.parent.mkdir(parents=True, exist_ok=True)
                    _copy(tar, member, path)
            progress(min(raw.tell(), size), size)
        # tarfile takes a damaged header for the end. The real end is a second block of zeros; reading on to the last
        # byte also makes gzip compare its checksum.
        rest = 0
        while chunk := stream.read(disk.CHUNK):
            if chunk.strip(b"\0"):
                raise _BadArchiveError("is damaged: a header inside it cannot be read")
            rest += len(chunk)
        if rest < tarfile.BLOCKSIZE:
            raise _BadArchiveError("is damaged: its end is missing")
        if not files:
            raise _BadArchiveError("holds no files")
        progress(size, size)


class _BoundedStream:
    """A decompressed stream for tarfile, which would read a header of any size into memory."""

    def __init__(self, stream: gzip.GzipFile, end: int) -> None:
        self._stream = stream
        self._end = end

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= disk.CHUNK:
            raise _BadArchiveError("has a header of an absurd size")
        with self._bounded(self.tell()):
            return self._stream.read(size)

    def seek(self, position: int) -> int:
        with self._bounded(position):
            return self._stream.seek(position)

    def tell(self) -> int:
        return self._stream.tell()

    @contextlib.contextmanager
    def _bounded(self, position: int) -> Iterator[None]:
        if not 0 <= position <= self._end:
            raise _BadArchiveError("is far larger unpacked than photos can be")
        try:
            yield
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise _BadArchiveError(f"is damaged ({error})") from error


def _next(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
    with _tar_errors():
        return tar.next()


@contextlib.contextmanager
def _tar_errors() -> Iterator[None]:
    """What tarfile raises for bytes that are no tar, or a nonsensical one."""
    try:
        yield
    except (tarfile.TarError, ValueError, ArithmeticError, LookupError, RecursionError, struct.error) as error:
        raise _BadArchiveError(f"is damaged ({error})") from error


@contextlib.contextmanager
def _clashes(member: tarfile.TarInfo) -> Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise _BadArchiveError(f"holds {_shown(member)} twice") from error


def _place(member: tarfile.TarInfo, limits: Limits) -> PurePosixPath:
    """Where the member goes, relative to the folder; raises _BadArchiveError for what no archive of photos holds."""
    name = member.name
    if member.issparse() or member.type not in {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE}:
        raise _BadArchiveError(f"holds {_shown(member)}, which is a link or a device or has holes")
    if not 0 <= member.size <= limits.member:
        raise _BadArchiveError(f"holds {_shown(member)} of {member.size:,} bytes, more than {limits.member:,}")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise _BadArchiveError(f"holds the absolute path {_shown(member)}")
    # The backslash and the colon would be separators on Windows.
    if re.search(r"[\\:\x00-\x1f\x7f\ud800-\udfff]", name):
        raise _BadArchiveError(f"holds the unusable name {_shown(member)}")
    path = PurePosixPath(name)
    if ".." in path.parts:
        raise _BadArchiveError(f"holds {_shown(member)}, which leaves the folder")
    if len(path.parts) > limits.depth:
        raise _BadArchiveError(f"holds {_shown(member)}, more than {limits.depth} folders deep")
    if not path.parts and not member.isdir():
        raise _BadArchiveError("holds a file without a name")
    return path


def _second_opinion(member: tarfile.TarInfo, folder: Path) -> None:
    """The standard library's own filter (PEP 706; absent before Python 3.11.4), in case ours has a hole."""
    if hasattr(tarfile, "data_filter"):
        with _tar_errors():
            # It drops a leading slash without a word, hence the comparison.
            agreed = tarfile.data_filter(member, str(folder)).name == member.name
        if not agreed:
            raise _BadArchiveError(f"holds the unsafe path {_shown(member)}")


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = tar.extractfile(member)
    if source is None:
        raise _BadArchiveError(f"holds {_shown(member)}, which is no file")
    with path.open("xb") as file:
        shutil.copyfileobj(source, file, disk.CHUNK)


def _shown(member: tarfile.TarInfo) -> str:
    return repr(member.name if len(member.name) <= 80 else f"{member.name[:80]}…")


def _top(folder: Path) -> Path:
    """The archive's single top folder if it is a wrapper (it holds folders itself), else `folder`."""
    inside = list(folder.iterdir())
    wrapped = len(inside) == 1 and inside[0].is_dir() and any(child.is_dir() for child in inside[0].iterdir())
    return inside[0] if wrapped else folder


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
