"""Results in rows: one row for each metric, each space, or each query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import streamlit as st

from lib.documents.search import SearchDocument, SearchResult
from lib.embed import spaces
from lib.prepare.workspace import Workspace
from lib.retrieval.candidates import left_out_note
from lib.search.metrics import METRICS
from lib.text import counted
from lib.view import cached_search, page_controls, page_frame, photo_tiles, url_state
from lib.view.cached_search import QuerySet, Side
from lib.view.formatting import plain
from lib.view.retrieval import query_form, reproduce

METRIC, SPACE, QUERY = "metric", "space", "query"
ROWS = {METRIC: "Metric", SPACE: "Space", QUERY: "Query"}
NO_RESULTS = "No photo is left: none passes the filter, or all that do are copies of the query."


class Row(NamedTuple):
    """One row of results: its heading, its name for screen readers, the queries and the side."""

    heading: str
    title: str
    queries: QuerySet
    side: Side


def show(workspace: Workspace, queries: QuerySet) -> None:
    """The view: its controls, a row of results for each metric, space or query, and how to reproduce them."""
    by, side, k, engine = _controls(workspace, several=len(queries.queries) > 1)
    page_frame.origin(workspace, side.space if by != SPACE else None, Engine=engine)
    rows = list(_rows(workspace, queries, by, side))
    documents: dict[str, SearchDocument] = {}
    for place, row in enumerate(rows):
        vector = row.queries.queries[0].values
        refusal = _refusal(row.side, engine, len(row.queries.queries), None if vector is None else len(vector))
        if refusal:
            st.markdown(f"**{plain(row.heading)}**")
            st.info(refusal, icon=":material/info:")
            continue
        search = cached_search.search_milvus if engine == "milvus" else cached_search.search
        document = documents[row.heading] = search(workspace, row.queries, row.side, k)
        _show_row(workspace, document, row.queries.label, plain(row.heading), row.title, key=f"grid_{by}_{place}")
    counts = {document.get("copies_left_out", 0) for document in documents.values()} - {0}
    if counts:
        st.caption(f":material/content_copy: {copies_left_out(max(counts))}")
    if by == METRIC:
        _show_equal_rows(documents)
    reproduce.show(workspace, [(row.queries, row.side) for row in rows], list(documents.values()), k, engine)


def copies_left_out(count: int) -> str:
    """The caption on copies of the query that are no results."""
    noun = "file with exactly the query's pixels is" if count == 1 else "files with exactly the query's pixels are"
    return f"{count:,} {noun} left out; *{query_form.DUPLICATES}* brings them in."


def k_choice() -> int:
    """How many results: a control kept in the address."""
    return int(st.number_input("Results (k)", **url_state.number("k", 1, 100, 10)))


def results_title(title: str) -> str:
    """The name of a group of results for screen readers; `title` is that of their metric."""
    return f"Results by {title}"


def _controls(workspace: Workspace, *, several: bool) -> tuple[str, Side, int, str]:
    """What the rows stand for, the metric and space that all rows share, k, and the engine."""
    titles = ROWS if several else {name: ROWS[name] for name in (METRIC, SPACE)}
    columns = st.columns([2.4, 1.5, 2.2, 3.2], vertical_alignment="bottom")
    with columns[0]:
        by = page_controls.segments("Compare by", titles, "rows", "retrieval", METRIC)
    with columns[3]:
        metric = page_controls.metric_choice("Metric", "cosine", "metric", "retrieval") if by != METRIC else "cosine"
    space = page_controls.space_choice(workspace, "retrieval") if by != SPACE else workspace.spaces[0]
    with columns[1]:
        k = k_choice()
    with columns[2]:
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
            yield Row(metric.title, metric.title, queries, Side(name, side.space))
        return
    metric_title = METRICS[side.metric].title
    if by == SPACE:
        for name in workspace.spaces:
            title = spaces.get(name).title
            yield Row(title, f"{metric_title} in {title}", queries, Side(side.metric, name))
        return
    for single in query_form.single(workspace, queries):
        name = single.queries[0].name
        yield Row(name, f"for {name}", single, side)


def _refusal(side: Side, engine: str, queries: int, vector_size: int | None) -> str:
    """Why a row cannot be searched, and what to choose instead; "" where it can. `vector_size` is the dimension of a
    query that has no photo."""
    space = spaces.get(side.space)
    if engine == "milvus" and not space.in_milvus:
        return (
            f"{space.title} have {space.dim:,} dimensions and Milvus takes {spaces.MILVUS_MAX_DIM:,}: choose the "
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


def _show_row(
    workspace: Workspace, document: SearchDocument, label: str | None, heading: str, title: str, *, key: str
) -> None:
    """One row of results: rank, value, gap to the next result, and whether the class is the query's `label`. `title`
    names the row for screen readers."""
    metric, results = METRICS[document["metric"]], document["results"]
    direction = "larger = closer" if document["higher_is_closer"] else "smaller = closer"
    unit = f"mean rank over {counted(len(document['queries']), 'query')}" if "fusion" in document else metric.unit
    same_class = [result["label"] == label for result in results]
    verdict = f" · {sum(same_class)} of {len(results)} of the query's class" if label is not None else ""
    recall = f" · recall against the full scan {document['recall']:.2f}" if document["recall"] is not None else ""
    st.markdown(
        f"**{heading}** · {direction} · {unit}{verdict}{recall}",
        help=f"${metric.formula}$ ({metric.unit}). {metric.note} Δ is the gap to the next result.",
    )
    if "undefined" in document:
        st.caption(f"{left_out_note(document['undefined'])}.")
    if not results:
        if "undefined" not in document:
            st.caption(NO_RESULTS)
        return
    photo_tiles.show_photos(
        workspace,
        [result["id"] for result in results],
        key=key,
        title=results_title(title),
        badges=[f"#{result['rank']}" for result in results],
        notes=[_values(result) for result in results],
        right=same_class if label is not None else None,
        row=True,
        tile=68,
    )
    if document["recall"] is not None:
        _show_missed(workspace, document, key)


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
