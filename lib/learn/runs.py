"""Recorded training runs: one JSON file each, in the shape of the command-line contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lib.errors import ArtifactError
from lib.settings import ASSETS, Settings

NEEDED = ("id", "regime", "weights", "seed", "epochs", "best_epoch", "test_accuracy", "dataset")


def load(settings: Settings, recorded: Path = ASSETS / "runs") -> list[dict[str, Any]]:
    """All runs: the ones that came with Petalscope (`"recorded": true`) and the user's own.

    Raises ArtifactError when a file is damaged.
    """
    found = [_read(path) | {"recorded": True} for path in sorted(recorded.glob("*.json"))]
    own = sorted((settings.artifacts / "runs").glob("*.json"))
    return found + [_read(path) | {"recorded": False} for path in own]


def _read(path: Path) -> dict[str, Any]:
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(run, dict) or any(name not in run for name in NEEDED):
            raise ValueError
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"The training record {path} is damaged; delete it and train again.") from error
    return run
