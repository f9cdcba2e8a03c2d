"""Copies of vectors, of which laying out very many of them takes several."""

from __future__ import annotations

import os
import tempfile

import numpy as np

# Up to this many bytes memory is taken. What is more lies in a file without a name: the system writes its pages out
# when something else needs the memory, and the file is gone with the array.
MOST_BYTES = 100_000_000
_BLOCK = 4_096


def room(shape: tuple[int, ...], most_bytes: int = MOST_BYTES) -> np.ndarray:
    """An array of float32, not filled. Where the disk has no room for it either, it is memory after all."""
    size = int(np.prod(shape)) * 4
    if size <= most_bytes or not hasattr(os, "posix_fallocate"):
        return np.empty(shape, np.float32)
    with tempfile.TemporaryFile() as file:
        try:
            # Writing through a map into a full disk kills the process with a signal, so the disk is asked first.
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError:
            return np.empty(shape, np.float32)
        return np.asarray(np.memmap(file, np.float32, "r+", shape=shape))


def unit(values: np.ndarray) -> np.ndarray:
    """Each row of float32 (n, d) at length 1, block by block: equal to the bit to all at once, without more copies."""
    made = room(values.shape)
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        length = np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-12)
        np.divide(block, length, out=made[start : start + _BLOCK])
    return made
