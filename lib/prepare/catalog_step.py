"""The catalog of a run: the photos are read again, except files that an earlier catalog of this folder describes."""

from __future__ import annotations

from pathlib import Path

from lib import artifacts
from lib.data import catalog as catalogs
from lib.data import catalog_file, own_folders
from lib.data.catalog import Catalog
from lib.documents.prepare import State
from lib.prepare.job import PrepareJob


def catalog_of(job: PrepareJob, limit: int | None) -> tuple[Catalog, str]:
    """The catalog of the photos as they are now, and the name of its file, which is written unless it exists."""
    previous_name, previous = _previous_catalog(job.folder, job.previous)
    catalog = catalogs.build(
        job.dataset.name,
        job.dataset.root,
        seed=job.seed,
        limit=limit,
        previous=previous,
        progress=job.reporter.stage("read photos"),
    )
    if own := own_folders.summary(catalog.skipped):
        job.reporter.say(f"{own[0].upper()}{own[1:]}.")
    name = f"catalog-{catalog.key}.parquet"
    if name != previous_name and artifacts.unless_damaged(catalog_file.load, job.folder / name) is None:
        catalog_file.save(catalog, job.folder / name)
    return catalog, name


def _previous_catalog(folder: Path, state: State | None) -> tuple[str, Catalog | None]:
    """An earlier catalog and its file name: the state's, or one that a killed run left; ("", None) without any.

    Any earlier catalog serves, since its rows are checked file by file.
    """
    names = [state["catalog"]] if state else sorted(path.name for path in folder.glob("catalog-*.parquet"))
    for name in names:
        catalog = artifacts.unless_damaged(catalog_file.load, folder / name)
        if catalog is not None:
            return name, catalog
    return "", None


def pictures(catalog: Catalog) -> str:
    """Short hash of the pictures in row order: vectors are valid for exactly these."""
    return artifacts.digest(list(catalog.frame["sha256"]))[:8]


def contents(catalog: Catalog) -> str:
    """Hash of a collection's rows apart from their vectors: id, picture, label and split of each."""
    return artifacts.digest(catalog.contents, list(catalog.frame["sha256"]))
