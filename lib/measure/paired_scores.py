"""Two configurations (a metric in a space each) with the same queries: their scores, query by query and by class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lib.measure import scoreboard
from lib.search import significance
from lib.search.disagreement import Disagreement
from lib.search.evaluation import Scores
from lib.search.metrics import Floats
from lib.search.significance import Difference
from lib.text import counted, natural_key

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PairedScores:
    """Row for row: the catalog `rows` (q,) of the queries, and their scores `a` and `b` (q,), from 0 to 1, NaN where
    undefined. `measure` and `population` say in words what the scores are, and of which queries in which gallery."""

    measure: str
    population: str
    rows: Rows
    a: Floats
    b: Floats

    def difference(self) -> Difference:
        """The paired test of b − a over the queries."""
        return significance.difference(self.b, self.a)

    def ahead(self, winner: str) -> Rows:
        """Places of the queries on which `winner` ("a" or "b") is ahead, the largest lead first."""
        lead = np.nan_to_num(self.b - self.a) * (1 if winner == "b" else -1)
        places = np.nonzero(lead > 0)[0]
        return places[np.argsort(-lead[places], kind="stable")]


def from_scores(a: Scores, b: Scores, measure: str) -> PairedScores:
    """From the stored scores of two configurations by one of `scoreboard.MEASURES`: the test photos as queries."""
    queries = counted(int(a.per_query.counted.sum()), "test photo")
    return PairedScores(
        scoreboard.MEASURES[measure],
        f"{queries} as queries, {counted(a.gallery, 'other photo')} as gallery",
        np.asarray(a.per_query.rows, dtype=np.int64),
        _counted(a, measure),
        _counted(b, measure),
    )


def _counted(scores: Scores, measure: str) -> Floats:
    """The scores of the queries that count, NaN for the others."""
    return np.where(scores.per_query.counted, scoreboard.per_query(scores, measure), np.nan)


def from_neighbours(measured: Disagreement, a: str, b: str) -> PairedScores:
    """From the stored neighbours, which are those of L1 and cosine: every photo as a query against all others."""
    photos = counted(int((~np.isnan(measured.right[a])).sum()), "photo")
    return PairedScores(
        f"P@{measured.k}",
        f"{photos} as queries, each against all others",
        np.arange(len(measured.overlap)),
        measured.right[a],
        measured.right[b],
    )


@dataclass(frozen=True)
class ClassDifference:
    """A class, the `difference` b − a over its queries, and the p value corrected for the number of classes (Holm)."""

    label: str
    difference: Difference
    p_corrected: float | None

    @property
    def winner(self) -> str:
        """The configuration that is better beyond chance (corrected p < 0.05), "a" or "b"; "" for neither."""
        return significance.winner(self.difference.mean, self.p_corrected, ("a", "b"))


def by_class(paired: PairedScores, labels: np.ndarray) -> list[ClassDifference]:
    """The difference for each class that has a query, in natural order; `labels` (n,) are the catalog's."""
    query_labels = labels[paired.rows]
    names = sorted({str(label) for label in query_labels}, key=natural_key)
    tests = [significance.difference(paired.b[query_labels == name], paired.a[query_labels == name]) for name in names]
    corrected = significance.holm([test.p for test in tests])
    return [ClassDifference(*each) for each in zip(names, tests, corrected, strict=True)]
