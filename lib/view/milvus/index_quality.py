"""Milvus page, Index quality: recall and latency of the index over its settings, and beside those of other types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pandas as pd
import streamlit as st

from lib.documents.inspect import IndexDocument, RecallDocument
from lib.measure import index_recall
from lib.store import field_search, index_comparison, index_types, recall
from lib.store.index_comparison import Comparison
from lib.view import cached, page_controls, url_state
from lib.view.cached_milvus import MilvusContext
from lib.view.figures import index_quality as figures
from lib.view.formatting import ink, plain
from lib.view.milvus import connect, ivf_drawing, load_prompt, map_sample, measured_recall
from lib.view.milvus.measured_recall import Measured

_VIEWS = {"curve": "This index", "compare": "Other index types", "ivf": "IVF cells"}
NOTHING_MISSED = (
    "Where no neighbour was missed, the interval is Wilson's for as many queries: a query that was not tried may still "
    "miss all. More queries make it narrower."
)
MEASURE, AGAIN = "Measure", "Measure again"
NO_VECTORS = "Index quality is measured on 32-bit float vectors; this collection has none."
NO_INDEX = "This field has no index: every search scans all rows, so recall is 1."


def show(context: MilvusContext) -> None:
    """One of three views of an index."""
    if load_prompt.show(context):
        return
    fields = map_sample.vector_fields(context, ("FLOAT_VECTOR",))
    if not fields:
        st.info(NO_VECTORS)
        return
    left, right = st.columns([3, 4], vertical_alignment="bottom")
    with left:
        field = st.selectbox("Field", fields, **url_state.choice("field", "milvus_quality", fields, fields[0]))
    with right:
        view = page_controls.segments("View", _VIEWS, "quality", "milvus", "curve")
    index = field_search.index_on(context.read_entry(), field)
    if index is not None and index.get("warning"):
        st.warning(plain(index["warning"]), icon=":material/warning:")
    if view == "curve":
        _curve(context, field, index)
    elif view == "compare":
        _compare(context, field, index)
    else:
        ivf_drawing.show(context, field, index)


def _k_and_queries(key: str) -> tuple[int, int]:
    left, right = st.columns(2)
    k = int(left.number_input("Neighbours (k)", 1, 100, measured_recall.K, key=f"{key}_k"))
    queries = int(
        right.number_input(
            "Queries", 5, 500, measured_recall.QUERIES, key=f"{key}_queries", help="Rows drawn at random."
        )
    )
    return k, queries


def _measure(context: MilvusContext, field: str, k: int, queries: int) -> RecallDocument:
    bar = st.progress(0.0, text="exact scan of the stored vectors")

    def progress(done: int, total: int | None) -> None:
        bar.progress(min(1.0, done / total) if total else 0.0, text=f"exact scan: {done:,} rows, then the searches")

    try:
        return recall.recall(
            context.open_store(), str(context.name), k=k, queries=queries, field=field, progress=progress
        )
    finally:
        bar.empty()


def _curve(context: MilvusContext, field: str, index: IndexDocument | None) -> None:
    """Recall and latency at each setting of this index: as stored, or measured once the user has asked for it."""
    if index is None:
        st.info(NO_INDEX)
        return
    latest = measured_recall.latest(context, index)
    result = st.container()
    with st.container(key="split_measure").columns([3, 1], vertical_alignment="bottom")[0]:
        k, queries = _k_and_queries("recall")
    asked = measured_recall.asked()
    if st.button(AGAIN if latest else MEASURE, type="secondary" if latest else "primary", icon=":material/speed:"):
        asked.add((context.key, field, k, queries))
    for wanted in [each for each in asked if each[:2] == (context.key, field)]:
        asked.discard(wanted)
        measured_recall.keep(context, index, _measure(context, *wanted[1:]))
        st.rerun()
    if latest is None:
        result.caption("Searches with rows of the collection at each setting of the index, against an exact scan.")
        return
    with result:
        _settings(context, index, latest)


def _settings(context: MilvusContext, index: IndexDocument, measured: Measured) -> None:
    """The recommended setting, recall and latency over the settings, and the table."""
    document = measured.document
    if document.get("warning") and not index.get("warning"):
        st.warning(plain(document["warning"]), icon=":material/warning:")
    if sentence := index_recall.rule(document):
        st.markdown(f":material/recommend: {plain(sentence)}")
    parameter = next(iter(document["rows"][0]["params"]), "")
    if parameter:
        best = recall.recommended(document["rows"])
        first, second = st.columns(2, gap="medium")
        for column, value in ((first, "recall"), (second, "p50_ms")):
            figure = figures.over_setting(document["rows"], parameter, value, document["k"], best=best, ink=ink())
            column.plotly_chart(figure, width="stretch", key=f"recall_{value}")
    _table(document, "recall")
    if any(row["recall"] == 1 for row in document["rows"]):
        st.caption(f":material/info: {NOTHING_MISSED}")
    st.caption(
        f"{plain(index_recall.described(index))}. {plain(index_recall.about(document))} "
        f"{plain(measured.origin.capitalize())}. A measurement of this session is repeated by "
        f"`python -m lib recall --collection {context.name} --k {document['k']} --queries {document['queries']}`."
    )


def _frontier(document: RecallDocument | Comparison, key: str) -> None:
    figure = figures.frontier(cast("Sequence[Mapping[str, Any]]", document["rows"]), document["k"], ink=ink())
    st.plotly_chart(figure, width="stretch", key=key)


def _queries(document: RecallDocument | Comparison) -> str:
    return f"{document['queries']} rows as queries against {document['gallery']:,}"


def _between(interval: tuple[float, float] | None, digits: int) -> str:
    return "" if interval is None else f"{interval[0]:.{digits}f} – {interval[1]:.{digits}f}"


def _table(document: RecallDocument | Comparison, name: str) -> None:
    k = document["k"]
    table = pd.DataFrame(
        [
            {
                "Index": row["index_type"],
                "Setting": figures.setting(row["params"]),
                f"Recall@{k}": row["recall"],
                "95 % interval": _between(row["ci95"]["recall"], 3),
                "Median ms": row["p50_ms"],
                "95 % interval, ms": _between(row["ci95"]["p50_ms"], 2),
                "95 % within ms": row["p95_ms"],
            }
            | (
                {"Size (by formula)": index_types.format_bytes(row["bytes"]), "Build s": row["build_s"]}
                if "bytes" in row
                else {}
            )
            for row in cast("Sequence[Mapping[str, Any]]", document["rows"])
        ]
    )
    formats = {f"Recall@{k}": "%.3f", "Median ms": "%.2f", "95 % within ms": "%.2f", "Build s": "%.2f"}
    columns = {title: st.column_config.NumberColumn(format=form) for title, form in formats.items() if title in table}
    st.dataframe(table, hide_index=True, width="stretch", column_config=columns)
    page_controls.csv_button(table, f"milvus-{name}")


def _compare(context: MilvusContext, field: str, index: IndexDocument | None) -> None:
    """Recall and latency of other index types, built on a copy of the rows."""
    kinds, k, queries, most = _compare_choice(context)
    scratch_store = context.lite and context.connection.lite
    if not scratch_store and not connect.unlocked(context.connection):
        st.info(
            "Only the server can build its index types: it gets a scratch collection, which is dropped afterwards. To "
            f"allow that, {connect.UNLOCK}."
        )
        return
    where = "to a scratch Lite store under `artifacts/scratch`" if scratch_store else "to a scratch collection"
    st.caption(f"The rows are copied {where}, which is deleted afterwards; this collection is only read.")
    metric = str(index["metric_type"]) if index is not None else "COSINE"
    comparison = (context.connection.key, context.name, field, tuple(kinds), k, queries, most)
    if st.button("Build and measure", type="primary", icon=":material/construction:", disabled=not kinds):
        with st.status("Comparing", expanded=True) as status:
            document = index_comparison.compare(
                context.open_store(),
                context.read_entry(),
                field,
                metric,
                kinds,
                most=most,
                k=k,
                queries=queries,
                folder=cached.current_settings().artifacts / "scratch",
                report=lambda text: status.update(label=text),
            )
            status.update(label="Compared", state="complete", expanded=False)
        st.session_state["compared"] = (comparison, document)
    latest = st.session_state.get("compared")
    if latest is not None and latest[0] == comparison:
        _comparison(latest[1], metric)


def _compare_choice(context: MilvusContext) -> tuple[list[str], int, int, int]:
    """Index types, k, number of queries, and at most how many rows are copied."""
    offered, refused = index_types.buildable_types(context.open_store())
    kinds = st.multiselect("Index types", offered, default=[kind for kind in offered if kind != "HNSW_SQ"], key="kinds")
    by_reason: dict[str, list[str]] = {}
    for kind, reason in refused.items():
        by_reason.setdefault(reason, []).append(kind)
    for reason, refused_kinds in by_reason.items():
        st.caption(f":material/block: Not offered: {', '.join(refused_kinds)}. {plain(reason)}.")
    first, last = st.columns([2, 1])
    with first:
        k, queries = _k_and_queries("compare")
    return kinds, k, queries, int(last.number_input("Max rows", 100, 50_000, 5_000, step=1000, key="compare_rows"))


def _comparison(document: Comparison, metric: str) -> None:
    for kind, reason in document["failed"].items():
        st.warning(f"{kind} was not built: {plain(reason)}", icon=":material/warning:")
    if document["warning"]:
        st.warning(plain(document["warning"]), icon=":material/warning:")
    if document["rows"]:
        _frontier(document, "compared_curve")
        st.caption(
            f"{metric}, {_queries(document)}. A larger mark is a larger index (size by formula). Latency: one query at "
            "a time, measured by this client; the settings of one type took turns, the types came one after the other."
        )
        _table(document, "index-types")
