"""Photos as network inputs: read once, then cropped and augmented anew in every epoch.

Every random choice is a function of (seed, epoch, photo), never of earlier random choices: a resumed run, a run on two
machines and an uninterrupted run show the network the same pictures.
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
from lib.learn.preprocess import Preprocess
from lib.learn.recipes import Recipe
from lib.progress import Progress, no_progress

if TYPE_CHECKING:
    import torch

# Crops are cut from copies this much larger than the input, so that a small crop is not enlarged much.
CROP_MARGIN = 1.25
# Bytes of decoded photos that stay in memory; further photos are read from their files in each epoch.
MEMORY_BYTES = 6 << 30
# Photos that the reading threads decode between two reports of progress.
BLOCK = 32


@dataclass(frozen=True)
class Photos:
    """Rows of a catalog to train or test on. `classes` is sorted; `labels` (n,) are indices into it."""

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

    def subset(self, indices: np.ndarray) -> Photos:
        """The photos at `indices`, in that order."""
        return Photos(self.catalog, self.rows[indices], self.labels[indices], self.classes)


def split_photos(catalog: Catalog, split: str) -> Photos:
    """The photos of a split, in the catalog's order."""
    classes = tuple(catalog.classes)
    rows = (catalog.frame["split"] == split).to_numpy().nonzero()[0]
    labels = np.array([classes.index(label) for label in catalog.frame["label"].iloc[rows]], dtype=np.int64)
    return Photos(catalog, rows, labels, classes)


def read(
    photos: Photos,
    shrink: Callable[[Any], np.ndarray],
    progress: Progress = no_progress,
) -> list[np.ndarray | None]:
    """Every photo after `shrink`, uint8 (h, w, 3); None for photos beyond `MEMORY_BYTES`.

    Raises DataError when a photo cannot be read or has changed since the catalog was made.
    """
    arrays: list[np.ndarray | None] = []
    used_bytes = 0
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(photos), BLOCK):
            block = photos.rows[start : start + BLOCK]
            if used_bytes > MEMORY_BYTES:
                arrays += [None] * len(block)
                continue
            decoded = list(pool.map(lambda row: shrink(photos.catalog.open(int(row))), block))
            used_bytes += sum(array.nbytes for array in decoded)
            arrays += decoded
            progress(len(arrays), len(photos))
    return arrays


class TrainingPhotos:
    """The training photos as a torch dataset: `training[(epoch, index)]` is (uint8 tensor (3, side, side), index)."""

    def __init__(self, photos: Photos, recipe: Recipe, preprocess: Preprocess, seed: int) -> None:
        self.photos, self.recipe, self.preprocess, self.seed = photos, recipe, preprocess, seed
        self.decoded: list[np.ndarray | None] = [None] * len(photos)
        self._augment: dict[int, Any] = {}

    def load(self, progress: Progress = no_progress) -> None:
        """Read the photos into memory. Raises DataError as `read` does."""
        self.decoded = read(self.photos, self._shrink, progress)

    def _shrink(self, image: Any) -> np.ndarray:
        return transforms.shorten(image, round(CROP_MARGIN * self.preprocess.input_size))

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, int]:
        import torch

        epoch, index = key
        row = int(self.photos.rows[index])
        pixels = self.decoded[index]
        if pixels is None:
            pixels = self._shrink(self.photos.catalog.open(row))
        side = input_side(self.recipe, epoch, self.preprocess.input_size)
        if side not in self._augment:
            self._augment[side] = transforms.augment(side, self.recipe.crop, self.recipe.policy)
        with torch.random.fork_rng(devices=[]):
            # torch.manual_seed also records each call for every kind of accelerator: a fifth of this method's time.
            torch.default_generator.manual_seed(derived_seed(self.seed, "photo", epoch, row))
            # As a PIL image: on a CPU, Pillow distorts small pictures several times faster than torch.
            augmented = self._augment[side](Image.fromarray(pixels))
        return torch.from_numpy(np.array(augmented)).permute(2, 0, 1), index


def input_side(recipe: Recipe, epoch: int, full: int) -> int:
    """Side of the training input in `epoch` (from 0), px: a multiple of 16 that grows evenly, at most `full`."""
    grown = min(1.0, epoch / max(1.0, recipe.growth * (recipe.epochs - 1)))
    share = recipe.first_size + (recipe.last_size - recipe.first_size) * grown
    return max(32, min(full, round(share * full / 16) * 16)) if share < 1 else full


def derived_seed(seed: int, *purpose: object) -> int:
    """A 63-bit seed that is a hash of the run's seed and of the purpose of the random numbers."""
    return int(artifacts.digest(seed, *purpose)[:16], 16) >> 1


class EvaluationPhotos:
    """Photos in evaluation: `pictures(indices)` is the network's input (n, 3, side, side) float32.

    A photo is read from its file at its first use, then cached. Raises DataError when a photo cannot be read.
    """

    def __init__(self, photos: Photos, preprocess: Preprocess) -> None:
        self.photos, self.preprocess = photos, preprocess
        self._cache: dict[int, np.ndarray] = {}

    def __call__(self, indices: np.ndarray) -> torch.Tensor:
        missing = np.array([index for index in indices if int(index) not in self._cache], dtype=np.int64)
        arrays = read(self.photos.subset(missing), lambda image: transforms.resize(image, self.preprocess))
        fresh = {int(index): array for index, array in zip(missing, arrays, strict=True) if array is not None}
        pixels = [fresh[int(index)] if int(index) in fresh else self._cache[int(index)] for index in indices]
        fresh_bytes = sum(array.nbytes for array in fresh.values())
        if fresh_bytes * (len(self._cache) + len(fresh)) / max(1, len(fresh)) < MEMORY_BYTES:
            self._cache |= fresh
        return network_input(pixels, self.preprocess)


def steps(count: int, recipe: Recipe, seed: int, epoch: int, least: int = 2) -> list[np.ndarray]:
    """Indices of `count` training photos in the random order of `epoch`, cut into optimiser steps of `batch_size`.

    A last step of fewer than `least` photos is left out, since batch norm needs more than one value.
    """
    order = np.random.default_rng(derived_seed(seed, "order", epoch)).permutation(count)
    batches = [order[start : start + recipe.batch_size] for start in range(0, count, recipe.batch_size)]
    return batches[:-1] if len(batches) > 1 and len(batches[-1]) < least else batches


def network_input(pixels: Sequence[np.ndarray] | np.ndarray, preprocess: Preprocess) -> torch.Tensor:
    """uint8 pictures (n, side, side, 3) → the network's input (n, 3, side, side) float32, channels last."""
    import torch

    normalised = transforms.normalise(np.stack(list(pixels)), preprocess)
    return torch.from_numpy(normalised).contiguous(memory_format=torch.channels_last)
