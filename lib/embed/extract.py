"""Vectors of all images of a catalog, row for row, in one memory-mapped file; and the vector of a single query.

Invariant: row i of `vectors` belongs to row i of the catalog. Memory is bounded by a few batches, whatever the size of
the catalog.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib import artifacts
from lib.data.catalog import Catalog
from lib.embed import distributed, spaces
from lib.embed.distributed import Part, Task
from lib.embed.embedder import Embedder, embedder
from lib.embed.spaces import Space
from lib.errors import ArtifactError, WeightsError
from lib.learn.backbone import Weights
from lib.progress import Progress

# Pictures that are embedded at a time, where the embedder does not say otherwise.
BATCH = 16


# Threads that read photos; more than these a GPU does not use up.
READERS = 32


@dataclass(frozen=True)
class Vectors:
    """The stored vectors of a space. `values` is (n, dim), memory-mapped; `pictures` the pixel hash of each row."""

    values: np.ndarray
    pictures: np.ndarray
    meta: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """The space's fingerprint."""
        return str(self.meta["fingerprint"])

    def of(self, catalog: Catalog) -> bool:
        """Whether row i of the vectors belongs to the picture in row i of `catalog`, for every i."""
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
    """Embed every image of `catalog` and write the folder `target` (vectors, picture hashes, provenance), atomically.

    Rows of `previous` that were made in the same way from the same pixels are copied instead of computed, and every
    picture is embedded once however often it occurs. Raises DataError when a photo changed since the catalog was made,
    WeightsError when the network's answer is not finite, ArtifactError when the disk is full.
    """
    made_as = spaces.provenance(space, weights if space.needs_weights else None)
    known = _rows_by_picture(previous) if previous is not None and previous.meta["space"] == made_as else {}
    engine = previous.meta.get("engine") if previous is not None else None
    pictures = np.asarray(catalog.frame["sha256"], dtype="S64")
    # The first row of every picture: what is computed, and what its copies are filled from.
    first = {sha256: row for row, sha256 in reversed(list(enumerate(pictures)))}
    wanted = [row for row, sha256 in enumerate(pictures) if first[sha256] == row and sha256 not in known]
    with artifacts.replacing(target) as folder:
        folder.mkdir()
        embed = make_embedder(space, weights) if wanted else None
        if embed is not None and embed.engine != engine:  # one file, one engine
            known, engine = {}, embed.engine
            wanted = sorted(first.values())
        values = _new_file(folder / "vectors.npy", space, len(pictures))
        if embed is not None:
            batches = [wanted[start : start + embed.batch] for start in range(0, len(wanted), embed.batch)]
            task = distributed.Task(space, catalog, weights, batches, embed.engine)
            done = 0
            with closing(distributed.lead(task, parts(task, 0, distributed.size(), embed))) as found:
                for rows, vectors in found:
                    values[rows] = vectors
                    done += len(rows)
                    if progress is not None:
                        progress(done, len(wanted))
        for row, sha256 in enumerate(pictures):
            if sha256 in known and previous is not None:
                values[row] = previous.values[known[sha256]]
            elif first[sha256] != row:
                values[row] = values[first[sha256]]
        values.flush()
        del values
        np.save(folder / "pictures.npy", pictures, allow_pickle=False)
        meta = {
            "space": made_as,
            "fingerprint": spaces.fingerprint(space, catalog.fingerprint, weights if space.needs_weights else None),
            "data_fingerprint": catalog.fingerprint,
            "count": len(pictures),
            "engine": engine,
        }
        artifacts.write_json(folder / "meta.json", meta)


def _new_file(path: Path, space: Space, rows: int) -> np.memmap[Any, Any]:
    """A memory-mapped (rows, dim) array whose place on the disk is taken already.

    Writing through a map into a full disk kills the process with a signal, so the disk is asked first.
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


def parts(task: Task, rank: int, size: int, embed: Embedder | None = None) -> Generator[Part, None, None]:
    """Rows and vectors of one process' share of `task`, a batch at a time.

    Raises DataError when a photo changed since the catalog was made, WeightsError when the network's answer is not
    finite, ArtifactError when this process computes with another engine than the first one does.
    """
    if embed is None:
        embed = embedder(task.space, task.weights)
        if embed.engine != task.engine:
            raise ArtifactError(
                f"Process {rank} computes with {_named(embed.engine)}, the first one with {_named(task.engine)}: start "
                "processes on machines of one kind, with the same libraries."
            )

    def answer(batch: list[Any]) -> np.ndarray:
        # The network always sees a full batch: its kernels, and so the last bits, depend on the batch's shape.
        filled = batch + [batch[-1]] * (embed.batch - len(batch))
        found = np.asarray(embed.embed(filled)[: len(batch)])
        if not np.isfinite(found).all():
            raise WeightsError(
                f"The {task.weights.name if task.weights else 'damaged'} weights answer with NaN or infinite numbers; "
                "name other weights with --weights."
            )
        return found

    read = _batches(task.catalog, task.share(rank, size), embed)
    with embed.crew(embed.workers) as pool:
        # One more waits for each that is at work, so that none of these ever does.
        ahead: deque[tuple[list[int], Future[np.ndarray]]] = deque()
        try:
            for rows, batch in read:
                ahead.append((rows, pool.submit(answer, batch)))
                if len(ahead) > 2 * embed.workers:
                    yield _first(ahead)
            while ahead:
                yield _first(ahead)
        finally:
            pool.shutdown(cancel_futures=True)


def _first(ahead: deque[tuple[list[int], Future[np.ndarray]]]) -> Part:
    rows, found = ahead.popleft()
    return rows, found.result()


def _named(engine: dict[str, str] | None) -> str:
    return " ".join(engine.values()) if engine else "no engine"


def _batches(catalog: Catalog, groups: Sequence[list[int]], embed: Embedder) -> Iterator[tuple[list[int], list[Any]]]:
    """Shrunk pictures of the rows, a batch at a time; meanwhile as many more are read as `embed` has workers, two at
    least."""

    def read(row: int) -> Any:
        return embed.shrink(catalog.open(row) if embed.side is None else catalog.pixels(row, embed.side))

    with ThreadPoolExecutor(max_workers=min(READERS, os.cpu_count() or 1)) as pool:
        ahead: list[tuple[list[int], list[Any]]] = []
        for group in groups:
            ahead.append((group, [pool.submit(read, row) for row in group]))
            if len(ahead) > max(2, embed.workers):
                yield _collect(ahead.pop(0))
        while ahead:
            yield _collect(ahead.pop(0))


def _collect(waiting: tuple[list[int], list[Any]]) -> tuple[list[int], list[Any]]:
    return waiting[0], [future.result() for future in waiting[1]]


def load(folder: Path) -> Vectors | None:
    """The vectors in `folder`, memory-mapped; None when there are none.

    Raises ArtifactError when the folder is damaged.
    """
    if not folder.is_dir():
        return None
    try:
        values = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
        pictures = np.load(folder / "pictures.npy", allow_pickle=False)
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, EOFError) as error:
        raise artifacts.damaged(folder) from error
    arrays = isinstance(values, np.ndarray) and values.ndim == 2 and isinstance(pictures, np.ndarray)
    described = isinstance(meta, dict) and isinstance(meta.get("space"), dict) and "fingerprint" in meta
    if not (arrays and described and len(values) == len(pictures) == meta.get("count")):
        raise artifacts.damaged(folder)
    if (values.shape[1], values.dtype.name) != (meta["space"].get("dim"), meta["space"].get("dtype")):
        raise artifacts.damaged(folder)
    return Vectors(values=values, pictures=pictures, meta=meta)
