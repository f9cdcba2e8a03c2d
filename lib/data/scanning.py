"""The files and folders of a data folder, and the reasons why some are skipped. How to read them: `layout`."""

from __future__ import annotations

import heapq
import os
from dataclasses import dataclass, field
from pathlib import Path

from lib.data import images, own_folders
from lib.errors import DataError, Remedy

FACTORS_FILE = "factors.csv"
# Expected beside the class folders, so not reported as misplaced.
BESIDE_CLASSES = {FACTORS_FILE, "license", "license.txt", "readme", "readme.md", "readme.txt"}
# Left behind by operating systems, storage boxes, editors and archives, so not reported as skipped.
NOISE = {
    *(".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", ".localized", ".nomedia", "picasa.ini"),
    *(".picasa.ini", "@eadir", "#recycle", "@recycle", ".@__thumb", "#snapshot", "$recycle.bin", "lost+found"),
    *("system volume information", ".trashes", ".spotlight-v100", ".fseventsd", ".ipynb_checkpoints", "__pycache__"),
}

ALREADY_SCANNED = "leads to a folder that was already scanned"


NO_CLASS_FOLDER = "lies in no class folder"


@dataclass(frozen=True)
class Listing:
    """Ids of the files and of the entered folders of a data folder, both sorted, and the skipped files with reasons."""

    files: list[str]
    folders: list[str]
    skipped: list[dict[str, str]]


def scan(root: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Ids of the files in the sub-folders of `root`, sorted, and the skipped files with reasons.

    Raises the errors of `listing`.
    """
    found = listing(root)
    top = [name for name in found.files if "/" not in name and name.lower() not in BESIDE_CLASSES]
    skipped = [*found.skipped, *(skipped_file(name, NO_CLASS_FOLDER) for name in top)]
    return [name for name in found.files if "/" in name], skipped


def listing(root: Path) -> Listing:
    """The files and folders of the data folder `root`.

    Symbolic links are followed only inside `root`, and a folder is entered once. The folder's own path takes precedence
    over a link, so a link changes neither the id nor the label of a file. Hidden folders are entered only through a
    link. Petalscope's own folders are skipped wherever they lie (`own_folders`).

    Raises DataError when `root` cannot be read or is one of Petalscope's own folders.
    """
    try:
        home = root.resolve(strict=True)
        top = _children(root)
    except (OSError, RuntimeError) as error:
        raise DataError(f"The data folder {root} cannot be read", remedy=Remedy.CHOOSE_DATA) from error
    state = _ScanState()
    entered = {home}
    _refuse_own(root, home, {child.name for child in top})
    for child in _without_own(state, ".", home, top):
        _classify(state, child, child.name, home, home)
    while state.folders or state.links:
        if state.folders:
            folder, name, real = state.folders.pop()
        else:
            name, folder, real = heapq.heappop(state.links)
        if real in entered:
            state.skip(name, ALREADY_SCANNED)
            continue
        entered.add(real)
        try:
            children = _children(folder)
        except OSError as error:
            state.skip(name, f"cannot be opened: {error.strerror}")
            continue
        kept = _without_own(state, name, real, children)
        if kept or not children:
            state.seen.append(name)
        for child in kept:
            _classify(state, child, f"{name}/{child.name}", real, home)
    return Listing(sorted(state.files), sorted(state.seen), state.skipped)


@dataclass(frozen=True)
class _ScanState:
    """Ids of the files and folders so far, skipped files, and the folders that are still to be entered.

    `folders` are (path, id prefix, real path), `links` a heap of (id prefix, path, real path).
    """

    files: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    folders: list[tuple[Path, str, Path]] = field(default_factory=list)
    links: list[tuple[str, Path, Path]] = field(default_factory=list)

    def skip(self, name: str, reason: str) -> None:
        self.skipped.append(skipped_file(name, reason))


def _children(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _refuse_own(root: Path, home: Path, names: set[str]) -> None:
    """Raises DataError when the data folder is Petalscope's own, so that it contains no photos of the user."""
    reason, own_names = own_folders.entries_to_skip(home, names)
    if own_folders.is_inside(home):
        reason, own_names = "lies in an artifacts folder of Petalscope", names
    # A Python environment beside the class folders is no reason to refuse the class folders.
    if not reason or own_names != names or reason == own_folders.ENVIRONMENT:
        return
    unmark = f" (delete {own_folders.MARK} in it if it holds your photos)" if own_folders.MARK in names else ""
    raise DataError(f"{root} {reason}{unmark}", remedy=Remedy.CHOOSE_DATA)


def _without_own(state: _ScanState, name: str, real: Path, children: list[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
    """The entries of a folder without Petalscope's own ones.

    Those are reported once for the folder, so that a new thumbnail does not change the catalog.
    """
    reason, own_names = own_folders.entries_to_skip(real, {child.name for child in children})
    if not reason or (reason == own_folders.ENVIRONMENT and name == "."):
        return children
    state.skip(name, reason)
    return [child for child in children if child.name not in own_names]


def _classify(state: _ScanState, entry: os.DirEntry[str], name: str, parent: Path, home: Path) -> None:
    """Add `entry`, of the folder whose real path is `parent`, to one of the lists of `state`."""
    if entry.name.lower() in NOISE or entry.name.startswith("._") or own_folders.is_note(entry.name):
        return
    if not images.is_plain_name(entry.name):
        state.skip(name, "has a name that is not valid UTF-8; rename it")
        return
    try:
        # No Path for plain files: creating one would take most of the time of a scan.
        real = Path(entry.path).resolve(strict=True) if entry.is_symlink() else None
        is_folder = entry.is_dir() if real is None else real.is_dir()
    except PermissionError as error:
        state.skip(name, f"cannot be opened: {error.strerror}")
        return
    except (OSError, RuntimeError):  # RuntimeError: links in a circle, before Python 3.13
        state.skip(name, "is a link that leads nowhere")
        return
    if real is not None and not real.is_relative_to(home):
        state.skip(name, "is a link that leads out of the data folder")
    elif real is not None and own_folders.is_inside(real):
        state.skip(name, own_folders.INSIDE)
    elif own_folders.is_leftover(entry.name):
        state.skip(name, own_folders.LEFTOVER)
    elif is_folder and entry.name.startswith("."):
        state.skip(name, "is a hidden folder")
    elif is_folder and real is not None:
        heapq.heappush(state.links, (name, Path(entry.path), real))
    elif is_folder:
        state.folders.append((Path(entry.path), name, parent / entry.name))
    else:
        state.files.append(name)


def skipped_file(name: str, reason: str) -> dict[str, str]:
    """An entry of a catalog's `skipped`."""
    return {"id": name.encode("utf-8", "backslashreplace").decode(), "reason": reason}
