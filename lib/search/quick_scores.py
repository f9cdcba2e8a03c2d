"""Retrieval scores of one metric by plain matrix products: for many variants of the vectors, one after the other.

As `evaluation.evaluate`, which is the reference, but values so close that rounding may have changed their order are not
computed anew: they count as ties. Where thousands are nearly equal, as between codes of a few bits, that is most of the
reference's time.
"""

from __future__ import annotations

import numpy as np

from lib.search import evaluation, rank_measures
from lib.search.blocks import CELLS, Rows
from lib.search.evaluation import Pairs, PerQuery, Scores
from lib.search.metrics import Array, Floats


def scores(
    vectors: Array, metric: str, labels: Array, pictures: Array, query_rows: Rows, gallery_rows: Rows, k: int
) -> Scores:
    """The scores of `cosine` or `l2` with precision at `k`, over the vectors (n, d); `labels` and `pictures` (n,) are
    the classes and what copies share. A zero vector has cosine 0 with all; the reference leaves it out."""
    codes, copies_of = (np.unique(each, return_inverse=True)[1] for each in (labels, pictures))
    gallery, ks = _prepared(vectors[gallery_rows], metric), sorted({k, evaluation.DEPTH})
    norms = np.einsum("ij,ij->i", gallery, gallery)
    one_class = len(np.unique(codes[gallery_rows])) < 2
    counted = np.zeros(len(query_rows), dtype=bool)
    values = {name: np.full(len(query_rows), np.nan) for name in rank_measures.names(ks)}
    pairs = 0
    step = max(1, min(evaluation.QUERY_BLOCK, CELLS // max(1, len(gallery_rows))))
    for start in range(0, len(query_rows), step):
        rows = query_rows[start : start + step]
        queries = _prepared(vectors[rows], metric)
        products = queries @ gallery.T
        keys: Floats = -products
        if metric == "l2":
            keys = np.einsum("ij,ij->i", queries, queries)[:, None] + norms - 2 * products
        relevant = codes[rows, None] == codes[gallery_rows]
        copies = copies_of[rows, None] == copies_of[gallery_rows]
        keys[copies] = np.inf
        ranking = np.argsort(keys, axis=1)
        hits = np.take_along_axis(relevant & ~copies, ranking, axis=1)
        tied = rank_measures.tied_with_next(np.take_along_axis(keys, ranking, axis=1), relative=False)
        total = (relevant & ~copies).sum(axis=1) * (not one_class)
        block = slice(start, start + len(rows))
        counted[block] = total > 0
        pairs += int((~copies[total > 0]).sum())
        for name, each in rank_measures.measures(hits, tied, total, ks).items():
            values[name][block] = each
    per_query = PerQuery(query_rows, counted, values)
    return evaluation.summaries({metric: per_query}, codes, gallery_rows, {metric: Pairs(pairs, 0)}, {metric: 0.0})[
        metric
    ]


def _prepared(vectors: Array, metric: str) -> Floats:
    """The vectors in float64; for cosine at length 1."""
    wide = np.asarray(vectors, dtype=np.float64)
    if vectors.dtype == np.uint8:
        wide /= 255
    if metric == "l2":
        return wide
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(wide / np.where(lengths > 0, lengths, 1))
