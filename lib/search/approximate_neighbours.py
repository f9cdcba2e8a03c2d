"""Nearest images of every image among very many: most of the true ones, at little more than a constant cost each.

NN-descent finds candidates under every metric; each metric ranks the candidates of all by its exact values, as the
reference has them. So a value is always right, and only an image may be missing. How many are is measured on a sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lib.embed import neighbours
from lib.search import exact
from lib.search.exact import Gallery
from lib.search.metrics import metric, order, reference

# What pynndescent calls our metrics.
_CALLED = {"cosine": "cosine", "l1": "manhattan"}
_BATCH = 256

Ints = npt.NDArray[np.int64]
Answers = tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class _Pictures:
    """Different pictures and the rows that show each: `shown[start[i] : start[i + 1]]`, ascending, are picture i's, of
    which `first` (u,) has the first."""

    first: Ints
    shown: Ints
    start: Ints

    def rows(self, picture: int, most: int | None = None) -> Ints:
        """The rows of one picture, at most the first `most`."""
        start, end = int(self.start[picture]), int(self.start[picture + 1])
        return self.shown[start : end if most is None else min(end, start + most)]


def nearest(
    gallery: Gallery,
    copies: Sequence[Sequence[int]],
    metrics: Sequence[str],
    depth: int,
    *,
    seed: int,
    sample: int,
    cuts: Sequence[int],
    progress: Callable[[int, int | None], None],
) -> tuple[dict[str, Answers], dict[str, Any]]:
    """For each metric the rows (n, depth), nearest first, and their values; -1 and NaN where fewer were found.

    `copies` has for each row the rows of the same picture, which are not its answers. The facts say by what they were
    found and, for each metric and number of answers in `cuts`, the `recall`: the share of the true ones among them, for
    `sample` pictures that `seed` draws.
    """
    pictures = _pictures(copies)
    points = np.asarray(gallery.vectors if len(pictures.first) == len(gallery) else gallery.vectors[pictures.first])
    graphs = []
    for name in metrics:
        progress(0, None)
        # One more than asked for: each finds itself.
        wide = min(depth + 1, len(points))
        graph, _, by = neighbours.nn_descent(points.astype(np.float32, copy=False), wide, _CALLED[name], seed)
        graphs.append(graph)
    joined = np.concatenate(graphs, axis=1)
    answers = {name: _blank(len(gallery), depth) for name in metrics}
    for picture, candidates in enumerate(joined):
        own = pictures.rows(picture)
        # Copies of an answer are answers of the same value: more of them than are asked for need not be looked at.
        rows = [pictures.rows(near, depth) for near in np.unique(candidates) if near >= 0 and near != picture]
        among = np.sort(np.concatenate(rows)) if rows else np.empty(0, np.int64)
        for name, (found, values) in answers.items():
            known = reference(name, gallery.vectors[own[0]], gallery.vectors[among])
            best = order(known, name)[:depth]
            found[own, : len(best)], values[own, : len(best)] = among[best], known[best]
        if picture % _BATCH == 0 or picture + 1 == len(joined):
            progress(picture + 1, len(joined))
    drawn = np.random.default_rng(seed).choice(pictures.first, min(sample, len(pictures.first)), replace=False)
    drawn = np.sort(drawn)
    recall = {name: _recall(gallery, name, found[1], drawn, copies, cuts) for name, found in answers.items()}
    return answers, {"found": "approximate", "by": by, "seed": seed, "sample": len(drawn), "recall": recall}


def _pictures(copies: Sequence[Sequence[int]]) -> _Pictures:
    first, of = np.unique([min(rows) for rows in copies], return_inverse=True)
    shown = np.argsort(of, kind="stable")
    return _Pictures(first, shown, np.searchsorted(of[shown], np.arange(len(first) + 1)))


def _blank(n: int, depth: int) -> Answers:
    return np.full((n, depth), -1, np.int32), np.full((n, depth), np.nan)


def _recall(
    gallery: Gallery,
    name: str,
    values: npt.NDArray[np.float64],
    drawn: Ints,
    copies: Sequence[Sequence[int]],
    cuts: Sequence[int],
) -> dict[str, float]:
    """The share of the drawn rows' true first answers that were found, for each number of these.

    Of answers of equal value each is as good as the others, so values are compared and not rows.
    """
    sign = -1 if metric(name).higher_is_closer else 1
    there, asked = dict.fromkeys(cuts, 0), dict.fromkeys(cuts, 0)
    for start in range(0, len(drawn), _BATCH):
        block = drawn[start : start + _BATCH]
        without = [copies[row] for row in block]
        true = exact.top_k(gallery, gallery.vectors[block], name, values.shape[1], leave_out=without).values
        for cut in cuts:
            farthest = np.nanmax(sign * true[:, :cut], axis=1, keepdims=True)
            there[cut] += int((sign * values[block, :cut] <= farthest).sum())
            asked[cut] += int(np.isfinite(true[:, :cut]).sum())
    return {str(cut): there[cut] / asked[cut] for cut in cuts}
