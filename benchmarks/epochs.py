"""What the epoch embeddings cost a training: `python -m benchmarks.epochs`.

Validation passes the photos through the network anyway; the features are copied on the way and written to a file. Both
are timed for 200 photos as a run does it, against the shortest epoch of the bundled runs whose backbone trains (with a
frozen one they are written once, not after each epoch). Processor seconds against the epoch's wall seconds.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.timing import ROUNDS, Row, most, tell
from lib import settings as settings_module
from lib.learn import backbone, epoch_embeddings, plan
from lib.learn.epoch_embeddings import FEATURES, SAMPLE
from lib.prepare import workspace
from lib.settings import ASSETS

MOST_SHARE = 5.0  # percent of an epoch


def main() -> None:
    """Measure, and print."""
    tell([cost()])


def shortest_epoch() -> float:
    """Wall seconds of the shortest epoch of the bundled runs in which the backbone trains."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((ASSETS / "runs").glob("*.json"))]
    return min(float(row["seconds"]) for run in runs if run["regime"] != "transfer" for row in run["epochs"])


def cost() -> Row:
    """Copying and writing the features of one epoch, as a share of the shortest epoch."""
    opened = workspace.open_workspace(settings_module.from_environment())
    weights = backbone.bundled()
    run = plan.plan(opened.catalog(), weights, names=["scratch"], preset="full", seeds=[0])[0]
    rng = np.random.default_rng(0)
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        writer = epoch_embeddings.Writer(replace(opened.settings, artifacts=Path(folder)), run)
        for epoch in range(ROUNDS + 1):
            whole = rng.random((SAMPLE, FEATURES), dtype=np.float32)
            start = time.process_time()
            writer.write(epoch, whole.copy())
            taken += [time.process_time() - start] if epoch else []
    epoch_s = shortest_epoch()
    return most(
        f"epoch embeddings, {SAMPLE} photos, of the shortest epoch of the bundled runs",
        100 * statistics.median(taken) / epoch_s,
        MOST_SHARE,
        "% of an epoch",
        note=f"{1000 * statistics.median(taken):.0f} ms of {epoch_s:.1f} s",
    )


if __name__ == "__main__":
    main()
