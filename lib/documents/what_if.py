"""Types of the `what-if` document. Fields may be added, never renamed: other programs read these documents."""

from __future__ import annotations

from typing import TypedDict

from lib.documents.search import Interval


class WhatIfIntervals(TypedDict):
    """95 % intervals of the scores; None where there is none."""

    map: Interval
    p10: Interval


class Loss(TypedDict):
    """The score of a way less that of the vectors as they are, over the same queries: mean, 95 % interval, and the p
    value of the paired test. None for the vectors as they are, and without scores."""

    mean: float | None
    ci95: Interval
    p: float | None


class WhatIfDifferences(TypedDict):
    """The differences by measure."""

    map: Loss
    p10: Loss


class WhatIfRow(TypedDict):
    """One way to shorten a space's vectors: `space` is the name of the derived space that would store it.

    `components` are principal components, None for the vectors as they are; `compression` is `none`, `int8` or
    `binary`. `bytes` are those of one vector in a packed store, `index_bytes` the estimated index of all in Milvus.
    `milliseconds` is one exact search.
    """

    space: str
    components: int | None
    whitened: bool
    compression: str
    metric: str
    dim: int
    map: float | None
    p10: float | None
    ci95: WhatIfIntervals
    difference: WhatIfDifferences
    bytes: int
    index_bytes: int | None
    milliseconds: float


class WhatIfDocument(TypedDict):
    """What `python -m lib what-if --json` prints: the vectors as they are first; `best` is the space of the trade-off
    that `rule` chooses, None without scores."""

    space: str
    queries: int
    gallery: int
    training: int
    rows: list[WhatIfRow]
    best: str | None
    rule: str
    machine: str
    seconds: float
