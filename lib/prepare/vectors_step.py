"""The vectors of a run's spaces, computed only where their files are missing or stale."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lib import artifacts
from lib.data.catalog import Catalog
from lib.documents.prepare import EmbeddedSpace, PreparedSpace, SpaceEntry
from lib.embed import extract, spaces
from lib.embed.extract import Vectors
from lib.embed.space import Space
from lib.errors import Notice, Remedy
from lib.learn import runs
from lib.learn.backbone import Weights
from lib.prepare import catalog_step, neighbours_step, space_weights, workspace
from lib.prepare.job import PrepareJob


@dataclass(frozen=True)
class Embedding:
    """A space whose vectors exist; `cached` when this run found them, else it took `seconds` to compute them."""

    entry: EmbeddedSpace
    cached: bool
    seconds: float

    def document(self, name: str) -> PreparedSpace:
        """The space as `prepare` and `embed` print it."""
        entry = self.entry
        return {
            "name": name,
            "dim": entry["dim"],
            "count": entry["count"],
            "weights": entry["weights"]["name"] if entry["weights"] else None,
            "precision": entry["precision"],
            "engine": entry["engine"],
            "fingerprint": entry["fingerprint"],
            "seconds": self.seconds,
            "cached": self.cached,
        }


def embed(
    job: PrepareJob,
    names: Sequence[str],
    catalog: Catalog,
    precision: str | None,
    ready: Mapping[str, EmbeddedSpace] | None = None,
) -> dict[str, Embedding]:
    """The vectors of the spaces `names`, by name. Each space that one of them is made from comes before it in `names`,
    or is one of `ready`."""
    chosen = space_weights.choose(job, names)  # what is missing is said before the long work
    embeddings: dict[str, Embedding] = {}
    for name in names:
        if spaces.get(name).make is not None:
            present = {**(ready or {}), **{each: embedding.entry for each, embedding in embeddings.items()}}
            embeddings[name] = _make_space(job, spaces.get(name), catalog, present)
            continue
        previous = job.previous_spaces.get(name)
        space = spaces.in_precision(spaces.get(name), precision or (previous.get("precision") if previous else None))
        weights = space_weights.of(job, space, catalog, chosen)
        embeddings[name] = _embed_space(job, space_weights.sized(space, weights, previous), catalog, weights)
    return embeddings


def complete(job: PrepareJob, embeddings: dict[str, Embedding], catalog: Catalog) -> dict[str, SpaceEntry]:
    """State entries of embedded spaces, with the files of their neighbours and maps."""
    return {
        name: {
            **embedding.entry,
            "neighbours": neighbours_step.neighbours(job, spaces.get(name), catalog, embedding.entry),
            "pca": neighbours_step.plane(job, spaces.get(name), catalog, embedding.entry, "pca"),
            "map": neighbours_step.plane(job, spaces.get(name), catalog, embedding.entry, "umap"),
        }
        for name, embedding in embeddings.items()
    }


def _embed_space(job: PrepareJob, space: Space, catalog: Catalog, weights: Weights | None) -> Embedding:
    start = time.perf_counter()
    fingerprint = spaces.fingerprint(space, catalog.fingerprint, weights)
    folder = f"spaces/{space.name}-{fingerprint[:8]}-{catalog_step.pictures(catalog)}"
    vectors = neighbours_step.valid_vectors(job.folder / folder, fingerprint, catalog)
    cached = vectors is not None
    if vectors is not None:
        _record_hashes(job, space.name, job.folder / folder, vectors)
    else:
        if _is_changed(job.folder / folder):
            job.reporter.say(changed(space.name))
        previous = job.previous_spaces.get(space.name)
        extract.extract(
            space,
            catalog,
            weights,
            job.folder / folder,
            previous=neighbours_step.sound_vectors(job.folder / previous["folder"]) if previous else None,
            progress=job.reporter.stage(f"embed {space.name}"),
        )
        vectors = extract.load(job.folder / folder)
    entry = _entry(space, catalog, fingerprint, folder)
    if weights is not None:
        entry["weights"], entry["precision"] = weights.record(), space.precision
    entry["engine"] = vectors.meta.get("engine") if vectors is not None else None
    return Embedding(entry, cached, round(time.perf_counter() - start, 3))


def _make_space(job: PrepareJob, space: Space, catalog: Catalog, ready: Mapping[str, EmbeddedSpace]) -> Embedding:
    """A space that is made from others, which are `ready`, or from a file."""
    assert space.make is not None, f"{space.name} is made"
    start = time.perf_counter()
    bases = {name: ready[name]["fingerprint"] for name in space.bases}
    fingerprint = spaces.fingerprint(space, spaces.inputs(space, catalog), None, bases)
    folder = f"spaces/{space.name}-{fingerprint[:8]}-{catalog_step.pictures(catalog)}"
    vectors = neighbours_step.valid_vectors(job.folder / folder, fingerprint, catalog)
    cached = vectors is not None
    if vectors is None:
        if _is_changed(job.folder / folder):
            job.reporter.say(changed(space.name))
        job.reporter.stage(f"make {space.name}")(0, None)
        made = space.make(catalog, [neighbours_step.read(job, ready[name], catalog).values for name in space.bases])
        space = extract.store_made(space, catalog, bases, made, job.folder / folder)
    else:
        space = spaces.defined(space.name, vectors.meta["space"]["definition"], job.folder)
    # With its dimension, which its name alone may not tell.
    spaces.define(space)
    entry = _entry(space, catalog, fingerprint, folder)
    entry["bases"] = bases
    return Embedding(entry, cached, round(time.perf_counter() - start, 3))


def _entry(space: Space, catalog: Catalog, fingerprint: str, folder: str) -> EmbeddedSpace:
    """What the state file says of vectors in `folder`, without the network or the spaces that they come from."""
    entry: EmbeddedSpace = {
        "fingerprint": fingerprint,
        "data_fingerprint": catalog.fingerprint,
        "pictures": catalog_step.pictures(catalog),
        "folder": folder,
        "dim": space.dim,
        "count": len(catalog.frame),
        "weights": None,
        "precision": None,
        "engine": None,
    }
    if space.definition is not None:
        entry["definition"] = dict(space.definition)
    return entry


def make_anew(
    job: PrepareJob, catalog: Catalog, entries: Mapping[str, SpaceEntry]
) -> tuple[dict[str, SpaceEntry], dict[str, Embedding]]:
    """`entries`, with each made space made again whose bases have other vectors now, or that learned from another
    training split; and what was made.

    A space whose base is gone leaves; both are said.
    """
    entries, made = dict(entries), dict[str, Embedding]()
    while outdated := [name for name, entry in entries.items() if _is_outdated(name, entries, catalog)]:
        for name in outdated:
            entry = entries.pop(name)
            if all(base in entries for base in entry.get("bases", {})):
                job.reporter.say(rebuilding(name, OTHER_INPUTS))
                embedding = embed(job, [name], catalog, None, entries)
                entries |= complete(job, embedding, catalog)
                made |= embedding
            else:
                job.reporter.say(Notice(f"The space {name} is removed: what it was made from is gone"))
    return entries, made


def _is_outdated(name: str, entries: Mapping[str, SpaceEntry], catalog: Catalog) -> bool:
    space, bases = spaces.get(name), entries[name].get("bases", {})
    if any(base not in entries or entries[base]["fingerprint"] != of for base, of in bases.items()):
        return True
    data = spaces.inputs(space, catalog)
    return space.learns_from_split and entries[name]["fingerprint"] != spaces.fingerprint(space, data, None, bases)


def still_valid(job: PrepareJob, catalog: Catalog) -> dict[str, SpaceEntry]:
    """The previous state's spaces of these very photos whose files can be read and have this version's schema."""
    valid = {}
    for name, entry in job.previous_spaces.items():
        if entry["data_fingerprint"] != catalog.fingerprint:
            continue
        folder, files = (
            job.folder / entry["folder"],
            [job.folder / entry[kind] for kind in ("map", "pca", "neighbours")],
        )
        vectors = neighbours_step.valid_vectors(folder, entry["fingerprint"], catalog)
        if (
            vectors is None
            or vectors.meta["space"].get("schema") != spaces.get(name).schema
            or not all(neighbours_step.is_map(path, catalog) for path in files[:2])
            or not neighbours_step.are_neighbours(files[2], catalog)
        ):
            continue
        _record_hashes(job, name, folder, vectors)
        for path in files:
            artifacts.add_hash(path)
        valid[name] = entry
    return valid


def _record_hashes(job: PrepareJob, name: str, folder: Path, vectors: Vectors) -> None:
    """Record the hashes of vectors of before there were any, and say so."""
    if extract.record_hashes(folder, vectors):
        job.reporter.say(hashes_recorded(name))


def to_rebuild(job: PrepareJob, catalog: Catalog, ready: set[str]) -> list[str]:
    """The previous state's spaces of these photos, apart from `ready`, that can be rebuilt: an upgrade loses no space.

    A space whose network is missing leaves state and store; the user is told which command brings it back.
    """
    rebuilt: list[str] = []
    previous = job.previous_spaces
    for name in [each for each in spaces.with_bases(previous) if each in previous]:
        entry = previous[name]
        space, same_photos = spaces.get(name), entry["data_fingerprint"] == catalog.fingerprint
        if name in ready or not (same_photos or space.lacks is not None):
            continue
        if space.lacks is not None and (lacking := space.lacks(catalog)):
            job.reporter.say(Notice(f"The space {name} is left out: {lacking}."))
            continue
        reason = _why_invalid(job, entry, space) if same_photos else OTHER_PHOTOS
        if any(base not in ready and base not in rebuilt for base in space.bases):
            job.reporter.say(Notice(f"The space {name} is removed: {reason}, and what it was made from is gone"))
            continue
        if space.regime and runs.best(job.settings, space.regime, catalog, space.network) is None:
            job.reporter.say(removed(name, reason, workspace.training_command(job.settings, space)))
            continue
        job.reporter.say(rebuilding(name, reason))
        rebuilt.append(name)
    return rebuilt


def removed(name: str, reason: str, command: str) -> Notice:
    """The notice of a space that leaves the state because its network is missing; `command` restores it."""
    return Notice(f"The space {name} is removed: {reason}, and its network is missing", Remedy.TRAIN, command)


def rebuilding(name: str, reason: str) -> str:
    """The sentence for a space that this run rebuilds, although the user did not name it."""
    return f"The space {name} is rebuilt: {reason}."


def changed(name: str) -> str:
    """The sentence for vectors that are not those that were written."""
    return f"The vectors of {name} changed after they were written, so they are computed anew."


def hashes_recorded(name: str) -> str:
    """The sentence for vectors of before there were hashes."""
    return f"The vectors of {name} had no hash yet; it is recorded now, so that a later change of them is found."


OTHER_INPUTS = "what it is made from has other vectors, or another training split, now"
OTHER_PHOTOS = "the photos or their labels changed, and each has a vector"
OTHER_VERSION = "its vectors were made by another version of Petalscope"
DAMAGED = "its files are damaged or missing"


def _why_invalid(job: PrepareJob, entry: SpaceEntry, space: Space) -> str:
    vectors = neighbours_step.sound_vectors(job.folder / entry["folder"])
    schema = space.schema if vectors is None else vectors.meta["space"].get("schema")
    return DAMAGED if schema == space.schema else OTHER_VERSION


def _is_changed(folder: Path) -> bool:
    """Whether `folder` holds vectors that can be read but are not those that were written."""
    return artifacts.unless_damaged(extract.load, folder) is not None and neighbours_step.sound_vectors(folder) is None
