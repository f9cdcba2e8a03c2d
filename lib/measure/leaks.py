"""Near-duplicates in a data set, and the leaks among them: copies of one photo that straddle test and training photos.

A leak makes a score too good, since its query finds a copy of itself. Candidates are the images with similar vectors;
a pair is a near-duplicate when a window of one equals the other up to brightness and contrast (`lib.data.overlap`).
So re-encoded, resized, brightened and cropped copies are found; turned, mirrored and recoloured ones are not.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from lib import artifacts
from lib.data import images, overlap
from lib.data.catalog import Catalog
from lib.errors import ArtifactError
from lib.measure.provenance import Provenance, provenance
from lib.prepare.workspace import Workspace
from lib.progress import Progress, no_progress

SCHEMA = 1
FOLDER = "leaks"
# The space whose neighbours are compared, where it is prepared; else the first that is.
PREFERRED_SPACE = "resnet18"
PIXELS = "pixels"
# Neighbours of each image that are compared with it, and their smallest cosine. Measured on 1,000 of the flowers with
# 50 planted copies: each copy was the nearest neighbour of its original, and the least similar had 0.75.
NEIGHBOURS, LEAST_COSINE = 3, 0.7
# The smallest correlation of a near-duplicate with a window, and as a whole. Of the planted crops the least similar had
# 0.954, of the planted photos of much more brightness, whose light parts are cut off, 0.924. Unrelated photos reached
# 0.945 and 0.89; what lies above and had not been planted were photos of one scene.
LEAST_WINDOW, LEAST_WHOLE = 0.95, 0.92
SIDE = 128  # px of the stretched pictures that are compared: the side of the space of raw pixels
BLOCK = 1024


class PairRecord(Provenance):
    """The near-duplicates of a data set as kept in a file; `pairs` are (id, id, cosine, correlation)."""

    pairs: list[tuple[str, str, float, float]]
    candidates: int
    neighbours: int
    least_cosine: float
    least_window: float
    least_whole: float
    schema: int
    seconds: float


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of catalog rows (p, 2) with equal or nearly equal pictures, lower row first, in row order.

    `correlation` (p,) is the larger one of `overlap`, 1 for equal pixels. `record` has the pairs that were found by
    their vectors, and how.
    """

    rows: np.ndarray
    correlation: np.ndarray
    record: PairRecord

    def groups(self, catalog: Catalog) -> np.ndarray:
        """A number for each catalog row, equal for rows that near-duplicates connect: (n,) int64."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        n = len(catalog.frame)
        pairs = coo_array((np.ones(len(self.rows)), (self.rows[:, 0], self.rows[:, 1])), shape=(n, n))
        return np.asarray(connected_components(pairs, directed=False)[1], np.int64)

    def leaks(self, catalog: Catalog) -> np.ndarray:
        """Places of the pairs of a test image and a training or validation image: (m,) int64."""
        test = (catalog.frame["split"] == "test").to_numpy()
        return np.nonzero(test[self.rows[:, 0]] != test[self.rows[:, 1]])[0]


def near_duplicates(workspace: Workspace, catalog: Catalog, progress: Progress = no_progress) -> NearDuplicates:
    """The near-duplicates among the prepared images, read from their file, else computed and written.

    Raises ArtifactError when no space is prepared. `progress` receives (pairs compared, candidates).
    """
    file = _file(workspace, _space(workspace))
    record = _read(file)
    if record is None:
        record = _compared(workspace, catalog, progress)
        artifacts.write_json(file, record)
    return _with_copies(record, catalog)


def stored(workspace: Workspace, catalog: Catalog) -> NearDuplicates | None:
    """The near-duplicates where they were computed before, else None."""
    record = _read(_file(workspace, _space(workspace))) if workspace.spaces else None
    return None if record is None else _with_copies(record, catalog)


def together(catalog: Catalog, groups: np.ndarray) -> list[str]:
    """The split of each catalog row when near-duplicates share one: that of the group's smallest pixel hash.

    `groups` (n,) are `NearDuplicates.groups`. A group of one keeps its split.
    """
    splits, hashes = list(catalog.frame["split"]), catalog.hashes
    first: dict[int, int] = {}
    for row, group in enumerate(groups.tolist()):
        if group not in first or hashes[row] < hashes[first[group]]:
            first[group] = row
    return [str(splits[first[group]]) for group in groups.tolist()]


def _space(workspace: Workspace) -> str:
    names: Sequence[str] = workspace.spaces
    if not names:
        raise ArtifactError("No space is prepared yet, so near-duplicates cannot be found.")
    return PREFERRED_SPACE if PREFERRED_SPACE in names else names[-1]


def _file(workspace: Workspace, space: str) -> Path:
    entry = workspace.space(space)
    inputs = (entry["fingerprint"], NEIGHBOURS, LEAST_COSINE, LEAST_WINDOW, LEAST_WHOLE, overlap.SIZES, overlap.COARSE)
    key = artifacts.digest("petalscope-leaks", SCHEMA, *inputs)[:8]
    return workspace.folder / FOLDER / f"{Path(entry['folder']).name}-{key}.json"


def _read(file: Path) -> PairRecord | None:
    record = artifacts.read_json(file)
    return cast("PairRecord", record) if record is not None and isinstance(record.get("pairs"), list) else None


def _compared(workspace: Workspace, catalog: Catalog, progress: Progress) -> PairRecord:
    start = time.perf_counter()
    space = _space(workspace)
    candidates, cosines = _candidates(workspace, space)
    whole, window = _correlations(workspace, catalog, candidates, progress)
    near = np.nonzero((window >= LEAST_WINDOW) | (whole >= LEAST_WHOLE))[0]
    ids = catalog.ids
    return {
        **provenance(workspace, space, catalog),
        "pairs": [
            (ids[candidates[pair, 0]], ids[candidates[pair, 1]], float(cosines[pair]), float(window[pair]))
            for pair in near
        ],
        "candidates": len(candidates),
        "neighbours": NEIGHBOURS,
        "least_cosine": LEAST_COSINE,
        "least_window": LEAST_WINDOW,
        "least_whole": LEAST_WHOLE,
        "schema": SCHEMA,
        "seconds": round(time.perf_counter() - start, 3),
    }


def _candidates(workspace: Workspace, space: str) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of rows (p, 2), lower first, of images and their nearest neighbours, and their cosines (p,)."""
    neighbourhoods = workspace.neighbourhoods(space)
    rows = neighbourhoods.rows["cosine"][:, :NEIGHBOURS]
    values = neighbourhoods.values["cosine"][:, :NEIGHBOURS]
    image, place = np.nonzero((rows >= 0) & (values >= LEAST_COSINE))
    pairs = np.sort(np.stack([image, rows[image, place]], axis=1), axis=1)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    return pairs, values[image, place][first]


def _correlations(
    workspace: Workspace, catalog: Catalog, pairs: np.ndarray, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """The `overlap` of each pair of rows (p, 2): two arrays (p,) float32."""
    aspect = (catalog.frame["width"] / catalog.frame["height"]).to_numpy()
    needed = np.unique(pairs)
    places = np.full(len(catalog.frame), -1)
    places[needed] = np.arange(len(needed))
    copies = _grey_copies(workspace, catalog, needed)
    whole, window = np.zeros(len(pairs), np.float32), np.zeros(len(pairs), np.float32)
    for start in range(0, len(pairs), BLOCK):
        block = slice(start, min(start + BLOCK, len(pairs)))
        a, b = pairs[block].T
        whole[block], window[block] = overlap.overlap(copies[places[a]], copies[places[b]], aspect[b] / aspect[a])
        progress(block.stop, len(pairs))
    return whole, window


def _grey_copies(workspace: Workspace, catalog: Catalog, rows: np.ndarray) -> np.ndarray:
    """Grey copies of images, out of the vectors of raw pixels where these are prepared, else out of the files."""
    if PIXELS in workspace.spaces:
        stretched = workspace.vectors(PIXELS).values
        blocks = (stretched[rows[at : at + BLOCK]].reshape(-1, SIDE, SIDE, 3) for at in range(0, len(rows), BLOCK))
    else:
        blocks = (
            np.stack([images.resized(catalog.open(int(row)), SIDE, SIDE) for row in rows[at : at + BLOCK]])
            for at in range(0, len(rows), BLOCK)
        )
    return np.concatenate([overlap.grey_copies(np.zeros((0, 1, 1, 3), np.uint8)), *map(overlap.grey_copies, blocks)])


def _with_copies(record: PairRecord, catalog: Catalog) -> NearDuplicates:
    """The pairs of a record that are still in the catalog, and each picture's pixel-identical copies."""
    values: dict[tuple[int, int], float] = {}
    for a, b, _, correlation in record["pairs"]:
        rows = catalog.row(a), catalog.row(b)
        if rows[0] is not None and rows[1] is not None:
            values[min(rows), max(rows)] = correlation
    for copies in catalog.all_copies():
        values |= {(copies[0], row): 1.0 for row in copies[1:]}
    pairs = sorted(values)
    return NearDuplicates(
        np.array(pairs, np.int64).reshape(-1, 2), np.array([values[pair] for pair in pairs], np.float32), record
    )
