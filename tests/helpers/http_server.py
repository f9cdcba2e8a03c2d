"""A real HTTP server on 127.0.0.1 that serves one file and misbehaves on request."""

from __future__ import annotations

import contextlib
import re
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Fault:
    """What one GET does wrong; HEAD always succeeds.

    `cut` closes the connection and `stall` falls silent after that many bytes of the body; `hold` waits for the
    event after the first half.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    stall: int | None = None
    hold: threading.Event | None = None


class FileServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, body: bytes = b"") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body = body
        self.etag: str | None = '"one"'
        self.modified: str | None = None
        self.ranges = True
        self.honours_if_range = True
        self.names_length = True
        self.faults: deque[Fault] = deque()
        self.always: Fault | None = None
        self.gets: list[dict[str, str]] = []  # the headers of each GET
        self.heads = 0
        self.connects: list[str] = []
        self.got = threading.Event()  # set at the first GET
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error of these tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FileServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.server.heads += 1
        self._head(200, {"Content-Length": str(len(self.server.body))})

    def do_CONNECT(self) -> None:
        self.server.connects.append(self.path)
        self._head(502, {"Content-Length": "0"})

    def do_GET(self) -> None:
        server = self.server
        server.gets.append(dict(self.headers))
        server.got.set()
        fault = server.faults.popleft() if server.faults else server.always or Fault()
        if fault.status is not None:
            self._head(fault.status, {"Content-Length": "0", **fault.headers})
            return
        body, status, headers = server.body, 200, dict(fault.headers)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        guard = self.headers.get("If-Range")
        same = guard is None or not server.honours_if_range or guard in {server.etag, server.modified}
        if asked and server.ranges and same:
            start = int(asked[1])
            if start >= len(body):
                self._head(416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"})
                return
            status = 206
            headers.setdefault("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            body = body[start:]
        if server.etag:
            headers["ETag"] = server.etag
        if server.modified:
            headers["Last-Modified"] = server.modified
        if server.names_length:
            headers.setdefault("Content-Length", str(len(body)))
        else:
            headers["Connection"] = "close"
        self._head(status, headers)
        self._send(body, fault)

    def _send(self, body: bytes, fault: Fault) -> None:
        if fault.cut is not None:
            self.wfile.write(body[: fault.cut])
            self.close_connection = True
        elif fault.stall is not None:
            self.wfile.write(body[: fault.stall])
            self.server.closing.wait(30)
            self.close_connection = True
        elif fault.hold is not None:
            self.wfile.write(body[: len(body) // 2])
            fault.hold.wait(30)
            self.wfile.write(body[len(body) // 2 :])
        else:
            self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@contextlib.contextmanager
def serving(body: bytes = b"") -> Iterator[FileServer]:
    """A server for the length of the block."""
    with FileServer(body) as server:
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
