"""Results in rows: one row for each metric, each space, or each query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import streamlit as st

from lib.documents.search import SearchDocument, SearchResult
from lib.embed import spaces
from lib.embed.space import MILVUS_MAX_DIM
from lib.measure import retrieval_verdicts
from lib.measure.retrieval_verdicts import MovedRow
from lib.prepare.workspace import Workspace
from lib.retrieval.candidates import left_out_note
from lib.search.metrics import METRICS
from lib.text import counted
from lib.view import cached_search, page_controls, page_frame, pair_heat, photo_tiles, url_state, verdict
from lib.view.cached_search import QuerySet, Side
from lib.view.components.gallery import Marking
from lib.view.formatting import plain
from lib.view.retrieval import explain_pair, feedback, measurements, query_form, reproduce
from lib.view.retrieval.query_form import QueryForm

METRIC, SPACE, QUERY = "metric", "space", "query"
ROWS = {METRIC: "Metric", SPACE: "Space", QUERY: "Query"}
# The rows that the verdict tells of, of those by metric.
TOLD = ("l1", "cosine")
NO_RESULTS = "No photo is left: none passes the filter, or all that do are copies of the query."


class Row(NamedTuple):
    """One row of results: its name in links, its heading, its name for screen readers, the queries and the side."""

    name: str
    heading: str
    title: str
    queries: QuerySet
    side: Side


def show(workspace: Workspace) -> None:
    """The section: the query, a row of results for each metric, space or query, and how to reproduce them."""
    form = query_form.choose(workspace)
    queries = form.queries
    by, side, k, engine = _controls(workspace, form, several=queries is not None and len(queries.queries) > 1)
    page_frame.origin(workspace, side.space if by != SPACE else None, Engine=engine)
    if queries is None:
        return
    rows = list(_rows(workspace, queries, by, side))
    moved: list[MovedRow] = []
    if queries.marks:
        moved = _moved(workspace, queries, rows, by, k)
        sides = [row.side for row in rows if by != METRIC or row.name in TOLD][:3]
        feedback.show_bar(workspace, queries, moved, k, sides)
    marking = feedback.marking(workspace, queries, movable=form.movable)
    documents: dict[str, SearchDocument] = {}
    for place, row in enumerate(rows):
        vector = row.queries.queries[0].values
        refusal = _refusal(row.side, engine, len(row.queries.queries), None if vector is None else len(vector))
        if refusal:
            st.subheader(plain(row.heading), anchor=False)
            st.info(refusal, icon=":material/info:")
            continue
        search = cached_search.search_milvus if engine == "milvus" else cached_search.search
        document = documents[row.name] = search(workspace, row.queries, row.side, k)
        _show_row(workspace, document, row, marking, key=f"grid_{by}_{place}")
    pair_heat.preload(workspace, side.space)
    if moved and queries.label is not None:
        named = [row for row in moved if row.name in {METRICS[name].short for name in TOLD}] or moved[:3]
        marks = queries.marks
        verdict.show(retrieval_verdicts.moved_query(queries.label, len(marks.right), len(marks.wrong), named))
    else:
        _show_verdict(workspace, queries, rows, documents, by, side)
    counts = {document.get("copies_left_out", 0) for document in documents.values()} - {0}
    if counts:
        st.caption(f":material/content_copy: {copies_left_out(max(counts))}")
    if by == METRIC:
        _show_equal_rows({METRICS[name].title: document for name, document in documents.items()})
    searched = [(row.queries, row.side) for row in rows]
    reproduce.show(workspace, searched, list(documents.values()), k, engine, explained=_explained(rows, documents))


def _explained(rows: list[Row], documents: dict[str, SearchDocument]) -> tuple[str, list[Side]] | None:
    """The result that is explained, and the side of its row; None where none is."""
    for row in rows:
        if row.name in documents and url_state.parameter("why") == row.name and len(row.queries.queries) == 1:
            result_id = explain_pair.chosen_pair([documents[row.name]])
            return None if result_id is None else (result_id, [row.side])
    return None


def _moved(workspace: Workspace, queries: QuerySet, rows: list[Row], by: str, k: int) -> list[MovedRow]:
    """What marks changed in each row that can be searched; empty without marks."""
    vector = queries.queries[0].values
    sides = [
        (METRICS[row.name].short if by == METRIC else row.heading, row.side)
        for row in rows
        if not _refusal(row.side, "exact", 1, None if vector is None else len(vector))
    ]
    return feedback.moved_rows(workspace, queries, sides, k)


def _show_verdict(
    workspace: Workspace,
    queries: QuerySet,
    rows: list[Row],
    documents: dict[str, SearchDocument],
    by: str,
    side: Side,
) -> None:
    """What these results say, of L1 and cosine where both are rows; beside it what is usual."""
    named = [row for row in rows if row.name in documents]
    if by == METRIC:
        named = [row for row in named if row.name in TOLD] or named
    label = queries.label
    found = [
        retrieval_verdicts.Found(
            METRICS[row.name].short if by == METRIC else row.heading,
            [result["id"] for result in documents[row.name]["results"]],
            sum(result["label"] == label for result in documents[row.name]["results"]),
        )
        for row in named[:3]
    ]
    k = max((len(each.ids) for each in found), default=0)
    usual = measurements.typical(workspace, side.space, "cosine", k) if by == METRIC and label is not None else None
    if found:
        verdict.show(retrieval_verdicts.answers(label, found, usual))


def copies_left_out(count: int) -> str:
    """The caption on copies of the query that are no results."""
    noun = "file with exactly the query's pixels is" if count == 1 else "files with exactly the query's pixels are"
    return f"{count:,} {noun} left out; *{query_form.DUPLICATES}* brings them in."


def k_choice() -> int:
    """How many results: a control kept in the address."""
    return int(st.number_input("Results (k)", width=90, **url_state.number("k", 1, 100, 10)))


def results_title(title: str) -> str:
    """The name of a group of results for screen readers; `title` is that of their metric."""
    return f"Results by {title}"


def _controls(workspace: Workspace, form: QueryForm, *, several: bool) -> tuple[str, Side, int, str]:
    """What the rows stand for, the metric and space that all rows share, k, and the engine."""
    titles = ROWS if several else {name: ROWS[name] for name in (METRIC, SPACE)}
    metric, space = "cosine", workspace.spaces[0]
    with form.controls:
        by = str(
            st.selectbox(
                "Compare by",
                list(titles),
                format_func=titles.__getitem__,
                width=110,
                **url_state.choice("rows", "retrieval", list(titles), METRIC),
            )
        )
        if by != METRIC:
            metric = page_controls.metric_choice("Metric", "cosine", "metric", "retrieval", width=110)
        if by != SPACE:
            space = page_controls.space_select(workspace, "Space", "retrieval")
        k = k_choice()
    with form.more:
        engine = page_controls.segments(
            "Engine",
            {"exact": "exact", "milvus": "milvus"},
            "engine",
            "retrieval",
            "exact",
            about="*exact* scans every photo. *milvus* searches the collection's index, and shows what it missed.",
        )
    return by, Side(metric, space), k, engine


def _rows(workspace: Workspace, queries: QuerySet, by: str, side: Side) -> Iterator[Row]:
    if by == METRIC:
        for name, metric in METRICS.items():
            yield Row(name, metric.title, metric.title, queries, Side(name, side.space))
        return
    metric_title = METRICS[side.metric].title
    if by == SPACE:
        for name in workspace.spaces:
            title = spaces.get(name).title
            yield Row(name, title, f"{metric_title} in {title}", queries, Side(side.metric, name))
        return
    for single in query_form.single(workspace, queries):
        name = single.queries[0].name
        yield Row(name, name, f"for {name}", single, side)


def _refusal(side: Side, engine: str, queries: int, vector_size: int | None) -> str:
    """Why a row cannot be searched, and what to choose instead; "" where it can. `vector_size` is the dimension of a
    query that has no photo."""
    space = spaces.get(side.space)
    if engine == "milvus" and not space.in_milvus:
        return (
            f"{space.title} have {space.dim:,} dimensions and Milvus takes {MILVUS_MAX_DIM:,}: choose the "
            "engine exact, or another space."
        )
    if engine == "milvus" and queries > 1:
        return "Milvus takes one query at a time: choose the engine exact, or compare by query."
    if vector_size is not None and vector_size != space.dim:
        return (
            f"The query is a vector with {vector_size:,} dimensions, and {space.title} have {space.dim:,}: choose a "
            "space with as many."
        )
    return ""


def _show_row(workspace: Workspace, document: SearchDocument, row: Row, marking: Marking | None, *, key: str) -> None:
    """One row of results: rank, value, gap to the next result, and whether the class is the query's. The row's title
    names it for screen readers; "why?" on a result explains it under the row."""
    metric, results, label = METRICS[document["metric"]], document["results"], row.queries.label
    same_class = [result["label"] == label for result in results]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key=f"head_{key}"):
        st.subheader(plain(row.heading), anchor=False, width="content")
        st.caption(
            head(document, None if label is None else sum(same_class)),
            help=f"${metric.formula}$ ({metric.unit}). {metric.note} Δ is the gap to the next result.",
            width="content",
        )
    if "undefined" in document:
        st.caption(f"{left_out_note(document['undefined'])}.")
    if not results:
        if "undefined" not in document:
            st.caption(NO_RESULTS)
        return
    single = len(row.queries.queries) == 1
    is_explained = single and url_state.parameter("why") == row.name
    explained = explain_pair.chosen_pair([document]) if is_explained else None
    photo_tiles.show_photos(
        workspace,
        [result["id"] for result in results],
        key=key,
        title=results_title(row.title),
        badges=[f"#{result['rank']}" for result in results],
        notes=[_values(result) for result in results],
        right=same_class if label is not None else None,
        row=True,
        tile=84,
        on_why=(lambda image_id: explain_pair.choose(image_id, row.name)) if single else None,
        explained=explained,
        marking=marking,
    )
    if explained is not None:
        explain_pair.show(workspace, row.queries, [row.side], [document], explained, row.name)
    if document["recall"] is not None:
        _show_missed(workspace, document, key)


def head(document: SearchDocument, same_class: int | None) -> str:
    """The line beside the heading of a row: `same_class` counts the results of the query's class, if it has one."""
    direction = "larger = closer" if document["higher_is_closer"] else "smaller = closer"
    metric, found = METRICS[document["metric"]], len(document["results"])
    unit = f"mean rank over {counted(len(document['queries']), 'query')}" if "fusion" in document else metric.unit
    share = "" if same_class is None else f" · {same_class} of {found} of the query's class"
    recall = "" if document["recall"] is None else f" · recall against the full scan {document['recall']:.2f}"
    return f"{direction} · {unit}{share}{recall}"


def _values(result: SearchResult) -> tuple[str, ...]:
    value = format(result["value"], "#.4g")
    return (value,) if result["gap"] is None else (value, f"Δ {result['gap']:#.2g}")


def _show_missed(workspace: Workspace, document: SearchDocument, key: str) -> None:
    """Which results of the full scan the index missed."""
    missed, milliseconds = document["missed"], 1000 * document["seconds"]
    if not missed:
        st.caption(f":material/check: Milvus found all results of the full scan, in {milliseconds:.1f} ms.")
        return
    st.caption(f":material/search_off: Milvus missed {len(missed)} results of the full scan, in {milliseconds:.1f} ms:")
    photo_tiles.show_photos(
        workspace,
        [result["id"] for result in missed],
        key=f"{key}_missed",
        title="Results that Milvus missed",
        badges=[f"exact #{result['rank']}" for result in missed],
        notes=[_values(result) for result in missed],
        tile=68,
        row=True,
    )


def _show_equal_rows(documents: dict[str, SearchDocument]) -> None:
    """Which metrics give the same results in the same order, on this query."""
    metrics_by_ids: dict[tuple[str, ...], list[str]] = {}
    for name, document in documents.items():
        metrics_by_ids.setdefault(tuple(result["id"] for result in document["results"]), []).append(name)
    equal = [" and ".join(names) for names in metrics_by_ids.values() if len(names) > 1]
    if equal:
        st.caption(f":material/info: Identical results: {'; '.join(equal)}.")
