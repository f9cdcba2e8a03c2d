"""Types of the `spaces` and `clusters` documents.

Fields may be added, never renamed: other programs read these documents. An undefined figure is None.
"""

from __future__ import annotations

from typing import TypedDict

from lib.documents.search import Interval


class SpaceIntervals(TypedDict):
    """95 % intervals of a space's figures; None where there is none."""

    intrinsic_dimension: Interval
    effective_rank: Interval
    mean_cosine: Interval
    alignment: Interval
    uniformity: Interval
    hubness_skewness: Interval
    silhouette: Interval
    redundancy: Interval


class SpaceDiagnosis(TypedDict):
    """How the images lie in one space. `images` counts all of them, `sample` those of the figures over pairs, drawn
    with `seed` from the different pictures; intrinsic dimension and hubness come from the neighbours of all images.

    `undefined` counts zero vectors, which no figure over pairs includes; `zero_distances` the pictures whose nearest
    one has the same vector, and `lone` those with fewer than two neighbours, which the intrinsic dimension leaves out.
    Of `dimensions_varying` dimensions (`constant` ones do not) `dimensions_checked` were compared with all others.
    """

    name: str
    dim: int
    images: int
    sample: int
    seed: int
    intrinsic_dimension: float | None
    effective_rank: float | None
    mean_cosine: float | None
    alignment: float | None
    uniformity: float | None
    hubness_skewness: float | None
    silhouette: float | None
    redundancy: float | None
    ci95: SpaceIntervals
    zero_distances: int
    lone: int
    undefined: int
    constant: int
    dimensions_varying: int
    dimensions_checked: int
    neighbours: str
    seconds: float


class Chance(TypedDict):
    """What the measures of a pair are for unrelated spaces: with the images of one of them shuffled."""

    cka: float | None
    cka_unbiased: float | None
    mutual_knn: float | None
    procrustes: float | None


class PairIntervals(TypedDict):
    """95 % intervals of a pair's figures; None where there is none."""

    cka: Interval
    cka_unbiased: Interval
    mutual_knn: Interval
    procrustes: Interval


class SpacePair(TypedDict):
    """How far two spaces agree: `cka`, `cka_unbiased` and `procrustes` over the `sample`, `mutual_knn` over all
    `images`, at `k` neighbours under cosine."""

    a: str
    b: str
    cka: float | None
    cka_unbiased: float | None
    mutual_knn: float | None
    procrustes: float | None
    ci95: PairIntervals
    chance: Chance
    images: int
    sample: int
    seed: int
    k: int
    seconds: float


class NamedPhotos(TypedDict):
    """How many photos something holds of, and the ids of the first of them."""

    count: int
    ids: list[str]


class AddSpaceDocument(TypedDict):
    """What `python -m lib add-space --json` prints: `count` photos have a vector of `dim` numbers.

    `file` names the source, `sha256` is the hash of its bytes, `ids` says where the ids came from, and `how` how they
    were matched. Rows of the file that no photo has are counted in `extra_count`; `extra` and `missing` are the first
    ids. `dtype` is the file's; vectors are kept as float32. `zero` and `constant` vectors have no cosine or no NCC.
    `projected_from` is the file's dimension where that was too large. `replaced` when the name had other vectors.
    """

    name: str
    space: str
    file: str
    sha256: str
    dim: int
    count: int
    matched: int
    missing: list[str]
    extra: list[str]
    missing_count: int
    extra_count: int
    ids: str
    how: str
    dtype: str
    projected_from: int | None
    zero: NamedPhotos
    constant: NamedPhotos
    texts: int
    replaced: bool
    cached: bool
    collections: list[str]
    fingerprint: str
    seconds: float


class RemoveSpaceDocument(TypedDict):
    """What `python -m lib remove-space --json` prints: the spaces that were removed, the named one first, and the
    collections that were dropped. `elsewhere` are other stores that still hold collections of them."""

    name: str
    removed: list[str]
    collections: list[str]
    elsewhere: list[str]
    seconds: float


class SpacesDocument(TypedDict):
    """What `python -m lib spaces --json` prints."""

    spaces: list[SpaceDiagnosis]
    pairs: list[SpacePair]


class Cluster(TypedDict):
    """A cluster: its `label` is the class of most of its images, `purity` their share, `name` both in words. Without
    labels these are "", None and "cluster 1".

    `exemplars` are the ids nearest to its centre, nearest first.
    """

    cluster: int
    size: int
    label: str
    purity: float | None
    name: str
    exemplars: list[str]


class ClusterIntervals(TypedDict):
    """95 % intervals of the agreement with the classes; None where there is none."""

    nmi: Interval
    ari: Interval


class ClustersDocument(TypedDict):
    """What `python -m lib clusters --json` prints: clusters from 1, the largest first; -1 is `noise`, which counts as
    a group of its own for `nmi` and `ari`.

    `k` is the number asked of k-means, None for HDBSCAN; `points` says what was clustered.
    """

    space: str
    method: str
    k: int | None
    seed: int
    points: str
    images: int
    noise: int
    nmi: float | None
    ari: float | None
    ci95: ClusterIntervals
    clusters: list[Cluster]
    assignments: dict[str, int]
    seconds: float
