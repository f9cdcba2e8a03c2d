"""`prepare`: catalog → vectors → neighbours and maps → Milvus, each step skipped when its result is already there.

Every result is built beside the one in use, under a name made of its inputs; the last act renames one state file,
which switches everything at once. A run that is killed leaves the old state, and the next run takes up what was done.
The steps themselves are in `lib/steps`.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib import artifacts
from lib.data import audit as audits
from lib.data.catalog import Catalog
from lib.embed import projection, spaces
from lib.embed.projection import Map, MapParameters
from lib.prepare import catalog_step, store_step, vectors_step, workspace
from lib.prepare.job import PrepareJob, begin
from lib.progress import Reporter
from lib.settings import VERSION, Settings

DEFAULT_SPACES = spaces.UNTRAINED


def prepare(
    settings: Settings,
    *,
    names: Sequence[str] = DEFAULT_SPACES,
    limit: int | None = None,
    precision: str | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Make everything that searches, maps and pages read. Returns the `prepare` document of the contract.

    `precision` is what networks compute in; None for what each space was computed in before, float32 at first.

    Raises PetalscopeError with what to do when a step cannot be done; what was done before it is kept.
    """
    start = time.perf_counter()
    wanted = list(dict.fromkeys(spaces.get(name).name for name in names))
    with begin(settings, reporter or Reporter()) as job:
        catalog, catalog_file = catalog_step.catalog_of(job, limit)
        kept = vectors_step.still_valid(job, catalog)
        mended = vectors_step.to_mend(job, catalog, {*wanted, *kept})
        # Opened before the long work: a store that somebody else owns is then known at once, not after minutes.
        before = [name for name in job.old_collections if name in spaces.SPACES]  # one may have to go
        with store_step.open_store(job, [*wanted, *kept, *mended, *before]) as store:
            entries = {
                **kept,
                **vectors_step.complete(job, wanted, catalog, precision),
                **vectors_step.complete(job, mended, catalog, None),
            }
            collections, rows = store_step.write(job, store, catalog, entries) if store is not None else ({}, [])
            state = _new_state(job, catalog, catalog_file, entries, collections)
            if state != job.old:
                artifacts.write_json(job.folder / "state.json", state)
            _clean(job.folder, state)
            if store is not None:
                store_step.drop_unused(job, store)
    return {
        "dataset": catalog.summary(),
        "spaces": [_described(name, entries[name]) for name in [*wanted, *mended]],
        "milvus": {"uri": workspace.address(settings), "collections": rows},
        "seconds": round(time.perf_counter() - start, 3),
    }


def embed(
    settings: Settings,
    *,
    names: Sequence[str] = ("resnet18",),
    limit: int | None = None,
    precision: str | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Catalog and vectors only, which the next `prepare` takes up: it then has only neighbours, maps and store to make.

    Returns the `embed` document of the contract. Nothing that is in use changes. Raises PetalscopeError as `prepare`.
    """
    start = time.perf_counter()
    wanted = list(dict.fromkeys(spaces.get(name).name for name in names))
    with begin(settings, reporter or Reporter()) as job:
        catalog, _ = catalog_step.catalog_of(job, limit)
        entries = vectors_step.embedded(job, wanted, catalog, precision)
    return {
        "dataset": catalog.summary(),
        "spaces": [_described(name, entry) for name, entry in entries.items()],
        "seconds": round(time.perf_counter() - start, 3),
    }


def catalog(settings: Settings, *, limit: int | None = None, reporter: Reporter | None = None) -> Catalog:
    """The catalog of the photos as they are now, for training; kept when there was none like it.

    Raises PetalscopeError with what to do when there are no photos.
    """
    with begin(settings, reporter or Reporter()) as job:
        return catalog_step.catalog_of(job, limit)[0]


def audit(settings: Settings, reporter: Reporter | None = None) -> dict[str, Any]:
    """The `audit` document of the contract, for the files as they are now; keeps the catalog when there was none."""
    with begin(settings, reporter or Reporter()) as job:
        catalog, _ = catalog_step.catalog_of(job, None)
    return audits.audit(catalog, job.talk.stage("compare photos"))


def make_map(
    settings: Settings, name: str, parameters: MapParameters, reporter: Reporter | None = None
) -> tuple[Map, bool]:
    """A map of a prepared space other than the one that `prepare` makes, and whether it was there already.

    It stays until the vectors change. Raises ArtifactError when the space is not prepared.
    """
    opened = workspace.open_workspace(settings)
    found = opened.other_map(name, parameters)
    if found is not None:
        return found, True
    talk = reporter or Reporter()
    made = projection.project(opened.vectors(name).values, parameters, talk.stage(f"map {spaces.get(name).name}"))
    projection.save(made, opened.map_file(name, parameters))
    return made, False


def _new_state(
    job: PrepareJob, catalog: Catalog, catalog_file: str, entries: dict[str, Any], collections: dict[str, Any]
) -> dict[str, Any]:
    state = {
        "schema": workspace.SCHEMA,
        "version": VERSION,
        "dataset": {
            "name": job.dataset.name,
            "root": str(job.dataset.root),
            "note": job.dataset.note,
            "fingerprint": catalog.fingerprint,
            "seed": catalog.seed,
            "limit": catalog.limit,
            "images": len(catalog.frame),
        },
        "catalog": catalog_file,
        "contents": catalog_step.contents(catalog),
        "spaces": {
            name: {key: value for key, value in entry.items() if key not in {"cached", "seconds"}}
            for name, entry in entries.items()
        },
        "collections": {**job.old.get("collections", {}), workspace.store_key(job.settings): collections},
        "libraries": artifacts.libraries(),
    }
    # The time of the last change, not of the last look: an unchanged second run leaves the file as it was.
    unchanged = {**job.old, "prepared": None} == {**state, "prepared": None}
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {**state, "prepared": job.old.get("prepared", now) if unchanged else now}


def _clean(folder: Path, state: dict[str, Any]) -> None:
    """Delete the files of this data set that the state no longer names, and what a killed run left."""
    entries = state["spaces"].values()
    artifacts.sweep(folder / "spaces", {Path(entry["folder"]).name for entry in entries})
    artifacts.sweep(folder / "neighbours", {Path(entry["neighbours"]).name for entry in entries})
    # Maps that the user had made besides the state's stay as long as the vectors that they are of.
    current = tuple(f"{Path(entry['folder']).name}-" for entry in entries)
    artifacts.sweep(folder / "maps", {map.name for map in folder.glob("maps/*.npz") if map.name.startswith(current)})
    for kind in ("scores", "robustness"):
        artifacts.sweep(
            folder / kind, {file.name for file in folder.glob(f"{kind}/*") if file.name.startswith(current)}
        )
    for old in folder.glob("catalog-*.parquet"):
        if old.name != state["catalog"]:
            artifacts.remove(old)
    for left in folder.glob(f"{artifacts.TEMPORARY}*"):
        artifacts.remove(left)


def _described(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "dim": entry["dim"],
        "count": entry["count"],
        "weights": entry["weights"]["name"] if entry["weights"] else None,
        "precision": entry["precision"],
        "engine": entry["engine"],
        "fingerprint": entry["fingerprint"],
        "seconds": entry["seconds"],
        "cached": entry["cached"],
    }
