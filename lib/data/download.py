"""Files from the internet: fetched once, resumed, and verified.

Invariant: a file under its final name is complete and verified; what is half-made has another name (`<file>.part`) and
is continued or replaced by the next try. `.<name>.lock` files stay behind, since deleting a lock file while somebody
waits for it would let two processes in.
"""

from __future__ import annotations

import time
from pathlib import Path

from lib.data import disk
from lib.data.archive import extract_photos, is_filled
from lib.data.disk import Progress
from lib.data.hosts import NETWORK, Reachability, check_url
from lib.data.remote import FLOWER_PHOTOS, Remote, defect_of, is_sound
from lib.data.transfer import BrokenError, Job, bad_bytes, bytes_at, check_room, discard, transfer
from lib.errors import DataError, DownloadError, OfflineError

_MIB = 1024 * 1024


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
    check_url(remote.url)
    job = Job(remote, folder, progress or disk.no_progress, timeout_s, stall_s, network)
    # Before the lock: a sound file in a folder that cannot be written, such as a shared cache, is fine.
    if is_sound(job.target, remote):
        return job.target
    if offline:
        raise _switched_off(job)
    with disk.exclusive_lock(
        folder, remote.filename, DownloadError, waiting=lambda: job.progress(_arrived(job), remote.bytes)
    ):
        if not is_sound(job.target, remote):
            _download(job, tries, backoff_s)
    return job.target


def _download(job: Job, tries: int, backoff_s: float) -> None:
    """Transfers until the verified file has its final name."""
    if job.remote.bytes is not None:
        check_room(job, job.remote.bytes)
    failures = 0
    furthest = bytes_at(job.part)
    while True:
        try:
            resumed = transfer(job, first=failures == 0)
        except BrokenError as broken:
            reason = str(broken)
        else:
            defect = defect_of(job.part, job.remote)
            if defect is None:
                with disk.plain_disk_errors(job.folder, DownloadError):
                    job.part.replace(job.target)
                    job.state.unlink(missing_ok=True)
                return
            discard(job)
            if not resumed:
                raise bad_bytes(job, defect)
            reason = defect  # the two halves may be of two versions: once more from the start
        # Beyond the best so far, not beyond the last try: a server that cannot resume must not keep this going.
        if bytes_at(job.part) >= furthest + _MIB:
            failures, furthest = 0, bytes_at(job.part)
        failures += 1
        if failures >= tries:
            raise _gave_up(job, failures, reason)
        time.sleep(backoff_s * 2 ** (failures - 1))


def _arrived(job: Job) -> int:
    return bytes_at(job.part) or bytes_at(job.target)


def _gave_up(job: Job, failures: int, reason: str) -> DownloadError:
    have = bytes_at(job.part)
    kept = (
        f"the {have:,} bytes that arrived are kept in {job.part}: start again to go on from there"
        if have
        else f"nothing has arrived yet: try again later, or put the file at {job.target} yourself"
    )
    return DownloadError(f"Downloading {job.remote.url} failed {failures} times in a row ({reason}); {kept}.")


def _switched_off(job: Job) -> OfflineError:
    what = "is damaged" if job.target.is_file() else "is not there"
    return OfflineError(
        f"{job.target} {what} and downloads are switched off (PETALSCOPE_OFFLINE); unset it to download the file, or "
        f"put {job.remote.url} there yourself."
    )


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
    report = progress or disk.no_progress
    job = Job(remote, folder, report, 0, 0, network)
    if is_filled(into):
        return into
    if offline and not job.target.is_file():
        raise _switched_off(job)
    # One lock around both steps: a process that waits must find the photos, not a deleted archive.
    with disk.exclusive_lock(folder, into.name, DownloadError, waiting=lambda: report(_arrived(job), remote.bytes)):
        if not is_filled(into):
            archive = fetch(remote, folder, offline=offline, progress=progress, network=network)
            extract_photos(archive, into, progress=progress)
            with disk.plain_disk_errors(folder, DataError):
                archive.unlink(missing_ok=True)
    return into
