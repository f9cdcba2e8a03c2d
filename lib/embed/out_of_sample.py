"""New images on a map that is there, without moving the others.

UMAP's way (`UMAP.transform`, McInnes, Healy & Melville 2018): a new point begins at the mean of its nearest neighbours'
places, weighted by how strongly they belong together, and is then moved by the same forces that made the map, while
all others stay. Made of umap-learn's own parts, since a map that is kept as a file is no fitted model any more.
PCA's way: onto the same two axes.
"""

from __future__ import annotations

import warnings

import numpy as np

from lib.embed.projection import Map, points, principal_axes

# As UMAP.transform has them.
_EPOCHS, _SEED = 100, 42


def place(made: Map, values: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Where images with the vectors `new` (m, d) lie on the map `made` of `values` (n, d): (m, 2) float32."""
    old, fresh = points(values)[0], points(new, among=len(values))[0]
    if made.facts["metric"] == "cosine":
        old, fresh = (each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-12) for each in (old, fresh))
    if made.facts["method"] == "PCA":
        axes, centre, _ = principal_axes(old)
        return np.asarray((fresh - centre) @ axes, dtype=np.float32)
    return _placed(made, old, fresh)


def _placed(made: Map, old: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    import faiss
    import scipy.sparse

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap import layouts, umap_

    count = min(int(made.facts["n_neighbors"]), len(old) - 1)
    cosine = made.facts["metric"] == "cosine"
    found, rows = faiss.knn(fresh, old, count, metric=faiss.METRIC_INNER_PRODUCT if cosine else faiss.METRIC_L2)
    distances = np.clip(1 - found, 0, 2) if cosine else np.sqrt(np.maximum(found, 0))
    distances = np.ascontiguousarray(distances, dtype=np.float32)
    sigmas, rhos = umap_.smooth_knn_dist(distances, float(count), local_connectivity=0.0)
    heads, tails, weights, _ = umap_.compute_membership_strengths(
        rows.astype(np.int32), distances, sigmas, rhos, bipartite=True
    )
    graph = scipy.sparse.coo_matrix((weights, (heads, tails)), shape=(len(fresh), len(old)))
    held = graph.tocsr()
    held.eliminate_zeros()
    start = umap_.init_graph_transform(held, made.xy)
    graph.data[graph.data < graph.data.max() / _EPOCHS] = 0
    graph.eliminate_zeros()
    a, b = umap_.find_ab_params(1.0, float(made.facts["min_dist"]))
    state = np.random.RandomState(_SEED).randint(np.iinfo(np.int32).min + 1, np.iinfo(np.int32).max - 1, 3)
    placed = layouts.optimize_layout_euclidean(
        np.asarray(start, dtype=np.float32),
        made.xy.astype(np.float32, copy=True),
        graph.row,
        graph.col,
        _EPOCHS,
        len(old),
        umap_.make_epochs_per_sample(graph.data, _EPOCHS),
        a,
        b,
        state.astype(np.int64),
        initial_alpha=0.25,
    )
    return np.asarray(placed, dtype=np.float32)
