"""Where the inputs of training come from: photos augmented anew in each epoch, or frozen features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.errors import DataError
from lib.learn import photo_dataset
from lib.learn.backbone import Preprocess


@dataclass(frozen=True)
class Source:
    """Where inputs come from. `batches(epoch, passes)` yields, for each array of places, the input tensor (n, …) of the
    training photos there; `count` is how many there are, `labels` (count,) their classes."""

    count: int
    labels: np.ndarray
    batches: Callable[[int, Sequence[np.ndarray]], Iterator[Any]]


def photo_source(training: photo_dataset.TrainingPhotos, preprocess: Preprocess, device: Any) -> Source:
    """The training photos, augmented anew in each epoch. On a GPU several processes prepare them ahead."""
    import os

    import torch

    workers = min(8, os.cpu_count() or 1) if device.type == "cuda" else 0
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (preprocess.mean, preprocess.std))

    def batches(epoch: int, passes: Sequence[np.ndarray]) -> Iterator[Any]:
        loader: Any = torch.utils.data.DataLoader(
            training,  # type: ignore[arg-type]
            batch_sampler=[[(epoch, int(place)) for place in places] for places in passes],
            num_workers=workers,
            pin_memory=device.type == "cuda",
            generator=torch.Generator(),
        )
        for pixels in _told_plainly(loader):
            scaled = (pixels.float() / 255 - mean) / std
            yield scaled.contiguous(memory_format=torch.channels_last)

    return Source(len(training), training.wanted.labels, batches)


def _told_plainly(loader: Any) -> Iterator[Any]:
    """The pictures of each batch; what a process that prepares them ahead could not do is told in its own sentence."""
    try:
        for pixels, _ in loader:
            yield pixels
    except DataError as error:  # torch wraps the sentence into the other process's traceback
        raise DataError(str(error).strip().splitlines()[-1].removeprefix("lib.errors.DataError: ")) from error


def feature_source(views: np.ndarray, labels: np.ndarray, seed: int) -> Source:
    """Frozen features (views, n, 512): in each epoch every photo is one of its views, by lot."""
    import torch

    def batches(epoch: int, passes: Sequence[np.ndarray]) -> Iterator[Any]:
        chosen = np.random.default_rng(photo_dataset.shuffled(seed, "view", epoch)).integers(
            len(views), size=len(labels)
        )
        for places in passes:
            yield torch.from_numpy(views[chosen[places], places])

    return Source(len(labels), labels, batches)
