"""The command `sample`: which photos to label first."""

from __future__ import annotations

import argparse

from lib.documents.labels import LabelSample
from lib.settings import Settings
from lib.text import counted, printable

ABOUT = "choose a diverse sample of photos to label first"
METHODS = ("facility", "kcenter")
SHOWN = 20  # rows of the printed table; JSON has all


def sample(settings: Settings, options: argparse.Namespace) -> LabelSample:
    """The sample of a space: see `label_sample.measure`. With `--table FILE` an empty table of labels is written."""
    from lib.measure import label_sample, leaks
    from lib.prepare import workspace

    document = label_sample.measure(workspace.open_workspace(settings), options.space, options.count, options.method)
    if options.table is not None:
        leaks.write_table(options.table, label_sample.table(document))
        document["table"] = str(options.table)
    return document


def show_sample(document: LabelSample) -> str:
    """How it was chosen, the first rows, and what to do with them."""
    from lib.measure import label_sample

    rows = document["rows"]
    lines = [
        f"{counted(len(rows), 'photo')} to label first, in {document['space']}. {label_sample.about(document)}",
        f"{'rank':>4}  {'covers':>6}  photo",
    ]
    lines += [f"{row['rank']:>4}  {row['covers']:>6,}  {row['id']}" for row in rows[:SHOWN]]
    if len(rows) > SHOWN:
        lines.append(f"the first {SHOWN} of {len(rows):,}; --json prints all")
    if "table" in document:
        lines.append(f"fill in the column label of {document['table']}, then `python -m lib prepare --labels FILE`")
    else:
        lines.append("--table FILE.csv writes them as a table to fill in, which `prepare --labels FILE.csv` reads")
    return printable(lines)
