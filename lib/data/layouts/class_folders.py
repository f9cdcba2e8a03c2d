"""Labels and splits from the names of folders: class folders, and split folders over class folders."""

from __future__ import annotations

import filecmp
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from lib.data.layouts import folder_names
from lib.data.layouts.folder_tree import PHOTO_SUFFIXES, FolderTree, last, parent, suffix
from lib.data.scanning import BESIDE_CLASSES, NO_CLASS_FOLDER
from lib.text import composed, counted, listed

_COMPARED = 50  # photos that are compared byte for byte


@dataclass
class Labelled:
    """Label and split by id, the class folders by id with their labels, and the reason by id of what is left out."""

    labels: dict[str, str] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def look_through(tree: FolderTree, folder: str = "") -> list[str]:
    """The wrappers around the class folders below `folder`: folders that hold one folder and no photos of their own."""
    wrappers: list[str] = []
    while len(kids := tree.live(folder)) == 1 and kids[0] not in tree.photos and tree.live(kids[0]):
        folder = kids[0]
        wrappers.append(folder)
    return wrappers


def class_root(tree: FolderTree, split_folder: str) -> str:
    """The folder in `split_folder` whose sub-folders are the classes; "" where there are no class folders."""
    root = (look_through(tree, split_folder) or [split_folder])[-1]
    kids = tree.live(root)
    return "" if not kids or folder_names.are_containers([last(kid) for kid in kids]) else root


def classes(tree: FolderTree, root: str, left_out: Mapping[str, str] | None = None) -> Labelled:
    """Every folder directly in `root` as a class, but those `left_out`, which come with the reason."""
    found = Labelled(skipped=dict(left_out or {}))
    prefix = f"{root}/" if root else ""
    left = {last(folder) for folder in found.skipped}
    for name in tree.listing.files:
        if not name.startswith(prefix):
            if suffix(name) in PHOTO_SUFFIXES:
                found.skipped[name] = f"lies outside of {root}"
            continue
        first, separator, _ = name[len(prefix) :].partition("/")
        if not separator:
            _leave_out(found, name, NO_CLASS_FOLDER)
        elif first not in left:
            found.labels[name] = composed(first)
    found.folders = {
        folder: composed(last(folder)) for folder in tree.folders.get(root, []) if folder not in found.skipped
    }
    found.notes = _merged(found.folders)
    live = [folder for folder in tree.live(root) if folder in found.folders]
    if live and not any(folder in tree.photos for folder in live):
        below = sum(len(tree.live(folder)) for folder in live)
        found.notes.append(
            f"The class folders hold only folders, {below:,} in all, which count as parts of their class."
        )
    if loose := len(tree.photos.get(root, [])):
        found.notes.append(f"{counted(loose, 'photo')} beside the class folders {_is_are(loose)} left out.")
    return found


def splits(tree: FolderTree, split_of: Mapping[str, str]) -> Labelled:
    """The class folders below each of the split folders, which are the keys of `split_of`."""
    found = Labelled()
    roots = {folder: class_root(tree, folder) for folder in split_of}
    for folder, root in roots.items():
        if not root:
            why = f"holds {counted(len(tree.below(folder)), 'photo')} but no class folders"
            found.skipped[folder] = why
            found.notes.append(f"The folder {folder}/ {why}, and is left out.")
        for child in tree.folders.get(root, []) if root else []:
            found.folders[child] = composed(last(child))
    for name in tree.listing.files:
        folder = next((each for each in _parents(name) if each in split_of), "")
        root = roots.get(folder, "")
        if not folder:
            if suffix(name) in PHOTO_SUFFIXES:
                found.skipped[name] = "lies in no split folder"
        elif not root:
            continue
        elif (place := name.removeprefix(f"{root}/")) != name and "/" in place:
            found.labels[name] = composed(place.partition("/")[0])
            found.splits[name] = split_of[folder]
        else:
            _leave_out(found, name, NO_CLASS_FOLDER)
    if len(set(found.splits.values())) < 2:
        found.splits = {}
    found.notes += _merged(found.folders)
    return found


def copies(tree: FolderTree, root: str, inner: str) -> tuple[int, int]:
    """How many photos below `inner` lie below `root`, too, by name and content; and the number of all."""
    photos = tree.below(inner)
    prefix = f"{root}/" if root else ""

    # All sizes and some contents: an exact copy of everything is the only thing that this should let pass.
    compared = set(photos[:: max(1, len(photos) // _COMPARED)])

    def is_copy(name: str) -> bool:
        one, other = tree.root / name, tree.root / (prefix + name.removeprefix(f"{inner}/"))
        try:
            same_size = one.stat().st_size == other.stat().st_size
            return same_size and (name not in compared or filecmp.cmp(one, other, shallow=False))
        except OSError:
            return False

    return sum(map(is_copy, photos)), len(photos)


def repeated(tree: FolderTree, root: str) -> str:
    """The folder in `root` that holds the same class folders again, one level deeper; "" where there is none."""
    kids = tree.live(root)
    for kid in kids:
        inner = {last(each) for each in tree.live(kid)}
        shared = inner & {last(each) for each in kids if each != kid}
        if kid not in tree.photos and len(shared) >= 2 and 2 * len(shared) >= len(inner):
            return kid
    return ""


def are_batches(tree: FolderTree, kids: Sequence[str]) -> bool:
    """Whether the folders hold the same class folders, as batches of one data set do."""
    if len(kids) < 2 or any(kid in tree.photos for kid in kids):
        return False
    names = Counter(last(each) for kid in kids for each in tree.live(kid))
    return sum(count > 1 for count in names.values()) >= 2


def _leave_out(found: Labelled, name: str, reason: str) -> None:
    if "/" in name or name.lower() not in BESIDE_CLASSES:
        found.skipped[name] = reason


def _merged(folders: Mapping[str, str]) -> list[str]:
    """A sentence for each class whose folders are spelt in several Unicode forms."""
    spelt: dict[str, set[str]] = {}
    for folder, label in folders.items():
        spelt.setdefault(label, set()).add(last(folder))
    return [
        f"{len(names)} folders spell {label} in different Unicode forms; they are one class."
        for label, names in spelt.items()
        if len(names) > 1
    ]


def _parents(name: str) -> Collection[str]:
    found = []
    while name := parent(name):
        found.append(name)
    return found


def _is_are(count: int) -> str:
    return "is" if count == 1 else "are"


def about_classes(labels: Collection[str]) -> str:
    """How many classes, and some of their names."""
    return f"{counted(len(labels), 'class')}, {listed(labels)}"
