"""Types of the `search`, `compare` and `evaluate` documents.

Fields may be added, never renamed: other programs read these documents.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class SearchResult(TypedDict):
    """One result; `gap` is the distance in value to the next result, None for the last."""

    rank: int
    id: str
    label: str
    value: float
    gap: float | None


class SearchDocument(TypedDict):
    """What `python -m lib search --json` prints.

    Several queries add `queries` and `fusion` ("mean rank"). `recall` against the full scan, and the results of the
    full scan that are `missed`, belong to the Milvus engine. `copies_left_out` counts pixel-identical copies of a query
    that are no results for that reason; it is absent where there are none.
    """

    query: str
    queries: NotRequired[list[str]]
    fusion: NotRequired[str]
    space: str
    normalised: NotRequired[bool]
    metric: str
    engine: str
    higher_is_closer: bool
    results: list[SearchResult]
    seconds: float
    recall: float | None
    missed: NotRequired[list[SearchResult]]
    copies_left_out: NotRequired[int]


class CompareRanks(TypedDict):
    """For each result of a side its rank on the opposite side, over all images that pass the filter."""

    a: list[int]
    b: list[int]


class CompareDocument(TypedDict):
    """What `python -m lib compare --json` prints; the measures of agreement are None where they are undefined."""

    a: SearchDocument
    b: SearchDocument
    overlap: float | None
    rbo: float | None
    kendall_tau: float | None
    ranks: CompareRanks


# The lower and upper bound, or None where the measure is undefined.
Interval = list[float] | None


class EvaluationIntervals(TypedDict):
    """95 % bootstrap intervals of the means in a row, by the same keys."""

    map: Interval
    precision: dict[str, Interval]
    recall: dict[str, Interval]


class EvaluationRow(TypedDict):
    """The scores of a space under a metric: means over the queries, keyed by cut-off (as text); None if undefined."""

    space: str
    metric: str
    queries: int
    gallery: int
    precision: dict[str, float | None]
    recall: dict[str, float | None]
    map: float | None
    ci95: EvaluationIntervals
    seconds: float


class EvaluateDocument(TypedDict):
    """What `python -m lib evaluate --json` prints."""

    rows: list[EvaluationRow]
