"""The command `features`: what each dimension of a space responds to."""

from __future__ import annotations

import argparse

from lib.documents.features import FeaturesDocument
from lib.settings import Settings
from lib.text import counted, printable, widest

HELP = "show what each feature of a space responds to: photos, class, dead and redundant ones"
SHOWN = 20  # features of the printed table; JSON has all


def features(settings: Settings, options: argparse.Namespace) -> FeaturesDocument:
    """The examples of one dimension of a space, or of all: see `feature_examples.document`."""
    from lib.measure import feature_examples
    from lib.prepare import workspace

    opened = workspace.open_workspace(settings)
    found = feature_examples.find(opened, options.space)
    return feature_examples.document(found, opened.catalog().ids, options.dimension)


def show_features(document: FeaturesDocument) -> str:
    """Counts, then the most selective features with the photos that excite them most."""
    entries = document["dimensions"]
    dead, redundant = (sum(entry["dead"] for entry in entries), sum(entry["redundant"] for entry in entries))
    above = document["redundant_above"]
    same = (
        "not compared with each other" if above is None else f"{redundant:,} redundant (|r| ≥ {above:g} with another)"
    )
    lines = [f"{document['space']}: {counted(len(entries), 'feature')} over {counted(document['images'], 'image')}"]
    lines[0] += f", {dead:,} dead, {same}"
    ranked = sorted(entries, key=lambda entry: -1.0 if entry["selectivity"] is None else entry["selectivity"])[::-1]
    width = widest((entry["class"] or "" for entry in ranked[:SHOWN]), 14)
    lines.append(f"{'feature':>7}  {'selectivity':<19}  {'class':<{width}} {'mean':>8}  photos with the largest values")
    for entry in ranked[:SHOWN]:
        value, interval = entry["selectivity"], entry["ci95"]
        shown = "undefined" if value is None else f"{value:.3f}"
        shown += f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
        photos = ", ".join(f"{photo['id']} ({photo['value']:.3g})" for photo in entry["top"][:3])
        label = (entry["class"] or "–").ljust(width)
        lines.append(f"{entry['dimension']:>7}  {shown:<19}  {label} {entry['mean']:>8.4g}  {photos or '–'}")
    if len(entries) > SHOWN:
        lines.append(f"… and {len(entries) - SHOWN:,} more: JSON has all of them")
    return printable(lines)
