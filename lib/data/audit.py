"""The quality of a data set: exact and near duplicates, conflicting labels, unreadable files.

Exact duplicates have equal decoded RGB pixels. Near duplicates are one picture saved smaller, with more loss, or
slightly retouched. Their difference hashes are close (dHash, N. Krawetz 2013: is each pixel of a tiny grey copy darker
than its right neighbour?), and tiny copies of them agree in pattern and in colour. Mirrored, turned, recoloured or
cropped copies are not detected. A plain picture without a pattern is never a near duplicate.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from PIL import Image

from lib.data import images
from lib.data.catalog import Catalog
from lib.documents.prepare import AuditDocument, DuplicateGroup, SkippedFile
from lib.errors import DataError
from lib.progress import Progress, no_progress

HASH_SIDE = 16
# Largest number of differing hash bits of a candidate pair; the two measures below decide. Measured on the flowers:
# JPEGs of quality 20 at half the size differ in up to 51 of 256 bits, 99 % of them in at most 36; unrelated pictures
# differ in 128 ± 8.
NEAR_BITS = 40
# Smallest correlation of the steps between neighbours, whose signs are the hash. The same JPEGs have at least 0.983.
NEAR_PATTERN = 0.98
COLOUR_SIDE = 8
# Largest mean absolute difference of the colour copies, 0–255. The same JPEGs have at most 3.
NEAR_COLOUR = 10.0
# A picture with fewer than PATTERN_STEPS steps of at least PATTERN_LEVELS grey levels is flat or smooth. Its hash is
# noise, so it is left out. The plainest flower has 66 such steps.
PATTERN_STEPS, PATTERN_LEVELS = 16, 3
# Each picture is compared with this many of the closest hashes, so 10,000 frames of a film do not yield 10,000² pairs;
# larger groups of near duplicates are not listed completely.
CANDIDATES = 32
BLOCK = 4096
# The ids of a group of duplicates, its kind, and the number of differing bits of the difference hashes.
Group = tuple[list[str], Literal["exact", "near"], int]


def audit(catalog: Catalog, progress: Progress = no_progress) -> AuditDocument:
    """The `audit` document of the command-line contract: `duplicates`, `corrupt`, `images`.

    `distance` is the number of differing bits of the difference hashes, 0 for exact duplicates.
    """
    exact = exact_groups(catalog)
    copies = {row for group in exact for row in group[1:]}
    rows = [row for row in range(len(catalog.frame)) if row not in copies]
    near = near_pairs(catalog, rows, progress)
    ids = catalog.ids
    groups: list[Group] = [([ids[row] for row in group], "exact", 0) for group in exact]
    return document(catalog, [*groups, *(([ids[a], ids[b]], "near", bits) for a, b, bits in near)])


def document(catalog: Catalog, groups: Iterable[Group]) -> AuditDocument:
    """The `audit` document of groups of ids, with the labels of the catalog."""
    labels = dict(zip(catalog.ids, catalog.labels, strict=True))
    duplicates: list[DuplicateGroup] = [
        {
            "ids": ids,
            "labels": [labels[image_id] for image_id in ids],
            "conflict": len({labels[image_id] for image_id in ids}) > 1,
            "kind": kind,
            "distance": bits,
        }
        for ids, kind, bits in groups
    ]
    return {
        "duplicates": duplicates,
        "corrupt": cast("list[SkippedFile]", catalog.skipped),
        "images": len(catalog.frame),
    }


def exact_groups(catalog: Catalog) -> list[list[int]]:
    """Groups of rows with equal pixels: an ascending list for each picture that occurs more than once."""
    groups: dict[str, list[int]] = {}
    for row, sha256 in enumerate(catalog.frame["sha256"]):
        groups.setdefault(sha256, []).append(row)
    return [group for group in groups.values() if len(group) > 1]


def near_pairs(catalog: Catalog, rows: list[int], progress: Progress = no_progress) -> list[tuple[int, int, int]]:
    """Near duplicates among `rows`: (lower row, higher row, differing hash bits), in row order.

    Memory: less than 1 KB per row, and about 10 MB.
    """
    return pairs_of(_prints(catalog, rows, progress))


@dataclass(frozen=True)
class Prints:
    """The features that pictures are compared by.

    Shapes: `rows` (n,) int64; `hashes` (n, 32), `grey` (n, 272) and `colour` (n, 192) uint8.
    """

    rows: np.ndarray
    hashes: np.ndarray
    grey: np.ndarray
    colour: np.ndarray


def pairs_of(prints: Prints) -> list[tuple[int, int, int]]:
    """The result of `near_pairs` for pictures whose prints were computed before."""
    pairs = set()  # a pair is a candidate of both its pictures, or of one of them
    for first, second, bits in _candidates(prints):
        near = _are_near(prints, first, second)
        for a, b, distance in zip(first[near], second[near], bits[near], strict=True):
            low, high = sorted((int(prints.rows[a]), int(prints.rows[b])))
            pairs.add((low, high, int(distance)))
    return sorted(pairs)


def _prints(catalog: Catalog, rows: list[int], progress: Progress) -> Prints:
    """The prints of those `rows` that are readable and have a pattern."""
    prints = Prints(
        np.asarray(rows, np.int64),
        np.zeros((len(rows), HASH_SIDE**2 // 8), np.uint8),
        np.zeros((len(rows), HASH_SIDE * (HASH_SIDE + 1)), np.uint8),
        np.zeros((len(rows), COLOUR_SIDE**2 * 3), np.uint8),
    )

    def read(place: int) -> None:
        try:
            image = catalog.picture(rows[place])
        except DataError:  # deleted or replaced since the catalog was built: its print stays without a pattern
            return
        grey = grey_copy(image)
        prints.hashes[place], prints.grey[place] = difference_hash(grey), grey.reshape(-1)
        prints.colour[place] = images.resized(image, COLOUR_SIDE, COLOUR_SIDE).reshape(-1)

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(rows), BLOCK):
            for done, _ in enumerate(pool.map(read, range(start, min(start + BLOCK, len(rows)))), start=start + 1):
                progress(done, len(rows))
    patterned = np.zeros(len(rows), bool)
    for start in range(0, len(rows), BLOCK):
        high = np.abs(_steps(prints.grey[start : start + BLOCK])) >= PATTERN_LEVELS
        patterned[start : start + BLOCK] = high.sum(axis=1) >= PATTERN_STEPS
    return Prints(prints.rows[patterned], prints.hashes[patterned], prints.grey[patterned], prints.colour[patterned])


def _candidates(prints: Prints) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Blocks of candidate pairs at most NEAR_BITS apart: (place, other place, differing bits), each of shape (m,)."""
    import faiss

    if not len(prints.rows):
        return
    index = faiss.IndexBinaryFlat(HASH_SIDE**2)
    index.add(prints.hashes)
    for start in range(0, len(prints.rows), BLOCK):
        bits, others = index.search(prints.hashes[start : start + BLOCK], min(CANDIDATES + 1, len(prints.rows)))
        first, column = np.nonzero(bits <= NEAR_BITS)
        second = others[first, column]
        distinct = first + start != second
        yield first[distinct] + start, second[distinct], bits[first, column][distinct]


def _are_near(prints: Prints, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Whether the pictures at the places `first` and `second` agree in pattern and colour: (m,) bool."""
    near = np.zeros(len(first), bool)
    for start in range(0, len(first), BLOCK):
        a, b = first[start : start + BLOCK], second[start : start + BLOCK]
        patterns = (_centred(_steps(prints.grey[a])) * _centred(_steps(prints.grey[b]))).sum(axis=1)
        colours = np.abs(prints.colour[a].astype(np.int16) - prints.colour[b]).mean(axis=1)
        near[start : start + BLOCK] = (patterns >= NEAR_PATTERN) & (colours <= NEAR_COLOUR)
    return near


def _steps(grey: np.ndarray) -> np.ndarray:
    """Differences between neighbours in a row of the grey copies (m, 272): (m, 256) int16."""
    copies = grey.reshape(-1, HASH_SIDE, HASH_SIDE + 1).astype(np.int16)
    return np.diff(copies, axis=2).reshape(len(grey), -1)


def _centred(steps: np.ndarray) -> np.ndarray:
    """Rows shifted to mean 0 and scaled to length 1; constant rows become zeros."""
    values = steps.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6))


def grey_copy(image: Image.Image) -> np.ndarray:
    """A tiny grey copy of `image`: (16, 17) uint8."""
    return np.asarray(image.convert("L").resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BILINEAR))


def difference_hash(grey: np.ndarray) -> np.ndarray:
    """dHash of a grey copy (16, 17): 256 bits packed into uint8 of shape (32,)."""
    return np.packbits(grey[:, 1:] > grey[:, :-1])
