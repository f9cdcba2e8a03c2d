"""Files of a run: its checkpoint while it trains, then its record and network.

`<artifacts>/runs/<id>.json` is the record of a finished run, `runs/weights/<id>.safetensors` its best network with a
card beside it, and `runs/unfinished/<id>.pt` the checkpoint of an unfinished run after its last finished epoch. Files
are written whole or not at all, and reading one runs no code.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from lib import artifacts
from lib.learn.preprocess import Preprocess
from lib.settings import Settings

SCHEMA = 1


def folder(settings: Settings) -> Path:
    """The folder of all runs."""
    return settings.artifacts / "runs"


def record_file(settings: Settings, run_id: str) -> Path:
    """The record of a finished run."""
    return folder(settings) / f"{run_id}.json"


def weights_file(settings: Settings, run_id: str) -> Path:
    """The best network of a finished run."""
    return folder(settings) / "weights" / f"{run_id}.safetensors"


def checkpoint_file(settings: Settings, run_id: str) -> Path:
    """The checkpoint of an unfinished run."""
    return folder(settings) / "unfinished" / f"{run_id}.pt"


def remove_leftovers(settings: Settings) -> None:
    """Delete what killed trainings have left half-written. The caller holds the lock of the one training."""
    for leftover in list(folder(settings).rglob(f"{artifacts.TEMPORARY}*")):
        artifacts.remove(leftover)


def save(path: Path, checkpoint: dict[str, Any]) -> None:
    """Write a checkpoint. Raises ArtifactError when the disk is full; the previous checkpoint then stays."""
    import torch

    # Into memory first: on a full disk torch's own writer can end the process without an OSError.
    buffer = io.BytesIO()
    torch.save({"schema": SCHEMA, **checkpoint}, buffer)
    with artifacts.replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint; None when the file is missing.

    Raises ArtifactError when it is damaged or of another schema.
    """
    import torch

    if not path.is_file():
        return None
    try:
        checkpoint = torch.load(path, "cpu", weights_only=True)
        if not isinstance(checkpoint, dict) or checkpoint.pop("schema") != SCHEMA:
            raise ValueError
    except Exception as error:  # torch raises many types for a damaged file
        raise artifacts.damaged_file_error(path) from error
    return checkpoint


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Cache arrays in a file. Raises ArtifactError when the disk is full."""
    with artifacts.replacing(path, lasting=False) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """Read the arrays that `save_arrays` cached; None when the file is missing or damaged: then they are recomputed."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    # NumPy returns the other files of a foreign zip as bytes.
    return arrays if all(isinstance(value, np.ndarray) for value in arrays.values()) else None


def save_weights(path: Path, state: dict[str, Any], preprocess: Preprocess, about: dict[str, Any]) -> None:
    """Write a trained network (torchvision's parameter names) and its card: SHA-256, preprocessing, and `about`."""
    import hashlib

    from safetensors.torch import save as serialise

    data = serialise({name: value.detach().cpu().contiguous() for name, value in state.items()})
    card = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "resize": list(preprocess.resize),
        "crop": preprocess.crop,
        "mean": list(preprocess.mean),
        "std": list(preprocess.std),
        **about,
    }
    # Weights without a card are read with ImageNet's preprocessing, so the card of older weights must go first.
    artifacts.remove(path.with_suffix(".json"))
    with artifacts.replacing(path) as temporary:
        temporary.write_bytes(data)
    artifacts.write_json(path.with_suffix(".json"), card)
