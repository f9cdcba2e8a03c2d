"""Near-duplicates: images of which one is a re-encoded, resized, brightened or cropped copy of the other.

Candidates are the images with similar vectors; a pair is a near-duplicate when one picture, or a window of it, equals
the other up to brightness and contrast (`lib.data.overlap`). Turned, mirrored and recoloured copies are not found.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

import numpy as np

from lib import artifacts
from lib.data import images, overlap
from lib.data.catalog import Catalog
from lib.progress import Progress, no_progress
from lib.search.neighbourhoods import Neighbourhoods

SCHEMA = 1
FOLDER = "near-duplicates"
# Neighbours of each image that are compared with it, and their smallest cosine. Measured on 1,000 of the flowers with
# 50 planted copies: each copy was the nearest neighbour of its original, and the least similar had 0.75.
NEIGHBOURS, LEAST_COSINE = 3, 0.7
# The smallest correlation of a near-duplicate with a window, and as a whole. Of the planted crops the least similar had
# 0.954, of the planted photos of much more brightness, whose light parts are cut off, 0.924. Unrelated photos reached
# 0.945 and 0.89; what lies above and had not been planted were photos of one scene.
LEAST_WINDOW, LEAST_WHOLE = 0.95, 0.92
SIDE = 128  # px of the stretched pictures that are compared: the side of the space of raw pixels
BLOCK = 4096  # pairs compared at a time: their pictures take up to 130 MB


class NearPair(TypedDict):
    """Two images, the cosine of their vectors, and the larger correlation of `overlap`."""

    ids: tuple[str, str]
    cosine: float
    correlation: float


class NearDuplicatesRecord(TypedDict):
    """The near-duplicates of a data set as kept in a file, with their provenance."""

    space: str
    space_fingerprint: str
    data_fingerprint: str
    pairs: list[NearPair]
    candidates: int
    neighbours: int
    least_cosine: float
    least_window: float
    least_whole: float
    schema: int
    libraries: dict[str, str]
    seconds: float
    made: str


@dataclass(frozen=True)
class Source:
    """What near-duplicates are found by: a space's name, fingerprint and neighbourhoods, row for row with a catalog.

    `stretched` returns pictures of catalog rows as uint8 (m, 128, 128, 3).
    """

    space: str
    fingerprint: str
    neighbourhoods: Neighbourhoods
    stretched: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of catalog rows (p, 2) with equal or nearly equal pictures, lower row first, in row order.

    `correlation` (p,) is that of `NearPair`, 1 for equal pixels. `record` has the pairs that were found by their
    vectors, and how.
    """

    rows: np.ndarray
    correlation: np.ndarray
    record: NearDuplicatesRecord

    def groups(self, catalog: Catalog) -> np.ndarray:
        """A number for each catalog row, equal for rows that near-duplicates connect: (n,) int64."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        n = len(catalog.frame)
        pairs = coo_array((np.ones(len(self.rows)), (self.rows[:, 0], self.rows[:, 1])), shape=(n, n))
        return np.asarray(connected_components(pairs, directed=False)[1], np.int64)

    def leaks(self, catalog: Catalog) -> np.ndarray:
        """Places in `rows` of the pairs of a test image and an image of another split: (m,) int64."""
        test = (catalog.frame["split"] == "test").to_numpy()
        return np.nonzero(test[self.rows[:, 0]] != test[self.rows[:, 1]])[0]


def file_in(folder: Path, space_folder: str, fingerprint: str) -> Path:
    """The file of the near-duplicates of a space, whether it exists or not; its name is a hash of all inputs."""
    thresholds = (NEIGHBOURS, LEAST_COSINE, LEAST_WINDOW, LEAST_WHOLE, overlap.COARSE, overlap.SIZES, overlap.AROUND)
    key = artifacts.digest("petalscope-near-duplicates", SCHEMA, fingerprint, *thresholds)[:8]
    return folder / FOLDER / f"{Path(space_folder).name}-{key}.json"


def load(file: Path, catalog: Catalog) -> NearDuplicates | None:
    """The near-duplicates that a file holds, as rows of `catalog`; None when there is no file.

    Raises ArtifactError when the file is damaged.
    """
    record = artifacts.read_json(file)
    if record is None:
        return None
    if not isinstance(record.get("pairs"), list):
        raise artifacts.damaged_file_error(file)
    return _with_copies(cast("NearDuplicatesRecord", record), catalog)


def compute(file: Path, catalog: Catalog, source: Source, progress: Progress = no_progress) -> NearDuplicates:
    """Find the near-duplicates among the images of `catalog` and write them to `file`.

    `progress` receives (pairs compared, candidates). Raises DataError when a picture cannot be read any more.
    """
    start = time.perf_counter()
    pairs, cosines = _candidates(source.neighbourhoods)
    whole, window = _correlations(catalog, source, pairs, progress)
    ids = catalog.ids
    near = np.nonzero((window >= LEAST_WINDOW) | (whole >= LEAST_WHOLE))[0]
    record: NearDuplicatesRecord = {
        "space": source.space,
        "space_fingerprint": source.fingerprint,
        "data_fingerprint": catalog.fingerprint,
        "pairs": [
            {
                "ids": (ids[pairs[place, 0]], ids[pairs[place, 1]]),
                "cosine": round(float(cosines[place]), 4),
                "correlation": round(float(window[place]), 4),
            }
            for place in near
        ],
        "candidates": len(pairs),
        "neighbours": NEIGHBOURS,
        "least_cosine": LEAST_COSINE,
        "least_window": LEAST_WINDOW,
        "least_whole": LEAST_WHOLE,
        "schema": SCHEMA,
        "libraries": artifacts.library_versions(),
        "seconds": round(time.perf_counter() - start, 3),
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    artifacts.write_json(file, record)
    return _with_copies(record, catalog)


def shared_splits(catalog: Catalog, groups: np.ndarray) -> list[str]:
    """The split of each catalog row when near-duplicates share one: that of the group's smallest pixel hash.

    `groups` (n,) are `NearDuplicates.groups`. A group of one keeps its split.
    """
    splits, hashes = list(catalog.frame["split"]), catalog.hashes
    first: dict[int, int] = {}
    for row, group in enumerate(groups.tolist()):
        if group not in first or hashes[row] < hashes[first[group]]:
            first[group] = row
    return [str(splits[first[group]]) for group in groups.tolist()]


def _candidates(neighbourhoods: Neighbourhoods) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of rows (p, 2), lower first, of images and their nearest neighbours, and their cosines (p,)."""
    rows = neighbourhoods.rows["cosine"][:, :NEIGHBOURS]
    values = neighbourhoods.values["cosine"][:, :NEIGHBOURS]
    image, place = np.nonzero((rows >= 0) & (values >= LEAST_COSINE))
    pairs = np.sort(np.stack([image, rows[image, place]], axis=1), axis=1)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    return pairs, values[image, place][first]


def _correlations(
    catalog: Catalog, source: Source, pairs: np.ndarray, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """The `overlap` of each pair of rows (p, 2): two arrays (p,) float32."""
    aspect = (catalog.frame["width"] / catalog.frame["height"]).to_numpy()
    whole, window = np.zeros(len(pairs), np.float32), np.zeros(len(pairs), np.float32)
    for start in range(0, len(pairs), BLOCK):
        block = slice(start, min(start + BLOCK, len(pairs)))
        rows, places = np.unique(pairs[block], return_inverse=True)
        first, second = places.reshape(-1, 2).T
        copies = overlap.grey_copies(source.stretched(rows))
        ratio = aspect[rows[second]] / aspect[rows[first]]
        whole[block], window[block] = overlap.overlap(copies[first], copies[second], ratio)
        progress(block.stop, len(pairs))
    return whole, window


def stretched_from_vectors(vectors: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """`Source.stretched` out of the space of raw pixels, (n, 49152) uint8."""
    return lambda rows: np.asarray(vectors[rows]).reshape(-1, SIDE, SIDE, 3)


def stretched_from_files(catalog: Catalog) -> Callable[[np.ndarray], np.ndarray]:
    """`Source.stretched` out of the files of a catalog."""
    return lambda rows: np.stack([images.resized(catalog.open(int(row)), SIDE, SIDE) for row in rows])


def _with_copies(record: NearDuplicatesRecord, catalog: Catalog) -> NearDuplicates:
    """The pairs of a record that are in the catalog, and each picture's pixel-identical copies."""
    values: dict[tuple[int, int], float] = {}
    for pair in record["pairs"]:
        a, b = (catalog.row(image_id) for image_id in pair["ids"])
        if a is not None and b is not None:
            values[min(a, b), max(a, b)] = pair["correlation"]
    for copies in catalog.all_copies():
        values |= {(copies[0], row): 1.0 for row in copies[1:]}
    pairs = sorted(values)
    return NearDuplicates(
        np.array(pairs, np.int64).reshape(-1, 2), np.array([values[pair] for pair in pairs], np.float32), record
    )
