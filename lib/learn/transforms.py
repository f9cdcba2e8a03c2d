"""From photo to network input: the evaluation transform, and the augmenting transform of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from lib.data import images, resampling
from lib.learn.preprocess import BICUBIC, Preprocess

if TYPE_CHECKING:
    from torchvision.transforms import v2

# Highest aspect ratio; the ends of longer pictures are cut off.
MAX_ASPECT = 8


def resize(image: Image.Image, preprocess: Preprocess) -> np.ndarray:
    """`image` at the network's input size: uint8 of shape (side, side, 3), by PIL's antialiased resampling."""
    if len(preprocess.resize) == 1:
        image = _within_aspect(image)
    width, height = _stretched(*image.size, preprocess)
    if preprocess.interpolation == BICUBIC:
        return _cropped(_bicubic(image, width, height), preprocess)
    return _cropped(images.resized(image, width, height), preprocess)


def _bicubic(picture: Image.Image | np.ndarray, width: int, height: int) -> np.ndarray:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    return np.array(image.resize((width, height), Image.Resampling.BICUBIC), dtype=np.uint8)


def _stretched(width: int, height: int, preprocess: Preprocess) -> tuple[int, int]:
    """Width and height of a picture after resizing, before the crop."""
    if len(preprocess.resize) == 2:
        return preprocess.resize[1], preprocess.resize[0]
    # Rounded down on the longer side, as torchvision does.
    short = preprocess.resize[0]
    longer = int(short * max(width, height) / min(width, height))
    return (short, longer) if width <= height else (longer, short)


def _cropped(small: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    height, width = small.shape[:2]
    if preprocess.crop is not None:
        left, top = round((width - preprocess.crop) / 2), round((height - preprocess.crop) / 2)
        small = np.ascontiguousarray(small[top : top + preprocess.crop, left : left + preprocess.crop])
    return small


def shrink(picture: Image.Image | np.ndarray, preprocess: Preprocess) -> np.ndarray:
    """As `resize`, but faster, for embedding: a picture of more than four times the size is divided by 2, 4 or 8 first.

    `images.open_rgb` does the same while it decodes a JPEG. `picture` is an RGB image or its uint8 pixels (h, w, 3).
    """
    width, height = resampling.size(picture)
    factor = resampling.halvings(width, height, preprocess.short)
    if factor > 1 or (len(preprocess.resize) == 1 and max(width, height) > MAX_ASPECT * min(width, height)):
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        image = image.reduce(factor) if factor > 1 else image
        picture = _within_aspect(image) if len(preprocess.resize) == 1 else image
    resample = _bicubic if preprocess.interpolation == BICUBIC else resampling.bilinear
    return _cropped(resample(picture, *_stretched(*resampling.size(picture), preprocess)), preprocess)


def seen(width: int, height: int, preprocess: Preprocess) -> tuple[float, float, float, float]:
    """The part of a picture that the network sees: left, top, right and bottom in percent of its width and height."""
    kept_w, kept_h = width, height
    if len(preprocess.resize) == 1:
        kept_w, kept_h = min(width, MAX_ASPECT * height), min(height, MAX_ASPECT * width)
    wide, high = _stretched(kept_w, kept_h, preprocess)
    ends = []
    for whole, kept, resized in ((width, kept_w, wide), (height, kept_h, high)):
        crop = preprocess.crop if preprocess.crop is not None else resized
        # As `_within_aspect` and `_cropped` round.
        first, offset = (whole - kept) // 2, round((resized - crop) / 2)
        ends.append([100 * (first + at * kept / resized) / whole for at in (offset, offset + crop)])
    (left, right), (top, bottom) = ends
    return left, top, right, bottom


def _within_aspect(image: Image.Image, most: int = MAX_ASPECT) -> Image.Image:
    """The middle of a very long picture. The centre crop removes the rest anyway, after an enlargement of gigabytes."""
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
    """The training transform before normalisation: random resized crop, random mirroring, and a policy of distortions.

    It takes an RGB PIL image and returns one of `side` px; its random numbers come from torch's global generator.
    `crop` is the smallest share of the area that a crop keeps. Policies: "trivial" (TrivialAugmentWide, Müller and
    Hutter 2021), "light" (mild colour jitter), "none".
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
    """`image` with its shorter side reduced to at most `short` px: uint8 (h, w, 3), from which crops are cut."""
    image = _within_aspect(image)
    share = short / min(image.size)
    if share < 1:
        width, height = (max(short, round(share * side)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.array(image, dtype=np.uint8)
