"""Which folders of a listing hold photos, themselves or further down. Nothing is decoded.

A file counts as a photo by its suffix. In a folder without such files, the first bytes of a few others decide. This is
good enough to recognise a layout; which files are readable photos is decided when they are decoded.

Folders are ids like those of files (POSIX paths relative to the data folder); the data folder itself is "".
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from lib.data import images
from lib.data.scanning import Listing

PHOTO_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".bmp", ".dib", ".gif", ".tif"),
        *(".tiff", ".avif", ".heic", ".heif", ".hif", ".jp2", ".j2k", ".jxl", ".ico", ".ppm", ".pgm", ".pbm"),
        *(".pnm", ".tga", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"),
    }
)
_SNIFFED = 5  # files without a photo's suffix that are looked into, per folder


class FolderTree:
    """The folders of a data folder, by what lies in them."""

    def __init__(self, root: Path, listing: Listing) -> None:
        self.root = root
        self.listing = listing
        self.name = root.name or str(root)
        self.files: dict[str, list[str]] = {}
        for name in listing.files:
            self.files.setdefault(parent(name), []).append(name)
        self.photos: dict[str, list[str]] = {}
        for folder, names in self.files.items():
            if found := self._photos(names):
                self.photos[folder] = found
        self._live: dict[str, set[str]] = {}
        for folder in self.photos:
            below = folder
            while below:
                above = parent(below)
                siblings = self._live.setdefault(above, set())
                if below in siblings:
                    break
                siblings.add(below)
                below = above

    def _photos(self, names: list[str]) -> list[str]:
        """The files among `names`, all of one folder, that seem to be photos."""
        found = [name for name in names if suffix(name) in PHOTO_SUFFIXES]
        if not found and any(images.is_picture(self.root / name) for name in names[:_SNIFFED]):
            found = [name for name in names if suffix(name) not in TABLE_SUFFIXES]
        return found

    @cached_property
    def folders(self) -> dict[str, list[str]]:
        """The sub-folders of each folder, with and without photos, in order."""
        below: dict[str, list[str]] = {}
        for folder in self.listing.folders:
            below.setdefault(parent(folder), []).append(folder)
        return below

    def live(self, folder: str) -> list[str]:
        """The sub-folders of `folder` that hold photos, themselves or further down."""
        return sorted(self._live.get(folder, ()))

    def below(self, folder: str) -> list[str]:
        """All photos below `folder`, in order."""
        prefix = f"{folder}/" if folder else ""
        return [name for each, names in self.photos.items() if f"{each}/".startswith(prefix) for name in names]

    def full_path(self, folder: str) -> str:
        """The full path of a folder (an id; "" is the data folder), for a sentence."""
        return str(self.root / folder) if folder else str(self.root)


TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".txt", ".mat"})


def parent(name: str) -> str:
    """The folder that an id lies in."""
    return name.rpartition("/")[0]


def last(name: str) -> str:
    """The last name of an id."""
    return name.rpartition("/")[2]


def suffix(name: str) -> str:
    """The suffix of a file's name, in small letters."""
    # No Path, which would take most of the time for a hundred thousand files.
    short = last(name)
    dot = short.rfind(".")
    return short[dot:].lower() if dot > 0 else ""
