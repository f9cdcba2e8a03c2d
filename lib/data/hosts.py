"""Which hosts may be asked for files, and which of them answer."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from lib.errors import DownloadError
from lib.settings import VERSION


def _head(url: str, limit_s: float) -> bool:
    """Whether the server, or the proxy that the environment names, answers at all, whatever it says."""
    try:
        with open_session(url) as session:
            session.head(url, timeout=limit_s, allow_redirects=False).close()
    except requests.exceptions.SSLError:
        return True  # somebody is there; the transfer itself reports the certificate
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError):
        return False
    return True


class Reachability:
    """Which hosts answer; one that did not is not asked again.

    All failed probes of one object together wait at most `budget_s` seconds: with the budget gone, every host counts
    as unreachable at once. An answer refills it. `probe(url, limit_s)` asks one host and may overrun its limit (a DNS
    lookup cannot be interrupted): it runs in a daemon thread that is left behind.
    """

    def __init__(self, probe: Callable[[str, float], bool] = _head, *, budget_s: float = 5.0) -> None:
        self._probe = probe
        self._budget_s = budget_s
        self._waited_s = 0.0
        self._silent: set[str] = set()
        self._lock = threading.Lock()

    def check(self, url: str, limit_s: float = 4.0) -> bool:
        """Whether the host of `url` answers within `limit_s` seconds; a no is remembered."""
        host = urlsplit(url).netloc.lower()
        with self._lock:
            limit_s = min(limit_s, self._budget_s - self._waited_s)
            if host in self._silent or limit_s <= 0:
                return False
            began = time.monotonic()
            if self.ask(url, limit_s):
                self._waited_s = 0.0
                return True
            self._waited_s += time.monotonic() - began
            self._silent.add(host)
            return False

    def ask(self, url: str, limit_s: float = 4.0) -> bool:
        """Whether the host of `url` answers within `limit_s` seconds of wall-clock time; nothing is remembered."""
        answers: list[bool] = []
        thread = threading.Thread(
            target=lambda: answers.append(self._probe(url, limit_s)), name="petalscope-probe", daemon=True
        )
        thread.start()
        thread.join(limit_s)
        return bool(answers and answers[0])

    def forget(self) -> None:
        """Ask again from now on, for a user who has just connected."""
        with self._lock:
            self._silent.clear()
            self._waited_s = 0.0


# One for the process, so that the second download does not wait for the same silence again.
NETWORK = Reachability()


class _CheckedAdapter(HTTPAdapter):
    """Refuses addresses that are not ours to follow; every hop of a redirect passes here."""

    def __init__(self, *, loopback: bool) -> None:
        super().__init__()
        self._loopback = loopback

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        check_url(request.url or "", loopback=self._loopback)
        return super().send(request, *args, **kwargs)


def open_session(url: str) -> requests.Session:
    """What asks for `url`, and follows no redirect to where `check_url` would not go."""
    session = requests.Session()
    session.headers["User-Agent"] = f"petalscope/{VERSION}"
    loopback = urlsplit(url).scheme == "http"
    session.trust_env = not loopback  # nobody means their proxy to fetch from their own machine
    for scheme in ("https://", "http://"):
        session.mount(scheme, _CheckedAdapter(loopback=loopback))
    return session


def check_url(url: str, *, loopback: bool = True) -> None:
    """Raises DownloadError unless `url` is https, or http on this machine where `loopback` allows it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if host and (parts.scheme == "https" or (parts.scheme == "http" and loopback and _is_loopback(host))):
        return
    raise DownloadError(f"Refused to download from {url}; only https:// addresses are allowed.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
