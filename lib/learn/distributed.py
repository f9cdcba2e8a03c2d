"""The processes that train one network together: started by `torchrun`, each with its share of every batch.

In a single process every function works on that process alone, so that the training code has one path.
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

from lib import settings


def size() -> int:
    """Number of processes in the group; 1 without a group."""
    if not _initialised():
        return 1
    import torch.distributed as dist

    return dist.get_world_size()


def rank() -> int:
    """Rank of this process, from 0. Rank 0 writes files and reports progress."""
    if not _initialised():
        return 0
    import torch.distributed as dist

    return dist.get_rank()


def _initialised() -> bool:
    # A process that has not imported torch is in no group, and need not import it to find out.
    if "torch.distributed" not in sys.modules:
        return False
    import torch.distributed as dist

    return dist.is_available() and dist.is_initialized()


@contextmanager
def group(backend: str | None = None, patience: datetime.timedelta | None = None) -> Iterator[None]:
    """Join the process group that `torchrun` started; without `torchrun`, do nothing.

    `backend` None is NCCL on GPUs and gloo on CPUs; `patience` is the timeout of a collective operation.
    """
    import torch
    import torch.distributed as dist

    if not dist.is_available() or not settings.launched_by_torchrun() or dist.is_initialized():
        yield
        return
    dist.init_process_group(backend or ("nccl" if torch.cuda.is_available() else "gloo"), timeout=patience)
    try:
        yield
    finally:
        dist.destroy_process_group()


def leave(status: int) -> NoReturn:
    """End this process with exit code `status`, after its exit handlers and its output. Must be the last call.

    A process of a group ends without finalising the interpreter. Finalising can stop a gloo thread that is releasing a
    message inside C++, which aborts the process, and `torchrun` then ends the whole group.
    """
    # Not asked of torch: an interrupt may have stopped its import half-way, and another import would fail.
    if "torch.distributed" not in sys.modules or not settings.launched_by_torchrun():
        sys.exit(status)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # closed, or without a reader
            stream.flush()
    os._exit(status)


def all_gather(value: Any) -> list[Any]:
    """Every process's `value`, in order of rank, in every process."""
    import torch.distributed as dist

    if size() == 1:
        return [value]
    values: list[Any] = [None] * size()
    dist.all_gather_object(values, value)
    return values


def gather(value: Any) -> list[Any]:
    """Every process's `value`, in order of rank, at rank 0; an empty list at the other ranks."""
    import torch.distributed as dist

    if size() == 1:
        return [value]
    values: list[Any] | None = [None] * size() if rank() == 0 else None
    dist.gather_object(value, values, dst=0)
    return values or []


def broadcast(value: Any) -> Any:
    """Rank 0's `value`, in every process."""
    import torch.distributed as dist

    if size() == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values, src=0)
    return values[0]


def broadcast_buffers(network: Any) -> None:
    """Copy rank 0's running statistics of the batch norms to every process, so that all hold one network."""
    import torch.distributed as dist

    if size() > 1:
        for buffer in network.buffers():
            dist.broadcast(buffer, 0)


def device() -> Any:
    """This process's GPU if there is one, else the CPU. Processes on one machine take its GPUs in turn."""
    import torch

    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", rank() % torch.cuda.device_count())
