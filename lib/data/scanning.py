"""Which files of a folder of class sub-folders may be images, and why the others are left out."""

from __future__ import annotations

import heapq
import os
from dataclasses import dataclass, field
from pathlib import Path

from lib.data import images, own_folders
from lib.errors import DataError

FACTORS_FILE = "factors.csv"
# Beside the class folders these are no photos that somebody put in the wrong place.
BESIDE_CLASSES = {FACTORS_FILE, "license.txt", "readme.md", "readme.txt"}
# What operating systems and archives leave about; nobody misses them in a list of skipped files.
NOISE = {".ds_store", "thumbs.db", "desktop.ini", "__macosx"}


def scan(root: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Ids of the files in the class folders of `root`, sorted, and the files that are left out, with reasons.

    Symbolic links are followed only inside `root`, and a folder is never entered twice: its own path goes before any
    link to it, so that its files keep the id and the label that they have without the link. Hidden folders are entered
    by a link only. Petalscope's own folders are left out wherever they lie: see `owned`.

    Raises DataError when `root` cannot be read or is itself Petalscope's own.
    """
    try:
        home = root.resolve(strict=True)
        top = _children(root)
    except (OSError, RuntimeError) as error:
        raise DataError(f"The data folder {root} cannot be read; name one with --data or PETALSCOPE_DATA.") from error
    found = _Found()
    entered = {home}
    _refuse_own(root, home, {child.name for child in top})
    for child in _without_own(found, ".", home, top):
        _sort_in(found, child, child.name, home, home)
    while found.folders or found.links:
        if found.folders:
            folder, name, real = found.folders.pop()
        else:
            name, folder, real = heapq.heappop(found.links)
        if real in entered:
            found.skip(name, "leads to a folder that is already read")
            continue
        entered.add(real)
        try:
            children = _children(folder)
        except OSError as error:
            found.skip(name, f"cannot be opened: {error.strerror}")
            continue
        for child in _without_own(found, name, real, children):
            _sort_in(found, child, f"{name}/{child.name}", real, home)
    return sorted(found.files), found.skipped


@dataclass(frozen=True)
class _Found:
    """What a scan has met: ids of files, files left out, and the folders it has yet to enter."""

    files: list[str] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    folders: list[tuple[Path, str, Path]] = field(default_factory=list)
    links: list[tuple[str, Path, Path]] = field(default_factory=list)

    def skip(self, name: str, reason: str) -> None:
        self.skipped.append(skipped_file(name, reason))


def _children(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _refuse_own(root: Path, home: Path, names: set[str]) -> None:
    """Raises DataError when the data folder is Petalscope's own, so that no photos of the user can be in it."""
    reason, own = own_folders.left_out(home, names)
    if own_folders.is_inside(home):
        reason, own = "lies in an artifacts folder of Petalscope", names
    # An environment among the class folders of the data folder itself is no reason to refuse these.
    if not reason or own != names or reason == own_folders.ENVIRONMENT:
        return
    marked = f", or delete {own_folders.MARK} in it if it holds photos of yours" if own_folders.MARK in names else ""
    raise DataError(f"{root} {reason}; name a folder of photos with --data or PETALSCOPE_DATA{marked}.")


def _without_own(found: _Found, name: str, real: Path, children: list[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
    """The entries of a folder without Petalscope's own.

    These are noted once for the folder, so that the catalog does not change with every thumbnail.
    """
    reason, own = own_folders.left_out(real, {child.name for child in children})
    if not reason or (reason == own_folders.ENVIRONMENT and name == "."):
        return children
    found.skip(name, reason)
    return [child for child in children if child.name not in own]


def _sort_in(found: _Found, entry: os.DirEntry[str], name: str, parent: Path, home: Path) -> None:
    """Put `entry` of the folder whose real path is `parent` where it belongs in `found`."""
    if entry.name.lower() in NOISE or entry.name.startswith("._") or own_folders.is_note(entry.name):
        return
    if not images.is_plain_name(entry.name):
        found.skip(name, "has a name that is not valid UTF-8; rename it")
        return
    try:
        # Of a plain file no path is made: that would take most of the time of a scan.
        real = Path(entry.path).resolve(strict=True) if entry.is_symlink() else None
        is_folder = entry.is_dir() if real is None else real.is_dir()
    except PermissionError as error:
        found.skip(name, f"cannot be opened: {error.strerror}")
        return
    except (OSError, RuntimeError):  # RuntimeError: links in a circle, before Python 3.13
        found.skip(name, "is a link that leads nowhere")
        return
    if real is not None and not real.is_relative_to(home):
        found.skip(name, "is a link that leads out of the data folder")
    elif real is not None and own_folders.is_inside(real):
        found.skip(name, own_folders.INSIDE)
    elif own_folders.is_leftover(entry.name):
        found.skip(name, own_folders.LEFTOVER)
    elif is_folder and entry.name.startswith("."):
        found.skip(name, "is a hidden folder")
    elif is_folder and real is not None:
        heapq.heappush(found.links, (name, Path(entry.path), real))
    elif is_folder:
        found.folders.append((Path(entry.path), name, parent / entry.name))
    elif "/" in name:
        found.files.append(name)
    elif entry.name.lower() not in BESIDE_CLASSES:
        found.skip(name, "lies in no class folder")


def skipped_file(name: str, reason: str) -> dict[str, str]:
    """An entry of a catalog's `skipped`."""
    return {"id": name.encode("utf-8", "backslashreplace").decode(), "reason": reason}
