"""Petalscope. `open_workspace` opens a prepared data set in a notebook; importing this package imports nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from lib.notebook import OpenWorkspace


def open_workspace(
    data: str | Path | None = None,
    artifacts: str | Path | None = None,
    *,
    weights: str | None = None,
    seed: int | None = None,
) -> OpenWorkspace:
    """See `lib.notebook.open_workspace`."""
    from lib import notebook

    return notebook.open_workspace(data, artifacts, weights=weights, seed=seed)
