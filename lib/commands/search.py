"""The commands that ask: `search`, `compare` and `evaluate`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lib.commands.progress import Progress
from lib.errors import ArtifactError
from lib.settings import Settings
from lib.text import printable

if TYPE_CHECKING:
    from lib.prepare.workspace import Workspace
    from lib.retrieval.query import Query
    from lib.retrieval.search import SearchableSpace


def _asked(
    settings: Settings, options: argparse.Namespace
) -> tuple[Workspace, Callable[[str], SearchableSpace], list[Query], dict[str, Any]]:
    """What `search` and `compare` have in common: how a space is loaded, the queries, and how answers are chosen."""
    from lib.prepare import workspace
    from lib.retrieval import search
    from lib.retrieval.query import find_query, query_part

    opened = workspace.open_workspace(settings)
    catalog = opened.catalog()

    def load(space: str) -> SearchableSpace:
        loaded = search.load_space(opened, space)
        return search.normalised(loaded) if options.normalise else loaded

    queries = [find_query(catalog, name) for name in (options.image, *options.also)]
    if options.crop:
        queries[0] = query_part(catalog, queries[0], options.crop)
    among = search.AnswerFilter(tuple(options.label), tuple(options.split))
    return opened, load, queries, {"k": options.k, "keep_duplicates": options.keep_duplicates, "among": among}


def search(settings: Settings, options: argparse.Namespace) -> Any:
    """The images closest to one: see `retrieval.search`."""
    from lib.retrieval import search

    opened, load, queries, common = _asked(settings, options)
    loaded = load(options.space)
    return search.search(opened, loaded, queries, metric_name=options.metric, engine=options.engine, **common)


def show_search(document: Any) -> str:
    """A line for each answer, and what `milvus` found of the full scan's."""
    direction = "larger = closer" if document["higher_is_closer"] else "smaller = closer"
    if "fusion" in document:
        direction = f"mean rank of {len(document['queries'])} queries, {direction}"
    names = "  ".join(document.get("queries", [document["query"]]))
    space = document["space"] + (" at length 1" if document.get("normalised") else "")
    lines = [f"{names}  {space} · {document['metric']} ({direction}) · {document['engine']}"]
    lines += [
        f"{row['rank']:>4}  {row['value']:<12.6g}  {row['label']:<12}  {row['id']}" for row in document["results"]
    ]
    if document["recall"] is not None:
        lines.append(f"recall against the full scan: {document['recall']:.3f}")
    return printable(lines)


def compare(settings: Settings, options: argparse.Namespace) -> Any:
    """One query under two metrics, or in two spaces: see `retrieval.compare`."""
    from lib.retrieval import search

    opened, load, queries, common = _asked(settings, options)
    loaded = load(options.space)
    other = load(options.b_space) if options.b_space else None
    return search.compare(opened, loaded, queries, a=options.a, b=options.b, other=other, **common)


def show_compare(document: Any) -> str:
    """Both sides, and how far they agree."""
    overlap, rbo, tau = (
        "undefined" if document[name] is None else f"{document[name]:.3f}" for name in ("overlap", "rbo", "kendall_tau")
    )
    measures = f"overlap {overlap} · rank-biased overlap {rbo} · Kendall's tau {tau}"
    return "\n\n".join([show_search(document["a"]), show_search(document["b"]), measures])


def evaluate(settings: Settings, options: argparse.Namespace) -> Any:
    """A row for each space and metric: see `scores.evaluate`. Raises ArtifactError when nothing is prepared."""
    from lib.measure import evaluation
    from lib.prepare import workspace

    opened = workspace.open_workspace(settings)
    names = [options.space] if options.space else opened.spaces
    if not names:
        raise ArtifactError(f"No space of {opened.dataset.name} is prepared yet: {workspace.remedy(settings)}.")
    rows: list[Any] = []
    with Progress() as progress:
        for name in names:
            rows += evaluation.evaluate(
                opened,
                name,
                [options.metric] if options.metric else None,
                k=options.k,
                queries=options.queries,
                progress=lambda done, total, name=name: progress.update(f"evaluate {name}", done, total),  # type: ignore[misc]
            )
    return {"rows": rows}


def show_evaluate(document: Any) -> str:
    """The rows as a table; – where a figure is undefined."""
    cuts = list(document["rows"][0]["precision"]) if document["rows"] else []
    lines = [
        f"{'space':<10} {'metric':<8} "
        + " ".join(f"{'P@' + cut:>7}" for cut in cuts)
        + f" {'R@10':>7} {'mAP':>7}  95 % interval"
    ]
    for row in document["rows"]:
        cells = [*row["precision"].values(), row["recall"]["10"], row["map"]]
        interval = row["ci95"]["map"]
        shown = f"{interval[0]:.3f}–{interval[1]:.3f}" if interval else "–"
        lines.append(
            f"{row['space']:<10} {row['metric']:<8} "
            + " ".join(f"{'–' if cell is None else format(cell, '.3f'):>7}" for cell in cells)
            + f"  {shown}"
        )
    if document["rows"]:
        lines.append(f"{document['rows'][0]['queries']:,} queries against {document['rows'][0]['gallery']:,} images")
    return "\n".join(lines)
