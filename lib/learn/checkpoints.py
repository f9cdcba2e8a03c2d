"""A run on disk while it trains, and the network it leaves: written whole or not at all, read without running code.

`<artifacts>/runs/<id>.json` is a finished run's record, `runs/weights/<id>.safetensors` its best network with a card
beside it, `runs/unfinished/<id>.pt` the last finished epoch of one that is not done.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from lib import artifacts
from lib.learn.backbone import Preprocess
from lib.settings import Settings

SCHEMA = 1


def folder(settings: Settings) -> Path:
    """Where runs lie."""
    return settings.artifacts / "runs"


def record_file(settings: Settings, run_id: str) -> Path:
    """The record of a finished run."""
    return folder(settings) / f"{run_id}.json"


def weights_file(settings: Settings, run_id: str) -> Path:
    """The best network of a finished run."""
    return folder(settings) / "weights" / f"{run_id}.safetensors"


def checkpoint_file(settings: Settings, run_id: str) -> Path:
    """The last finished epoch of a run that is not done."""
    return folder(settings) / "unfinished" / f"{run_id}.pt"


def save(path: Path, kept: dict[str, Any]) -> None:
    """Write a checkpoint. Raises ArtifactError when the disk is full; the one before then stays."""
    import torch

    # In memory first, since torch's own writer ends the process in other ways than by OSError on a full disk.
    buffer = io.BytesIO()
    torch.save({"schema": SCHEMA, **kept}, buffer)
    with artifacts.replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load(path: Path) -> dict[str, Any] | None:
    """A checkpoint; None when there is none. Raises ArtifactError when it is damaged or of another version."""
    import torch

    if not path.is_file():
        return None
    try:
        kept = torch.load(path, "cpu", weights_only=True)
        if not isinstance(kept, dict) or kept.pop("schema") != SCHEMA:
            raise ValueError
    except Exception as error:  # torch raises many kinds for a damaged file
        raise artifacts.damaged(path) from error
    return kept


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Keep arrays that are worth not computing again. Raises ArtifactError when the disk is full."""
    with artifacts.replacing(path, lasting=False) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """What `save_arrays` kept; None when there is nothing, or nothing that can be read: then it is computed anew."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            found = {name: kept[name] for name in kept.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    # NumPy hands out as bytes what a foreign zip holds besides arrays.
    return found if all(isinstance(value, np.ndarray) for value in found.values()) else None


def save_weights(path: Path, state: dict[str, Any], preprocess: Preprocess, about: dict[str, Any]) -> None:
    """Write a trained network (torchvision's names) and beside it the card that says how it wants its photos."""
    import hashlib

    from safetensors.torch import save as packed

    data = packed({name: value.detach().cpu().contiguous() for name, value in state.items()})
    card = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "resize": list(preprocess.resize),
        "crop": preprocess.crop,
        "mean": list(preprocess.mean),
        "std": list(preprocess.std),
        **about,
    }
    # The card last: weights without one are taken for ImageNet's in size, so a card of other weights must not stay.
    artifacts.remove(path.with_suffix(".json"))
    with artifacts.replacing(path) as temporary:
        temporary.write_bytes(data)
    artifacts.write_json(path.with_suffix(".json"), card)
