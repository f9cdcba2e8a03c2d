"""Downloads against a real server on this machine."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lib.data.download import fetch, flower_photos, switched_off_error
from lib.data.remote import FLOWER_PHOTOS, IMAGENET_RESNET18, Remote
from lib.errors import COMMAND_LINE, ChecksumError, DownloadError, OfflineError, Remedy
from lib.settings import PROJECT
from tests.helpers.archives import PHOTOS, names, tgz, tree
from tests.helpers.http_server import Fault, FileServer, serving

BODY = random.Random(0).randbytes(300_000)
MIB = 1024 * 1024
REMEDY = r"put the file at .*file\.bin yourself"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxies of the person who runs the tests know nothing of this machine's own servers."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(BODY) as running:
        yield running


def remote_of(server: FileServer, body: bytes | None = None, **changes: Any) -> Remote:
    body = server.body if body is None else body
    remote = Remote(server.url, "file.bin", len(body), hashlib.sha256(body).hexdigest())
    return dataclasses.replace(remote, **changes)


def get(remote: Remote, folder: Path, **options: Any) -> Path:
    """`fetch` with short limits. Pooch waits a second before the second try, and two before the third."""
    return fetch(remote, folder, **{"stall_s": 0.3, "retries": 1, **options})


# --- transfers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_full_transfer_reports_every_byte_and_leaves_only_the_file(
    server: FileServer, tmp_path: Path, framing: str
) -> None:
    server.framing = framing
    calls: list[tuple[int, int | None]] = []
    path = get(remote_of(server), tmp_path / "new" / "folder", progress=lambda *call: calls.append(call))
    assert path.read_bytes() == BODY
    assert calls[0] == (0, len(BODY)) and calls[-1] == (len(BODY), len(BODY))
    assert len({done for done, _ in calls}) > 3
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert names(path.parent) == {"file.bin"}
    assert server.gets[0]["Accept-Encoding"] == "identity"
    assert server.gets[0]["User-Agent"].startswith("petalscope/")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_everybody_may_read_what_everybody_may_read_by_default(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    assert get(remote_of(server), tmp_path).stat().st_mode == (tmp_path / "other").stat().st_mode


def test_sound_file_needs_no_request(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(BODY)
    assert get(remote_of(server), tmp_path) == tmp_path / "file.bin"
    assert get(remote_of(server), tmp_path, offline=True).read_bytes() == BODY
    assert server.gets == []


@pytest.mark.parametrize("damaged", [BODY[:-1] + b"?", BODY[:-1], BODY + b"?", b""])
def test_damaged_file_is_replaced(server: FileServer, tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "file.bin").write_bytes(damaged)
    assert get(remote_of(server), tmp_path).read_bytes() == BODY


@pytest.mark.slow
@pytest.mark.parametrize("framing", ["length", "close"])
@pytest.mark.parametrize(
    "fault", [Fault(cut=123_456), Fault(stall=200_000), Fault(stall=0), Fault(status=500), Fault(status=429)]
)
def test_passing_fault_is_met_by_another_try(server: FileServer, tmp_path: Path, fault: Fault, framing: str) -> None:
    server.framing = framing
    server.faults.append(fault)
    assert get(remote_of(server), tmp_path).read_bytes() == BODY
    assert len(server.gets) == 2
    assert names(tmp_path) == {"file.bin"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(cut=100_000), "100000 bytes read"),
        (Fault(stall=100_000), "timed out"),
        (Fault(status=503), "the server answered 503 Service Unavailable"),
        (Fault(status=404), "the server answered 404 Not Found"),
        (Fault(status=302, headers={"Location": "/again"}), "the server answered 302 Found"),
    ],
)
def test_lasting_fault_ends_in_one_sentence(server: FileServer, tmp_path: Path, fault: Fault, reason: str) -> None:
    server.every_fault = fault
    with pytest.raises(DownloadError, match=rf"failed \(.*{reason}.*\); try again later .*{REMEDY}\.$"):
        get(remote_of(server), tmp_path)
    assert names(tmp_path) == set()


def test_host_that_takes_the_connection_and_stays_silent(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        remote = Remote(f"http://127.0.0.1:{mute.getsockname()[1]}/", "file.bin", 1, "0" * 64)
        began = time.monotonic()
        with pytest.raises(DownloadError, match=rf"failed \(timed out\); .*{REMEDY}"):
            get(remote, tmp_path, retries=0)
        assert time.monotonic() - began < 3


# --- wrong bytes ---------------------------------------------------------------------------------------------------


def test_wrong_hash_deletes_the_bytes(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(ChecksumError, match=r"is not the published file .*try again later .*file\.bin yourself\.$"):
        get(remote_of(server, BODY[::-1]), tmp_path)
    assert names(tmp_path) == set()


def test_wrong_hash_leaves_a_damaged_file_as_it_was(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"mine")
    with pytest.raises(ChecksumError):
        get(remote_of(server, BODY[::-1]), tmp_path, retries=0)
    assert (tmp_path / "file.bin").read_bytes() == b"mine"


@pytest.mark.parametrize("difference", [-1, 1])
def test_wrong_size_is_refused_at_the_headers(server: FileServer, tmp_path: Path, difference: int) -> None:
    calls: list[int] = []
    with pytest.raises(ChecksumError, match="is not the published file"):
        get(remote_of(server, bytes=len(BODY) + difference), tmp_path, progress=lambda done, _: calls.append(done))
    assert len(server.gets) == 1 and calls == [0]
    assert names(tmp_path) == set()


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_endless_stream_is_stopped(server: FileServer, tmp_path: Path, framing: str) -> None:
    server.framing = framing
    server.body = bytes(20 * MIB)
    calls: list[int] = []
    with pytest.raises(ChecksumError):
        get(remote_of(server, bytes=MIB), tmp_path, progress=lambda done, _: calls.append(done))
    assert max(calls) <= MIB
    assert len(server.gets) == 1 and names(tmp_path) == set()


def test_progress_that_nobody_reads_is_no_fault_of_the_disk(server: FileServer, tmp_path: Path) -> None:
    def stop(done: int, total: int | None) -> None:
        raise BrokenPipeError("nobody listens")

    with pytest.raises(BrokenPipeError):
        get(remote_of(server), tmp_path, progress=stop)
    assert names(tmp_path) == set()


# --- disks ---------------------------------------------------------------------------------------------------------


FULL_DISK = """
import sys
from pathlib import Path
from lib.data.download import fetch
from lib.data.remote import Remote
from lib.errors import DownloadError
url, size, digest, folder = sys.argv[1:]
disk = Path(folder)

def fill(done, total):
    if done == 0:
        (disk / "much").write_bytes(bytes(400_000))

try:
    fetch(Remote(url, "file.bin", int(size), digest), disk, progress=fill)
except DownloadError as error:
    print(error)
print(sorted(path.name for path in disk.iterdir() if path.suffix != ".lock"))
"""


def command(code: str, remote: Remote, folder: Path) -> list[str]:
    return [sys.executable, "-c", code, remote.url, str(remote.bytes), remote.sha256, str(folder)]


def test_disk_that_fills_up_during_the_transfer(server: FileServer, tmp_path: Path) -> None:
    mount = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=512k tmpfs "$0" && exec "$@"', str(tmp_path)]
    try:
        subprocess.run([*mount, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small disk can be mounted here")
    run = [*mount, *command(FULL_DISK, remote_of(server), tmp_path)]
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=PROJECT)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"The disk that holds {tmp_path} is full; {COMMAND_LINE[Remedy.FREE_SPACE]}.",
        "['much']",
    ]
    assert len(server.gets) == 1


def test_folder_that_cannot_be_made(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match=f"Cannot write to .*; {COMMAND_LINE[Remedy.MAKE_WRITABLE]}"):
        get(remote_of(server), tmp_path / "file" / "folder")
    assert server.gets == []


def test_folder_that_cannot_be_written(server: FileServer, tmp_path: Path) -> None:
    # A file in the way of pooch's folder stops root as well, whom permissions do not stop.
    (tmp_path / ".file.bin.tmp").write_text("")
    with pytest.raises(DownloadError, match=f"Cannot write to .*; {COMMAND_LINE[Remedy.MAKE_WRITABLE]}"):
        get(remote_of(server), tmp_path)


# --- no network ----------------------------------------------------------------------------------------------------


def test_offline_flag_asks_nobody_and_names_the_ways_out(server: FileServer, tmp_path: Path) -> None:
    remote = remote_of(server)
    absent = tmp_path / "absent"
    sentence = str(switched_off_error(remote, absent / "file.bin"))
    assert re.search(r"file.bin is missing .*PETALSCOPE_OFFLINE.*put http.* yourself", sentence)
    for download in (get, lambda remote, folder, **options: flower_photos(folder, remote=remote, **options)):
        with pytest.raises(OfflineError, match=re.escape(sentence)):
            download(remote, absent, offline=True)
    assert not (tmp_path / "absent").exists()
    (tmp_path / "file.bin").write_bytes(b"damaged")
    with pytest.raises(OfflineError, match="is damaged"):
        get(remote, tmp_path, offline=True)
    assert server.gets == []


@pytest.mark.parametrize("host", ["http://127.0.0.1:9", "https://flowers.invalid"])
def test_host_out_of_reach_is_offline_at_once(tmp_path: Path, host: str) -> None:
    began = time.monotonic()
    with pytest.raises(
        OfflineError, match=rf"cannot be reached \(.*\), so file.bin .*HTTPS_PROXY.*{REMEDY}, .*PETALSCOPE_OFFLINE=1"
    ):
        get(Remote(f"{host}/x", "file.bin", 1, "0" * 64), tmp_path, retries=5)
    assert time.monotonic() - began < 10  # six tries would wait fifteen seconds between them
    assert names(tmp_path) == set()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take connections beyond the backlog")
def test_host_that_drops_connections_is_offline_after_the_limit(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first:
        first.connect(full.getsockname())  # nobody accepts it, so that the next one waits
        remote = Remote(f"http://127.0.0.1:{full.getsockname()[1]}/x", "file.bin", 1, "0" * 64)
        began = time.monotonic()
        with pytest.raises(OfflineError, match="cannot be reached"):
            get(remote, tmp_path, timeout_s=0.2, stall_s=20)
        assert time.monotonic() - began < 3


def test_proxy_of_the_environment_is_used(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", server.url.removesuffix("/file"))
    with pytest.raises(OfflineError, match=r"flowers\.invalid cannot be reached \(.*502"):
        get(Remote("https://flowers.invalid/x", "file.bin", 1, "0" * 64), tmp_path)
    assert server.connects == ["flowers.invalid:443"]


def test_certificate_that_nobody_signed(own_certificate: Path, tmp_path: Path) -> None:
    with serving(BODY, certificate=own_certificate) as secure:
        with pytest.raises(DownloadError, match=rf"No trusted connection.*self.signed.*REQUESTS_CA_BUNDLE.*{REMEDY}"):
            get(remote_of(secure), tmp_path)
        assert secure.gets == []


# --- addresses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["http://example.org/x", "ftp://example.org/x", "file:///etc/passwd", "http://127.0.0.1.example.org/x", "x", ""],
)
def test_only_https_and_this_machine(url: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="only https"):
        get(Remote(url, "x", 1, "0" * 64), tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("target", ["http://example.org/x", "//example.org/x", "ftp://example.org/x", "file:///x"])
def test_redirects_out_of_https_are_refused(server: FileServer, tmp_path: Path, target: str) -> None:
    server.every_fault = Fault(status=302, headers={"Location": target})
    with pytest.raises(DownloadError, match="only https"):
        get(remote_of(server), tmp_path)
    assert len(server.gets) == 1 and names(tmp_path) == set()


def test_https_does_not_redirect_to_http(
    server: FileServer, own_certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(own_certificate / "cert.pem"))
    with serving(BODY, certificate=own_certificate) as secure:
        secure.faults.append(Fault(status=302, headers={"Location": secure.url}))
        assert get(remote_of(secure), tmp_path / "one").read_bytes() == BODY
        secure.faults.append(Fault(status=302, headers={"Location": server.url}))
        with pytest.raises(DownloadError, match="only https"):
            get(remote_of(secure), tmp_path / "two")
    assert server.gets == []


def test_redirect_within_this_machine_is_followed(server: FileServer, tmp_path: Path) -> None:
    with serving() as front:
        front.every_fault = Fault(status=302, headers={"Location": server.url})
        assert get(remote_of(server, url=front.url), tmp_path).read_bytes() == BODY


def test_published_files() -> None:
    for remote in (FLOWER_PHOTOS, IMAGENET_RESNET18):
        assert remote.url.startswith("https://") and remote.url.endswith(f"/{remote.filename}")
        assert len(bytes.fromhex(remote.sha256)) == 32 and remote.sha256 == remote.sha256.lower()
    assert FLOWER_PHOTOS.bytes == 228_813_984
    assert IMAGENET_RESNET18.filename == f"resnet18-{IMAGENET_RESNET18.sha256[:8]}.pth"


def test_pooch_is_loaded_by_a_download_only() -> None:
    code = "import sys, lib.data.download; print({'pooch', 'requests'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT)
    assert run.stdout == "set()\n"


# --- two at once, and an end half-way ------------------------------------------------------------------------------


def test_two_threads_share_one_transfer(server: FileServer, tmp_path: Path) -> None:
    waits = threading.Event()
    server.faults.append(Fault(hold=waits))
    waited: list[tuple[int, int | None]] = []

    def watch(done: int, total: int | None) -> None:
        waited.append((done, total))
        waits.set()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(get, remote_of(server), tmp_path, stall_s=30)
        assert server.requested.wait(10)
        second = pool.submit(get, remote_of(server), tmp_path, stall_s=30, progress=watch)
        assert first.result(20) == second.result(20)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert len(server.gets) == 1
    assert set(waited) == {(0, len(BODY))}


PHOTOS_CHILD = """
import sys
from pathlib import Path
from lib.data.download import flower_photos
from lib.data.remote import Remote
url, size, digest, folder = sys.argv[1:]
remote = Remote(url, "photos.tgz", int(size), digest)
print(flower_photos(Path(folder), remote=remote, progress=lambda *_: print("progress", flush=True)))
"""


def test_two_processes_share_one_download(tmp_path: Path) -> None:
    body = tgz({"top/a/1.jpg": BODY, "top/LICENSE.txt": b"by"})
    release = threading.Event()
    with serving(body) as server:
        server.faults.append(Fault(hold=release))
        code = command(PHOTOS_CHILD, remote_of(server), tmp_path)

        def start() -> subprocess.Popen[str]:
            return subprocess.Popen(code, cwd=PROJECT, stdout=subprocess.PIPE, text=True)

        with start() as first:
            assert server.requested.wait(20)
            with start() as second:
                assert second.stdout is not None
                assert second.stdout.readline() == "progress\n"  # it waits behind the first
                release.set()
                outputs = [first.communicate(timeout=20)[0], second.communicate(timeout=20)[0]]
        assert (first.returncode, second.returncode) == (0, 0)
        assert [out.splitlines()[-1] for out in outputs] == [str(tmp_path / "flower_photos")] * 2
        assert len(server.gets) == 1
    assert (tmp_path / "flower_photos" / "a" / "1.jpg").read_bytes() == BODY
    assert names(tmp_path) == {"flower_photos"}


# A process inherits that interrupts are ignored, as in a shell's background: then Ctrl-C would end nothing.
FILE_CHILD = """
import signal
import sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from lib.data.download import fetch
from lib.data.remote import Remote
url, size, digest, folder = sys.argv[1:]
fetch(Remote(url, "file.bin", int(size), digest), Path(folder), progress=lambda done, _: print(done, flush=True))
"""


def test_pooch_prints_nothing(server: FileServer, tmp_path: Path) -> None:
    run = command(FILE_CHILD, remote_of(server), tmp_path)
    done = subprocess.run(run, capture_output=True, text=True, check=True, cwd=PROJECT)
    assert done.stderr == "" and set(done.stdout) <= set("0123456789\n")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_process_that_ends_half_way_leaves_no_file(server: FileServer, tmp_path: Path, ending: signal.Signals) -> None:
    remote = remote_of(server)
    server.faults.append(Fault(stall=200_000))
    with subprocess.Popen(
        command(FILE_CHILD, remote, tmp_path), cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        while int(child.stdout.readline()) == 0:
            pass
        assert names(tmp_path) == {".file.bin.tmp"}
        child.send_signal(ending)
        _, words = child.communicate(timeout=5)
    assert child.returncode != 0
    if ending == signal.SIGINT:
        assert words.rstrip().endswith("KeyboardInterrupt")
        assert names(tmp_path) == set()
    assert get(remote, tmp_path).read_bytes() == BODY
    assert names(tmp_path) == {"file.bin"}


# --- the whole way -------------------------------------------------------------------------------------------------


def test_flower_photos_are_fetched_unpacked_and_kept(tmp_path: Path) -> None:
    body = tgz(PHOTOS)
    calls: list[tuple[int, int | None]] = []
    with serving(body) as server:
        remote = remote_of(server, filename="flower_photos.tgz")
        into = flower_photos(tmp_path, remote=remote, progress=lambda *call: calls.append(call))
        assert into == tmp_path / "flower_photos"
        assert calls[-1] == (len(body), len(body))
        assert set(tree(into)) == {"LICENSE.txt", "roses/1.jpg", "tulips/2.jpg"}
        assert names(tmp_path) == {"flower_photos"}
        assert flower_photos(tmp_path, remote=remote, offline=True) == into
        assert len(server.gets) == 1


def test_archive_put_there_by_hand_is_enough(tmp_path: Path) -> None:
    body = tgz(PHOTOS)
    (tmp_path / "flower_photos.tgz").write_bytes(body)
    remote = Remote("https://example.org/x", "flower_photos.tgz", len(body), hashlib.sha256(body).hexdigest())
    into = flower_photos(tmp_path, offline=True, remote=remote)
    assert "roses/1.jpg" in tree(into)
