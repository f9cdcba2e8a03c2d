"""Archives of photos, unpacked by tarfile's `data` filter without trusting them.

Invariant: a folder under its final name is complete; what is half-made is called `.<folder>.tmp` and is replaced by the
next try.
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

from lib.data import disk
from lib.data.disk import Progress
from lib.errors import DataError

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png"}
# What gzip and tarfile raise for bytes that are no archive, or a nonsensical one.
_NONSENSE = (
    *(gzip.BadGzipFile, EOFError, zlib.error, struct.error, tarfile.TarError),
    *(ValueError, ArithmeticError, LookupError, RecursionError),
)
# Headers, padding and read-ahead between the contents of two members, bytes.
_BETWEEN = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What an archive of photos may hold: bytes in one file, bytes in all files, members, folders above a file."""

    member: int = 100_000_000
    total: int = 2_000_000_000
    members: int = 100_000
    depth: int = 16


LIMITS = Limits()


def extract_photos(archive: Path, into: Path, *, progress: Progress | None = None, limits: Limits = LIMITS) -> Path:
    """The folder `into` with the photos and the LICENSE.txt of the `.tgz` archive, without its single top folder.

    A folder that is there and not empty is complete, and left alone. Other files are left out, and so are the archive's
    owners, modes and times. `progress(done, total)` counts bytes of the archive. One caller at a time: callers that may
    meet others at `into` hold a lock (`disk.exclusive_lock`).

    Raises DataError, with nothing left behind, when the archive is damaged, hostile or beyond `limits`.
    """
    if is_filled(into):
        return into
    if not archive.is_file():
        raise DataError(f"The archive {archive} does not exist; download it again.")
    if not hasattr(tarfile, "data_filter"):
        raise DataError("This Python cannot unpack archives safely; use Python 3.11.4 or newer.")
    temporary = into.with_name(f".{into.name}.tmp")
    try:
        with disk.plain_disk_errors(into.parent, DataError):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            _unpack(archive, temporary, progress or disk.silent, limits)
            if hasattr(os, "sync"):
                os.sync()  # one flush for all files, before the name says that they are complete
            if into.is_dir():
                into.rmdir()
            _top(temporary).replace(into)
    except _BadArchiveError as error:
        raise DataError(f"The archive {archive} {error}; delete it and download it again.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return into


def is_filled(folder: Path) -> bool:
    """Whether `folder` is there with something in it, which only a complete one has."""
    return folder.is_dir() and any(folder.iterdir())


class _BadArchiveError(Exception):
    """Why an archive is refused; the text follows the archive's name."""


def _unpack(archive: Path, folder: Path, progress: Progress, limits: Limits) -> None:
    """Writes the photos under `folder`, or raises _BadArchiveError at the first member that is not acceptable."""
    total = photos = members = 0
    size = archive.stat().st_size
    with archive.open("rb") as raw, contextlib.ExitStack() as stack:
        stream = _Bounded(gzip.GzipFile(fileobj=raw))
        with _damage():
            tar = stack.enter_context(tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|", bufsize=disk.CHUNK))
        while True:
            with _damage():
                member = tar.next()
                if member is None:
                    break
                # Against bombs: many members, and much data in one or in all of them.
                members += 1
                total += member.size
                if members > limits.members:
                    raise _BadArchiveError(f"holds more than {limits.members:,} files")
                if not 0 <= member.size <= limits.member:
                    raise _BadArchiveError(
                        f"holds {_shown(member)} of {member.size:,} bytes, more than {limits.member:,}"
                    )
                if total > limits.total:
                    raise _BadArchiveError(f"unpacks to more than {limits.total:,} bytes")
                stream.left = member.size + _BETWEEN
                _check(member, folder, limits)
                if member.isreg() and _is_wanted(member):
                    # Without attributes, since the archive's modes and times mean nothing here.
                    tar.extract(member, folder, set_attrs=False, filter="data")
                    photos += PurePosixPath(member.name).suffix.lower() in PHOTO_SUFFIXES
            progress(min(raw.tell(), size), size)
    if not photos:
        raise _BadArchiveError("holds no photos")
    progress(size, size)


def _check(member: tarfile.TarInfo, folder: Path, limits: Limits) -> None:
    """Raises _BadArchiveError for a member that no archive of photos holds."""
    # The filter refuses devices, pipes, and paths and links that lead out of the folder; it follows links on the disk.
    try:
        filtered = tarfile.data_filter(member, str(folder))
    except tarfile.FilterError as error:
        raise _BadArchiveError(f"holds {_shown(member)}, which is unsafe ({error})") from error
    # It only strips the slash of an absolute path; such an archive was not made for us.
    if filtered.name != member.name:
        raise _BadArchiveError(f"holds the absolute path {_shown(member)}")
    # It lets links inside the folder pass; they could hide a file from the limits or make one photo into several.
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise _BadArchiveError(f"holds {_shown(member)}, which is a link or has holes")
    # It has no limit of depth; a thousand folders cannot be deleted again by shutil.rmtree.
    if len(PurePosixPath(member.name).parts) > limits.depth:
        raise _BadArchiveError(f"holds {_shown(member)}, more than {limits.depth} folders deep")
    # tarfile overwrites. The disk is asked rather than the list of names, since it may ignore the case of letters.
    if member.isreg() and os.path.lexists(folder / member.name):
        raise _BadArchiveError(f"holds {_shown(member)} twice")


def _is_wanted(member: tarfile.TarInfo) -> bool:
    path = PurePosixPath(member.name.lower())
    # "._photo.jpg" is macOS's note about a photo.
    return path.name == "license.txt" or (path.suffix in PHOTO_SUFFIXES and not path.name.startswith("."))


class _Bounded:
    """A stream that gives at most `left` more bytes: tarfile reads a header of any claimed size into memory."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self.left = _BETWEEN

    def read(self, size: int) -> bytes:
        self.left -= size
        if self.left < 0:
            raise _BadArchiveError("has a header of an absurd size")
        return self._stream.read(size)


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    """Turns the errors of gzip and tarfile into _BadArchiveError; no progress report may run inside."""
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise _BadArchiveError("holds a file and a folder of one name") from error
    except _NONSENSE as error:
        raise _BadArchiveError(f"is damaged ({error})") from error


def _shown(member: tarfile.TarInfo) -> str:
    return repr(member.name if len(member.name) <= 80 else f"{member.name[:80]}…")


def _top(folder: Path) -> Path:
    """The archive's single top folder if it is a wrapper (it holds folders itself), else `folder`."""
    inside = list(folder.iterdir())
    wrapped = len(inside) == 1 and inside[0].is_dir() and any(child.is_dir() for child in inside[0].iterdir())
    return inside[0] if wrapped else folder
