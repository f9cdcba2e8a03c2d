"""The query of a first visit, which has chosen none: drawn by a fixed seed, so that everybody sees the same photo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.search.disagreement import Disagreement

SEED = 0


@dataclass(frozen=True)
class ExampleQuery:
    """The catalog row of the photo, and how it was drawn, in words."""

    row: int
    about: str


def draw(splits: np.ndarray, measured: Disagreement | None, seed: int = SEED) -> ExampleQuery | None:
    """A test photo on which L1 and cosine differ, else any test photo, else any photo; None without photos.

    `splits` (n,) are the catalog's; `measured` is None where no neighbours are stored. A photo on which the results
    differ is one whose overlap is at most the test photos' median, and of whose results some but not all have its
    class: neither too easy nor hopeless.
    """
    everyone = np.arange(len(splits))
    if not len(everyone):
        return None
    test = np.nonzero(splits == "test")[0]
    pools = [(test, "seeded draw from the test split"), (everyone, "seeded draw from all photos, no test split")]
    if measured is not None and len(test):
        overlap, right = measured.overlap[test], np.stack(list(measured.right.values()))[:, test]
        defined = ~np.isnan(overlap)
        limit = min(float(np.median(overlap[defined])), np.nextafter(1.0, 0.0)) if defined.any() else 0.0
        differing = test[defined & (overlap <= limit) & ((right > 0) & (right < 1)).all(axis=0)]
        pools.insert(0, (differing, "seeded draw from the test split, where L1 and cosine differ"))
    pool, about = next((pool, about) for pool, about in pools if len(pool))
    return ExampleQuery(int(pool[np.random.default_rng(seed).integers(len(pool))]), about)
