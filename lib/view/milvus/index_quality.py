"""Milvus page, Index quality: recall against latency of the index and of other types, and IVF's cells drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import streamlit as st

from lib.documents.inspect import IndexDocument, RecallDocument
from lib.store import field_search, index_comparison, index_types, ivf_cells, recall
from lib.store.index_comparison import Comparison
from lib.store.ivf_cells import Cells
from lib.store.recall import scores
from lib.view import cached, page_controls, selection, url_state
from lib.view.cached_milvus import BY_COLLECTION, MilvusContext
from lib.view.figures import index_quality as figures
from lib.view.formatting import ink, plain
from lib.view.milvus import connect, load_prompt, map_sample

_VIEWS = {"curve": "This index", "compare": "Other index types", "ivf": "IVF cells"}
_CURVE_QUERIES = 200  # rows whose recall is averaged in IVF's curve
_K = 10
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
        _ivf(context, field, index)


def _k_and_queries(key: str) -> tuple[int, int]:
    left, right = st.columns(2)
    k = int(left.number_input("Neighbours (k)", 1, 100, _K, key=f"{key}_k"))
    return k, int(right.number_input("Queries", 5, 500, 50, key=f"{key}_queries", help="Rows drawn at random."))


@st.cache_data(ttl=3600, max_entries=32, show_spinner=False, hash_funcs=BY_COLLECTION)
def _measured(context: MilvusContext, field: str, k: int, queries: int, row_count: int | None) -> RecallDocument:
    # `row_count` only keys the cache.
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
    """Recall against latency at each setting of this index; measured once the user has asked for it."""
    if index is None:
        st.info(NO_INDEX)
        return
    k, queries = _k_and_queries("recall")
    measurement = (context.key, field, k, queries)
    started = st.session_state.setdefault("recall_asked", set())
    if st.button("Measure", type="primary", icon=":material/speed:"):
        started.add(measurement)
    if measurement not in started:
        st.caption("Searches with rows of the collection at each setting of the index, against an exact scan.")
        return
    document = _measured(context, field, k, queries, context.read_entry()["rows"]["count"])
    _frontier(document, "recall_curve")
    if document.get("warning") and not index.get("warning"):
        st.warning(plain(document["warning"]), icon=":material/warning:")
    build = figures.setting(document["build"]).replace("no setting", "no build parameters")
    st.caption(
        f"{plain(index['index_type'])} ({plain(build)}), {document['metric']}; {_queries(document)}, each without "
        "itself. Latency: one query at a time, round trip, measured by this client. The same as "
        f"`python -m lib recall --collection {context.name}`."
    )
    _table(document, "recall")


def _frontier(document: RecallDocument | Comparison, key: str) -> None:
    figure = figures.frontier(cast("Sequence[Mapping[str, Any]]", document["rows"]), document["k"], ink=ink())
    st.plotly_chart(figure, width="stretch", key=key)


def _queries(document: RecallDocument | Comparison) -> str:
    return f"{document['queries']} rows as queries against {document['gallery']:,}"


def _table(document: RecallDocument | Comparison, name: str) -> None:
    k = document["k"]
    table = pd.DataFrame(
        [
            {
                "Index": row["index_type"],
                "Setting": figures.setting(row["params"]),
                f"Recall@{k}": row["recall"],
                "Median ms": row["p50_ms"],
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
            "a time, measured by this client."
        )
        _table(document, "index-types")


@st.cache_data(ttl=600, max_entries=16, show_spinner="Clustering", hash_funcs=BY_COLLECTION)
def _clustered(
    context: MilvusContext, field: str, row_count: int, cell_count: int, metric: str, _vectors: np.ndarray
) -> tuple[Cells, list[tuple[int, float, float]], int]:
    """IVF's cells, `recall_by_nprobe`, and over how many rows that is the mean."""
    cells = ivf_cells.make_cells(_vectors, cell_count, metric)
    queries = np.sort(np.random.default_rng(0).permutation(row_count)[: min(_CURVE_QUERIES, row_count)])
    curve = ivf_cells.recall_by_nprobe(cells, _vectors, queries, metric, min(_K, row_count - 1))
    return cells, curve, len(queries)


def _ivf(context: MilvusContext, field: str, index: IndexDocument | None) -> None:
    """IVF's cells on a plane, those that a search probes bright; recall by nprobe beside them."""
    sample = map_sample.sample(context, field)
    count = len(sample.keys)
    metric = str(index["metric_type"]) if index is not None and index["metric_type"] in recall.METRICS else "COSINE"
    xy = map_sample.prepared_plane(context, sample)
    plane = "the space's UMAP map" if xy is not None else "PCA"
    if xy is None:
        xy = map_sample.plane(context, field, sample, "pca").xy
    left, right = st.columns([7, 4], gap="medium")
    with right:
        most = min(128, count)
        built = int((index["params"].get("nlist") if index is not None else None) or 32)
        cell_count = int(st.slider("Cells (nlist)", 1, most, min(built, most), key="ivf_cells"))
        nprobe = int(st.slider("Probed cells (nprobe)", 1, max(2, cell_count), min(2, cell_count), key="ivf_probes"))
        nprobe = min(nprobe, cell_count)
        cells, curve, queries = _clustered(context, field, count, cell_count, metric, sample.vectors)
        selected = selection.query_id()
        query = sample.keys.index(selected) if selected in sample.keys else 0
        k = min(_K, count - 1)
        nearest = _nearest(sample.vectors, query, metric, k)
        probed = ivf_cells.nearest_cells(cells, sample.vectors[query], metric, nprobe).tolist()
        retrieved = sum(int(cells.of[row]) in probed for row in nearest)
        numbers = st.container(key="numbers_ivf").columns(2)
        numbers[0].metric("Neighbours retrieved", f"{retrieved} of {k}", border=True, height="stretch")
        scanned = float(np.isin(cells.of, probed).mean())
        numbers[1].metric("Rows scanned", f"{scanned:.1%}", border=True, height="stretch")
        st.plotly_chart(figures.probes(curve, nprobe, k), width="stretch", key="ivf_curve")
        mean = curve[nprobe - 1][1]
        st.caption(f"Mean recall@{k} over {queries} rows at nprobe {nprobe}: **{mean:.3f}**.")
    with left:
        figure = figures.ivf_cells(xy, cells.of, sample.keys, probed, query, nearest)
        st.plotly_chart(figure, width="stretch", key="ivf_map")
        hint = "" if selected in sample.keys else " (click a photo for another)"
        st.caption(
            f"{count:,} rows on {plane}, coloured by k-means cell; probed cells are bright. The query is "
            f"{plain(sample.keys[query])}{hint}. IVF clusters the vectors once; a search then scans only the cells "
            "whose centres are nearest to the query. These cells are computed here with faiss, since no engine exposes "
            "its own."
        )


def _nearest(vectors: np.ndarray, query: int, metric: str, k: int) -> list[int]:
    """Rows of the `k` true neighbours of row `query`, which is left out."""
    values = scores(vectors, vectors[query][None], metric)[0]
    values[query] = -np.inf
    nearest: list[int] = np.argsort(-values, kind="stable")[:k].tolist()
    return nearest
