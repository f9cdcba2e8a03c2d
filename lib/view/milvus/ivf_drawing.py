"""Milvus page, Index quality: IVF's cells drawn on a plane, those that a search probes bright."""

from __future__ import annotations

import numpy as np
import streamlit as st

from lib.documents.inspect import IndexDocument
from lib.store import ivf_cells, recall
from lib.store.ivf_cells import Cells
from lib.store.recall import scores
from lib.view import selection
from lib.view.cached_milvus import BY_COLLECTION, MilvusContext
from lib.view.figures import index_quality as figures
from lib.view.formatting import plain
from lib.view.milvus import map_sample

CURVE_QUERIES = 200  # rows whose recall is averaged in the curve
K = 10


@st.cache_data(ttl=600, max_entries=16, show_spinner="Clustering", hash_funcs=BY_COLLECTION)
def _clustered(
    context: MilvusContext, field: str, row_count: int, cell_count: int, metric: str, _vectors: np.ndarray
) -> tuple[Cells, list[tuple[int, float, float]], int]:
    """IVF's cells, `recall_by_nprobe`, and over how many rows that is the mean."""
    cells = ivf_cells.make_cells(_vectors, cell_count, metric)
    queries = np.sort(np.random.default_rng(0).permutation(row_count)[: min(CURVE_QUERIES, row_count)])
    curve = ivf_cells.recall_by_nprobe(cells, _vectors, queries, metric, min(K, row_count - 1))
    return cells, curve, len(queries)


def show(context: MilvusContext, field: str, index: IndexDocument | None) -> None:
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
        k = min(K, count - 1)
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
