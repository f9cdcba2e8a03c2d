"""Records of training runs, one JSON file each (`lib.documents.runs.RunRecord`), and the networks that they trained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

from lib import artifacts, documents
from lib.data.catalog import Catalog
from lib.documents.runs import RunRecord
from lib.errors import ArtifactError, Remedy, WeightsError
from lib.learn import backbone, checkpoints, network_weights
from lib.learn.backbone import RESNET18, Weights
from lib.learn.regimes import REGIMES
from lib.settings import ASSETS, Settings

# Keys without which a file is not a record.
NEEDED = ("id", "regime", "weights", "seed", "epochs", "best_epoch", "test_accuracy", "dataset")


def load(settings: Settings, recorded: Path = ASSETS / "runs") -> list[RunRecord]:
    """All runs: those of the folder `recorded`, which came with Petalscope, then the user's without copies of them.

    Raises ArtifactError when a file is damaged.
    """
    bundled: list[RunRecord] = [{**read(path), "recorded": True} for path in sorted(recorded.glob("*.json"))]
    return bundled + [run for run in own(settings) if {**run, "recorded": True} not in bundled]


def own(settings: Settings) -> list[RunRecord]:
    """The user's runs. Raises ArtifactError when a file is damaged."""
    return [{**read(path), "recorded": False} for path in sorted(checkpoints.folder(settings).glob("*.json"))]


def version(settings: Settings, recorded: Path = ASSETS / "runs") -> str:
    """A hash of all records' paths, times and sizes: the key of pages' caches of the records."""
    files = [*sorted(recorded.glob("*.json")), *sorted(checkpoints.folder(settings).glob("*.json"))]
    return artifacts.digest([(str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files])


def read(path: Path) -> RunRecord:
    """One record. Raises ArtifactError when it is damaged or lacks one of the keys in `NEEDED`."""
    try:
        # Older versions wrote NaN for the losses of a run that diverged.
        run = documents.finite(json.loads(artifacts.read_text(path)))
        if not isinstance(run, dict) or any(name not in run for name in NEEDED):
            raise ValueError
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"The training record {path} is damaged", remedy=Remedy.DELETE_FILE) from error
    return cast(RunRecord, run)


def network(settings: Settings, regime: str, catalog: Catalog, of: str = RESNET18) -> Weights:
    """The network of the run that `best` selects. Raises WeightsError when there is no such run."""
    run_id = best(settings, regime, catalog, of)
    if run_id is None:
        raise WeightsError(
            f"No network was trained on {catalog.name} under the regime {regime} yet",
            remedy=Remedy.TRAIN,
            command=settings.command("train", regime=regime, network=None if of == RESNET18 else of, preset="quick"),
        )
    path = checkpoints.weights_file(settings, run_id)
    if of == RESNET18:
        weights = backbone.from_file(path, name=run_id)
    else:
        weights = network_weights.from_file(path, of, name=run_id)
    side = weights.preprocess.input_size
    return replace(
        weights,
        about=f"{title(of)} trained here, {REGIMES[regime].title.lower()} (run {run_id}), input {side} px",
    )


def title(network: str) -> str:
    """A network's name in sentences."""
    return "ResNet18" if network == RESNET18 else network


def best(settings: Settings, regime: str, catalog: Catalog, of: str = RESNET18) -> str | None:
    """Id of the user's run of the network `of` under `regime` with the highest validation accuracy; None without one
    whose trained network is there.
    whose trained network is there.

    Runs on exactly these photos come first. Runs on other photos need the same classes and the same seed of the split,
    as when photos were added.
    """
    candidates = [
        (run["dataset"]["fingerprint"] == catalog.fingerprint, run.get("val_accuracy", 0.0), -run["seed"], run["id"])
        for run in own(settings)
        if run["regime"] == regime
        and run.get("network", RESNET18) == of
        and _same_classes(run, catalog)
        and run["dataset"].get("seed") == catalog.seed
        and _same_kind_of_split(run, catalog)
        and checkpoints.weights_file(settings, run["id"]).is_file()
    ]
    return max(candidates)[-1] if candidates else None


def _same_classes(run: RunRecord, catalog: Catalog) -> bool:
    # In any order: earlier versions sorted 10 before 2.
    classes: object = run.get("classes")
    return isinstance(classes, list) and set(map(str, classes)) == set(catalog.classes)


def _same_kind_of_split(run: RunRecord, catalog: Catalog) -> bool:
    """Whether no photo that the run trained on is a test photo now, by another split of the same photos."""
    key = run["dataset"].get("split_key", "")
    if run["dataset"]["fingerprint"] == catalog.fingerprint or not key:
        return key == catalog.split_key
    return bool(catalog.split_key)
