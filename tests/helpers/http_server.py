"""An HTTP or HTTPS server on this machine that serves one file, with faults on request."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Fault:
    """A fault in the response to a GET.

    `cut` closes the connection after that many bytes of the body, `stall` stops sending after that many. `hold` is an
    event to wait for after the first half.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    stall: int | None = None
    hold: threading.Event | None = None


class FileServer(ThreadingHTTPServer):
    """Serves `body` under every path. Each GET takes the next of `faults`, else `every_fault`."""

    daemon_threads = True

    def __init__(self, body: bytes = b"") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scheme, self.host = "http", "127.0.0.1"
        self.body = body
        self.framing = "length"  # or "chunked", or "close": the end of the connection is the end of the body
        self.faults: deque[Fault] = deque()
        self.every_fault: Fault | None = None
        self.gets: list[dict[str, str]] = []  # the headers of each GET
        self.connects: list[str] = []
        self.requested = threading.Event()  # set at the first GET
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.server_address[1]}/file"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores clients that close the connection, as some tests do."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FileServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_CONNECT(self) -> None:
        self.server.connects.append(self.path)
        self._head(502, {"Content-Length": "0"})

    def do_GET(self) -> None:
        server = self.server
        server.gets.append(dict(self.headers))
        server.requested.set()
        fault = server.faults.popleft() if server.faults else server.every_fault or Fault()
        if fault.status is not None:
            self._head(fault.status, {"Content-Length": "0", **fault.headers})
            return
        framing = {
            "length": {"Content-Length": str(len(server.body))},
            "chunked": {"Transfer-Encoding": "chunked"},
            "close": {"Connection": "close"},
        }
        self._head(200, framing[server.framing] | fault.headers)
        self._send(server.body, fault)

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
        elif self.server.framing == "chunked":
            for start in range(0, len(body), 1000):
                piece = body[start : start + 1000]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@contextlib.contextmanager
def serving(body: bytes = b"", *, certificate: Path | None = None) -> Iterator[FileServer]:
    """A server for the duration of the block; https on localhost where `certificate` is a folder with `cert.pem` and
    `key.pem`."""
    with FileServer(body) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.scheme, server.host = "https", "localhost"
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
