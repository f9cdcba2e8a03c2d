"""Files from the internet: fetched once, resumed, and verified.

Invariant: a file under its final name is complete and verified; what is half-made has another name (`<file>.part`) and
is continued or replaced by the next try. `.<name>.lock` files stay behind, since deleting a lock file while somebody
waits for it would let two processes in.

Ranges, If-Range and 416 follow RFC 9110, sections 13.1.5 and 14.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import ipaddress
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from lib.data import disk
from lib.data.archive import extract_photos, is_filled
from lib.data.disk import Progress
from lib.errors import ChecksumError, DataError, DownloadError, OfflineError
from lib.settings import VERSION

_MIB = 1024 * 1024
# Where neither the publisher nor the server names a size, a stream without an end must not fill the disk.
_LARGEST = 4_000_000_000
# 4xx answers that may be different in a moment; the others will not be.
_PASSING = {408, 425, 429}


@dataclass(frozen=True)
class Remote:
    """One published file: `bytes` is its size if known, `sha256` its digest (hex) or the first 8 or more digits."""

    url: str
    filename: str
    bytes: int | None
    sha256: str

    def __post_init__(self) -> None:
        if self.filename != Path(self.filename).name or self.filename in {"", ".", ".."}:
            raise ValueError(f"not a bare file name: {self.filename!r}")
        if not re.fullmatch(r"[0-9a-f]{8,64}", self.sha256):
            raise ValueError(f"not a SHA-256 or its beginning: {self.sha256!r}")


# TensorFlow Datasets publishes the size and the checksum.
FLOWER_PHOTOS = Remote(
    url="https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz",
    filename="flower_photos.tgz",
    bytes=228_813_984,
    sha256="4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
)
# The file's name vouches for the first 8 digits; the rest and the size as independent users recorded them.
IMAGENET_RESNET18 = Remote(
    url="https://download.pytorch.org/models/resnet18-f37072fd.pth",
    filename="resnet18-f37072fd.pth",
    bytes=46_830_571,
    sha256="f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
)


# --- Is there a network? -------------------------------------------------------------------------------------------


def _head(url: str, limit_s: float) -> bool:
    """Whether the server, or the proxy that the environment names, answers at all, whatever it says."""
    try:
        with _session(url) as session:
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


def reachable(url: str, limit_s: float = 4.0) -> bool:
    """Whether the host of `url` answers (through the environment's proxy, if any); a no holds for this process."""
    _check_url(url)
    return NETWORK.check(url, limit_s)


# --- One file ------------------------------------------------------------------------------------------------------


def fetch(
    remote: Remote,
    folder: Path,
    *,
    offline: bool = False,
    progress: Progress | None = None,
    timeout_s: float = 4.0,
    stall_s: float = 15.0,
    tries: int = 4,
    backoff_s: float = 0.5,
    network: Reachability = NETWORK,
) -> Path:
    """The verified file `folder / remote.filename`, downloaded only if it is not there or not sound.

    `progress(done, total)` counts bytes; while another process downloads the same file it shows that one's. A host
    that does not answer within `timeout_s` counts as offline; a transfer that is silent for `stall_s`, is cut, or
    gets a passing error is resumed, until `tries` of them in a row brought less than 1 MiB.

    Raises OfflineError, ChecksumError (the bad bytes are deleted), else DownloadError (what arrived is kept).
    """
    _check_url(remote.url)
    job = _Job(remote, folder, progress or disk.silent, timeout_s, stall_s, network)
    # Before the lock: a sound file in a folder that cannot be written, such as a shared cache, is fine.
    if _is_sound(job.target, remote):
        return job.target
    if offline:
        raise _switched_off(job)
    with disk.alone(folder, remote.filename, DownloadError, waiting=lambda: job.progress(_arrived(job), remote.bytes)):
        if not _is_sound(job.target, remote):
            _download(job, tries, backoff_s)
    return job.target


@dataclass(frozen=True)
class _Job:
    remote: Remote
    folder: Path
    progress: Progress
    timeout_s: float
    stall_s: float
    network: Reachability

    @property
    def target(self) -> Path:
        return self.folder / self.remote.filename

    @property
    def part(self) -> Path:
        return self.folder / f"{self.remote.filename}.part"

    @property
    def state(self) -> Path:
        """Where the part came from: its URL and the server's name for that version (ETag or date)."""
        return self.folder / f"{self.remote.filename}.part.json"

    @property
    def host(self) -> str:
        return urlsplit(self.remote.url).netloc


class _BrokenError(Exception):
    """A try that failed in a way that the next one may not; the text completes «failed (…)»."""


def _download(job: _Job, tries: int, backoff_s: float) -> None:
    """Transfers until the verified file has its final name."""
    if job.remote.bytes is not None:
        _check_room(job, job.remote.bytes)
    failures = 0
    furthest = _size(job.part)
    while True:
        try:
            resumed = _transfer(job, first=failures == 0)
        except _BrokenError as broken:
            reason = str(broken)
        else:
            defect = _defect(job.part, job.remote)
            if defect is None:
                with disk.explained(job.folder, DownloadError):
                    job.part.replace(job.target)
                    job.state.unlink(missing_ok=True)
                return
            _discard(job)
            if not resumed:
                raise _bad_bytes(job, defect)
            reason = defect  # the two halves may be of two versions: once more from the start
        # Beyond the best so far, not beyond the last try: a server that cannot resume must not keep this going.
        if _size(job.part) >= furthest + _MIB:
            failures, furthest = 0, _size(job.part)
        failures += 1
        if failures >= tries:
            raise _gave_up(job, failures, reason)
        time.sleep(backoff_s * 2 ** (failures - 1))


def _transfer(job: _Job, *, first: bool) -> bool:
    """One request, streamed onto the part; True if it built on the bytes of an earlier try."""
    have, validator = _resumable(job)
    if have and job.remote.bytes is not None and have >= job.remote.bytes:
        return True  # it was cut between the last byte and the rename; the checksum decides
    if first and not job.network.check(job.remote.url, job.timeout_s):
        raise OfflineError(
            f"{job.host} does not answer, so {job.remote.filename} was not downloaded; connect to the internet (or set "
            f"HTTPS_PROXY) and start again, or put the file at {job.target} yourself, or set PETALSCOPE_OFFLINE=1 to "
            "stop trying."
        )
    # A transfer cut by a lost network must not wait for DNS without a limit either.
    if not first and not job.network.ask(job.remote.url, job.timeout_s):
        raise _BrokenError(f"{job.host} no longer answers")
    # Ranges and sizes are those of the file as stored, not of a compressed form of it.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if validator:
            headers["If-Range"] = validator
    with _session(job.remote.url) as session, _get(job, session, headers) as response:
        start, total = _interpret(job, response, have, validator)
        if start == total:
            return True
        _receive(job, response, start, total)
    return start > 0


def _interpret(job: _Job, response: requests.Response, have: int, validator: str | None) -> tuple[int, int | None]:
    """Where the body belongs in the file and the file's whole size, from the answer's status and headers."""
    status = response.status_code
    published = job.remote.bytes
    if status == 200:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        if None not in {total, published} and total != published:
            _discard(job)
            raise _bad_bytes(job, f"it has {total:,} bytes instead of {published:,}")
        return 0, total if total is not None else published
    if status in {206, 416} and have:
        span = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", ""))
        begin, size = span.groups() if span else (None, None)
        total = int(size) if size and size != "*" else None
        if status == 416 and total == have:
            return have, have
        tag = response.headers.get("ETag")
        same = not (validator and validator.startswith('"') and tag) or tag == validator
        if status == 206 and begin == str(have) and same and (published is None or total in {None, published}):
            return have, total if total is not None else published
        _discard(job)
        raise _BrokenError("the file on the server is no longer the one that the first part came from")
    said = f"{response.status_code} {response.reason or ''}".strip()
    if status >= 500 or status in _PASSING:
        raise _BrokenError(f"{job.host} answered {said}")
    raise DownloadError(
        f"{job.remote.url} answered {said}; check the address or the network's login page, or put the file at "
        f"{job.target} yourself."
    )


def _receive(job: _Job, response: requests.Response, start: int, total: int | None) -> None:
    """Appends the body to the part (or begins it anew at 0) and makes sure that it is on the disk."""
    _check_room(job, total)
    done = start
    job.progress(done, total)
    with contextlib.ExitStack() as stack:
        with disk.explained(job.folder, DownloadError, total and total - done):
            # Unbuffered, so that a full disk is met in `write` and not again in `close`.
            file = stack.enter_context(job.part.open("ab" if start else "wb", buffering=0))
            if start == 0:
                # Only now that the bytes of another version are gone may the note vouch for this one.
                note = {"url": job.remote.url, "validator": _validator(response)}
                job.state.write_text(json.dumps(note), encoding="utf-8")
        for chunk in _chunks(response, job.stall_s):
            if done + len(chunk) > (total or _LARGEST):
                _discard(job)
                raise _bad_bytes(job, f"it goes on after {total or _LARGEST:,} bytes")
            with disk.explained(job.folder, DownloadError, total and total - done):
                _write(file, chunk)
            done += len(chunk)
            job.progress(done, total)
        with disk.explained(job.folder, DownloadError):
            os.fsync(file.fileno())
    if total is not None and done < total:
        raise _BrokenError("the connection was closed early")


def _chunks(response: requests.Response, stall_s: float) -> Iterator[bytes]:
    """The body as it arrives; not `iter_content`, which drops what it has of a chunk when the connection breaks."""
    while True:
        try:
            chunk: bytes = response.raw.read1(disk.CHUNK, decode_content=False)
        except urllib3.exceptions.ReadTimeoutError as error:
            raise _BrokenError(f"nothing arrived for {stall_s:g} s") from error
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            raise _BrokenError("the connection was cut") from error
        if not chunk:
            return
        yield chunk


def _get(job: _Job, session: requests.Session, headers: dict[str, str]) -> requests.Response:
    try:
        return session.get(job.remote.url, headers=headers, stream=True, timeout=(job.timeout_s, job.stall_s))
    except requests.exceptions.SSLError as error:
        raise DownloadError(
            f"No trusted connection to {job.host} ({_root(error)}); if your network inspects traffic, set "
            f"REQUESTS_CA_BUNDLE to its certificate, or put the file at {job.target} yourself."
        ) from error
    except requests.exceptions.Timeout as error:
        raise _BrokenError(f"{job.host} did not answer in time") from error
    except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        raise _BrokenError("the connection was cut") from error
    except requests.RequestException as error:
        raise DownloadError(
            f"{job.remote.url} cannot be downloaded ({error}); put the file at {job.target} yourself."
        ) from error


class _CheckedAdapter(HTTPAdapter):
    """Refuses addresses that are not ours to follow; every hop of a redirect passes here."""

    def __init__(self, *, loopback: bool) -> None:
        super().__init__()
        self._loopback = loopback

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        _check_url(request.url or "", loopback=self._loopback)
        return super().send(request, *args, **kwargs)


def _session(url: str) -> requests.Session:
    session = requests.Session()
    session.headers["User-Agent"] = f"petalscope/{VERSION}"
    loopback = urlsplit(url).scheme == "http"
    session.trust_env = not loopback  # nobody means their proxy to fetch from their own machine
    for scheme in ("https://", "http://"):
        session.mount(scheme, _CheckedAdapter(loopback=loopback))
    return session


def _check_url(url: str, *, loopback: bool = True) -> None:
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


def _validator(response: requests.Response) -> str | None:
    """What If-Range may carry: a strong ETag, else the date."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _resumable(job: _Job) -> tuple[int, str | None]:
    """How many bytes of the part can be built upon, and the validator that they came with."""
    try:
        note = json.loads(job.state.read_text(encoding="utf-8"))
        if note["url"] == job.remote.url:
            validator = note["validator"]
            return _size(job.part), validator if isinstance(validator, str) else None
    except (OSError, ValueError, LookupError, TypeError):
        pass  # a part that nothing vouches for is begun anew
    return 0, None


def _defect(path: Path, remote: Remote) -> str | None:
    """What is wrong with the bytes at `path`, or None if they are the published ones."""
    try:
        size = path.stat().st_size
        if remote.bytes is not None and size != remote.bytes:
            return f"it has {size:,} bytes instead of {remote.bytes:,}"
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    if digest.startswith(remote.sha256):
        return None
    return f"its SHA-256 begins with {digest[:8]} instead of {remote.sha256[:8]}"


def _is_sound(path: Path, remote: Remote) -> bool:
    return path.is_file() and _defect(path, remote) is None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _arrived(job: _Job) -> int:
    return _size(job.part) or _size(job.target)


def _discard(job: _Job) -> None:
    with disk.explained(job.folder, DownloadError):
        job.part.unlink(missing_ok=True)
        job.state.unlink(missing_ok=True)


def _write(file: IO[bytes], chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def _check_room(job: _Job, total: int | None) -> None:
    if total is None:
        return
    # What is there is continued or overwritten.
    needed = total - _size(job.part)
    with disk.explained(job.folder, DownloadError):
        free = shutil.disk_usage(job.folder).free
    if needed > free:
        raise DownloadError(
            f"There is not enough room in {job.folder} for {job.remote.filename}: {needed:,} more bytes are "
            f"needed and {free:,} are free; free some space, then start again."
        )


def _bad_bytes(job: _Job, defect: str) -> ChecksumError:
    return ChecksumError(
        f"{job.remote.url} is not the published file ({defect}), so what arrived was deleted; try again later or on "
        f"another network, or put the right file at {job.target} yourself."
    )


def _gave_up(job: _Job, failures: int, reason: str) -> DownloadError:
    have = _size(job.part)
    kept = (
        f"the {have:,} bytes that arrived are kept in {job.part}: start again to go on from there"
        if have
        else f"nothing has arrived yet: try again later, or put the file at {job.target} yourself"
    )
    return DownloadError(f"Downloading {job.remote.url} failed {failures} times in a row ({reason}); {kept}.")


def _switched_off(job: _Job) -> OfflineError:
    what = "is damaged" if job.target.is_file() else "is not there"
    return OfflineError(
        f"{job.target} {what} and downloads are switched off (PETALSCOPE_OFFLINE); unset it to download the file, or "
        f"put {job.remote.url} there yourself."
    )


def _root(error: BaseException) -> str:
    """The innermost cause, since the outer texts only quote each other."""
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    reason = getattr(error, "reason", None)
    return _root(reason) if isinstance(reason, BaseException) else str(error)


# --- The flower photos ---------------------------------------------------------------------------------------------


def flower_photos(
    folder: Path,
    *,
    offline: bool = False,
    remote: Remote = FLOWER_PHOTOS,
    progress: Progress | None = None,
    network: Reachability = NETWORK,
) -> Path:
    """`folder/flower_photos` with one sub-folder per class and LICENSE.txt; downloaded and unpacked if not there.

    `progress(done, total)` counts the bytes of the archive twice: as they arrive, and as they are unpacked.
    Raises what `fetch` and `extract_photos` raise.
    """
    into = folder / "flower_photos"
    report = progress or disk.silent
    job = _Job(remote, folder, report, 0, 0, network)
    if is_filled(into):
        return into
    if offline and not job.target.is_file():
        raise _switched_off(job)
    # One lock around both steps: a process that waits must find the photos, not a deleted archive.
    with disk.alone(folder, into.name, DownloadError, waiting=lambda: report(_arrived(job), remote.bytes)):
        if not is_filled(into):
            archive = fetch(remote, folder, offline=offline, progress=progress, network=network)
            extract_photos(archive, into, progress=progress)
            with disk.explained(folder, DataError):
                archive.unlink(missing_ok=True)
    return into
