"""`prepare`: catalog → vectors → map → Milvus, each step skipped when its result is already there.

Every result is built beside the one in use, under a name made of its inputs; the last act renames one state file,
which switches everything at once. A run that is killed leaves the old state, and the next run takes up what was done.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
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
from lib.embed.projection import MapParameters
from lib.embed.spaces import Space
from lib.errors import ArtifactError
from lib.learn import backbone
from lib.learn.backbone import Weights
from lib.settings import DEFAULT_SEED, VERSION, Settings
from lib.store import milvus

DEFAULT_SPACES = tuple(spaces.SPACES)
# The collections of a space, by suffix: the metric of the index, and whether the vectors are centred. Milvus before 2.4
# allows one vector field per collection, and an index answers only the metric it was built for.
SIBLINGS = {"": ("COSINE", False), "_l2": ("L2", False), "_centred": ("COSINE", True)}
LIBRARIES = (
    "torch",
    "torchvision",
    "numpy",
    "pillow",
    "umap-learn",
    "faiss-cpu",
    "pymilvus",
    "milvus-lite",
    "streamlit",
)


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
        return dict(self.old.get("collections", {}).get(workspace.address(self.settings), {}))


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
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Make everything that searches, maps and pages read. Returns the `prepare` document of the contract.

    Raises PetalscopeError with what to do when a step cannot be done; what was done before it is kept.
    """
    start = time.perf_counter()
    wanted = list(dict.fromkeys(spaces.get(name).name for name in names))
    with _job(settings, reporter or Reporter()) as job:
        catalog, catalog_file = _catalog(job, limit)
        if settings.store_uri == settings.own_store:
            settings.artifacts.mkdir(parents=True, exist_ok=True)
        # Opened before the long work: a store that somebody else owns is then known at once, not after minutes.
        with milvus.open_store(settings.store_uri, settings.milvus_token, role="prepare") as store:
            entries = _spaces(job, wanted, catalog)
            collections, rows = _collections(job, store, catalog, entries)
            state = _new_state(job, catalog, catalog_file, entries, collections)
            artifacts.write_json(job.folder / "state.json", state)
            _clean(job.folder, state)
            _drop_unused(job, store)
    return {
        "dataset": catalog.summary(),
        "spaces": [_described(name, entries[name]) for name in wanted],
        "milvus": {"uri": workspace.address(settings), "collections": rows},
        "seconds": round(time.perf_counter() - start, 3),
    }


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
        state = artifacts.read_json(folder / "state.json") or {}
    except ArtifactError:
        return {}
    return state if state.get("schema") == workspace.SCHEMA else {}


def _catalog(job: _Job, limit: int | None) -> tuple[Catalog, str]:
    catalog = catalogs.build(
        job.dataset.name,
        job.dataset.root,
        seed=job.seed,
        limit=limit,
        previous=_previous_catalog(job.folder, job.old),
        progress=job.talk.stage("read photos"),
    )
    name = f"catalog-{catalog.key}.parquet"
    if not (job.folder / name).is_file():
        catalogs.save(catalog, job.folder / name)
    return catalog, name


def _previous_catalog(folder: Path, old: dict[str, Any]) -> Catalog | None:
    # A killed run may have left a catalog that no state names yet; any one serves, since rows are checked file by file.
    names = [old["catalog"]] if old else sorted(path.name for path in folder.glob("catalog-*.parquet"))
    for name in names:
        try:
            found = catalogs.load(folder / name)
        except ArtifactError:
            continue
        if found is not None:
            return found
    return None


def _pictures(catalog: Catalog) -> str:
    return artifacts.digest(list(catalog.frame["sha256"]))[:8]


def _spaces(job: _Job, wanted: list[str], catalog: Catalog) -> dict[str, Any]:
    """Vectors and map of every space in `wanted`; spaces made earlier stay if they are of these very photos."""
    entries: dict[str, Any] = {
        name: entry
        for name, entry in job.old.get("spaces", {}).items()
        if entry["data_fingerprint"] == catalog.fingerprint and entry["pictures"] == _pictures(catalog)
    }
    chosen = None
    if any(spaces.SPACES[name].needs_weights for name in wanted):
        chosen = backbone.choose(job.settings, progress=job.talk.stage("download weights"), warn=job.talk.say)
    for name in wanted:
        space = spaces.SPACES[name]
        entry = _space(job, space, catalog, chosen if space.needs_weights else None)
        entries[name] = entry | {"map": _map(job, space, entry)}
    return entries


def _space(job: _Job, space: Space, catalog: Catalog, weights: Weights | None) -> dict[str, Any]:
    start = time.perf_counter()
    fingerprint = spaces.fingerprint(space, catalog.fingerprint, weights)
    name = f"spaces/{space.name}-{fingerprint[:8]}-{_pictures(catalog)}"
    cached = _load_or_none(job.folder / name) is not None
    if not cached:
        before = job.old.get("spaces", {}).get(space.name)
        extract.extract(
            space,
            catalog,
            weights,
            job.folder / name,
            previous=_load_or_none(job.folder / before["folder"]) if before else None,
            progress=job.talk.stage(f"embed {space.name}"),
        )
    return {
        "fingerprint": fingerprint,
        "data_fingerprint": catalog.fingerprint,
        "pictures": _pictures(catalog),
        "folder": name,
        "dim": space.dim,
        "count": len(catalog.frame),
        "weights": weights.record() if weights is not None else None,
        "cached": cached,
        "seconds": round(time.perf_counter() - start, 3),
    }


def _pictures(catalog: Catalog) -> str:
    """Short name of the pictures in row order: what vectors are valid for."""
    return artifacts.digest(list(catalog.frame["sha256"]))[:8]


def _load_or_none(folder: Path) -> Vectors | None:
    try:
        return extract.load(folder)
    except ArtifactError:
        return None


def _vectors(folder: Path, name: str) -> Vectors:
    found = extract.load(folder)
    if found is None:
        raise ArtifactError(f"The vectors of {name} disappeared while they were in use; run the command again.")
    return found


def _map(job: _Job, space: Space, entry: dict[str, Any]) -> str:
    parameters = MapParameters(metric="cosine" if space.needs_weights else "euclidean", seed=job.seed)
    name = f"maps/{Path(entry['folder']).name}-{parameters.key()}.npz"
    if not (job.folder / name).is_file():
        job.talk.progress(f"map {space.name}", 0, None)
        vectors = _vectors(job.folder / entry["folder"], space.name)
        projection.save(projection.project(vectors.values, parameters), job.folder / name)
        job.talk.progress(f"map {space.name}", 1, 1)
    return name


def _collections(
    job: _Job, store: milvus.Store, catalog: Catalog, entries: dict[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Bring every space that Milvus can hold into the store: the state's new entries, and the contract's rows."""
    mine: dict[str, Any] = {}
    listed: list[dict[str, Any]] = []
    before = job.old_collections
    present = set(milvus.names(store))
    for name, entry in entries.items():
        if not spaces.SPACES[name].in_milvus:
            continue
        base = _collection_base(name, entry["fingerprint"], catalog.contents, before.get(name))
        in_use = base == before.get(name, {}).get("base")
        rows = milvus.Rows(
            ids=catalog.ids,
            paths=catalog.ids,
            labels=list(catalog.frame["label"]),
            splits=list(catalog.frame["split"]),
            vectors=_vectors(job.folder / entry["folder"], name).values,
        )
        for suffix, (metric, centred) in SIBLINGS.items():
            collection = base + suffix
            if not (in_use and collection in present):
                milvus.write_collection(
                    store,
                    collection,
                    rows,
                    metric=metric,
                    centred=centred,
                    description=_description(name, entry, centred=centred),
                    progress=job.talk.stage(f"store {collection}"),
                )
            listed.append({"name": collection, "space": name, "rows": len(catalog.frame)})
        mine[name] = {"base": base, "fingerprint": entry["fingerprint"], "contents": catalog.contents}
    return mine, listed


def _description(space: str, entry: dict[str, Any], *, centred: bool) -> str:
    """Provenance of a collection, as the text that Milvus keeps with it."""
    return artifacts.to_json(
        {
            "made_by": f"Petalscope {VERSION}",
            "space": space,
            "fingerprint": entry["fingerprint"],
            "weights": entry["weights"]["name"] if entry["weights"] else None,
            "centred": centred,
        }
    )


def _collection_base(space: str, fingerprint: str, contents: str, before: dict[str, Any] | None) -> str:
    """`<space>_<fingerprint8>`; with a suffix while rows of the same vectors but other ids or splits use that name."""
    plain = milvus.collection_names(space, fingerprint)["base"]
    if before is None or before["fingerprint"] != fingerprint or before["contents"] == contents:
        return before["base"] if before and before["fingerprint"] == fingerprint else plain
    return plain if before["base"] != plain else f"{plain}_{contents[:4]}"


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
        "spaces": {
            name: {key: value for key, value in entry.items() if key not in {"cached", "seconds"}}
            for name, entry in entries.items()
        },
        "collections": {**job.old.get("collections", {}), workspace.address(job.settings): collections},
        "libraries": libraries(),
    }
    # The time of the last change, not of the last look: an unchanged second run leaves the file as it was.
    unchanged = {**job.old, "prepared": None} == {**state, "prepared": None}
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {**state, "prepared": job.old["prepared"] if unchanged else now}


def _clean(folder: Path, state: dict[str, Any]) -> None:
    """Delete the files of this data set that the state no longer names, and what a killed run left."""
    entries = state["spaces"].values()
    artifacts.sweep(folder / "spaces", {Path(entry["folder"]).name for entry in entries})
    artifacts.sweep(folder / "maps", {Path(entry["map"]).name for entry in entries})
    for old in folder.glob("catalog-*.parquet"):
        if old.name != state["catalog"]:
            artifacts.remove(old)
    for left in folder.glob(f"{artifacts.TEMPORARY}*"):
        artifacts.remove(left)


def _drop_unused(job: _Job, store: milvus.Store) -> None:
    """Drop the collections that the old state named and no data set's state names any more; foreign ones stay."""
    address = workspace.address(job.settings)
    states = [_state(path.parent) for path in (job.settings.artifacts / "sets").glob("*/state.json")]
    used = {entry["base"] for state in states for entry in state.get("collections", {}).get(address, {}).values()}
    present = set(milvus.names(store))
    for entry in job.old_collections.values():
        if entry["base"] not in used:
            for suffix in SIBLINGS:
                if entry["base"] + suffix in present:
                    milvus.drop(store, entry["base"] + suffix)


def _described(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "dim": entry["dim"],
        "count": entry["count"],
        "weights": entry["weights"]["name"] if entry["weights"] else None,
        "fingerprint": entry["fingerprint"],
        "seconds": entry["seconds"],
        "cached": entry["cached"],
    }


def libraries() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found
