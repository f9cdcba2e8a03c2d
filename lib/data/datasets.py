"""Which photos: the folder the user named, else flower_photos, else flowers drawn by Petalscope itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lib.data import download, synthetic
from lib.errors import DataError, DownloadError
from lib.settings import Settings

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
        return Dataset(settings.data.name or "data", settings.data)
    photos = settings.artifacts / "data" / "flower_photos"
    if photos.is_dir():
        return Dataset("flower_photos", photos)
    drawn = _synthetic_root(settings)
    if synthetic.is_complete(drawn):
        return Dataset("synthetic", drawn, "Drawn by Petalscope, since the flower_photos archive was out of reach.")
    return None


def obtain(settings: Settings, report: Report, warn: Callable[[str], None]) -> Dataset:
    """The data set, downloaded or drawn when it is not there yet.

    Raises DataError when the named folder does not exist.
    """
    if settings.data is not None and not settings.data.is_dir():
        raise DataError(f"The data folder {settings.data} does not exist; name one with --data or PETALSCOPE_DATA.")
    found = find(settings)
    if found is not None and found.name != "synthetic":
        return found
    try:
        download.flower_photos(
            settings.artifacts / "data",
            offline=settings.offline,
            progress=lambda done, total: report("download flower_photos", done, total),
        )
    except DownloadError as error:
        if found is None:
            warn(f"{error} Drawing synthetic flowers instead.")
            synthetic.generate(
                _synthetic_root(settings), progress=lambda done, total: report("draw flowers", done, total)
            )
    found = find(settings)
    if found is None:
        raise DataError("No photos could be found or made; name a folder of class sub-folders with --data.")
    return found


def _synthetic_root(settings: Settings) -> Path:
    return settings.artifacts / "data" / f"synthetic-{synthetic.VERSION}"
