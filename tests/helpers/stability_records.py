"""A measurement of the stability of maps, as `lib.measure.stored_stability` stores them."""

from __future__ import annotations

import numpy as np

from lib import artifacts
from lib.embed import layouts
from lib.measure import stored_stability
from lib.measure.stored_stability import MeasuredStability
from lib.prepare.workspace import Workspace


def measurement(photos: int, total: int, sizes: list[int], candidates: int = 4) -> MeasuredStability:
    """A measurement of the first `photos` rows with clusters of these sizes; the rest is in none."""
    labels = np.repeat([*range(len(sizes)), -1], [*sizes, photos - sum(sizes)])
    some = {
        "mean": 0.5,
        "ci95": [0.48, 0.52],
        "kept": 0.4,
        "by_methods": {"umap umap": 0.6, "tsne umap": 0.4},
        "kept_by_method": {"umap": 0.5},
        "clusters": {
            "sizes": sizes,
            "persistence": [0.9] * len(sizes),
            "p": [1e-5] * len(sizes),
            "candidates": candidates,
            "groups": max(1, len(sizes)),
        },
    }
    facts = {
        "k": 15, "chance": 15 / (photos - 1), "photos": photos, "total": total, "metric": "cosine", "seeds": [0, 1],
        "runs": 11, "found": some, "seconds": 12.0, "provenance": {"made": "2026-01-01"},
        "null": {**some, "mean": 0.2, "clusters": {**some["clusters"], "sizes": [], "persistence": [], "p": []}},
    }  # fmt: skip
    values = np.linspace(0, 1, photos).astype(np.float32)
    return MeasuredStability(np.arange(photos), values, values, labels, facts)  # type: ignore[arg-type]


def store(opened: Workspace, space: str, measured: MeasuredStability) -> None:
    """Store a measurement and layouts for it, which are drawn at random."""
    arrays = {name: getattr(measured, name) for name in ("rows", "stability", "kept", "labels")}
    artifacts.write_arrays(stored_stability.file(opened, space), measured.facts, arrays)
    for place, run in enumerate(stored_stability.all_runs()):
        xy = np.random.default_rng(place).normal(size=(len(measured.rows), 2)).astype(np.float32)
        artifacts.write_arrays(stored_stability.layout_file(opened, space, run), {"seconds": 1.0}, {"xy": xy})
    assert len(layouts.runs(stored_stability.SEEDS)) == 11
