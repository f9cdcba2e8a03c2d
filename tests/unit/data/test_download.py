"""Downloads against a real server on 127.0.0.1."""

from __future__ import annotations

import dataclasses
import hashlib
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lib.data import hosts
from lib.data.download import fetch, flower_photos
from lib.data.hosts import Reachability
from lib.data.remote import FLOWER_PHOTOS, IMAGENET_RESNET18, Remote
from lib.errors import ChecksumError, DownloadError, OfflineError
from lib.settings import PROJECT
from tests.helpers.archives import PHOTOS, names, tgz, tree
from tests.helpers.http_server import Fault, FileServer, serving

BODY = random.Random(0).randbytes(300_000)
MIB = 1024 * 1024


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(BODY) as running:
        yield running


def remote_of(server: FileServer, body: bytes | None = None, **changes: Any) -> Remote:
    body = server.body if body is None else body
    remote = Remote(server.url, "file.bin", len(body), hashlib.sha256(body).hexdigest())
    return dataclasses.replace(remote, **changes)


def get(remote: Remote, folder: Path, **named: Any) -> Path:
    """`fetch` without pauses, with short limits, and without the memory of other tests."""
    return fetch(remote, folder, **{"stall_s": 0.3, "backoff_s": 0.0, "network": Reachability(), **named})


def unasked(url: str, limit_s: float) -> bool:
    raise AssertionError("the network was asked")


# --- transfers -----------------------------------------------------------------------------------------------------


def test_full_transfer_reports_every_byte_and_leaves_only_the_file(server: FileServer, tmp_path: Path) -> None:
    calls: list[tuple[int, int | None]] = []
    path = get(remote_of(server), tmp_path / "new" / "folder", progress=lambda *call: calls.append(call))
    assert path.read_bytes() == BODY
    assert calls[0] == (0, len(BODY)) and calls[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert names(path.parent) == {"file.bin"}
    assert server.gets[0]["Accept-Encoding"] == "identity" and "Range" not in server.gets[0]


def test_sound_file_is_not_asked_for_again(server: FileServer, tmp_path: Path) -> None:
    remote = remote_of(server)
    (tmp_path / "file.bin").write_bytes(BODY)
    assert get(remote, tmp_path, network=Reachability(unasked)) == tmp_path / "file.bin"
    assert get(remote, tmp_path, offline=True).read_bytes() == BODY
    assert server.gets == []


def test_damaged_file_is_replaced(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(BODY[:-1] + b"?")
    assert get(remote_of(server), tmp_path).read_bytes() == BODY


def test_size_may_be_unknown_and_the_digest_a_prefix(server: FileServer, tmp_path: Path) -> None:
    server.names_length = False
    calls: list[tuple[int, int | None]] = []
    remote = remote_of(server, bytes=None, sha256=hashlib.sha256(BODY).hexdigest()[:8])
    assert get(remote, tmp_path, progress=lambda *call: calls.append(call)).read_bytes() == BODY
    assert calls[-1] == (len(BODY), None)


@pytest.mark.parametrize("validator", ["etag", "date", "none"])
def test_cut_transfer_asks_only_for_what_is_missing(server: FileServer, tmp_path: Path, validator: str) -> None:
    server.etag = '"one"' if validator == "etag" else None
    server.modified = "Tue, 15 Nov 1994 12:45:26 GMT" if validator == "date" else None
    server.faults.append(Fault(cut=123_456))
    assert get(remote_of(server), tmp_path).read_bytes() == BODY
    assert len(server.gets) == 2
    assert server.gets[1]["Range"] == "bytes=123456-"
    assert server.gets[1].get("If-Range") == (server.etag or server.modified)


def test_next_call_resumes_what_a_failed_one_kept(server: FileServer, tmp_path: Path) -> None:
    server.faults.append(Fault(cut=100_000))
    with pytest.raises(DownloadError, match=r"100,000 bytes that arrived are kept in .*file\.bin\.part: start again"):
        get(remote_of(server), tmp_path, tries=1)
    assert get(remote_of(server), tmp_path).read_bytes() == BODY
    assert server.gets[-1]["Range"] == "bytes=100000-"
    assert names(tmp_path) == {"file.bin"}


def test_stalled_server_is_left_and_resumed(server: FileServer, tmp_path: Path) -> None:
    server.faults.append(Fault(stall=200_000))
    assert get(remote_of(server), tmp_path).read_bytes() == BODY
    assert server.gets[1]["Range"] == "bytes=200000-"


def test_stalls_end_in_one_clear_error(server: FileServer, tmp_path: Path) -> None:
    server.always = Fault(stall=0)
    with pytest.raises(DownloadError, match=r"failed 2 times in a row \(nothing arrived for 0\.1 s\); nothing has arr"):
        get(remote_of(server), tmp_path, tries=2, stall_s=0.1)


def test_server_without_ranges_restarts(server: FileServer, tmp_path: Path) -> None:
    server.ranges = False
    server.faults.append(Fault(cut=100_000))
    assert get(remote_of(server), tmp_path).read_bytes() == BODY
    assert len(server.gets) == 2


def test_file_that_changed_on_the_server_restarts(server: FileServer, tmp_path: Path) -> None:
    server.faults.append(Fault(cut=100_000))
    with pytest.raises(DownloadError):
        get(remote_of(server), tmp_path, tries=1)
    server.body, server.etag = BODY[::-1], '"two"'
    assert get(remote_of(server), tmp_path).read_bytes() == BODY[::-1]
    assert [request.get("Range") for request in server.gets] == [None, "bytes=100000-"]


@pytest.mark.parametrize("etag", ['"two"', None])
def test_changed_file_is_noticed_though_the_server_ignores_if_range(
    server: FileServer, tmp_path: Path, etag: str | None
) -> None:
    server.faults.append(Fault(cut=100_000))
    with pytest.raises(DownloadError):
        get(remote_of(server), tmp_path, tries=1)
    # With an ETag the answer's headers tell, without one only the checksum of the two halves does.
    server.body, server.etag, server.honours_if_range = BODY[::-1], etag, False
    calls: list[int] = []
    get(remote_of(server), tmp_path, progress=lambda done, _: calls.append(done))
    assert (tmp_path / "file.bin").read_bytes() == BODY[::-1]
    assert [request.get("Range") for request in server.gets] == [None, "bytes=100000-", None]
    assert calls[0] == (0 if etag else 100_000)


def test_answer_with_another_range_is_not_appended(server: FileServer, tmp_path: Path) -> None:
    wrong = {"Content-Range": f"bytes 99999-{len(BODY) - 1}/{len(BODY)}"}
    server.faults.extend([Fault(cut=100_000), Fault(headers=wrong)])
    assert get(remote_of(server), tmp_path).read_bytes() == BODY
    assert [request.get("Range") for request in server.gets] == [None, "bytes=100000-", None]


def test_end_of_an_unmeasured_stream_is_held_against_the_published_size(server: FileServer, tmp_path: Path) -> None:
    server.names_length = False
    server.faults.append(Fault(cut=100_000))
    assert get(remote_of(server), tmp_path).read_bytes() == BODY
    assert [request.get("Range") for request in server.gets] == [None, "bytes=100000-"]


def test_part_of_another_address_is_not_built_upon(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    assert get(remote_of(server), tmp_path).read_bytes() == BODY
    (tmp_path / "file.bin").rename(tmp_path / "file.bin.part")
    (tmp_path / "file.bin.part.json").write_text('{"url": "https://example.org/", "validator": null}')
    assert get(remote_of(server), tmp_path).read_bytes() == BODY
    assert [request.get("Range") for request in server.gets] == [None, None]


def test_complete_part_needs_no_request(server: FileServer, tmp_path: Path) -> None:
    server.faults.append(Fault(cut=100_000))
    with pytest.raises(DownloadError):
        get(remote_of(server), tmp_path, tries=1)
    (tmp_path / "file.bin.part").write_bytes(BODY)
    assert get(remote_of(server), tmp_path).read_bytes() == BODY
    assert len(server.gets) == 1


@pytest.mark.parametrize("tail", [b"", b"too long"])
def test_416_completes_or_restarts(server: FileServer, tmp_path: Path, tail: bytes) -> None:
    server.faults.append(Fault(cut=100_000))
    remote = remote_of(server, bytes=None)
    with pytest.raises(DownloadError):
        get(remote, tmp_path, tries=1)
    (tmp_path / "file.bin.part").write_bytes(BODY + tail)
    assert get(remote, tmp_path).read_bytes() == BODY
    assert len(server.gets) == (3 if tail else 2)


def test_500_is_tried_again_and_404_is_not(server: FileServer, tmp_path: Path) -> None:
    server.faults.extend([Fault(status=500), Fault(status=429)])
    assert get(remote_of(server), tmp_path).read_bytes() == BODY
    server.always = Fault(status=404)
    before = len(server.gets)
    with pytest.raises(DownloadError, match=r"answered 404 Not Found; .*other\.bin yourself"):
        get(remote_of(server, filename="other.bin"), tmp_path)
    assert len(server.gets) == before + 1


def test_lasting_500_names_the_answer(server: FileServer, tmp_path: Path) -> None:
    server.always = Fault(status=503)
    with pytest.raises(DownloadError, match=r"failed 4 times in a row \(.* answered 503"):
        get(remote_of(server), tmp_path)
    assert len(server.gets) == 4


def test_progress_buys_new_tries(tmp_path: Path) -> None:
    body = random.Random(1).randbytes(5 * MIB)
    with serving(body) as server:
        server.always = Fault(cut=MIB)
        assert get(remote_of(server), tmp_path, tries=2).read_bytes() == body
        assert len(server.gets) == 5


def test_restarts_do_not_buy_new_tries(tmp_path: Path) -> None:
    with serving(bytes(3 * MIB)) as server:
        server.ranges = False
        server.always = Fault(cut=2 * MIB)
        with pytest.raises(DownloadError, match="failed 2 times in a row"):
            get(remote_of(server), tmp_path, tries=2)
        assert len(server.gets) == 3 - 1


@pytest.mark.parametrize("resumed", [False, True])
def test_wrong_checksum_deletes_the_bytes(server: FileServer, tmp_path: Path, resumed: bool) -> None:
    if resumed:
        server.faults.append(Fault(cut=100_000))
    with pytest.raises(ChecksumError, match=r"SHA-256 begins with .* instead of 00000000\), so what arrived was del"):
        get(remote_of(server, sha256="0" * 64), tmp_path)
    assert names(tmp_path) == set()
    # Two halves of different versions are likely enough to try once more from the start.
    assert [request.get("Range") for request in server.gets] == ([None, "bytes=100000-", None] if resumed else [None])


@pytest.mark.parametrize("difference", [-1, 1])
@pytest.mark.parametrize("named", [True, False])
def test_wrong_size_deletes_the_bytes(server: FileServer, tmp_path: Path, difference: int, named: bool) -> None:
    server.names_length = named
    published = BODY[:difference] if difference < 0 else BODY + b"x"
    remote = remote_of(server, published)
    if named or difference < 0:
        with pytest.raises(ChecksumError, match="bytes"):
            get(remote, tmp_path)
        assert names(tmp_path) == set()
    else:  # a stream that ends early cannot be told from a cut one
        with pytest.raises(DownloadError, match="300,000 bytes instead of 300,001"):
            get(remote, tmp_path)


def test_endless_stream_is_stopped(server: FileServer, tmp_path: Path) -> None:
    server.names_length = False
    server.body = bytes(20 * MIB)
    calls: list[int] = []
    with pytest.raises(ChecksumError, match="goes on after 1,000 bytes"):
        get(remote_of(server, bytes=1000), tmp_path, progress=lambda done, _: calls.append(done))
    assert max(calls) <= 1000


# --- disks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("published", [True, False])
def test_too_little_room_is_said_before_the_transfer(server: FileServer, tmp_path: Path, published: bool) -> None:
    size = 10**18
    server.always = Fault(headers={"Content-Length": str(size)})
    with pytest.raises(DownloadError, match="1,000,000,000,000,000,000 more bytes are needed and") as caught:
        get(remote_of(server, bytes=size if published else None), tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert len(server.gets) == (0 if published else 1)
    assert names(tmp_path) == set()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_disk_that_fills_up_is_named_with_the_bytes_needed(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").symlink_to("/dev/full")
    with pytest.raises(DownloadError, match=r"is full \(300,000 more bytes are needed\)") as caught:
        get(remote_of(server), tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert len(server.gets) == 1


def test_folder_that_cannot_be_made(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="Cannot write to"):
        get(remote_of(server), tmp_path / "file" / "folder")


# --- no network ----------------------------------------------------------------------------------------------------


def test_offline_flag_asks_nobody_and_names_the_ways_out(server: FileServer, tmp_path: Path) -> None:
    remote = remote_of(server)
    for make in (fetch, get):
        with pytest.raises(
            OfflineError, match=r"is not there and downloads are switched off .PETALSCOPE_OFFLINE.; unset"
        ) as no:
            make(remote, tmp_path / "absent", offline=True)
        assert server.url in str(no.value) and "PETALSCOPE_OFFLINE" in str(no.value)
    assert not (tmp_path / "absent").exists()
    (tmp_path / "file.bin").write_bytes(b"damaged")
    with pytest.raises(OfflineError, match="is damaged"):
        get(remote, tmp_path, offline=True)
    with pytest.raises(OfflineError, match="PETALSCOPE_OFFLINE"):
        flower_photos(tmp_path / "absent", offline=True, remote=remote)
    assert server.gets == [] and server.heads == 0


def test_unreachable_host_is_asked_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def silent(url: str, limit_s: float) -> bool:
        asked.append(url)
        return False

    network = Reachability(silent)
    first = Remote("https://one.example/a", "a", None, "0" * 8)
    for remote in (first, first, Remote("https://one.example/b", "b", None, "0" * 8)):
        with pytest.raises(OfflineError, match=r"one.example does not answer.*PETALSCOPE_OFFLINE=1"):
            get(remote, tmp_path, network=network)
    assert asked == ["https://one.example/a"]
    assert not network.check("https://two.example/")
    assert asked == ["https://one.example/a", "https://two.example/"]
    network.forget()
    assert not network.check("https://one.example/a")
    assert len(asked) == 3


def test_probe_that_hangs_is_left_behind_and_spends_the_budget_of_all_hosts() -> None:
    release = threading.Event()
    limits: list[float] = []

    def hangs(url: str, limit_s: float) -> bool:
        limits.append(limit_s)
        return release.wait(30)

    network = Reachability(hangs, budget_s=0.15)
    assert not network.check("https://one.example/", 0.1)
    assert not network.check("https://two.example/", 0.1)
    assert not network.check("https://three.example/", 0.1)
    release.set()
    assert limits[0] == 0.1
    assert len(limits) == 2 and limits[1] < 0.06


def test_answer_refills_the_budget() -> None:
    release = threading.Event()
    limits: list[float] = []

    def probe(url: str, limit_s: float) -> bool:
        limits.append(limit_s)
        return "up" in url or release.wait(30)

    network = Reachability(probe, budget_s=0.15)
    assert not network.check("https://one.example/", 0.1)
    assert network.check("https://up.example/", 10)
    assert not network.check("https://two.example/", 10)
    release.set()
    assert limits[1] < 0.06 and limits[2] == 0.15


def test_probe_through_real_sockets(server: FileServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        assert not Reachability().check(f"http://127.0.0.1:{mute.getsockname()[1]}/", 0.2)
        closed = mute.getsockname()[1]
    assert not Reachability().check(f"http://127.0.0.1:{closed}/")
    assert Reachability().check(server.url)


def test_refused_connection_is_offline(tmp_path: Path) -> None:
    with serving() as gone:
        remote = remote_of(gone)
    with pytest.raises(OfflineError):
        get(remote, tmp_path)


def test_network_lost_half_way_keeps_what_arrived(server: FileServer, tmp_path: Path) -> None:
    server.faults.append(Fault(cut=100_000))
    answers = iter([True, False, False])
    with pytest.raises(DownloadError, match=r"no longer answers\); the 100,000 bytes that arrived are kept"):
        get(remote_of(server), tmp_path, tries=3, network=Reachability(lambda *_: next(answers)))


def test_proxy_of_the_environment_is_used(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", server.url.removesuffix("/file"))
    assert not Reachability().check("https://flowers.invalid/x")
    assert server.connects == ["flowers.invalid:443"]
    with pytest.raises(DownloadError, match="the connection was cut"):
        get(
            Remote("https://flowers.invalid/x", "x", 1, "0" * 8),
            tmp_path,
            tries=1,
            network=Reachability(lambda *_: True),
        )
    assert len(server.connects) == 2
    # Nobody's proxy fetches from this machine.
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert get(remote_of(server), tmp_path).read_bytes() == BODY


# --- addresses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["http://example.org/x", "ftp://example.org/x", "file:///etc/passwd", "http://127.0.0.1.example.org/x", "x", ""],
)
def test_only_https_and_this_machine(url: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="only https"):
        get(Remote(url, "x", None, "0" * 8), tmp_path, network=Reachability(unasked))
    with pytest.raises(DownloadError, match="only https"):
        hosts.check_url(url)


@pytest.mark.parametrize("target", ["http://example.org/x", "ftp://example.org/x", "file:///etc/passwd"])
def test_redirects_out_of_https_are_refused(server: FileServer, tmp_path: Path, target: str) -> None:
    server.always = Fault(status=302, headers={"Location": target})
    with pytest.raises(DownloadError, match=r"only https|No connection adapters"):
        get(remote_of(server), tmp_path)
    assert len(server.gets) == 1 and names(tmp_path) == set()


def test_https_does_not_redirect_to_this_machine(server: FileServer) -> None:
    with hosts.open_session("https://example.org/") as session, pytest.raises(DownloadError, match="only https"):
        session.get(server.url)
    assert server.gets == []


def test_redirect_within_this_machine_is_followed_and_resumed(server: FileServer, tmp_path: Path) -> None:
    with serving() as front:
        front.always = Fault(status=302, headers={"Location": server.url})
        server.faults.append(Fault(cut=1000))
        assert get(remote_of(server, url=front.url), tmp_path).read_bytes() == BODY
    assert server.gets[1]["Range"] == "bytes=1000-"


@pytest.mark.parametrize("change", [{"filename": "../x"}, {"filename": ""}, {"sha256": "F" * 64}, {"sha256": "abc"}])
def test_remote_refuses_nonsense(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a"):
        dataclasses.replace(IMAGENET_RESNET18, **change)


def test_published_files() -> None:
    assert FLOWER_PHOTOS.bytes == 228_813_984 and len(FLOWER_PHOTOS.sha256) == 64
    assert IMAGENET_RESNET18.filename == f"resnet18-{IMAGENET_RESNET18.sha256[:8]}.pth"


# --- two at once ---------------------------------------------------------------------------------------------------


def test_two_threads_share_one_transfer(server: FileServer, tmp_path: Path) -> None:
    waits = threading.Event()
    server.faults.append(Fault(hold=waits))
    seen: list[tuple[int, int | None]] = []

    def watch(done: int, total: int | None) -> None:
        seen.append((done, total))
        waits.set()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(get, remote_of(server), tmp_path, stall_s=30)
        assert server.got.wait(10)
        second = pool.submit(get, remote_of(server), tmp_path, stall_s=30, progress=watch)
        assert first.result(20) == second.result(20)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert len(server.gets) == 1
    assert seen[0][1] == len(BODY)  # the one that waits shows the other's progress


CHILD = """
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
        digest = hashlib.sha256(body).hexdigest()
        command = [sys.executable, "-c", CHILD, server.url, str(len(body)), digest, str(tmp_path)]

        def start() -> subprocess.Popen[str]:
            return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)

        with start() as first:
            assert server.got.wait(20)
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


# --- the whole way -------------------------------------------------------------------------------------------------


def test_flower_photos_are_fetched_unpacked_and_kept(tmp_path: Path) -> None:
    body = tgz(PHOTOS)
    calls: list[tuple[int, int | None]] = []
    with serving(body) as server:
        remote = remote_of(server, filename="flower_photos.tgz")
        network = Reachability()
        into = flower_photos(tmp_path, remote=remote, progress=lambda *call: calls.append(call), network=network)
        assert into == tmp_path / "flower_photos"
        assert calls[-1] == (len(body), len(body))
        assert set(tree(into)) == {"LICENSE.txt", "roses/1.jpg", "tulips/2.jpg"}
        assert names(tmp_path) == {"flower_photos"}
        assert flower_photos(tmp_path, remote=remote, offline=True, network=Reachability(unasked)) == into
        assert len(server.gets) == 1


def test_archive_put_there_by_hand_is_enough(tmp_path: Path) -> None:
    body = tgz(PHOTOS)
    (tmp_path / "flower_photos.tgz").write_bytes(body)
    remote = Remote("https://example.org/x", "flower_photos.tgz", len(body), hashlib.sha256(body).hexdigest())
    into = flower_photos(tmp_path, offline=True, remote=remote, network=Reachability(unasked))
    assert "roses/1.jpg" in tree(into)
