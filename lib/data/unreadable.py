"""Folders without a readable image: class folders of a layout that hold none, and the error for a data folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lib.data import skipped_files
from lib.data.layouts.folder_tree import parent
from lib.data.layouts.layout import Layout
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


def no_image_error(root: Path, labels: Mapping[str, str], skipped: Sequence[Mapping[str, str]]) -> DataError:
    """The error for a data folder without a readable image, which says what its files are.

    `labels` are those of its files, by id; `skipped` is as in a catalog.
    """
    unread = sorted((entry for entry in skipped if entry["id"] in labels), key=lambda entry: entry["id"])
    if not unread:
        return DataError(f"{root} has no readable image", remedy=Remedy.CHOOSE_DATA)
    classes = len(set(labels.values()) - {""})
    folders = f" in {counted(classes, 'class folder')}" if classes else ""
    files = counted(len(unread), "file")
    kinds = skipped_files.by_kind(unread).removesuffix(f"; {skipped_files.ADVICE_ON_HEIC}")  # the remedy says it
    return DataError(f"{root} has no readable image: {files}{folders}, none readable: {kinds}", remedy=Remedy.CONVERT)
