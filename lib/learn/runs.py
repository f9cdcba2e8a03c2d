"""Recorded training runs: one JSON file each, in the shape of the command-line contract."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from lib import artifacts, documents
from lib.data.catalog import Catalog
from lib.errors import ArtifactError, WeightsError
from lib.learn import backbone, checkpoints
from lib.learn.backbone import Weights
from lib.learn.regimes import REGIMES
from lib.settings import ASSETS, Settings

NEEDED = ("id", "regime", "weights", "seed", "epochs", "best_epoch", "test_accuracy", "dataset")


def load(settings: Settings, recorded: Path = ASSETS / "runs") -> list[dict[str, Any]]:
    """All runs: the ones that came with Petalscope (`"recorded": true`) and the user's own. A copy is not told twice.

    Raises ArtifactError when a file is damaged.
    """
    found = [read(path) | {"recorded": True} for path in sorted(recorded.glob("*.json"))]
    return found + [run for run in own(settings) if run | {"recorded": True} not in found]


def own(settings: Settings) -> list[dict[str, Any]]:
    """The user's runs. Raises ArtifactError when a file is damaged."""
    return [read(path) | {"recorded": False} for path in sorted(checkpoints.folder(settings).glob("*.json"))]


def version(settings: Settings, recorded: Path = ASSETS / "runs") -> str:
    """Changes whenever a record does: the key under which pages cache what they read."""
    files = [*sorted(recorded.glob("*.json")), *sorted(checkpoints.folder(settings).glob("*.json"))]
    return artifacts.digest([(str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files])


def read(path: Path) -> dict[str, Any]:
    """One record. Raises ArtifactError when it is damaged."""
    try:
        # Records of before had NaN where a training ran away.
        run = documents.finite(json.loads(path.read_text(encoding="utf-8")))
        if not isinstance(run, dict) or any(name not in run for name in NEEDED):
            raise ValueError
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"The training record {path} is damaged; delete it and train again.") from error
    return run


def network(settings: Settings, regime: str, catalog: Catalog) -> Weights:
    """The network of the run that `best` names. Raises WeightsError when there is none."""
    run_id = best(settings, regime, catalog)
    if run_id is None:
        raise WeightsError(
            f"No network was trained on {catalog.name} under the regime {regime} yet: run "
            f"`python -m lib train --regime {regime} --preset quick` (minutes) or `--preset full` (hours) first."
        )
    made = backbone.from_file(checkpoints.weights_file(settings, run_id), name=run_id)
    side = made.preprocess.input_size
    return replace(
        made, about=f"ResNet18 trained here, {REGIMES[regime].title.lower()} (run {run_id}), input {side} px"
    )


def best(settings: Settings, regime: str, catalog: Catalog) -> str | None:
    """Id of the user's run under `regime` that did best on validation photos and whose network is kept: of runs on
    these very photos, else of those on others of the same classes and split (photos were added, say)."""
    fitting = [
        (run["dataset"]["fingerprint"] == catalog.fingerprint, run.get("val_accuracy", 0.0), -run["seed"], run["id"])
        for run in own(settings)
        if run["regime"] == regime
        and run.get("classes") == list(catalog.classes)
        and run["dataset"].get("seed") == catalog.seed
        and checkpoints.weights_file(settings, run["id"]).is_file()
    ]
    return max(fitting)[-1] if fitting else None
