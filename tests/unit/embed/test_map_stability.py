"""Which features of maps are real: noise has no cluster, blobs have theirs, and agreement is what it says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lib.embed import layouts, map_stability, persistent_clusters
from lib.embed.layouts import Run
from lib.errors import QueryError

SEEDS = (0,)


def _noise(seed: int, d: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(300, d)).astype(np.float32)


def _blobs(seed: int, d: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Three blobs of 100 points, their centres 8 standard deviations from the middle in random directions at right
    angles; and which point is whose."""
    member = np.arange(300) % 3
    directions = np.linalg.qr(np.random.default_rng(100 + seed).normal(size=(d, 3)))[0].T
    return (_noise(seed, d) + 8 * directions[member]).astype(np.float32), member


def _layouts(values: np.ndarray) -> list[tuple[Run, np.ndarray]]:
    return [(run, layouts.lay_out(values, run, "euclidean")) for run in layouts.runs(SEEDS)]


def _clusters(values: np.ndarray, made: list[tuple[Run, np.ndarray]]) -> persistent_clusters.Clusters:
    return persistent_clusters.persistent_clusters(layouts.components(values), [xy for _, xy in made])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_noise_has_no_real_cluster(seed: int) -> None:
    values = _noise(seed)
    found = _clusters(values, _layouts(values))
    assert found.count == 0
    assert (found.labels == -1).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_three_blobs_are_three_real_clusters(seed: int) -> None:
    values, member = _blobs(seed)
    found = _clusters(values, _layouts(values))
    assert found.sizes == [100, 100, 100]
    assert all(len(np.unique(member[found.labels == cluster])) == 1 for cluster in range(3))
    assert min(found.persistence) >= persistent_clusters.PERSISTENT
    assert max(found.p) < persistent_clusters.LEVEL / 3


def test_the_null_map_of_three_blobs_has_no_real_cluster() -> None:
    """In so many dimensions no single feature falls into groups, which shuffling would keep."""
    values, _ = _blobs(0, 200)
    assert _clusters(values, _layouts(values)).count == 3
    null = layouts.shuffled(values)
    assert _clusters(null, _layouts(null)).count == 0


def test_one_blob_torn_in_two_by_every_layout_is_not_two_clusters() -> None:
    """The layouts agree on a split that the space does not have."""
    values = _noise(5)
    side = values[:, 0] > 0
    torn = [values[:, :2] + 40 * side[:, None] for _ in range(3)]
    found = persistent_clusters.persistent_clusters(values, torn)
    assert (found.candidates, found.groups, found.count) == (2, 1, 0)


def test_clusters_that_only_one_layout_shows_do_not_persist() -> None:
    values, member = _blobs(3)
    good = values[:, :3] @ np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    lost = [np.random.default_rng(seed).normal(size=(300, 2)) for seed in range(4)]
    assert persistent_clusters.persistent_clusters(values, [good, *lost]).count == 0
    assert persistent_clusters.persistent_clusters(values, [good, good]).count == 3
    assert len(np.unique(member)) == 3


def test_the_gap_test_keeps_its_level_on_one_mode_and_finds_two() -> None:
    p_values = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        points = rng.normal(size=(200, 10))
        along = points @ rng.normal(size=10)
        upper = along > np.quantile(along, rng.uniform(0.2, 0.8))
        p_values.append(persistent_clusters.gap_p_value(points[upper], points[~upper], seed))
    assert np.mean(np.array(p_values) < 0.05) <= 0.05
    far = np.random.default_rng(0).normal(size=(100, 10))
    assert persistent_clusters.gap_p_value(far, far + 6 / np.sqrt(10)) < 1e-6
    assert persistent_clusters.gap_p_value(far, far[:5]) == 1.0
    assert persistent_clusters.gap_p_value(far, far.copy()) > 0.05


def test_agreement_is_the_plain_count_over_all_pairs() -> None:
    rng = np.random.default_rng(3)
    space = rng.normal(size=(40, 5)).astype(np.float32)
    made = [(Run("umap", seed), rng.normal(size=(40, 2)).astype(np.float32)) for seed in range(2)]
    made.append((Run("pca"), made[0][1] * 2 + 1))
    found = map_stability.stability(space, made, k=6)

    def near(points: np.ndarray, i: int) -> set[int]:
        distances = ((points.astype(np.float64) - points[i].astype(np.float64)) ** 2).sum(axis=1)
        distances[i] = np.inf
        return set(np.argsort(distances)[:6].tolist())

    for i in range(40):
        pairs = itertools.combinations([xy for _, xy in made], 2)
        assert found.points[i] == pytest.approx(np.mean([len(near(a, i) & near(b, i)) / 6 for a, b in pairs]), abs=1e-6)
        kept = np.mean([len(near(space, i) & near(xy, i)) / 6 for _, xy in made])
        assert found.kept[i] == pytest.approx(kept, abs=1e-6)
    assert found.chance == pytest.approx(6 / 39)
    assert set(found.by_methods) == {"umap umap", "pca umap"}
    assert found.by_methods["umap umap"] == pytest.approx(6 / 39, abs=0.08)  # unrelated layouts agree by chance


def test_shuffling_keeps_each_feature_and_nothing_they_share() -> None:
    values = np.repeat(np.random.default_rng(1).normal(size=(500, 1)), 3, axis=1)
    null = layouts.shuffled(values)
    assert (np.sort(null, axis=0) == np.sort(values, axis=0)).all()
    assert np.abs(np.corrcoef(null.T)[np.triu_indices(3, 1)]).max() < 0.2
    assert (layouts.shuffled(values) == null).all()


@pytest.mark.parametrize("shape", [(60, 8), (20, 70)])
def test_components_are_those_of_scikit_learn(shape: tuple[int, int]) -> None:
    from sklearn.decomposition import PCA

    values = np.random.default_rng(2).normal(size=shape)
    ours, theirs = layouts.components(values, 5), PCA(5, svd_solver="full").fit_transform(values)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-4)


def test_what_cannot_be_laid_out_is_refused() -> None:
    with pytest.raises(QueryError, match="umap, tsne, pca"):
        Run("som")
    with pytest.raises(ValueError, match="2 layouts"):
        map_stability.stability(_noise(0), [(Run("pca"), _noise(0)[:, :2])])
