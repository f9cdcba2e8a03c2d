"""The commands that build artifacts: `prepare`, `embed`, `audit` and `map`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

from lib.commands import interrupts
from lib.commands.progress import ProgressBar
from lib.data import label_overlay, skipped_files
from lib.documents.embeddings import NeighbourSearch
from lib.documents.prepare import AuditDocument, EmbedDocument, MapDocument, PrepareDocument
from lib.errors import ArtifactError, QueryError
from lib.progress import Reporter, of_stage
from lib.settings import Settings
from lib.text import agreeing, counted, printable

Document = TypeVar("Document")
ABOUT_EMBED = "build catalog and vectors only, alone or under torchrun; the next `prepare` reuses them"
INTERRUPTED = (
    "Interrupted. The photos are prepared; what was not measured yet is measured when it is first looked at, or by the "
    "next prepare."
)


def prepare(settings: Settings, options: argparse.Namespace) -> PrepareDocument | None:
    """Catalog, vectors, maps and collections: see `pipeline.prepare`; then what a first look needs, which is no part of
    the document. None in a helper process of torchrun.
    """
    from lib.prepare import pipeline

    document = _run(settings, options, pipeline.prepare)
    if document is not None:
        _measure(settings, document)
    return document


def _measure(settings: Settings, document: PrepareDocument) -> None:
    """The first results. An interrupt ends them, not the command: everything is prepared."""
    from lib.measure import first_results

    with ProgressBar() as progress:
        try:
            seconds = first_results.make(settings, Reporter(progress.update, progress.say))
            interrupts.check()
        except KeyboardInterrupt:
            progress.say(INTERRUPTED)
            return
    document["seconds"] = round(document["seconds"] + seconds, 3)


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
    if options.network is not None:
        names.append(_network_space(options))
    with ProgressBar() as progress, distributed.group(settings.launched, extract.parts) as leads:
        if not leads:
            return None
        reporter = Reporter(progress.update, progress.say)
        return step(settings, names=names, limit=options.limit, precision=options.precision, reporter=reporter)


def _network_space(options: argparse.Namespace) -> str:
    """The space of the network that the user named, known by its name from now on."""
    from lib.embed import network_spaces, spaces

    space = network_spaces.from_file(options.network.expanduser().absolute(), options.as_name, options.preprocess)
    spaces.choose(space)
    return space.name


def show_prepare(document: PrepareDocument) -> str:
    """The photos, spaces and collections, and the time taken."""
    lines = _summary(document)
    lines += [f"collection {row['name']}: {counted(row['rows'], 'row')}" for row in document["milvus"]["collections"]]
    lines.append(f"ready in {document['seconds']:.1f} s; open it with `make run` or `streamlit run Home.py`")
    return printable(lines)


def show_embed(document: EmbedDocument) -> str:
    """The photos and spaces, and the next command."""
    done = f"embedded in {document['seconds']:.1f} s; `python -m lib prepare` makes maps and collections of it"
    return printable([*_summary(document), done])


def _summary(document: EmbedDocument) -> list[str]:
    data = document["dataset"]
    skipped = len(skipped_files.files(data["skipped"]))
    classes = f"of {counted(len(data['classes']), 'class')}" if data["classes"] else "without labels"
    lines = [
        f"{data['name']}: {counted(data['images'], 'image')} {classes}, "
        f"{counted(skipped, 'file')} skipped ({data['root']})"
    ]
    if "review" in data:
        overlay = label_overlay.summary(data["review"]["relabelled"], data["review"]["excluded"])
        lines.append(f"labels: {overlay}; `python -m lib relabel --clear` takes it away")
    for space in document["spaces"]:
        how = "nothing to compute" if space["cached"] else f"{space['seconds']:.1f} s"
        weights = f", weights {space['weights']}, {space['precision']}" if space["weights"] else ""
        lines.append(f"space {space['name']}: {space['count']:,} × {space['dim']:,}{weights} ({how})")
    return lines


def audit(settings: Settings, options: argparse.Namespace) -> AuditDocument:
    """Duplicates, contradicting labels and unreadable files: see `pipeline.audit`; leaks, where a space is prepared.

    With `--together FILE` a table of splits in which near-duplicates share one is written.
    """
    from lib.measure import leaks
    from lib.prepare import pipeline, workspace

    with ProgressBar() as progress:
        document = pipeline.audit(settings, Reporter(progress.update, progress.say))
        document["leaks"] = None
        try:
            opened = workspace.open_workspace(settings)
            catalog = opened.catalog()
            near = leaks.find(opened, catalog, of_stage(progress.update, "compare similar photos"))
        except ArtifactError:  # nothing is prepared yet
            if options.together is not None:
                raise
        else:
            document["leaks"] = leaks.leaks(near, catalog)
            if options.together is not None:
                leaks.write_table(options.together, leaks.shared_split_table(near, catalog))
                document["together"] = str(options.together)
    return document


def show_audit(document: AuditDocument) -> str:
    """A summary, and a line for each group of duplicates, each leak, and each skipped file or folder."""
    groups = document["duplicates"]
    exact = [group for group in groups if group["kind"] == "exact"]
    conflicts = [group for group in groups if group["conflict"]]
    near, left_out = len(groups) - len(exact), len(document["corrupt"])
    lines = [
        f"{counted(document['images'], 'image')}: {agreeing(len(exact), 'picture', 'occurs', 'occur')} more than once, "
        f"{agreeing(near, 'pair', 'is', 'are')} nearly equal, {len(conflicts):,} of these "
        f"{'carries' if len(conflicts) == 1 else 'carry'} contradicting labels, "
        f"{left_out:,} {'file or folder is' if left_out == 1 else 'files or folders are'} left out"
    ]
    if clause := skipped_files.summary(document["corrupt"]):
        lines.append(clause)
    straddling = document.get("leaks")
    if straddling is None:
        lines.append("near-duplicates across splits are found once the photos are prepared")
    else:
        lines.append(
            f"{agreeing(len(straddling), 'leak', 'is', 'are')} between test and the other splits: near-duplicates of "
            "which one is a test photo"
        )
    lines += [
        f"{group['kind']}{' CONFLICT' if group['conflict'] else ''}: {'  '.join(group['ids'])}" for group in groups
    ]
    for leak in straddling or []:
        names = "  ".join(f"{name} ({split})" for name, split in zip(leak["ids"], leak["splits"], strict=True))
        lines.append(f"leak: {names}")
    if "together" in document:
        lines.append(f"wrote {document['together']}: `prepare --labels {document['together']}` reads it")
    lines += [f"skipped: {entry['id']} {entry['reason']}" for entry in document["corrupt"]]
    return printable(lines)


def make_map(settings: Settings, options: argparse.Namespace) -> MapDocument:
    """A map of a space and its fidelity; `--metric` and `--seed` default to those of `prepare`."""
    from dataclasses import replace

    from lib.embed import projection
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
    with ProgressBar() as progress:
        reporter = Reporter(progress.update, progress.say)
        laid_out, cached = pipeline.make_map(settings, options.space, parameters, reporter)
    exact: NeighbourSearch = {"found": "exact"}
    images = len(laid_out.xy)
    return {
        "space": options.space,
        **projection.parameters_used(laid_out.facts, images),
        "why": projection.why_other_parameters(laid_out.facts, parameters, images) or None,
        "input": laid_out.facts["input"],
        "images": images,
        **laid_out.facts["fidelity"],
        "neighbours": laid_out.facts.get("neighbours", exact),
        "cached": cached,
        "seconds": round(time.perf_counter() - start, 3),
    }


def show_map(document: MapDocument) -> str:
    """The map's parameters and its fidelity."""
    values: dict[str, object] = {**document}
    names = ("n_neighbors", "min_dist", "metric", "seed")
    parameters = [f"{name} {values[name]}" for name in names if name in values]
    images = counted(document["images"], "image")
    lines = [f"{document['method']} of {images} in {document['space']}: {', '.join(parameters)}"]
    if document["why"]:
        lines += [document["why"]]
    if not document["k"]:
        lines += ["not measured: there are too few images, or all have the same vector"]
    else:
        lines += [f"measured on {document['input']}"]
        lines += [
            f"trustworthiness {document['trustworthiness']:.3f}, continuity {document['continuity']:.3f}, "
            f"of the {document['k']} nearest {document['preservation']:.1%} are near on the map"
        ]
    if document["neighbours"]["found"] == "approximate":
        search = document["neighbours"]
        lines += [
            f"the neighbours are approximate ({search['by']}): {search['recall']:.1%} of them are exact, measured on "
            f"{counted(search['sample'], 'image')}"
        ]
    return printable([*lines, "existed already" if document["cached"] else f"computed in {document['seconds']:.1f} s"])
