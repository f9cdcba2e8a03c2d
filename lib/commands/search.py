"""The retrieval commands: `search`, `compare` and `evaluate`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from lib.commands.progress import ProgressBar
from lib.documents.search import CompareDocument, EvaluateDocument, EvaluationRow, SearchDocument
from lib.errors import QueryError
from lib.progress import of_stage
from lib.settings import Settings
from lib.text import agreeing, counted, printable, widest

if TYPE_CHECKING:
    import numpy as np

    from lib.prepare.workspace import Workspace
    from lib.retrieval.feedback import Marks
    from lib.retrieval.query import Query
    from lib.retrieval.search import AnswerFilter, SearchableSpace


class _Choices(TypedDict):
    """Keyword arguments of `retrieval.search.search` and `compare`."""

    k: int
    keep_duplicates: bool
    answer_filter: AnswerFilter


@dataclass(frozen=True)
class _Request:
    """What `search` and `compare` share: the workspace, the queries, and their `choices`."""

    workspace: Workspace
    queries: list[Query]
    choices: _Choices
    normalise: bool
    marks: Marks

    def load(self, space: str) -> SearchableSpace:
        """A space, with vectors of length 1 where the user chose so."""
        from lib.retrieval import search

        loaded = search.load_space(self.workspace, space)
        return search.normalised(loaded) if self.normalise else loaded

    def moved(self, loaded: SearchableSpace, metric: str) -> np.ndarray | None:
        """The query's vector in a space, moved by the marks; None without marks, for vectors as they are."""
        from lib.retrieval import feedback, search

        if not self.marks:
            return None
        return feedback.moved_vectors(
            loaded, search.query_vectors(self.workspace, loaded, self.queries), metric, self.marks
        )

    def note_move(self, document: SearchDocument) -> None:
        """Record in a document which marks moved its query."""
        if self.marks:
            document["moved"] = self.marks.facts()


def _request(settings: Settings, options: argparse.Namespace) -> _Request:
    from lib.data import tags
    from lib.prepare import workspace
    from lib.retrieval.query import find_query, query_part
    from lib.retrieval.tag_filter import tag_filter
    from lib.retrieval.text_query import text_query

    opened = workspace.open_workspace(settings)
    catalog = opened.catalog()
    if options.text is not None:
        first = text_query(opened, options.space, options.text)
    else:
        first = find_query(catalog, options.image)
    queries = [first, *(find_query(catalog, name) for name in options.also)]
    if options.crop:
        queries[0] = query_part(catalog, queries[0], options.crop)
    choices: _Choices = {
        "k": options.k,
        "keep_duplicates": options.keep_duplicates,
        "answer_filter": tag_filter(
            catalog,
            tags.read(opened.folder) if options.tag else tags.Tags(),
            list(map(catalog.label_named, options.label)),
            options.split,
            options.tag,
        ),
    }
    return _Request(opened, queries, choices, options.normalise, marks_of(options))


def marks_of(options: argparse.Namespace) -> Marks:
    """The marks that move the query. Raises QueryError for weights that are none."""
    from lib.retrieval.feedback import Marks
    from lib.search.rocchio import Weights

    return Marks(tuple(dict.fromkeys(options.right)), tuple(dict.fromkeys(options.wrong)), Weights(*options.rocchio))


def search(settings: Settings, options: argparse.Namespace) -> SearchDocument:
    """The images closest to a query: see `retrieval.search.search`."""
    from lib.retrieval import search

    request = _request(settings, options)
    loaded = request.load(options.space)
    document = search.search(
        request.workspace,
        loaded,
        request.queries,
        metric_name=options.metric,
        engine=options.engine,
        vectors=request.moved(loaded, options.metric),
        **request.choices,
    )
    request.note_move(document)
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
    from lib.retrieval.candidates import left_out_note

    direction = "larger = closer" if document["higher_is_closer"] else "smaller = closer"
    if "fusion" in document:
        direction = f"mean rank of {counted(len(document['queries']), 'query')}, {direction}"
    names = "  ".join(document.get("queries", [document["query"]]))
    space = document["space"] + (" at length 1" if document.get("normalised") else "")
    lines = [f"{names}  {space} · {document['metric']} ({direction}) · {document['engine']}"]
    width = widest((row["label"] for row in document["results"]), 12)
    lines += [
        f"{row['rank']:>4}  {row['value']:<12.6g}  {row['label']:<{width}}  {row['id']}" for row in document["results"]
    ]
    if "moved" in document:
        moved = document["moved"]
        lines.append(
            f"query moved by {len(moved['right'])} right and {len(moved['wrong'])} wrong: alpha {moved['alpha']:g}, "
            f"beta {moved['beta']:g}, gamma {moved['gamma']:g} (Rocchio)"
        )
    if "undefined" in document:
        lines.append(left_out_note(document["undefined"]))
    if document["recall"] is not None:
        lines.append(f"recall against the full scan: {document['recall']:.3f}")
    return printable(lines)


def compare(settings: Settings, options: argparse.Namespace) -> CompareDocument:
    """A query under two metrics, or in two spaces: see `retrieval.search.compare`."""
    from lib.retrieval import search

    request = _request(settings, options)
    left = request.load(options.space)
    right = request.load(options.b_space) if options.b_space else None
    moved = request.moved(left, options.a), request.moved(right or left, options.b)
    document = search.compare(
        request.workspace,
        left,
        request.queries,
        a=options.a,
        b=options.b,
        other=right,
        vectors=None if moved[0] is None or moved[1] is None else (moved[0], moved[1]),
        **request.choices,
    )
    request.note_move(document["a"])
    request.note_move(document["b"])
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
    from lib.data import labelled
    from lib.embed import spaces
    from lib.measure import evaluation, leaks, trec_files
    from lib.prepare import workspace
    from lib.search.metrics import METRICS

    targets = [target for target in (options.run_file, options.qrels) if target is not None]
    for target in targets:
        trec_files.check_target(target)
    if len(targets) == 2 and targets[0] == targets[1]:
        raise QueryError(f"{targets[0]} cannot hold both the run and the qrels; name two files.")
    opened = workspace.open_workspace(settings)
    names = [spaces.get(options.space).name] if options.space else opened.spaces
    if not names:
        raise workspace.unprepared(f"No space of {opened.dataset.name} is prepared yet", settings)
    labelled.require(opened.catalog(), "Scores")
    metrics = [options.metric] if options.metric else list(METRICS)
    rows: list[EvaluationRow] = []
    files: list[str] = []
    with ProgressBar() as progress:
        near = leaks.find_or_none(opened, opened.catalog(), of_stage(progress.update, "compare similar photos"))
        for name in names:
            runs: dict[str, Path] = {}
            if options.run_file is not None:
                count = len(names) * len(metrics)
                runs = {each: trec_files.run_file(options.run_file, f"{name}.{each}", count) for each in metrics}
            with trec_files.RunWriter(opened.catalog(), name, runs, options.queries) as writer:
                rows += evaluation.evaluate(
                    opened,
                    name,
                    metrics,
                    k=options.k,
                    queries=options.queries,
                    near=near,
                    progress=of_stage(progress.update, f"evaluate {name}"),
                    observe=writer.observe if runs else None,
                )
            files += [str(path) for path in runs.values()]
    if options.qrels is not None:
        trec_files.write_qrels(options.qrels, opened.catalog(), options.queries)
        files.append(str(options.qrels))
    if near is None:
        rows = [{**row, "without_leaks": None} for row in rows]
    document: EvaluateDocument = {"rows": rows}
    if files:
        document["files"] = files
    return document


def show_evaluate(document: EvaluateDocument) -> str:
    """The rows as a table, with – for an undefined value, and the population."""
    rows = document["rows"]
    cuts = list(rows[0]["precision"]) if rows else []
    names = [*(f"P@{cut}" for cut in cuts), "R@10", "nDCG@10", "R-Prec", "MAP@R", "MRR", "mAP"]
    width = max([10, *(len(row["space"]) for row in rows)])
    lines = [f"{'space':<{width}} {'metric':<8} {' '.join(f'{name:>7}' for name in names)}  95 % interval"]
    for row in rows:
        cells = [*row["precision"].values(), row["recall"]["10"], row["ndcg"]["10"], row["r_precision"]]
        cells += [row["map_at_r"], row["mrr"], row["map"]]
        interval = row["ci95"]["map"]
        shown = f"{interval[0]:.3f}–{interval[1]:.3f}" if interval else "–"
        lines.append(
            f"{row['space']:<{width}} {row['metric']:<8} "
            + " ".join(f"{'–' if cell is None else format(cell, '.3f'):>7}" for cell in cells)
            + f"  {shown}"
        )
    if rows and rows[0]["queries"]:
        queries, left_out, images = rows[0]["queries"], rows[0]["left_out"], rows[0]["gallery"]
        lines.append(
            f"{counted(queries, 'query')} against {counted(images, 'image')}"
            + (f"; {left_out:,} left out that have no other image of their class there" if left_out else "")
        )
    reasons = {row["why"] for row in rows}
    if len(reasons) == 1:
        lines += [why for why in reasons if why]
    else:
        lines += [f"{row['space']} {row['metric']}: {row['why']}" for row in rows if row["why"]]
    lines += [
        f"{row['space']} {row['metric']}: {row['undefined']:,} pairs of a query and an image have no defined "
        "similarity and are left out"
        for row in rows
        if row["undefined"]
    ]
    lines += _without_leaks(rows)
    return "\n".join([*lines, *(f"wrote {name}" for name in document.get("files", []))])


def _without_leaks(rows: list[EvaluationRow]) -> list[str]:
    """P@1 and mAP without near-duplicates, for the rows that have a score and a leak."""
    from lib.measure.leaks import NOT_SEARCHED

    if any("without_leaks" in row and row["without_leaks"] is None for row in rows):
        return [NOT_SEARCHED]
    width = max([10, *(len(row["space"]) for row in rows)])
    lines: list[str] = []
    for row in rows:
        clean = row.get("without_leaks")
        if clean is None or not clean["leaks"] or row["map"] is None:
            continue
        if not lines:
            leaked = agreeing(clean["leaks"], "query", "has a near-duplicate", "have near-duplicates")
            lines.append(f"{leaked} among these images; without these pairs P@1 and mAP are")
        pairs = [(clean["precision"]["1"], row["precision"]["1"]), (clean["map"], row["map"])]
        shown = ["–" if value is None else f"{value:.3f} (with them {before:.3f})" for value, before in pairs]
        lines.append(f"{row['space']:<{width}} {row['metric']:<8} {'  '.join(shown)}")
    return lines
