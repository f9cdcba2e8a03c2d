"""Spaces of vectors that another program computed: brought in like any other step of `prepare`, and removed again.

Invariant: what is in use changes by the rename of the state file alone, as in `prepare`; a killed run leaves the old
state, and the next run deletes what it left.
"""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lib import artifacts, limits
from lib.data import catalog_file, vector_files, vector_ids
from lib.data.catalog import Catalog
from lib.data.vector_tables import VectorFile
from lib.documents.prepare import State
from lib.documents.spaces import AddSpaceDocument, RemoveSpaceDocument
from lib.embed import imported_spaces, spaces
from lib.embed.imported_spaces import Written
from lib.errors import ArtifactError, QueryError, Remedy
from lib.prepare import before_review, import_report, pipeline, state_file, store_step, workspace
from lib.prepare.job import PrepareJob, begin, read_definitions
from lib.progress import Progress, Reporter, no_progress
from lib.settings import Settings
from lib.store import collections, field_vectors
from lib.store.connection import Store
from lib.text import listed, shown_name

# A name stands in folders, links and collections, and `+`, `,` and `@` mean something in it.
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True)
class Source:
    """Where vectors come from: a `file`, called `title` in reports ("": by its name).

    `vectors` names its column of vectors and `ids` its column of ids, or a file of ids; "" for the usual ones. `texts`
    is a file of texts with their vectors. `keys` are the ids where they are known without a file.
    """

    file: Path
    title: str = ""
    vectors: str = ""
    ids: str = ""
    texts: Path | None = None
    keys: list[str] | None = field(default=None, compare=False)
    keyed_by: str = ""

    @property
    def name(self) -> str:
        """What reports call the source."""
        return self.title or self.file.name


def add(settings: Settings, name: str, source: Source, reporter: Reporter | None = None) -> AddSpaceDocument:
    """Make a space of vectors from elsewhere: matched with the photos, mapped, and stored in Milvus where it fits.

    All or nothing: raises QueryError when a photo has no vector, or the file or the name cannot be used; ArtifactError
    when the photos are not prepared, or changed since; StoreError as `prepare` does.
    """
    start, report = time.perf_counter(), reporter or Reporter()
    state = workspace.open_workspace(settings).state
    check_name(settings, name)
    brought: list[tuple[_Read, Written, bool]] = []

    def bring_in(job: PrepareJob, catalog: Catalog) -> str:
        if job.previous is None or job.previous["dataset"]["fingerprint"] != catalog.fingerprint:
            raise ArtifactError(
                "The photos or their labels changed since they were prepared",
                remedy=Remedy.PREPARE,
                command=settings.prepare_command,
            )
        report.stage(f"bring in {name}")(0, None)
        read = _read(source, catalog)
        facts: dict[str, Any] = {"source": source.name, "sha256": artifacts.file_hash(source.file)}
        if source.texts is not None:
            facts["texts_sha256"] = artifacts.file_hash(source.texts)
        written = imported_spaces.write(
            job.folder, name, catalog, read.file, read.match, facts, read.texts, report.stage(f"bring in {name}")
        )
        before = job.previous_spaces.get(name)
        replaced = before is not None and before.get("definition") != written.definition
        if replaced:
            report.say(f"The space {name} had other vectors; they are replaced.")
        brought.append((read, written, replaced))
        spaces.define(imported_spaces.space_of(name, written.definition, job.folder))
        return name

    try:
        prepared = pipeline.prepare(
            settings, names=[], limit=state["dataset"]["limit"], reporter=report, bring_in=bring_in
        )
    except BaseException:
        spaces.forget(name)
        read_definitions(settings)
        raise
    read, written, replaced = brought[0]
    found = import_report.document(
        name, source.name, read.catalog, read.file, read.match, written, prepared, replaced=replaced
    )
    return {**found, "seconds": round(time.perf_counter() - start, 3)}


def collection_source(
    store: Store,
    collection: str,
    field: str,
    folder: Path,
    *,
    id_field: str = "",
    texts: Path | None = None,
    progress: Progress = no_progress,
) -> Source:
    """The vectors of a collection's field as a source, copied into `folder`.

    Raises the errors of `field_vectors.copy`.
    """
    target = folder / "vectors.npy"
    ids = field_vectors.copy(store, collection, field, target, id_field=id_field, progress=progress)
    title = f"{collection}{f', field {field}' if field else ''} in {store.uri}"
    return Source(target, title, texts=texts, keys=ids, keyed_by=f"the field {id_field or 'of the primary key'}")


@dataclass(frozen=True)
class _Read:
    """What a source holds, and how it fits the photos of a catalog."""

    catalog: Catalog
    file: VectorFile
    match: vector_ids.Match
    texts: VectorFile | None


def _read(source: Source, catalog: Catalog) -> _Read:
    """A source, looked at and matched. Raises QueryError when a photo has no vector in it."""
    ids_file = Path(source.ids).expanduser() if source.ids else None
    is_file = ids_file is not None and source.keys is None and ids_file.is_file()
    file = vector_files.open_file(source.file, vectors=source.vectors, ids="" if is_file else source.ids)
    if ids_file is not None and is_file:
        file = _with_keys(file, vector_ids.read_ids(ids_file), f"the file {shown_name(ids_file.name)}")
    if source.keys is not None:
        file = _with_keys(file, source.keys, source.keyed_by)
    match = vector_ids.match(file.keys, file.rows, catalog, shown_name(source.name))
    if (match.rows < 0).any():
        raise QueryError(import_report.lacking(source.name, catalog, file.keys or [], match))
    return _Read(catalog, file, match, None if source.texts is None else _texts(source.texts))


def _with_keys(file: VectorFile, keys: list[str], keyed_by: str) -> VectorFile:
    return VectorFile(file.rows, file.dim, file.dtype, keys, keyed_by, file.blocks)


def _texts(path: Path) -> VectorFile:
    """A file of texts with their vectors. Raises QueryError when it has no texts, or too many."""
    try:
        found = vector_files.open_file(path, ids="text")
    except QueryError:
        found = vector_files.open_file(path)  # says what is wrong, or has its texts in another column
    if found.keys is None or not all(found.keys):
        raise QueryError(f"{shown_name(path.name)} has no texts; it needs a column text, or one of its texts is empty.")
    if found.rows > limits.TEXTS:
        raise QueryError(f"{shown_name(path.name)} has {found.rows:,} texts; at most {limits.TEXTS:,} are read.")
    for text in found.keys:
        limits.check_length(text, "A text with a vector")
    return found


def check_name(settings: Settings, name: str) -> None:
    """Raises QueryError for a name that a space of vectors from elsewhere cannot have: a name means one thing in a
    folder of artifacts, and never what another space is called."""
    if not NAME.fullmatch(name):
        raise QueryError(
            f"{shown_name(name) or 'An empty name'} cannot be the name of a space: take 1 to 40 small letters, digits, "
            "- and _, and begin with a letter or digit."
        )
    try:
        existing = spaces.get(name)
    except QueryError:
        existing = None
    is_imported = existing is not None and (existing.definition or {}).get("kind") == imported_spaces.KIND_NAME
    if (existing is not None and not is_imported) or name in _networks():
        raise QueryError(f"{name} is the name of another space or network; choose another name.")
    own = workspace.open_workspace(settings).folder
    for file in (settings.artifacts / "sets").glob("*/state.json"):
        other = artifacts.unless_damaged(artifacts.read_json, file) if file.parent != own else None
        if isinstance(other, dict) and isinstance(other.get("spaces"), dict) and name in other["spaces"]:
            root = shown_name(str((other.get("dataset") or {}).get("root", file.parent)))
            raise QueryError(f"The photos in {root} have a space {name} in these artifacts; choose another name.")


def _networks() -> set[str]:
    """The names of torchvision's classification models."""
    from torchvision import models

    return set(models.list_models(module=models))


# --- removing --------------------------------------------------------------------------------------------------------


def remove(settings: Settings, name: str, reporter: Reporter | None = None) -> RemoveSpaceDocument:
    """Remove a space and those made from it: vectors, maps, measurements, copies, and the collections in the store.

    Trained networks stay. Raises QueryError for a space that every `prepare` makes, or that is not there; StoreError
    when the store does not open, and then nothing is removed.
    """
    start = time.perf_counter()
    opened = workspace.open_workspace(settings)
    name = spaces.ALIASES.get(name, name)
    if name in spaces.DEFAULTS:
        raise QueryError(f"The space {name} cannot be removed: it is made whenever photos are prepared.")
    dropped: list[str] = []
    with begin(settings, reporter or Reporter()) as job:
        state = job.previous
        if state is None or name not in state["spaces"]:
            raise QueryError(
                f"{opened.dataset.name} has no space {shown_name(name)}; it has {listed(opened.spaces, 20)}."
            )
        removed = _with_derived(name, state)
        catalog = catalog_file.load(job.folder / state["catalog"])
        if catalog is None:
            raise workspace.unprepared(f"The catalog of {opened.dataset.name} is gone", settings)
        with store_step.open_store(job, []) as store:
            before = _rewritten(job.folder, removed)
            artifacts.write_json(job.folder / state_file.NAME, _without(state, removed))
            fingerprints = [state["spaces"][each]["fingerprint"] for each in removed]
            _remove_comparisons(job.folder, fingerprints)
            pipeline.clean(job.folder, _without(state, removed), catalog, before)
            if store is not None:
                present = set(collections.names(store))
                store_step.drop_unused(job, store)
                dropped = sorted(present - set(collections.names(store)))
        for each in removed:
            spaces.forget(each)
        elsewhere = [
            store_key for store_key, entries in state["collections"].items()
            if store_key != workspace.store_key(settings) and any(each in entries for each in removed)
        ]  # fmt: skip
    return {
        "name": name,
        "removed": removed,
        "collections": dropped,
        "elsewhere": elsewhere,
        "seconds": round(time.perf_counter() - start, 3),
    }


def _with_derived(name: str, state: State) -> list[str]:
    """A space and all that are made from it, directly or not."""
    removed = [name]
    while found := [
        other for other, entry in state["spaces"].items()
        if other not in removed and any(base in removed for base in entry.get("bases", {}))
    ]:  # fmt: skip
        removed += found
    return removed


def _without(state: State, removed: list[str]) -> State:
    def kept(entries: Any) -> Any:
        return {name: entry for name, entry in entries.items() if name not in removed}

    stores = {store: kept(entries) for store, entries in state["collections"].items()}
    return {**state, "spaces": kept(state["spaces"]), "collections": stores}


def _rewritten(folder: Path, removed: list[str]) -> State | None:
    """The state of before a label review, without the removed spaces; None where none is kept."""
    before = before_review.read(folder)
    if before is None:
        return None
    artifacts.write_json(folder / before_review.NAME, _without(before, removed))
    return _without(before, removed)


def _remove_comparisons(folder: Path, fingerprints: list[str]) -> None:
    """Delete measurements that lie under the name of another space and speak of these."""
    for kind in pipeline.OF_VECTORS:
        for file in (folder / kind).glob("*.json"):
            with contextlib.suppress(OSError, UnicodeDecodeError):
                text = file.read_text(encoding="utf-8")
                if any(fingerprint in text for fingerprint in fingerprints):
                    artifacts.remove(file)
