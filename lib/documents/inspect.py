"""The documents of `inspect` and `recall`: what a Milvus store reports of its collections, and how good an index is.

JSON types only. A key marked `NotRequired` is left out where it does not apply; None stands for a value that the
engine did not give.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

# Where the value of a build parameter comes from: the engine reported it; it did not, and its source code has this
# default; or the parameter exists and its value cannot be read.
ParameterSource = Literal["reported", "default", "not exposed"]


class UnavailableCall(TypedDict):
    """A call that the engine refused, with its reason in one line."""

    call: str
    reason: str


class RowCounts(TypedDict):
    """`row_count` is the engine's statistic of flushed rows, `count` a count(*); `note` explains a difference."""

    row_count: int | None
    count: int | None
    note: NotRequired[str]


class FieldDocument(TypedDict):
    """One field of a schema. `type` is Milvus' name (`FLOAT_VECTOR`); `dim` is set for vectors of a fixed length."""

    name: str
    type: str
    dim: int | None
    max_length: int | None
    primary: bool
    auto_id: bool
    nullable: bool
    element_type: NotRequired[str]
    max_capacity: NotRequired[int | None]
    is_partition_key: NotRequired[bool]
    is_function_output: NotRequired[bool]
    is_clustering_key: NotRequired[bool]
    is_dynamic: NotRequired[bool]
    default: NotRequired[Any]
    description: NotRequired[str]


class IndexDocument(TypedDict):
    """One index. `params` are flat, with numbers as numbers; `source` has every build parameter of the index type;
    `raw` is the engine's reply. `pretended` marks an index that the engine reports and does not build; `warning` and
    `state_note` say which reported values are wrong."""

    field: str
    name: str
    index_type: str
    metric_type: str
    params: dict[str, Any]
    state: str | None
    source: dict[str, ParameterSource]
    rows: dict[str, int]
    raw: dict[str, Any]
    state_note: NotRequired[str]
    pretended: NotRequired[bool]
    warning: NotRequired[str]


class CollectionOutline(TypedDict):
    """What is needed to read a collection's rows."""

    name: str
    load_state: str | None
    dynamic: bool
    fields: list[FieldDocument]


class CollectionDocument(CollectionOutline):
    """One collection. `replicas`, `segments` and `loaded_segments` are reported by servers only."""

    description: str
    properties: dict[str, Any]
    rows: RowCounts
    consistency: str | int | None
    shards: int | None
    functions: list[Any]
    indexes: list[IndexDocument]
    partitions: list[str]
    aliases: list[str]
    replicas: NotRequired[list[Any]]
    segments: NotRequired[list[Any]]
    loaded_segments: NotRequired[list[Any]]
    unavailable: list[UnavailableCall]


class InspectDocument(TypedDict):
    """The document of `inspect`. `collections` are those of one database of the store; `databases` names all, and is
    empty where the engine has none."""

    uri: str
    engine: Literal["lite", "server"]
    server_version: str
    databases: list[str]
    collections: list[CollectionDocument]


class RecallIntervals(TypedDict):
    """95 % intervals of a `RecallRow`: of the mean recall over queries (`statistics.mean_interval`), and of the median
    latency (`statistics.median_interval`, None for fewer than six queries)."""

    recall: tuple[float, float]
    p50_ms: tuple[float, float] | None


class RecallRow(TypedDict):
    """An index at one setting of its search parameters. `recall` is a fraction; latencies are in milliseconds, one
    query at a time, measured at the client."""

    index_type: str
    params: dict[str, int]
    recall: float
    p50_ms: float
    p95_ms: float
    ci95: RecallIntervals


class RecallDocument(TypedDict):
    """The document of `recall`. `build` are the index's build parameters; `gallery` counts the rows searched; `seed`
    drew the queries and the order of the searches."""

    rows: list[RecallRow]
    collection: str
    field: str
    metric: str
    build: dict[str, Any]
    k: int
    queries: int
    gallery: int
    seed: int
    warning: NotRequired[str]
