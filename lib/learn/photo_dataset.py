"""Photos as the network is fed them: read once, then cropped and augmented anew in every epoch.

Every random choice follows from (seed, epoch, photo), never from what was drawn before it: a resumed run, a run on
two machines and an undisturbed one show the network the same pictures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from lib import artifacts
from lib.data.catalog import Catalog
from lib.learn import transforms
from lib.learn.backbone import Preprocess
from lib.learn.recipes import Recipe

if TYPE_CHECKING:
    import torch

# Crops are cut from copies a little larger than the input, so that they need not be enlarged much.
ROOM = 1.25
# Bytes of decoded photos that are kept in memory; what goes beyond is read from its file each time.
MEMORY = 6 << 30
# Rows decoded at a time by each of the threads that read ahead.
BLOCK = 32


@dataclass(frozen=True)
class Photos:
    """Rows of a catalog that are trained or tested on. `classes` is sorted; `labels` (n,) are places in it."""

    catalog: Catalog
    rows: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ids(self) -> list[str]:
        """Image ids, in order."""
        ids = self.catalog.ids
        return [ids[row] for row in self.rows]

    def among(self, places: np.ndarray) -> Photos:
        """Some of these photos, in the order of `places`."""
        return Photos(self.catalog, self.rows[places], self.labels[places], self.classes)


def photos(catalog: Catalog, split: str) -> Photos:
    """The photos of a split."""
    classes = tuple(catalog.classes)
    rows = (catalog.frame["split"] == split).to_numpy().nonzero()[0]
    labels = np.array([classes.index(label) for label in catalog.frame["label"].iloc[rows]], dtype=np.int64)
    return Photos(catalog, rows, labels, classes)


def read(
    wanted: Photos,
    shrink: Callable[[Any], np.ndarray],
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> list[np.ndarray | None]:
    """Every photo through `shrink`, uint8 (h, w, 3); None for those that do not fit into `MEMORY`.

    Raises DataError when a photo cannot be read or is not the one in the catalog any more.
    """
    found: list[np.ndarray | None] = []
    taken = 0
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(wanted), BLOCK):
            block = wanted.rows[start : start + BLOCK]
            if taken > MEMORY:
                found += [None] * len(block)
                continue
            small = list(pool.map(lambda row: shrink(wanted.catalog.open(int(row))), block))
            taken += sum(one.nbytes for one in small)
            found += small
            progress(len(found), len(wanted))
    return found


class TrainingPhotos:
    """The training photos as a torch dataset: `training[(epoch, place)]` is (uint8 tensor (3, side, side), place)."""

    def __init__(self, wanted: Photos, recipe: Recipe, preprocess: Preprocess, seed: int) -> None:
        self.wanted, self.recipe, self.preprocess, self.seed = wanted, recipe, preprocess, seed
        self.kept: list[np.ndarray | None] = [None] * len(wanted)
        self._augment: dict[int, Any] = {}

    def load(self, progress: Callable[[int, int | None], None] = lambda done, total: None) -> None:
        """Read the photos into memory. Raises DataError as `read` does."""
        self.kept = read(self.wanted, self._shrink, progress)

    def _shrink(self, image: Any) -> np.ndarray:
        return transforms.shorten(image, round(ROOM * self.preprocess.input_size))

    def __len__(self) -> int:
        return len(self.wanted)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, int]:
        import torch

        epoch, place = key
        pixels = self.kept[place]
        if pixels is None:
            pixels = self._shrink(self.wanted.catalog.open(int(self.wanted.rows[place])))
        side = side_of(self.recipe, epoch, self.preprocess.input_size)
        if side not in self._augment:
            self._augment[side] = transforms.augment(side, self.recipe.crop, self.recipe.policy)
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed, which also notes each call for every kind of accelerator: a fifth of the work here.
            torch.default_generator.manual_seed(shuffled(self.seed, "photo", epoch, int(self.wanted.rows[place])))
            # As a PIL image: on a CPU Pillow distorts small pictures several times faster than torch does.
            shown = self._augment[side](Image.fromarray(pixels))
        return torch.from_numpy(np.array(shown)).permute(2, 0, 1), place


def side_of(recipe: Recipe, epoch: int, full: int) -> int:
    """The training input in `epoch` (from 0), px: a multiple of 16 that grows evenly, at most `full`."""
    grown = min(1.0, epoch / max(1.0, recipe.growth * (recipe.epochs - 1)))
    share = recipe.first_size + (recipe.last_size - recipe.first_size) * grown
    return max(32, min(full, round(share * full / 16) * 16)) if share < 1 else full


def shuffled(seed: int, *what: object) -> int:
    """A seed of its own for every purpose: 63 bits that follow from the run's seed and what they are for."""
    return int(artifacts.digest(seed, *what)[:16], 16) >> 1


class Pictures:
    """Photos as they are evaluated: `pictures(places)` is the network's input (n, 3, side, side) float32.

    Read from their files the first time that they are asked for, then kept. Raises DataError when one cannot be read.
    """

    def __init__(self, wanted: Photos, preprocess: Preprocess) -> None:
        self.wanted, self.preprocess = wanted, preprocess
        self._kept: dict[int, np.ndarray] = {}

    def __call__(self, places: np.ndarray) -> torch.Tensor:
        new = np.array([place for place in places if int(place) not in self._kept], dtype=np.int64)
        found = read(self.wanted.among(new), lambda image: transforms.resize(image, self.preprocess))
        fresh = {int(place): one for place, one in zip(new, found, strict=True) if one is not None}
        pixels = [fresh[int(place)] if int(place) in fresh else self._kept[int(place)] for place in places]
        if sum(one.nbytes for one in fresh.values()) * (len(self._kept) + len(fresh)) / max(1, len(fresh)) < MEMORY:
            self._kept |= fresh
        return tensor(pixels, self.preprocess)


def steps(count: int, recipe: Recipe, seed: int, epoch: int, least: int = 2) -> list[np.ndarray]:
    """The places of the training photos in the order of `epoch`, cut into optimiser steps of `batch_size`.

    A last step of fewer than `least` photos is left out, since a batch norm cannot be fed one value.
    """
    order = np.random.default_rng(shuffled(seed, "order", epoch)).permutation(count)
    found = [order[start : start + recipe.batch_size] for start in range(0, count, recipe.batch_size)]
    return found[:-1] if len(found) > 1 and len(found[-1]) < least else found


def tensor(pixels: Sequence[np.ndarray] | np.ndarray, preprocess: Preprocess) -> torch.Tensor:
    """uint8 pictures (n, side, side, 3) → the network's input (n, 3, side, side) float32, channels last."""
    import torch

    normalised = transforms.normalise(np.stack(list(pixels)), preprocess)
    return torch.from_numpy(normalised).contiguous(memory_format=torch.channels_last)
