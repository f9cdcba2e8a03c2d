"""What `prepare` has made for a data set, read back and checked: the only way in for searches, commands and pages.

Invariant: everything a workspace hands out belongs together (same photos, labels, weights); what does not is refused
by name, with the command that mends it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lib import artifacts
from lib.data import catalog_file, datasets
from lib.data.catalog import Catalog
from lib.data.datasets import Dataset
from lib.embed import extract, projection, spaces
from lib.embed.extract import Vectors
from lib.embed.projection import Map, MapParameters
from lib.embed.spaces import Space
from lib.errors import ArtifactError, DataError, QueryError, WeightsError
from lib.learn import backbone, runs
from lib.learn.backbone import Weights
from lib.search import neighbourhoods
from lib.search.neighbourhoods import Neighbourhoods
from lib.settings import Settings

OWN_STORE = "artifacts"
SCHEMA = 2
# What each part of a state must hold, and of which type: a file that was written by hand or half lost is damaged.
_DATASET = {"name": str, "root": str, "fingerprint": str, "seed": int, "images": int}
_SPACE = {"fingerprint": str, "data_fingerprint": str, "pictures": str, "folder": str, "count": int}
_SPACE |= {"map": str, "pca": str, "neighbours": str}
_COLLECTION = {"base": str, "fingerprint": str, "contents": str}


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

    @cached_property
    def version(self) -> str:
        """Changes whenever anything in this workspace does: the key under which pages cache what they read."""
        return artifacts.digest(self.state, str(self.folder))

    def catalog(self) -> Catalog:
        """The current catalog, split by the seed the user named. Raises ArtifactError when there is none."""
        name = self.state.get("catalog")
        found = catalog_file.load(self.folder / name) if name else None
        if found is None:
            raise ArtifactError(f"There is no catalog of {self.dataset.root} yet: {remedy(self.settings)}.")
        seed = self.settings.seed
        return found if seed is None or seed == found.seed else found.reseeded(seed)

    def space(self, name: str) -> dict[str, Any]:
        """The state's entry of a space. Raises ArtifactError when it is not ready or was made with other weights."""
        space = spaces.get(name)
        entry: dict[str, Any] | None = self.state.get("spaces", {}).get(space.name)
        if entry is None:
            way = _space_remedy(self.settings, space)
            raise ArtifactError(f"The space {space.name} of {self.dataset.name} is not prepared yet: {way}.")
        if space.needs_weights and not space.regime and not self._weights_fit(entry["weights"]):
            raise ArtifactError(
                f"The space {space.name} was prepared with the {entry['weights']['name']} weights, not with "
                f"{self.settings.weights}: run `python -m lib prepare --weights {self.settings.weights}`."
            )
        return entry

    def _weights_fit(self, kept: dict[str, Any]) -> bool:
        named = self.settings.weights
        # There is only one file of that name in the world, so there is no need to have it here.
        if named is None or named == kept["name"] == "imagenet":
            return True
        return named != "imagenet" and backbone.choose(self.settings).sha256 == kept["sha256"]

    def made_as(self, name: str) -> Space:
        """The space in the precision in which it was prepared: what a query has to be embedded in."""
        return spaces.at(spaces.get(name), self.space(name).get("precision"))

    def vectors(self, name: str) -> Vectors:
        """The vectors of a space, row for row with the catalog. Raises ArtifactError when missing or stale."""
        entry = self.space(name)
        found = extract.load(self.folder / entry["folder"])
        if found is None:
            raise ArtifactError(f"The vectors of {spaces.get(name).name} are gone: {self._mend(name)}.")
        if found.fingerprint != entry["fingerprint"] or not found.of(self.catalog()):
            raise ArtifactError(
                f"The vectors of {spaces.get(name).name} belong to other photos or weights: {self._mend(name)}."
            )
        if found.meta["space"].get("schema") != spaces.get(name).schema:
            raise ArtifactError(
                f"The vectors of {spaces.get(name).name} were made by another version of Petalscope, which shrank "
                f"photos in another way: {self._mend(name)}."
            )
        return found

    def map(self, name: str, method: str = "umap") -> Map:
        """The map of a space that `prepare` made, by `umap` or `pca`, row for row with the catalog.

        Raises ArtifactError when missing.
        """
        entry = self.space(name)
        found = self._read_map(self.folder / entry["pca" if method == "pca" else "map"], entry)
        if found is None:
            raise ArtifactError(f"The map of {spaces.get(name).name} is gone: {self._mend(name)}.")
        return found

    def other_map(self, name: str, parameters: MapParameters) -> Map | None:
        """The map of a space that was made with these parameters; None when nobody made it yet."""
        return self._read_map(self.map_file(name, parameters), self.space(name))

    def map_file(self, name: str, parameters: MapParameters) -> Path:
        """Where the map of a space with these parameters lies, or would."""
        return self.folder / projection.file_name(self.space(name)["folder"], parameters)

    def map_parameters(self, name: str) -> MapParameters:
        """With what `prepare` makes the map of a space."""
        return projection.default(spaces.get(name), self.state["dataset"]["seed"])

    @staticmethod
    def _read_map(path: Path, entry: dict[str, Any]) -> Map | None:
        found = projection.load(path)
        return found if found is not None and len(found.xy) == entry["count"] else None

    def neighbourhoods(self, name: str) -> Neighbourhoods:
        """Each image's nearest in a space, row for row with the catalog. Raises ArtifactError when missing."""
        entry = self.space(name)
        found = neighbourhoods.load(self.folder / entry["neighbours"])
        if found is None or len(found.rows["l1"]) != entry["count"]:
            raise ArtifactError(f"The neighbours in {spaces.get(name).name} are gone: {self._mend(name)}.")
        return found

    def weights(self, name: str) -> Weights | None:
        """The weights with which a space was made, to embed a query in the same way; None for spaces without.

        Raises ArtifactError when those weights are no longer on this machine.
        """
        kept = self.space(name)["weights"]
        if kept is None:
            return None
        try:
            found = backbone.from_kept(kept)
        except WeightsError as error:
            raise ArtifactError(
                f"The {kept['name']} weights that {spaces.get(name).name} was made with are not at {kept['path']} "
                f"any more: put them back, or {self._mend(name)}."
            ) from error
        if found.sha256 != kept["sha256"]:
            raise ArtifactError(
                f"The {kept['name']} weights are not the ones that {spaces.get(name).name} was made with: "
                f"{self._mend(name)}."
            )
        return found

    def _mend(self, name: str) -> str:
        return f"run `{self.mending(name)}`" if spaces.get(name).regime else remedy(self.settings)

    def mending(self, name: str) -> str:
        """The command line that makes a space again, with the training before it where its network is gone."""
        space = spaces.get(name)
        with contextlib.suppress(ArtifactError):  # of a damaged record the training page tells
            if space.regime and runs.best(self.settings, space.regime, self.catalog()) is None:
                return training_command(self.settings, space)
        return space_command(self.settings, space)

    def collection(self, name: str) -> str:
        """The Milvus collection of a space at the current address. Raises ArtifactError when there is none."""
        space = spaces.get(name)
        entry = self.state.get("collections", {}).get(store_key(self.settings), {}).get(space.name)
        mine = {"fingerprint": self.space(name)["fingerprint"], "contents": self.state["contents"]}
        # A store that was not there at the last `prepare` may still hold other rows under the same name.
        if entry is None or {key: entry[key] for key in mine} != mine:
            raise ArtifactError(
                f"The space {space.name} is not stored in {address(self.settings)} yet: {remedy(self.settings)}."
            )
        return str(entry["base"])


def address(settings: Settings) -> str:
    """The store's address as it may be written down: without a user name or password in it."""
    return settings.store_address


def store_key(settings: Settings) -> str:
    """Under which name a state file notes what a store holds: our own store may move along with the artifacts."""
    return OWN_STORE if settings.store_uri == settings.own_store else address(settings)


def remedy(settings: Settings) -> str:
    """How a sentence ends that says what is missing."""
    return f"run `{settings.prepare_command}` (or press Prepare on the Home page)"


def space_command(settings: Settings, space: Space) -> str:
    """The command line that makes a space whose network, if it needs a trained one, is there."""
    return settings.prepare_command + (f" --spaces {space.name}" if space.regime else "")


def training_command(settings: Settings, space: Space) -> str:
    """The command line that makes a space of a trained network which is not there either."""
    train = settings.command("train", "--regime", str(space.regime), "--preset", "quick")
    return f"{train} && {space_command(settings, space)}"


def _space_remedy(settings: Settings, space: Space) -> str:
    if space.regime is None:
        return remedy(settings)
    return f"train its network on the Training regimes page, then run `{space_command(settings, space)}`"


def check_store(settings: Settings) -> None:
    """Raises QueryError when the address is a Lite store that is not there: only looking at it would make one."""
    path = settings.lite_path
    if path is not None and path.name.endswith(".db") and not path.exists():
        raise QueryError(f"There is no Milvus Lite store at {path} yet: run `{settings.prepare_command}`.")


def folder_of(settings: Settings, dataset: Dataset) -> Path:
    """Where the artifacts of a data set lie."""
    return settings.artifacts / "sets" / artifacts.key(dataset.name, dataset.root)


def read_state(folder: Path) -> dict[str, Any] | None:
    """The state file of a data set's artifacts; None when there is none.

    Raises ArtifactError when it is damaged or another version of Petalscope wrote it.
    """
    path = folder / "state.json"
    state = artifacts.read_json(path)
    if state is None:
        return None
    if state.get("schema") != SCHEMA:
        raise ArtifactError(f"{path} was written by another version of Petalscope; run `python -m lib prepare`.")
    stores = state.get("collections")
    sound = (
        _holds(state, {"dataset": dict, "catalog": str, "contents": str, "spaces": dict, "collections": dict})
        and _holds(state["dataset"], _DATASET)
        and all(
            name in spaces.SPACES and _holds(entry, _SPACE) and _weights_recorded(name, entry)
            for name, entry in state["spaces"].items()
        )
        and isinstance(stores, dict)
        and all(isinstance(store, dict) for store in stores.values())
        and all(_holds(entry, _COLLECTION) for store in stores.values() for entry in store.values())
    )
    if not sound:
        raise artifacts.damaged(path)
    return state


def _holds(value: Any, wanted: Mapping[str, type]) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), kind) for key, kind in wanted.items())


def _weights_recorded(name: str, entry: dict[str, Any]) -> bool:
    if not spaces.SPACES[name].needs_weights:
        return True
    kept = entry.get("weights") or {}
    return _holds(kept, {"name": str, "sha256": str, "seed": int}) and isinstance(kept.get("path", 0), str | None)


def open_workspace(settings: Settings) -> Workspace:
    """The workspace of the user's data set. Raises ArtifactError when nothing was prepared yet."""
    dataset = datasets.find(settings)
    if dataset is None:
        raise ArtifactError(f"No photos are prepared yet: {remedy(settings)}.")
    folder = folder_of(settings, dataset)
    state = read_state(folder)
    if state is None:
        if not dataset.root.is_dir():
            raise DataError(f"The data folder {dataset.root} does not exist; name one with --data or PETALSCOPE_DATA.")
        raise ArtifactError(f"{dataset.root} is not prepared yet: {remedy(settings)}.")
    return Workspace(settings, dataset, folder, state)
