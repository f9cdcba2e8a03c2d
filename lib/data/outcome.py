"""What came of decoding the files of a layout: class folders that yielded nothing, folders that cannot be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lib.data.folder_tree import parent
from lib.data.layout import Layout
from lib.errors import DataError, Remedy
from lib.text import counted, natural_key


def empty_folders(found: Layout, ids: Iterable[str], waiting: set[str]) -> list[str]:
    """The class folders that none of the images `ids` lies in, in natural order.

    `waiting` are classes whose photos a limit leaves out: they may have images.
    """
    filled: set[str] = set()
    for image_id in ids:
        folder = parent(image_id)
        while folder and folder not in filled:
            filled.add(folder)
            folder = parent(folder)
    empty = [folder for folder, label in found.folders.items() if folder not in filled and label not in waiting]
    return sorted(empty, key=natural_key)


def unreadable_error(root: Path, labels: Mapping[str, str], skipped: Sequence[Mapping[str, str]]) -> DataError:
    """The error for a folder without a readable image, which says what its files are; `labels` are theirs."""
    kinds: dict[str, list[str]] = {}
    for entry in skipped:
        if entry["id"] in labels:
            kinds.setdefault(_kind(entry["reason"]), []).append(entry["id"])
    if not kinds:
        return DataError(f"{root} has no readable image in a class sub-folder", remedy=Remedy.CHOOSE_DATA)
    largest = sorted(kinds.items(), key=lambda item: -len(item[1]))[:3]
    parts = "; ".join(f"{len(names):,} {kind} (first: {names[0]})" for kind, names in largest)
    folders = counted(len(set(labels.values())), "class folder")
    files = counted(sum(map(len, kinds.values())), "file")
    problem = f"{root} has no readable image: {files} in {folders}, none readable: {parts}"
    return DataError(problem, remedy=Remedy.CONVERT)


def _kind(reason: str) -> str:
    """What files with this reason are: `are TIFF`, or the reason itself."""
    match = re.match(r"is an? (.+?) file\b", reason)
    return f"are {match[1]}" if match else f"× {reason}"
