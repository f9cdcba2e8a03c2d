"""A batch of photos at each step from file to normalised tensor, for display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from lib.learn import transforms
from lib.learn.preprocess import Preprocess


@dataclass(frozen=True)
class Batch:
    """One batch of n photos.

    `originals` and `augmented` are RGB images, `resized` is (n, side, side, 3) uint8, and `normalised` is the network's
    input in evaluation, (n, 3, side, side) float32.
    """

    originals: list[Image.Image]
    resized: np.ndarray
    augmented: list[Image.Image]
    normalised: np.ndarray


def batch(photos: Sequence[Image.Image], preprocess: Preprocess, seed: int) -> Batch:
    """Every step for upright RGB `photos`; `seed` fixes the random augmentation."""
    import torch

    resized = np.stack([transforms.resize(image, preprocess) for image in photos])
    augment = transforms.augment(preprocess.input_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        augmented = [augment(image) for image in photos]
    return Batch(list(photos), resized, augmented, transforms.normalise(resized, preprocess))


def viewable(tensor: np.ndarray) -> Image.Image:
    """One normalised photo (3, h, w) as an image, scaled so that its lowest value is black and its highest white."""
    low, high = float(tensor.min()), float(tensor.max())
    scaled = (tensor - low) / max(high - low, 1e-9) * 255
    return Image.fromarray(scaled.transpose(1, 2, 0).round().astype(np.uint8))
