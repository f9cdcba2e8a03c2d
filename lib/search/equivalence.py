"""Which metrics give the same ranking: Kendall's tau between every two metrics, measured on the user's own vectors.

Two derived metrics are measured too: L2 between vectors of length 1, which ranks as cosine does, and cosine between
centred vectors, which is NCC.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lib.search import exact
from lib.search.agreement import kendall_tau
from lib.search.exact import Gallery
from lib.search.metrics import METRICS, Array, Floats, centred, metric

UNIT_L2, CENTRED_COSINE = "l2 of unit vectors", "cosine of centred vectors"
# The metric that a derived one is computed with.
DERIVED = {UNIT_L2: "l2", CENTRED_COSINE: "cosine"}
QUERIES = 20
# Numbers in the sample, which is copied as float vectors; of raw pixels that is some hundred images.
CELLS = 2**23


@dataclass(frozen=True)
class Equivalence:
    """`mean` and `least` tau-b over the `queries`, (m, m) in the order of `names`, NaN where undefined; `taus`
    (queries, m, m) are those of each query. Every query ranks the same `rows` images."""

    names: list[str]
    mean: Floats
    least: Floats
    taus: Floats
    queries: int
    rows: int

    def alike(self, tolerance: float = 1e-6) -> list[tuple[str, str]]:
        """Pairs of names that rank the sample alike for every query, up to rounding."""
        return [
            (self.names[a], self.names[b])
            for a, b in combinations(range(len(self.names)), 2)
            if self.least[a, b] >= 1 - tolerance
        ]


def measure(gallery: Gallery, seed: int = 0) -> Equivalence:
    """Compare all metrics on a seeded sample of the gallery: at most 20 queries, each of which ranks all other rows of
    the sample."""
    generator = np.random.default_rng(seed)
    size = min(len(gallery), max(2, CELLS // gallery.dimension))
    rows = np.sort(generator.choice(len(gallery), size, replace=False))
    queries = np.sort(generator.choice(size, min(QUERIES, size), replace=False))
    sample = np.asarray(gallery.vectors[rows])
    values = exact.values_by_metric(exact.gallery(sample), sample[queries], list(METRICS))
    unit, centred_sample = _unit(sample), centred(sample).astype(np.float32)
    values[UNIT_L2] = exact.all_values(exact.gallery(unit), unit[queries], "l2")
    values[CENTRED_COSINE] = exact.all_values(exact.gallery(centred_sample), centred_sample[queries], "cosine")
    names = list(values)
    closer = {name: metric(DERIVED.get(name, name)).higher_is_closer for name in names}
    taus = np.full((len(queries), len(names), len(names)), np.nan)
    for i, row in enumerate(queries):
        others = np.arange(size) != row
        for a, b in combinations(range(len(names)), 2):
            one, other = names[a], names[b]
            tau = kendall_tau(values[one][i][others], values[other][i][others], closer[one], closer[other])
            taus[i, a, b] = taus[i, b, a] = np.nan if tau is None else tau
        taus[i, range(len(names)), range(len(names))] = 1.0
    defined = ~np.isnan(taus)
    some = defined.any(axis=0)
    mean = np.divide(np.nansum(taus, axis=0), defined.sum(axis=0), out=np.full(some.shape, np.nan), where=some)
    least = np.where(some, np.where(defined, taus, np.inf).min(axis=0), np.nan)
    return Equivalence(names, mean, least, taus, len(queries), size)


def _unit(vectors: Array) -> Array:
    wide = vectors.astype(np.float32)
    lengths = np.linalg.norm(wide.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(wide / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)
