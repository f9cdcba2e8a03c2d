"""The artifacts that `prepare` wrote for a data set, read and checked: searches, commands and pages start here.

Invariant: all that a workspace returns belongs together (same photos, labels, weights). A stale or missing artifact
raises ArtifactError, which names the artifact and carries the command that rebuilds it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lib import artifacts
from lib.data import catalog_file, datasets
from lib.data.catalog import Catalog
from lib.data.datasets import Dataset
from lib.documents.embeddings import WeightsRecord
from lib.documents.prepare import SpaceEntry, State
from lib.embed import embedder, extract, projection, spaces
from lib.embed.embedder import Embedder
from lib.embed.extract import Vectors
from lib.embed.projection import Map, MapParameters
from lib.embed.space import Space
from lib.errors import ArtifactError, DataError, QueryError, Remedy, WeightsError
from lib.learn import backbone, network_choice, runs
from lib.learn.backbone import Weights
from lib.prepare import state_file
from lib.search import neighbourhoods
from lib.search.neighbourhoods import Neighbourhoods
from lib.settings import Settings
from lib.store import connection

OWN_STORE = "artifacts"


@dataclass(frozen=True)
class Workspace:
    """A data set's folder of artifacts, and its state file, which names the artifacts in use."""

    settings: Settings
    dataset: Dataset
    folder: Path
    state: State

    @property
    def spaces(self) -> list[str]:
        """Names of the spaces that are ready, registered ones first."""
        ready = self.state["spaces"]
        return [
            *(name for name in spaces.SPACES if name in ready),
            *(name for name in ready if name not in spaces.SPACES),
        ]

    @cached_property
    def version(self) -> str:
        """Hash of the state, the folder and the stamps of the vectors: a cache key that changes with every artifact.
        The stamps are for an artifact that something else changes under an open app."""
        folders = [self.folder / entry["folder"] for entry in self.state["spaces"].values()]
        stamps = [artifacts.stamp(extract.vectors_file(folder)) for folder in folders]
        return artifacts.digest(self.state, str(self.folder), stamps)

    def catalog(self) -> Catalog:
        """The catalog, split by the user's seed. Raises ArtifactError when it is missing."""
        catalog = catalog_file.load(self.folder / self.state["catalog"])
        if catalog is None:
            raise unprepared(f"There is no catalog of {self.dataset.root} yet", self.settings)
        seed = self.settings.seed
        return catalog if seed is None or seed == catalog.seed else catalog.reseeded(seed)

    def space(self, name: str) -> SpaceEntry:
        """The entry of a space in the state file.

        Raises ArtifactError when the space is not prepared, or was prepared with weights other than the user's.
        """
        space = spaces.get(name)
        entry = self.state["spaces"].get(space.name)
        if entry is None:
            remedy, command = self.way_to_rebuild(name)
            # What was never there is not made by preparing once more.
            remedy = Remedy.EMBED if space.regime and remedy is Remedy.PREPARE else remedy
            problem = f"The space {space.name} of {self.dataset.name} is not prepared yet"
            raise ArtifactError(problem, remedy=remedy, command=command)
        weights = entry["weights"]
        if weights is not None and not space.regime and not self._are_user_weights(weights):
            named = self.settings.weights_of(space.network)
            option = named if space.network == backbone.RESNET18 else f"{space.network}={named}"
            raise ArtifactError(
                f"The space {space.name} was prepared with the {weights['name']} weights, not with {named}",
                remedy=Remedy.RUN_COMMAND,
                command=self.settings.command_to_prepare(
                    spaces=None if space.name in spaces.DEFAULTS else space.name, weights=option
                ),
            )
        return entry

    def _are_user_weights(self, recorded: WeightsRecord) -> bool:
        network = recorded.get("network", backbone.RESNET18)
        name = self.settings.weights_of(network)
        # ImageNet's file is the same everywhere, so it need not be on this machine.
        if name is None or name == recorded["name"] == "imagenet":
            return True
        if network != backbone.RESNET18:
            return network_choice.are_named(recorded, str(name))
        return name != "imagenet" and backbone.choose(self.settings).sha256 == recorded["sha256"]

    def prepared_space(self, name: str) -> Space:
        """The space in the precision of its stored vectors."""
        return spaces.in_precision(spaces.get(name), self.space(name).get("precision"))

    def embedder(self, name: str) -> Embedder:
        """The function that embeds new photos as the photos of a space were embedded. Loads its network.

        Raises ArtifactError when the weights are no longer on this machine, QueryError when the space takes no photos
        from elsewhere.
        """
        space = spaces.get(name)
        if space.make is not None:
            learned = extract.learned(self.folder / self.space(name)["folder"], self.vectors(name))
            bases = [self.embedder(base) for base in space.bases] if space.of_query is not None else []
            return embedder.made(space, bases, learned)
        return embedder.embedder(self.prepared_space(name), self.weights(name))

    def vectors(self, name: str) -> Vectors:
        """The vectors of a space, row for row with the catalog. Raises ArtifactError when they are missing, stale, or
        not those that were written."""
        entry, space = self.space(name), spaces.get(name)
        vectors = extract.load_verified(self.folder / entry["folder"])
        if vectors is None:
            raise self._unusable(f"The vectors of {space.name} are gone", name)
        if vectors.fingerprint != entry["fingerprint"] or not vectors.belong_to(self.catalog()):
            raise self._unusable(f"The vectors of {space.name} belong to other photos or weights", name)
        if vectors.meta["space"].get("schema") != space.schema:
            raise self._unusable(
                f"The vectors of {space.name} were made by another version of Petalscope, which resized photos "
                "differently",
                name,
            )
        return vectors

    def map(self, name: str, method: str = "umap") -> Map:
        """The map that `prepare` made of a space by `umap` or `pca`, row for row with the catalog.

        Raises ArtifactError when it is missing.
        """
        entry = self.space(name)
        laid_out = self._read_map(self.folder / entry["pca" if method == "pca" else "map"], entry)
        if laid_out is None:
            raise self._unusable(f"The map of {spaces.get(name).name} is gone", name)
        return laid_out

    def other_map(self, name: str, parameters: MapParameters) -> Map | None:
        """The map of a space with these parameters; None while it is not computed."""
        return self._read_map(self.map_file(name, parameters), self.space(name))

    def map_file(self, name: str, parameters: MapParameters) -> Path:
        """The file of a map with these parameters, whether it exists or not."""
        return self.folder / projection.file_name(self.space(name)["folder"], parameters)

    def map_parameters(self, name: str) -> MapParameters:
        """The parameters of the UMAP map that `prepare` makes of a space."""
        return projection.default_parameters(spaces.get(name), self.state["dataset"]["seed"])

    @staticmethod
    def _read_map(path: Path, entry: SpaceEntry) -> Map | None:
        laid_out = projection.load(path)
        return laid_out if laid_out is not None and len(laid_out.xy) == entry["count"] else None

    def neighbourhoods(self, name: str) -> Neighbourhoods:
        """The nearest neighbours of each image in a space, row for row with the catalog.

        Raises ArtifactError when they are missing.
        """
        entry = self.space(name)
        neighbours = neighbourhoods.load(self.folder / entry["neighbours"])
        if neighbours is None or len(neighbours.rows["l1"]) != entry["count"]:
            raise self._unusable(f"The neighbours in {spaces.get(name).name} are gone", name)
        return neighbours

    def weights(self, name: str) -> Weights | None:
        """The weights that embedded a space; None for spaces without a network.

        Raises ArtifactError when those weights are no longer on this machine.
        """
        recorded = self.space(name)["weights"]
        if recorded is None:
            return None
        try:
            weights = network_choice.from_record(recorded)
        except WeightsError as error:
            raise ArtifactError(
                f"The {recorded['name']} weights that {spaces.get(name).name} was made with are not at "
                f"{recorded['path']} any more",
                remedy=Remedy.RESTORE_WEIGHTS,
                command=self.way_to_rebuild(name)[1],
            ) from error
        if weights.sha256 != recorded["sha256"]:
            raise self._unusable(
                f"The {recorded['name']} weights are not the ones that {spaces.get(name).name} was made with", name
            )
        return weights

    def _unusable(self, problem: str, name: str) -> ArtifactError:
        remedy, command = self.way_to_rebuild(name)
        return ArtifactError(problem, remedy=remedy, command=command)

    def way_to_rebuild(self, name: str) -> tuple[Remedy, str]:
        """The remedy for a space that was prepared and is no longer sound, and its command line.

        It trains first when the network of the space is missing.
        """
        space = spaces.get(name)
        with contextlib.suppress(ArtifactError):  # a damaged training record is reported where the runs are read
            if space.regime and runs.best(self.settings, space.regime, self.catalog(), space.network) is None:
                return Remedy.TRAIN, training_command(self.settings, space)
        return Remedy.PREPARE, space_command(self.settings, space)

    def collection(self, name: str) -> str:
        """Base name of the Milvus collections of a space at the current address.

        Raises ArtifactError when the store does not hold the current vectors and rows.
        """
        space = spaces.get(name)
        entry = self.state["collections"].get(store_key(self.settings), {}).get(space.name)
        current = self.space(name)["fingerprint"], self.state["contents"]
        # A store that was out of reach at the last `prepare` may still hold earlier rows under the same name.
        if entry is None or (entry["fingerprint"], entry["contents"]) != current:
            raise unprepared(
                f"The space {space.name} is not stored in {self.settings.store_address} yet", self.settings
            )
        return str(entry["base"])


def store_key(settings: Settings) -> str:
    """The key of a store in `State["collections"]`: constant for our own store, which moves with the artifacts."""
    return OWN_STORE if settings.store_uri == settings.own_store else settings.store_address


def unprepared(problem: str, settings: Settings) -> ArtifactError:
    """The error for what `prepare` makes and is missing: `problem` is a clause, without a full stop."""
    return ArtifactError(problem, remedy=Remedy.PREPARE, command=settings.prepare_command)


def space_command(settings: Settings, space: Space) -> str:
    """The command line that prepares a space; a space of a trained network needs that network."""
    return settings.command_to_prepare(spaces=None if space.name in spaces.DEFAULTS else space.name)


def training_command(settings: Settings, space: Space) -> str:
    """The command line that trains the network of a space, then prepares the space."""
    network = None if space.network == backbone.RESNET18 else space.network
    train = settings.command("train", regime=space.regime, network=network, preset="quick")
    return f"{train} && {space_command(settings, space)}"


def check_store(settings: Settings) -> None:
    """Raises QueryError when the address is a missing Lite store, which opening would create."""
    path = settings.lite_path
    if path is not None and path.name.endswith(".db") and not path.exists():
        problem = f"There is no Milvus Lite store at {path} yet"
        raise QueryError(problem, remedy=Remedy.PREPARE, command=settings.prepare_command)


def open_store(settings: Settings, role: str) -> connection.Store:
    """Open the user's store; `role` names this process to others that wait for a Lite store.

    Raises StoreError with the remedy when the store does not open.
    """
    return connection.open_store(settings.store_uri, settings.milvus_token, role=role, wait_s=settings.store_wait_s)


def folder_of(settings: Settings, dataset: Dataset) -> Path:
    """The folder of a data set's artifacts."""
    return settings.artifacts / "sets" / artifacts.dataset_key(dataset.name, dataset.root)


def open_workspace(settings: Settings) -> Workspace:
    """The workspace of the user's data set. Raises ArtifactError when the data set is not prepared."""
    dataset = datasets.find(settings)
    if dataset is None:
        raise unprepared("No photos are prepared yet", settings)
    folder = folder_of(settings, dataset)
    state = state_file.read(folder)
    if state is None:
        if not dataset.root.exists():
            raise DataError(f"The data folder {dataset.root} does not exist", remedy=Remedy.CHOOSE_DATA)
        raise unprepared(f"{dataset.root} is not prepared yet", settings)
    return Workspace(settings, dataset, folder, state)
