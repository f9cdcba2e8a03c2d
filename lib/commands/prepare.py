"""The commands that build artifacts: `prepare`, `embed`, `audit` and `map`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar, cast

from lib.commands.progress import Progress
from lib.documents.prepare import AuditDocument, EmbedDocument, MapDocument, PrepareDocument
from lib.errors import QueryError
from lib.progress import Reporter
from lib.settings import Settings
from lib.text import printable

Document = TypeVar("Document")


def prepare(settings: Settings, options: argparse.Namespace) -> PrepareDocument | None:
    """Catalog, vectors, maps and collections: see `pipeline.prepare`. None in a helper process of torchrun."""
    from lib.prepare import pipeline

    return _run(settings, options, pipeline.prepare)


def embed(settings: Settings, options: argparse.Namespace) -> EmbedDocument | None:
    """Catalog and vectors only: see `pipeline.embed`. None in a helper process of torchrun."""
    from lib.prepare import pipeline

    return _run(settings, options, pipeline.embed)


def _run(settings: Settings, options: argparse.Namespace, step: Callable[..., Document]) -> Document | None:
    """Run `step` for the spaces that the user named, in the leading process."""
    from lib.embed import distributed, extract

    names = [name.strip() for name in options.spaces.split(",") if name.strip()]
    if not names:
        raise QueryError("No space was named; write --spaces pixels,resnet18 or leave it out.")
    with Progress() as progress, distributed.group(settings.launched, extract.parts) as leads:
        if not leads:
            return None
        reporter = Reporter(progress.update, progress.say)
        return step(settings, names=names, limit=options.limit, precision=options.precision, reporter=reporter)


def show_prepare(document: PrepareDocument) -> str:
    """The photos, spaces and collections, and the time taken."""
    lines = _summary(document)
    lines += [f"collection {row['name']}: {row['rows']:,} rows" for row in document["milvus"]["collections"]]
    lines.append(f"ready in {document['seconds']:.1f} s; open it with `make run` or `streamlit run app.py`")
    return printable(lines)


def show_embed(document: EmbedDocument) -> str:
    """The photos and spaces, and the next command."""
    done = f"embedded in {document['seconds']:.1f} s; `python -m lib prepare` makes maps and collections of it"
    return printable([*_summary(document), done])


def _summary(document: EmbedDocument) -> list[str]:
    data = document["dataset"]
    skipped = len(data["skipped"])
    lines = [
        f"{data['name']}: {data['images']:,} images of {len(data['classes'])} classes, "
        f"{skipped:,} file{'' if skipped == 1 else 's'} skipped ({data['root']})"
    ]
    for space in document["spaces"]:
        how = "nothing to compute" if space["cached"] else f"{space['seconds']:.1f} s"
        weights = f", weights {space['weights']}, {space['precision']}" if space["weights"] else ""
        lines.append(f"space {space['name']}: {space['count']:,} × {space['dim']:,}{weights} ({how})")
    return lines


def audit(settings: Settings, options: argparse.Namespace) -> AuditDocument:
    """Duplicates, contradicting labels and unreadable files: see `pipeline.audit`."""
    from lib.prepare import pipeline

    with Progress() as progress:
        return pipeline.audit(settings, Reporter(progress.update, progress.say))


def show_audit(document: AuditDocument) -> str:
    """A summary, and a line for each group of duplicates and each skipped file or folder."""
    groups = document["duplicates"]
    exact = [group for group in groups if group["kind"] == "exact"]
    conflicts = [group for group in groups if group["conflict"]]
    lines = [
        f"{document['images']:,} images: {len(exact)} pictures occur more than once, {len(groups) - len(exact)} pairs "
        f"are nearly equal, {len(conflicts)} of these carry contradicting labels, "
        f"{len(document['corrupt'])} files or folders are left out"
    ]
    lines += [
        f"{group['kind']}{' CONFLICT' if group['conflict'] else ''}: {'  '.join(group['ids'])}" for group in groups
    ]
    lines += [f"skipped: {entry['id']} {entry['reason']}" for entry in document["corrupt"]]
    return printable(lines)


def make_map(settings: Settings, options: argparse.Namespace) -> MapDocument:
    """A map of a space and its fidelity; `--metric` and `--seed` default to those of `prepare`."""
    from dataclasses import replace

    from lib.prepare import pipeline, workspace

    start = time.perf_counter()
    defaults = workspace.open_workspace(settings).map_parameters(options.space)
    parameters = replace(
        defaults,
        method=options.method,
        n_neighbors=options.n_neighbors,
        min_dist=options.min_dist,
        metric=options.metric or defaults.metric,
        seed=defaults.seed if options.seed is None else options.seed,
    )
    with Progress() as progress:
        reporter = Reporter(progress.update, progress.say)
        laid_out, cached = pipeline.make_map(settings, options.space, parameters, reporter)
    document = {
        "space": options.space,
        **parameters.facts(),
        "images": len(laid_out.xy),
        **laid_out.facts["fidelity"],
        "neighbours": laid_out.facts.get("neighbours", {"found": "exact"}),
        "cached": cached,
        "seconds": round(time.perf_counter() - start, 3),
    }
    return cast("MapDocument", document)


def show_map(document: MapDocument) -> str:
    """The map's parameters and its fidelity."""
    values: dict[str, object] = {**document}
    names = ("n_neighbors", "min_dist", "metric", "seed")
    parameters = [f"{name} {values[name]}" for name in names if name in values]
    lines = [f"{document['method']} of {document['images']:,} images in {document['space']}: {', '.join(parameters)}"]
    if document["k"]:
        lines += [
            f"trustworthiness {document['trustworthiness']:.3f}, continuity {document['continuity']:.3f}, "
            f"of the {document['k']} nearest {document['preservation']:.1%} are near on the map"
        ]
    if document["neighbours"]["found"] == "approximate":
        search = document["neighbours"]
        lines += [
            f"the neighbours are approximate ({search['by']}): {search['recall']:.1%} of them are exact, measured on "
            f"{search['sample']:,} images"
        ]
    return printable([*lines, "existed already" if document["cached"] else f"computed in {document['seconds']:.1f} s"])
