"""The files and folders of a data folder, and the reasons why some are skipped. `layouts` reads what they mean."""

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
    """Ids of the files and of the entered folders of a data folder, both sorted; `skipped` as in a catalog."""

    files: list[str]
    folders: list[str]
    skipped: list[dict[str, str]]


def listing(root: Path) -> Listing:
    """The files and folders of the data folder `root`.

    Symbolic links are followed only inside `root`, and a folder is entered once. The folder's own path takes precedence
    over a link, so a link changes neither the id nor the label of a file. Hidden folders are entered only through a
    link. Petalscope's own folders are skipped wherever they lie (`own_folders`).

    Raises DataError when `root` cannot be read or is one of Petalscope's own folders.
    """
    try:
        real_root = root.resolve(strict=True)
        top = _children(root)
    except (OSError, RuntimeError) as error:
        raise DataError(f"The data folder {root} cannot be read", remedy=Remedy.CHOOSE_DATA) from error
    state = _ScanState()
    entered = {real_root}
    _refuse_own(root, real_root, {child.name for child in top})
    for child in _without_own(state, ".", real_root, top):
        _classify(state, child, child.name, real_root, real_root)
    while state.pending or state.pending_links:
        if state.pending:
            folder, name, real = state.pending.pop()
        else:
            name, folder, real = heapq.heappop(state.pending_links)
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
            state.folders.append(name)
        for child in kept:
            _classify(state, child, f"{name}/{child.name}", real, real_root)
    return Listing(sorted(state.files), sorted(state.folders), state.skipped)


@dataclass(frozen=True)
class _ScanState:
    """The parts of a `Listing` so far, and the folders that are still to be entered.

    `pending` are (path, id, real path) of folders, `pending_links` a heap of (id, path, real path) of links to folders,
    which come after all folders.
    """

    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    pending: list[tuple[Path, str, Path]] = field(default_factory=list)
    pending_links: list[tuple[str, Path, Path]] = field(default_factory=list)

    def skip(self, name: str, reason: str) -> None:
        self.skipped.append(skipped_file(name, reason))


def _children(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _refuse_own(root: Path, real_root: Path, names: set[str]) -> None:
    """Raise DataError when the data folder, with entries called `names`, is one of Petalscope's own."""
    reason, own_names = own_folders.entries_to_skip(real_root, names)
    if own_folders.is_inside(real_root):
        reason, own_names = "lies in an artifacts folder of Petalscope", names
    # A Python environment beside the class folders is no reason to refuse the class folders.
    if not reason or own_names != names or reason == own_folders.ENVIRONMENT:
        return
    unmark = f" (delete {own_folders.MARK} in it if it holds your photos)" if own_folders.MARK in names else ""
    raise DataError(f"{root} {reason}{unmark}", remedy=Remedy.CHOOSE_DATA)


def _without_own(state: _ScanState, name: str, real: Path, children: list[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
    """The entries of a folder without Petalscope's own ones, for which the folder is reported as skipped once.

    Once, so that a new thumbnail does not change the catalog. `name` is the folder's id, "." for the data folder.
    """
    reason, own_names = own_folders.entries_to_skip(real, {child.name for child in children})
    if not reason or (reason == own_folders.ENVIRONMENT and name == "."):
        return children
    state.skip(name, reason)
    return [child for child in children if child.name not in own_names]


def _classify(state: _ScanState, entry: os.DirEntry[str], name: str, parent: Path, real_root: Path) -> None:
    """Add `entry`, with the id `name`, of the folder whose real path is `parent`, to one of the lists of `state`."""
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
    if real is not None and not real.is_relative_to(real_root):
        state.skip(name, "is a link that leads out of the data folder")
    elif real is not None and own_folders.is_inside(real):
        state.skip(name, own_folders.INSIDE)
    elif own_folders.is_leftover(entry.name):
        state.skip(name, own_folders.LEFTOVER)
    elif is_folder and entry.name.startswith("."):
        state.skip(name, "is a hidden folder")
    elif is_folder and real is not None:
        heapq.heappush(state.pending_links, (name, Path(entry.path), real))
    elif is_folder:
        state.pending.append((Path(entry.path), name, parent / entry.name))
    else:
        state.files.append(name)


def skipped_file(name: str, reason: str) -> dict[str, str]:
    """An entry of a catalog's `skipped`."""
    return {"id": name.encode("utf-8", "backslashreplace").decode(), "reason": reason}
