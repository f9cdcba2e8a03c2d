"""The data set: the folder or archive that the user named, else flower_photos, else synthetic flowers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lib import artifacts
from lib.data.layouts import unpack
from lib.errors import DataError, DownloadError, Notice, Remedy
from lib.locks import exclusive_lock
from lib.progress import StageProgress, Warn, of_stage
from lib.settings import Settings
from lib.synthetic_flowers import recipe_file
from lib.text import listed

SYNTHETIC_NOTE = "Synthetic flowers: flower_photos could not be downloaded."
UNPACK = "unpack the archive"
NO_PHOTOS = "No photos could be downloaded or drawn"


@dataclass(frozen=True)
class Dataset:
    """A data folder. `note` is a sentence about its origin, empty where there is nothing to explain."""

    name: str
    root: Path
    note: str = ""


def find(settings: Settings) -> Dataset | None:
    """The data set on disk, in the order of preference; nothing is downloaded or drawn."""
    if settings.data is not None:
        archive = _archive(settings.data)
        if archive is None:
            return Dataset(_name(settings.data), settings.data)
        # Not unpacked yet: the archive itself stands for its photos.
        place = unpack.look(archive, settings.artifacts / "data").folder
        return Dataset(unpack.stem(archive), place, f"Unpacked from {archive}.")
    photos = settings.artifacts / "data" / "flower_photos"
    if photos.is_dir() and any(photos.iterdir()):
        return Dataset("flower_photos", photos)
    flowers = _synthetic_root(settings)
    if recipe_file.is_complete(flowers):
        return Dataset("synthetic", flowers, SYNTHETIC_NOTE)
    return None


def obtain(
    settings: Settings,
    report: StageProgress,
    warn: Warn,
    *,
    fetch: Callable[..., object] | None = None,
    draw: Callable[..., object] | None = None,
) -> Dataset:
    """The data set, downloaded or drawn when it is missing.

    `fetch` and `draw` replace the download and the renderer. Synthetic flowers on disk give way to flower_photos once
    the download succeeds. Raises DataError when the named folder does not exist or is the artifacts folder,
    ArtifactError when the artifacts folder cannot be written.
    """
    archive = None if settings.data is None else _archive(settings.data)
    if settings.data is not None and archive is None and not settings.data.is_dir():
        problem = "is not a folder or an archive of one" if settings.data.exists() else "does not exist"
        raise DataError(f"The data folder {settings.data} {problem}", remedy=Remedy.CHOOSE_DATA)
    refuse_shared(settings)
    if archive is not None:
        unpack.unpack(archive, settings.artifacts / "data", progress=lambda done, total: report(UNPACK, done, total))
    dataset = find(settings)
    if archive is not None and dataset is not None:
        warn(Notice(dataset.note))
    if dataset is not None and (settings.data is not None or dataset.name != "synthetic"):
        return dataset
    if fetch is None:
        from lib.data import download

        fetch = download.flower_photos
    try:
        fetch(
            settings.artifacts / "data",
            offline=settings.offline,
            progress=of_stage(report, "download flower_photos"),
        )
    except (DownloadError, DataError) as error:  # no network, or a damaged archive
        if dataset is None:
            warn(replace(error.notice, outcome="Drawing synthetic flowers instead."))
            _draw(settings, report, draw)
    dataset = find(settings)
    if dataset is None:
        raise DataError(NO_PHOTOS, remedy=Remedy.CHOOSE_DATA)
    return dataset


def refuse_shared(settings: Settings) -> None:
    """Raises DataError when the data folder is also the artifacts folder.

    Results would lie among the class folders and could not be distinguished from classes of the same names.
    """
    try:
        shared = settings.data is not None and settings.data.samefile(settings.artifacts)
    except OSError:  # one of the folders does not exist
        return
    if shared:
        problem = f"{settings.data} is both the data folder and the artifacts folder"
        raise DataError(problem, remedy=Remedy.CHOOSE_ARTIFACTS)


def _archive(data: Path) -> Path | None:
    """The archive that the user's data is: the file itself, or the only thing in the folder; None for photos.

    Raises DataError when the folder holds several archives and nothing else.
    """
    if unpack.is_archive(data):
        return data
    found = unpack.only_archive(data) if data.is_dir() else []
    if len(found) > 1:
        problem = f"{data} holds no photos, only {len(found)} archives ({listed([path.name for path in found])})"
        raise DataError(problem, remedy=Remedy.UNPACK)
    return found[0] if found else None


def _draw(settings: Settings, report: StageProgress, draw: Callable[..., object] | None) -> None:
    if draw is None:
        from lib.synthetic_flowers import dataset

        draw = dataset.generate
    root = _synthetic_root(settings)
    progress = of_stage(report, "draw flowers")
    # Of two first runs at the same time, the second waits and finds the set complete.
    lock = exclusive_lock(root.with_name(f".{root.name}.lock"), waiting=lambda: progress(0, None))
    with artifacts.disk_errors(root.parent), lock:
        draw(root, progress=progress)


def _name(folder: Path) -> str:
    # `..` and the root folder have no name.
    return folder.name if folder.name not in {"", ".."} else Path(os.path.realpath(folder)).name or "data"


def _synthetic_root(settings: Settings) -> Path:
    return settings.artifacts / "data" / f"synthetic-{recipe_file.VERSION}"
