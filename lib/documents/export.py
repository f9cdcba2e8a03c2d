"""Types of the `export` and `export-map` documents, and of the provenance in the files that they write.

Fields may be added, never renamed: other programs read these documents.
"""

from __future__ import annotations

from typing import Any, TypedDict


class ExportedWeights(TypedDict):
    """Which weights a space was embedded with."""

    name: str
    sha256: str


class ExportProvenance(TypedDict):
    """Where a file of a space comes from: the data and weights by their hashes, how map and neighbours were made;
    `made_from` are the spaces that it was computed from, none for most."""

    petalscope: str
    dataset: str
    images: int
    prepared: str
    made_from: list[str]
    precision: str
    map: dict[str, Any]
    neighbours: dict[str, Any]
    space: str
    space_fingerprint: str
    data_fingerprint: str
    weights: ExportedWeights | None
    split_seed: int
    libraries: dict[str, str]
    made: str


class ExportDocument(TypedDict):
    """What `python -m lib export --json` prints: `files` are all that were written, `file` the first of them;
    `columns` are those that stand beside the vectors, and with them in Parquet."""

    space: str
    file: str
    files: list[str]
    format: str
    rows: int
    dim: int
    columns: list[str]
    bytes: int
    seconds: float


class ExportMapDocument(TypedDict):
    """What `python -m lib export-map --json` prints: `points` are on the map, `photos` have a thumbnail in the file.

    `left_out` counts the images that are not on the map, since the file would be too large.
    """

    space: str
    file: str
    points: int
    photos: int
    left_out: int
    classes: int
    bytes: int
    seconds: float
