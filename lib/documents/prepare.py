"""Types of the `prepare`, `embed`, `audit`, `map` and `doctor` documents, and of a data set's state file.

Fields may be added, never renamed: other programs read these documents, and earlier versions wrote the state file.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from lib.documents.embeddings import MapFidelity, MapParameterFacts, NeighbourSearch, WeightsRecord


class SkippedFile(TypedDict):
    """A file or folder that is no image of the catalog, and the reason."""

    id: str
    reason: str


class LayoutSummary(TypedDict):
    """How the data folder was read: `root` is the folder of the classes, `wrappers` are the folders around it, `labels`
    is the file with the labels, `given_splits` are the splits that are the data's own. `notes` are sentences for the
    user. `others` are further ways to read the folder: the option, its value, and what is then read."""

    kind: str
    reason: str
    root: str
    wrappers: list[str]
    labels: str | None
    notes: list[str]
    given_splits: list[str]
    others: list[dict[str, str]]


class ReviewSummary(TypedDict):
    """The label review that is applied: how many photos it relabels and leaves out."""

    relabelled: int
    excluded: int


class DatasetSummary(TypedDict):
    """The photos: images per class and per split, the fingerprint of their pixels and labels, and a clause about the
    factor table, "" where there is none. `empty_classes` are folders of classes without a readable image, `look_alikes`
    groups of classes whose names look alike. `review` is absent where no label review is applied."""

    name: str
    root: str
    images: int
    classes: dict[str, int]
    split: dict[str, int]
    fingerprint: str
    skipped: list[SkippedFile]
    factors: str
    layout: LayoutSummary
    empty_classes: list[str]
    look_alikes: list[list[str]]
    review: NotRequired[ReviewSummary]


class PreparedSpace(TypedDict):
    """A space as `prepare` and `embed` print it; `cached` when its vectors existed, `seconds` to embed otherwise."""

    name: str
    dim: int
    count: int
    weights: str | None
    precision: str | None
    engine: dict[str, str] | None
    fingerprint: str
    seconds: float
    cached: bool


class PreparedCollection(TypedDict):
    """A Milvus collection of a space."""

    name: str
    space: str
    rows: int


class PreparedStore(TypedDict):
    """The store's address, without credentials, and the collections that `prepare` wrote or found complete."""

    uri: str
    collections: list[PreparedCollection]


class EmbedDocument(TypedDict):
    """What `python -m lib embed --json` prints."""

    dataset: DatasetSummary
    spaces: list[PreparedSpace]
    seconds: float


class PrepareDocument(EmbedDocument):
    """What `python -m lib prepare --json` prints."""

    milvus: PreparedStore


class DuplicateGroup(TypedDict):
    """Images with equal (`exact`) or nearly equal (`near`) pixels; `distance` in bits of the difference hash."""

    ids: list[str]
    labels: list[str]
    conflict: bool
    kind: Literal["exact", "near"]
    distance: int


class Leak(TypedDict):
    """Two near-duplicates of which one is a test image and the other is not.

    `correlation` is that of the better match, of one picture with the other or with a window of it; `equal` when the
    pixels are equal.
    """

    ids: list[str]
    labels: list[str]
    splits: list[str]
    correlation: float
    equal: bool


class AuditDocument(TypedDict):
    """What `python -m lib audit --json` prints; `leaks` is None until a space is prepared, by which they are found.

    `together` is the table of splits that was written on request.
    """

    duplicates: list[DuplicateGroup]
    corrupt: list[SkippedFile]
    images: int
    leaks: NotRequired[list[Leak] | None]
    together: NotRequired[str]


class MapDocument(MapParameterFacts, MapFidelity):
    """What `python -m lib map --json` prints: the parameters are those that were used, and `why` says why they are
    not those asked for (None where they are). `input` names the vectors that were laid out, against which the map was
    measured."""

    space: str
    input: str
    why: str | None
    images: int
    neighbours: NeighbourSearch
    cached: bool
    seconds: float


class DoctorCheck(TypedDict):
    """One check; `remedy` is a command or an instruction, "" when ready."""

    name: str
    ready: bool
    detail: str
    remedy: str


class DoctorDocument(TypedDict):
    """What `python -m lib doctor --json` prints; `ready` when every check is."""

    version: str
    versions: dict[str, str]
    ready: bool
    checks: list[DoctorCheck]


class EmbeddedSpace(TypedDict):
    """A space whose vectors exist. `folder` is relative to the data set's artifacts, `pictures` a short hash of the
    catalog's pixels in row order. `precision` and `engine` are None for pixels, and absent from early state files. A
    space of a kind has its `definition`, and the fingerprints of the spaces that it was made from, `bases`."""

    fingerprint: str
    data_fingerprint: str
    pictures: str
    folder: str
    dim: int
    count: int
    weights: WeightsRecord | None
    precision: NotRequired[str | None]
    engine: NotRequired[dict[str, str] | None]
    definition: NotRequired[dict[str, Any]]
    bases: NotRequired[dict[str, str]]


class SpaceEntry(EmbeddedSpace):
    """A complete space in the state file: with the files of its neighbours, its UMAP map and its PCA map."""

    neighbours: str
    map: str
    pca: str


class CollectionEntry(TypedDict):
    """The collections of a space in the state file: their base name, and hashes of the vectors and rows in them."""

    base: str
    fingerprint: str
    contents: str


class StateDataset(TypedDict):
    """The data set in the state file; `limit` is None when no `--limit` was set."""

    name: str
    root: str
    note: str
    fingerprint: str
    seed: int
    limit: int | None
    images: int


class StateReview(ReviewSummary):
    """The label review in the state file: the `digest` of its decisions, and the catalog `before` them."""

    digest: str
    before: str


class State(TypedDict):
    """A data set's `state.json`, which names the artifacts in use. `collections` is keyed by store, then by space;
    `review` is absent where no label review is applied."""

    schema: int
    version: str
    dataset: StateDataset
    catalog: str
    contents: str
    spaces: dict[str, SpaceEntry]
    collections: dict[str, dict[str, CollectionEntry]]
    libraries: dict[str, str]
    prepared: str
    review: NotRequired[StateReview]
