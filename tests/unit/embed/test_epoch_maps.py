"""lib.embed.epoch_maps: one plane for all epochs, and the purity of each."""

from __future__ import annotations

import numpy as np
import pytest

from lib.embed import epoch_maps


def features(epochs: int, n: int = 40) -> tuple[dict[int, np.ndarray], list[str]]:
    """Classes that part from epoch to epoch."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 4
    noise, centres = rng.normal(size=(n, 16)), rng.normal(size=(4, 16))
    return {e: (3 + noise + e * centres[labels]).astype(np.float32) for e in range(epochs)}, [str(x) for x in labels]


def test_all_epochs_lie_on_the_same_axes() -> None:
    values, _ = features(4)
    found = epoch_maps.maps(values)
    rows = {e: v / np.linalg.norm(v, axis=1, keepdims=True) for e, v in values.items()}
    stacked = np.concatenate([v - v.mean(axis=0) for v in rows.values()]).astype(np.float64)
    spectrum = np.linalg.svd(stacked, compute_uv=False) ** 2
    assert found.variance == pytest.approx(spectrum[:2].sum() / spectrum.sum(), abs=1e-5)
    # A linear map of all rows at once: distances on the plane are those along two axes.
    plane = np.concatenate(list(found.planes.values()))
    axes, *_ = np.linalg.lstsq(stacked, plane, rcond=None)
    assert stacked @ axes == pytest.approx(plane, abs=1e-5)
    assert axes.T @ axes == pytest.approx(np.eye(2), abs=1e-4)


def test_one_more_epoch_does_not_turn_the_map() -> None:
    values, _ = features(6)
    before = epoch_maps.maps({e: v for e, v in values.items() if e < 5}).planes
    after = epoch_maps.maps(values).planes
    for epoch in before:
        a, b = before[epoch].ravel(), after[epoch].ravel()
        assert np.dot(a, b) > 0.8 * np.linalg.norm(a) * np.linalg.norm(b)


@pytest.mark.parametrize("n", [2, 3])
def test_few_or_equal_photos_have_a_map(n: int) -> None:
    found = epoch_maps.maps({0: np.ones((n, 8), np.float32), 1: np.zeros((n, 8), np.float32)})
    assert all(np.isfinite(xy).all() and xy.shape == (n, 2) for xy in found.planes.values())


def test_purity_is_that_of_a_plain_loop() -> None:
    values, labels = features(3)
    for row in epoch_maps.separations(values, labels):
        unit = values[row.epoch] / np.linalg.norm(values[row.epoch], axis=1, keepdims=True)
        shares = []
        for i in range(len(unit)):
            others = sorted((j for j in range(len(unit)) if j != i), key=lambda j: -float(unit[i] @ unit[j]))
            shares.append(np.mean([labels[j] == labels[i] for j in others[:5]]))
        assert row.purity == pytest.approx(np.mean(shares), abs=0.006)
        assert row.ci95 is not None
        assert row.ci95[0] <= row.purity <= row.ci95[1]
        assert (row.k, row.n) == (5, 40)
    assert epoch_maps.chance(labels) == pytest.approx(9 / 39)


@pytest.mark.parametrize("photos", [1, 2, epoch_maps.FEWEST - 1])
def test_few_photos_have_no_purity(photos: int) -> None:
    values = np.random.default_rng(0).random((photos, 4)).astype(np.float32)
    (row,) = epoch_maps.separations({0: values}, ["a"] * photos)
    assert (row.purity, row.ci95, row.n) == (None, None, photos)
    (enough,) = epoch_maps.separations({0: np.resize(values, (epoch_maps.FEWEST, 4))}, ["a"] * epoch_maps.FEWEST)
    assert enough.purity == 1.0
    assert epoch_maps.chance(["a"]) is None
