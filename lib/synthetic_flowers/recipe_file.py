"""The files of a complete synthetic set. Apart from the renderer, so that pages need not import that."""

from __future__ import annotations

import csv
from pathlib import Path

VERSION = "1"  # changes whenever the pictures change


def is_complete(root: Path) -> bool:
    """Whether `root` is a complete set: a factor table and every picture that the table names."""
    table = root / "factors.csv"
    try:
        with table.open(newline="", encoding="utf-8") as lines:
            ids = [row.get("id") or "" for row in csv.DictReader(lines)]
    except (OSError, UnicodeDecodeError, csv.Error):  # missing, or another program's
        return False
    return bool(ids) and all((root / identity).is_file() for identity in ids)
