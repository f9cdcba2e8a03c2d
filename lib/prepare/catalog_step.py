"""The catalog of a run: read anew, with what earlier catalogs of the same folder know of unchanged files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lib import artifacts
from lib.data import catalog as catalogs
from lib.data import catalog_file, own_folders
from lib.data.catalog import Catalog
from lib.errors import ArtifactError
from lib.prepare.job import PrepareJob


def catalog_of(job: PrepareJob, limit: int | None) -> tuple[Catalog, str]:
    known, previous = _previous_catalog(job.folder, job.old)
    catalog = catalogs.build(
        job.dataset.name,
        job.dataset.root,
        seed=job.seed,
        limit=limit,
        previous=previous,
        progress=job.talk.stage("read photos"),
    )
    if own := own_folders.summary(catalog.skipped):
        job.talk.say(f"{own[0].upper()}{own[1:]}.")
    name = f"catalog-{catalog.key}.parquet"
    if name != known and _catalog_or_none(job.folder / name) is None:
        catalog_file.save(catalog, job.folder / name)
    return catalog, name


def _previous_catalog(folder: Path, old: dict[str, Any]) -> tuple[str, Catalog | None]:
    """A catalog made before, and its file's name: the state's, or one that a killed run left before naming it.

    Any one serves, since its rows are checked file by file.
    """
    for name in [old["catalog"]] if old else sorted(path.name for path in folder.glob("catalog-*.parquet")):
        found = _catalog_or_none(folder / name)
        if found is not None:
            return name, found
    return "", None


def _catalog_or_none(path: Path) -> Catalog | None:
    try:
        return catalog_file.load(path)
    except ArtifactError:
        return None


def pictures(catalog: Catalog) -> str:
    """Short name of the pictures in row order: what vectors are valid for."""
    return artifacts.digest(list(catalog.frame["sha256"]))[:8]


def contents(catalog: Catalog) -> str:
    """Hash of what a collection holds beside the vectors' own fingerprint: which id has which picture, label, split."""
    return artifacts.digest(catalog.contents, list(catalog.frame["sha256"]))
