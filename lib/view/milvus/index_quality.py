"""Milvus page, Quality: recall against latency of the index, of other types on a scratch copy, and IVF drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lib.store import field_search, index_comparison, ivf_cells, recall, sizing
from lib.store.recall import scores
from lib.view import cached, page_controls, selection, url_state
from lib.view.cached_milvus import MilvusContext
from lib.view.figures import index_quality
from lib.view.formatting import ink, plain
from lib.view.milvus import connect, load_prompt, map_sample

_VIEWS = {"curve": "This index", "compare": "Other index types", "ivf": "IVF drawn"}


def show(here: MilvusContext) -> None:
    """One of three questions about an index."""
    if load_prompt.not_loaded(here):
        return
    fields = map_sample.dense(here, ("FLOAT_VECTOR",))
    if not fields:
        st.info("Quality is measured on fields of 32-bit float vectors, and this collection has none.")
        return
    left, right = st.columns([3, 4], vertical_alignment="bottom")
    with left:
        field = st.selectbox("Field", fields, **url_state.choice("field", "milvus_quality", fields, fields[0]))
    with right:
        view = st.segmented_control(
            "Question",
            list(_VIEWS),
            format_func=_VIEWS.__getitem__,
            required=True,
            wrap=True,
            **url_state.choice("quality", "milvus", list(_VIEWS), "curve"),
        )
    index = field_search.index_on(here.entry, field)
    if index is not None and index.get("warning"):
        st.warning(plain(index["warning"]), icon=":material/warning:")
    if view == "curve":
        _curve(here, field, index)
    elif view == "compare":
        _compare(here, field, index)
    else:
        _ivf(here, field, index)


def _asked(key: str) -> tuple[int, int]:
    left, right = st.columns(2)
    k = int(left.number_input("Neighbours (k)", 1, 100, 10, key=f"{key}_k"))
    return k, int(right.number_input("Queries", 5, 500, 50, key=f"{key}_queries", help="Rows drawn at random."))


@st.cache_data(ttl=3600, max_entries=32, show_spinner=False)
def _measured(
    key: str, name: str, field: str, k: int, queries: int, count: int | None, _here: MilvusContext
) -> dict[str, Any]:
    bar = st.progress(0.0, text="exact scan of the stored vectors")

    def tell(done: int, total: int | None) -> None:
        bar.progress(min(1.0, done / total) if total else 0.0, text=f"exact scan: {done:,} rows, then the searches")

    try:
        return recall.recall(_here.store, name, k=k, queries=queries, field=field, progress=tell)
    finally:
        bar.empty()


def _curve(here: MilvusContext, field: str, index: dict[str, Any] | None) -> None:
    if index is None:
        st.info("This field has no index: every search scans all rows, and finds everything (recall 1).")
        return
    k, queries = _asked("recall")
    key = f"{here.connection.key} {cached.pool().generation}"
    asked = (key, str(here.name), field, k, queries)
    ready = st.session_state.setdefault("recall_asked", set())
    if st.button("Measure", type="primary", icon=":material/speed:"):
        ready.add(asked)
    if asked not in ready:
        st.caption("Searches with rows of the collection, at each setting of the index, against an exact scan.")
        return
    found = _measured(*asked, here.entry["rows"]["count"], here)
    st.plotly_chart(index_quality.frontier(found["rows"], found["k"], ink=ink()), width="stretch", key="recall_curve")
    if found.get("warning") and not index.get("warning"):
        st.warning(plain(found["warning"]), icon=":material/warning:")
    build = index_quality.setting(found["build"]).replace("no setting", "no build parameters")
    st.caption(
        f"{plain(index['index_type'])} ({plain(build)}), {found['metric']}; {found['queries']} rows as queries "
        f"among {found['gallery']:,}, each without itself; latency of one query at a time, there and back, timed here. "
        f"The same as `python -m lib recall --collection {here.name}`."
    )
    _table(found["rows"], found["k"], "recall")


def _table(rows: list[dict[str, Any]], k: int, name: str) -> None:
    table = pd.DataFrame(
        [
            {
                "Index": row["index_type"],
                "Setting": index_quality.setting(row["params"]),
                f"Recall@{k}": row["recall"],
                "Median ms": row["p50_ms"],
                "95 % within ms": row["p95_ms"],
            }
            | ({"Size (by formula)": sizing.told(row["bytes"]), "Build s": row["build_s"]} if "bytes" in row else {})
            for row in rows
        ]
    )
    digits = {f"Recall@{k}": "%.3f", "Median ms": "%.2f", "95 % within ms": "%.2f", "Build s": "%.2f"}
    columns = {title: st.column_config.NumberColumn(format=each) for title, each in digits.items() if title in table}
    st.dataframe(table, hide_index=True, width="stretch", column_config=columns)
    page_controls.csv_button(table, f"milvus-{name}")


def _compare(here: MilvusContext, field: str, index: dict[str, Any] | None) -> None:
    known, refused = recall.offered(here.store)
    kinds = st.multiselect("Index types", known, default=[kind for kind in known if kind != "HNSW_SQ"], key="kinds")
    reasons: dict[str, list[str]] = {}
    for kind, why in refused.items():
        reasons.setdefault(why, []).append(kind)
    for why, names in reasons.items():
        st.caption(f":material/block: Not offered: {', '.join(names)}. {plain(why)}.")
    first, last = st.columns([2, 1])
    with first:
        k, queries = _asked("compare")
    most = int(last.number_input("Rows at most", 100, 50_000, 5_000, step=1000, key="compare_rows"))
    own = here.lite and here.connection.lite
    if not own and not connect.unlocked(here.connection):
        st.info(
            "A server's index types can only be built by the server: a scratch collection is made there and dropped "
            "afterwards. Unlock changes (part *Change*) to allow that."
        )
        return
    where = "in a Lite store of its own under `artifacts/scratch`" if own else "on the server"
    st.caption(f"The rows are copied {where}, and the copy is deleted afterwards; this collection is only read.")
    metric = str(index["metric_type"]) if index is not None else "COSINE"
    asked = (here.connection.key, here.name, field, tuple(kinds), k, queries, most)
    if st.button("Build and measure", type="primary", icon=":material/construction:", disabled=not kinds):
        with st.status("Comparing", expanded=True) as status:
            found = index_comparison.compare(
                here.store,
                here.entry,
                field,
                metric,
                kinds,
                most=most,
                k=k,
                queries=queries,
                folder=cached.current_settings().artifacts / "scratch",
                tell=lambda words: status.update(label=words),
            )
            status.update(label="Compared", state="complete", expanded=False)
        st.session_state["compared"] = (asked, found)
    kept = st.session_state.get("compared")
    if kept is None or kept[0] != asked:
        return
    found = kept[1]
    for kind, why in found["failed"].items():
        st.warning(f"{kind} was not built: {plain(why)}", icon=":material/warning:")
    if found["warning"]:
        st.warning(plain(found["warning"]), icon=":material/warning:")
    if found["rows"]:
        st.plotly_chart(
            index_quality.frontier(found["rows"], found["k"], ink=ink()), width="stretch", key="compared_curve"
        )
        st.caption(
            f"{metric}, {found['queries']} rows as queries among {found['gallery']:,}; a larger mark is a larger "
            "index, its size by formula; latency timed here, one query at a time."
        )
        _table(found["rows"], found["k"], "index-types")


@st.cache_data(ttl=600, max_entries=16, show_spinner="Clustering")
def _cells(key: str, name: str, field: str, n: int, count: int, metric: str, _vectors: np.ndarray) -> dict[str, Any]:
    made = ivf_cells.cells(_vectors, count, metric)
    asks = np.sort(np.random.default_rng(0).permutation(n)[: min(200, n)])
    curve = ivf_cells.recall_by_nprobe(made, _vectors, asks, metric, min(10, n - 1))
    return {"centres": made.centres, "of": made.of, "curve": curve, "queries": len(asks)}


def _ivf(here: MilvusContext, field: str, index: dict[str, Any] | None) -> None:
    taken = map_sample.sample(here, field)
    n = len(taken.keys)
    metric = str(index["metric_type"]) if index is not None and index["metric_type"] in recall.METRICS else "COSINE"
    xy = map_sample.own_plane(here, taken)
    plane = "the space's UMAP map" if xy is not None else "PCA"
    if xy is None:
        xy = map_sample.plane(here, field, taken, "pca")["xy"]
    left, right = st.columns([7, 4], gap="medium")
    with right:
        most = min(128, n)
        own = int((index or {}).get("params", {}).get("nlist") or 32)
        count = int(st.slider("Cells (nlist)", 1, most, min(own, most), key="ivf_cells"))
        nprobe = int(st.slider("Cells looked into (nprobe)", 1, max(2, count), min(2, count), key="ivf_probes"))
        nprobe = min(nprobe, count)
        wanted = selection.query()
        key = f"{here.connection.key} {cached.pool().generation}"
        made = _cells(key, str(here.name), field, n, count, metric, taken.vectors)
        query = taken.keys.index(wanted) if wanted in taken.keys else 0
        k = min(10, n - 1)
        values = scores(taken.vectors, taken.vectors[query][None], metric)[0]
        values[query] = -np.inf
        best = np.argsort(-values, kind="stable")[:k].tolist()
        lit = ivf_cells.probed(
            ivf_cells.Cells(made["centres"], made["of"]), taken.vectors[query], metric, nprobe
        ).tolist()
        found = sum(int(made["of"][row]) in lit for row in best)
        share = float(np.isin(made["of"], lit).mean())
        numbers = st.container(key="numbers_ivf").columns(2)
        numbers[0].metric("Found of this query", f"{found} of {k}", border=True)
        numbers[1].metric("Rows looked at", f"{share:.1%}", border=True)
        st.plotly_chart(index_quality.probes(made["curve"], nprobe, k), width="stretch", key="ivf_curve")
        mean = made["curve"][nprobe - 1][1]
        st.caption(f"Mean recall@{k} over {made['queries']} rows at nprobe {nprobe}: **{mean:.3f}**.")
    with left:
        figure = index_quality.cells_drawn(xy, made["of"], taken.keys, lit, query, best)
        st.plotly_chart(figure, width="stretch", key="ivf_map")
        st.caption(
            f"{n:,} rows on {plane}, coloured by their k-means cell; the cells that are looked into are bright. The "
            f"query is {plain(taken.keys[query])}{'' if wanted in taken.keys else ' (click a photo for another)'}. "
            "IVF clusters the vectors once, and then searches only the cells whose centres are nearest to the query. "
            "These cells are made here by faiss, as the engine's own are, since no engine shows its own."
        )
