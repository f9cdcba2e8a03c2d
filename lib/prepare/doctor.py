"""The checks of `doctor`: what is ready, what is missing, and the command that fixes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from lib import artifacts
from lib.data import catalog_file, datasets, own_folders
from lib.data.catalog import Catalog
from lib.data.scanning import scan
from lib.documents.prepare import DoctorCheck, DoctorDocument
from lib.embed import spaces
from lib.errors import ArtifactError, PetalscopeError, StoreError
from lib.learn import backbone, runs
from lib.learn.regimes import REGIMES
from lib.prepare import workspace
from lib.prepare.workspace import Workspace
from lib.search import neighbourhoods
from lib.settings import VERSION, Settings
from lib.store import collections

# Their hash proves these sound; any other file must be loaded to know.
KNOWN_WEIGHTS = {"imagenet", "bundled", "random"}


def examine(settings: Settings, *, look_into_store: bool = True) -> DoctorDocument:
    """The `doctor` document: versions and a list of checks, each ready or with its remedy. Only reads, offline.

    Without `look_into_store`, which is for the app (its process owns the store), no weights file is loaded either,
    since that imports torch.
    """
    checks = [_libraries(), _data(settings), _weights(settings, thorough=look_into_store), _artifacts(settings)]
    try:
        opened = workspace.open_workspace(settings)
        catalog = opened.catalog()
    except PetalscopeError as error:
        checks.append(_check("catalog", False, _problem(error), settings.prepare_command))
        if look_into_store:
            checks.append(_store(settings, {}))
    else:
        checks += [
            _catalog(opened, catalog),
            *(_space(opened, name) for name in [*spaces.DEFAULTS, *_trained(opened)]),
            _training(settings, catalog),
        ]
        if look_into_store:
            checks.append(_store(settings, _collections(opened)))
    return {
        "version": VERSION,
        "versions": artifacts.library_versions(),
        "ready": all(check["ready"] for check in checks),
        "checks": checks,
    }


def _check(name: str, ready: bool, detail: str, remedy: str = "") -> DoctorCheck:
    return {"name": name, "ready": ready, "detail": detail, "remedy": "" if ready else remedy}


def _libraries() -> DoctorCheck:
    missing = [name for name, version in artifacts.library_versions().items() if version == "missing"]
    return _check(
        "libraries",
        not missing,
        f"missing: {', '.join(missing)}" if missing else "all installed",
        "pip install -r requirements.lock",
    )


def _data(settings: Settings) -> DoctorCheck:
    dataset = datasets.find(settings)
    if dataset is None:
        return _check("data", False, "no photos yet", settings.prepare_command)
    try:
        datasets.refuse_shared(settings)
        files, skipped = scan(dataset.root)
    except PetalscopeError as error:
        return _check("data", False, str(error), "name a folder with --data or PETALSCOPE_DATA")
    detail = f"{dataset.name} in {dataset.root}: {len(files):,} files in class folders"
    if own := own_folders.summary(skipped):
        detail += f"; {own}"
    return _check("data", bool(files), detail, "name a folder like DIR/daisy/photo.jpg with --data")


def _weights(settings: Settings, *, thorough: bool) -> DoctorCheck:
    warnings: list[str] = []
    try:
        weights = backbone.choose(replace(settings, offline=True), warn=warnings.append)
        if thorough and weights.name not in KNOWN_WEIGHTS:
            backbone.resnet18(weights)
    except PetalscopeError as error:
        return _check("weights", False, str(error), "name others with --weights imagenet, bundled or a file")
    about = weights.about
    if warnings:
        download = "downloads are switched off" if settings.offline else "prepare downloads them where it has a network"
        about += f"; ImageNet's are not on this machine, and {download}"
    return _check("weights", True, about)


def _artifacts(settings: Settings) -> DoctorCheck:
    # The nearest existing folder decides, since `prepare` creates the rest.
    folder = next((each for each in (settings.artifacts, *settings.artifacts.parents) if each.exists()), None)
    usable = folder is not None and folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    detail = str(settings.artifacts) if usable else f"{settings.artifacts} cannot be written"
    return _check("artifacts", usable, detail, "name another folder with --artifacts or PETALSCOPE_ARTIFACTS")


def _catalog(opened: Workspace, catalog: Catalog) -> DoctorCheck:
    skipped = len(catalog.skipped)
    detail = f"{len(catalog.frame):,} images, {skipped:,} file{'' if skipped == 1 else 's'} skipped"
    try:
        changes = {kind: count for kind, count in catalog_file.changes(catalog).items() if count}
    except PetalscopeError as error:
        return _check("catalog", False, f"{detail}; {error}", "restore the data folder, or name another with --data")
    if changes:
        detail += "; since then " + ", ".join(f"{count:,} {kind}" for kind, count in changes.items())
    return _check("catalog", not changes, detail, opened.settings.prepare_command)


def _training(settings: Settings, catalog: Catalog) -> DoctorCheck:
    try:
        own = runs.own(settings)
        networks = [name for name in REGIMES if runs.best(settings, name, catalog)]
    except PetalscopeError as error:
        return _check("training", False, str(error), "delete the file it names")
    if not own:
        return _check("training", True, "no run yet; `python -m lib train --regime all --preset quick` takes minutes")
    trained = f"networks for these photos: {', '.join(networks)}" if networks else "no network for these photos"
    return _check("training", True, f"{len(own)} run{'s' if len(own) > 1 else ''} kept in the artifacts, {trained}")


def _trained(opened: Workspace) -> list[str]:
    """The prepared spaces of trained networks; they are optional."""
    return [name for name in opened.spaces if spaces.SPACES[name].regime]


def _space(opened: Workspace, name: str) -> DoctorCheck:
    def read() -> str:
        vectors, weights = opened.vectors(name), opened.weights(name)
        for method in ("umap", "pca"):
            opened.map(name, method)
        note = neighbourhoods.approximation_note(opened.neighbourhoods(name).facts)
        return f"{len(vectors.values):,} vectors, neighbours{f' ({note})' if note else ''} and maps" + (
            f", weights {weights.name}" if weights else ""
        )

    return _check_readable(f"space {name}", read, opened.rebuild_command(name))


def _collections(opened: Workspace) -> dict[str, str]:
    """By space the base name of the collections that should be in the store; "" where the state file names none."""
    bases = {}
    for name in opened.spaces:
        if spaces.get(name).in_milvus:
            try:
                bases[name] = opened.collection(name)
            except PetalscopeError:
                bases[name] = ""
    return bases


def _store(settings: Settings, bases: dict[str, str]) -> DoctorCheck:
    def read() -> str:
        workspace.check_store(settings)
        with workspace.open_store(settings, "doctor") as store:
            present = set(collections.names(store))
        for name, base in bases.items():
            if not base or any(base + suffix not in present for suffix in collections.SIBLINGS):
                raise ArtifactError(f"{settings.store_address} does not hold all collections of the space {name}.")
        return f"{settings.store_address}: {len(present)} collections"

    return _check_readable("store", read, settings.prepare_command)


def _check_readable(name: str, read: Callable[[], str], remedy: str) -> DoctorCheck:
    """Ready with the detail that `read` returns; not ready when it raises PetalscopeError."""
    try:
        return _check(name, True, read())
    except StoreError as error:  # the store exists but does not open; `prepare` cannot fix that
        return _check(name, False, str(error), "stop the process that owns it, or correct --milvus-uri")
    except PetalscopeError as error:
        return _check(name, False, _problem(error), remedy)


def _problem(error: PetalscopeError) -> str:
    """What an error says without its remedy, where it can be told apart: the check has a remedy of its own."""
    return str(error) if error.remedy is None else f"{error.problem}."
