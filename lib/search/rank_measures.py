"""Measures of rankings by which results are relevant: precision, recall, average precision, MRR, R-precision, MAP@R,
nDCG.

Equal values have no order, so a measure is its expectation over all orders of them (McSherry and Najork, "Computing
information retrieval performance measures efficiently in the presence of tied scores", ECIR 2008). Without ties, or
where all tied results are relevant or none is, that is the usual measure.

Invariants: arrays are (q, n), a row per query, its results from the closest to the farthest. `keys` are smaller =
closer, and infinite where there is no result; these stand last and are not relevant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lib.search.metrics import Floats

Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]

# Values as close as this are tied: of distances a share of the larger, of similarities an absolute difference. It lies
# above the rounding of sums over a vector in float64, and far below what two different photos differ by. Exact equality
# would let that rounding order two photos whose values are equal in exact arithmetic.
TIE = 1e-12


def tied_with_next(keys: Floats, *, relative: bool) -> Flags:
    """Whether each result but the last is tied with the next one, (q, n - 1); `relative` for distances."""
    later = keys[:, 1:]
    with np.errstate(invalid="ignore"):  # infinity less infinity: two that are no results are not tied
        scale = np.abs(later) if relative else np.maximum(1.0, np.abs(later))
        tied: Flags = later - keys[:, :-1] <= TIE * np.where(np.isfinite(later), scale, 0.0)
    return tied


def names(ks: Sequence[int]) -> list[str]:
    """The names of the measures with these cut-offs; `measures` defines them."""
    return ["map", *(f"{kind}{k}" for k in ks for kind in ("p", "r", "ndcg")), "r_precision", "map_at_r", "mrr"]


def measures(hits: Flags, tied: Flags, total: Counts, ks: Sequence[int]) -> dict[str, Floats]:
    """The measures of each query by name, (q,) each; NaN where `total` is 0.

    `hits` (q, n) says whether a result is relevant, `tied` (q, n - 1) whether it is tied with the next one, and `total`
    (q,) counts all relevant images, found or not. With R = total and rel(i) = 1 for a hit at rank i:

    - `p{k}`: hits among the first k, over k, also where there are fewer results; `r{k}`: the same over R.
    - `map`: average precision, the sum over ranks of rel(i) · P@i, over R.
    - `mrr`: one over the rank of the first hit; 0 without a hit.
    - `r_precision`: P@R.
    - `map_at_r`: as average precision, over the first R ranks only (Musgrave, Belongie and Lim, "A metric learning
      reality check", ECCV 2020).
    - `ndcg{k}`: the sum over the first k ranks of rel(i) / log2(i + 1), over its largest possible value (Järvelin and
      Kekäläinen, ACM TOIS 20:4, 2002).
    """
    n = hits.shape[1]
    rank = np.arange(1, n + 1)
    found = np.cumsum(hits, axis=1, dtype=np.int32)
    relevance: Floats = hits.astype(np.float64)
    # What each rank adds to the average precision.
    added = np.divide(found, rank, out=np.zeros(hits.shape), where=hits)
    reciprocal = np.where(found[:, -1] > 0, 1.0 / (1 + hits.argmax(axis=1)), 0.0)
    counts: Floats = found.astype(np.float64)
    mixed = np.flatnonzero((tied & (hits[:, 1:] != hits[:, :-1])).any(axis=1))
    if len(mixed):
        expected = _expectation(hits[mixed], tied[mixed])
        relevance[mixed], added[mixed], reciprocal[mixed] = expected.relevance, expected.added, expected.reciprocal
        counts[mixed] = np.cumsum(expected.relevance, axis=1)
    summed = np.cumsum(added, axis=1)
    some = total > 0
    size = np.maximum(total, 1)
    at_total = np.arange(len(hits)), np.minimum(size, n) - 1
    best = np.cumsum(1 / np.log2(1 + np.arange(1, size.max(initial=1) + 1)))
    scores: dict[str, Floats] = {"map": summed[:, -1] / size}
    for k in ks:
        first = counts[:, min(k, n) - 1]
        discount = 1 / np.log2(1 + rank[: min(k, n)])
        ideal = best[np.minimum(size, min(k, len(best))) - 1]
        scores |= {
            f"p{k}": first / float(k),
            f"r{k}": first / size,
            f"ndcg{k}": relevance[:, : len(discount)] @ discount / ideal,
        }
    scores |= {
        "r_precision": counts[at_total] / size,
        "map_at_r": summed[at_total] / size,
        "mrr": reciprocal,
    }
    return {name: np.where(some, values, np.nan) for name, values in scores.items()}


@dataclass(frozen=True)
class _Expectation:
    """Over all orders of tied results: `relevance` and `added` (q, n) of each rank, `reciprocal` (q,)."""

    relevance: Floats
    added: Floats
    reciprocal: Floats


def _expectation(hits: Flags, tied: Flags) -> _Expectation:
    """Of m tied results after `a` others, r are relevant. Each of their ranks then holds a relevant one with
    probability r/m; and given that, (r - 1)/(m - 1) of the tied ones before it are relevant, too."""
    q, n = hits.shape
    starts = np.flatnonzero(np.concatenate([np.ones((q, 1), dtype=bool), ~tied], axis=1))
    sizes = np.diff(starts, append=q * n)
    relevant = np.add.reduceat(hits.ravel().astype(np.int64), starts)
    before = (np.cumsum(hits, axis=1, dtype=np.int64) - hits).ravel()[starts]
    place = np.arange(q * n)
    within = place - np.repeat(starts, sizes)
    share = np.repeat(relevant / sizes, sizes)
    earlier = np.repeat(before + 1.0, sizes) + within * np.repeat((relevant - 1) / np.maximum(sizes - 1, 1), sizes)
    added = share * earlier / (1 + place % n)

    reciprocal = np.zeros(q)
    rows, groups = np.unique(starts[relevant > 0] // n, return_index=True)  # the first group of a row with a hit
    first = np.flatnonzero(relevant > 0)[groups]
    cases, case = np.unique(
        np.stack([starts[first] % n, sizes[first], relevant[first]], axis=1), axis=0, return_inverse=True
    )
    values = np.array([expected_reciprocal(*map(int, each)) for each in cases])
    reciprocal[rows] = values[case.ravel()]
    return _Expectation(share.reshape(q, n), added.reshape(q, n), reciprocal)


def expected_reciprocal(before: int, size: int, relevant: int) -> float:
    """The mean of 1 / rank of the first of `relevant` results among `size` tied ones that follow `before` others."""
    place = np.arange(1, size - relevant + 1)
    # The first relevant one stands at place t with probability C(size - t, relevant - 1) / C(size, relevant).
    steps = np.concatenate([[relevant / size], (size - place - relevant + 1) / (size - place)])
    return float((np.cumprod(steps) / (before + np.arange(1, size - relevant + 2))).sum())
