"""Label errors found: `python -m benchmarks.labels [--json]`.

The labels of 5 % of the prepared photos are changed to another class at random, seed by seed, and the ranking of
`lib.measure.suspects` must bring these photos to the front. For each space and seed: the area under the ROC curve, the
precision among as many photos as were flipped, and the seconds that the probes took. On features (not on pixels) the
mean over the seeds must be at least `LEAST_AUROC` and `LEAST_PRECISION`, in under `MOST_SECONDS`.

The own label errors of the photos count as wrong answers here, so neither figure can reach 1. That the ranking equals
that of `cleanlab` on the same probabilities is a test: `tests/unit/measure/test_label_quality.py`.

The vectors are those of the prepared photos (PETALSCOPE_DATA and the like choose them, `prepare` makes them).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

import numpy as np

from lib import documents
from lib import settings as settings_module
from lib.data.catalog import Catalog
from lib.measure import suspects
from lib.prepare import workspace
from lib.prepare.workspace import Workspace

SHARE, SEEDS = 0.05, 5
LEAST_AUROC, LEAST_PRECISION, MOST_SECONDS = 0.95, 0.65, 20.0


def flipped(catalog: Catalog, seed: int) -> tuple[Catalog, np.ndarray]:
    """The catalog with `SHARE` of its labels changed, and which they are, (n,) bool."""
    rng = np.random.default_rng(seed)
    classes = np.array(list(catalog.classes), dtype=object)
    codes = np.array([list(catalog.classes).index(label) for label in catalog.labels])
    rows = rng.permutation(len(codes))[: round(SHARE * len(codes))]
    codes[rows] = (codes[rows] + rng.integers(1, len(classes), len(rows))) % len(classes)
    is_flipped = np.zeros(len(codes), bool)
    is_flipped[rows] = True
    return replace(catalog, frame=catalog.frame.assign(label=classes[codes])), is_flipped


def measure(opened: Workspace, space: str, seed: int) -> dict[str, Any]:
    """The figures of one space and seed."""
    from sklearn.metrics import roc_auc_score

    catalog, is_flipped = flipped(opened.catalog(), seed)
    start = time.perf_counter()
    found = suspects.measure(opened, space, catalog)
    seconds = time.perf_counter() - start
    first = found.ranking[: is_flipped.sum()]
    return {
        "space": space,
        "seed": seed,
        "photos": len(is_flipped),
        "flipped": int(is_flipped.sum()),
        "auroc": float(roc_auc_score(is_flipped, -found.own)),
        "precision": float(is_flipped[first].mean()),
        "seconds": round(seconds, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--space", action="append", help="only this space (default: all that are prepared)")
    options = parser.parse_args()
    opened = workspace.open_workspace(settings_module.from_environment())
    rows, good = [], True
    for space in options.space or opened.spaces:
        of_space = [measure(opened, space, seed) for seed in range(SEEDS)]
        rows += of_space
        auroc, precision = (float(np.mean([row[name] for row in of_space])) for name in ("auroc", "precision"))
        seconds = max(row["seconds"] for row in of_space)
        must = space != "pixels"
        is_good = auroc >= LEAST_AUROC and precision >= LEAST_PRECISION and seconds < MOST_SECONDS
        good = good and (is_good or not must)
        if not options.json:
            print(
                f"{space:<10} {of_space[0]['flipped']} of {of_space[0]['photos']:,} labels flipped, {SEEDS} seeds: "
                f"AUROC {auroc:.3f}, precision {precision:.3f}, at most {seconds:.1f} s"
                + ("" if not must else "  as it should be" if is_good else "  LESS THAN IT SHOULD BE"),
                flush=True,
            )
    if options.json:
        print(documents.json_text(rows))
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
