"""New images on an existing map, without moving its other points.

UMAP (`UMAP.transform`, McInnes, Healy & Melville 2018): a new point starts at the mean position of its nearest
neighbours, weighted by membership strength, and is then moved by the forces that made the map while all other points
stay. Composed of umap-learn's own functions, since a stored map is not a fitted model. PCA: onto the same two axes.
"""

from __future__ import annotations

import warnings

import numpy as np

from lib.embed.projection import Map, map_inputs, principal_axes

# The values of UMAP.transform.
_EPOCHS, _SEED = 100, 42


def place(map: Map, values: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Positions (m, 2) float32 of images with the vectors `new` (m, d) on the map of `values` (n, d)."""
    mapped, added = map_inputs(values)[0], map_inputs(new, total=len(values))[0]
    if map.facts["metric"] == "cosine":
        mapped, added = (
            each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-12) for each in (mapped, added)
        )
    if map.facts["method"] == "PCA":
        axes, centre, _ = principal_axes(mapped)
        return np.asarray((added - centre) @ axes, dtype=np.float32)
    return _umap_transform(map, mapped, added)


def _umap_transform(map: Map, mapped: np.ndarray, added: np.ndarray) -> np.ndarray:
    import faiss
    import scipy.sparse

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap import layouts, umap_

    count = min(int(map.facts["n_neighbors"]), len(mapped) - 1)
    cosine = map.facts["metric"] == "cosine"
    scores, rows = faiss.knn(added, mapped, count, metric=faiss.METRIC_INNER_PRODUCT if cosine else faiss.METRIC_L2)
    distances = np.clip(1 - scores, 0, 2) if cosine else np.sqrt(np.maximum(scores, 0))
    distances = np.ascontiguousarray(distances, dtype=np.float32)
    sigmas, rhos = umap_.smooth_knn_dist(distances, float(count), local_connectivity=0.0)
    heads, tails, weights, _ = umap_.compute_membership_strengths(
        rows.astype(np.int32), distances, sigmas, rhos, bipartite=True
    )
    graph = scipy.sparse.coo_matrix((weights, (heads, tails)), shape=(len(added), len(mapped)))
    strengths = graph.tocsr()
    strengths.eliminate_zeros()
    start = umap_.init_graph_transform(strengths, map.xy)
    graph.data[graph.data < graph.data.max() / _EPOCHS] = 0
    graph.eliminate_zeros()
    a, b = umap_.find_ab_params(1.0, float(map.facts["min_dist"]))
    state = np.random.RandomState(_SEED).randint(np.iinfo(np.int32).min + 1, np.iinfo(np.int32).max - 1, 3)
    positions = layouts.optimize_layout_euclidean(
        np.asarray(start, dtype=np.float32),
        map.xy.astype(np.float32, copy=True),
        graph.row,
        graph.col,
        _EPOCHS,
        len(mapped),
        umap_.make_epochs_per_sample(graph.data, _EPOCHS),
        a,
        b,
        state.astype(np.int64),
        initial_alpha=0.25,
    )
    return np.asarray(positions, dtype=np.float32)
