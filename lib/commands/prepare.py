"""The commands that make things: `prepare`, `embed`, `audit` and `map`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from lib.commands.progress import Progress
from lib.errors import QueryError
from lib.progress import Reporter
from lib.settings import Settings
from lib.text import printable


def prepare(settings: Settings, options: argparse.Namespace) -> Any:
    """Catalog, vectors, maps and collections: see `pipeline.prepare`. None in a process that only helped."""
    from lib.prepare import pipeline

    return _made(settings, options, pipeline.prepare)


def embed(settings: Settings, options: argparse.Namespace) -> Any:
    """Catalog and vectors only: see `pipeline.embed`. None in a process that only helped."""
    from lib.prepare import pipeline

    return _made(settings, options, pipeline.embed)


def _made(settings: Settings, options: argparse.Namespace, make: Callable[..., Any]) -> Any:
    """What `make` makes of the spaces that the user named; nothing in a process that only helped another with it."""
    from lib.embed import distributed, extract

    names = [name.strip() for name in options.spaces.split(",") if name.strip()]
    if not names:
        raise QueryError("No space was named; write --spaces pixels,resnet18 or leave it out.")
    with Progress() as progress, distributed.group(settings.launched, extract.parts) as leads:
        if not leads:
            return None
        reporter = Reporter(progress.update, progress.say)
        return make(settings, names=names, limit=options.limit, precision=options.precision, reporter=reporter)


def show_prepare(document: Any) -> str:
    """What was made, and in which time."""
    lines = _made_lines(document)
    lines += [f"collection {row['name']}: {row['rows']:,} rows" for row in document["milvus"]["collections"]]
    lines.append(f"ready in {document['seconds']:.1f} s; open it with `make run` or `streamlit run Home.py`")
    return printable(lines)


def show_embed(document: Any) -> str:
    """What was made, and what takes it up."""
    done = f"embedded in {document['seconds']:.1f} s; `python -m lib prepare` makes maps and collections of it"
    return printable([*_made_lines(document), done])


def _made_lines(document: Any) -> list[str]:
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


def audit(settings: Settings, options: argparse.Namespace) -> Any:
    """Duplicates, contradicting labels and unreadable files: see `pipeline.audit`."""
    from lib.prepare import pipeline

    with Progress() as progress:
        return pipeline.audit(settings, Reporter(progress.update, progress.say))


def show_audit(document: Any) -> str:
    """A summary, and a line for each group and each file or folder that is left out."""
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


def lay_out(settings: Settings, options: argparse.Namespace) -> Any:
    """A map of a space and how far it can be trusted; metric and seed, where not given, are `prepare`'s."""
    from dataclasses import replace

    from lib.prepare import pipeline, workspace

    start = time.perf_counter()
    usual = workspace.open_workspace(settings).map_parameters(options.space)
    parameters = replace(
        usual,
        method=options.method,
        n_neighbors=options.n_neighbors,
        min_dist=options.min_dist,
        metric=options.metric or usual.metric,
        seed=usual.seed if options.seed is None else options.seed,
    )
    with Progress() as progress:
        reporter = Reporter(progress.update, progress.say)
        made, cached = pipeline.make_map(settings, options.space, parameters, reporter)
    return {
        "space": options.space,
        **parameters.facts(),
        "images": len(made.xy),
        **made.facts["fidelity"],
        "neighbours": made.facts.get("neighbours", {"found": "exact"}),
        "cached": cached,
        "seconds": round(time.perf_counter() - start, 3),
    }


def show_map(document: Any) -> str:
    """The map's parameters and how faithful it is."""
    chosen = [f"{name} {document[name]}" for name in ("n_neighbors", "min_dist", "metric", "seed") if name in document]
    lines = [f"{document['method']} of {document['images']:,} images in {document['space']}: {', '.join(chosen)}"]
    if document["k"]:
        lines += [
            f"trustworthiness {document['trustworthiness']:.3f}, continuity {document['continuity']:.3f}, "
            f"of the {document['k']} nearest {document['preservation']:.1%} are near on the map"
        ]
    if document["neighbours"]["found"] == "approximate":
        near = document["neighbours"]
        told = f"{near['recall']:.1%} of them are exact, measured on {near['sample']:,} images"
        lines += [f"the nearest are approximate ({near['by']}): {told}"]
    return printable([*lines, "it was there already" if document["cached"] else f"made in {document['seconds']:.1f} s"])
