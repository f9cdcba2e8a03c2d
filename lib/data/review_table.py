"""The table of a label review: a CSV with the columns `id`, `action` and `label`, read as a whole or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from lib.data import labelled
from lib.data.catalog import Catalog
from lib.data.label_review import ACTIONS, RELABEL, Action, Counts, Decision, LabelReview, counts, decision
from lib.data.layouts import label_table
from lib.errors import QueryError
from lib.text import listed, shown_name

COLUMNS: Final = ("id", "action", "label")
MOST_BYTES: Final = 50_000_000
_SEPARATORS: Final = ",;\t"


@dataclass(frozen=True)
class ReviewTable:
    """The decisions of a table by pixel hash, and the numbers of its rows."""

    decisions: Mapping[str, Decision]
    counts: Counts


def read(file: Path, catalog: Catalog) -> ReviewTable:
    """The decisions in a file about the photos of `catalog`, which is the one before any review.

    Raises QueryError with one sentence, which names the first bad row, when anything in the file is wrong.
    """
    name = shown_name(str(file))
    try:
        if not file.is_file():
            raise QueryError(f"{name} is not a file; name a CSV with the columns id, action and label.")
        if file.stat().st_size > MOST_BYTES:
            raise QueryError(f"{name} has more than {MOST_BYTES / 1e6:.0f} MB, so it is no table of decisions.")
        text = label_table.decoded(file.read_bytes())
    except OSError as error:
        raise QueryError(f"{name} cannot be opened: {error.strerror or error}.") from error
    except UnicodeError as error:
        raise QueryError(f"{name} is not a text file.") from error
    return parse(text, catalog, name)


def parse(text: str, catalog: Catalog, name: str) -> ReviewTable:
    """The decisions in a text; `name` is how errors name it. Raises QueryError as `read` does."""
    lines = text.replace("\0", "").splitlines(keepends=True)
    first = 1
    if lines and lines[0].startswith("# "):  # the provenance of a table that a page has saved
        lines, first = lines[1:], 2
    head = lines[0] if lines else ""
    separator = max(_SEPARATORS, key=head.count)
    reader = csv.DictReader(io.StringIO("".join(lines), newline=""), delimiter=separator, skipinitialspace=True)
    try:
        header = [str(column).strip().lower() for column in reader.fieldnames or []]
        for column in COLUMNS[:2]:
            if column not in header:
                raise QueryError(f"{name} has no column {column}; its first row must be id,action,label.")
        reader.fieldnames = header
        found: dict[str, Decision] = {}
        named: dict[str, str] = {}
        rows: list[Decision] = []
        for row in reader:
            if not any(str(cell or "").strip() for cell in row.values() if not isinstance(cell, list)):
                continue
            where = f"{name}, line {reader.line_num + first - 1}"
            sha256, decided = _row(row, catalog, where)
            before = found.setdefault(sha256, decided)
            if (before.action, before.label) != (decided.action, decided.label):
                other = "the same photo" if before.id == decided.id else f"an exact copy, {shown_name(before.id)},"
                raise QueryError(f"{where}: {other} has another decision in {named[sha256]}.")
            named.setdefault(sha256, f"line {reader.line_num + first - 1}")
            rows.append(decided)
    except csv.Error as error:
        raise QueryError(f"{name} is not a CSV file: {error}.") from error
    return ReviewTable(found, counts(rows))


def _row(row: Mapping[str, object], catalog: Catalog, where: str) -> tuple[str, Decision]:
    """The pixel hash and the decision of a row. Raises QueryError."""
    image_id, action, label = (str(row.get(column) or "").strip() for column in COLUMNS)
    place = catalog.row(image_id)
    if place is None:
        raise QueryError(f"{where}: no photo has the id {shown_name(image_id) or '(empty)'}.")
    if action.lower() not in ACTIONS:
        raise QueryError(f"{where}: the action {shown_name(action) or '(empty)'} is none of {', '.join(ACTIONS)}.")
    action = action.lower()
    if action == RELABEL:
        labelled.require(catalog, "Corrections of labels")
        label = catalog.label_named(label)
        if label not in catalog.classes:
            what = f"{shown_name(label)} is no class of these photos" if label else "a relabelled photo needs a label"
            raise QueryError(f"{where}: {what}; the classes are {listed(catalog.classes, 12)}.")
    return catalog.hashes[place], decision(cast("Action", action), catalog.ids[place], label)


def text(review: LabelReview, own_labels: Mapping[str, str]) -> str:
    """The table of a review, which `read` takes; a kept photo has its own label, by id, in the third column."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    decisions = sorted(review.decisions.values(), key=lambda each: each.id)
    writer.writerows((each.id, each.action, each.label or own_labels.get(each.id, "")) for each in decisions)
    return table.getvalue()
