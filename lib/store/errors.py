"""Failures of Milvus in words: why a call failed, and why a server does not open.

Invariants: no text holds a token, and every text is one line. `why_silent` opens sockets of its own, since pymilvus
reports "fail connecting to server" for every cause.
"""

from __future__ import annotations

import re
import socket
import ssl
from pathlib import Path
from typing import Any

from lib import settings
from lib.store.endpoints import Endpoint

_LOST_WORDS = ("unavailable", "channel is closed", "closed channel", "connection refused", "socket closed")


def reason(error: BaseException, token: str = "") -> str:
    """The library's message in one line, without the token and without gRPC's dump."""
    details, code = getattr(error, "details", None), getattr(error, "code", None)
    text = getattr(error, "message", "") or (details() if callable(details) else "") or str(error)
    if is_late(error):
        text = "it did not answer in time"
    elif callable(code):  # a bare gRPC error: its status says more than its details
        text = f"{code().name}: {text}"
    line = next((line.strip() for line in str(text).splitlines() if line.strip()), type(error).__name__)
    for secret in sorted({token, *token.split(":")}, key=len, reverse=True):
        line = line.replace(secret, "***") if len(secret) > 3 else line
    return line.rstrip(".!")[:300]


def is_refused(error: BaseException | None) -> bool:
    """Whether the server refused the credentials, however deep pymilvus has wrapped that error."""
    for each in _chain(error):
        text = str(getattr(each, "message", "")).lower()
        if _status(each) in {"UNAUTHENTICATED", "PERMISSION_DENIED"}:
            return True
        if "unauthenticated" in text or "auth check failure" in text or "permission deny" in text:
            return True
    return False


def is_lost(error: BaseException | None) -> bool:
    """Whether the connection itself is gone, so that only a new client helps."""
    for each in _chain(error):
        text = f"{getattr(each, 'message', '')} {each}".lower()
        if _status(each) == "UNAVAILABLE" or any(sign in text for sign in _LOST_WORDS):
            return True
    return False


def is_late(error: BaseException | None) -> bool:
    """Whether the call ran out of time."""
    return any(
        _status(each) == "DEADLINE_EXCEEDED" or "retry timeout" in str(getattr(each, "message", "")).lower()
        for each in _chain(error)
    )


def _status(error: BaseException) -> str:
    code = getattr(error, "code", None)
    return str(getattr(code() if callable(code) else code, "name", ""))


def _chain(error: BaseException | None) -> list[BaseException]:
    """An error and its causes, outermost first."""
    chain: list[BaseException] = []
    while error is not None and all(error is not each for each in chain):  # pymilvus' errors can be their own cause
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def certain_failure(endpoint: Endpoint, wait_s: float) -> tuple[str, str] | None:
    """`why_silent`, if a connection alone shows the cause: nothing listens, an unknown host, or unusable TLS. pymilvus
    would retry until its timeout. None if the address may work, or if only a proxy could reach it."""
    if settings.behind_proxy():
        return None
    try:
        with socket.create_connection(endpoint.target, timeout=wait_s) as plain:
            return _tls_failure(plain, endpoint.host) if endpoint.secure else None
    except (ConnectionRefusedError, socket.gaierror):
        return why_silent(endpoint, wait_s)
    except (OSError, ValueError):
        return None


def why_silent(endpoint: Endpoint, wait_s: float) -> tuple[str, str]:
    """Why no Milvus answers at `endpoint`, and the remedy: two halves of a sentence."""
    host, port = endpoint.host, endpoint.port
    try:
        with socket.create_connection(endpoint.target, timeout=wait_s) as plain:
            if endpoint.secure:
                return _tls_failure(plain, host) or _no_milvus(host)
            return _plain_failure(plain, host, wait_s)
    except socket.gaierror:
        return f"there is no host called {host}", "correct the address, or check the network"
    except TimeoutError:
        return (
            f"{host} accepts no connection on port {port} within {wait_s:g} s",
            "check that the machine is up and that no firewall blocks the port",
        )
    except ConnectionRefusedError:
        return f"nothing listens on port {port} of {host}", "start Milvus there, or correct the port"
    except OSError as error:
        return f"{error.strerror or error}", "check the address and the network"


def _tls_failure(plain: socket.socket, host: str) -> tuple[str, str] | None:
    """Why TLS fails on a connection; None if it works or times out."""
    try:
        ssl.create_default_context(cafile=_root_certificates()).wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        return (
            f"the certificate of {host} is not trusted: {error.verify_message}",
            "set GRPC_DEFAULT_SSL_ROOTS_FILE_PATH to the certificate of its authority, or correct the host name",
        )
    except (ssl.SSLError, ConnectionError):
        return f"{host} does not speak TLS on this port", "write http:// instead of https://, or correct the port"
    except TimeoutError:
        pass
    return None


def _root_certificates() -> str | None:
    """The file of root certificates that gRPC trusts: the list bundled with gRPC (not the system's), unless the
    settings name another file."""
    import grpc

    bundled = Path(grpc.__file__).parent / "_cython" / "_credentials" / "roots.pem"
    path = settings.grpc_roots() or str(bundled)
    return path if Path(path).is_file() else None


def _plain_failure(plain: socket.socket, host: str, wait_s: float) -> tuple[str, str]:
    """Why a listener does not answer plain gRPC. One that completes a TLS handshake expects https; Milvus without TLS
    hangs up on the handshake, or stays silent."""
    plain.settimeout(min(1.0, wait_s))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent over it
    try:
        context.wrap_socket(plain, server_hostname=host).close()
    except OSError:  # SSLError and timeouts are OSErrors
        return _no_milvus(host)
    return f"{host} expects TLS on this port", "write https:// instead of http://"


def _no_milvus(host: str) -> tuple[str, str]:
    return (
        f"something listens at {host} but did not answer as Milvus in time",
        "wait until it has started, or check that it is Milvus' port (19530) and not its web interface (9091)",
    )


def error_column(text: str) -> int | None:
    """The column, from 0, at which an engine stopped parsing an expression; None if its message names none.

    Lite: `… at column 5`, counted from 1. Servers (ANTLR): `line 1:4 …`, counted from 0.
    """
    if match := re.search(r"at column (\d{1,9})", text):
        return int(match[1]) - 1
    if match := re.search(r"line 1:(\d{1,9})", text):
        return int(match[1])
    return None


def full_message(error: BaseException) -> str:
    """An engine's whole message with its line breaks: for parsing positions, not for the screen."""
    cause: Any = error.__cause__ or error
    return str(getattr(cause, "message", "") or cause)
