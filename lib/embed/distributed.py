"""One catalog embedded by several processes, on one machine or many, that `torchrun` started.

The first process leads: it alone makes catalog, files and maps, and talks to the store. The others wait for work, each
takes every n-th batch, reads its photos itself and sends the vectors back. Batches are those of a process alone, so the
result is too. All must see the photos, and a weights file, under the same path.
"""

from __future__ import annotations

import contextlib
import datetime
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from lib.data.catalog import Catalog
from lib.embed.spaces import Space
from lib.errors import ArtifactError, PetalscopeError
from lib.learn import distributed
from lib.learn.backbone import Weights

# While the leader reads photos or lays out maps, the others hear nothing. If it ends, they hear that at once.
PATIENCE = datetime.timedelta(days=7)
Part = tuple[list[int], np.ndarray]


@dataclass(frozen=True)
class Task:
    """The rows of a catalog that are to be embedded, cut into batches, all by the same `engine`."""

    space: Space
    catalog: Catalog
    weights: Weights | None
    batches: Sequence[list[int]]
    engine: dict[str, str] | None = None

    def share(self, rank: int, size: int) -> Sequence[list[int]]:
        """The batches of one of `size` processes."""
        return self.batches[rank::size]

    def rounds(self, size: int) -> int:
        """How many batches the first process has, which has the most."""
        return -(-len(self.batches) // size)


@contextmanager
def group(launched: bool) -> Iterator[bool]:
    """Join the processes that `torchrun` started, if any; gives whether this one leads.

    One that does not lead has done all its work when the block begins.
    """
    if not launched:
        yield True
        return
    with distributed.group("gloo", PATIENCE):
        if distributed.rank() > 0:
            while (task := distributed.broadcast(None)) is not None:
                _help(task)
            yield False
            return
        try:
            yield True
        except Exception:
            _dismiss()
            raise
        _dismiss()


def _dismiss() -> None:
    with contextlib.suppress(RuntimeError):  # somebody died, so that nobody waits
        distributed.broadcast(None)


def size() -> int:
    """How many processes embed together, without loading torch to find out that it is one."""
    return distributed.size() if "torch.distributed" in sys.modules else 1


def lead(task: Task, mine: Iterator[Part]) -> Generator[Part, None, None]:
    """All parts of `task`, of which this process computes `mine`. To be closed when not read to the end.

    Raises what went wrong in any of the processes.
    """
    if size() == 1:
        yield from mine
        return
    try:
        distributed.broadcast(task)
        for _ in range(task.rounds(size())):
            own = _next(mine)
            theirs = distributed.gather(None)[1:]
            try:
                for part in (own, *theirs):
                    if isinstance(part, Exception):
                        raise part
                    if part is not None:
                        yield part
            except BaseException:
                distributed.broadcast(False)
                raise
            distributed.broadcast(True)
    except RuntimeError as error:
        raise ArtifactError("A process that helped to embed has ended; run the command again.") from error


def _help(task: Task) -> None:
    from lib.embed import extract

    # Closed at once, so that no thread of it is left when the process ends.
    with contextlib.closing(extract.parts(task, distributed.rank(), distributed.size())) as mine:
        for _ in range(task.rounds(distributed.size())):
            distributed.gather(_next(mine))
            if not distributed.broadcast(None):
                return


def _next(parts: Iterator[Part]) -> Part | Exception | None:
    """The next part; None when there is none; what went wrong, to be raised where the others hear of it."""
    try:
        return next(parts, None)
    except PetalscopeError as error:
        return error
    except Exception as error:  # of a helper only the leader can tell
        return ArtifactError(f"A process that embeds failed: {' '.join(str(error).split())[:200]}.")
