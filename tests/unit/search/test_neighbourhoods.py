"""lib.search.neighbourhoods: as the search finds them, and measures counted by hand."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lib.errors import ArtifactError
from lib.search import exact, neighbourhoods

HAND = np.array([[1, 2, 3], [0, 2, 3], [3, 0, 1], [2, 1, 0]], dtype=np.int32)


def features(n: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


def alone(n: int) -> list[list[int]]:
    return [[row] for row in range(n)]


@pytest.mark.parametrize("pixels", [False, True])
def test_they_are_what_a_search_finds(pixels: bool) -> None:
    vectors = features(300) if not pixels else np.random.default_rng(0).integers(0, 256, (300, 27), dtype=np.uint8)
    calls: list[tuple[int, int | None]] = []
    nearest = neighbourhoods.k_nearest(vectors, alone(300), lambda done, total: calls.append((done, total)))
    for name in ("cosine", "l1"):
        for row in (0, 255, 256, 299):
            expected = exact.top_k(exact.gallery(vectors), vectors[row], name, 30, leave_out=[[row]])
            np.testing.assert_array_equal(nearest.rows[name][row], expected.rows[0])
            np.testing.assert_allclose(nearest.values[name][row], expected.values[0], rtol=1e-6)
    assert calls[-1] == (600, 600)


@pytest.mark.parametrize("kind", ["features", "pixels", "zeros"])
def test_those_of_fewer_images_are_found_from_those_of_all(kind: str) -> None:
    vectors = features(200, 8)
    if kind == "pixels":
        vectors = np.random.default_rng(0).integers(0, 256, (200, 27), dtype=np.uint8)
    vectors[7] = vectors[60]
    if kind == "zeros":
        vectors[[3, 90]] = 0
    copies = [[row, *([7, 60] if row in (7, 60) else [])] for row in range(200)]
    before = neighbourhoods.k_nearest(vectors, copies)
    kept = np.array([row for row in range(200) if row not in (0, 7, 60, 90, 150)])
    fewer = [[place] for place in range(len(kept))]
    searched: list[tuple[int, int | None]] = []
    found = neighbourhoods.of_fewer(
        before, kept, vectors[kept], fewer, lambda done, total: searched.append((done, total))
    )
    expected = neighbourhoods.k_nearest(vectors[kept], fewer)
    assert found is not None and found.facts == expected.facts
    for name in ("cosine", "l1"):
        np.testing.assert_array_equal(found.rows[name], expected.rows[name])
        np.testing.assert_allclose(found.values[name], expected.values[name], rtol=1e-5, atol=1e-6)
    assert 0 < searched[-1][0] < 2 * len(kept)  # lists without one of the five are not searched for


def test_those_of_fewer_images_are_not_taken_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, kept = features(60), np.arange(50)
    before = neighbourhoods.k_nearest(vectors, alone(60))
    assert neighbourhoods.of_fewer(before, np.arange(20), vectors[:20], alone(20)) is None  # shorter lists
    approximate = neighbourhoods.Neighbourhoods(before.rows, before.values, {**before.facts, "found": "approximate"})
    assert neighbourhoods.of_fewer(approximate, kept, vectors[kept], alone(50)) is None
    averaged = neighbourhoods.Neighbourhoods(before.rows, before.values, {**before.facts, "input": "averaged"})
    assert neighbourhoods.of_fewer(averaged, kept, vectors[kept], alone(50)) is None


def test_very_many_pixels_are_averaged_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 49_152), dtype=np.uint8)
    assert neighbourhoods.k_nearest(pixels, alone(12)).facts["input"] == "the vectors as stored"
    monkeypatch.setattr(neighbourhoods, "MOST_PIXELS", 11)
    nearest = neighbourhoods.k_nearest(pixels, alone(12))
    assert nearest.facts["input"] == "pixels averaged to 32×32"
    coarse = pixels.reshape(12, 32, 4, 32, 4, 3).mean(axis=(2, 4)).reshape(12, -1).astype(np.float32) / 255
    np.testing.assert_array_equal(nearest.rows["l1"], neighbourhoods.k_nearest(coarse, alone(12)).rows["l1"])


def test_copies_are_no_neighbours() -> None:
    vectors = np.repeat(features(20), 2, axis=0)
    nearest = neighbourhoods.k_nearest(vectors, [[row, row ^ 1] for row in range(40)])
    assert all(row not in near and row ^ 1 not in near for row, near in enumerate(nearest.rows["l1"].tolist()))
    assert (nearest.rows["cosine"] >= 0).all()


@pytest.mark.parametrize("n", [1, 2, 8])
def test_few_images_have_few_neighbours(n: int) -> None:
    nearest = neighbourhoods.k_nearest(features(n), alone(n))
    codes = np.arange(n) % 2
    assert nearest.rows["cosine"].shape == (n, n)
    assert (nearest.rows["cosine"] == -1).sum() == n
    predicted, share = neighbourhoods.votes(nearest.rows["cosine"], codes)
    assert np.isnan(neighbourhoods.purity(nearest.rows["cosine"], codes)).all() == (n <= 2), "two are alone, too"
    nothing = [
        neighbourhoods.disagreement(nearest.rows["cosine"], nearest.rows["l1"]),
        neighbourhoods.mean_knn_distance(nearest.values["cosine"]),
        share,
    ]
    assert all(np.isnan(values).all() == (n == 1) for values in nothing)
    assert (predicted == -1).all() == (n == 1)
    assert neighbourhoods.hubness(nearest.rows["cosine"]).sum() == n * (n - 1)


def test_purity_and_hubs_and_disagreement_by_hand() -> None:
    codes = np.array([0, 0, 0, 1])
    # The last is alone in its class: no neighbour could be right.
    assert neighbourhoods.purity(HAND, codes, k=2).tolist() == pytest.approx([1, 1, 0.5, np.nan], nan_ok=True)
    assert neighbourhoods.purity(HAND, codes, k=3).tolist() == pytest.approx([2 / 3] * 3 + [np.nan], nan_ok=True)
    assert neighbourhoods.hubness(HAND, k=1).tolist() == [1, 1, 1, 1]
    assert neighbourhoods.hubness(HAND, k=2).tolist() == [2, 2, 3, 1]
    assert neighbourhoods.disagreement(HAND, HAND[:, ::-1], k=1).tolist() == [1, 1, 1, 1]
    assert neighbourhoods.disagreement(HAND, HAND[:, ::-1], k=2).tolist() == [0.5] * 4
    assert neighbourhoods.disagreement(HAND, HAND[:, ::-1], k=3).tolist() == [0] * 4
    assert neighbourhoods.mean_knn_distance(np.array([[0.5, 0.25]], np.float32), k=2).tolist() == [0.625]


def test_of_equal_votes_the_nearer_win() -> None:
    codes = np.array([0, 1, 2, 2])
    predicted, share = neighbourhoods.votes(HAND, codes, k=2)
    assert predicted.tolist() == [1, 0, 2, 2]
    assert share.tolist() == [0.5, 0.5, 0.5, 0.5]
    predicted, share = neighbourhoods.votes(HAND, codes, k=3)
    assert predicted.tolist() == [2, 2, 2, 2]
    assert share.tolist() == pytest.approx([2 / 3, 2 / 3, 1 / 3, 1 / 3])


def test_missing_neighbours_have_no_vote() -> None:
    rows = np.array([[2, -1], [0, -1], [1, 0]], dtype=np.int32)
    codes = np.array([0, 0, 1])
    assert neighbourhoods.purity(rows, codes).tolist() == pytest.approx([0, 1, np.nan], nan_ok=True)
    predicted, share = neighbourhoods.votes(rows, codes)
    assert predicted.tolist() == [1, 0, 0]
    assert share.tolist() == [1, 1, 1]
    assert neighbourhoods.hubness(rows).tolist() == [2, 1, 1]
    assert neighbourhoods.disagreement(rows, rows[:, ::-1]).tolist() == [0, 0, 0]


def test_they_are_read_back(tmp_path: Path) -> None:
    computed = neighbourhoods.k_nearest(features(40), alone(40))
    neighbourhoods.save(computed, tmp_path / "near.npz")
    nearest = neighbourhoods.load(tmp_path / "near.npz")
    assert nearest is not None
    for name in ("cosine", "l1"):
        np.testing.assert_array_equal(nearest.rows[name], computed.rows[name])
        np.testing.assert_array_equal(nearest.values[name], computed.values[name])
    assert nearest.facts == computed.facts
    assert neighbourhoods.load(tmp_path / "none.npz") is None


def _other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")


def _one_metric_is_shorter(path: Path) -> None:
    arrays = {f"{kind}_{name}": np.zeros((4, 3), np.int32) for kind in ("rows", "values") for name in ("cosine", "l1")}
    np.savez(path, facts=np.array("{}"), **(arrays | {"rows_l1": np.zeros((4, 2), np.int32)}))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        _other_zip,
        _one_metric_is_shorter,
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "near.npz"
    neighbourhoods.save(neighbourhoods.k_nearest(features(8), alone(8)), path)
    damage(path)
    with pytest.raises(ArtifactError, match=r"near\.npz cannot be read"):
        neighbourhoods.load(path)


def test_one_class_has_neither_purity_nor_votes() -> None:
    codes = np.zeros(4, dtype=np.int64)
    predicted, share = neighbourhoods.votes(HAND, codes)
    assert (predicted == -1).all()
    assert np.isnan(share).all() and np.isnan(neighbourhoods.purity(HAND, codes)).all()


def test_images_without_a_similarity_are_no_neighbours() -> None:
    vectors = features(6)
    vectors[[1, 4]] = 0
    nearest = neighbourhoods.k_nearest(vectors, alone(6))
    assert (nearest.rows["cosine"][[1, 4]] == -1).all()
    assert not np.isin(nearest.rows["cosine"], [1, 4]).any()
    assert (nearest.rows["l1"][:, :5] >= 0).all(), "distances are defined for all"
