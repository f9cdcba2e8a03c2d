"""A real Milvus server (PyPI `milvus`, 2.3.5) for tests, inside a network namespace where there is only loopback.

The server listens on all interfaces, so it is started only where that means nothing: `make test-server` makes such a
place. Run by itself (with the Python that has the `milvus` package) this module is the server: it prints its port, and
ends when its stdin does.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PYTHON = os.environ.get("TEST_MILVUS_PYTHON", "")


def why_not() -> str:
    """Why no server can be started here; empty when it can."""
    if not PYTHON:
        return "needs a real Milvus server: make test-server"
    others = [name for _, name in socket.if_nameindex() if name != "lo"]
    return f"a server would listen on {', '.join(others)} too: make test-server keeps it on loopback" if others else ""


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """The server with its data in `folder`; yields its address."""
    server = subprocess.Popen(
        [PYTHON, __file__, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.strip().isdigit(), f"the Milvus server did not start: {line!r}"
        yield f"http://127.0.0.1:{line.strip()}"
    finally:
        server.communicate(timeout=60)


if __name__ == "__main__":
    from milvus import default_server  # type: ignore[import-not-found]

    default_server.set_base_dir(sys.argv[1])
    default_server.start()
    print(default_server.listen_port, flush=True)
    sys.stdin.read()
    default_server.stop()
