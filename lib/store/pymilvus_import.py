"""pymilvus, imported without the side effects of its import and without its logging."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lib.errors import StoreError


def import_pymilvus() -> Any:
    """Import pymilvus without the side effects of its import. The caller makes sure that one thread does so at a time.

    On import, pymilvus raises if MILVUS_URI holds a path, as ours may; it loads any `.env` above itself into the
    environment; and it logs a traceback for every error that it raises. Raises StoreError if it is not installed.
    """
    getenv, thread = os.getenv, threading.get_ident()

    def without_milvus(key: str, default: Any = None) -> Any:
        return default if key.startswith("MILVUS_") and threading.get_ident() == thread else getenv(key, default)

    dotenv = os.environ.get("PYTHON_DOTENV_DISABLED")
    # os.getenv and not os.environ, so that other threads still read MILVUS_URI.
    os.getenv = without_milvus
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"
    try:
        import pymilvus
    except ImportError as error:
        raise StoreError(
            f"Milvus needs its Python client ({error}): run pip install 'pymilvus[milvus-lite]'."
        ) from error
    finally:
        os.getenv = getenv
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
    """A list that fills with the exceptions which logger `name` reports inside the `with` block."""
    exceptions: list[BaseException] = []

    class ExceptionHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info and record.exc_info[1] is not None:
                exceptions.append(record.exc_info[1])

    logger, handler = logging.getLogger(name), ExceptionHandler()
    logger.addHandler(handler)
    try:
        yield exceptions
    finally:
        logger.removeHandler(handler)
