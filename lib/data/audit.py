"""What is wrong with a data folder: equal pictures, nearly equal pictures, contradicting labels, unreadable files.

`exact` duplicates have equal decoded RGB pixels. `near` ones differ in at most `NEAR_BITS` of the 256 bits of a
difference hash (dHash, N. Krawetz 2013: is each pixel of a tiny grey copy brighter than its left neighbour?) and look
alike in a small colour copy too; mirrored, recoloured or cropped copies are not searched for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from PIL import Image

from lib.data import images
from lib.data.catalog import Catalog
from lib.errors import ImageError

HASH_SIDE = 16
NEAR_BITS = 10
COLOUR_SIDE = 8
# Mean absolute difference of the colour copies, 0–255: dHash sees no colour and is blind in flat areas.
NEAR_COLOUR = 10.0
# Compared in blocks of rows, so that 100,000 pictures need some hundred MB and not 100,000² of anything.
BLOCK = 512

Progress = Callable[[int, int | None], None]


def audit(catalog: Catalog, progress: Progress | None = None) -> dict[str, Any]:
    """The `audit` document of the command-line contract: `duplicates`, `corrupt`, `images`.

    `distance` is in bits of the difference hash: 0 for exact groups, the largest of the pair for near ones.
    """
    exact = exact_groups(catalog)
    rows = sorted({group[0] for group in exact} | set(_single_rows(catalog, exact)))
    near = near_pairs(catalog, rows, progress)
    label = list(catalog.frame["label"])
    groups = [(group, "exact", 0) for group in exact] + [([a, b], "near", bits) for a, b, bits in near]
    duplicates = [
        {
            "ids": [catalog.ids[row] for row in group],
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


def _single_rows(catalog: Catalog, exact: list[list[int]]) -> set[int]:
    return set(range(len(catalog.frame))) - {row for group in exact for row in group}


def near_pairs(catalog: Catalog, rows: list[int], progress: Progress | None = None) -> list[tuple[int, int, int]]:
    """Pairs of `rows` that look nearly alike: (lower row, higher row, differing hash bits), in row order."""
    hashes, colours = (
        np.zeros((len(rows), HASH_SIDE**2 // 8), np.uint8),
        np.zeros((len(rows), COLOUR_SIDE**2 * 3), np.int16),
    )
    usable = np.zeros(len(rows), bool)
    ids = catalog.ids

    def look(place: int) -> None:
        try:
            image = images.open_rgb(catalog.path(ids[rows[place]]))
        except ImageError:  # gone or changed since the catalog was made: the next `prepare` says so
            return
        hashes[place], colours[place] = difference_hash(image), _colours(image)
        usable[place] = True

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for done, _ in enumerate(pool.map(look, range(len(rows))), start=1):
            if progress is not None:
                progress(done, len(rows))
    pairs = []
    for start in range(0, len(rows), BLOCK):
        block = slice(start, start + BLOCK)
        bits = _hamming(hashes[block], hashes[start:])
        for one, other in zip(*np.nonzero(bits <= NEAR_BITS), strict=True):
            a, b = start + int(one), start + int(other)
            alike = a < b and usable[a] and usable[b]
            if alike and np.abs(colours[a] - colours[b]).mean() <= NEAR_COLOUR:
                pairs.append((rows[a], rows[b], int(bits[one, other])))
    return sorted(pairs)


def difference_hash(image: Image.Image) -> np.ndarray:
    """dHash of `image`: 256 bits packed into uint8 of shape (32,)."""
    grey = np.asarray(image.convert("L").resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BILINEAR), np.int16)
    return np.packbits(grey[:, 1:] > grey[:, :-1])


def _colours(image: Image.Image) -> np.ndarray:
    return images.resized(image, COLOUR_SIDE, COLOUR_SIDE).reshape(-1).astype(np.int16)


def _hamming(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Differing bits between the packed rows of `one` (m, b) and `other` (n, b): (m, n) uint16."""
    words_one, words_other = (np.ascontiguousarray(part).view(np.uint64) for part in (one, other))
    total = np.zeros((len(one), len(other)), np.uint16)
    for column in range(words_one.shape[1]):
        total += np.bitwise_count(words_one[:, column, None] ^ words_other[None, :, column])
    return total
