"""What is wrong with a data folder: equal pictures, nearly equal pictures, contradicting labels, unreadable files.

`exact` duplicates have equal decoded RGB pixels. `near` ones are the same picture saved smaller or with more loss, or
slightly retouched: their difference hashes (dHash, N. Krawetz 2013: is each pixel of a tiny grey copy darker than its
right neighbour?) are close, and tiny copies of them agree in pattern and in colour. Mirrored, turned, recoloured or
cropped copies are not searched for, and a plain picture without any pattern is never called near to another.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from lib.data import images
from lib.data.catalog import Catalog
from lib.errors import DataError

HASH_SIDE = 16
# Measured on the flowers: JPEGs of quality 20 at half the size differ in up to 51 of 256 bits, 99 in 100 of them in at
# most 36; unrelated pictures in 128 ± 8. The hash only proposes, the two measures below decide.
NEAR_BITS = 40
# Smallest correlation of the steps between neighbours, whose signs are the hash. The same JPEGs have 0.983 and more.
NEAR_PATTERN = 0.98
COLOUR_SIDE = 8
# Largest mean absolute difference of the colour copies, 0–255. The same JPEGs have 3 and less.
NEAR_COLOUR = 10.0
# With fewer steps of at least that many grey levels a picture is flat or smooth, and its hash is noise: it is compared
# with none. The plainest flower has 66 such steps.
PATTERN_STEPS, PATTERN_LEVELS = 16, 3
# Each picture is compared with that many of the closest hashes, so that 10,000 frames of one film make no 10,000²
# pairs: of a larger group of near pictures not every pair is listed.
CANDIDATES = 32
BLOCK = 4096

Progress = Callable[[int, int | None], None]


def audit(catalog: Catalog, progress: Progress | None = None) -> dict[str, Any]:
    """The `audit` document of the command-line contract: `duplicates`, `corrupt`, `images`.

    `distance` is in bits of the difference hash: 0 for exact groups, the largest of the pair for near ones.
    """
    exact = exact_groups(catalog)
    copies = {row for group in exact for row in group[1:]}
    rows = [row for row in range(len(catalog.frame)) if row not in copies]
    near = near_pairs(catalog, rows, progress)
    ids, label = catalog.ids, list(catalog.frame["label"])
    groups = [(group, "exact", 0) for group in exact] + [([a, b], "near", bits) for a, b, bits in near]
    duplicates = [
        {
            "ids": [ids[row] for row in group],
            "labels": [label[row] for row in group],
            "conflict": len({label[row] for row in group}) > 1,
            "kind": kind,
            "distance": bits,
        }
        for group, kind, bits in groups
    ]
    return {"duplicates": duplicates, "corrupt": catalog.skipped, "images": len(catalog.frame)}


def exact_groups(catalog: Catalog) -> list[list[int]]:
    """Rows with equal decoded pixels, one ascending list per picture that occurs more than once."""
    groups: dict[str, list[int]] = {}
    for row, sha256 in enumerate(catalog.frame["sha256"]):
        groups.setdefault(sha256, []).append(row)
    return [group for group in groups.values() if len(group) > 1]


def near_pairs(catalog: Catalog, rows: list[int], progress: Progress | None = None) -> list[tuple[int, int, int]]:
    """Pairs of `rows` that look nearly alike: (lower row, higher row, differing hash bits), in row order.

    Memory: under 1 KB per row, and some 10 MB.
    """
    return pairs_of(_prints(catalog, rows, progress))


@dataclass(frozen=True)
class Prints:
    """What pictures are compared by: rows (n,), hashes (n, 32), grey (n, 272) and colour (n, 192), all uint8."""

    rows: np.ndarray
    hashes: np.ndarray
    grey: np.ndarray
    colour: np.ndarray


def pairs_of(prints: Prints) -> list[tuple[int, int, int]]:
    """What `near_pairs` returns, of pictures that were read already."""
    pairs = set()  # two pictures find each other, both or only one of them
    for one, other, bits in _candidates(prints):
        near = _alike(prints, one, other)
        for a, b, distance in zip(one[near], other[near], bits[near], strict=True):
            low, high = sorted((int(prints.rows[a]), int(prints.rows[b])))
            pairs.add((low, high, int(distance)))
    return sorted(pairs)


def _prints(catalog: Catalog, rows: list[int], progress: Progress | None) -> Prints:
    """The prints of those `rows` that have a pattern and can still be read."""
    found = Prints(
        np.asarray(rows, np.int64),
        np.zeros((len(rows), HASH_SIDE**2 // 8), np.uint8),
        np.zeros((len(rows), HASH_SIDE * (HASH_SIDE + 1)), np.uint8),
        np.zeros((len(rows), COLOUR_SIDE**2 * 3), np.uint8),
    )

    def look(place: int) -> None:
        try:
            image = catalog.open(rows[place])
        except DataError:  # gone or another picture since the catalog was made: it stays without a pattern
            return
        grey = grey_copy(image)
        found.hashes[place], found.grey[place] = difference_hash(grey), grey.reshape(-1)
        found.colour[place] = images.resized(image, COLOUR_SIDE, COLOUR_SIDE).reshape(-1)

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(rows), BLOCK):
            for done, _ in enumerate(pool.map(look, range(start, min(start + BLOCK, len(rows)))), start=start + 1):
                if progress is not None:
                    progress(done, len(rows))
    patterned = np.zeros(len(rows), bool)
    for start in range(0, len(rows), BLOCK):
        high = np.abs(_steps(found.grey[start : start + BLOCK])) >= PATTERN_LEVELS
        patterned[start : start + BLOCK] = high.sum(axis=1) >= PATTERN_STEPS
    return Prints(found.rows[patterned], found.hashes[patterned], found.grey[patterned], found.colour[patterned])


def _candidates(prints: Prints) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Blocks of (place, other place, differing bits), each (m,), of hashes at most NEAR_BITS apart."""
    import faiss

    if not len(prints.rows):
        return
    index = faiss.IndexBinaryFlat(HASH_SIDE**2)
    index.add(prints.hashes)
    for start in range(0, len(prints.rows), BLOCK):
        bits, others = index.search(prints.hashes[start : start + BLOCK], min(CANDIDATES + 1, len(prints.rows)))
        one, column = np.nonzero(bits <= NEAR_BITS)
        other = others[one, column]
        apart = one + start != other
        yield one[apart] + start, other[apart], bits[one, column][apart]


def _alike(prints: Prints, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether the pictures at `one` and `other` agree in pattern and colour, (m,) bool."""
    near = np.zeros(len(one), bool)
    for start in range(0, len(one), BLOCK):
        a, b = one[start : start + BLOCK], other[start : start + BLOCK]
        patterns = (_centred(_steps(prints.grey[a])) * _centred(_steps(prints.grey[b]))).sum(axis=1)
        colours = np.abs(prints.colour[a].astype(np.int16) - prints.colour[b]).mean(axis=1)
        near[start : start + BLOCK] = (patterns >= NEAR_PATTERN) & (colours <= NEAR_COLOUR)
    return near


def _steps(grey: np.ndarray) -> np.ndarray:
    """Differences between neighbours in a row of the grey copies (m, 272): (m, 256) int16."""
    copies = grey.reshape(-1, HASH_SIDE, HASH_SIDE + 1).astype(np.int16)
    return np.diff(copies, axis=2).reshape(len(grey), -1)


def _centred(steps: np.ndarray) -> np.ndarray:
    """Rows of mean 0 and length 1; a constant row becomes zeros."""
    values = steps.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6))


def grey_copy(image: Image.Image) -> np.ndarray:
    """A tiny grey copy of `image`, (16, 17) uint8."""
    return np.asarray(image.convert("L").resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BILINEAR))


def difference_hash(grey: np.ndarray) -> np.ndarray:
    """dHash of a grey copy (16, 17): 256 bits packed into uint8 of shape (32,)."""
    return np.packbits(grey[:, 1:] > grey[:, :-1])
