"""Nearest images of every image among very many: most of the true ones, at little more than a constant cost each.

NN-descent finds candidates under every metric; each metric then ranks the candidates of all metrics by exact values, as
the reference has them. So every value is right, and only images may be missing: recall is measured on a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lib.documents.embeddings import NeighbourhoodSearch
from lib.embed import neighbours
from lib.progress import Progress
from lib.search import exact
from lib.search.exact import Gallery
from lib.search.metrics import metric, order, reference

# The names of our metrics in pynndescent.
_PYNNDESCENT = {"cosine": "cosine", "l1": "manhattan"}
_BATCH = 256

Ints = npt.NDArray[np.int64]
# Rows (n, depth), nearest first, and their values.
Ranked = tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class _Pictures:
    """Different pictures and the rows of each: picture i has `rows[start[i] : start[i + 1]]`, ascending, and its first
    row is `first[i]`."""

    first: Ints
    rows: Ints
    start: Ints

    def rows_of(self, picture: int, most: int | None = None) -> Ints:
        """The rows of one picture, at most the first `most`."""
        start, end = int(self.start[picture]), int(self.start[picture + 1])
        return self.rows[start : end if most is None else min(end, start + most)]


def nearest(
    gallery: Gallery,
    copies: Sequence[Sequence[int]],
    metrics: Sequence[str],
    depth: int,
    *,
    seed: int,
    sample: int,
    cuts: Sequence[int],
    progress: Progress,
) -> tuple[dict[str, Ranked], NeighbourhoodSearch]:
    """For each metric the rows (n, depth), nearest first, and their values; -1 and NaN where fewer were found.

    `copies` lists for each row the rows of the same picture, which are not its neighbours. The facts name the method
    and, for each metric and rank in `cuts`, the `recall`: the share of the true neighbours up to that rank that were
    found, for `sample` pictures drawn with `seed`.
    """
    pictures = _pictures(copies)
    points = np.asarray(gallery.vectors if len(pictures.first) == len(gallery) else gallery.vectors[pictures.first])
    graphs = []
    for name in metrics:
        progress(0, None)
        # One more than `depth`, since each point finds itself.
        width = min(depth + 1, len(points))
        graph, _, method = neighbours.nn_descent(points.astype(np.float32, copy=False), width, _PYNNDESCENT[name], seed)
        graphs.append(graph)
    joined = np.concatenate(graphs, axis=1)
    ranked = {name: _blank(len(gallery), depth) for name in metrics}
    for picture, candidates in enumerate(joined):
        own = pictures.rows_of(picture)
        # Copies of a neighbour have equal values: more than `depth` of them cannot be results.
        parts = [pictures.rows_of(near, depth) for near in np.unique(candidates) if near >= 0 and near != picture]
        candidate_rows = np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64)
        for name, (rows, values) in ranked.items():
            exact_values = reference(name, gallery.vectors[own[0]], gallery.vectors[candidate_rows])
            best = order(exact_values, name)[:depth]
            rows[own, : len(best)], values[own, : len(best)] = candidate_rows[best], exact_values[best]
        if picture % _BATCH == 0 or picture + 1 == len(joined):
            progress(picture + 1, len(joined))
    drawn = np.random.default_rng(seed).choice(pictures.first, min(sample, len(pictures.first)), replace=False)
    drawn = np.sort(drawn)
    recall = {name: _recall(gallery, name, values, drawn, copies, cuts) for name, (_, values) in ranked.items()}
    return ranked, {"found": "approximate", "by": method, "seed": seed, "sample": len(drawn), "recall": recall}


def _pictures(copies: Sequence[Sequence[int]]) -> _Pictures:
    first, picture_of_row = np.unique([min(rows) for rows in copies], return_inverse=True)
    rows = np.argsort(picture_of_row, kind="stable")
    return _Pictures(first, rows, np.searchsorted(picture_of_row[rows], np.arange(len(first) + 1)))


def _blank(n: int, depth: int) -> Ranked:
    return np.full((n, depth), -1, np.int32), np.full((n, depth), np.nan)


def _recall(
    gallery: Gallery,
    name: str,
    values: npt.NDArray[np.float64],
    drawn: Ints,
    copies: Sequence[Sequence[int]],
    cuts: Sequence[int],
) -> dict[str, float]:
    """The share of the `drawn` rows' true neighbours up to each rank in `cuts` that were found.

    Neighbours of equal value are interchangeable, so values are compared and not rows.
    """
    sign = -1 if metric(name).higher_is_closer else 1
    hits, total = dict.fromkeys(cuts, 0), dict.fromkeys(cuts, 0)
    for start in range(0, len(drawn), _BATCH):
        block = drawn[start : start + _BATCH]
        own_copies = [copies[row] for row in block]
        true = exact.top_k(gallery, gallery.vectors[block], name, values.shape[1], leave_out=own_copies).values
        for cut in cuts:
            farthest = np.nanmax(sign * true[:, :cut], axis=1, keepdims=True)
            hits[cut] += int((sign * values[block, :cut] <= farthest).sum())
            total[cut] += int(np.isfinite(true[:, :cut]).sum())
    return {str(cut): hits[cut] / total[cut] for cut in cuts}
