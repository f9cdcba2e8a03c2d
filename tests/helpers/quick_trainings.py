"""Small trainings for tests: settings and catalogs of the drawn pictures, and one thread, for bits that repeat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lib.data import catalog as catalogs
from lib.data.catalog import Catalog
from lib.learn import backbone
from lib.learn import plan as plans
from lib.learn.plan import PlannedRun
from lib.settings import Settings

# Under this seed the 61 drawn pictures fall into 51 to train, 3 to validate and 7 to test on.
SPLIT = 4
# Every part of a recipe at work on 32 px, in a second or two.
SMALL: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 32,
    "micro_batch": 16,
    "image_size": 32,
    "ema": 0.9,
    "views": 2,
}
# Frozen features cannot be mixed; AdamW, which trains on them, would make the checkpoints of the others larger.
MIXED = {"mixup": 0.2, "cutmix": 1.0, "optimizer": "sgd", "lr": 0.01}


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread: sums are then always made in the same order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def settings(data: Path, artifacts: Path, weights: str) -> Settings:
    """Settings under which `train` works offline."""
    return Settings(data=data, artifacts=artifacts, weights=weights, seed=SPLIT, offline=True)


def catalog(root: Path, seed: int = SPLIT) -> Catalog:
    """The catalog of a folder."""
    return catalogs.build("drawn", root, seed=seed)


def plan(
    photos: Catalog, weights: str, names: Sequence[str], seeds: Sequence[int] = (0,), **changed: Any
) -> list[PlannedRun]:
    """Small runs, by regime within seed."""
    return [
        run
        for seed in seeds
        for name in names
        for run in plans.plan(
            photos,
            backbone.from_file(Path(weights)),
            names=[name],
            preset="quick",
            seeds=[seed],
            **{"probe": False} | SMALL | (MIXED if name != "transfer" else {}) | changed,
        )
    ]


def lasting(record: dict[str, Any]) -> dict[str, Any]:
    """A record without what may differ between two runs that did the same: times."""
    rows = [
        {key: value for key, value in row.items() if key not in {"seconds", "cpu_seconds"}} for row in record["epochs"]
    ]
    timed = {"seconds", "cpu_seconds", "finished", "recorded"}
    return {key: value for key, value in record.items() if key not in timed} | {"epochs": rows}
