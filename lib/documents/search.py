"""Types of the `search`, `compare`, `explain` and `evaluate` documents.

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


class MovedQuery(TypedDict):
    """The photos that were marked right and wrong, and the weights by which they moved the query (Rocchio 1971)."""

    right: list[str]
    wrong: list[str]
    alpha: float
    beta: float
    gamma: float


class SearchDocument(TypedDict):
    """What `python -m lib search --json` prints.

    Several queries add `queries` and `fusion` ("mean rank"). `recall` against the full scan, and the results of the
    full scan that are `missed`, belong to the Milvus engine. `undefined` counts the images that are no results because
    they have no defined similarity to the query, and `copies_left_out` the pixel-identical copies of a query that are
    none; each is absent where there are none. `moved` is present where marked photos moved the query.
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
    undefined: NotRequired[int]
    copies_left_out: NotRequired[int]
    moved: NotRequired[MovedQuery]


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


class DimensionPart(TypedDict):
    """What one dimension adds to a metric's value, and its values in both vectors (pixels: 0 to 1)."""

    dimension: int
    part: float
    query: float
    answer: float


class ExplainParts(TypedDict):
    """The parts of a value at each position of both photos, row by row from the top."""

    query: list[list[float]]
    answer: list[list[float]]


class ExplainSeen(TypedDict):
    """The part of each photo that the grid covers: left, top, right and bottom in percent."""

    query: list[float]
    answer: list[float]


class ExplainDocument(TypedDict):
    """What `python -m lib explain --json` prints: where a metric's value between two photos comes from.

    `value` is what a search has. `sum` is that value, for `l2` its square: of a similarity the parts of each photo
    alone sum to it, of a distance those of both photos together, and the dimensions' parts always do. `dimensions` are
    ordered from the largest part, whatever its sign. `rounding` is the largest difference of a photo's map to its
    stored vector, relative to the vector's length; it is spread evenly over the positions. `why` says why there is no
    value (all parts are then 0), or why no positions (the grid is then empty); None where there are both.

    `moved` says which marks moved the query. As features such a query is no photo's vector, so its parts are one number
    ([[…]]) and only the answer's lie on the `grid`.
    """

    query: str
    answer: str
    space: str
    normalised: NotRequired[bool]
    metric: str
    value: float
    higher_is_closer: bool
    grid: list[int]
    seen: ExplainSeen
    parts: ExplainParts
    sum: float
    dimensions: list[DimensionPart]
    rounding: float
    why: str | None
    moved: NotRequired[MovedQuery]


# The lower and upper bound, or None where the measure is undefined.
Interval = list[float] | None


class EvaluationIntervals(TypedDict):
    """95 % intervals of the means in a row, by the same keys; `balanced` has those of the means over classes."""

    map: Interval
    precision: dict[str, Interval]
    recall: dict[str, Interval]
    r_precision: Interval
    map_at_r: Interval
    mrr: Interval
    ndcg: dict[str, Interval]
    balanced: NotRequired[EvaluationIntervals]


class EvaluationMeans(TypedDict):
    """Means of the measures, keyed by cut-off (as text) where they have one; None where there is no score."""

    precision: dict[str, float | None]
    recall: dict[str, float | None]
    map: float | None
    r_precision: float | None
    map_at_r: float | None
    mrr: float | None
    ndcg: dict[str, float | None]


class WithoutLeaks(EvaluationMeans):
    """The measures when near-duplicates are no results of each other: `leaks` counts the queries with a near-duplicate
    among the images that are ranked, beside pixel-identical ones."""

    queries: int
    leaks: int
    ci95: EvaluationIntervals


class EvaluationRow(EvaluationMeans):
    """The scores of a space under a metric: means over the `queries`, those with another image of their class in the
    gallery. `left_out` counts the other queries, and `balanced` holds the means over classes of the class means.

    `undefined` counts the pairs of a query and an image that have no defined similarity and are no results. `why` says
    why there is no score, and is None where there is one. `without_leaks` is None where near-duplicates could not be
    searched for.
    """

    space: str
    metric: str
    queries: int
    left_out: int
    gallery: int
    undefined: int
    why: str | None
    balanced: EvaluationMeans
    without_leaks: NotRequired[WithoutLeaks | None]
    ci95: EvaluationIntervals
    seconds: float


class EvaluateDocument(TypedDict):
    """What `python -m lib evaluate --json` prints; `files` are the TREC files that were written."""

    rows: list[EvaluationRow]
    files: NotRequired[list[str]]
