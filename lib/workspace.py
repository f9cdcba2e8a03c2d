"""What `prepare` has made for a data set, read back and checked: the only way in for searches, commands and pages.

Invariant: everything a workspace hands out belongs together (same photos, labels, weights); what does not is refused
by name, with the command that mends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib import artifacts
from lib.data import catalog as catalogs
from lib.data import datasets
from lib.data.catalog import Catalog
from lib.data.datasets import Dataset
from lib.embed import extract, projection, spaces
from lib.embed.extract import Vectors
from lib.embed.projection import Map
from lib.errors import ArtifactError
from lib.learn import backbone
from lib.learn.backbone import Weights
from lib.settings import Settings

SCHEMA = 1
PREPARE = "run `python -m lib prepare` (or press Prepare on the Home page)"


@dataclass(frozen=True)
class Workspace:
    """One data set's folder of artifacts and the state file that names the current ones."""

    settings: Settings
    dataset: Dataset
    folder: Path
    state: dict[str, Any]

    @property
    def spaces(self) -> list[str]:
        """Names of the spaces that are ready."""
        return [name for name in spaces.SPACES if name in self.state.get("spaces", {})]

    @property
    def version(self) -> str:
        """Changes whenever anything in this workspace does: the key under which pages cache what they read."""
        return artifacts.digest(self.state, str(self.folder))

    def catalog(self) -> Catalog:
        """The current catalog, split by the seed the user named. Raises ArtifactError when there is none."""
        name = self.state.get("catalog")
        found = catalogs.load(self.folder / name) if name else None
        if found is None:
            raise ArtifactError(f"There is no catalog of {self.dataset.root} yet: {PREPARE}.")
        seed = self.settings.seed
        return found if seed is None or seed == found.seed else found.reseeded(seed)

    def space(self, name: str) -> dict[str, Any]:
        """The state's entry of a space. Raises ArtifactError when it is not ready or was made with other weights."""
        space = spaces.get(name)
        entry: dict[str, Any] | None = self.state.get("spaces", {}).get(space.name)
        if entry is None:
            raise ArtifactError(f"The space {space.name} of {self.dataset.name} is not prepared yet: {PREPARE}.")
        if space.needs_weights and self.settings.weights is not None:
            asked = backbone.choose(self.settings)
            if asked.sha256 != entry["weights"]["sha256"]:
                raise ArtifactError(
                    f"The space {space.name} was prepared with the {entry['weights']['name']} weights, not with "
                    f"{asked.name}: run `python -m lib prepare --weights {self.settings.weights}`."
                )
        return entry

    def vectors(self, name: str) -> Vectors:
        """The vectors of a space, row for row with the catalog. Raises ArtifactError when missing or stale."""
        entry = self.space(name)
        found = extract.load(self.folder / entry["folder"])
        if found is None:
            raise ArtifactError(f"The vectors of {spaces.get(name).name} are gone: {PREPARE}.")
        pictures = np.asarray(self.catalog().frame["sha256"], dtype="S64")
        if found.fingerprint != entry["fingerprint"] or not np.array_equal(found.pictures, pictures):
            raise ArtifactError(f"The vectors of {spaces.get(name).name} belong to other photos or weights: {PREPARE}.")
        return found

    def map(self, name: str) -> Map:
        """The map of a space, row for row with the catalog. Raises ArtifactError when missing."""
        entry = self.space(name)
        found = projection.load(self.folder / entry["map"])
        if found is None or len(found.xy) != entry["count"]:
            raise ArtifactError(f"The map of {spaces.get(name).name} is gone: {PREPARE}.")
        return found

    def weights(self, name: str) -> Weights | None:
        """The weights with which a space was made, to embed a query in the same way; None for spaces without.

        Raises ArtifactError when those weights are no longer on this machine.
        """
        kept = self.space(name)["weights"]
        if kept is None:
            return None
        if kept["name"] == "random":
            return backbone.random(kept["seed"])
        found = backbone.bundled() if kept["name"] == "bundled" else backbone.from_kept(kept)
        if found.sha256 != kept["sha256"]:
            raise ArtifactError(
                f"The {kept['name']} weights are not the ones that {spaces.get(name).name} was made with: {PREPARE}."
            )
        return found

    def collection(self, name: str) -> str:
        """The Milvus collection of a space at the current address. Raises ArtifactError when there is none."""
        space = spaces.get(name)
        entry = self.state.get("collections", {}).get(address(self.settings), {}).get(space.name)
        if entry is None or entry["fingerprint"] != self.space(name)["fingerprint"]:
            raise ArtifactError(f"The space {space.name} is not stored in {address(self.settings)} yet: {PREPARE}.")
        return str(entry["base"])


def address(settings: Settings) -> str:
    """The store's address as it may be written down: without a user name or password in it."""
    scheme, found, rest = settings.store_uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if found else scheme


def folder_of(settings: Settings, dataset: Dataset) -> Path:
    """Where the artifacts of a data set lie."""
    return settings.artifacts / "sets" / artifacts.key(dataset.name, dataset.root)


def open_workspace(settings: Settings) -> Workspace:
    """The workspace of the user's data set. Raises ArtifactError when nothing was prepared yet."""
    dataset = datasets.find(settings)
    if dataset is None:
        raise ArtifactError(f"No photos are prepared yet: {PREPARE}.")
    folder = folder_of(settings, dataset)
    state = artifacts.read_json(folder / "state.json")
    if state is None:
        raise ArtifactError(f"{dataset.root} is not prepared yet: {PREPARE}.")
    if state.get("schema") != SCHEMA:
        raise ArtifactError(f"The artifacts of {dataset.name} are from another version of Petalscope: {PREPARE}.")
    return Workspace(settings, dataset, folder, state)
