"""The neighbours and maps of spaces whose vectors exist; each is made only where its file is missing or stale.

Where only labels changed since the last run, both are copied; where only photos are left out, neighbours are taken over
and searched for again in the lists that held one of them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lib import artifacts
from lib.data.catalog import Catalog
from lib.documents.prepare import EmbeddedSpace
from lib.embed import extract, projection
from lib.embed.extract import Vectors
from lib.embed.space import Space
from lib.errors import ArtifactError, Remedy
from lib.prepare.job import PrepareJob
from lib.progress import Progress
from lib.search import neighbourhoods
from lib.search.neighbourhoods import Neighbourhoods


def sound_vectors(folder: Path) -> Vectors | None:
    """The vectors in `folder`; None when they are missing, damaged, or not those that were written."""
    return artifacts.unless_damaged(extract.load_verified, folder)


def valid_vectors(folder: Path, fingerprint: str, catalog: Catalog) -> Vectors | None:
    """The vectors in `folder` if they have this fingerprint and are row for row with the catalog."""
    vectors = sound_vectors(folder)
    valid = vectors is not None and vectors.fingerprint == fingerprint and vectors.belong_to(catalog)
    return vectors if valid else None


def read(job: PrepareJob, entry: EmbeddedSpace, catalog: Catalog) -> Vectors:
    """The vectors of a space of this run. Raises ArtifactError when another process has changed them."""
    vectors = valid_vectors(job.folder / entry["folder"], entry["fingerprint"], catalog)
    if vectors is None:
        raise ArtifactError(f"{job.folder / entry['folder']} changed while it was in use", remedy=Remedy.RUN_AGAIN)
    return vectors


def plane(job: PrepareJob, space: Space, catalog: Catalog, entry: EmbeddedSpace, method: str) -> str:
    """The file of a space's map by a method, made where it is missing."""
    parameters = projection.default_parameters(space, job.seed, method)
    name = projection.file_name(entry["folder"], parameters)
    if is_map(job.folder / name, catalog):
        artifacts.add_hash(job.folder / name)
    elif earlier := _earlier(job, space.name, entry, lambda folder: projection.file_name(folder, parameters)):
        _copy(earlier, job.folder / name)
    else:
        progress = job.reporter.stage(f"map {space.name}")
        progress(0, None)
        projection.save(projection.project(read(job, entry, catalog).values, parameters, progress), job.folder / name)
    return name


def is_map(path: Path, catalog: Catalog) -> bool:
    """Whether a sound map of so many photos is at `path`."""
    laid_out = artifacts.unless_damaged(projection.load, path)
    return laid_out is not None and len(laid_out.xy) == len(catalog.frame)


def neighbours(job: PrepareJob, space: Space, catalog: Catalog, entry: EmbeddedSpace) -> str:
    """The file of a space's neighbours, found where it is missing."""
    name = _neighbours_file(entry["folder"])
    if are_neighbours(job.folder / name, catalog):
        artifacts.add_hash(job.folder / name)
    elif earlier := _earlier(job, space.name, entry, _neighbours_file):
        _copy(earlier, job.folder / name)
    else:
        vectors, progress = read(job, entry, catalog), job.reporter.stage(f"neighbours {space.name}")
        copies = catalog.all_copies()
        found = _neighbours_of_fewer(job, space.name, vectors, copies, progress)
        found = found or neighbourhoods.k_nearest(vectors.values, copies, progress)
        neighbourhoods.save(found, job.folder / name)
    return name


def _neighbours_of_fewer(
    job: PrepareJob, name: str, vectors: Vectors, copies: Sequence[Sequence[int]], progress: Progress
) -> Neighbourhoods | None:
    """The neighbourhoods of `vectors` from those of the previous state, of which only some photos are left out, as by a
    label review. None where other photos, another order or other vectors stand in it."""
    previous = job.previous_spaces.get(name)
    before = None if previous is None else sound_vectors(job.folder / previous["folder"])
    if previous is None or before is None or len(before.pictures) <= len(vectors.pictures):
        return None
    kept = np.flatnonzero(np.isin(before.pictures, vectors.pictures))
    if not np.array_equal(before.pictures[kept], vectors.pictures):
        return None
    earlier = artifacts.unless_damaged(neighbourhoods.load, job.folder / previous["neighbours"])
    if earlier is None or len(earlier.rows["l1"]) != len(before.pictures):
        return None
    if previous["neighbours"] != _neighbours_file(previous["folder"]):  # found in the way of another version
        return None
    if not np.array_equal(before.values[kept], vectors.values):
        return None
    return neighbourhoods.of_fewer(earlier, kept, vectors.values, copies, progress)


def _neighbours_file(folder: str) -> str:
    return f"neighbours/{Path(folder).name}-{neighbourhoods.key()}.npz"


def _earlier(job: PrepareJob, name: str, entry: EmbeddedSpace, file: Callable[[str], str]) -> Path | None:
    """The previous state's `file` of the vectors of a space, if it is sound and the vectors are equal: where only
    labels changed, neighbours and maps are the same. None otherwise."""
    previous = job.previous_spaces.get(name)
    if previous is None or previous["folder"] == entry["folder"] or previous["pictures"] != entry["pictures"]:
        return None
    path = job.folder / file(previous["folder"])
    if artifacts.unless_damaged(artifacts.read_arrays, path) is None:
        return None
    vectors = [sound_vectors(job.folder / each["folder"]) for each in (previous, entry)]
    ours, theirs = (None if each is None else each.values for each in vectors)
    return path if ours is not None and theirs is not None and np.array_equal(ours, theirs) else None


def _copy(source: Path, target: Path) -> None:
    with artifacts.replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def are_neighbours(path: Path, catalog: Catalog) -> bool:
    """Whether sound neighbours of so many photos are at `path`."""
    found = artifacts.unless_damaged(neighbourhoods.load, path)
    return found is not None and len(found.rows["l1"]) == len(catalog.frame)
