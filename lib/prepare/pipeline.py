"""`prepare`: catalog → vectors → neighbours and maps → Milvus; a step is skipped when its result exists.

Every result is built beside the one in use, under a name made of its inputs. The last act renames one state file, which
switches everything at once. A killed run leaves the old state in use, and the next run reuses its finished results.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from pathlib import Path

from lib import artifacts
from lib.data import audit_file, label_overlay
from lib.data.catalog import Catalog
from lib.documents.prepare import (
    AuditDocument,
    CollectionEntry,
    EmbedDocument,
    PreparedCollection,
    PrepareDocument,
    SpaceEntry,
    State,
)
from lib.embed import projection, spaces
from lib.embed.projection import Map, MapParameters
from lib.prepare import before_review, catalog_step, state_file, store_step, vectors_step, workspace
from lib.prepare.job import PrepareJob, begin, read_definitions
from lib.progress import Reporter
from lib.settings import VERSION, Settings

DEFAULT_SPACES = spaces.DEFAULTS
# Folders of measurements. A file in one of them begins with the name of the folder of the vectors that it was measured
# on, `<space>-<fingerprint>-`, and is deleted once these vectors are no longer in use.
OF_VECTORS = ("scores", "robustness", "near-duplicates", "measured")


def prepare(
    settings: Settings,
    *,
    names: Sequence[str] = DEFAULT_SPACES,
    limit: int | None = None,
    precision: str | None = None,
    reporter: Reporter | None = None,
) -> PrepareDocument:
    """Build all artifacts that searches, maps and pages read.

    `precision` is the networks' arithmetic: None keeps each space's own, float32 at first.

    Raises PetalscopeError with the remedy when a step fails; the results of earlier steps are kept.
    """
    start = time.perf_counter()
    read_definitions(settings)
    named = spaces.with_bases(names)
    with begin(settings, reporter or Reporter()) as begun:
        catalog, catalog_file = catalog_step.catalog_of(begun, limit)
        job = before_review.job_without_review(begun, catalog, catalog_file)
        entries = vectors_step.still_valid(job, catalog)
        rebuilt = vectors_step.to_rebuild(job, catalog, {*named, *entries})
        # Opened before the long work: a store that another process owns is reported at once, not after minutes.
        with store_step.open_store(job, [*named, *entries, *rebuilt]) as store:
            embeddings: dict[str, vectors_step.Embedding] = {}
            for spaces_to_embed, chosen in ((named, precision), (rebuilt, None)):
                part = vectors_step.embed(job, spaces_to_embed, catalog, chosen, entries)
                entries |= vectors_step.complete(job, part, catalog)
                embeddings |= part
            entries, made = vectors_step.make_anew(job, catalog, entries)
            embeddings |= made
            collections: dict[str, CollectionEntry] = {}
            rows: list[PreparedCollection] = []
            if store is not None:
                collections, rows = store_step.write(job, store, catalog, entries)
            state = _new_state(job, catalog, catalog_file, entries, collections)
            before = before_review.keep(job, state)
            if state != begun.previous:
                artifacts.write_json(job.folder / state_file.NAME, state)
            before_review.forget(job.folder, state)
            _clean(job.folder, state, catalog, before)
            if store is not None:
                store_step.drop_unused(job, store)
    return {
        "dataset": catalog.summary(),
        "spaces": [embedding.document(name) for name, embedding in embeddings.items()],
        "milvus": {"uri": settings.store_address, "collections": rows},
        "seconds": round(time.perf_counter() - start, 3),
    }


def embed(
    settings: Settings,
    *,
    names: Sequence[str] = ("resnet18",),
    limit: int | None = None,
    precision: str | None = None,
    reporter: Reporter | None = None,
) -> EmbedDocument:
    """Catalog and vectors only; the next `prepare` reuses them and adds neighbours, maps and collections.

    Nothing that is in use changes. Raises PetalscopeError as `prepare` does.
    """
    start = time.perf_counter()
    read_definitions(settings)
    named = spaces.with_bases(names)
    with begin(settings, reporter or Reporter()) as job:
        catalog, _ = catalog_step.catalog_of(job, limit)
        embeddings = vectors_step.embed(job, named, catalog, precision)
    return {
        "dataset": catalog.summary(),
        "spaces": [embedding.document(name) for name, embedding in embeddings.items()],
        "seconds": round(time.perf_counter() - start, 3),
    }


def catalog(settings: Settings, *, limit: int | None = None, reporter: Reporter | None = None) -> Catalog:
    """The catalog of the photos as they are now, for training; written unless it exists.

    Raises PetalscopeError with the remedy when there are no photos.
    """
    with begin(settings, reporter or Reporter()) as job:
        return catalog_step.catalog_of(job, limit)[0]


def audit(settings: Settings, reporter: Reporter | None = None) -> AuditDocument:
    """The `audit` document of the photos as they are now; writes the catalog unless it exists."""
    with begin(settings, reporter or Reporter()) as job:
        catalog, _ = catalog_step.catalog_of(job, None)
    return audit_file.find(job.folder, catalog, job.reporter.stage("compare photos"))


def make_map(
    settings: Settings, name: str, parameters: MapParameters, reporter: Reporter | None = None
) -> tuple[Map, bool]:
    """The map of a prepared space with these parameters, and whether it existed already.

    The map stays until the vectors change. Raises ArtifactError when the space is not prepared.
    """
    opened = workspace.open_workspace(settings)
    existing = opened.other_map(name, parameters)
    if existing is not None:
        return existing, True
    progress = (reporter or Reporter()).stage(f"map {spaces.get(name).name}")
    computed = projection.project(opened.vectors(name).values, parameters, progress)
    projection.save(computed, opened.map_file(name, parameters))
    return computed, False


def _new_state(
    job: PrepareJob,
    catalog: Catalog,
    catalog_file: str,
    entries: dict[str, SpaceEntry],
    collections: dict[str, CollectionEntry],
) -> State:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    state: State = {
        "schema": state_file.SCHEMA,
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
        "spaces": entries,
        "collections": {**job.previous_stores, workspace.store_key(job.settings): collections},
        "libraries": artifacts.library_versions(),
        "prepared": now,
    }
    if catalog.review:
        relabelled, excluded = label_overlay.changes(catalog.review)
        state["review"] = {
            "digest": catalog.review["digest"],
            "before": catalog.review["before"],
            "relabelled": relabelled,
            "excluded": excluded,
        }
    if job.previous is None or {**job.previous, "prepared": now} != state:
        return state
    return job.previous  # an unchanged run leaves the file, and its time, as they were


def _clean(folder: Path, state: State, catalog: Catalog, before: State | None) -> None:
    """Delete the files of this data set that neither the state nor that of before a label review names, and leftovers
    of a killed run."""
    states = [state] if before is None else [state, before]
    entries = [entry for each in states for entry in each["spaces"].values()]
    artifacts.sweep(folder / "spaces", {Path(entry["folder"]).name for entry in entries})
    artifacts.sweep(folder / "neighbours", {Path(entry["neighbours"]).name for entry in entries})
    # Results that belong to the current vectors, such as maps with the user's own parameters, stay with them.
    current = tuple(f"{Path(entry['folder']).name}-" for entry in entries)
    for kind in ("maps", *OF_VECTORS):
        files = (folder / kind).glob("*.npz" if kind == "maps" else "*")
        artifacts.sweep(folder / kind, {file.name for file in files if file.name.startswith(current)})
    catalogs = [catalog, *([] if before is None else filter(None, [before_review.catalog(folder, before)]))]
    artifacts.sweep(folder / audit_file.FOLDER, {audit_file.file_name(each) for each in catalogs})
    named = {each["catalog"] for each in states} | ({state["review"]["before"]} if "review" in state else set())
    for file in folder.glob("catalog-*.parquet"):
        if file.name not in named:
            artifacts.remove(file)
    for leftover in folder.glob(f"{artifacts.TEMPORARY}*"):
        artifacts.remove(leftover)
