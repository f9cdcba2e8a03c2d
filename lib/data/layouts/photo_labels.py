"""Labels of photos from files beside them: tables, and lists in the manner of Flowers102. Which files they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lib.data.layouts import folder_names, label_table, table_labels
from lib.data.layouts.folder_tree import FolderTree, last, parent, suffix
from lib.data.layouts.table_labels import PhotoNames, TableLabels
from lib.data.scanning import BESIDE_CLASSES
from lib.errors import AmbiguousDataError, DataError, Reading
from lib.settings import LayoutChoice
from lib.text import composed, counted, listed, natural_key, shown_name

_MOST_FILES = 40
_MOST_BYTES = 50_000_000  # of a table that nobody named
_LIST = ("imagelabels.mat", "labels.mat")
_SPLIT_LIST = "setid.mat"


@dataclass
class FoundTables:
    """What was found in the files beside the photos: labels by file, and why other files give none."""

    labels: dict[str, TableLabels] = field(default_factory=dict)
    useless: dict[str, str] = field(default_factory=dict)
    unclear: dict[str, AmbiguousDataError] = field(default_factory=dict)


def beside(tree: FolderTree, around: Sequence[str], inside: Sequence[str], choice: LayoutChoice) -> FoundTables:
    """What the tables say in the folders `around` the photos, in folders without photos there, and `inside`."""
    aside = [
        folder
        for place in around
        for folder in tree.folders.get(place, [])
        if folder not in around and not tree.live(folder) and folder not in tree.photos
    ]
    return find(tree, [*around, *aside, *inside], choice)


def find(tree: FolderTree, folders: Sequence[str], choice: LayoutChoice) -> FoundTables:
    """What the tables and lists in `folders` say of the photos."""
    found = FoundTables()
    files = [name for folder in folders for name in tree.files.get(folder, []) if _may_be_labels(name)]
    names = PhotoNames([name for names in tree.photos.values() for name in names] if files else [])
    for name in files[:_MOST_FILES]:
        file = tree.root / name
        try:
            if file.stat().st_size > _MOST_BYTES:
                found.useless[name] = f"has more than {_MOST_BYTES / 1e6:,.0f} MB, so it is read only when it is named"
                continue
        except OSError:
            continue
        _read(found, file, name, names, choice)
    return found


def read(tree: FolderTree, choice: LayoutChoice) -> FoundTables:
    """What the file says that the user named. Raises DataError when it cannot be read or is about other photos."""
    file = Path(choice.labels or "").expanduser()
    file = file if file.is_absolute() else tree.root / file
    names = PhotoNames([name for names in tree.photos.values() for name in names])
    found = FoundTables()
    _read(found, file, file.name, names, choice)
    for error in found.unclear.values():
        raise error
    for reason in found.useless.values():
        raise DataError(f"{shown_name(str(file))} {reason}.")
    return found


def _may_be_labels(name: str) -> bool:
    # The answers of a competition's sample submission are made up.
    if last(name).lower() in BESIDE_CLASSES or "submission" in last(name).lower():
        return False
    return suffix(name) in label_table.SUFFIXES or last(name).lower() in _LIST


def _read(found: FoundTables, file: Path, name: str, names: PhotoNames, choice: LayoutChoice) -> None:
    try:
        if file.suffix.lower() == ".mat":
            found.labels[name] = _matlab(file, names)
            return
        labels = None
        if file.suffix.lower() == ".txt" and {"label", "labels", "classes"} & set(folder_names.words(file.stem)):
            labels = _list(label_table.decoded(file.read_bytes()), names, last(name))
        if labels is None:
            labels = table_labels.match(label_table.read(file), names, choice, last(name))
        if labels is None:
            found.useless[name] = "names no photo of this folder with a label"
        else:
            found.labels[name] = labels
    except AmbiguousDataError as error:
        found.unclear[name] = AmbiguousDataError(f"{shown_name(str(file))}: {error.problem}", error.readings)
    except OSError as error:
        found.useless[name] = f"cannot be opened: {error.strerror}"
    except DataError as error:
        found.useless[name] = str(error)


def _in_order(names: PhotoNames) -> list[str]:
    return sorted(names.ids, key=natural_key)


def _list(text: str, names: PhotoNames, file: str) -> TableLabels | None:
    """One label per line, for the photos in their order; None when the lines are not as many as the photos."""
    labels = [composed(line.strip()) for line in text.splitlines() if line.strip()]
    if len(labels) != len(names.ids) or len(set(labels)) < 2 or len(set(labels)) > max(2, len(labels) // 2):
        return None
    if any(names.find(label)[0] for label in labels[:3]) or any(
        names.find(label.split()[0])[0] for label in labels[:3]
    ):
        return None
    return TableLabels("", "", "", dict(zip(_in_order(names), labels, strict=True)), {}, {})


def _matlab(file: Path, names: PhotoNames) -> TableLabels:
    """The labels of Flowers102: number N of the list is for the photo with the number N in its name."""
    numbers = {name: _values(file, name) for name in ("labels", "label")}
    labels = next((values for values in numbers.values() if values), [])
    if len(labels) < len(names.ids):
        raise DataError(f"lists {len(labels):,} labels for {len(names.ids):,} photos")
    places = {image_id: _number(image_id) for image_id in names.ids}
    if not all(0 < place <= len(labels) for place in places.values()):
        raise DataError("numbers the photos, but their names have other numbers")
    splits: dict[str, str] = {}
    ids = {place: image_id for image_id, place in places.items()}
    for key, split in (("trnid", "train"), ("valid", "val"), ("tstid", "test")):
        for place in _values(file.with_name(_SPLIT_LIST), key):
            if place in ids:
                splits[ids[place]] = split
    given = {image_id: str(labels[place - 1]) for image_id, place in places.items()}
    return TableLabels("", "labels", "", given, splits, {})


def _values(file: Path, name: str) -> list[int]:
    """The numbers of a variable of a MATLAB file; empty where there is none."""
    from scipy.io import loadmat

    if not file.is_file():
        return []
    try:
        content = loadmat(file, variable_names=[name])
        return [int(value) for value in content[name].ravel()] if name in content else []
    except Exception as error:  # SciPy raises almost any error on damaged files
        raise DataError(f"is not a MATLAB file that can be read: {' '.join(str(error).split())[:120]}") from error


def _number(image_id: str) -> int:
    digits = "".join(letter for letter in last(image_id).partition(".")[0] if letter in "0123456789")
    return int(digits[:15] or 0)


def joined(found: FoundTables) -> tuple[list[str], TableLabels] | None:
    """The labels of all tables together and their files; None without any.

    Tables of different photos are parts of one; a table with fewer labels that agree adds nothing. Raises
    AmbiguousDataError when two tables contradict each other, or the only one has several columns of labels.
    """
    if not found.labels:
        for error in found.unclear.values():
            raise error
        return None
    files = sorted(found.labels, key=lambda name: (-len(found.labels[name].labels), name))
    kept = [files[0]]
    whole = found.labels[files[0]]
    split_of_file: dict[str, str] = {}
    for name in files[1:]:
        part = found.labels[name]
        shared = whole.labels.keys() & part.labels.keys()
        clashes = sum(whole.labels[image_id] != part.labels[image_id] for image_id in shared)
        if clashes:
            raise AmbiguousDataError(
                f"{last(kept[0])} and {last(name)} label {counted(clashes, 'photo')} differently",
                [Reading("labels", each, f"{counted(len(found.labels[each].labels), 'photo')}") for each in files[:4]],
            )
        if not part.labels.keys() <= whole.labels.keys():
            kept.append(name)
            whole = replace(
                whole,
                labels={**part.labels, **whole.labels},
                splits={**part.splits, **whole.splits},
                refused={**part.refused, **whole.refused},
                missing=whole.missing + part.missing,
            )
    for name in kept:
        if (split := folder_names.split_of(last(name).partition(".")[0], ["labels", "label"])) is not None:
            split_of_file |= dict.fromkeys(found.labels[name].labels, split)
    if not whole.splits and len(set(split_of_file.values())) > 1 and len(split_of_file) == len(whole.labels):
        whole = replace(whole, splits=split_of_file)
    return kept, whole


def split_by_folder(labels: Sequence[str]) -> dict[str, str]:
    """The split of each photo by the split folder that it lies in; empty unless all lie in one of at least two."""
    splits = {}
    for image_id in labels:
        named = {split for part in parent(image_id).split("/") if (split := folder_names.split_of(part))}
        if len(named) != 1:
            return {}
        splits[image_id] = named.pop()
    return splits if len(set(splits.values())) > 1 else {}


def _names(files: Sequence[str]) -> str:
    """The names of files in one clause; their paths where two have one name."""
    short = [last(name) for name in files]
    return listed(short if len(set(short)) == len(short) else files)


def about(files: Sequence[str], labels: TableLabels) -> str:
    """A sentence about which file gives the labels, and by which columns."""
    columns = f" (photo: {labels.image_column}, class: {labels.label_column})" if labels.image_column else ""
    photos = counted(len(labels.labels), "photo")
    return f"a table of labels, {_names(files)}, for {photos}{columns}"


def left_out(tree: FolderTree, files: Sequence[str], found: TableLabels) -> tuple[dict[str, str], list[str]]:
    """The photos, or whole folders of them, that the tables give no label, with reasons; and sentences about them."""
    file = _names(files)
    skipped, unlisted = dict(found.refused), 0
    for folder, photos in tree.photos.items():
        without = [name for name in photos if name not in found.labels and name not in skipped]
        unlisted += len(without)
        if len(without) == len(photos) and folder:
            skipped[folder] = f"holds {counted(len(photos), 'photo')} without a row in {file}"
        else:
            skipped |= dict.fromkeys(without, f"has no row in {file}")
    notes = []
    if unlisted:
        notes.append(f"{counted(unlisted, 'photo')} without a row in {file}, and left out.")
    if found.missing:
        rows = counted(len(found.missing), "row")
        notes.append(f"{rows} of {file} for photos that are not here (first: {shown_name(found.missing[0])}).")
    if found.refused:
        first, why = next(iter(found.refused.items()))
        notes.append(f"{counted(len(found.refused), 'photo')} left out: {shown_name(first)} {why}.")
    return skipped, notes


def why_none(tables: FoundTables) -> str:
    """Why the files that could be tables of labels are none, in brackets; "" where there are no such files."""
    reasons = [f"{last(name)} {reason}" for name, reason in tables.useless.items()]
    return f" ({listed(reasons, 3)})" if reasons else ""
