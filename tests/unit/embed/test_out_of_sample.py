"""lib.embed.out_of_sample: where UMAP itself would put a new image, and nobody else moves."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from lib.embed import projection
from lib.embed.out_of_sample import place
from lib.embed.projection import Map, MapParameters

pytestmark = pytest.mark.slow


def clusters(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (np.eye(3, 24)[rng.integers(3, size=n)] * 6 + rng.normal(size=(n, 24))).astype(np.float32)


def fitted(metric: str) -> tuple[Any, Map, np.ndarray]:
    """A fitted UMAP model, its map as we keep it, and the vectors."""
    values = clusters(150)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import umap

        model = umap.UMAP(n_neighbors=10, min_dist=0.2, metric=metric, random_state=3, n_jobs=1).fit(values)
    facts = {"method": "UMAP", "n_neighbors": 10, "min_dist": 0.2, "metric": metric}
    return model, Map(model.embedding_, np.zeros(150, np.float32), facts), values


def test_a_new_image_lies_exactly_where_umap_puts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import faiss
    from sklearn.metrics import pairwise_distances

    # UMAP seeds its random draws with the bits of the places, so that only equally rounded distances give equal ones.
    def knn(fresh: np.ndarray, old: np.ndarray, k: int, metric: int) -> tuple[np.ndarray, np.ndarray]:
        distances = pairwise_distances(fresh, old)
        rows = np.argsort(distances, axis=1)[:, :k]
        return np.take_along_axis(distances, rows, 1).astype(np.float64) ** 2, rows

    monkeypatch.setattr(faiss, "knn", knn)
    model, fitted_map, values = fitted("euclidean")
    new = clusters(6, seed=1)
    same = np.isclose(place(fitted_map, values, new), model.transform(new), atol=1e-4).all(axis=1)
    # The last bit of a starting place is not always the same either.
    assert same.sum() >= 4


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_new_image_lies_about_where_umap_puts_it(metric: str) -> None:
    model, fitted_map, values = fitted(metric)
    new = clusters(30, seed=1)
    away = np.linalg.norm(place(fitted_map, values, new) - model.transform(new), axis=1)
    assert np.median(away) < 0.05 * np.ptp(fitted_map.xy, axis=0).max()


@pytest.mark.parametrize("method", ["umap", "pca"])
def test_nobody_else_moves_and_a_twin_lies_beside_its_image(method: str) -> None:
    values = clusters(120)
    fitted_map = projection.project(values, MapParameters(method=method, n_neighbors=8))
    before = fitted_map.xy.copy()
    placed = place(fitted_map, values, values[[5, 60]])
    np.testing.assert_array_equal(fitted_map.xy, before)
    extent = np.ptp(fitted_map.xy, axis=0).max()
    assert np.linalg.norm(placed - fitted_map.xy[[5, 60]], axis=1).max() < (1e-4 if method == "pca" else 0.1) * extent


def test_pixels_are_averaged_as_for_the_map() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 49_152), dtype=np.uint8)
    fitted_map = projection.project(pixels, MapParameters(method="pca", metric="euclidean"))
    np.testing.assert_allclose(place(fitted_map, pixels, pixels[:3]), fitted_map.xy[:3], atol=1e-4)


def test_a_map_of_few_images_takes_more() -> None:
    values = clusters(5)
    fitted_map = projection.project(values, MapParameters())
    assert fitted_map.facts["method"] == "PCA"
    assert np.isfinite(place(fitted_map, values, clusters(2, seed=1))).all()
