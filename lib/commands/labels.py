"""The commands about labels: `suspects` and `relabel`."""

from __future__ import annotations

import argparse
import time

from lib.commands.progress import ProgressBar
from lib.documents.labels import RelabelDocument, SuspectsDocument
from lib.progress import of_stage
from lib.settings import Settings
from lib.text import agreeing, counted, printable, widest

ABOUT_SUSPECTS = "rank the photos by how doubtful their labels are"
ABOUT_RELABEL = "make a table of decisions (id,action,label) the label review, which `prepare` applies"
SHOWN = 20


def suspects(settings: Settings, options: argparse.Namespace) -> SuspectsDocument:
    """Every photo, the most suspicious label first: see `measure.suspects`."""
    from lib.data import audit_file
    from lib.measure import suspects
    from lib.prepare import workspace

    start = time.perf_counter()
    opened = workspace.open_workspace(settings)
    catalog = opened.catalog()
    with ProgressBar() as progress:
        found = suspects.find(opened, options.space, catalog, of_stage(progress.update, "fit probes"))
        audit = audit_file.find(opened.folder, catalog, of_stage(progress.update, "compare photos"))
    near = opened.neighbourhoods(options.space)
    return suspects.document(found, catalog, near, audit, time.perf_counter() - start)


def show_suspects(document: SuspectsDocument) -> str:
    """The estimated number of errors, and the first rows with their reasons."""
    rows = document["rows"]
    interval = document["ci95"]
    share = f" ({interval[0]:.1%} to {interval[1]:.1%})" if interval else ""
    judged = counted(document["judged"], "judged photo")
    shown = rows[:SHOWN]
    one, other = widest((row["label"] for row in shown), 12), widest((row["suggested"] for row in shown), 12)
    lines = [
        f"{agreeing(document['errors'], 'label', 'is', 'are')} probably wrong among {judged}{share}, by a linear probe "
        f"on {document['space']}",
        f"{'score':>6}  {'label':<{one}}  {'suggested':<{other}}  photo",
    ]
    for row in shown:
        score = "–" if row["score"] is None else f"{row['score']:.3f}"
        lines.append(
            f"{score:>6}  {row['label']:<{one}}  {row['suggested']:<{other}}  {row['id']}: {'; '.join(row['reasons'])}"
        )
    if len(rows) > SHOWN:
        lines.append(f"the first {SHOWN} of {counted(len(rows), 'photo')}; --json prints all")
    return printable(lines)


def relabel(settings: Settings, options: argparse.Namespace) -> RelabelDocument:
    """Make the decisions of a file the label review, or take the review away: see `data.label_review`.

    Nothing changes when a row of the file is wrong.
    """
    from lib.data import label_review, review_table
    from lib.prepare import before_review, workspace

    opened = workspace.open_workspace(settings)
    if options.clear:
        label_review.clear(opened.folder)
        counts = label_review.counts([])
    else:
        table = review_table.read(options.file, before_review.catalog_without_review(opened))
        label_review.replace(opened.folder, table.decisions)
        counts = table.counts
    command = settings.prepare_command if before_review.pending(opened) else ""
    return {**counts, "prepare": command}


def show_relabel(document: RelabelDocument) -> str:
    """The numbers of decisions, and what applies them."""
    lines = [
        f"{document['relabelled']:,} to relabel, {document['excluded']:,} to exclude, {document['kept']:,} to keep"
    ]
    lines.append(f"`{document['prepare']}` applies them" if document["prepare"] else "nothing changes by them")
    return printable(lines)
