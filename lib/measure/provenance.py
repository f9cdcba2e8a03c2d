"""The provenance that every kept measurement of a space records: its inputs, library versions and time."""

from __future__ import annotations

import datetime
from typing import TypedDict

from lib import artifacts
from lib.data.catalog import Catalog
from lib.prepare.workspace import Workspace


class WeightsName(TypedDict):
    """Which weights a space was embedded with."""

    name: str
    sha256: str


class Provenance(TypedDict):
    """Hashes of the inputs of a measurement, and when it was made."""

    space: str
    space_fingerprint: str
    data_fingerprint: str
    weights: WeightsName | None
    split_seed: int
    libraries: dict[str, str]
    made: str


def provenance(workspace: Workspace, space: str, catalog: Catalog) -> Provenance:
    """The provenance of a measurement of `space` that ends now."""
    entry = workspace.space(space)
    weights = entry["weights"]
    return {
        "space": space,
        "space_fingerprint": entry["fingerprint"],
        "data_fingerprint": entry["data_fingerprint"],
        "weights": None if weights is None else {"name": weights["name"], "sha256": weights["sha256"]},
        "split_seed": catalog.seed,
        "libraries": artifacts.library_versions(),
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
