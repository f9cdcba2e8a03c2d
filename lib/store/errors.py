"""What went wrong between us and a Milvus, in words: why a call failed, and why a server does not open.

Invariants: no text holds a token, and every text is one line. `why_silent` looks with sockets of its own, since
pymilvus says "fail connecting to server" to everything.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lib import settings

_LOST_WORDS = ("unavailable", "channel is closed", "closed channel", "connection refused", "socket closed")


def reason(error: BaseException, token: str = "") -> str:
    """The library's own words in one line, without the token and without gRPC's dump."""
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
    """Whether the server turned us away, however deep pymilvus has wrapped that."""
    for each in _chain(error):
        words = str(getattr(each, "message", "")).lower()
        if _status(each) in {"UNAUTHENTICATED", "PERMISSION_DENIED"}:
            return True
        if "unauthenticated" in words or "auth check failure" in words or "permission deny" in words:
            return True
    return False


def is_lost(error: BaseException | None) -> bool:
    """Whether the connection itself is gone, so that only a new client helps."""
    for each in _chain(error):
        words = f"{getattr(each, 'message', '')} {each}".lower()
        if _status(each) == "UNAVAILABLE" or any(sign in words for sign in _LOST_WORDS):
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
    found: list[BaseException] = []
    while error is not None and all(error is not each for each in found):  # pymilvus' errors can be their own cause
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def at_once(address: str, wait_s: float) -> tuple[str, str] | None:
    """`why_silent` where that is certain without asking for Milvus: nobody listens, there is no such host, or its TLS
    cannot be used. pymilvus would try until its time is over. None if it may work, or only a proxy would know."""
    if settings.behind_proxy():
        return None
    try:
        with socket.create_connection(_place(address), timeout=wait_s) as plain:
            return _tls_trouble(plain, _place(address)[0]) if urlsplit(address).scheme == "https" else None
    except (ConnectionRefusedError, socket.gaierror):
        return why_silent(address, wait_s)
    except (OSError, ValueError):
        return None


def _place(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 19530)


def why_silent(address: str, wait_s: float) -> tuple[str, str]:
    """Why no Milvus answers at `address` (http or https), and what to do: two halves of a sentence."""
    (host, port), secure = _place(address), urlsplit(address).scheme == "https"
    try:
        with socket.create_connection((host, port), timeout=wait_s) as plain:
            return (_tls_trouble(plain, host) or _mute(host)) if secure else _spoken(plain, host, wait_s)
    except socket.gaierror:
        return f"there is no host called {host}", "correct the address, or check the network"
    except TimeoutError:
        return (
            f"{host} takes no connection on port {port} within {wait_s:g} s",
            "check that the machine is up and that no firewall is between",
        )
    except ConnectionRefusedError:
        return f"nothing listens on port {port} of {host}", "start Milvus there, or correct the port"
    except OSError as error:
        return f"{error.strerror or error}", "check the address and the network"


def _tls_trouble(plain: socket.socket, host: str) -> tuple[str, str] | None:
    """What hinders TLS; None if nothing does, or the time is over."""
    try:
        ssl.create_default_context(cafile=_authorities()).wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        return (
            f"the certificate of {host} is not trusted: {error.verify_message}",
            "let GRPC_DEFAULT_SSL_ROOTS_FILE_PATH name its authority's certificate, or correct the host's name",
        )
    except (ssl.SSLError, ConnectionError):
        return f"{host} does not speak TLS on this port", "write http:// instead of https://, or correct the port"
    except TimeoutError:
        pass
    return None


def _authorities() -> str | None:
    """The file of the authorities that gRPC trusts: its own list, not the system's, unless it is told of another."""
    import grpc

    own = Path(grpc.__file__).parent / "_cython" / "_credentials" / "roots.pem"
    named = settings.grpc_roots() or str(own)
    return named if Path(named).is_file() else None


def _spoken(plain: socket.socket, host: str, wait_s: float) -> tuple[str, str]:
    """A listener that understands a TLS greeting wants https; Milvus without TLS hangs up on it, or says nothing."""
    plain.settimeout(min(1.0, wait_s))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent over it
    try:
        context.wrap_socket(plain, server_hostname=host).close()
    except OSError:  # SSLError and timeouts are OSErrors
        return _mute(host)
    return f"{host} expects TLS on this port", "write https:// instead of http://"


def _mute(host: str) -> tuple[str, str]:
    return (
        f"something listens at {host} but did not answer as Milvus in time",
        "wait until it has started, or check that it is Milvus' port (19530) and not its web interface (9091)",
    )


def position(text: str) -> int | None:
    """The column, from 0, at which an engine stopped reading an expression, from its words; None if it does not say.

    Lite: `… at column 5`, counted from 1. Servers (ANTLR): `line 1:4 …`, counted from 0.
    """
    import re

    if found := re.search(r"at column (\d{1,9})", text):
        return int(found[1]) - 1
    if found := re.search(r"line 1:(\d{1,9})", text):
        return int(found[1])
    return None


def message(error: BaseException) -> str:
    """All of an engine's words, with their line breaks; for reading positions out of, not for the screen."""
    cause: Any = error.__cause__ or error
    return str(getattr(cause, "message", "") or cause)
