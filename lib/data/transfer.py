"""One try to bring a published file here: a request whose answer is streamed onto `<file>.part`.

Ranges, If-Range and 416 follow RFC 9110, sections 13.1.5 and 14.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import requests
import urllib3

from lib.data import disk
from lib.data.disk import Progress
from lib.data.hosts import Reachability, open_session
from lib.data.remote import Remote
from lib.errors import ChecksumError, DownloadError, OfflineError

# Where neither the publisher nor the server names a size, a stream without an end must not fill the disk.
_LARGEST = 4_000_000_000
# 4xx answers that may be different in a moment; the others will not be.
_PASSING = {408, 425, 429}


@dataclass(frozen=True)
class Job:
    """One file on its way: where it comes from and goes to, who is told, and how long to wait for whom (seconds)."""

    remote: Remote
    folder: Path
    progress: Progress
    timeout_s: float
    stall_s: float
    network: Reachability

    @property
    def target(self) -> Path:
        """The whole file's name."""
        return self.folder / self.remote.filename

    @property
    def part(self) -> Path:
        """Where what arrives is kept until it is whole."""
        return self.folder / f"{self.remote.filename}.part"

    @property
    def state(self) -> Path:
        """Where the part came from: its URL and the server's name for that version (ETag or date)."""
        return self.folder / f"{self.remote.filename}.part.json"

    @property
    def host(self) -> str:
        """Who has the file, for messages."""
        return urlsplit(self.remote.url).netloc


class BrokenError(Exception):
    """A try that failed in a way that the next one may not; the text completes «failed (…)»."""


def transfer(job: Job, *, first: bool) -> bool:
    """One request, streamed onto the part; True if it built on the bytes of an earlier try.

    Raises BrokenError when another try may go better, OfflineError, ChecksumError or DownloadError when it will not.
    """
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
        raise BrokenError(f"{job.host} no longer answers")
    # Ranges and sizes are those of the file as stored, not of a compressed form of it.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if validator:
            headers["If-Range"] = validator
    with open_session(job.remote.url) as session, _get(job, session, headers) as response:
        start, total = _interpret(job, response, have, validator)
        if start == total:
            return True
        _receive(job, response, start, total)
    return start > 0


def _interpret(job: Job, response: requests.Response, have: int, validator: str | None) -> tuple[int, int | None]:
    """Where the body belongs in the file and the file's whole size, from the answer's status and headers."""
    status = response.status_code
    published = job.remote.bytes
    if status == 200:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        if None not in {total, published} and total != published:
            discard(job)
            raise bad_bytes(job, f"it has {total:,} bytes instead of {published:,}")
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
        discard(job)
        raise BrokenError("the file on the server is no longer the one that the first part came from")
    said = f"{response.status_code} {response.reason or ''}".strip()
    if status >= 500 or status in _PASSING:
        raise BrokenError(f"{job.host} answered {said}")
    raise DownloadError(
        f"{job.remote.url} answered {said}; check the address or the network's login page, or put the file at "
        f"{job.target} yourself."
    )


def _receive(job: Job, response: requests.Response, start: int, total: int | None) -> None:
    """Appends the body to the part (or begins it anew at 0) and makes sure that it is on the disk."""
    check_room(job, total)
    done = start
    job.progress(done, total)
    with contextlib.ExitStack() as stack:
        with disk.plain_disk_errors(job.folder, DownloadError, total and total - done):
            # Unbuffered, so that a full disk is met in `write` and not again in `close`.
            file = stack.enter_context(job.part.open("ab" if start else "wb", buffering=0))
            if start == 0:
                # Only now that the bytes of another version are gone may the note vouch for this one.
                note = {"url": job.remote.url, "validator": _validator(response)}
                job.state.write_text(json.dumps(note), encoding="utf-8")
        for chunk in _chunks(response, job.stall_s):
            if done + len(chunk) > (total or _LARGEST):
                discard(job)
                raise bad_bytes(job, f"it goes on after {total or _LARGEST:,} bytes")
            with disk.plain_disk_errors(job.folder, DownloadError, total and total - done):
                _write(file, chunk)
            done += len(chunk)
            job.progress(done, total)
        with disk.plain_disk_errors(job.folder, DownloadError):
            os.fsync(file.fileno())
    if total is not None and done < total:
        raise BrokenError("the connection was closed early")


def _chunks(response: requests.Response, stall_s: float) -> Iterator[bytes]:
    """The body as it arrives; not `iter_content`, which drops what it has of a chunk when the connection breaks."""
    while True:
        try:
            chunk: bytes = response.raw.read1(disk.CHUNK, decode_content=False)
        except urllib3.exceptions.ReadTimeoutError as error:
            raise BrokenError(f"nothing arrived for {stall_s:g} s") from error
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            raise BrokenError("the connection was cut") from error
        if not chunk:
            return
        yield chunk


def _get(job: Job, session: requests.Session, headers: dict[str, str]) -> requests.Response:
    try:
        return session.get(job.remote.url, headers=headers, stream=True, timeout=(job.timeout_s, job.stall_s))
    except requests.exceptions.SSLError as error:
        raise DownloadError(
            f"No trusted connection to {job.host} ({_root(error)}); if your network inspects traffic, set "
            f"REQUESTS_CA_BUNDLE to its certificate, or put the file at {job.target} yourself."
        ) from error
    except requests.exceptions.Timeout as error:
        raise BrokenError(f"{job.host} did not answer in time") from error
    except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        raise BrokenError("the connection was cut") from error
    except requests.RequestException as error:
        raise DownloadError(
            f"{job.remote.url} cannot be downloaded ({error}); put the file at {job.target} yourself."
        ) from error


def _validator(response: requests.Response) -> str | None:
    """What If-Range may carry: a strong ETag, else the date."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _resumable(job: Job) -> tuple[int, str | None]:
    """How many bytes of the part can be built upon, and the validator that they came with."""
    try:
        note = json.loads(job.state.read_text(encoding="utf-8"))
        if note["url"] == job.remote.url:
            validator = note["validator"]
            return bytes_at(job.part), validator if isinstance(validator, str) else None
    except (OSError, ValueError, LookupError, TypeError):
        pass  # a part that nothing vouches for is begun anew
    return 0, None


def bytes_at(path: Path) -> int:
    """The size of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def discard(job: Job) -> None:
    """Delete what arrived."""
    with disk.plain_disk_errors(job.folder, DownloadError):
        job.part.unlink(missing_ok=True)
        job.state.unlink(missing_ok=True)


def _write(file: IO[bytes], chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def check_room(job: Job, total: int | None) -> None:
    """Raises DownloadError when the disk has no room for a file of `total` bytes."""
    if total is None:
        return
    # What is there is continued or overwritten.
    needed = total - bytes_at(job.part)
    with disk.plain_disk_errors(job.folder, DownloadError):
        free = shutil.disk_usage(job.folder).free
    if needed > free:
        raise DownloadError(
            f"There is not enough room in {job.folder} for {job.remote.filename}: {needed:,} more bytes are "
            f"needed and {free:,} are free; free some space, then start again."
        )


def bad_bytes(job: Job, defect: str) -> ChecksumError:
    """What to raise for bytes that are not the published ones."""
    return ChecksumError(
        f"{job.remote.url} is not the published file ({defect}), so what arrived was deleted; try again later or on "
        f"another network, or put the right file at {job.target} yourself."
    )


def _root(error: BaseException) -> str:
    """The innermost cause, since the outer texts only quote each other."""
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    reason = getattr(error, "reason", None)
    return _root(reason) if isinstance(reason, BaseException) else str(error)
