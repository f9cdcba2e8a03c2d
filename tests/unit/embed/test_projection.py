"""lib.embed.projection: repeatable, finite for any number of pictures, over exact neighbours."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.embed import projection
from lib.embed.fidelity import fidelity
from lib.embed.neighbours import nearest
from lib.embed.projection import Map, MapParameters
from lib.errors import ArtifactError, QueryError

COSINE, EUCLIDEAN = MapParameters(seed=3), MapParameters(metric="euclidean", seed=3)


def features(n: int, dim: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


def check(projected: Map, n: int) -> None:
    assert projected.xy.shape == (n, 2)
    assert projected.xy.dtype == np.float32
    assert np.isfinite(projected.xy).all()


# -- any number of pictures, of any kind ----------------------------------------------------------------------------


@pytest.mark.parametrize("parameters", [COSINE, EUCLIDEAN], ids=["cosine", "euclidean"])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 9, 60])
def test_any_number_of_pictures_has_a_repeatable_map(n: int, parameters: MapParameters) -> None:
    projected, again = (projection.project(features(n), parameters) for _ in range(2))
    check(projected, n)
    np.testing.assert_array_equal(projected.xy, again.xy)
    assert projected.facts["method"] == ("UMAP" if n >= projection.MIN_IMAGES else "PCA")
    assert projected.facts["seed"] == 3
    if n >= projection.MIN_IMAGES:
        assert (projection.project(features(n), replace(parameters, seed=4)).xy != projected.xy).any()


@pytest.mark.parametrize(
    "values",
    [
        np.ones((5, 32), np.float32),
        np.ones((60, 32), np.float32),
        np.zeros((20, 32), np.float32),
        np.repeat(features(2), 40, axis=0),
        np.repeat(features(3), 20, axis=0),
        np.concatenate([features(40), np.repeat(features(1, seed=9), 40, axis=0)]),
        np.concatenate([features(40), features(40, seed=1) + 1000]),
        np.full((20, 49_152), 7, np.uint8),
    ],
    ids=["all equal, few", "all equal", "all zero", "two", "three", "many copies of one", "two worlds", "equal pixels"],
)
def test_copies_and_far_clusters_have_a_repeatable_map(values: np.ndarray) -> None:
    projected, again = (projection.project(values, EUCLIDEAN) for _ in range(2))
    check(projected, len(values))
    np.testing.assert_array_equal(projected.xy, again.xy)


def test_groups_stay_together() -> None:
    centres = np.random.default_rng(5).normal(size=(3, 32)) * 5
    values = np.concatenate([features(25, seed=group) * 0.3 + centres[group] for group in range(3)]).astype(np.float32)
    xy = projection.project(values, EUCLIDEAN).xy
    near = nearest(xy, 6, "euclidean")[0][:, 1:]
    assert (near // 25 == np.arange(75)[:, None] // 25).mean() > 0.95


def test_pixels_are_averaged_and_the_map_says_so() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 128, 128, 3), dtype=np.uint8)
    projected = projection.project(pixels.reshape(9, -1), EUCLIDEAN)
    coarse = pixels.reshape(9, 32, 4, 32, 4, 3).mean(axis=(2, 4)).reshape(9, -1) / 255
    check(projected, 9)
    np.testing.assert_allclose(projected.xy, projection.project(coarse.astype(np.float32), EUCLIDEAN).xy)
    assert projected.facts["input"] == "pixels averaged to 32×32"
    assert projection.project(features(9), COSINE).facts["input"] == "the vectors as stored"


# -- principal components, measure, progress ------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(200, 12), (9, 40), (3, 2)])
def test_pca_is_the_plane_of_most_variance(shape: tuple[int, int]) -> None:
    values = features(*shape) * np.linspace(3, 0.1, shape[1], dtype=np.float32)
    projected = projection.project(values, MapParameters(method="pca", metric="euclidean"))
    check(projected, shape[0])
    left, scale, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(projected.xy), np.abs(left * scale)[:, :2], atol=1e-4)
    assert projected.facts["variance"] == pytest.approx((scale[:2] ** 2).sum() / (scale**2).sum(), rel=1e-5)
    assert projected.facts["method"] == "PCA"
    assert "n_neighbors" not in projected.facts and "seed" not in projected.facts


def test_pca_of_copies_is_a_point() -> None:
    projected = projection.project(np.ones((30, 5), np.float32), MapParameters(method="pca"))
    np.testing.assert_allclose(projected.xy, 0, atol=1e-6)
    assert projected.facts["variance"] == 1


@pytest.mark.parametrize("parameters", [COSINE, EUCLIDEAN], ids=["cosine", "euclidean"])
def test_a_map_says_how_far_it_can_be_trusted(parameters: MapParameters) -> None:
    values = features(90)
    projected = projection.project(values, parameters)
    expected = fidelity(values, projected.xy, parameters.metric)
    np.testing.assert_array_equal(projected.preserved, expected.preserved)
    assert projected.facts["fidelity"] == {
        "trustworthiness": expected.trustworthiness,
        "continuity": expected.continuity,
        "preservation": expected.preservation,
        "k": 15,
        "ranked": 90,
    }


def test_epochs_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    progress: list[tuple[int, int | None]] = []
    projection.project(features(40), COSINE, lambda done, total: progress.append((done, total)))
    assert progress[-1][0] == progress[-1][1] == 500
    assert progress == sorted(progress)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "tsne"},
        {"metric": "l1"},
        {"n_neighbors": 1},
        {"n_neighbors": 201},
        {"min_dist": -0.1},
        {"min_dist": 1},
    ],
)
def test_a_map_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(QueryError, match="map"):
        MapParameters(**wrong)


# -- neighbours -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbours_are_exact_and_begin_with_oneself(metric: str) -> None:
    points = features(50)
    points[10], points[20] = points[3], points[3]
    if metric == "cosine":
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    wide = points.astype(np.float64)
    expected = 1 - wide @ wide.T if metric == "cosine" else np.linalg.norm(wide[:, None] - wide[None, :], axis=2)
    rows, distances = nearest(points, 7, metric)
    assert (rows.dtype, distances.dtype) == (np.int32, np.float32)
    np.testing.assert_array_equal(rows[:, 0], np.arange(50))
    np.testing.assert_array_equal(distances[:, 0], 0)
    np.testing.assert_allclose(distances, np.sort(expected, axis=1)[:, :7], atol=2e-3)
    np.testing.assert_allclose(distances, np.take_along_axis(expected, rows.astype(int), 1), atol=2e-3)
    assert all(len(set(row)) == 7 for row in rows.tolist())
    assert {3, 10, 20} == set(rows[10, :3].tolist())


def test_many_copies_still_find_themselves_first() -> None:
    rows, distances = nearest(np.ones((40, 8), np.float32), 5, "euclidean")
    np.testing.assert_array_equal(rows[:, 0], np.arange(40))
    assert all(len(set(row)) == 5 for row in rows.tolist())
    np.testing.assert_array_equal(distances, 0)


# -- parameters, and the file ---------------------------------------------------------------------------------------


def test_every_parameter_is_part_of_the_maps_name() -> None:
    changed = [{"n_neighbors": 5}, {"min_dist": 0.5}, {"metric": "euclidean"}, {"seed": 9}]
    names = {COSINE.key(), *(replace(COSINE, **change).key() for change in changed)}
    assert len(names) == 5
    # PCA has no use for the rest.
    assert len({MapParameters(method="pca", n_neighbors=n, min_dist=0.3, seed=n).key() for n in (5, 9)} - names) == 1
    assert MapParameters(seed=3).key() == COSINE.key()


def test_a_map_is_read_back_and_written_the_same_every_time(tmp_path: Path) -> None:
    projected = projection.project(features(5), COSINE)
    projection.save(projected, tmp_path / "one.npz")
    projection.save(projected, tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    loaded = projection.load(tmp_path / "one.npz")
    assert loaded is not None
    np.testing.assert_array_equal(loaded.xy, projected.xy)
    np.testing.assert_array_equal(loaded.preserved, projected.preserved)
    assert loaded.facts == projected.facts
    assert projection.load(tmp_path / "none.npz") is None


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 0xFF
    path.write_bytes(content)


def _other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")


def _plain_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros((5, 2)))


def _pickled(path: Path) -> None:
    np.savez(path, xy=np.array([{}], dtype=object), preserved=np.zeros(1), facts=np.array("{}"))


def _three_columns(path: Path) -> None:
    np.savez(path, xy=np.zeros((5, 3)), preserved=np.zeros(5), facts=np.array("{}"))


def _facts_are_a_list(path: Path) -> None:
    np.savez(path, xy=np.zeros((5, 2)), preserved=np.zeros(5), facts=np.array("[]"))


def _measured_for_others(path: Path) -> None:
    np.savez(path, xy=np.zeros((5, 2)), preserved=np.zeros(4), facts=np.array("{}"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04 no"),
        _cut,
        _flip,
        _other_zip,
        _plain_array,
        _pickled,
        _three_columns,
        _facts_are_a_list,
        _measured_for_others,
    ],
)
def test_a_damaged_map_is_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "map.npz"
    projection.save(projection.project(features(5), COSINE), path)
    damage(path)
    with pytest.raises(ArtifactError, match=r"map\.npz cannot be read; delete it and run `python -m lib prepare`"):
        projection.load(path)


def test_a_map_says_what_it_was_made_with() -> None:
    rng = np.random.default_rng(0)
    few, more = rng.normal(size=(5, 4)).astype(np.float32), rng.normal(size=(30, 4)).astype(np.float32)
    asked = MapParameters(n_neighbors=200, metric="euclidean")
    made = projection.project(few, asked).facts
    assert projection.parameters_used(made, 5) == {"method": "PCA", "metric": "euclidean"}
    assert projection.why_other_parameters(made, asked, 5).startswith("PCA in place of UMAP")
    made = projection.project(more, asked).facts
    assert projection.parameters_used(made, 30)["n_neighbors"] == 29
    assert "n_neighbors 29 in place of 200" in projection.why_other_parameters(made, asked, 30)
    assert projection.why_other_parameters(made, MapParameters(n_neighbors=29), 30) == ""
