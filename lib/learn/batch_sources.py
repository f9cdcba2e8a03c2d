"""Sources of training batches: photos that are augmented anew in each epoch, or frozen features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.errors import DataError
from lib.learn import photo_dataset
from lib.learn.preprocess import Preprocess


@dataclass(frozen=True)
class Source:
    """`count` training photos of classes `labels` (count,), and the network inputs made from them.

    `batches(epoch, passes)` yields one input tensor (n, …) for each array of n photo indices in `passes`.
    """

    count: int
    labels: np.ndarray
    batches: Callable[[int, Sequence[np.ndarray]], Iterator[Any]]


def photo_source(training: photo_dataset.TrainingPhotos, preprocess: Preprocess, device: Any) -> Source:
    """The training photos, augmented anew in each epoch. For a GPU, worker processes prepare them ahead."""
    import os

    import torch

    workers = min(8, os.cpu_count() or 1) if device.type == "cuda" else 0
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (preprocess.mean, preprocess.std))

    def batches(epoch: int, passes: Sequence[np.ndarray]) -> Iterator[Any]:
        loader: Any = torch.utils.data.DataLoader(
            training,  # type: ignore[arg-type]
            batch_sampler=[[(epoch, int(index)) for index in indices] for indices in passes],
            num_workers=workers,
            pin_memory=device.type == "cuda",
            generator=torch.Generator(),
        )
        for pixels in _unwrapped(loader):
            scaled = (pixels.float() / 255 - mean) / std
            yield scaled.contiguous(memory_format=torch.channels_last)

    return Source(len(training), training.photos.labels, batches)


def _unwrapped(loader: Any) -> Iterator[Any]:
    """The pixels of each batch. Raises a worker's DataError with its own one-line message."""
    try:
        for pixels, _ in loader:
            yield pixels
    except DataError as error:  # torch puts the worker's traceback around the message
        raise DataError(str(error).strip().splitlines()[-1].removeprefix("lib.errors.DataError: ")) from error


def feature_source(views: np.ndarray, labels: np.ndarray, seed: int) -> Source:
    """Frozen features (views, n, 512): in each epoch every photo is represented by a random one of its views."""
    import torch

    def batches(epoch: int, passes: Sequence[np.ndarray]) -> Iterator[Any]:
        rng = np.random.default_rng(photo_dataset.derived_seed(seed, "view", epoch))
        view_of_photo = rng.integers(len(views), size=len(labels))
        for indices in passes:
            yield torch.from_numpy(views[view_of_photo[indices], indices])

    return Source(len(labels), labels, batches)
