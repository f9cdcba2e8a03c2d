"""The catalog of a run: the photos are read again, except files that an earlier catalog of this folder describes."""

from __future__ import annotations

import contextlib
from pathlib import Path

from lib import artifacts
from lib.data import catalog as catalogs
from lib.data import catalog_file, data_notes, own_folders
from lib.data.catalog import Catalog
from lib.documents.prepare import State
from lib.errors import ArtifactError
from lib.prepare.job import PrepareJob
from lib.settings import LayoutChoice


def catalog_of(job: PrepareJob, limit: int | None) -> tuple[Catalog, str]:
    """The catalog of the photos as they are now, and the name of its file, which is written unless it exists."""
    previous_name, previous = _previous_catalog(job.folder, job.previous)
    earlier = LayoutChoice() if previous is None else catalog_file.choice_of(previous)
    choice = job.settings.layout.after(earlier)
    catalog = catalogs.build(
        job.dataset.name,
        job.dataset.root,
        seed=job.seed,
        limit=limit,
        previous=previous,
        choice=choice,
        progress=job.reporter.stage("read photos"),
    )
    if own := own_folders.summary(catalog.skipped):
        job.reporter.say(f"{own[0].upper()}{own[1:]}.")
    for sentence in data_notes.sentences(catalog, kept=earlier if choice == earlier else None):
        job.reporter.say(sentence)
    name = f"catalog-{catalog.key}.parquet"
    if name != previous_name and _catalog_or_none(job.folder / name) is None:
        catalog_file.save(catalog, job.folder / name)
    return catalog, name


def _previous_catalog(folder: Path, state: State | None) -> tuple[str, Catalog | None]:
    """An earlier catalog and its file name: the state's, or one that a killed run left; ("", None) without any.

    Any earlier catalog serves, since its rows are checked file by file.
    """
    names = [state["catalog"]] if state else [path.name for path in _newest_first(folder)]
    for name in names:
        catalog = _catalog_or_none(folder / name)
        if catalog is not None:
            return name, catalog
    return "", None


def _newest_first(folder: Path) -> list[Path]:
    """The catalogs in a folder of artifacts: the newest one has the user's last choice."""
    with contextlib.suppress(OSError):
        return sorted(folder.glob("catalog-*.parquet"), key=lambda path: (-path.stat().st_mtime_ns, path.name))
    return []


def _catalog_or_none(path: Path) -> Catalog | None:
    try:
        return catalog_file.load(path)
    except ArtifactError:
        return None


def pictures(catalog: Catalog) -> str:
    """Short hash of the pictures in row order: vectors are valid for exactly these."""
    return artifacts.digest(list(catalog.frame["sha256"]))[:8]


def contents(catalog: Catalog) -> str:
    """Hash of a collection's rows apart from their vectors: id, picture, label and split of each."""
    return artifacts.digest(catalog.contents, list(catalog.frame["sha256"]))
