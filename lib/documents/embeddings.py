"""Types of what is recorded beside vectors, neighbours and maps: their provenance and their measures.

Fields may be added, never renamed: earlier versions wrote these files. `schema` is raised when the same inputs would
give another result.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class PreprocessRecord(TypedDict):
    """How a network wants its photos: the sides to resize to and to crop, px, then mean and standard deviation.
    `interpolation` is absent where it is bilinear."""

    resize: list[int]
    crop: int | None
    mean: list[float]
    std: list[float]
    interpolation: NotRequired[str]


class WeightsProvenance(TypedDict):
    """Weights of a network, by the hash of their file; the `network` is absent where it is ResNet18."""

    name: str
    sha256: str
    about: str
    preprocess: PreprocessRecord
    network: NotRequired[str]


class WeightsRecord(WeightsProvenance):
    """Provenance, and where this machine keeps the weights' file (None for random weights)."""

    path: str | None
    seed: int


class SpaceProvenance(TypedDict):
    """How the vectors of a space were computed, apart from the photos; None for a space without a network. Only spaces
    of a kind have a `definition`."""

    name: str
    dim: int
    dtype: str
    schema: int
    weights: WeightsProvenance | None
    precision: str | None
    definition: NotRequired[dict[str, Any]]


class VectorsMeta(TypedDict):
    """`meta.json` beside the vectors of a space: `count` rows, computed by `engine`, and the hashes of the
    files by their names (both absent from early files)."""

    space: SpaceProvenance
    fingerprint: str
    data_fingerprint: str
    count: int
    engine: NotRequired[dict[str, str] | None]
    sha256: NotRequired[dict[str, str]]


class NeighbourSearch(TypedDict, total=False):
    """How the neighbours behind a map were found; `by`, `recall` and `sample` only of approximate ones."""

    found: Literal["exact", "approximate"]
    by: str
    recall: float
    sample: int


class NeighbourhoodSearch(TypedDict, total=False):
    """How neighbourhoods were found. Only of approximate ones: the method, and for each metric and rank the `recall`,
    measured on a `sample` that `seed` drew."""

    found: Literal["exact", "approximate"]
    by: str
    seed: int
    sample: int
    recall: dict[str, dict[str, float]]


class NeighbourhoodFacts(NeighbourhoodSearch):
    """The facts of stored neighbourhoods: `depth` neighbours of each image under each of `metrics`, in `input`."""

    metrics: list[str]
    input: str
    schema: int
    depth: int


class MapParameterFacts(TypedDict):
    """The parameters that a map's method uses; those of UMAP are absent from a PCA map."""

    method: str
    metric: str
    n_neighbors: NotRequired[int]
    min_dist: NotRequired[float]
    seed: NotRequired[int]


class MapFidelity(TypedDict):
    """How much of the neighbourhoods is left on a map: means over `ranked` images with `k` neighbours each.

    The three measures are None, and `k` is 0, where there are too few images or all have the same vector.
    """

    trustworthiness: float | None
    continuity: float | None
    preservation: float | None
    k: int
    ranked: int


_UmapVersion = TypedDict("_UmapVersion", {"umap-learn": NotRequired[str]})


class MapFacts(MapParameterFacts, _UmapVersion):
    """The facts of a map. `variance` is the share that two principal axes hold, `why` a reason for PCA in UMAP's place,
    `umap-learn` the version that made the map."""

    input: str
    schema: int
    fidelity: MapFidelity
    neighbours: NotRequired[NeighbourSearch]
    variance: NotRequired[float]
    why: NotRequired[str]
