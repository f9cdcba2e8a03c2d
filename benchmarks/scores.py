"""The scoreboard checked and timed: `python -m benchmarks.scores [--json]`.

- Every space × metric of `python -m lib evaluate`, with the test photos as queries, against a plain float64 reference
  that shares no code with the product: SciPy's cityblock, NumPy products, Python's own sort. All measures must be equal
  within 1e-6: the reference orders equal values by id, and the product takes the mean over their orders.
- How long the product takes for all five metrics of a space, calibration included: wall and processor time.

The vectors are those of the prepared photos (PETALSCOPE_DATA and the like choose them, `prepare` makes them).
"""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from lib import documents
from lib import settings as settings_module
from lib.measure import scoreboard
from lib.measure.evaluation import query_and_gallery_rows
from lib.prepare import workspace
from lib.search.metrics import METRICS

BLOCK = 512


def reference_values(vectors: np.ndarray, query_rows: np.ndarray, gallery_rows: np.ndarray) -> dict[str, np.ndarray]:
    """All five metrics in float64, (q, n) each, larger = closer."""
    scale = 255.0 if vectors.dtype == np.uint8 else 1.0
    queries = np.asarray(vectors[query_rows], dtype=np.float64)
    collected: dict[str, list[np.ndarray]] = {name: [] for name in METRICS}
    for start in range(0, len(gallery_rows), BLOCK):
        part = np.asarray(vectors[gallery_rows[start : start + BLOCK]], dtype=np.float64)
        collected["l1"].append(-cdist(queries, part, "cityblock") / scale)
        # Of whole numbers every product and sum here is exact in float64; features are summed pair by pair.
        if vectors.dtype == np.uint8:
            squares = (queries**2).sum(1)[:, None] + (part**2).sum(1) - 2 * queries @ part.T
        else:
            squares = cdist(queries, part, "sqeuclidean")
        collected["mse"].append(-squares / vectors.shape[1] / scale**2)
        collected["l2"].append(-np.sqrt(squares) / scale)
        for name in ("cosine", "ncc"):
            q, x = (each - each.mean(1, keepdims=True) if name == "ncc" else each for each in (queries, part))
            collected[name].append((q @ x.T) / np.linalg.norm(q, axis=1)[:, None] / np.linalg.norm(x, axis=1))
    return {name: np.concatenate(parts, axis=1) for name, parts in collected.items()}


def reference_scores(
    values: np.ndarray, labels: list[str], copies: list[str], query_rows: Any, gallery_rows: Any
) -> list[dict]:
    """Every measure of each query, one answer at a time."""
    reference_rows = []
    for row, mine in zip(query_rows, values, strict=True):
        answers = sorted(
            (-value, place) for place, value in enumerate(mine) if copies[gallery_rows[place]] != copies[row]
        )
        right = [labels[gallery_rows[place]] == labels[row] for _, place in answers]
        hits, precisions = 0, [0.0] * len(right)
        for rank, good in enumerate(right, start=1):
            if good:
                hits += 1
                precisions[rank - 1] = hits / rank
        gains = [1 / math.log2(rank + 1) for rank in range(1, 11)]
        scores = {f"p{k}": sum(right[:k]) / k for k in (1, 5, 10)}
        scores |= {
            "r10": sum(right[:10]) / hits,
            "map": sum(precisions) / hits,
            "map_at_r": sum(precisions[:hits]) / hits,
            "r_precision": sum(right[:hits]) / hits,
            "mrr": 1 / (right.index(True) + 1),
            "ndcg10": sum(g for g, good in zip(gains, right, strict=False) if good) / sum(gains[:hits]),
        }
        reference_rows.append(scores)
    return reference_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    opened = workspace.open_workspace(settings_module.from_environment())
    catalog = opened.catalog()
    labels, copies = list(catalog.frame["label"]), list(catalog.frame["sha256"])
    requested, gallery_rows = query_and_gallery_rows(catalog)
    rows = []
    for space in opened.spaces:
        wall, cpu = time.perf_counter(), time.process_time()
        product = scoreboard.measure(opened, space)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        values = reference_values(opened.vectors(space).values, requested, gallery_rows)
        for metric, scores in product.scores.items():
            expected = reference_scores(values[metric], labels, copies, requested, gallery_rows)
            apart = {
                measure: float(
                    np.abs(scoreboard.per_query(scores, measure) - [each[measure] for each in expected]).max()
                )
                for measure in scoreboard.MEASURES
            }
            means = {measure: sum(each[measure] for each in expected) / len(expected) for measure in apart}
            rows.append(
                {
                    "space": space,
                    "metric": metric,
                    "queries": len(requested),
                    "largest_difference": apart,
                    "agrees": max(abs(means[measure] - (scores.means[measure] or 0.0)) for measure in means) < 1e-6,
                    "seconds_wall": round(wall, 1),
                    "seconds_cpu": round(cpu, 1),
                }
            )
            if not options.json:
                row = rows[-1]
                print(
                    f"{space:<9} {metric:<7} {'agrees' if row['agrees'] else 'DIFFERS'}  most that a query differs: "
                    f"P@10 {apart['p10']:.1e}, AP {apart['map']:.1e}  (space: {wall:.1f} s wall, {cpu:.1f} s cpu)",
                    flush=True,
                )
    if options.json:
        print(documents.json_text(rows))
    raise SystemExit(0 if all(row["agrees"] for row in rows) else 1)


if __name__ == "__main__":
    main()
