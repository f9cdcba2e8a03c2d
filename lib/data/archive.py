"""Unpacking of untrusted archives of photos, with tarfile's `data` filter.

Invariant: a folder under its final name is complete. An unfinished one is called `.<folder>.tmp`; the next call
replaces it.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import struct
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from lib import artifacts, text
from lib.errors import DataError
from lib.progress import Progress, no_progress

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png"}
CHUNK_BYTES = 128 * 1024  # read or written in one step
# Raised by gzip and tarfile for bytes that are not an archive, or not a sensible one.
_DAMAGE = (
    *(gzip.BadGzipFile, EOFError, zlib.error, struct.error, tarfile.TarError),
    *(ValueError, ArithmeticError, LookupError, RecursionError),
)
# Most bytes between the contents of two members: headers, padding and read-ahead.
OVERHEAD_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """The largest archive that is unpacked.

    `member` and `total` are bytes in one file and in all files, `members` is the number of files and folders, `depth`
    the number of names in a path.
    """

    member: int = 100_000_000
    total: int = 2_000_000_000
    members: int = 100_000
    depth: int = 16


LIMITS = Limits()


def extract_photos(archive: Path, into: Path, *, progress: Progress | None = None, limits: Limits = LIMITS) -> Path:
    """Unpack the photos and the LICENSE.txt of the `.tgz` archive into the folder `into`, which is returned.

    The archive's single top folder is left out. So are other files, and owners, modes and times. A folder `into` that
    is not empty is complete and stays unchanged. `progress(done, total)` counts bytes of the archive. Concurrent
    callers with the same `into` must hold a lock (`locks.exclusive_lock`).

    Raises DataError when the archive is damaged, hostile or beyond `limits`; nothing is left behind.
    """
    if is_filled(into):
        return into
    if not archive.is_file():
        raise DataError(f"The archive {archive} does not exist; download it again.")
    if not hasattr(tarfile, "data_filter"):
        raise DataError("This Python cannot unpack archives safely; use Python 3.11.4 or newer.")
    temporary = into.with_name(f".{into.name}.tmp")
    try:
        with artifacts.disk_errors(into.parent, DataError):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            _unpack(archive, temporary, progress or no_progress, limits)
            if hasattr(os, "sync"):
                os.sync()  # one flush for all files, before the rename declares them complete
            if into.is_dir():
                into.rmdir()
            _content_folder(temporary).replace(into)
    except BadArchiveError as error:
        raise DataError(f"The archive {archive} {error}; delete it and download it again.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return into


def is_filled(folder: Path) -> bool:
    """Whether `folder` exists and is not empty, which means that it is complete."""
    return folder.is_dir() and any(folder.iterdir())


class BadArchiveError(Exception):
    """The reason to refuse an archive, as the predicate of a sentence about it."""


def _unpack(archive: Path, folder: Path, progress: Progress, limits: Limits) -> None:
    """Write the photos to `folder`. Raises BadArchiveError at the first member that is not acceptable."""
    unpacked_bytes = photo_count = member_count = 0
    size = archive.stat().st_size
    with archive.open("rb") as raw, contextlib.ExitStack() as stack:
        stream = BoundedStream(gzip.GzipFile(fileobj=raw))
        with archive_errors():
            tar = stack.enter_context(tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|", bufsize=CHUNK_BYTES))
        while True:
            with archive_errors():
                member = tar.next()
                if member is None:
                    break
                # Against decompression bombs: many members, or much data in one or in all of them.
                member_count += 1
                unpacked_bytes += member.size
                if member_count > limits.members:
                    raise BadArchiveError(f"holds more than {limits.members:,} files")
                if not 0 <= member.size <= limits.member:
                    raise BadArchiveError(
                        f"holds {_quoted_name(member)} of {member.size:,} bytes, more than {limits.member:,}"
                    )
                if unpacked_bytes > limits.total:
                    raise BadArchiveError(f"unpacks to more than {limits.total:,} bytes")
                stream.allowance = member.size + OVERHEAD_BYTES
                check_member(member, folder, limits)
                if member.isreg() and _is_photo_or_licence(member):
                    # Without attributes: the archive's modes and times are meaningless here.
                    tar.extract(member, folder, set_attrs=False, filter="data")
                    photo_count += PurePosixPath(member.name).suffix.lower() in PHOTO_SUFFIXES
            progress(min(raw.tell(), size), size)
    if not photo_count:
        raise BadArchiveError("holds no photos")
    progress(size, size)


def check_member(member: tarfile.TarInfo, folder: Path, limits: Limits) -> None:
    """Raises BadArchiveError for a member that no archive of photos has."""
    # The filter refuses devices, pipes, and paths and links that lead out of the folder. It follows links on the disk.
    try:
        filtered = tarfile.data_filter(member, str(folder))
    except tarfile.FilterError as error:
        raise BadArchiveError(f"holds {_quoted_name(member)}, which is unsafe ({error})") from error
    # The filter only strips the slash of an absolute path; an archive of photos has none.
    if filtered.name != member.name:
        raise BadArchiveError(f"holds the absolute path {_quoted_name(member)}")
    # The filter accepts links inside the folder; they could evade the limits or duplicate a photo.
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise BadArchiveError(f"holds {_quoted_name(member)}, which is a link or has holes")
    # The filter has no limit of depth; shutil.rmtree cannot delete a thousand nested folders.
    if len(PurePosixPath(member.name).parts) > limits.depth:
        raise BadArchiveError(f"holds {_quoted_name(member)}, more than {limits.depth} folders deep")
    # tarfile overwrites. Checked on the disk, not in a list of names, since the disk may ignore the case of letters.
    if member.isreg() and os.path.lexists(folder / member.name):
        raise BadArchiveError(f"holds {_quoted_name(member)} twice")


def _is_photo_or_licence(member: tarfile.TarInfo) -> bool:
    path = PurePosixPath(member.name.lower())
    # "._photo.jpg" holds macOS metadata of a photo.
    return path.name == "license.txt" or (path.suffix in PHOTO_SUFFIXES and not path.name.startswith("."))


class BoundedStream:
    """A stream that yields at most `allowance` more bytes: tarfile reads a header of any claimed size into memory."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self.allowance = OVERHEAD_BYTES

    def read(self, size: int) -> bytes:
        self.allowance -= size
        if self.allowance < 0:
            raise BadArchiveError("has a header of an absurd size")
        return self._stream.read(size)


@contextlib.contextmanager
def archive_errors() -> Iterator[None]:
    """Turns errors of gzip and tarfile into BadArchiveError; progress must be reported outside of the block."""
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise BadArchiveError("holds a file and a folder of one name") from error
    except _DAMAGE as error:
        raise BadArchiveError(f"is damaged ({error})") from error


def _quoted_name(member: tarfile.TarInfo) -> str:
    return repr(text.shortened(member.name, 80))


def _content_folder(folder: Path) -> Path:
    """The single top folder of an archive if that has sub-folders, else `folder`."""
    children = list(folder.iterdir())
    wrapped = len(children) == 1 and children[0].is_dir() and any(child.is_dir() for child in children[0].iterdir())
    return children[0] if wrapped else folder
