"""Downloads: fetched once by pooch, and verified before use.

Invariant: a file under its final name is complete and verified. Pooch works in the folder `.<name>.tmp` beside it,
which is removed afterwards; the next download removes what a killed process left there. `.<name>.lock` files stay.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from lib import artifacts
from lib.data.archive import CHUNK_BYTES, extract_photos, is_filled
from lib.data.remote import FLOWER_PHOTOS, Remote, is_sound
from lib.errors import ChecksumError, DataError, DownloadError, OfflineError
from lib.locks import exclusive_lock
from lib.progress import Progress, no_progress
from lib.settings import VERSION

if TYPE_CHECKING:
    import requests


def fetch(
    remote: Remote,
    folder: Path,
    *,
    offline: bool = False,
    progress: Progress | None = None,
    timeout_s: float = 4.0,
    stall_s: float = 15.0,
    retries: int = 2,
) -> Path:
    """The verified file `folder / remote.filename`, downloaded only if it is missing or damaged.

    `progress(done, total)` counts bytes; `done` is 0 while another process downloads the same file. A host without a
    connection after `timeout_s` seconds counts as offline. A transfer that stalls for `stall_s` seconds or fails in
    another way is repeated `retries` times.

    Raises OfflineError, ChecksumError, else DownloadError; a partial file is deleted.
    """
    _check_url(remote.url)
    target = folder / remote.filename
    # Before the lock: a sound file may lie in a folder that cannot be written, such as a shared cache.
    if is_sound(target, remote):
        return target
    if offline:
        raise switched_off_error(remote, target)
    report = progress or no_progress
    with _download_lock(target, remote, report):
        if not is_sound(target, remote):
            _download(remote, target, report, (timeout_s, stall_s), retries)
    return target


def flower_photos(
    folder: Path, *, offline: bool = False, remote: Remote = FLOWER_PHOTOS, progress: Progress | None = None
) -> Path:
    """`folder/flower_photos` with one sub-folder per class and LICENSE.txt; downloaded and unpacked if missing.

    `progress(done, total)` counts the bytes of the archive twice: as they arrive, and as they are unpacked.
    Raises the errors of `fetch` and `extract_photos`.
    """
    into = folder / "flower_photos"
    target = folder / remote.filename
    report = progress or no_progress
    if is_filled(into):
        return into
    if offline and not target.is_file():
        raise switched_off_error(remote, target)
    # One lock for both steps: a waiting process must find the photos, not a deleted archive.
    with _download_lock(into, remote, report):
        if not is_filled(into):
            archive = fetch(remote, folder, offline=offline, progress=progress)
            extract_photos(archive, into, progress=progress)
            with artifacts.disk_errors(folder, DataError):
                archive.unlink(missing_ok=True)
    return into


def _download_lock(target: Path, remote: Remote, report: Progress) -> contextlib.AbstractContextManager[None]:
    """The lock on `target`; while another process holds it, the progress is 0."""
    path = target.with_name(f".{target.name}.lock")
    return exclusive_lock(path, waiting=lambda: report(0, remote.bytes), error_class=DownloadError)


def _download(remote: Remote, target: Path, report: Progress, timeout: tuple[float, float], retries: int) -> None:
    """Download and verify the file `target`; the caller holds its lock."""
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")  # its messages would repeat the progress
    scratch = target.with_name(f".{target.name}.tmp")
    source = pooch.create(
        path=scratch,
        base_url="",
        # pooch takes whole hashes only; the others are compared below.
        registry={remote.filename: f"sha256:{remote.sha256}" if len(remote.sha256) == 64 else None},
        urls={remote.filename: remote.url},
        retry_if_failed=retries,
    )
    try:
        with artifacts.disk_errors(target.parent, DownloadError):
            try:
                source.fetch(remote.filename, downloader=_Downloader(remote, target, report, timeout))
            except requests.RequestException as error:
                raise _failure(error, remote, target) from error
            except ValueError as error:  # raised by pooch for a wrong hash
                raise _bad_bytes(remote, target) from error
            if not is_sound(scratch / remote.filename, remote):
                raise _bad_bytes(remote, target)
            (scratch / remote.filename).replace(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class _Downloader:
    """The downloader and the progress bar that pooch calls, once per attempt.

    Pooch repeats an attempt after a RequestException, and not after a DownloadError.
    """

    total = 0  # set by pooch

    def __init__(self, remote: Remote, target: Path, report: Progress, timeout: tuple[float, float]) -> None:
        self._remote = remote
        self._target = target
        self._report = report
        self._timeout = timeout

    def __call__(self, url: str, output_file: str, mirror: Any) -> None:
        import pooch
        import requests

        self._path = Path(output_file)
        # Pooch creates an empty file that only this user can read; several users may share torch's cache.
        self._path.unlink()
        self._report(0, self._remote.bytes)
        transfer = pooch.HTTPDownloader(
            progressbar=self,
            chunk_size=CHUNK_BYTES,
            timeout=self._timeout,
            # Sizes are those of the stored file, not of a compressed transfer.
            headers={"User-Agent": f"petalscope/{VERSION}", "Accept-Encoding": "identity"},
            hooks={"response": self._inspect},
        )
        with contextlib.ExitStack() as self._responses:
            try:
                transfer(url, output_file, mirror)
            except requests.RequestException as error:
                if _is_unconnected(error):
                    raise _failure(error, self._remote, self._target) from error
                raise

    def _inspect(self, response: requests.Response, **_: Any) -> None:
        """Check the headers of a response before a redirect is followed or a body is read."""
        self._responses.callback(response.close)  # pooch leaves the connection of a failed transfer open
        if response.is_redirect:
            location = urljoin(response.url, response.headers["location"])
            _check_url(location, loopback=urlsplit(self._remote.url).scheme == "http")
        # Another file, such as the login page of a network, is refused before its body arrives.
        elif response.ok and not self._remote.has_size(int(response.headers.get("Content-Length", self._remote.bytes))):
            raise _bad_bytes(self._remote, self._target)

    def update(self, _: int) -> None:
        """Report progress, and stop a stream that exceeds the published size."""
        # Pooch counts a short piece as a whole chunk, so the size of the file is used.
        size = self._path.stat().st_size
        if size > self._remote.bytes + self._remote.slack:
            raise _bad_bytes(self._remote, self._target)
        self._report(size, self._remote.bytes)

    def reset(self) -> None:
        """Pooch calls this before its last update."""

    close = reset


def _check_url(url: str, *, loopback: bool = True) -> None:
    """Raise DownloadError unless `url` is https, or http on this machine where `loopback` allows it (for tests)."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme == "https" and parts.hostname:
        return
    if not (parts.scheme == "http" and loopback and parts.hostname in {"localhost", "127.0.0.1"}):
        raise DownloadError(f"Refused to download from {url}; only https:// addresses are allowed.")


def _is_unconnected(error: requests.RequestException) -> bool:
    """Whether no connection was established; after that, urllib3 raises other errors."""
    from urllib3.exceptions import MaxRetryError

    return bool(error.args) and isinstance(error.args[0], MaxRetryError)


def _failure(error: requests.RequestException, remote: Remote, target: Path) -> DownloadError:
    """The error for a transfer that failed."""
    import requests

    host = urlsplit(remote.url).netloc
    reason = _reason(error)
    if isinstance(error, requests.exceptions.SSLError):
        return DownloadError(
            f"No trusted connection to {host} ({reason}); if your network inspects traffic, set REQUESTS_CA_BUNDLE to "
            f"its certificate, or put the file at {target} yourself."
        )
    if _is_unconnected(error):
        return OfflineError(
            f"{host} cannot be reached ({reason}), so {remote.filename} was not downloaded; connect to the internet "
            f"(or set HTTPS_PROXY) and start again, or put the file at {target} yourself, or set PETALSCOPE_OFFLINE=1 "
            "to stop trying."
        )
    return DownloadError(
        f"Downloading {remote.url} failed ({reason}); try again later or on another network, or put the file at "
        f"{target} yourself."
    )


def _reason(error: BaseException) -> str:
    """The text of the innermost cause; the outer errors only repeat it."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code} {response.reason}"
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__


def _bad_bytes(remote: Remote, target: Path) -> ChecksumError:
    return ChecksumError(
        f"{remote.url} is not the published file (its size or SHA-256 differs), so it was not kept; try again later "
        f"or on another network, or put the right file at {target} yourself."
    )


def switched_off_error(remote: Remote, target: Path) -> OfflineError:
    """The error for a missing or damaged file `target` while downloads are switched off."""
    state = "is damaged" if target.is_file() else "is missing"
    return OfflineError(
        f"{target} {state} and downloads are switched off (PETALSCOPE_OFFLINE); unset that variable to download the "
        f"file, or put {remote.url} there yourself."
    )
