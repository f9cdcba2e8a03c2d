"""The clusters of a space in all its dimensions: found once for each method and k, and kept as an artifact.

Invariant: clusters are those of `search.clustering` over vectors of length 1, numbered from 1, the largest first; -1 is
noise. A cluster's name is its number, the class of most of its photos, and their share; without labels "cluster 1".
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

import numpy as np
import numpy.typing as npt

from lib import artifacts
from lib.data.catalog import Catalog
from lib.documents.spaces import Cluster, ClustersDocument
from lib.embed import projection, spaces
from lib.errors import QueryError
from lib.measure.provenance import Provenance, provenance
from lib.measure.space_diagnosis import picture_codes
from lib.measure.traits import CLUSTER, Trait
from lib.measure.verdicts import Verdict
from lib.prepare.workspace import Workspace
from lib.search import clustering
from lib.search.clustering import HDBSCAN, KMEANS, METHODS, NOISE
from lib.text import counted, natural_key

SCHEMA = 1
FOLDER = "measured"
SEED = 0
EXEMPLARS = 8
MOST_CLUSTERS = 100  # more are not read by eye
WITHOUT_CLASSES = 8  # of k-means: as many as one can tell apart by colour
NOISE_NAME = "noise"
TITLES = {name: method.title for name, method in METHODS.items()}
AGREEMENT = (
    "NMI: normalised mutual information with the classes, arithmetic mean (Vinh, Epps and Bailey 2010), 0 to 1. ARI: "
    "adjusted Rand index (Hubert and Arabie 1985), 1 for the classes themselves, 0 for chance. Noise counts as a group "
    "of its own. Intervals: jackknife over the photos, for these clusters"
)


class ClusterFacts(TypedDict):
    """What is stored beside the clusters' numbers."""

    document: ClustersDocument
    provenance: Provenance


@dataclass(frozen=True)
class Clusters:
    """The clusters of a space: `numbers` (n,) are row for row with the catalog."""

    document: ClustersDocument
    numbers: npt.NDArray[np.int64]

    @property
    def name(self) -> str:
        """The trait of these clusters: `cluster_kmeans`, or `cluster_kmeans_8` for a k that is not the default."""
        return f"{CLUSTER}{self.document['method']}"

    def rows(self, number: int) -> npt.NDArray[np.int64]:
        """The catalog rows of a cluster."""
        return np.flatnonzero(self.numbers == number).astype(np.int64)


def default_k(catalog: Catalog) -> int:
    """As many clusters as classes; without labels `WITHOUT_CLASSES`, or fewer, so that one has 4 photos on average."""
    return min(MOST_CLUSTERS, len(catalog.classes)) or max(1, min(WITHOUT_CLASSES, len(catalog.ids) // 4))


def check(catalog: Catalog, method: str, k: int | None) -> int | None:
    """The k to use: None for a method without one, as HDBSCAN. Raises QueryError for a k or a number of photos that
    cannot be clustered."""
    n, chosen = len(catalog.ids), METHODS[method]
    if chosen.most is not None and n > chosen.most:
        raise QueryError(
            f"{chosen.title} compares all pairs of photos: {n:,} are more than {chosen.most:,}; choose k-means instead."
        )
    if not chosen.takes_k:
        if k is not None:
            raise QueryError(f"{chosen.title} finds the number of clusters itself; leave k out, or choose k-means.")
        return None
    k = default_k(catalog) if k is None else k
    if not 1 <= k <= MOST_CLUSTERS:
        raise QueryError(f"k must be from 1 to {MOST_CLUSTERS} (got {k}).")
    if k > n:
        raise QueryError(f"{counted(n, 'photo')} cannot make {k} clusters; choose a smaller k.")
    return k


def file(workspace: Workspace, space: str, catalog: Catalog, method: str, k: int | None) -> Path:
    """The file of these clusters, whether it exists or not."""
    entry = workspace.space(space)
    settings = [clustering.MOST_DIMENSIONS, clustering.COMPONENTS, clustering.STARTS, clustering.SMALLEST, EXEMPLARS]
    key = artifacts.digest("petalscope-clusters", SCHEMA, entry["fingerprint"], catalog.contents, SEED, k, settings)
    return workspace.folder / FOLDER / f"{Path(entry['folder']).name}-clusters-{method}-{k or 0}-{key[:12]}.npz"


def cost(workspace: Workspace, space: str, catalog: Catalog, k: int) -> float:
    """Work of k-means at most: photos × dimensions × the steps of all its starts × clusters."""
    dimensions = min(int(workspace.space(space)["dim"]), 3 * projection.COARSER**2)
    return float(len(catalog.ids)) * dimensions * 300 * k


def find(workspace: Workspace, space: str, catalog: Catalog, method: str = KMEANS, k: int | None = None) -> Clusters:
    """The clusters of a space, read from their file, else found and stored; `k` None means `default_k`.

    Raises QueryError as `check` does, ArtifactError when the space is not prepared.
    """
    space, k = spaces.get(space).name, check(catalog, method, k)
    return load(workspace, space, catalog, method, k) or _make(workspace, space, catalog, method, k)


def load(workspace: Workspace, space: str, catalog: Catalog, method: str, k: int | None) -> Clusters | None:
    """The stored clusters; None where there are none, or they are damaged. `k` is that of `check`."""
    stored = artifacts.unless_damaged(artifacts.read_arrays, file(workspace, space, catalog, method, k))
    if stored is None:
        return None
    facts, arrays = stored
    numbers = arrays.get("numbers")
    if numbers is None or numbers.shape != (len(catalog.ids),) or "document" not in facts:
        return None
    document = cast("ClusterFacts", facts)["document"]
    return Clusters({**document, "assignments": _assignments(catalog, numbers)}, numbers.astype(np.int64))


def stored(workspace: Workspace, space: str, catalog: Catalog) -> list[Clusters]:
    """All stored clusters of a space: of each method, with the default k, then with other k."""
    prefix, default = f"{Path(workspace.space(space)['folder']).name}-clusters-", default_k(catalog)
    wanted: list[tuple[str, int | None]] = [
        (name, default if method.takes_k else None) for name, method in METHODS.items()
    ]
    for name in (name for name, method in METHODS.items() if method.takes_k):
        words = [path.name.split("-")[-2] for path in (workspace.folder / FOLDER).glob(f"{prefix}{name}-*.npz")]
        wanted += [(name, k) for k in sorted(int(word) for word in words if word.isdecimal()) if k != default]
    return [found for method, k in wanted if (found := load(workspace, space, catalog, method, k)) is not None]


def version(workspace: Workspace, space: str) -> str:
    """A key for caches, which changes when clusters of the space are stored."""
    prefix = f"{Path(workspace.space(space)['folder']).name}-clusters-"
    files = sorted((workspace.folder / FOLDER).glob(f"{prefix}*.npz"))
    return artifacts.digest([[path.name, artifacts.stamp(path)] for path in files])


def _make(workspace: Workspace, space: str, catalog: Catalog, method: str, k: int | None) -> Clusters:
    start = time.perf_counter()
    inputs, source = projection.map_inputs(workspace.vectors(space).values)
    points, has_direction = clustering.unit_points(inputs)
    wide = points.shape[1]
    points = clustering.reduced(points, seed=SEED)
    about = f"{source}, scaled to length 1"
    if points.shape[1] < wide:
        about += f", then along their first {points.shape[1]} principal components"
    numbers = np.full(len(points), NOISE, dtype=np.int64)
    if has_direction.any():
        inside = points[has_direction]
        found = METHODS[method].find(inside, None if k is None else min(k, len(inside)))
        numbers[has_direction] = clustering.by_size(found)
    labels = catalog.frame["label"].to_numpy(dtype=object)
    table = clustering.contingency(numbers, labels.astype(str))
    intervals = clustering.intervals(table) if catalog.classes else {"nmi": None, "ari": None}
    document: ClustersDocument = {
        "space": space,
        "method": method,
        "k": k,
        "seed": SEED,
        "points": about,
        "images": len(labels),
        "noise": int((numbers == NOISE).sum()),
        "nmi": clustering.nmi(table) if catalog.classes else None,
        "ari": clustering.ari(table) if catalog.classes else None,
        "ci95": {
            "nmi": None if intervals["nmi"] is None else list(intervals["nmi"]),
            "ari": None if intervals["ari"] is None else list(intervals["ari"]),
        },
        "clusters": _described(points, numbers, labels, catalog),
        "assignments": {},
        "seconds": round(time.perf_counter() - start, 3),
    }
    facts: ClusterFacts = {"document": document, "provenance": provenance(workspace, space, catalog)}
    artifacts.write_arrays(file(workspace, space, catalog, method, k), facts, {"numbers": numbers.astype(np.int32)})
    return Clusters({**document, "assignments": _assignments(catalog, numbers)}, numbers)


def _assignments(catalog: Catalog, numbers: np.ndarray) -> dict[str, int]:
    return dict(zip(catalog.ids, (int(number) for number in numbers), strict=True))


def _described(points: np.ndarray, numbers: np.ndarray, labels: np.ndarray, catalog: Catalog) -> list[Cluster]:
    pictures, ids = picture_codes(catalog), catalog.ids
    described: list[Cluster] = []
    for number in range(1, int(numbers.max(initial=0)) + 1):
        members = np.flatnonzero(numbers == number)
        names, counts = np.unique(labels[members].astype(str), return_counts=True)
        largest = min((str(name) for name in names[counts == counts.max()]), key=natural_key)
        share = float(counts.max() / len(members))
        described.append(
            {
                "cluster": number,
                "size": len(members),
                "label": largest,
                "purity": share if catalog.classes else None,
                "name": f"{number} {largest} {share:.0%}" if catalog.classes else f"cluster {number}",
                "exemplars": [ids[row] for row in clustering.exemplars(points, members, pictures, EXEMPLARS)],
            }
        )
    return described


# --- what a map and a page show --------------------------------------------------------------------------------------


def trait(clusters: Clusters, default: int) -> Trait:
    """The clusters as a colour of the map: each photo's cluster by name, `NOISE_NAME` for noise."""
    document = clusters.document
    names = {each["cluster"]: each["name"] for each in document["clusters"]}
    values = np.array([names.get(int(number), NOISE_NAME) for number in clusters.numbers], dtype=object)
    k = document["k"]
    special = k is not None and k != default
    method = METHODS[document["method"]]
    title = f"Cluster ({method.title}{f', k = {k}' if special else ''})"
    about = f"{method.about}; over {document['points']}. A name is the cluster's number by size"
    if any(each["label"] for each in document["clusters"]):
        about += ", the class of most of its photos, and their share"
    about += "."
    return Trait(
        f"{clusters.name}_{k}" if special else clusters.name,
        title,
        about,
        "category",
        values,
        classes={each["name"]: each["label"] for each in document["clusters"]},
    )


def verdict(clusters: Clusters, classes: int) -> Verdict:
    """How far the clusters are the classes, in a sentence."""
    document = clusters.document
    found = counted(len(document["clusters"]), "cluster")
    noise = f" and {document['noise'] / max(1, document['images']):.0%} noise" if document["noise"] else ""
    photos = counted(document["images"], "photo")
    about = f"{METHODS[document['method']].about}; over {document['points']}, seed {document['seed']}. {AGREEMENT}."
    nmi, ari = document["nmi"], document["ari"]
    if not document["clusters"]:
        return Verdict(f"No cluster: all of {photos} are noise, none lies in a group that is dense enough.", about)
    if not classes:
        return Verdict(f"{found}{noise} in {photos}, named by size: the photos have no labels.", about)
    if nmi is None or ari is None or classes < 2:
        return Verdict(f"{found}{noise} in {photos}; with one class there is nothing to agree with.", about)
    interval = document["ci95"]["ari"]
    between = f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else ""
    if document["method"] == HDBSCAN and document["clusters"][0]["size"] > document["images"] / 2:
        about += " A cluster of most photos means that no gap in density divides them."
    text = f"{found}{noise} {_degree(ari)} the {classes} classes: ARI {ari:.2f}{between}, NMI {nmi:.2f}, {photos}."
    return Verdict(text, about)


def _degree(ari: float) -> str:
    if ari >= 0.8:
        return "are nearly"
    if ari >= 0.4:
        return "partly match"
    return "loosely match" if ari >= 0.1 else "do not follow"
