"""The retrieval commands: `search`, `compare` and `evaluate`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lib.commands.progress import Progress
from lib.documents.search import CompareDocument, EvaluateDocument, EvaluationRow, SearchDocument
from lib.errors import ArtifactError
from lib.settings import Settings
from lib.text import printable

if TYPE_CHECKING:
    from lib.prepare.workspace import Workspace
    from lib.retrieval.query import Query
    from lib.retrieval.search import SearchableSpace


@dataclass(frozen=True)
class _Request:
    """What `search` and `compare` share: the workspace, the queries, and `choices`, keyword arguments of both."""

    workspace: Workspace
    queries: list[Query]
    choices: dict[str, Any]
    normalise: bool

    def load(self, space: str) -> SearchableSpace:
        """A space, with vectors of length 1 where the user chose so."""
        from lib.retrieval import search

        loaded = search.load_space(self.workspace, space)
        return search.normalised(loaded) if self.normalise else loaded


def _request(settings: Settings, options: argparse.Namespace) -> _Request:
    from lib.prepare import workspace
    from lib.retrieval import search
    from lib.retrieval.query import find_query, query_part

    opened = workspace.open_workspace(settings)
    catalog = opened.catalog()
    queries = [find_query(catalog, name) for name in (options.image, *options.also)]
    if options.crop:
        queries[0] = query_part(catalog, queries[0], options.crop)
    choices = {
        "k": options.k,
        "keep_duplicates": options.keep_duplicates,
        "among": search.AnswerFilter(tuple(options.label), tuple(options.split)),
    }
    return _Request(opened, queries, choices, options.normalise)


def search(settings: Settings, options: argparse.Namespace) -> SearchDocument:
    """The images closest to a query: see `retrieval.search.search`."""
    from lib.retrieval import search

    request = _request(settings, options)
    document = search.search(
        request.workspace,
        request.load(options.space),
        request.queries,
        metric_name=options.metric,
        engine=options.engine,
        **request.choices,
    )
    _note_copies(document)
    return document


def _note_copies(document: SearchDocument) -> None:
    """Say on stderr that copies of the query are left out, which may leave few results or none."""
    if count := document.get("copies_left_out", 0):
        print(copies_left_out(count), file=sys.stderr)


def copies_left_out(count: int) -> str:
    """The note on copies of a query that are no results."""
    return f"{count:,} pixel-identical {'copy' if count == 1 else 'copies'} left out (--keep-duplicates)"


def show_search(document: SearchDocument) -> str:
    """A line for each result, and the recall of the Milvus engine."""
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


def compare(settings: Settings, options: argparse.Namespace) -> CompareDocument:
    """A query under two metrics, or in two spaces: see `retrieval.search.compare`."""
    from lib.retrieval import search

    request = _request(settings, options)
    left = request.load(options.space)
    right = request.load(options.b_space) if options.b_space else None
    document = search.compare(
        request.workspace, left, request.queries, a=options.a, b=options.b, other=right, **request.choices
    )
    _note_copies(document["a"])
    return document


def show_compare(document: CompareDocument) -> str:
    """Both sides, and the measures of their agreement."""
    measured = (document["overlap"], document["rbo"], document["kendall_tau"])
    overlap, rbo, tau = ("undefined" if value is None else f"{value:.3f}" for value in measured)
    measures = f"overlap {overlap} · rank-biased overlap {rbo} · Kendall's tau {tau}"
    return "\n\n".join([show_search(document["a"]), show_search(document["b"]), measures])


def evaluate(settings: Settings, options: argparse.Namespace) -> EvaluateDocument:
    """A row for each space and metric: see `evaluation.evaluate`. Raises ArtifactError when no space is prepared."""
    from lib.measure import evaluation
    from lib.prepare import workspace

    opened = workspace.open_workspace(settings)
    names = [options.space] if options.space else opened.spaces
    if not names:
        raise ArtifactError(f"No space of {opened.dataset.name} is prepared yet: {workspace.remedy(settings)}.")
    rows: list[EvaluationRow] = []
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


def show_evaluate(document: EvaluateDocument) -> str:
    """The rows as a table, with – for an undefined value."""
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
