"""What a finished set of drawn flowers looks like; apart from the drawing, which every page would else import."""

from __future__ import annotations

import csv
from pathlib import Path

VERSION = "1"  # changes whenever the pictures change


def is_complete(root: Path) -> bool:
    """Whether `root` holds a finished set: its factor table and every picture that the table names."""
    table = root / "factors.csv"
    try:
        with table.open(newline="", encoding="utf-8") as lines:
            ids = [row.get("id") or "" for row in csv.DictReader(lines)]
    except (OSError, UnicodeDecodeError, csv.Error):  # none, or none that we wrote
        return False
    return bool(ids) and all((root / identity).is_file() for identity in ids)
