"""The Milvus collections of a run: written beside the ones in use, dropped once no state file names them.

A ledger records the names of collections before they are created, so that a later run can drop what a killed run left.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import artifacts
from lib.data.catalog import Catalog
from lib.documents.prepare import CollectionEntry, PreparedCollection, SpaceEntry
from lib.embed import spaces
from lib.errors import ArtifactError, StoreError
from lib.prepare import catalog_step, vectors_step, workspace
from lib.prepare.job import PrepareJob, usable_state
from lib.settings import VERSION
from lib.store import collections, connection
from lib.store import write as store_write

LEDGER = "collections.json"


@dataclass(frozen=True)
class _Missing:
    """A collection to write: its metric, and `provenance`, which becomes its description."""

    metric: str
    centred: bool
    provenance: dict[str, Any]


@contextmanager
def open_store(job: PrepareJob, names: Sequence[str]) -> Iterator[connection.Store | None]:
    """The store, open; None when none of the spaces goes into Milvus, and no collection may have to be dropped."""
    if not job.previous_collections and not any(spaces.get(name).in_milvus for name in names):
        yield None
        return
    settings = job.settings
    with workspace.open_store(settings, "prepare") as store:
        if settings.lite_path is not None:
            _sweep_lite(settings.lite_path)
        yield store


def _sweep_lite(path: Path) -> None:
    """Delete folders that a killed run left in a Lite store while it created or dropped a collection.

    Milvus Lite 3.2 does not list a folder without a schema, but refuses to create a collection of that name.
    """
    for folder in (path / "collections").glob("*"):
        if not (folder / "schema.json").exists():
            artifacts.remove(folder)


def write(
    job: PrepareJob, store: connection.Store, catalog: Catalog, entries: dict[str, SpaceEntry]
) -> tuple[dict[str, CollectionEntry], list[PreparedCollection]]:
    """Write every space that fits into Milvus. Returns the entries for the state and the rows for the document."""
    written: dict[str, CollectionEntry] = {}
    listed: list[PreparedCollection] = []
    present = set(collections.names(store))
    contents = catalog_step.contents(catalog)
    for name, entry in entries.items():
        if not spaces.get(name).in_milvus:
            continue
        previous, hashes = job.previous_collections.get(name), (entry["fingerprint"], contents)
        in_use = previous is not None and (previous["fingerprint"], previous["contents"]) == hashes
        base = previous["base"] if previous is not None and in_use else _free_base(job, store, name, hashes, present)
        written[name] = {"base": base, "fingerprint": entry["fingerprint"], "contents": contents}
        missing = {}
        for suffix, (metric, centred) in collections.SIBLINGS.items():
            provenance = {
                "space": name,
                "fingerprint": entry["fingerprint"],
                "contents": contents,
                "weights": entry["weights"]["name"] if entry["weights"] else None,
                "centred": centred,
            }
            collection = base + suffix
            ready = collection in present and (
                in_use or _is_complete(store, collection, metric, provenance, len(catalog.frame))
            )
            if not ready:
                missing[collection] = _Missing(metric, centred, provenance)
            listed.append({"name": collection, "space": name, "rows": len(catalog.frame)})
        if missing:
            write_ledger(job, {base, *_ledger(job)})
            _fill(job, store, catalog, entry, missing)
    return written, listed


def _fill(
    job: PrepareJob, store: connection.Store, catalog: Catalog, entry: SpaceEntry, missing: dict[str, _Missing]
) -> None:
    rows = store_write.Rows(
        ids=catalog.ids,
        paths=catalog.ids,
        labels=list(catalog.frame["label"]),
        splits=list(catalog.frame["split"]),
        vectors=vectors_step.read(job, entry, catalog).values,
    )
    for name, collection in missing.items():
        store_write.write_collection(
            store,
            name,
            rows,
            metric=collection.metric,
            centred=collection.centred,
            description=artifacts.to_json({"made_by": f"Petalscope {VERSION}", **collection.provenance}),
            resume=True,
            progress=job.reporter.stage(f"store {name}"),
        )


def _free_base(job: PrepareJob, store: connection.Store, space: str, hashes: tuple[str, str], present: set[str]) -> str:
    """`<space>_<fingerprint8>`, with a suffix while collections of other rows have that name.

    `hashes` are the fingerprint of the vectors and the contents of the rows. A name is free when no collection has it,
    when a collection of these very hashes has it, or when a killed run of this data set left it.
    """
    fingerprint, contents = hashes
    plain = collections.collection_names(space, fingerprint)["base"]
    used, ledger = _used(job), _ledger(job)

    def is_free(base: str) -> bool:
        existing = [base + suffix for suffix in collections.SIBLINGS if base + suffix in present]
        recorded = [collections.provenance(store, collection) for collection in existing]
        if all((each.get("fingerprint"), each.get("contents")) == hashes for each in recorded):
            return True
        return base in ledger and base not in used

    for base in (plain, *(f"{plain}_{contents[:digits]}" for digits in (4, 8, 16))):
        if is_free(base):
            return base
    raise StoreError(
        f"All collection names that begin with {plain} are in use by other programs in {store.uri}; rename those "
        "collections."
    )


def _is_complete(store: connection.Store, collection: str, metric: str, provenance: dict[str, Any], rows: int) -> bool:
    """Whether a collection that no state file names (a killed run's, or another user's) has all rows and its index."""
    try:
        recorded = collections.provenance(store, collection)
        if any(recorded.get(key) != value for key, value in provenance.items() if key != "weights"):
            return False
        indexes = [
            store.call("describe_index", collection, index, doing=f"describe {collection}")
            for index in store.call("list_indexes", collection, doing=f"describe {collection}")
        ]
        if not any(index and index.get("metric_type") == metric for index in indexes):
            return False
        collections.ensure_loaded(store, collection)
        return collections.count_rows(store, collection) == rows
    except StoreError:
        return False


def drop_unused(job: PrepareJob, store: connection.Store) -> None:
    """Drop the collections in this data set's ledger that no state file names; collections of other owners stay."""
    ledger, used = _ledger(job), _used(job)
    if ledger <= used:
        return
    present = set(collections.names(store))
    for base in sorted(ledger - used):
        for suffix in collections.SIBLINGS:
            if base + suffix in present:
                collections.drop(store, base + suffix)
    write_ledger(job, ledger & used)


def _used(job: PrepareJob) -> set[str]:
    """Base names at the current address in the state files of all data sets of these artifacts."""
    key = workspace.store_key(job.settings)
    states = [usable_state(path.parent) for path in (job.settings.artifacts / "sets").glob("*/state.json")]
    return {entry["base"] for state in states if state for entry in state["collections"].get(key, {}).values()}


def _ledger(job: PrepareJob) -> set[str]:
    """Base names that this data set has begun to write at the current address and not dropped since."""
    bases = _read_ledger(job).get(workspace.store_key(job.settings))
    return {base for base in bases if isinstance(base, str)} if isinstance(bases, list) else set()


def write_ledger(job: PrepareJob, bases: set[str]) -> None:
    """Replace the ledger of the current address; the ledgers of other addresses stay."""
    ledger = {**_read_ledger(job), workspace.store_key(job.settings): sorted(bases)}
    artifacts.write_json(job.folder / LEDGER, ledger)


def _read_ledger(job: PrepareJob) -> dict[str, Any]:
    with contextlib.suppress(ArtifactError):  # a damaged ledger costs space in the store, nothing else
        return artifacts.read_json(job.folder / LEDGER) or {}
    return {}
