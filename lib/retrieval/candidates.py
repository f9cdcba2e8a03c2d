"""Which images may be results of a search: those that pass the filter, are not the query, and have a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lib.retrieval.query import Query
from lib.search.gallery import Gallery
from lib.search.metrics import Metric


@dataclass(frozen=True)
class Candidates:
    """The catalog rows that may be results, ascending: those that pass the filter (None: all), without `left_out`.
    `copies` counts those of `left_out` that pass the filter and are no queries: pixel-identical copies of one."""

    rows: np.ndarray
    filtered: np.ndarray | None
    left_out: list[int]
    copies: int


def candidates(images: int, queries: Sequence[Query], filtered: np.ndarray | None, keep_duplicates: bool) -> Candidates:
    """The candidates among `images` rows; `filtered` are those that pass the filter, None for all."""
    left_out = sorted({row for query in queries for row in query.left_out(keep_duplicates=keep_duplicates)})
    every = np.arange(images) if filtered is None else filtered
    copies = np.setdiff1d(np.intersect1d(every, left_out), [query.row for query in queries if query.row is not None])
    return Candidates(np.setdiff1d(every, left_out), filtered, left_out, len(copies))


def defined(gallery: Gallery, vectors: np.ndarray, kind: Metric, among: Candidates) -> tuple[Candidates, int]:
    """The candidates with a defined similarity to the queries' `vectors` (q, dim), and the number of the others."""
    if kind.undefined is None:
        return among, 0
    without = among.rows if kind.undefined(vectors).any() else among.rows[gallery.undefined(kind.name)[among.rows]]
    if not len(without):
        return among, 0
    rows = np.setdiff1d(among.rows, without)
    return replace(among, rows=rows, left_out=sorted({*among.left_out, *without.tolist()})), len(without)


def left_out_note(undefined: int) -> str:
    """How many images are no results for want of a similarity."""
    which = "1 image has" if undefined == 1 else f"{undefined:,} images have"
    return f"{which} no defined similarity to the query and {'is' if undefined == 1 else 'are'} left out"
