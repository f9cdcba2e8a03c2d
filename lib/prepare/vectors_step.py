"""The vectors, neighbours and maps of a run's spaces, each made only where it is not there already."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from lib.data.catalog import Catalog
from lib.embed import extract, projection, spaces
from lib.embed.extract import Vectors
from lib.embed.spaces import Space
from lib.errors import ArtifactError
from lib.learn import backbone, runs
from lib.learn.backbone import Weights
from lib.prepare import catalog_step, workspace
from lib.prepare.job import PrepareJob
from lib.search import neighbourhoods


def complete(job: PrepareJob, wanted: list[str], catalog: Catalog, precision: str | None) -> dict[str, Any]:
    """Vectors, neighbours and maps of every space in `wanted`."""
    entries = embedded(job, wanted, catalog, precision)
    for name, entry in entries.items():
        space = spaces.SPACES[name]
        entries[name] = entry | {
            "neighbours": _neighbours(job, space, catalog, entry),
            "pca": _map(job, space, catalog, entry, "pca"),
            "map": _map(job, space, catalog, entry, "umap"),
        }
    return entries


def embedded(job: PrepareJob, wanted: list[str], catalog: Catalog, precision: str | None) -> dict[str, Any]:
    """Vectors of every space in `wanted`."""
    chosen = None
    if any(spaces.SPACES[name].needs_weights and not spaces.SPACES[name].regime for name in wanted):
        chosen = backbone.choose(job.settings, progress=job.talk.stage("download weights"), warn=job.talk.say)
    entries = {}
    for name in wanted:
        space = spaces.at(spaces.SPACES[name], precision or job.old.get("spaces", {}).get(name, {}).get("precision"))
        weights = runs.network(job.settings, space.regime, catalog) if space.regime else chosen
        entries[name] = _space(job, space, catalog, weights if space.needs_weights else None)
    return entries


def _space(job: PrepareJob, space: Space, catalog: Catalog, weights: Weights | None) -> dict[str, Any]:
    start = time.perf_counter()
    fingerprint = spaces.fingerprint(space, catalog.fingerprint, weights)
    name = f"spaces/{space.name}-{fingerprint[:8]}-{catalog_step.pictures(catalog)}"
    found = _vectors(job.folder / name, fingerprint, catalog)
    cached = found is not None
    if found is None:
        before = job.old.get("spaces", {}).get(space.name)
        extract.extract(
            space,
            catalog,
            weights,
            job.folder / name,
            previous=_load_or_none(job.folder / before["folder"]) if before else None,
            progress=job.talk.stage(f"embed {space.name}"),
        )
        found = extract.load(job.folder / name)
    return {
        "fingerprint": fingerprint,
        "data_fingerprint": catalog.fingerprint,
        "pictures": catalog_step.pictures(catalog),
        "folder": name,
        "dim": space.dim,
        "count": len(catalog.frame),
        "weights": weights.record() if weights is not None else None,
        "precision": space.precision if weights is not None else None,
        "engine": found.meta.get("engine") if found is not None else None,
        "cached": cached,
        "seconds": round(time.perf_counter() - start, 3),
    }


def still_valid(job: PrepareJob, catalog: Catalog) -> dict[str, Any]:
    """The old state's spaces that are of these very photos, can be read, and are as this version makes them."""
    return {
        name: entry
        for name, entry in job.old.get("spaces", {}).items()
        if entry["data_fingerprint"] == catalog.fingerprint
        and (found := _vectors(job.folder / entry["folder"], entry["fingerprint"], catalog)) is not None
        and found.meta["space"].get("schema") == spaces.SPACES[name].schema
        and all(_is_map(job.folder / entry[kind], catalog) for kind in ("map", "pca"))
        and _near(job.folder / entry["neighbours"], catalog)
    }


def to_mend(job: PrepareJob, catalog: Catalog, sound: set[str]) -> list[str]:
    """The old state's other spaces of these photos that can be made anew: an upgrade must cost nobody a space.

    One whose network is gone is left out of state and store, and the user is told what brings it back.
    """
    found = []
    for name, entry in job.old.get("spaces", {}).items():
        if name in sound or entry["data_fingerprint"] != catalog.fingerprint:
            continue
        space = spaces.SPACES[name]
        if space.regime and runs.best(job.settings, space.regime, catalog) is None:
            job.talk.say(
                f"The space {name} is left out: {_ailing(job, entry, space)}, and its network is gone. To have it "
                f"again run `{workspace.training_command(job.settings, space)}`."
            )
            continue
        job.talk.say(f"The space {name} is made anew: {_ailing(job, entry, space)}.")
        found.append(name)
    return found


def _ailing(job: PrepareJob, entry: dict[str, Any], space: Space) -> str:
    """Why a space cannot stay as it is."""
    found = _load_or_none(job.folder / entry["folder"])
    if found is not None and found.meta["space"].get("schema") != space.schema:
        return "its vectors were made by another version of Petalscope"
    return "its files are damaged or gone"


def _load_or_none(folder: Path) -> Vectors | None:
    try:
        return extract.load(folder)
    except ArtifactError:
        return None


def _vectors(folder: Path, fingerprint: str, catalog: Catalog) -> Vectors | None:
    """The vectors in `folder` if they are what the fingerprint says, row for row with the catalog."""
    found = _load_or_none(folder)
    fits = found is not None and found.fingerprint == fingerprint and found.of(catalog)
    return found if fits else None


def read(job: PrepareJob, entry: dict[str, Any], catalog: Catalog) -> Vectors:
    found = _vectors(job.folder / entry["folder"], entry["fingerprint"], catalog)
    if found is None:
        raise ArtifactError(f"{job.folder / entry['folder']} changed while it was in use; run the command again.")
    return found


def _map(job: PrepareJob, space: Space, catalog: Catalog, entry: dict[str, Any], method: str) -> str:
    parameters = projection.default(space, job.seed, method)
    name = projection.file_name(entry["folder"], parameters)
    if not _is_map(job.folder / name, catalog):
        stage = job.talk.stage(f"map {space.name}")
        stage(0, None)
        projection.save(projection.project(read(job, entry, catalog).values, parameters, stage), job.folder / name)
    return name


def _is_map(path: Path, catalog: Catalog) -> bool:
    try:
        found = projection.load(path)
    except ArtifactError:
        return False
    return found is not None and len(found.xy) == len(catalog.frame)


def _neighbours(job: PrepareJob, space: Space, catalog: Catalog, entry: dict[str, Any]) -> str:
    name = f"neighbours/{Path(entry['folder']).name}-{neighbourhoods.key()}.npz"
    if not _near(job.folder / name, catalog):
        values, stage = read(job, entry, catalog).values, job.talk.stage(f"neighbours {space.name}")
        neighbourhoods.save(neighbourhoods.k_nearest(values, catalog.all_copies(), stage), job.folder / name)
    return name


def _near(path: Path, catalog: Catalog) -> bool:
    try:
        found = neighbourhoods.load(path)
    except ArtifactError:
        return False
    return found is not None and len(found.rows["l1"]) == len(catalog.frame)
