"""The commands about spaces as a whole: `spaces` diagnoses and compares them, `clusters` groups their images, and
`what-if` shortens their vectors."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, cast

from lib.commands.progress import ProgressBar
from lib.documents.spaces import Chance, ClustersDocument, SpaceDiagnosis, SpacePair, SpacesDocument
from lib.documents.what_if import Loss, WhatIfDocument
from lib.progress import of_stage
from lib.search import clustering
from lib.settings import Settings
from lib.text import counted, printable, widest, with_interval

if TYPE_CHECKING:
    from lib.documents.search import Interval

METHODS = tuple(clustering.METHODS)


def spaces(settings: Settings, options: argparse.Namespace) -> SpacesDocument:
    """Every prepared space diagnosed, and every two compared. Raises ArtifactError when no space is prepared."""
    from lib.measure import space_diagnosis
    from lib.prepare import workspace

    opened = workspace.open_workspace(settings)
    if not opened.spaces:
        raise workspace.unprepared(f"No space of {opened.dataset.name} is prepared yet", settings)
    with ProgressBar() as progress:
        return space_diagnosis.measure_all(opened, opened.catalog(), of_stage(progress.update, "diagnose and compare"))


def show_spaces(document: SpacesDocument) -> str:
    """A block for each figure of the spaces, then a line for each pair, each with its interval."""
    from lib.measure.space_diagnosis import MEASURES, PAIR_MEASURES

    found, pairs = document["spaces"], document["pairs"]
    width = max(len(measure.title) for measure in MEASURES.values())
    lines = ["".ljust(width) + "".join(f"  {space['name']:<24}" for space in found)]
    for name, measure in MEASURES.items():
        cells = [_cell(space, name, measure.digits) for space in found]
        lines.append(measure.title.ljust(width) + "".join(f"  {cell:<24}" for cell in cells))
    if found:
        first = found[0]
        lines.append(
            f"{first['images']:,} images; figures over pairs of images are of {first['sample']:,}, seed {first['seed']}"
        )
    for pair in pairs:
        lines += ["", f"{pair['a']} and {pair['b']}"]
        for name, measure in PAIR_MEASURES.items():
            shown, by_chance = _cell(pair, name, 3), _figure(_figures(pair["chance"])[name], None, 3)
            lines.append(f"  {measure.title:<20} {shown:<24} by chance {by_chance}")
    return printable(lines)


def _cell(row: SpaceDiagnosis | SpacePair, name: str, digits: int) -> str:
    """The figure `name` of a space or a pair, with its interval."""
    return _figure(_figures(row)[name], cast("dict[str, Interval]", row["ci95"]).get(name), digits)


def _figures(row: SpaceDiagnosis | SpacePair | Chance) -> dict[str, float | None]:
    return cast("dict[str, float | None]", row)


def _figure(value: float | None, interval: Interval, digits: int) -> str:
    return with_interval(value, interval, digits, " [{}, {}]")


def clusters(settings: Settings, options: argparse.Namespace) -> ClustersDocument:
    """The clusters of a space: see `measure.clusters`."""
    from lib.measure import clusters as measured
    from lib.prepare import workspace

    opened = workspace.open_workspace(settings)
    return measured.find(opened, options.space, opened.catalog(), options.method, options.k).document


def show_clusters(document: ClustersDocument) -> str:
    """A line for each cluster with its majority and its exemplars, and the agreement with the classes."""
    k = "" if document["k"] is None else f", k = {document['k']}"
    lines = [f"{document['space']} · {document['method']}{k} · {document['points']}"]
    width = widest((each["label"] for each in document["clusters"]), 16)
    for each in document["clusters"]:
        majority = "" if each["purity"] is None else f"{each['label']:<{width}} {each['purity']:>4.0%}  "
        exemplars = "  ".join(each["exemplars"][:3])
        lines.append(f"{each['cluster']:>4}  {each['size']:>6,}  {majority}{exemplars}")
    if document["noise"]:
        lines.append(f"noise  {document['noise']:,}")
    if any(each["purity"] is None for each in document["clusters"]):
        return printable(
            [*lines, f"{counted(document['images'], 'image')} without labels to compare the clusters with"]
        )
    intervals = document["ci95"]
    agreement = (
        f"NMI {_figure(document['nmi'], intervals['nmi'], 3)} · ARI {_figure(document['ari'], intervals['ari'], 3)} "
        f"against the classes, {counted(document['images'], 'image')}"
    )
    return printable([*lines, agreement])


def what_if(settings: Settings, options: argparse.Namespace) -> WhatIfDocument:
    """What shorter vectors of a space cost: see `measure.what_if`."""
    from lib.measure import what_if as measured
    from lib.prepare import workspace

    opened = workspace.open_workspace(settings)
    with ProgressBar() as progress:
        stage = of_stage(progress.update, "shorten the vectors")
        return measured.measure(opened, opened.catalog(), options.space, stage)


def show_what_if(document: WhatIfDocument) -> str:
    """A line for each way with its scores and its cost, then the trade-off."""
    from lib.measure import what_if as measured
    from lib.store.index_types import format_bytes

    width = max(len(row["space"]) for row in document["rows"])
    titles = ("bytes", "mAP", "P@10", "mAP, pp", "P@10, pp", "index", "ms")
    lines = ["space".ljust(width) + "".join(f"  {title:>8}" for title in titles)]
    for row in document["rows"]:
        losses = [_points(row["difference"]["map"]), _points(row["difference"]["p10"])]
        scores = [_figure(row["map"], None, 4), _figure(row["p10"], None, 4)]
        cells = [f"{row['bytes']:,}", *scores, *losses, format_bytes(row["index_bytes"]), f"{row['milliseconds']:.2f}"]
        worse = "  worse" if measured.is_worse(row) else ""
        lines.append(row["space"].ljust(width) + "".join(f"  {cell:>8}" for cell in cells) + worse)
    if (answer := measured.verdict(document)) is not None:
        lines += [answer.text, f"Rule: {document['rule']}."]
    return printable(lines)


def _points(loss: Loss) -> str:
    return "–" if loss["mean"] is None else f"{100 * loss['mean']:+.1f}"
