"""The checks of `doctor`: what is ready, what is missing, and the remedy, in the words of the surface that asks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lib import artifacts
from lib.data import (
    catalog_file,
    data_notes,
    datasets,
    images,
    label_overlay,
    own_folders,
    skipped_files,
    unreadable,
)
from lib.data.catalog import Catalog
from lib.data.layouts import layout, unpack
from lib.data.scanning import skipped_file
from lib.documents.prepare import DoctorCheck, DoctorDocument
from lib.embed import spaces
from lib.errors import COMMAND_LINE, ArtifactError, ImageError, Notice, PetalscopeError, Remedy, StoreError
from lib.learn import backbone, runs
from lib.learn.regimes import REGIMES
from lib.prepare import before_review, workspace
from lib.prepare.workspace import Workspace
from lib.search import neighbourhoods
from lib.settings import VERSION, LayoutChoice, Settings
from lib.store import collections
from lib.text import counted

_TRIED = 200  # photos that may be unreadable before `doctor` gives up looking for one that is not
# Their hash proves these sound; any other file must be loaded to know.
KNOWN_WEIGHTS = {"imagenet", "bundled", "random"}


@dataclass(frozen=True)
class _Check:
    """What was found, and the remedy; of a check that is ready, the remedy says what could be done next."""

    name: str
    ready: bool
    found: Notice

    def row(self, wording: Mapping[Remedy, str]) -> DoctorCheck:
        """The check in the words of a surface; a remedy that only runs a command is that command."""
        detail, remedy = self.found.problem, self.found.way_out(wording)
        if self.ready:
            detail, remedy = f"{detail}; {remedy}" if remedy else detail, ""
        elif remedy == f"run `{self.found.command}`":
            remedy = self.found.command
        return {"name": self.name, "ready": self.ready, "detail": detail, "remedy": remedy}


def examine(
    settings: Settings, *, look_into_store: bool = True, wording: Mapping[Remedy, str] = COMMAND_LINE
) -> DoctorDocument:
    """The `doctor` document: versions and a list of checks, each ready or with its remedy. Only reads, offline.

    Without `look_into_store`, which is for the app (its process owns the store), no weights file is loaded either,
    since that imports torch. `wording` has the remedies in the words of the surface, as for `Notice.sentence`.
    """
    opened: Workspace | None = None
    missing = ""
    try:
        opened = workspace.open_workspace(settings)
        catalog = opened.catalog()
    except PetalscopeError as error:
        opened, missing = None, error.problem
    earlier = LayoutChoice() if opened is None else catalog_file.choice_of(catalog)
    data = _data(settings, settings.layout.after(earlier))
    checks = [_libraries(), data, _weights(settings, thorough=look_into_store), _artifacts(settings)]
    if opened is None:
        found = Notice(missing, Remedy.PREPARE, settings.prepare_command)
        if not data.ready and settings.data is not None and settings.data.exists():
            found = replace(data.found, problem=missing)  # `prepare` could not read these photos either
        checks.append(_Check("catalog", False, found))
        if look_into_store:
            checks.append(_store(settings, {}))
    else:
        checks += [
            _catalog(opened, catalog),
            *_labels(opened),
            *(_space(opened, name) for name in [*spaces.DEFAULTS, *_others(opened)]),
            _training(settings, catalog),
        ]
        if look_into_store:
            checks.append(_store(settings, _collections(opened)))
    return {
        "version": VERSION,
        "versions": artifacts.library_versions(),
        "ready": all(check.ready for check in checks),
        "checks": [check.row(wording) for check in checks],
    }


def _passed(name: str, detail: str) -> _Check:
    return _Check(name, True, Notice(detail))


def _failed(name: str, problem: str, remedy: Remedy, command: str = "") -> _Check:
    return _Check(name, False, Notice(problem, remedy, command))


def _libraries() -> _Check:
    missing = [name for name, version in artifacts.library_versions().items() if version == "missing"]
    if not missing:
        return _passed("libraries", "all installed")
    problem = f"missing: {', '.join(missing)}"
    return _failed("libraries", problem, Remedy.RUN_COMMAND, "pip install -r requirements.lock")


def _data(settings: Settings, choice: LayoutChoice) -> _Check:
    try:
        dataset = datasets.find(settings)
        if dataset is None:
            return _failed("data", "no photos yet", Remedy.PREPARE, settings.prepare_command)
        if unpack.is_archive(dataset.root):
            return _failed("data", f"{dataset.root} is not unpacked yet", Remedy.PREPARE, settings.prepare_command)
        datasets.refuse_shared(settings)
        found = layout.read(dataset.root, choice)
        _check_readable_photos(found, dataset.root)
    except PetalscopeError as error:
        return _Check("data", False, replace(error.notice, remedy=error.remedy or Remedy.CHOOSE_DATA))
    files = counted(len(found.labels), "file")
    where = {"table": "with labels", "unlabelled": "without labels"}.get(found.kind, "in class folders")
    detail = f"{dataset.name} in {dataset.root}: {files} {where}"
    if found.kind != "classes" or found.wrappers:
        detail += f"; read as {found.reason}"
    if own := own_folders.summary(found.skipped):
        detail += f"; {own}"
    return _passed("data", detail)


def _check_readable_photos(found: layout.Layout, root: Path) -> None:
    """Raises DataError when none of the first photos can be read: then `prepare` would find nothing, too."""
    skipped = []
    for name in found.files[:_TRIED]:
        try:
            images.open_rgb(root / name)
        except ImageError as error:
            skipped.append(skipped_file(name, str(error)))
        else:
            return
    if len(found.files) <= _TRIED:
        raise unreadable.no_image_error(root, found.labels, skipped)


def _weights(settings: Settings, *, thorough: bool) -> _Check:
    warnings: list[str | Notice] = []
    try:
        weights = backbone.choose(replace(settings, offline=True), warn=warnings.append)
        if thorough and weights.name not in KNOWN_WEIGHTS:
            weights, _ = backbone.adapted(weights)
    except PetalscopeError as error:
        return _failed("weights", error.problem, Remedy.CHOOSE_WEIGHTS)
    about = weights.about
    if warnings:
        download = "downloads are switched off" if settings.offline else "prepare downloads them where it has a network"
        about += f"; ImageNet's are not on this machine, and {download}"
    return _passed("weights", about)


def _artifacts(settings: Settings) -> _Check:
    # The nearest existing folder decides, since `prepare` creates the rest.
    folder = next((each for each in (settings.artifacts, *settings.artifacts.parents) if each.exists()), None)
    if folder is not None and folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return _passed("artifacts", str(settings.artifacts))
    return _failed("artifacts", f"{settings.artifacts} cannot be written", Remedy.CHOOSE_ARTIFACTS)


def _catalog(opened: Workspace, catalog: Catalog) -> _Check:
    detail = f"{counted(len(catalog.frame), 'image')}, {skipped_files.summary(catalog.skipped) or '0 files left out'}"
    detail += f"; {data_notes.in_brief(catalog)}"
    if catalog.factors:
        detail += f"; {catalog.factors}"
    try:
        changes = {kind: count for kind, count in catalog_file.changes(catalog).items() if count}
    except PetalscopeError as error:
        remedy = error.remedy if error.remedy is Remedy.CHOOSE_READING else Remedy.RESTORE_DATA
        return _Check("catalog", False, replace(error.notice, problem=f"{detail}; {error.problem}", remedy=remedy))
    if not changes:
        return _passed("catalog", detail)
    detail += "; since then " + ", ".join(f"{count:,} {kind}" for kind, count in changes.items())
    return _failed("catalog", detail, Remedy.PREPARE, opened.settings.prepare_command)


def _labels(opened: Workspace) -> list[_Check]:
    """Whether the label review is applied; no check where there is none."""
    applied = opened.state.get("review")
    try:
        pending = before_review.pending(opened)
    except ArtifactError as error:
        return [_Check("labels", False, error.notice)]
    if applied is None and not pending:
        return []
    found = label_overlay.summary(applied["relabelled"], applied["excluded"]) if applied else "as the photos have them"
    if not pending:
        return [_passed("labels", found)]
    problem = f"{found}; decisions since then are not applied yet"
    return [_failed("labels", problem, Remedy.PREPARE, opened.settings.prepare_command)]


def _training(settings: Settings, catalog: Catalog) -> _Check:
    try:
        own = runs.own(settings)
        networks = [name for name in REGIMES if runs.best(settings, name, catalog)]
    except PetalscopeError as error:
        return _failed("training", error.problem, Remedy.DELETE_FILE)
    if not own:
        if not catalog.classes:
            return _passed("training", "no run yet, and without labels there is nothing to learn")
        command = settings.command("train", regime="all", preset="quick")
        return _Check("training", True, Notice("no run yet, and a quick one takes minutes", Remedy.TRAIN, command))
    trained = f"networks for these photos: {', '.join(networks)}" if networks else "no network for these photos"
    return _passed("training", f"{counted(len(own), 'run')} kept in the artifacts, {trained}")


def _others(opened: Workspace) -> list[str]:
    """The prepared spaces beside those that `prepare` makes by default; they are optional."""
    return [name for name in opened.spaces if name not in spaces.DEFAULTS]


def _space(opened: Workspace, name: str) -> _Check:
    def read() -> str:
        vectors, weights = opened.vectors(name), opened.weights(name)
        for method in ("umap", "pca"):
            opened.map(name, method)
        note = neighbourhoods.approximation_note(opened.neighbourhoods(name).facts)
        return f"{counted(len(vectors.values), 'vector')}, neighbours{f' ({note})' if note else ''} and maps" + (
            f", weights {weights.name}" if weights else ""
        )

    return _check_readable(f"space {name}", read, *opened.way_to_rebuild(name))


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


def _store(settings: Settings, bases: dict[str, str]) -> _Check:
    def read() -> str:
        workspace.check_store(settings)
        with workspace.open_store(settings, "doctor") as store:
            present = set(collections.names(store))
        for name, base in bases.items():
            if not base or any(base + suffix not in present for suffix in collections.SIBLINGS):
                raise ArtifactError(f"{settings.store_address} does not hold all collections of the space {name}.")
        return f"{settings.store_address}: {counted(len(present), 'collection')}"

    return _check_readable("store", read, Remedy.PREPARE, settings.prepare_command)


def _check_readable(name: str, read: Callable[[], str], remedy: Remedy, command: str) -> _Check:
    """Ready with the detail that `read` returns; not ready when it raises PetalscopeError."""
    try:
        return _passed(name, read())
    except StoreError as error:  # the store exists but does not open; `prepare` cannot fix that
        return _failed(name, error.problem, error.remedy or Remedy.CHOOSE_STORE, error.command)
    except PetalscopeError as error:
        return _failed(name, error.problem, remedy, command)
