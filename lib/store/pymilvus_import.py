"""pymilvus, imported without what its import does to a process, and kept quiet."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lib.errors import StoreError


def import_pymilvus() -> Any:
    """Import pymilvus without what its import does to a process; one thread at a time, which the caller sees to.

    pymilvus reads MILVUS_URI when imported and raises if it holds a path, which is what our users put there; it loads
    any `.env` it finds above itself into the environment; and it prints a traceback for every error that it raises.
    """
    real, me = os.getenv, threading.get_ident()

    def without_milvus(key: str, default: Any = None) -> Any:
        return default if key.startswith("MILVUS_") and threading.get_ident() == me else real(key, default)

    dotenv = os.environ.get("PYTHON_DOTENV_DISABLED")
    # os.getenv and not os.environ, so that other threads still see MILVUS_URI meanwhile.
    os.getenv = without_milvus
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"
    try:
        import pymilvus
    except ImportError as error:
        raise StoreError(
            f"Milvus cannot be used without its client ({error}): run pip install 'pymilvus[milvus-lite]'."
        ) from error
    finally:
        os.getenv = real
        if dotenv is None:
            os.environ.pop("PYTHON_DOTENV_DISABLED", None)
        else:
            os.environ["PYTHON_DOTENV_DISABLED"] = dotenv
    for name in ("pymilvus", "pymilvus.milvus_client", "milvus_lite"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [logging.NullHandler()]
        logger.propagate = False
    return pymilvus


@contextmanager
def last_logged(name: str) -> Iterator[list[BaseException]]:
    """The exceptions that logger `name` reports meanwhile."""
    seen: list[BaseException] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info and record.exc_info[1] is not None:
                seen.append(record.exc_info[1])

    logger, handler = logging.getLogger(name), Keep()
    logger.addHandler(handler)
    try:
        yield seen
    finally:
        logger.removeHandler(handler)
