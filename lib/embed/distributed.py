"""One catalog embedded by several processes that `torchrun` started, on one machine or many.

The first process is the leader: it alone makes catalog, files and maps, and connects to the store. Each helper takes
every n-th batch, reads its photos itself and returns the vectors. Batches are those of a single process, and so is the
result. Every process must see the photos, and a weights file, under the same path.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from lib import text
from lib.data.catalog import Catalog
from lib.embed.space import Space
from lib.errors import ArtifactError, PetalscopeError, Remedy
from lib.learn import distributed
from lib.learn.backbone import Weights

# Helpers wait this long while the leader scans photos or computes maps; if the leader ends, they notice at once.
PATIENCE = datetime.timedelta(days=7)
HELPER_ENDED = "A helper process exited unexpectedly while embedding"
# Rows of the catalog, and their vectors (n, dim).
Part = tuple[list[int], np.ndarray]


@dataclass(frozen=True)
class Task:
    """Rows of a catalog to embed, in batches, all by the same `engine`."""

    space: Space
    catalog: Catalog
    weights: Weights | None
    batches: Sequence[list[int]]
    engine: dict[str, str] | None = None

    def share(self, rank: int, size: int) -> Sequence[list[int]]:
        """The batches of process `rank` out of `size`."""
        return self.batches[rank::size]

    def rounds(self, size: int) -> int:
        """The number of batches of the first process, the largest of all shares."""
        return -(-len(self.batches) // size)


# Computes the parts of one process: `extract.parts`.
Compute = Callable[[Task, int, int], Generator[Part, None, None]]


@contextmanager
def group(launched: bool, compute: Compute) -> Iterator[bool]:
    """Join the processes that `torchrun` started, if it did; yields whether this process leads.

    A helper computes its parts with `compute`, and has finished all work when the block begins.
    """
    if not launched:
        yield True
        return
    with distributed.group("gloo", PATIENCE):
        if distributed.rank() > 0:
            while (task := distributed.broadcast(None)) is not None:
                _help(task, compute)
            yield False
            return
        try:
            yield True
        except Exception:
            _dismiss()
            raise
        _dismiss()


def _dismiss() -> None:
    with contextlib.suppress(RuntimeError):  # a helper died, so none waits
        distributed.broadcast(None)


def lead(task: Task, own_parts: Iterator[Part]) -> Generator[Part, None, None]:
    """All parts of `task`; this process computes `own_parts`. Close it when it is not read to the end.

    Raises the error of any process.
    """
    if distributed.size() == 1:
        yield from own_parts
        return
    try:
        distributed.broadcast(task)
        for _ in range(task.rounds(distributed.size())):
            own_part = _next(own_parts)
            helper_parts = distributed.gather(None)[1:]
            try:
                for part in (own_part, *helper_parts):
                    if isinstance(part, Exception):
                        raise part
                    if part is not None:
                        yield part
            except BaseException:
                distributed.broadcast(False)
                raise
            distributed.broadcast(True)
    except RuntimeError as error:
        raise ArtifactError(HELPER_ENDED, remedy=Remedy.RUN_AGAIN) from error


def _help(task: Task, compute: Compute) -> None:
    # Closed at once, so that none of its threads outlives the process.
    with contextlib.closing(compute(task, distributed.rank(), distributed.size())) as own_parts:
        for _ in range(task.rounds(distributed.size())):
            distributed.gather(_next(own_parts))
            if not distributed.broadcast(None):
                return


def _next(parts: Iterator[Part]) -> Part | Exception | None:
    """The next part; None after the last; an error as a value, so that the leader can raise it."""
    try:
        return next(parts, None)
    except PetalscopeError as error:
        return error
    except Exception as error:  # only the leader can report a helper's error
        return ArtifactError(f"A helper process failed while embedding: {text.shortened(text.one_line(str(error)))}.")
