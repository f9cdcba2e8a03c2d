"""Which photos to label first: `python -m benchmarks.label_sample [--json]`.

For each seed a fifth of the prepared photos is held out, and `COUNT` of the others get their labels: a random draw, or
the sample of a method. A k-NN classifier (cosine, `NEAREST` nearest, ties to the nearer) with these labels predicts the
held-out photos. Compared is the accuracy with that of the random draw, seed by seed: mean difference, 95 % interval
(paired bootstrap) and p value (sign-flip permutation) over the seeds.

Tried are the two methods of `python -m lib sample` and two others: the medoids of `COUNT` k-means clusters, and the
most typical photo of each such cluster (TypiClust: Hacohen, Dekel and Weinshall, ICML 2022). The default method must
beat the random draw, in under `MOST_SECONDS` for all photos.

The vectors are those of the prepared photos (PETALSCOPE_DATA and the like choose them, `prepare` makes them).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from lib import documents, statistics
from lib import settings as settings_module
from lib.embed import projection, spaces
from lib.measure import label_sample, suspects
from lib.prepare import workspace
from lib.prepare.workspace import Workspace
from lib.search import clustering, diverse_sample
from lib.search.diverse_sample import FACILITY, K_CENTER, Rows

COUNT, NEAREST, SEEDS, HELD_OUT = 100, (1, 5), 20, 0.2
RANDOM, MEDOIDS, TYPICAL = "random", "medoids", "typiclust"
LEVEL, MOST_SECONDS = 0.05, 5.0
_TYPICAL_OF = 20  # neighbours that the typicality of a photo is the mean over
Choose = Callable[[np.ndarray, Rows, int], Rows]


def _random(points: np.ndarray, pool: Rows, seed: int) -> Rows:
    return np.random.default_rng(seed).choice(pool, COUNT, replace=False)


def _by_cluster(points: np.ndarray, pool: Rows, seed: int, best: Callable[[np.ndarray], int]) -> Rows:
    """Of each of `COUNT` clusters of the pool the row whose place among its points `best` names."""
    from sklearn.cluster import KMeans

    groups = KMeans(COUNT, n_init=1, random_state=seed).fit_predict(points[pool])
    members = [pool[groups == group] for group in range(COUNT)]
    return np.array([rows[best(points[rows])] for rows in members if len(rows)])


def _medoid(part: np.ndarray) -> int:
    return int((part @ part.mean(axis=0)).argmax())


def _most_typical(part: np.ndarray) -> int:
    if len(part) == 1:
        return 0
    likeness = part @ part.T
    np.fill_diagonal(likeness, -1)
    return int(np.sort(likeness, axis=1)[:, -min(_TYPICAL_OF, len(part) - 1) :].mean(axis=1).argmax())


METHODS: dict[str, Choose] = {
    RANDOM: _random,
    FACILITY: lambda points, pool, seed: diverse_sample.facility_location(points, pool, pool, COUNT),
    K_CENTER: lambda points, pool, seed: diverse_sample.k_center(points, pool, COUNT),
    MEDOIDS: lambda points, pool, seed: _by_cluster(points, pool, seed, _medoid),
    TYPICAL: lambda points, pool, seed: _by_cluster(points, pool, seed, _most_typical),
}


def accuracy(points: np.ndarray, codes: np.ndarray, known: Rows, tested: Rows, nearest: int) -> float:
    """The share of the rows `tested` whose class most of their `nearest` rows of `known` have."""
    order = np.argsort(-(points[tested] @ points[known].T), axis=1, kind="stable")[:, :nearest]
    votes = np.zeros((len(tested), int(codes.max()) + 1))
    for place in range(order.shape[1]):  # of equal counts, the class of the nearer rows
        votes[np.arange(len(tested)), codes[known[order[:, place]]]] += 1 - 1e-3 * place
    return float((votes.argmax(axis=1) == codes[tested]).mean())


def measure(opened: Workspace, space: str) -> list[dict[str, Any]]:
    """The rows of a space: a method and a number of neighbours each."""
    codes, pictures = suspects.codes_of(opened.catalog())
    vectors, _ = projection.map_inputs(opened.vectors(space).values)
    points, _ = clustering.unit_points(vectors)
    _, different = np.unique(pictures, return_index=True)
    found: dict[str, dict[int, list[float]]] = {name: {k: [] for k in NEAREST} for name in METHODS}
    for seed in range(SEEDS):
        shuffled = np.random.default_rng(seed).permutation(np.sort(different))
        cut = round(HELD_OUT * len(shuffled))
        tested, pool = np.sort(shuffled[:cut]), np.sort(shuffled[cut:])
        for name, choose in METHODS.items():
            known = choose(points, pool, seed)
            for k in NEAREST:
                found[name][k].append(accuracy(points, codes, known, tested, k))
    start = time.perf_counter()
    label_sample.measure(opened, space, COUNT)
    seconds = time.perf_counter() - start
    rows = []
    for name, by_k in found.items():
        for k, values in by_k.items():
            test = statistics.paired_difference(np.array(values), np.array(found[RANDOM][k]))
            row = {"space": space, "method": name, "nearest": k, "seeds": SEEDS, "accuracy": float(np.mean(values))}
            more = {"difference": test.mean, "ci95": test.ci95, "p": test.p, "wins": test.wins, "losses": test.losses}
            rows.append(row | more | ({"seconds": round(seconds, 2)} if name == FACILITY else {}))
    return rows


def main() -> int:
    """Measure every prepared space of features. Returns 1 when the default method does not beat the random draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.label_sample", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a document instead of lines")
    options = parser.parse_args()
    opened = workspace.open_workspace(settings_module.from_environment())
    rows = [row for space in opened.spaces if not spaces.get(space).pixels for row in measure(opened, space)]
    if options.json:
        print(documents.json_text({"rows": rows}))
    else:
        print(f"{'space':<10} {'method':<10} {'k':>2} {'accuracy':>8}  difference to random, points        p")
        for row in rows:
            low, high = row["ci95"] or (0.0, 0.0)
            apart = f"{100 * row['difference']:+5.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
            line = f"{row['space']:<10} {row['method']:<10} {row['nearest']:>2} {row['accuracy']:>8.3f}  {apart:<26}"
            print(f"{line} {row['p']:>8.4f}  {row.get('seconds', '')}")
    ours = [row for row in rows if row["method"] == FACILITY]
    fine = all(row["difference"] > 0 and row["p"] < LEVEL and row["seconds"] < MOST_SECONDS for row in ours)
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
