"""Vectors laid out on a plane: UMAP (McInnes, Healy & Melville 2018) over nearest neighbours, or PCA.

The neighbours are exact ones, found by faiss and handed to UMAP, which avoids its approximate search and most of its
compile time: about 2.7 times faster at 4,000 images, with the same neighbours preserved. Above 100,000 images they are
approximate, and the map says so (`neighbours`). A fixed seed makes the map repeatable.
Every map is measured when it is made, so that none is shown without a word on how far it can be trusted.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib import artifacts
from lib.embed.fidelity import K, fidelity
from lib.embed.neighbours import MOST_EXACT, NearestNeighbours, k_nearest
from lib.embed.scratch_arrays import room, unit
from lib.embed.spaces import PIXEL_SIDE, Space
from lib.errors import QueryError

SCHEMA = 3
METHODS = ("umap", "pca")
METRICS = ("cosine", "euclidean")
# Fewer images than this have no neighbourhoods to speak of: their principal components are shown as they are.
FEWEST = 8
# Side of the averaged pictures on which the neighbours of raw pixels are searched, px; of more than so many images it
# is the second, or the copies that a map needs would not fit into 1.5 GB at 100,000 images.
COARSE, COARSER = 32, 16
MOST_COARSE = 20_000
_BLOCK = 4_096


@dataclass(frozen=True)
class MapParameters:
    """What decides a map, beside its vectors. `method` is `umap` or `pca`; `n_neighbors` (2 to 200), `min_dist` (0 to
    0.99) and `seed`, which fixes the layout, are UMAP's alone; `metric` is `cosine` or `euclidean`.

    Raises QueryError for anything else.
    """

    method: str = "umap"
    n_neighbors: int = 15
    min_dist: float = 0.1
    metric: str = "cosine"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, known in (("method", self.method, METHODS), ("metric", self.metric, METRICS)):
            if value not in known:
                raise QueryError(f"A map has no {name} {value!r}; choose one of {', '.join(known)}.")
        if not 2 <= self.n_neighbors <= 200:
            raise QueryError(f"A map needs 2 to 200 neighbours of each image, not {self.n_neighbors}.")
        if not 0 <= self.min_dist <= 0.99:
            raise QueryError(f"The least distance on a map is 0 to 0.99, not {self.min_dist}.")

    def facts(self) -> dict[str, Any]:
        """The parameters that this method heeds."""
        if self.method == "pca":
            return {"method": "PCA", "metric": self.metric}
        return asdict(self) | {"method": "UMAP"}

    def options(self) -> list[str]:
        """The words that ask `python -m lib map` for this."""
        return [word for name, value in asdict(self).items() for word in (f"--{name.replace('_', '-')}", str(value))]

    def key(self) -> str:
        """Short name of this choice."""
        return artifacts.digest("petalscope-map", SCHEMA, self.facts())[:8]


def default(space: Space, seed: int, method: str = "umap") -> MapParameters:
    """The map that every prepared space has."""
    return MapParameters(method, metric="euclidean" if space.pixels else "cosine", seed=seed)


def file_name(vectors: str, parameters: MapParameters) -> str:
    """Where the map of the vectors in the folder `vectors` lies, inside a data set's artifacts."""
    return f"maps/{Path(vectors).name}-{parameters.key()}.npz"


@dataclass(frozen=True)
class Map:
    """A plane. `xy` is (n, 2) float32, row for row with the vectors; `preserved` (n,) float32 says for each image which
    share of its nearest are near on the map, too (NaN where there are too few images); `facts` says how it was made and
    how far it can be trusted."""

    xy: np.ndarray
    preserved: np.ndarray
    facts: dict[str, Any]


def project(
    values: np.ndarray,
    parameters: MapParameters,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
    *,
    most_exact: int = MOST_EXACT,
) -> Map:
    """The map of `values` (n, d), measured. Raw pixels (uint8) are averaged first, which the facts say.

    `progress` is told UMAP's epochs. Of more than `most_exact` images the neighbours are approximate, which the facts
    say with their recall, for the map and for its measure.
    """
    placed, source = points(values)
    if parameters.metric == "cosine":
        placed = unit(placed)
    facts: dict[str, Any] = {**parameters.facts(), "input": source, "schema": SCHEMA}
    many = len(placed) > most_exact
    wanted = max(parameters.n_neighbors, K + 1) if many else parameters.n_neighbors
    near: NearestNeighbours | None = None
    if many or (parameters.method == "umap" and len(placed) >= FEWEST):
        near = k_nearest(
            placed, min(wanted, len(placed) - 1), parameters.metric, seed=parameters.seed, most_exact=most_exact
        )
        facts |= {"neighbours": near.facts}
    if parameters.method == "pca":
        xy, share = _principal_plane(placed)
        facts |= {"variance": share}
    elif len(placed) < FEWEST:
        xy, share = _principal_plane(placed)
        facts |= {"method": "PCA", "why": f"fewer than {FEWEST} images", "variance": share}
    else:
        assert near is not None
        xy, version = _umap(placed, near, parameters, progress)
        facts |= {"umap-learn": version}
    measured = fidelity(placed, xy, parameters.metric, approximate=near.rows if near is not None and many else None)
    about = {name: getattr(measured, name) for name in ("trustworthiness", "continuity", "preservation", "k", "ranked")}
    return Map(xy, measured.preserved, facts | {"fidelity": about})


def _umap(
    points: np.ndarray, near: NearestNeighbours, parameters: MapParameters, progress: Callable[[int, int | None], None]
) -> tuple[np.ndarray, str]:
    neighbours = min(parameters.n_neighbors, len(points) - 1)
    indices, distances = (np.ascontiguousarray(each[:, :neighbours]) for each in (near.rows, near.distances))
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        # UMAP says that a seed means one thread, which is wanted, and that a map over neighbours found elsewhere cannot
        # place new points, which `placing` does without it.
        warnings.simplefilter("ignore")
        import umap

        layout = umap.UMAP(
            n_neighbors=neighbours,
            min_dist=parameters.min_dist,
            metric=parameters.metric,
            random_state=parameters.seed,
            n_jobs=1,
            # UMAP's own spectral start is not repeatable where pictures repeat, and keeps no more neighbours than this.
            init="pca" if np.ptp(points, axis=0).max() > 0 else "random",
            precomputed_knn=(indices, distances),
            # It tells how far it is on a progress bar only, and draws that only when it may talk.
            verbose=True,
            tqdm_kwds={"file": _Heard(progress), "mininterval": 0.2},
        ).fit_transform(points)
    return np.ascontiguousarray(layout, dtype=np.float32), str(umap.__version__)


class _Heard(io.StringIO):
    """What a progress bar is drawn on: hands on the "12/500" of what is written to it."""

    def __init__(self, progress: Callable[[int, int | None], None]) -> None:
        super().__init__()
        self.progress = progress

    def write(self, text: str) -> int:
        told = re.findall(r"(?<!\d)(\d+)/(\d+)", text)
        if told:
            self.progress(int(told[-1][0]), int(told[-1][1]))
        return len(text)


def points(values: np.ndarray, among: int | None = None) -> tuple[np.ndarray, str]:
    """What maps are made of, float32 (n, d), and what that is: raw pixels (uint8) are averaged to 32×32 × 3, or to
    16×16 × 3 where there are very many images (`among`, if these are only some of them)."""
    if values.dtype != np.uint8:
        return np.asarray(values, dtype=np.float32), "the vectors as stored"
    side = COARSE if (len(values) if among is None else among) <= MOST_COARSE else COARSER
    step = PIXEL_SIDE // side
    coarse = room((len(values), side * side * 3))
    for start in range(0, len(values), 256):
        block = values[start : start + 256].reshape(-1, side, step, side, step, 3)
        coarse[start : start + 256] = block.mean(axis=(2, 4), dtype=np.float32).reshape(len(block), -1) / 255
    return coarse, f"pixels averaged to {side}×{side}"


def principal_axes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The first two principal axes of points (n, d): (d, 2) float64, the points' centre (d,), and the share of the
    variance that the two hold. Either sign of an axis is right; one rule makes the map repeatable."""
    centre = values.mean(axis=0, dtype=np.float64)
    # The smaller of the two Gram matrices has the same spectrum as the points, at a fraction of the work. The larger
    # side is passed in blocks, since a float64 copy of very many points would be the most that a `prepare` holds.
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
    for place, which in enumerate(strongest):
        axis = vectors[:, which] if tall else centred.T @ vectors[:, which]
        axis = axis / (np.linalg.norm(axis) or 1.0)
        along = _along(values, centre, axis)
        axes[:, place] = -axis if along[np.abs(along).argmax()] < 0 else axis
    total = float(np.maximum(spectrum, 0).sum())
    share = float(np.maximum(spectrum[strongest], 0).sum() / total) if total > 0 else 1.0
    return axes, centre, share


def _principal_plane(values: np.ndarray) -> tuple[np.ndarray, float]:
    """The points (n, 2) along their first two principal axes, and the share of the variance that these hold."""
    axes, centre, share = principal_axes(values)
    return np.asarray(_along(values, centre, axes), dtype=np.float32), share


def _along(values: np.ndarray, centre: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Where points (n, d) lie along the columns of `axes`, float64."""
    starts = range(0, len(values), _BLOCK)
    return np.concatenate([(values[start : start + _BLOCK] - centre) @ axes for start in starts])


def save(made: Map, path: Path) -> None:
    """Write a map to the `.npz` file `path`, atomically and without pickle."""
    with artifacts.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, xy=made.xy, preserved=made.preserved, facts=np.array(artifacts.to_json(made.facts)))


def load(path: Path) -> Map | None:
    """The map at `path`; None when there is none. Raises ArtifactError when the file is damaged."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as stored:
            found = Map(stored["xy"], stored["preserved"], artifacts.from_json(str(stored["facts"])))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise artifacts.damaged(path) from error
    sound = found.xy.shape[1:] == (2,) and found.preserved.shape == found.xy.shape[:1] and isinstance(found.facts, dict)
    if not sound:
        raise artifacts.damaged(path)
    return found
