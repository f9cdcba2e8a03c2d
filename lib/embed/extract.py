"""Vectors of all images of a catalog, row for row, in one memory-mapped file.

Invariant: row i of `vectors` belongs to row i of the catalog. Memory is bounded by a few batches, however large the
catalog is.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lib import artifacts
from lib.data.catalog import Catalog
from lib.documents.embeddings import VectorsMeta
from lib.embed import distributed, spaces
from lib.embed.distributed import Part, Task
from lib.embed.embedder import Embedder, embedder
from lib.embed.space import Made, Space
from lib.errors import ArtifactError, QueryError, Remedy, WeightsError
from lib.learn import distributed as processes
from lib.learn.backbone import Weights
from lib.progress import Progress

# Images that are embedded at a time by default.
BATCH = 16
# Threads that read photos; a GPU does not keep up with more.
READERS = 32
# Numbers that are checked at a time.
_CHECKED = 16_000_000
_META = "meta.json"
_LEARNED = "learned.npz"
_HASHED = ("vectors.npy", "pictures.npy")  # the files whose hashes `meta.json` holds


@dataclass(frozen=True)
class Vectors:
    """The stored vectors of a space: `values` (n, dim), memory-mapped, and the pixel hash of each row's image,
    `pictures` (n,)."""

    values: np.ndarray
    pictures: np.ndarray
    meta: VectorsMeta

    @property
    def fingerprint(self) -> str:
        """The space's fingerprint."""
        return str(self.meta["fingerprint"])

    def belong_to(self, catalog: Catalog) -> bool:
        """Whether row i of the vectors belongs to the image in row i of `catalog`, for every i."""
        return np.array_equal(self.pictures, np.asarray(catalog.frame["sha256"], dtype="S64"))


def extract(
    space: Space,
    catalog: Catalog,
    weights: Weights | None,
    target: Path,
    *,
    previous: Vectors | None = None,
    progress: Progress | None = None,
    make_embedder: Callable[[Space, Weights | None], Embedder] = embedder,
) -> None:
    """Embed every image of `catalog` and write the folder `target` (vectors, pixel hashes, provenance), atomically.

    Rows of `previous` that were computed in the same way from the same pixels are copied, and images with equal pixels
    are embedded once. Raises DataError when a photo changed since the catalog was made, WeightsError when the network's
    output is not finite, ArtifactError when the disk is full.
    """
    provenance = spaces.provenance(space, weights if space.needs_weights else None)
    reusable = _rows_by_picture(previous) if previous is not None and previous.meta["space"] == provenance else {}
    engine = previous.meta.get("engine") if previous is not None else None
    pictures = np.asarray(catalog.frame["sha256"], dtype="S64")
    # The first row of every picture is computed; rows with the same pixels are copied from it.
    first_row = {sha256: row for row, sha256 in reversed(list(enumerate(pictures)))}
    pending = [row for row, sha256 in enumerate(pictures) if first_row[sha256] == row and sha256 not in reusable]
    with artifacts.replacing(target) as folder:
        folder.mkdir()
        embed = make_embedder(space, weights) if pending else None
        if embed is not None and embed.engine != engine:  # one file, one engine
            reusable, engine = {}, embed.engine
            pending = sorted(first_row.values())
        values = _new_file(folder / "vectors.npy", space, len(pictures))
        if embed is not None:
            batches = [pending[start : start + embed.batch] for start in range(0, len(pending), embed.batch)]
            task = Task(space, catalog, weights, batches, embed.engine)
            done = 0
            own_parts = parts(task, 0, processes.size(), embed)
            with closing(distributed.lead(task, own_parts)) as all_parts:
                for rows, vectors in all_parts:
                    values[rows] = vectors
                    done += len(rows)
                    if progress is not None:
                        progress(done, len(pending))
        for row, sha256 in enumerate(pictures):
            if sha256 in reusable and previous is not None:
                values[row] = previous.values[reusable[sha256]]
            elif first_row[sha256] != row:
                values[row] = values[first_row[sha256]]
        values.flush()
        del values
        np.save(folder / "pictures.npy", pictures, allow_pickle=False)
        meta: VectorsMeta = {
            "space": provenance,
            "fingerprint": spaces.fingerprint(space, catalog.fingerprint, weights if space.needs_weights else None),
            "data_fingerprint": catalog.fingerprint,
            "count": len(pictures),
            "engine": engine,
            "sha256": {name: artifacts.file_hash(folder / name) for name in _HASHED},
        }
        artifacts.write_json(folder / _META, meta)


def store_made(space: Space, catalog: Catalog, bases: Mapping[str, str], made: Made, target: Path) -> Space:
    """Write the vectors of a made space, and what was learned, as the folder `target`, atomically; `bases` has the
    fingerprints of the spaces that it was made from. Returns the space with its dimension.

    Raises QueryError when the vectors are not one finite row per photo, ArtifactError when the disk is full.
    """
    values = np.ascontiguousarray(made.values, dtype=np.float32)
    if values.ndim != 2 or len(values) != len(catalog.frame) or not values.shape[1]:
        raise QueryError(f"The vectors of {space.name} are not one row for each of {len(catalog.frame):,} photos.")
    blocks = range(0, len(values), max(1, _CHECKED // values.shape[1]))
    if not all(np.isfinite(values[start : start + blocks.step]).all() for start in blocks):
        raise QueryError(f"The vectors of {space.name} have NaN or infinite numbers.")
    dim = values.shape[1]
    space = replace(space, dim=dim, definition={**(space.definition or {}), "dim": dim})
    with artifacts.replacing(target) as folder:
        folder.mkdir()
        stored = _new_file(folder / "vectors.npy", space, len(values))
        stored[:] = values
        stored.flush()
        del stored
        np.save(folder / "pictures.npy", np.asarray(catalog.frame["sha256"], dtype="S64"), allow_pickle=False)
        if made.learned:
            np.savez(folder / _LEARNED, allow_pickle=False, **made.learned)
        names = (*_HASHED, *([_LEARNED] if made.learned else []))
        meta: VectorsMeta = {
            "space": spaces.provenance(space, None),
            "fingerprint": spaces.fingerprint(space, spaces.inputs(space, catalog), None, bases),
            "data_fingerprint": catalog.fingerprint,
            "count": len(values),
            "engine": None,
            "sha256": {name: artifacts.file_hash(folder / name) for name in names},
        }
        artifacts.write_json(folder / _META, meta)
    return space


def learned(folder: Path, vectors: Vectors) -> dict[str, np.ndarray]:
    """What was learned when the made vectors in `folder` were made, by name; empty where nothing was.

    Raises ArtifactError when the file is damaged or was changed.
    """
    recorded = vectors.meta.get("sha256", {}).get(_LEARNED)
    if recorded is None:
        return {}
    artifacts.verify_file(folder / _LEARNED, recorded)
    try:
        with np.load(folder / _LEARNED, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError) as error:
        raise artifacts.damaged_file_error(folder) from error


def _new_file(path: Path, space: Space, rows: int) -> np.memmap[Any, Any]:
    """A memory-mapped (rows, dim) array whose disk space is already allocated.

    Writing through a map into a full disk kills the process with a signal. Allocating first raises OSError instead.
    """
    values: np.memmap[Any, Any] = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.dtype(space.dtype), shape=(rows, space.dim)
    )
    size = path.stat().st_size
    if hasattr(os, "posix_fallocate"):
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    elif shutil.disk_usage(path.parent).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    return values


def _rows_by_picture(vectors: Vectors) -> dict[bytes, int]:
    return {sha256: row for row, sha256 in enumerate(vectors.pictures)}


def not_finite_error(weights: Weights | None) -> WeightsError:
    """The error for vectors with NaN or infinity."""
    name = weights.name if weights else "damaged"
    return WeightsError(f"The {name} weights give NaN or infinite features", remedy=Remedy.CHOOSE_WEIGHTS)


def other_engine_message(rank: int, own: dict[str, str] | None, first: dict[str, str] | None) -> str:
    """The sentence for a process whose engine (facts by name) is not that of the first process."""
    own_name, first_name = (" ".join(engine.values()) if engine else "no engine" for engine in (own, first))
    return (
        f"Process {rank} computes with {own_name}, the first process with {first_name}: start all processes on the "
        "same kind of machine, with the same libraries."
    )


def parts(task: Task, rank: int, size: int, embed: Embedder | None = None) -> Generator[Part, None, None]:
    """Catalog rows and vectors (m, dim) of one process' share of `task`, a batch at a time; `embed` is made if None.

    Raises DataError when a photo changed since the catalog was made, WeightsError when the network's output is not
    finite, ArtifactError when this process' engine is not that of the first process.
    """
    if embed is None:
        embed = embedder(task.space, task.weights)
        if embed.engine != task.engine:
            raise ArtifactError(other_engine_message(rank, embed.engine, task.engine))

    def vectors_of(batch: list[Any]) -> np.ndarray:
        # The network always sees a full batch: its kernels, and so the last bits, depend on the batch's shape.
        filled = batch + [batch[-1]] * (embed.batch - len(batch))
        vectors = np.asarray(embed.embed(filled)[: len(batch)])
        if not np.isfinite(vectors).all():
            raise not_finite_error(task.weights)
        return vectors

    batches = _batches(task.catalog, task.share(rank, size), embed)
    with embed.pool(embed.workers) as pool:
        # As many batches wait as are at work, so that no worker ever waits.
        queue: deque[tuple[list[int], Future[np.ndarray]]] = deque()
        try:
            for rows, batch in batches:
                queue.append((rows, pool.submit(vectors_of, batch)))
                if len(queue) > 2 * embed.workers:
                    yield _finished(queue.popleft())
            while queue:
                yield _finished(queue.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _finished(pending: tuple[list[int], Future[np.ndarray]]) -> Part:
    return pending[0], pending[1].result()


def _batches(catalog: Catalog, groups: Sequence[list[int]], embed: Embedder) -> Iterator[tuple[list[int], list[Any]]]:
    """Each of `groups` with its rows' shrunk images; as many groups are read ahead as there are workers, at least 2."""

    def read(row: int) -> Any:
        return embed.shrink(catalog.open(row) if embed.side is None else catalog.pixels(row, embed.side))

    with ThreadPoolExecutor(max_workers=min(READERS, os.cpu_count() or 1)) as pool:
        queue: deque[tuple[list[int], list[Future[Any]]]] = deque()
        for group in groups:
            queue.append((group, [pool.submit(read, row) for row in group]))
            if len(queue) > max(2, embed.workers):
                yield _read(queue.popleft())
        while queue:
            yield _read(queue.popleft())


def _read(pending: tuple[list[int], list[Future[Any]]]) -> tuple[list[int], list[Any]]:
    return pending[0], [future.result() for future in pending[1]]


def vectors_file(folder: Path) -> Path:
    """The file of the vectors in `folder`."""
    return folder / _HASHED[0]


def load(folder: Path) -> Vectors | None:
    """The vectors in `folder`, memory-mapped; None when the folder does not exist.

    Raises ArtifactError when the folder is damaged.
    """
    if not folder.is_dir():
        return None
    if not all((folder / name).is_file() for name in (*_HASHED, _META)):  # opening a pipe would wait for a writer
        raise artifacts.damaged_file_error(folder)
    try:
        values = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
        pictures = np.load(folder / "pictures.npy", allow_pickle=False)
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
    except (OSError, ValueError, EOFError) as error:
        raise artifacts.damaged_file_error(folder) from error
    arrays = isinstance(values, np.ndarray) and values.ndim == 2 and isinstance(pictures, np.ndarray)
    described = isinstance(meta, dict) and isinstance(meta.get("space"), dict) and "fingerprint" in meta
    if not (arrays and described and len(values) == len(pictures) == meta.get("count")):
        raise artifacts.damaged_file_error(folder)
    if (values.shape[1], values.dtype.name) != (meta["space"].get("dim"), meta["space"].get("dtype")):
        raise artifacts.damaged_file_error(folder)
    return Vectors(values=values, pictures=pictures, meta=meta)


def verify(folder: Path, vectors: Vectors) -> None:
    """Check the files of `vectors`, which lie in `folder`, against the recorded hashes.

    A process checks each file once, and again when it changes. Raises ArtifactError when a file has another hash.
    """
    recorded = vectors.meta.get("sha256")
    if not isinstance(recorded, dict):  # written before hashes were recorded
        return
    for name in _HASHED:
        artifacts.verify_file(folder / name, str(recorded.get(name)))


def load_verified(folder: Path) -> Vectors | None:
    """`load`, with the files checked against their hashes."""
    vectors = load(folder)
    if vectors is not None:
        verify(folder, vectors)
    return vectors


def record_hashes(folder: Path, vectors: Vectors) -> bool:
    """Record the hashes of vectors that an early version wrote without; False where they are recorded already."""
    if "sha256" in vectors.meta:
        return False
    vectors.meta["sha256"] = {name: artifacts.file_hash(folder / name) for name in _HASHED}
    artifacts.write_json(folder / _META, vectors.meta)
    return True
