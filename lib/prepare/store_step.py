"""The Milvus collections of a run: written beside the ones in use, and dropped when no state names them any more.

What may be left in a store is noted in a ledger before it is made, so that the next run can drop it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lib import artifacts
from lib.data.catalog import Catalog
from lib.embed import spaces
from lib.errors import ArtifactError, StoreError
from lib.prepare import catalog_step, vectors_step, workspace
from lib.prepare.job import PrepareJob, state_of
from lib.settings import VERSION
from lib.store import collections, connection
from lib.store import write as store_write

LEDGER = "collections.json"


@contextmanager
def open_store(job: PrepareJob, names: Sequence[str]) -> Iterator[connection.Store | None]:
    """The store, open; None when none of the spaces goes into Milvus."""
    if not any(spaces.SPACES[name].in_milvus for name in names):
        yield None
        return
    settings = job.settings
    with connection.open_store(
        settings.store_uri, settings.milvus_token, role="prepare", wait_s=settings.store_wait_s
    ) as store:
        if settings.lite_path is not None:
            _sweep_lite(settings.lite_path)
        yield store


def _sweep_lite(path: Path) -> None:
    """Delete folders that a killed run left in a Lite store while making or dropping a collection.

    Milvus Lite 3.2 does not count a folder without a schema as a collection, but refuses to make one of that name.
    """
    for folder in (path / "collections").glob("*"):
        if not (folder / "schema.json").exists():
            artifacts.remove(folder)


def write(
    job: PrepareJob, store: connection.Store, catalog: Catalog, entries: dict[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Bring every space that Milvus can hold into the store: the state's new entries, and the contract's rows."""
    mine: dict[str, Any] = {}
    listed: list[dict[str, Any]] = []
    present = set(collections.names(store))
    contents = catalog_step.contents(catalog)
    for name, entry in entries.items():
        if not spaces.SPACES[name].in_milvus:
            continue
        new = {"fingerprint": entry["fingerprint"], "contents": contents}
        before = job.old_collections.get(name)
        in_use = before is not None and before == {"base": before["base"], **new}
        base = before["base"] if before is not None and in_use else _free_base(job, store, name, new, present)
        missing = {}
        for suffix, (metric, centred) in collections.SIBLINGS.items():
            about = {"space": name, **new, "weights": (entry["weights"] or {}).get("name"), "centred": centred}
            collection = base + suffix
            ready = collection in present and (
                in_use or _is_complete(store, collection, metric, about, len(catalog.frame))
            )
            if not ready:
                missing[collection] = (metric, centred, about)
            listed.append({"name": collection, "space": name, "rows": len(catalog.frame)})
        if missing:
            note(job, {base, *_noted(job)})
            _fill(job, store, catalog, entry, missing)
        mine[name] = {"base": base, **new}
    return mine, listed


def _fill(
    job: PrepareJob, store: connection.Store, catalog: Catalog, entry: dict[str, Any], missing: dict[str, Any]
) -> None:
    rows = store_write.Rows(
        ids=catalog.ids,
        paths=catalog.ids,
        labels=list(catalog.frame["label"]),
        splits=list(catalog.frame["split"]),
        vectors=vectors_step.read(job, entry, catalog).values,
    )
    for collection, (metric, centred, about) in missing.items():
        store_write.write_collection(
            store,
            collection,
            rows,
            metric=metric,
            centred=centred,
            description=artifacts.to_json({"made_by": f"Petalscope {VERSION}", **about}),
            resume=True,
            progress=job.talk.stage(f"store {collection}"),
        )


def _free_base(job: PrepareJob, store: connection.Store, space: str, new: dict[str, Any], present: set[str]) -> str:
    """`<space>_<fingerprint8>`, with a suffix while other ids, labels or splits of these vectors have that name.

    Free is a name that nobody has, or somebody with these very contents, or a killed run of this data set.
    """
    plain = collections.collection_names(space, new["fingerprint"])["base"]
    used, noted = _used(job), _noted(job)

    def is_free(base: str) -> bool:
        there = [base + suffix for suffix in collections.SIBLINGS if base + suffix in present]
        said = [collections.provenance(store, collection) for collection in there]
        if all({key: found.get(key) for key in new} == new for found in said):
            return True
        return base in noted and base not in used

    for base in (plain, *(f"{plain}_{new['contents'][:digits]}" for digits in (4, 8, 16))):
        if is_free(base):
            return base
    raise StoreError(f"Others have taken all names that begin with {plain} in {store.uri}; rename those collections.")


def _is_complete(store: connection.Store, collection: str, metric: str, about: dict[str, Any], rows: int) -> bool:
    """Whether a collection that no state names was written to its end: by a killed run, or by another user."""
    try:
        said = collections.provenance(store, collection)
        if any(said.get(key) != value for key, value in about.items() if key != "weights"):
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
    """Drop the collections that this data set once wrote and no data set's state names any more; others' stay."""
    noted, used = _noted(job), _used(job)
    if noted <= used:
        return
    present = set(collections.names(store))
    for base in sorted(noted - used):
        for suffix in collections.SIBLINGS:
            if base + suffix in present:
                collections.drop(store, base + suffix)
    note(job, noted & used)


def _used(job: PrepareJob) -> set[str]:
    """Base names that a state of any data set in these artifacts has at the current address."""
    address = workspace.store_key(job.settings)
    states = [state_of(path.parent) for path in (job.settings.artifacts / "sets").glob("*/state.json")]
    return {entry["base"] for state in states for entry in state.get("collections", {}).get(address, {}).values()}


def _noted(job: PrepareJob) -> set[str]:
    """Base names that this data set has ever begun to write at the current address and not dropped since."""
    with contextlib.suppress(ArtifactError):
        noted = (artifacts.read_json(job.folder / LEDGER) or {}).get(workspace.store_key(job.settings))
        return {base for base in noted if isinstance(base, str)} if isinstance(noted, list) else set()
    return set()


def note(job: PrepareJob, bases: set[str]) -> None:
    ledger: dict[str, Any] = {}
    with contextlib.suppress(ArtifactError):
        ledger = artifacts.read_json(job.folder / LEDGER) or {}
    artifacts.write_json(job.folder / LEDGER, {**ledger, workspace.store_key(job.settings): sorted(bases)})
