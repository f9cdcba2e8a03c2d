"""Which photos: the folder the user named, else flower_photos, else flowers drawn by Petalscope itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lib import artifacts
from lib.errors import ArtifactError, DataError, DownloadError
from lib.settings import Settings
from lib.synthetic_flowers import recipe_file

Report = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Dataset:
    """A data folder and what to say of it. `note` is one sentence, empty where there is nothing to explain."""

    name: str
    root: Path
    note: str = ""


def find(settings: Settings) -> Dataset | None:
    """The data set that is there already, in the order of the design; nothing is downloaded or drawn."""
    if settings.data is not None:
        return Dataset(_name(settings.data), settings.data)
    photos = settings.artifacts / "data" / "flower_photos"
    if photos.is_dir() and any(photos.iterdir()):
        return Dataset("flower_photos", photos)
    flowers = _synthetic_root(settings)
    if recipe_file.is_complete(flowers):
        return Dataset("synthetic", flowers, "Drawn by Petalscope, since the flower_photos archive was out of reach.")
    return None


def obtain(
    settings: Settings,
    report: Report,
    warn: Callable[[str], None],
    *,
    fetch: Callable[..., object] | None = None,
    draw: Callable[..., object] | None = None,
) -> Dataset:
    """The data set, downloaded or drawn when it is not there yet (by `fetch` and `draw`, else in the usual ways).

    Raises DataError when the named folder does not exist or is the artifacts folder, ArtifactError when the artifacts
    folder cannot be written.
    """
    if settings.data is not None and not settings.data.is_dir():
        wrong = "is not a folder" if settings.data.exists() else "does not exist"
        raise DataError(f"The data folder {settings.data} {wrong}; name one with --data or PETALSCOPE_DATA.")
    refuse_shared(settings)
    found = find(settings)
    if found is not None and (settings.data is not None or found.name != "synthetic"):
        return found
    if fetch is None:
        from lib.data import download

        fetch = download.flower_photos
    try:
        fetch(
            settings.artifacts / "data",
            offline=settings.offline,
            progress=lambda done, total: report("download flower_photos", done, total),
        )
    except (DownloadError, DataError) as error:  # no network, or an archive that cannot be unpacked
        if found is None:
            warn(f"{error} Drawing synthetic flowers instead.")
            _draw(settings, report, draw)
    found = find(settings)
    if found is None:
        raise DataError("No photos could be found or made; name a folder of class sub-folders with --data.")
    return found


def refuse_shared(settings: Settings) -> None:
    """Raises DataError when the data folder is also the artifacts folder.

    Results would lie among the class folders there, and could not be told from classes of the same names.
    """
    try:
        shared = settings.data is not None and settings.data.samefile(settings.artifacts)
    except OSError:  # one of them is not there
        return
    if shared:
        raise DataError(
            f"{settings.data} is named as the data folder and as the artifacts folder; name another folder for the "
            "artifacts with --artifacts or PETALSCOPE_ARTIFACTS."
        )


def _draw(settings: Settings, report: Report, draw: Callable[..., object] | None) -> None:
    from lib.data import disk

    if draw is None:
        from lib.synthetic_flowers import dataset

        draw = dataset.generate
    folder, root = settings.artifacts / "data", _synthetic_root(settings)

    def progress(done: int, total: int | None) -> None:
        report("draw flowers", done, total)

    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Two first runs at once draw one set: the second waits, and finds it complete.
        with disk.exclusive_lock(folder, root.name, ArtifactError, waiting=lambda: progress(0, None)):
            draw(root, progress=progress)
    except OSError as full:
        raise artifacts.unwritable(folder, full) from full


def _name(folder: Path) -> str:
    # `..` and the root folder have no name of their own.
    return folder.name if folder.name not in {"", ".."} else Path(os.path.realpath(folder)).name or "data"


def _synthetic_root(settings: Settings) -> Path:
    return settings.artifacts / "data" / f"synthetic-{recipe_file.VERSION}"
