"""Vectors to search, and the quantities that searches derive from them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from lib.errors import QueryError, Remedy
from lib.search.blocks import BLOCK, by_blocks, slices
from lib.search.metrics import Array, Floats, centred, metric

RECENT = 16  # pixel queries whose squared distances a gallery caches


@dataclass(eq=False)
class Gallery:
    """Vectors to search, perhaps memory-mapped. Derived quantities are computed at first use, once.

    Construct one with `gallery`, which checks the vectors. Safe to share between threads.
    """

    vectors: Array
    _derived: dict[str, Any] = field(default_factory=dict, repr=False)
    _recent: dict[bytes, Array] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dimension(self) -> int:
        """Numbers in a vector, d."""
        return int(self.vectors.shape[1])

    @property
    def pixels(self) -> bool:
        """Whether these are uint8 pixels rather than float32 features."""
        return self.vectors.dtype == np.uint8

    def unit(self, centre: bool) -> Array:
        """Features scaled to length 1, float32 (n, d), each less its own mean first if `centre`."""
        return self._once(
            f"unit {centre}", lambda: by_blocks(lambda x: unit_vectors(x, centre).astype(np.float32), self.vectors)
        )

    def sums(self) -> Array:
        """Each row's sum, int64 (n,), of pixels."""
        return self._once("sums", lambda: pixel_sums(self.vectors))

    def squares(self) -> Array:
        """Each row's squared length (n,): int64 of pixels, float64 of features."""
        compute = pixel_squares if self.pixels else partial(by_blocks, feature_squares)
        return self._once("squares", lambda: compute(self.vectors))

    def undefined(self, name: str) -> Array:
        """Whether a row has no value with any vector under the metric `name`, (n,); then it is no result."""
        compute = metric(name).undefined
        if compute is None:
            return np.zeros(len(self), dtype=bool)
        return self._once(f"undefined {name}", lambda: by_blocks(compute, self.vectors))

    @property
    def whole(self) -> bool:
        """Whether all numbers are small whole numbers, as bits and 8-bit codes are: sums of their differences are
        exact in float64."""
        return bool(self._once("whole", lambda: np.asarray(_are_whole(self.vectors))))

    def apart(self, query: Array) -> Array:
        """Squared distances of all rows of pixels to one query (d,), int64 (n,), cached for the last few queries:
        several metrics derive from them, and are mostly computed one after the other."""
        key = hashlib.sha256(query.tobytes()).digest()
        with self._lock:
            squared = self._recent.pop(key, None)
        if squared is None:
            squared = by_blocks(lambda x: pixel_distances(x, query[None], squared=True)[:, 0], self.vectors)
        with self._lock:
            self._recent[key] = squared
            while len(self._recent) > RECENT:
                del self._recent[next(iter(self._recent))]
        return squared

    def _once(self, name: str, compute: Callable[[], Array]) -> Array:
        with self._lock:
            if name not in self._derived:
                self._derived[name] = compute()
            derived: Array = self._derived[name]
            return derived


def gallery(vectors: Array) -> Gallery:
    """A gallery of float32 features or uint8 pixels (n, d). Raises QueryError for anything else, NaN and infinity."""
    if vectors.ndim != 2 or vectors.shape[1] == 0 or vectors.dtype not in (np.uint8, np.float32):
        raise QueryError(
            f"A gallery is a table of float32 features or uint8 pixels, not {vectors.dtype} of shape {vectors.shape}",
            remedy=Remedy.PREPARE,
        )
    contiguous = np.ascontiguousarray(vectors)
    blocks = slices(len(contiguous), BLOCK)
    if contiguous.dtype == np.float32 and not all(np.isfinite(contiguous[block]).all() for block in blocks):
        raise QueryError("The gallery holds NaN or infinite features", remedy=Remedy.PREPARE)
    return Gallery(contiguous)


def _are_whole(vectors: Array) -> bool:
    """Whether every number is whole and at most 2^15 by size; stops at the first block that has another one."""
    return all(
        bool((part == np.rint(part)).all() and (np.abs(part) <= 2.0**15).all())
        for part in (vectors[block] for block in slices(len(vectors), BLOCK))
    )


def unit_vectors(vectors: Array, centre: bool) -> Floats:
    """Vectors scaled to length 1, float64 (n, d), first less their own mean if `centre`; a zero vector stays zero."""
    x = centred(vectors) if centre else vectors.astype(np.float64)
    length = np.sqrt(feature_squares(x))[:, None]
    unit: Floats = np.divide(x, length, out=np.zeros_like(x), where=length > 0)
    return unit


def feature_squares(vectors: Array) -> Floats:
    """Squared lengths of features, float64 (n,)."""
    squares: Floats = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    return squares


def pixel_distances(part: Array, queries: Array, *, squared: bool) -> Array:
    """Summed absolute or squared differences of uint8 rows (n, d) and (q, d), exact, int64 (n, q)."""
    import cv2

    kind = cv2.NORM_L2SQR if squared else cv2.NORM_L1
    step = 2**15 if squared else 2**22  # columns whose sum stays below 2^31 at 255² or 255 each
    total = np.zeros((len(part), len(queries)), dtype=np.int64)
    for group in slices(len(queries), 16):  # few enough to stay in cache while every gallery row is compared
        for columns in slices(part.shape[1], step):
            probes = queries[group, columns]
            # In Python, OpenCV returns distances only sorted, with their indices: with K = all, and put back in
            # place, they are the full table.
            nearest, index = cv2.batchDistance(part[:, columns], probes, cv2.CV_32S, normType=kind, K=len(probes))
            table = np.empty(nearest.shape, dtype=np.int64)
            np.put_along_axis(table, np.asarray(index, dtype=np.int64), nearest, axis=1)
            total[:, group] += table
    return total


def pixel_sums(vectors: Array) -> Array:
    """Sums of uint8 rows, exact, int64 (n,)."""
    return pixel_distances(vectors, np.zeros((1, vectors.shape[1]), dtype=np.uint8), squared=False)[:, 0]


def pixel_squares(vectors: Array) -> Array:
    """Squared lengths of uint8 rows, exact, int64 (n,)."""
    return pixel_distances(vectors, np.zeros((1, vectors.shape[1]), dtype=np.uint8), squared=True)[:, 0]
