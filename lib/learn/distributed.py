"""Several processes that train one network: started by `torchrun`, each with its share of every batch.

Alone, every function here does nothing or answers for one process, so that the training code has one path.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn


def size() -> int:
    """How many processes train together."""
    import torch.distributed as dist

    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this one is; 0 writes and talks."""
    import torch.distributed as dist

    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def _launched() -> bool:
    """Whether `torchrun` started this process."""
    import torch.distributed as dist

    return dist.is_available() and dist.is_torchelastic_launched()


@contextmanager
def group(backend: str | None = None, patience: datetime.timedelta | None = None) -> Iterator[None]:
    """Join the processes that `torchrun` started; alone, nothing happens.

    They talk by `backend` (None: NCCL on GPUs, gloo on CPUs), and wait for each other as long as `patience`.
    """
    import torch
    import torch.distributed as dist

    if not _launched() or dist.is_initialized():
        yield
        return
    dist.init_process_group(backend or ("nccl" if torch.cuda.is_available() else "gloo"), timeout=patience)
    try:
        yield
    finally:
        dist.destroy_process_group()


def leave(status: int) -> NoReturn:
    """End this process with everything said and closed. To be called last.

    One that has talked to others ends without taking the interpreter apart: a thread of gloo that lets go of a message
    just then is stopped inside C++, which aborts the process, and `torchrun` with it all the others.
    """
    if "torch.distributed" not in sys.modules or not _launched():
        sys.exit(status)
    atexit._run_exitfuncs()  # what is open says goodbye as at any other end
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # closed, or nobody reads it
            stream.flush()
    os._exit(status)


def all_gather(rows: Any) -> list[Any]:
    """What every process has, in order of rank."""
    import torch.distributed as dist

    if size() == 1:
        return [rows]
    found: list[Any] = [None] * size()
    dist.all_gather_object(found, rows)
    return found


def gather(rows: Any) -> list[Any]:
    """What every process has, in order of rank, at rank 0; nothing at the others."""
    import torch.distributed as dist

    if size() == 1:
        return [rows]
    found: list[Any] | None = [None] * size() if rank() == 0 else None
    dist.gather_object(rows, found, dst=0)
    return found or []


def broadcast(value: Any) -> Any:
    """The value that rank 0 has, in every process."""
    import torch.distributed as dist

    if size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def broadcast_buffers(network: Any) -> None:
    """Give every process rank 0's running statistics of the norms, so that all hold one network."""
    import torch.distributed as dist

    if size() > 1:
        for buffer in network.buffers():
            dist.broadcast(buffer, 0)


def device() -> Any:
    """The GPU of this process when there is one, else the CPU."""
    import torch

    if not torch.cuda.is_available():
        return torch.device("cpu")
    # The processes of one machine share its GPUs out among themselves.
    return torch.device("cuda", rank() % torch.cuda.device_count())
