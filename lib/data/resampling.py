"""Pillow's antialiased bilinear resampling in a third of its time, for embedding many photos.

Weights, 22-bit fixed point and the rounding after each of the two passes (columns, then rows) are Pillow's. Pillow 13
resamples rows first where that is much cheaper (a portrait stretched to a square). There the results differ by at most
1 of 255; elsewhere they are equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np
from PIL import Image

# Fixed-point bits of a weight (Pillow, Resample.c: 32 bits less 8 for the pixel and 2 for overshoot).
BITS = 22
# A picture that is first divided by a whole number stays at least this many times the target size.
GAP = 2


def halvings(width: int, height: int, side: int) -> int:
    """The factor (1, 2, 4 or 8) by which a picture may be divided before it is resampled to `side` px.

    The shorter side stays at least `GAP` times `side`, as in Pillow's `thumbnail`.
    """
    room = min(width, height) // (GAP * side)
    return 1 if room < 2 else 2 if room < 4 else 4 if room < 8 else 8


def size(picture: Image.Image | np.ndarray) -> tuple[int, int]:
    """Width and height of an image or of an array (h, w, 3)."""
    return picture.size if isinstance(picture, Image.Image) else (picture.shape[1], picture.shape[0])


def bilinear(picture: Image.Image | np.ndarray, width: int, height: int) -> np.ndarray:
    """`picture` (RGB, or uint8 of shape (h, w, 3)) stretched to `width` × `height`: uint8 (height, width, 3)."""
    from_width, from_height = size(picture)
    if max(from_width / width, from_height / height) > 2:  # transposing a large picture costs more than it saves
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        return np.array(image.resize((width, height), Image.Resampling.BILINEAR))
    import cv2

    # A writable copy, which compiled code and torch need; `asarray` returns Pillow's own memory.
    pixels = np.asarray(picture) if from_width != width else np.array(picture)
    if from_width != width:
        # Both passes combine whole rows, which are contiguous in memory.
        pixels = cv2.transpose(_rows(cv2.transpose(pixels), width))
    return _rows(pixels, height) if from_height != height else pixels


def _rows(pixels: np.ndarray, count: int) -> np.ndarray:
    """`pixels` (h, w, 3) resampled to `count` rows."""
    resampled = np.empty((count, *pixels.shape[1:]), np.uint8)
    kernel()(pixels.reshape(len(pixels), -1), resampled.reshape(count, -1), *_weights(len(pixels), count))
    return resampled


@lru_cache(256)
def _weights(size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights that resample `size` rows to `count` rows.

    Returns the first source row of each new row, (count,) int32, and the weights of it and the next ones, (count, taps)
    int32, padded with 0.
    """
    scale = size / count
    reach = max(scale, 1.0)
    first = np.zeros(count, np.int32)
    weights = np.zeros((count, 2 * math.ceil(reach) + 1), np.int32)
    for row in range(count):
        centre = (row + 0.5) * scale
        first[row] = max(int(centre - reach + 0.5), 0)
        last = min(int(centre + reach + 0.5), size)
        distance = np.abs((np.arange(first[row], last) - centre + 0.5) / reach)
        share = np.maximum(1 - distance, 0)
        weights[row, : len(share)] = (share / share.sum() * (1 << BITS) + 0.5).astype(np.int32)
    return first, weights


@cache
def kernel() -> Callable[..., None]:
    """The compiled `_combine`: compiled once per machine (a second), then loaded from numba's cache."""
    import numba

    compiled: Any = numba.njit("void(uint8[:,::1], uint8[:,::1], int32[::1], int32[:,::1])", cache=True, nogil=True)
    return compiled(_combine)  # type: ignore[no-any-return]


def _combine(source: Any, target: Any, first: Any, weights: Any) -> None:
    """Write weighted sums of rows of `source` to the rows of `target`."""
    total = np.empty(source.shape[1], np.int32)
    half = np.int32(1 << (BITS - 1))
    for row in range(target.shape[0]):
        total[:] = half
        for tap in range(weights.shape[1]):
            weight = weights[row, tap]
            if weight != 0:
                line = source[first[row] + tap]
                for column in range(line.shape[0]):
                    total[column] += np.int32(line[column]) * weight
        for column in range(total.shape[0]):
            target[row, column] = np.uint8(total[column] >> BITS)
