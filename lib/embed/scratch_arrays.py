"""Scratch float32 arrays for projections: in memory when small, in an unlinked temporary file when large."""

from __future__ import annotations

import os
import tempfile

import numpy as np

# Larger arrays lie in an unlinked file: the system writes its pages out when other programs need the memory, and the
# file disappears with the array.
MOST_BYTES = 100_000_000
_BLOCK = 4_096


def empty_array(shape: tuple[int, ...], most_bytes: int = MOST_BYTES) -> np.ndarray:
    """An uninitialised float32 array. In memory up to `most_bytes`, and where the disk has no room for a larger one."""
    size = int(np.prod(shape)) * 4
    if size <= most_bytes or not hasattr(os, "posix_fallocate"):
        return np.empty(shape, np.float32)
    with tempfile.TemporaryFile() as file:
        try:
            # Writing through a map into a full disk kills the process with a signal. Allocating first raises OSError.
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError:
            return np.empty(shape, np.float32)
        return np.asarray(np.memmap(file, np.float32, "r+", shape=shape))


def unit_rows(values: np.ndarray) -> np.ndarray:
    """Rows of float32 (n, d) scaled to length 1, block by block: bit for bit as all at once, with one copy only."""
    scaled = empty_array(values.shape)
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        length = np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-12)
        np.divide(block, length, out=scaled[start : start + _BLOCK])
    return scaled
