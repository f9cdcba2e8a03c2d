"""`prepare`: catalog → vectors → neighbours and maps → Milvus, each step skipped when its result is already there.

Every result is built beside the one in use, under a name made of its inputs; the last act renames one state file,
which switches everything at once. A run that is killed leaves the old state, and the next run takes up what was done.
What may be left in a store is noted in a ledger before it is made, so that the next run can drop it.
"""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import artifacts, workspace
from lib.data import audit as audits
from lib.data import catalog as catalogs
from lib.data import datasets
from lib.data.catalog import Catalog
from lib.data.datasets import Dataset
from lib.embed import extract, projection, spaces
from lib.embed.extract import Vectors
from lib.embed.projection import Map, MapParameters
from lib.embed.spaces import Space
from lib.errors import ArtifactError, StoreError
from lib.learn import backbone, runs
from lib.learn.backbone import Weights
from lib.search import neighbourhoods
from lib.settings import DEFAULT_SEED, VERSION, Settings
from lib.store import connection, milvus

DEFAULT_SPACES = spaces.UNTRAINED
LEDGER = "collections.json"


@dataclass(frozen=True)
class Reporter:
    """How a long step talks: `progress(stage, done, total)` many times, `say(sentence)` for the user."""

    progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None
    say: Callable[[str], None] = lambda sentence: None

    def stage(self, name: str) -> Callable[[int, int | None], None]:
        """The progress function of one stage."""
        return lambda done, total: self.progress(name, done, total)


@dataclass(frozen=True)
class _Job:
    """One run: what was asked, where the results go, and the state in use when it began."""

    settings: Settings
    dataset: Dataset
    folder: Path
    old: dict[str, Any]
    talk: Reporter

    @property
    def seed(self) -> int:
        """Decides split and map: the one the user named, else the one used before."""
        named = self.settings.seed
        return named if named is not None else int(self.old.get("dataset", {}).get("seed", DEFAULT_SEED))

    @property
    def old_collections(self) -> dict[str, Any]:
        """What the old state says of the store at the current address."""
        return dict(self.old.get("collections", {}).get(workspace.store_key(self.settings), {}))


@contextmanager
def _job(settings: Settings, talk: Reporter) -> Iterator[_Job]:
    """Find or fetch the photos, then wait until nobody else works on their artifacts."""
    dataset = datasets.obtain(settings, talk.progress, talk.say)
    folder = workspace.folder_of(settings, dataset)
    with _alone(folder, talk):
        yield _Job(settings, dataset, folder, _state(folder), talk)


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
    with _job(settings, reporter or Reporter()) as job:
        catalog, catalog_file = _catalog(job, limit)
        kept = _still_valid(job, catalog)
        mended = _to_mend(job, catalog, {*wanted, *kept})
        # Opened before the long work: a store that somebody else owns is then known at once, not after minutes.
        stored = [name for name in job.old_collections if name in spaces.SPACES]  # one may have to go
        with _store(job, [*wanted, *kept, *mended, *stored]) as store:
            entries = {**kept, **_spaces(job, wanted, catalog, precision), **_spaces(job, mended, catalog, None)}
            collections, rows = _collections(job, store, catalog, entries) if store is not None else ({}, [])
            state = _new_state(job, catalog, catalog_file, entries, collections)
            if state != job.old:
                artifacts.write_json(job.folder / "state.json", state)
            _clean(job.folder, state)
            if store is not None:
                _drop_unused(job, store)
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
    with _job(settings, reporter or Reporter()) as job:
        catalog, _ = _catalog(job, limit)
        entries = _embedded(job, wanted, catalog, precision)
    return {
        "dataset": catalog.summary(),
        "spaces": [_described(name, entry) for name, entry in entries.items()],
        "seconds": round(time.perf_counter() - start, 3),
    }


def catalog(settings: Settings, *, limit: int | None = None, reporter: Reporter | None = None) -> Catalog:
    """The catalog of the photos as they are now, for training; kept when there was none like it.

    Raises PetalscopeError with what to do when there are no photos.
    """
    with _job(settings, reporter or Reporter()) as job:
        return _catalog(job, limit)[0]


def audit(settings: Settings, reporter: Reporter | None = None) -> dict[str, Any]:
    """The `audit` document of the contract, for the files as they are now; keeps the catalog when there was none."""
    with _job(settings, reporter or Reporter()) as job:
        catalog, _ = _catalog(job, None)
    return audits.audit(catalog, job.talk.stage("compare photos"))


@contextmanager
def _alone(folder: Path, talk: Reporter) -> Iterator[None]:
    """Only one `prepare` per data set at a time; the second waits and then finds everything done."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "prepare.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            talk.say("Another prepare of these photos is running; waiting for it to end.")
            lock.acquire()
    except OSError as error:
        raise artifacts.unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def _state(folder: Path) -> dict[str, Any]:
    """The state in use; empty when there is none, it is damaged, or another version wrote it: all is made anew."""
    try:
        return workspace.read_state(folder) or {}
    except ArtifactError:
        return {}


def _catalog(job: _Job, limit: int | None) -> tuple[Catalog, str]:
    known, previous = _previous_catalog(job.folder, job.old)
    catalog = catalogs.build(
        job.dataset.name,
        job.dataset.root,
        seed=job.seed,
        limit=limit,
        previous=previous,
        progress=job.talk.stage("read photos"),
    )
    name = f"catalog-{catalog.key}.parquet"
    if name != known and _catalog_or_none(job.folder / name) is None:
        catalogs.save(catalog, job.folder / name)
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
        return catalogs.load(path)
    except ArtifactError:
        return None


def _pictures(catalog: Catalog) -> str:
    """Short name of the pictures in row order: what vectors are valid for."""
    return artifacts.digest(list(catalog.frame["sha256"]))[:8]


def _contents(catalog: Catalog) -> str:
    """Hash of what a collection holds beside the vectors' own fingerprint: which id has which picture, label, split."""
    return artifacts.digest(catalog.contents, list(catalog.frame["sha256"]))


def _still_valid(job: _Job, catalog: Catalog) -> dict[str, Any]:
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


def _to_mend(job: _Job, catalog: Catalog, sound: set[str]) -> list[str]:
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


def _ailing(job: _Job, entry: dict[str, Any], space: Space) -> str:
    """Why a space cannot stay as it is."""
    found = _load_or_none(job.folder / entry["folder"])
    if found is not None and found.meta["space"].get("schema") != space.schema:
        return "its vectors were made by another version of Petalscope"
    return "its files are damaged or gone"


def _spaces(job: _Job, wanted: list[str], catalog: Catalog, precision: str | None) -> dict[str, Any]:
    """Vectors, neighbours and maps of every space in `wanted`."""
    entries = _embedded(job, wanted, catalog, precision)
    for name, entry in entries.items():
        space = spaces.SPACES[name]
        entries[name] = entry | {
            "neighbours": _neighbours(job, space, catalog, entry),
            "pca": _map(job, space, catalog, entry, "pca"),
            "map": _map(job, space, catalog, entry, "umap"),
        }
    return entries


def _embedded(job: _Job, wanted: list[str], catalog: Catalog, precision: str | None) -> dict[str, Any]:
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


def _space(job: _Job, space: Space, catalog: Catalog, weights: Weights | None) -> dict[str, Any]:
    start = time.perf_counter()
    fingerprint = spaces.fingerprint(space, catalog.fingerprint, weights)
    name = f"spaces/{space.name}-{fingerprint[:8]}-{_pictures(catalog)}"
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
        "pictures": _pictures(catalog),
        "folder": name,
        "dim": space.dim,
        "count": len(catalog.frame),
        "weights": weights.record() if weights is not None else None,
        "precision": space.precision if weights is not None else None,
        "engine": found.meta.get("engine") if found is not None else None,
        "cached": cached,
        "seconds": round(time.perf_counter() - start, 3),
    }


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


def _is_map(path: Path, catalog: Catalog) -> bool:
    try:
        found = projection.load(path)
    except ArtifactError:
        return False
    return found is not None and len(found.xy) == len(catalog.frame)


def _map(job: _Job, space: Space, catalog: Catalog, entry: dict[str, Any], method: str) -> str:
    parameters = projection.default(space, job.seed, method)
    name = projection.file_name(entry["folder"], parameters)
    if not _is_map(job.folder / name, catalog):
        stage = job.talk.stage(f"map {space.name}")
        stage(0, None)
        projection.save(projection.project(_read(job, entry, catalog).values, parameters, stage), job.folder / name)
    return name


def _near(path: Path, catalog: Catalog) -> bool:
    try:
        found = neighbourhoods.load(path)
    except ArtifactError:
        return False
    return found is not None and len(found.rows["l1"]) == len(catalog.frame)


def _neighbours(job: _Job, space: Space, catalog: Catalog, entry: dict[str, Any]) -> str:
    name = f"neighbours/{Path(entry['folder']).name}-{neighbourhoods.key()}.npz"
    if not _near(job.folder / name, catalog):
        values, stage = _read(job, entry, catalog).values, job.talk.stage(f"neighbours {space.name}")
        neighbourhoods.save(neighbourhoods.find(values, catalog.all_copies(), stage), job.folder / name)
    return name


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


def _read(job: _Job, entry: dict[str, Any], catalog: Catalog) -> Vectors:
    found = _vectors(job.folder / entry["folder"], entry["fingerprint"], catalog)
    if found is None:
        raise ArtifactError(f"{job.folder / entry['folder']} changed while it was in use; run the command again.")
    return found


@contextmanager
def _store(job: _Job, names: Sequence[str]) -> Iterator[connection.Store | None]:
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


def _collections(
    job: _Job, store: connection.Store, catalog: Catalog, entries: dict[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Bring every space that Milvus can hold into the store: the state's new entries, and the contract's rows."""
    mine: dict[str, Any] = {}
    listed: list[dict[str, Any]] = []
    present = set(milvus.names(store))
    contents = _contents(catalog)
    for name, entry in entries.items():
        if not spaces.SPACES[name].in_milvus:
            continue
        new = {"fingerprint": entry["fingerprint"], "contents": contents}
        before = job.old_collections.get(name)
        in_use = before is not None and before == {"base": before["base"], **new}
        base = before["base"] if before is not None and in_use else _free_base(job, store, name, new, present)
        missing = {}
        for suffix, (metric, centred) in milvus.SIBLINGS.items():
            about = {"space": name, **new, "weights": (entry["weights"] or {}).get("name"), "centred": centred}
            collection = base + suffix
            ready = collection in present and (
                in_use or _is_complete(store, collection, metric, about, len(catalog.frame))
            )
            if not ready:
                missing[collection] = (metric, centred, about)
            listed.append({"name": collection, "space": name, "rows": len(catalog.frame)})
        if missing:
            _note(job, {base, *_noted(job)})
            _write(job, store, catalog, entry, missing)
        mine[name] = {"base": base, **new}
    return mine, listed


def _write(
    job: _Job, store: connection.Store, catalog: Catalog, entry: dict[str, Any], missing: dict[str, Any]
) -> None:
    rows = milvus.Rows(
        ids=catalog.ids,
        paths=catalog.ids,
        labels=list(catalog.frame["label"]),
        splits=list(catalog.frame["split"]),
        vectors=_read(job, entry, catalog).values,
    )
    for collection, (metric, centred, about) in missing.items():
        milvus.write_collection(
            store,
            collection,
            rows,
            metric=metric,
            centred=centred,
            description=artifacts.to_json({"made_by": f"Petalscope {VERSION}", **about}),
            resume=True,
            progress=job.talk.stage(f"store {collection}"),
        )


def _free_base(job: _Job, store: connection.Store, space: str, new: dict[str, Any], present: set[str]) -> str:
    """`<space>_<fingerprint8>`, with a suffix while other ids, labels or splits of these vectors have that name.

    Free is a name that nobody has, or somebody with these very contents, or a killed run of this data set.
    """
    plain = milvus.collection_names(space, new["fingerprint"])["base"]
    used, noted = _used(job), _noted(job)

    def is_free(base: str) -> bool:
        there = [base + suffix for suffix in milvus.SIBLINGS if base + suffix in present]
        said = [milvus.provenance(store, collection) for collection in there]
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
        said = milvus.provenance(store, collection)
        if any(said.get(key) != value for key, value in about.items() if key != "weights"):
            return False
        indexes = [
            store.call("describe_index", collection, index, doing=f"describe {collection}")
            for index in store.call("list_indexes", collection, doing=f"describe {collection}")
        ]
        if not any(index and index.get("metric_type") == metric for index in indexes):
            return False
        milvus.ensure_loaded(store, collection)
        return milvus.count_rows(store, collection) == rows
    except StoreError:
        return False


def _used(job: _Job) -> set[str]:
    """Base names that a state of any data set in these artifacts has at the current address."""
    address = workspace.store_key(job.settings)
    states = [_state(path.parent) for path in (job.settings.artifacts / "sets").glob("*/state.json")]
    return {entry["base"] for state in states for entry in state.get("collections", {}).get(address, {}).values()}


def _noted(job: _Job) -> set[str]:
    """Base names that this data set has ever begun to write at the current address and not dropped since."""
    with contextlib.suppress(ArtifactError):
        noted = (artifacts.read_json(job.folder / LEDGER) or {}).get(workspace.store_key(job.settings))
        return {base for base in noted if isinstance(base, str)} if isinstance(noted, list) else set()
    return set()


def _note(job: _Job, bases: set[str]) -> None:
    ledger: dict[str, Any] = {}
    with contextlib.suppress(ArtifactError):
        ledger = artifacts.read_json(job.folder / LEDGER) or {}
    artifacts.write_json(job.folder / LEDGER, {**ledger, workspace.store_key(job.settings): sorted(bases)})


def _new_state(
    job: _Job, catalog: Catalog, catalog_file: str, entries: dict[str, Any], collections: dict[str, Any]
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
        "contents": _contents(catalog),
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


def _drop_unused(job: _Job, store: connection.Store) -> None:
    """Drop the collections that this data set once wrote and no data set's state names any more; others' stay."""
    noted, used = _noted(job), _used(job)
    if noted <= used:
        return
    present = set(milvus.names(store))
    for base in sorted(noted - used):
        for suffix in milvus.SIBLINGS:
            if base + suffix in present:
                milvus.drop(store, base + suffix)
    _note(job, noted & used)


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
