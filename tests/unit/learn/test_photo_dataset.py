"""lib.learn.photo_dataset: which photos the network sees, in which order, decided by their place alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib.data.catalog import Catalog
from lib.errors import DataError
from lib.learn import photo_dataset, transforms
from lib.learn.preprocess import Preprocess
from lib.learn.recipes import Recipe
from tests.helpers import quick_trainings

PREPROCESS = Preprocess(resize=(32, 32), crop=None, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))
RECIPE = Recipe(epochs=10, first_size=0.5, last_size=0.875, batch_size=8)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with quick_trainings.one_thread():
        yield


@pytest.fixture(scope="module")
def catalog(pictures: Path) -> Catalog:
    return quick_trainings.catalog(pictures)


@pytest.fixture
def own(pictures: Path, tmp_path: Path) -> Catalog:
    """A catalog of photos that a test may spoil."""
    shutil.copytree(pictures, tmp_path / "photos")
    return quick_trainings.catalog(tmp_path / "photos")


def training(catalog: Catalog, seed: int = 0, recipe: Recipe = RECIPE) -> photo_dataset.TrainingPhotos:
    return photo_dataset.TrainingPhotos(photo_dataset.split_photos(catalog, "train"), recipe, PREPROCESS, seed)


# --- Which photos ----------------------------------------------------------------------------------------------------


def test_every_photo_is_in_the_split_that_the_catalog_says(catalog: Catalog) -> None:
    known = catalog.frame.set_index("id")
    seen = []
    for split in ("train", "val", "test"):
        result = photo_dataset.split_photos(catalog, split)
        assert set(known.loc[result.ids, "split"]) == {split}
        assert [result.classes[label] for label in result.labels] == list(known.loc[result.ids, "label"])
        assert len(result) == catalog.splits[split]
        seen += result.ids
    assert sorted(seen) == catalog.ids
    assert list(result.classes) == sorted(catalog.classes)


def test_some_of_the_photos(catalog: Catalog) -> None:
    result = photo_dataset.split_photos(catalog, "train")
    some = result.subset(np.array([5, 2]))
    assert some.ids == [result.ids[5], result.ids[2]]
    assert list(some.labels) == [result.labels[5], result.labels[2]]


# --- In which order --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 8, 15, 16, 50])
def test_an_epoch_shows_every_photo_once(count: int) -> None:
    created = photo_dataset.steps(count, RECIPE, seed=0, epoch=0)
    assert sorted(np.concatenate(created)) == list(range(count))
    assert [len(step) for step in created[:-1]] == [8] * (len(created) - 1)


def test_a_single_photo_left_over_waits_for_the_next_epoch() -> None:
    created = [photo_dataset.steps(17, RECIPE, seed=0, epoch=epoch) for epoch in range(20)]
    assert {tuple(len(step) for step in steps) for steps in created} == {(8, 8)}
    left = [set(range(17)) - set(np.concatenate(steps).tolist()) for steps in created]
    assert len(set.union(*left)) > 5  # not always the same one
    # Each of two processes needs two.
    assert [len(step) for step in photo_dataset.steps(19, RECIPE, seed=0, epoch=0, least=4)] == [8, 8]
    assert [len(step) for step in photo_dataset.steps(20, RECIPE, seed=0, epoch=0, least=4)] == [8, 8, 4]


def test_the_order_is_another_in_every_epoch_and_under_every_seed() -> None:
    orders = {
        tuple(np.concatenate(photo_dataset.steps(50, RECIPE, seed=seed, epoch=epoch)))
        for seed in range(4)
        for epoch in range(4)
    }
    assert len(orders) == 16
    again = [photo_dataset.steps(50, RECIPE, seed=3, epoch=2) for _ in range(2)]
    assert all(np.array_equal(*pair) for pair in zip(*again, strict=True))


def test_seeds_drawn_for_different_purposes_differ_and_are_the_same_everywhere() -> None:
    # Written down, so that records made on other machines and by later versions can be compared.
    assert photo_dataset.derived_seed(0, "order", 0) == 0xE13079005C5CA62
    collected = [
        photo_dataset.derived_seed(seed, what, *more)
        for seed in (0, 1)
        for what in ("order", "photo")
        for more in ((0,), (1,))
    ]
    assert len(set(collected)) == 8
    assert all(0 <= value < 2**63 for value in collected)


# --- How large -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("full", [32, 40, 64, 96, 128, 224])
@pytest.mark.parametrize(("first", "last"), [(0.5, 0.875), (0.25, 0.75), (0.625, 1.0), (1.0, 1.0)])
@pytest.mark.parametrize("epochs", [1, 2, 7, 100])
def test_inputs_grow_in_sixteens_within_bounds(full: int, first: float, last: float, epochs: int) -> None:
    recipe = Recipe(epochs=epochs, first_size=first, last_size=last)
    sides = [photo_dataset.input_side(recipe, epoch, full) for epoch in range(epochs)]
    assert sides == sorted(sides)
    assert all(32 <= side <= full and (side % 16 == 0 or side == full) for side in sides)
    assert abs(sides[0] - max(32, first * full)) <= 8
    if epochs == 100:
        assert abs(sides[-1] - max(32, last * full)) <= 8
        assert sides[75] == sides[-1]  # the last quarter at its full size
        assert len(set(sides)) >= (last - first) * full / 16 - 1


# --- What they look like ---------------------------------------------------------------------------------------------


def test_a_picture_follows_from_seed_epoch_and_photo_alone(catalog: Catalog) -> None:
    import torch

    fresh, used = training(catalog), training(catalog)
    used.load()
    for place in range(20):
        used[(1, place)]
    torch.manual_seed(99)
    before = torch.get_rng_state()
    pixels, place = fresh[(3, 7)]
    again, _ = used[(3, 7)]
    assert place == 7
    assert pixels.dtype == torch.uint8
    assert torch.equal(pixels, again)
    assert torch.equal(before, torch.get_rng_state())
    others = [training(catalog)[(4, 7)], training(catalog)[(3, 8)], training(catalog, seed=1)[(3, 7)]]
    assert not any(torch.equal(pixels, other) for other, _ in others)


def test_pictures_have_the_side_of_their_epoch(catalog: Catalog) -> None:
    large = photo_dataset.TrainingPhotos(
        photo_dataset.split_photos(catalog, "train"), RECIPE, replace(PREPROCESS, resize=(96, 96)), 0
    )
    assert [tuple(large[(epoch, 0)][0].shape) for epoch in (0, 9)] == [(3, 48, 48), (3, 80, 80)]


def test_photos_beyond_the_memory_are_read_each_time_and_look_the_same(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    kept = training(catalog)
    reports: list[tuple[int, int | None]] = []
    kept.load(lambda done, total: reports.append((done, total)))
    assert all(one is not None for one in kept.decoded)
    assert reports[-1] == (51, 51)
    monkeypatch.setattr(photo_dataset, "MEMORY_BYTES", 1)
    short = training(catalog)
    short.load()
    assert [one is None for one in short.decoded] == [False] * photo_dataset.BLOCK + [True] * (51 - photo_dataset.BLOCK)
    for place in (0, photo_dataset.BLOCK, 50):
        assert torch.equal(kept[(2, place)][0], short[(2, place)][0])


@pytest.mark.parametrize("spoil", ["changed", "broken", "gone"])
@pytest.mark.parametrize("when", ["read ahead", "in the middle"])
def test_a_photo_that_is_another_one_now_is_named(own: Catalog, spoil: str, when: str) -> None:
    created = training(own)
    name = created.photos.ids[40]
    path = own.path(name)
    if spoil == "changed":
        Image.new("RGB", (50, 50), (1, 2, 3)).save(path)
    elif spoil == "broken":
        path.write_bytes(path.read_bytes()[:100])
    else:
        path.unlink()
    with pytest.raises(DataError, match="run the command again") as caught:
        if when == "read ahead":
            created.load()
        else:
            created[(0, 40)]
    assert str(caught.value).startswith(name)
    assert "\n" not in str(caught.value)


def test_the_networks_input() -> None:
    import torch

    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(3)]
    created = photo_dataset.network_input(pixels, PREPROCESS)
    np.testing.assert_array_equal(created.numpy(), transforms.normalise(np.stack(pixels), PREPROCESS))
    assert created.is_contiguous(memory_format=torch.channels_last)
