"""From photo to network input: the evaluation transform and, beside it, the augmenting one for training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from lib.data import images, resampling
from lib.learn.backbone import Preprocess

if TYPE_CHECKING:
    from torchvision.transforms import v2


Stretch = Callable[[Image.Image, int, int], np.ndarray]


def resize(image: Image.Image, preprocess: Preprocess, stretch: Stretch = images.resized) -> np.ndarray:
    """`image` at the network's input size: uint8 of shape (side, side, 3), by PIL's antialiased bilinear resampling.

    `stretch` does the resampling, to a width and a height.
    """
    if len(preprocess.resize) == 2:
        height, width = preprocess.resize
    else:
        image = _within_aspect(image)
        # Rounded down on the longer side, as torchvision does.
        short = preprocess.resize[0]
        portrait = image.width <= image.height
        longer = int(short * max(image.size) / min(image.size))
        width, height = (short, longer) if portrait else (longer, short)
    small = stretch(image, width, height)
    if preprocess.crop is not None:
        left, top = round((width - preprocess.crop) / 2), round((height - preprocess.crop) / 2)
        small = np.ascontiguousarray(small[top : top + preprocess.crop, left : left + preprocess.crop])
    return small


def shrink(image: Image.Image, preprocess: Preprocess) -> np.ndarray:
    """As `resize`, for photos that are embedded: faster, and a picture of more than four times the size is divided by
    2, 4 or 8 first, as `images.open_rgb` does with a JPEG of which so little is needed."""
    factor = resampling.halvings(*image.size, preprocess.short)
    return resize(image.reduce(factor) if factor > 1 else image, preprocess, resampling.bilinear)


def _within_aspect(image: Image.Image, most: int = 8) -> Image.Image:
    """The middle of a very long picture: the rest would be cropped off anyway, after taking gigabytes to enlarge."""
    width, height = image.size
    if max(width, height) <= most * min(width, height):
        return image
    keep_w, keep_h = min(width, most * height), min(height, most * width)
    left, top = (width - keep_w) // 2, (height - keep_h) // 2
    return image.crop((left, top, left + keep_w, top + keep_h))


def normalise(batch: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    """uint8 (n, h, w, 3) → float32 (n, 3, h, w): to 0–1, minus mean, divided by standard deviation per channel."""
    mean, std = (np.asarray(values, np.float32) for values in (preprocess.mean, preprocess.std))
    scaled = (batch.astype(np.float32) / np.float32(255) - mean) / std
    return scaled.transpose(0, 3, 1, 2)


def augment(side: int, crop: float = 0.35, policy: str = "trivial") -> v2.Transform:
    """The training transform before normalisation: random resized crop, mirror image, and a policy of distortions.

    Takes an RGB PIL image and gives one of `side` px; draws from torch's global generator.
    `crop` is the least share of the area that is kept. Policies: "trivial" (TrivialAugmentWide, Müller and Hutter
    2021), "light" (mild colour jitter), "none".
    """
    from torchvision.transforms import v2

    steps: list[v2.Transform] = [
        v2.RandomResizedCrop(side, scale=(crop, 1.0), antialias=True),
        v2.RandomHorizontalFlip(),
    ]
    if policy == "trivial":
        steps.append(v2.TrivialAugmentWide(interpolation=v2.InterpolationMode.BILINEAR))
    elif policy == "light":
        steps.append(v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2))
    return v2.Compose(steps)


def shorten(image: Image.Image, short: int) -> np.ndarray:
    """`image` with its shorter side at most `short` px, never enlarged: uint8 (h, w, 3), what crops are cut from."""
    image = _within_aspect(image)
    share = short / min(image.size)
    if share < 1:
        width, height = (max(short, round(share * side)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.array(image, dtype=np.uint8)
