"""Labels of photos from a table: which column names the photos, which their classes, which their split.

A photo is named by its path, or by the end of it, with or without suffix; by `/` or `\\`; in any case and Unicode form.
A photo that a table gives two labels has none: it is left out with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from lib.data.layouts import folder_names
from lib.data.layouts.folder_tree import PHOTO_SUFFIXES
from lib.data.layouts.label_table import Table
from lib.errors import AmbiguousDataError, DataError, Reading
from lib.settings import LayoutChoice
from lib.text import composed, listed, shown_name

# By name alone; letters and digits of it, in small letters.
_LABEL_NAMES = frozenset(
    {
        *("label", "labels", "class", "classes", "classname", "classlabel", "labelname", "category"),
        *("categoryname", "categories", "species", "target", "targets", "breed", "variety", "cultivar"),
        *("diagnosis", "dx", "taxon"),
    }
)
_IMAGE_NAMES = frozenset(
    {
        *("image", "images", "imageid", "imagename", "imagefile", "imagefilename", "imagepath", "img", "imgid"),
        *("imgname", "imgpath", "file", "filename", "filenames", "filepath", "path", "photo", "photoid"),
        *("photoname", "picture", "id", "name", "key"),
    }
)
_SPLIT_NAMES = frozenset(
    {
        *("split", "splits", "subset", "set", "dataset", "partition", "phase", "usage", "datasplit", "traintest"),
    }
)
_LONGEST_LABEL = 200
_ENOUGH = 0.5  # the share of rows or of photos that must match


@dataclass(frozen=True)
class TableLabels:
    """The labels and splits in a table, by photo id, and the columns that they were read from ("" for none).

    `refused` has the reason for each photo that gets no label. `missing` are names of photos that are not there.
    `named` is whether the column of labels was recognised by its name.
    """

    image_column: str
    label_column: str
    split_column: str
    labels: dict[str, str]
    splits: dict[str, str]
    refused: dict[str, str]
    missing: list[str] = field(default_factory=list)
    named: bool = True


class PhotoNames:
    """The ids of photos by the names that a table may give them."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = ids
        self._all = frozenset(ids)
        self._by_name: dict[str, list[str]] = {}
        self._by_stem: dict[str, list[str]] = {}
        for image_id in ids:
            name = _folded(image_id.rpartition("/")[2])
            self._by_name.setdefault(name, []).append(image_id)
            self._by_stem.setdefault(PurePosixPath(name).stem, []).append(image_id)

    def find(self, value: str) -> tuple[list[str], int]:
        """The ids that a cell may mean, and how many parts of the path agree; more than one id when it is unclear."""
        if value in self._all:  # also a name with a backslash in it
            return [value], value.count("/") + 1
        parts = [part for part in _folded(value.replace("\\", "/")).split("/") if part not in {"", "."}]
        if not parts:
            return [], 0
        name = PurePosixPath(parts[-1])
        ids = self._by_name.get(parts[-1]) or self._by_stem.get(parts[-1])
        if not ids and name.suffix in PHOTO_SUFFIXES:
            ids = self._by_stem.get(name.stem)
        if not ids:
            return [], 0
        folders = parts[-2::-1]
        depths = {image_id: _agreeing(_folded(image_id).split("/")[-2::-1], folders) for image_id in ids}
        deepest = max(depths.values())
        return [image_id for image_id, depth in depths.items() if depth == deepest], deepest + 1


def _folded(name: str) -> str:
    return composed(name.strip()).casefold()


def _agreeing(left: Sequence[str], right: Sequence[str]) -> int:
    count = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        count += 1
    return count


def match(table: Table, photos: PhotoNames, choice: LayoutChoice, file: str) -> TableLabels | None:
    """The labels in `table`; None when it is not about these photos, or has no labels.

    `file` is its name in sentences. Raises AmbiguousDataError when several columns could be the label, and DataError
    when a column that the user named is missing or holds something else; its text is a predicate ("has no column x"),
    to which the caller adds the table as subject.
    """
    without_header = not table.has_header and any(photos.find(name)[0] for name in table.columns)
    if without_header:
        table = table.without_header()
    image_column = _chosen(table, choice.image_column) or _image_column(table, photos)
    if not image_column:
        return None
    cells = table.columns[image_column]
    found = [photos.find(cell) for cell in cells]
    matched = {ids[0] for ids, _ in found if len(ids) == 1}
    unclear = {image_id for ids, _ in found if len(ids) > 1 for image_id in ids}
    hits = sum(bool(ids) for ids, _ in found)
    if not matched or (choice.image_column is None and hits < _ENOUGH * min(table.rows, len(photos.ids))):
        return None
    split_column = _chosen(table, choice.split_column)
    if choice.split_column is None:
        split_column = next((name for name in table.columns if _plain(name) in _SPLIT_NAMES), "")
    split_of = _split_values(table, split_column, demanded=choice.split_column is not None)
    if not split_of:
        split_column = ""
    label_column = _chosen(table, choice.label_column)
    named = True
    if label_column:
        values = table.columns[label_column]
    else:
        label_column, values, named = _label_column(table, {image_column, split_column})
        if not label_column:
            return None
        named = named or (without_header and len(table.columns) == 2)  # nothing else can be the label
    labels, contradictions, unlabelled = _by_photo(found, values, file, "label")
    refused = contradictions | unlabelled
    refused |= dict.fromkeys(_too_long(labels), f"has a label of more than {_LONGEST_LABEL} characters in {file}")
    splits: dict[str, str] = {}
    if split_column:
        split_cells = [split_of.get(cell, "") for cell in table.columns[split_column]]
        splits, contradictions, _ = _by_photo(found, split_cells, file, "split")  # where there is none, one is drawn
        refused |= contradictions
    refused |= dict.fromkeys(unclear - matched, f"has a name that {file} does not tell apart from another photo's")
    return TableLabels(
        image_column,
        label_column,
        split_column,
        {image_id: label for image_id, label in labels.items() if image_id not in refused},
        {image_id: split for image_id, split in splits.items() if image_id not in refused},
        refused,
        [cell for cell, (ids, _) in zip(cells, found, strict=True) if cell and not ids],
        named,
    )


def _too_long(labels: dict[str, str]) -> list[str]:
    return [image_id for image_id, label in labels.items() if len(label) > _LONGEST_LABEL]


def _by_photo(
    found: Sequence[tuple[list[str], int]], values: Sequence[str], file: str, what: str
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """By photo id: the values of photos with one; the reasons for those with several, and for those with none.

    `found` are the photos of each row, as `PhotoNames.find` gives them, `values` the cells of the rows, and `what` the
    word for one of these.
    """
    deepest: dict[str, int] = {}
    for ids, depth in found:
        if len(ids) == 1:
            deepest[ids[0]] = max(depth, deepest.get(ids[0], 0))
    given: dict[str, dict[str, None]] = {}
    for (ids, depth), value in zip(found, values, strict=True):
        # Of two rows that fit a photo, the one whose path agrees further is about it.
        if len(ids) == 1 and depth == deepest[ids[0]]:
            given.setdefault(ids[0], {})[composed(value.strip())] = None
    kept: dict[str, str] = {}
    contradictions: dict[str, str] = {}
    without: dict[str, str] = {}
    for image_id, names in given.items():
        distinct = [name for name in names if name]
        if len(distinct) == 1:
            kept[image_id] = distinct[0]
        elif distinct:
            contradictions[image_id] = f"has several {what}s in {file}: {listed(distinct)}"
        else:
            without[image_id] = f"has no {what} in {file}"
    return kept, contradictions, without


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _chosen(table: Table, name: str | None) -> str:
    """The column that the user named, in any case; "" for none. Raises DataError when it is not there."""
    if name is None:
        return ""
    for column in table.columns:
        if column == name:
            return column
    for column in table.columns:
        if _folded(column) == _folded(name):
            return column
    raise DataError(f"has no column {shown_name(name)}, but {listed(table.columns, 12)}")


def _image_column(table: Table, photos: PhotoNames) -> str:
    """The column that names most photos; of equal ones, one with a usual name."""

    def score(name: str) -> tuple[int, bool]:
        found = {ids[0] for ids, _ in map(photos.find, table.columns[name]) if len(ids) == 1}
        return len(found), _plain(name) in _IMAGE_NAMES

    best = max(table.columns, key=score, default="")
    return best if best and score(best)[0] else ""


def _label_column(table: Table, others: Iterable[str]) -> tuple[str, list[str], bool]:
    """The column of labels, its cells, and whether it was recognised by name; ("", [], False) where there is none."""
    rest = {name: cells for name, cells in table.columns.items() if name not in set(others) and any(cells)}
    named = [name for name in rest if _plain(name) in _LABEL_NAMES]
    choices = named or [name for name in rest if _may_be_labels(rest[name])]
    # A number and a word for the same class: the word.
    choices = [
        name
        for name in choices
        if not any(_are_codes_of(rest[name], rest[other]) for other in choices if other != name)
    ]
    if len(choices) > 1 and (indicators := _indicators(rest)):
        return indicators[0], indicators[1], True
    if len(choices) > 1:
        readings = [Reading("label-column", name, listed(dict.fromkeys(rest[name]), 3)) for name in choices[:6]]
        raise AmbiguousDataError(f"several columns could hold the labels: {listed(choices, 6)}", readings)
    return (choices[0], rest[choices[0]], bool(named)) if choices else ("", [], False)


def _may_be_labels(cells: Sequence[str]) -> bool:
    distinct = set(cells)
    return 2 <= len(distinct) <= max(2, len(cells) // 2) and all(len(cell) <= _LONGEST_LABEL for cell in distinct)


def _are_codes_of(number: Sequence[str], word: Sequence[str]) -> bool:
    """Whether the cells `number` are numbers that stand one to one for the words in the cells `word`."""
    pairs = set(zip(number, word, strict=True))
    digits = all(cell.lstrip("-").isdecimal() for cell in number)
    one_to_one = len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    return one_to_one and digits and not all(cell.lstrip("-").isdecimal() for cell in word)


def _indicators(columns: dict[str, list[str]]) -> tuple[str, list[str]] | None:
    """Of columns of 0 and 1 with one 1 per row, each a class (one-hot): a name for them, and the label of each row."""
    flags = {name: cells for name, cells in columns.items() if set(cells) <= {"0", "1", "0.0", "1.0"}}
    rows = list(zip(*flags.values(), strict=True))
    if len(flags) < 2 or not all(sum(cell[0] == "1" for cell in row) == 1 for row in rows):
        return None
    names = list(flags)
    return f"{names[0]} … {names[-1]}", [names[[cell[0] for cell in row].index("1")] for row in rows]


def _split_values(table: Table, column: str, *, demanded: bool) -> dict[str, str]:
    """The split by the cell of a split column; empty when a cell is no split. Raises DataError if `demanded`."""
    if not column:
        return {}
    cells = [cell for cell in dict.fromkeys(table.columns[column]) if cell]
    found = {cell: split for cell in cells if (split := folder_names.split_of(cell)) is not None}
    if len(found) == len(cells):
        return found
    if demanded:
        unknown = [cell for cell in cells if cell not in found]
        raise DataError(f"holds {listed(unknown)} in its column {column}, not train, val or test")
    return {}
