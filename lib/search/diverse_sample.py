"""Which images stand for all: a diverse sample, by facility location or by k-center, in the order of choosing.

Invariant: a sample of m images is the beginning of every larger one. `points` (n, d) are float32 of length 1, so their
product is the cosine; `candidates` are the rows that may be chosen, ascending. Ties go to the lower row.
"""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

FACILITY, K_CENTER = "facility", "kcenter"
_BLOCK = 4_096


def facility_location(points: np.ndarray, candidates: Rows, ground: Rows, count: int) -> Rows:
    """At most `count` candidates that together are most like all rows of `ground`.

    Maximises Σ over `ground` of the largest cosine to a chosen image, at least 0 (facility location; for data subsets:
    Wei, Iyer and Bilmes, ICML 2015). The function is monotone and submodular, so the greedy choice reaches at least
    1 − 1/e of the best (Nemhauser, Wolsey and Fisher 1978); it is made lazily (Minoux 1978). Takes 4 bytes for each
    pair of a candidate and a row of `ground`. Ends early where no candidate adds anything.
    """
    likeness = points[candidates] @ points[ground].T
    np.maximum(likeness, 0, out=likeness)
    best = np.zeros(len(ground), dtype=np.float32)
    # What a candidate adds only falls as others are chosen: an earlier value is a bound.
    bounds = [(-float(row.sum(dtype=np.float64)), place) for place, row in enumerate(likeness)]
    heapq.heapify(bounds)
    chosen: list[int] = []
    while bounds and len(chosen) < count:
        _, place = heapq.heappop(bounds)
        gain = float(np.maximum(likeness[place] - best, 0).sum(dtype=np.float64))
        if bounds and (-gain, place) > bounds[0]:
            heapq.heappush(bounds, (-gain, place))
            continue
        if gain <= 0 and chosen:
            break
        chosen.append(place)
        np.maximum(best, likeness[place], out=best)
    return candidates[np.array(chosen, dtype=np.int64)]


def k_center(points: np.ndarray, candidates: Rows, count: int) -> Rows:
    """At most `count` candidates, each the one farthest from those before it, from the one nearest to the mean on.

    Farthest-first traversal: the largest distance from a candidate to its nearest chosen one is at most twice the least
    possible (Gonzalez 1985). Ends early where every candidate equals a chosen one.
    """
    part = points[candidates].astype(np.float32)
    place = int((part @ part.mean(axis=0)).argmax()) if len(part) else 0
    chosen: list[int] = []
    nearest = np.full(len(part), -np.inf, dtype=np.float32)  # the cosine to the nearest chosen one
    while len(chosen) < min(count, len(part)):
        chosen.append(place)
        np.maximum(nearest, part @ part[place], out=nearest)
        nearest[place] = np.inf
        place = int(nearest.argmin())
        if nearest[place] >= 1 - 1e-6:
            break
    return candidates[np.array(chosen, dtype=np.int64)]


def nearest_chosen(points: np.ndarray, chosen: Rows) -> Rows:
    """For each image the place in `chosen` of the chosen image with the largest cosine, (n,); itself where chosen."""
    found = np.zeros(len(points), dtype=np.int64)
    for start in range(0, len(points), _BLOCK):
        found[start : start + _BLOCK] = (points[start : start + _BLOCK] @ points[chosen].T).argmax(axis=1)
    found[chosen] = np.arange(len(chosen))
    return found
