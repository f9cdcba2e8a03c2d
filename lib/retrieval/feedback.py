"""Relevance feedback: photos marked right or wrong for a need move the query (`lib/search/rocchio.py`).

The moved query is a vector of one space under one metric, so each row of results has its own. It searches like any
other vector, in every engine. Marked photos stay results, so that a mark can be seen and taken back; a score over them
is too good, so `precision` can leave them out (residual collection: Chang, Cirillo and Razon 1971).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np

from lib.data.catalog import Catalog
from lib.documents.search import MovedQuery, SearchResult
from lib.errors import QueryError
from lib.retrieval.search import SearchableSpace
from lib.search import rocchio
from lib.search.rocchio import USUAL, Weights
from lib.text import shown_name

ONE_QUERY = "Marks move one query; search with a single photo or vector."


@dataclass(frozen=True)
class Marks:
    """Ids of the photos marked `right` and `wrong` for a need, none of them in both, and the weights of the move."""

    right: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    weights: Weights = field(default=USUAL)

    def __bool__(self) -> bool:
        return bool(self.right or self.wrong)

    @property
    def ids(self) -> list[str]:
        """All marked photos."""
        return [*self.right, *self.wrong]

    def facts(self) -> MovedQuery:
        """As documents have it."""
        weights = self.weights
        return {
            "right": list(self.right),
            "wrong": list(self.wrong),
            "alpha": weights.alpha,
            "beta": weights.beta,
            "gamma": weights.gamma,
        }


NO_MARKS = Marks()


class Precision(TypedDict):
    """Results of the query's class among the first `k`, and among the first `k` that are not marked."""

    hits: int
    unmarked: int
    k: int


def moved_vectors(loaded: SearchableSpace, vectors: np.ndarray, metric: str, marks: Marks) -> np.ndarray:
    """The vector (1, dim) of the query with `vectors` (1, dim), moved by the marks for a metric in a space.

    Raises QueryError for several queries, an unknown or twice marked photo, or weights that leave no point.
    """
    if not marks:
        return vectors
    if len(vectors) != 1:
        raise QueryError(ONE_QUERY)
    if twice := set(marks.right) & set(marks.wrong):
        raise QueryError(f"{shown_name(min(twice))} is marked right and wrong; choose one.")
    gallery = loaded.gallery.vectors
    right, wrong = (np.asarray(gallery[_rows(loaded.catalog, ids)]) for ids in (marks.right, marks.wrong))
    return rocchio.moved(metric, vectors[0], right, wrong, marks.weights)[None]


def _rows(catalog: Catalog, ids: Sequence[str]) -> np.ndarray:
    rows = [catalog.row(image_id) for image_id in ids]
    for image_id, row in zip(ids, rows, strict=True):
        if row is None:
            raise QueryError(f"{shown_name(image_id)} is no image of the catalog, so it cannot be marked.")
    return np.array(rows, dtype=np.int64)


def precision(results: Sequence[SearchResult], label: str, k: int, marked: Collection[str]) -> Precision:
    """How many results have the class `label`; `results` hold at least `k` plus as many as are marked, if there are."""
    unmarked = [result for result in results if result["id"] not in marked]
    hits, rest = (sum(result["label"] == label for result in some[:k]) for some in (results, unmarked))
    return {"hits": hits, "unmarked": rest, "k": k}
