"""Projections of vectors onto a plane: UMAP (McInnes, Healy & Melville 2018) over nearest neighbours, or PCA.

UMAP gets exact neighbours from faiss, which avoids its approximate search and most of its compile time: about 2.7 times
faster at 4,000 images, with the same neighbours preserved. Above 100,000 images neighbours are approximate, and the
map's facts say so. A fixed seed makes the map repeatable. Every map is measured when it is computed, so that every map
can be shown with its fidelity.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np

from lib import artifacts
from lib.documents.embeddings import MapFacts, MapParameterFacts
from lib.embed.fidelity import K, fidelity
from lib.embed.neighbours import MOST_EXACT, NearestNeighbours, k_nearest
from lib.embed.scratch_arrays import empty_array, unit_rows
from lib.embed.space import Space
from lib.embed.spaces import PIXEL_SIDE
from lib.errors import QueryError
from lib.progress import Progress, no_progress

SCHEMA = 3
METHODS = ("umap", "pca")
METRICS = ("cosine", "euclidean")
# With fewer images, neighbourhoods mean nothing: UMAP is replaced by PCA.
MIN_IMAGES = 8
# Raw pixels are averaged to images of this side before their neighbours are searched, px; for more than MOST_COARSE
# images to the smaller one, or the copies that a map needs would not fit into 1.5 GB at 100,000 images.
COARSE, COARSER = 32, 16
MOST_COARSE = 20_000
_BLOCK = 4_096


@dataclass(frozen=True)
class MapParameters:
    """The parameters of a map. `method` is `umap` or `pca`; `metric` is `cosine` or `euclidean`; `n_neighbors` (2 to
    200), `min_dist` (0 to 0.99) and `seed`, which fixes the layout, are UMAP's alone.

    Raises QueryError for anything else.
    """

    method: str = "umap"
    n_neighbors: int = 15
    min_dist: float = 0.1
    metric: str = "cosine"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, choices in (("method", self.method, METHODS), ("metric", self.metric, METRICS)):
            if value not in choices:
                raise QueryError(f"A map has no {name} {value!r}; choose one of {', '.join(choices)}.")
        if not 2 <= self.n_neighbors <= 200:
            raise QueryError(f"A map needs 2 to 200 neighbours (got n_neighbors = {self.n_neighbors}).")
        if not 0 <= self.min_dist <= 0.99:
            raise QueryError(f"A map needs a min_dist from 0 to 0.99 (got {self.min_dist}).")

    def facts(self) -> MapParameterFacts:
        """The parameters that this method uses."""
        if self.method == "pca":
            return {"method": "PCA", "metric": self.metric}
        return {
            "method": "UMAP",
            "n_neighbors": self.n_neighbors,
            "min_dist": self.min_dist,
            "metric": self.metric,
            "seed": self.seed,
        }

    def options(self) -> list[str]:
        """The options of `python -m lib map` for this map."""
        return [word for name, value in asdict(self).items() for word in (f"--{name.replace('_', '-')}", str(value))]

    def key(self) -> str:
        """Hash of the parameters, for file names."""
        return artifacts.digest("petalscope-map", SCHEMA, self.facts())[:8]


def default_parameters(space: Space, seed: int, method: str = "umap") -> MapParameters:
    """The parameters of the map that `prepare` makes of a space."""
    return MapParameters(method, metric="euclidean" if space.pixels else "cosine", seed=seed)


def file_name(vectors: str, parameters: MapParameters) -> str:
    """The file of the map of the vectors in the folder `vectors`, relative to the data set's artifacts."""
    return f"maps/{Path(vectors).name}-{parameters.key()}.npz"


@dataclass(frozen=True)
class Map:
    """Positions `xy` (n, 2) float32, row for row with the vectors; `preserved` (n,) float32, the share of each image's
    nearest neighbours that are near on the map, too (NaN for too few images); `facts`, the parameters and measures."""

    xy: np.ndarray
    preserved: np.ndarray
    facts: MapFacts


def project(
    values: np.ndarray,
    parameters: MapParameters,
    progress: Progress = no_progress,
    *,
    most_exact: int = MOST_EXACT,
) -> Map:
    """The map of `values` (n, d), with its fidelity. Raw pixels (uint8) are averaged first; the facts say so.

    `progress` receives UMAP's epochs. For more than `most_exact` images the neighbours are approximate, for the map and
    for its fidelity; the facts hold their recall.
    """
    inputs, source = map_inputs(values)
    if parameters.metric == "cosine":
        inputs = unit_rows(inputs)
    many = len(inputs) > most_exact
    width = max(parameters.n_neighbors, K + 1) if many else parameters.n_neighbors
    near: NearestNeighbours | None = None
    if many or (parameters.method == "umap" and len(inputs) >= MIN_IMAGES):
        near = k_nearest(
            inputs, min(width, len(inputs) - 1), parameters.metric, seed=parameters.seed, most_exact=most_exact
        )
    share: float | None = None
    version: str | None = None
    if parameters.method == "pca" or len(inputs) < MIN_IMAGES:
        xy, share = _principal_plane(inputs)
    else:
        assert near is not None
        xy, version = _umap(inputs, near, parameters, progress)
    measured = fidelity(inputs, xy, parameters.metric, approximate=near.rows if near is not None and many else None)
    facts: MapFacts = {
        "method": "PCA" if version is None else "UMAP",
        "metric": parameters.metric,
        "input": source,
        "schema": SCHEMA,
        "fidelity": {
            "trustworthiness": measured.trustworthiness,
            "continuity": measured.continuity,
            "preservation": measured.preservation,
            "k": measured.k,
            "ranked": measured.ranked,
        },
    }
    if parameters.method == "umap":
        facts["n_neighbors"], facts["min_dist"] = parameters.n_neighbors, parameters.min_dist
        facts["seed"] = parameters.seed
    if near is not None:
        facts["neighbours"] = near.facts
    if share is not None:
        facts["variance"] = share
    if version is not None:
        facts["umap-learn"] = version
    elif parameters.method == "umap":
        facts["why"] = f"fewer than {MIN_IMAGES} images"
    return Map(xy, measured.preserved, facts)


def parameters_used(facts: MapFacts, images: int) -> MapParameterFacts:
    """The parameters with which a map of `images` was made; its `facts` have the requested ones.

    They differ where more neighbours were requested than there are images.
    """
    used: MapParameterFacts = {"method": facts["method"], "metric": facts["metric"]}
    if facts["method"] == "UMAP":
        used["n_neighbors"] = min(facts["n_neighbors"], images - 1)
        used["min_dist"], used["seed"] = facts["min_dist"], facts["seed"]
    return used


def why_other_parameters(facts: MapFacts, requested: MapParameters, images: int) -> str:
    """Why a map of `images` has another method or number of neighbours than `requested`; "" when it has these."""
    if "why" in facts:
        return f"PCA in place of UMAP: {facts['why']}"
    if requested.method == "umap" and requested.n_neighbors > images - 1:
        return f"n_neighbors {images - 1} in place of {requested.n_neighbors}: there are {images} images"
    return ""


def _umap(
    points: np.ndarray, near: NearestNeighbours, parameters: MapParameters, progress: Progress
) -> tuple[np.ndarray, str]:
    neighbours = min(parameters.n_neighbors, len(points) - 1)
    indices, distances = (np.ascontiguousarray(each[:, :neighbours]) for each in (near.rows, near.distances))
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        # UMAP warns that a seed means one thread, which is intended, and that a map of given neighbours cannot place
        # new points, which `out_of_sample` does without it.
        warnings.simplefilter("ignore")
        import threadpoolctl
        import umap

        model = umap.UMAP(
            n_neighbors=neighbours,
            min_dist=parameters.min_dist,
            metric=parameters.metric,
            random_state=parameters.seed,
            n_jobs=1,
            # UMAP's spectral start is not repeatable where pictures repeat, and preserves no more neighbours than PCA.
            init="pca" if np.ptp(points, axis=0).max() > 0 else "random",
            precomputed_knn=(indices, distances),
            # UMAP reports progress only on a progress bar, and draws that only when verbose.
            verbose=True,
            tqdm_kwds={"file": _BarReader(progress), "mininterval": 0.2},
        )
        # UMAP starts from scikit-learn's PCA, whose last bits depend on the threads of BLAS on some processors.
        with threadpoolctl.threadpool_limits(1, user_api="blas"):
            layout = model.fit_transform(points)
    return np.ascontiguousarray(layout, dtype=np.float32), str(umap.__version__)


class _BarReader(io.StringIO):
    """A stream for a progress bar: passes the "12/500" in the text to `progress`."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress

    def write(self, text: str) -> int:
        counts = re.findall(r"(?<!\d)(\d+)/(\d+)", text)
        if counts:
            self.progress(int(counts[-1][0]), int(counts[-1][1]))
        return len(text)


def map_inputs(values: np.ndarray, total: int | None = None) -> tuple[np.ndarray, str]:
    """The input of a map, float32 (n, d), and its description: raw pixels (uint8) are averaged to 32×32 × 3, or to
    16×16 × 3 for very many images (`total`, if `values` are only a part of them)."""
    if values.dtype != np.uint8:
        return np.asarray(values, dtype=np.float32), "the vectors as stored"
    side = COARSE if (len(values) if total is None else total) <= MOST_COARSE else COARSER
    step = PIXEL_SIDE // side
    coarse = empty_array((len(values), side * side * 3))
    for start in range(0, len(values), 256):
        block = values[start : start + 256].reshape(-1, side, step, side, step, 3)
        coarse[start : start + 256] = block.mean(axis=(2, 4), dtype=np.float32).reshape(len(block), -1) / 255
    return coarse, f"pixels averaged to {side}×{side}"


def principal_axes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The first two principal axes of points (n, d): (d, 2) float64, the points' centre (d,), and the axes' share of
    the variance. The sign of an axis is arbitrary; a fixed rule makes the map repeatable."""
    centre = values.mean(axis=0, dtype=np.float64)
    # The smaller of the two Gram matrices has the same spectrum as the points, at a fraction of the work. Points are
    # read in blocks, since a float64 copy of very many points would be the peak of a `prepare`'s memory.
    tall = len(values) >= values.shape[1]
    if tall:
        gram = np.zeros((values.shape[1], values.shape[1]))
        for start in range(0, len(values), _BLOCK):
            centred = values[start : start + _BLOCK] - centre
            gram += centred.T @ centred
    else:
        centred = values - centre
        gram = centred @ centred.T
    spectrum, vectors = np.linalg.eigh(gram)
    strongest = np.argsort(-spectrum, kind="stable")[:2]
    axes = np.zeros((values.shape[1], 2))
    for column, eigen in enumerate(strongest):
        axis = vectors[:, eigen] if tall else centred.T @ vectors[:, eigen]
        axis = axis / (np.linalg.norm(axis) or 1.0)
        along = _along(values, centre, axis)
        axes[:, column] = -axis if along[np.abs(along).argmax()] < 0 else axis
    total = float(np.maximum(spectrum, 0).sum())
    share = float(np.maximum(spectrum[strongest], 0).sum() / total) if total > 0 else 1.0
    return axes, centre, share


def _principal_plane(values: np.ndarray) -> tuple[np.ndarray, float]:
    """The points (n, 2) along their first two principal axes, and the axes' share of the variance."""
    axes, centre, share = principal_axes(values)
    return np.asarray(_along(values, centre, axes), dtype=np.float32), share


def _along(values: np.ndarray, centre: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """The coordinates of points (n, d) along the columns of `axes`, float64."""
    starts = range(0, len(values), _BLOCK)
    return np.concatenate([(values[start : start + _BLOCK] - centre) @ axes for start in starts])


def save(map: Map, path: Path) -> None:
    """Write a map to the `.npz` file `path`, atomically and without pickle."""
    artifacts.write_arrays(path, map.facts, {"xy": map.xy, "preserved": map.preserved})


def load(path: Path) -> Map | None:
    """The map at `path`; None when there is no file. Raises ArtifactError when the file is damaged."""
    stored = artifacts.read_arrays(path)
    if stored is None:
        return None
    facts, arrays = stored
    if not {"xy", "preserved"} <= arrays.keys():
        raise artifacts.damaged_file_error(path)
    map = Map(arrays["xy"], arrays["preserved"], cast("MapFacts", facts))
    if map.xy.shape[1:] != (2,) or map.preserved.shape != map.xy.shape[:1]:
        raise artifacts.damaged_file_error(path)
    return map
