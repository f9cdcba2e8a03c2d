"""Several layouts of the same vectors: UMAP under several seeds, t-SNE as an independent witness, and PCA.

UMAP and PCA are laid out as the maps of the app are (`lib/embed/projection.py`). t-SNE (van der Maaten and Hinton
2008) is scikit-learn's, of the first 50 principal components and from a random start: it shares neither UMAP's loss
nor its start, so that what both show is not of one method.

A null map comes from `shuffled` vectors: each column is permuted by itself. That keeps every feature's own values and
destroys all that features have in common, so whatever a map of it shows is made by the method, or by single features
whose own values fall into groups.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.embed import projection
from lib.embed.projection import MapParameters, map_inputs
from lib.embed.scratch_arrays import unit_rows
from lib.errors import QueryError
from lib.progress import Progress, no_progress

TITLES = {"umap": "UMAP", "tsne": "t-SNE", "pca": "PCA"}
COMPONENTS = 50  # principal components that t-SNE and the clusters see
PERPLEXITY = 30.0


@dataclass(frozen=True)
class Run:
    """One layout: `method` is `umap`, `tsne` or `pca`; `seed` fixes it (PCA needs none); `null` is of shuffled
    vectors. Raises QueryError for another method."""

    method: str
    seed: int = 0
    null: bool = False

    def __post_init__(self) -> None:
        if self.method not in TITLES:
            raise QueryError(f"There is no layout by {self.method!r}; choose one of {', '.join(TITLES)}.")

    @property
    def title(self) -> str:
        """For headings."""
        name = TITLES[self.method] if self.method == "pca" else f"{TITLES[self.method]}, seed {self.seed}"
        return f"{name}, shuffled" if self.null else name


def runs(seeds: Sequence[int], *, null: bool = False) -> list[Run]:
    """The runs of all methods; PCA once, since it has no seed."""
    return [*(Run(method, seed, null) for method in ("umap", "tsne") for seed in seeds), Run("pca", 0, null)]


def shuffled(values: np.ndarray, seed: int = 0) -> np.ndarray:
    """`values` (n, d) with each column permuted by itself."""
    return np.random.default_rng(seed).permuted(values, axis=0)


def prepared(values: np.ndarray, metric: str) -> np.ndarray:
    """The vectors (n, d) float32 that a map under `metric` sees: pixels averaged, of length 1 for cosine."""
    inputs, _ = map_inputs(values)
    return unit_rows(inputs) if metric == "cosine" else inputs


def lay_out(values: np.ndarray, run: Run, metric: str, progress: Progress = no_progress) -> np.ndarray:
    """The layout (n, 2) float32 of vectors `values` (n, d), which are shuffled already for a null run."""
    if run.method != "tsne":
        parameters = MapParameters(run.method, metric=metric, seed=run.seed)
        return projection.project(values, parameters, progress).xy
    import threadpoolctl
    from sklearn.manifold import TSNE

    points = components(prepared(values, metric))
    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    # One thread: threads that wait for each other are slow on a busy machine, and the layout would depend on them.
    with warnings.catch_warnings(), threadpoolctl.threadpool_limits(1):
        warnings.simplefilter("ignore")
        model = TSNE(2, perplexity=perplexity, init="random", random_state=run.seed, n_jobs=1)
        return np.asarray(model.fit_transform(points), dtype=np.float32)


def components(points: np.ndarray, most: int = COMPONENTS) -> np.ndarray:
    """Points (n, d) along their first `most` principal axes, float32 (n, at most `most`), centred."""
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    width = min(most, *centred.shape)
    if centred.shape[0] >= centred.shape[1]:
        axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :width]
        return np.asarray(centred @ axes, dtype=np.float32)
    spectrum, left = np.linalg.eigh(centred @ centred.T)
    scale = np.sqrt(np.maximum(spectrum[::-1][:width], 0.0))
    return np.asarray(left[:, ::-1][:, :width] * scale, dtype=np.float32)
