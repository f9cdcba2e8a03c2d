"""Archives that must not be trusted: whole and harmless, or refused with nothing left behind."""

from __future__ import annotations

import gzip
import io
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lib.data.archive import LIMITS, Limits, extract_photos
from lib.errors import DataError
from tests.helpers.archives import PHOTOS, entry, names, tar, tgz, tree

NOISE = random.Random(0).randbytes(300_000)
MIB = 1024 * 1024


def write(folder: Path, data: bytes) -> Path:
    archive = folder / "photos.tgz"
    archive.write_bytes(data)
    return archive


def test_photos_are_unpacked_without_the_top_folder(tmp_path: Path) -> None:
    calls: list[tuple[int, int | None]] = []
    archive = write(tmp_path, tgz(PHOTOS))
    into = extract_photos(archive, tmp_path / "deep" / "photos", progress=lambda *call: calls.append(call))
    assert tree(into) == {name.removeprefix("flower_photos/"): data for name, data in PHOTOS.items()}
    assert names(into.parent) == {"photos"}
    assert calls[-1] == (archive.stat().st_size,) * 2


def test_an_archive_made_by_tarfile_keeps_no_modes(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.PAX_FORMAT) as tar_file:
        tar_file.addfile(entry("./top/ä", type=tarfile.DIRTYPE, mode=0)[0])
        info, data = entry(f"./top/ä/{'n' * 150}.jpg", b"photo", mode=0o6777, uid=1234, mtime=1)
        tar_file.addfile(info, io.BytesIO(data))
    into = extract_photos(write(tmp_path, buffer.getvalue()), tmp_path / "photos")
    (photo,) = (into / "ä").iterdir()
    assert photo.read_bytes() == b"photo"
    assert photo.stat().st_mode & 0o7111 == 0


def test_only_photos_and_the_licence_are_kept(tmp_path: Path) -> None:
    photos = {"roses/1.JPG": b"r", "roses/2.png": b"p", "LICENSE.txt": b"by"}
    unwanted = {"run.sh": b"rm", "roses/._1.jpg": b"m", "roses/.DS_Store": b"d", "roses/page.html": b"h", "jpg": b"j"}
    into = extract_photos(write(tmp_path, tgz(photos | unwanted)), tmp_path / "photos")
    assert tree(into) == photos


def test_large_files_are_read_and_passed_over(tmp_path: Path) -> None:
    files = {"a/1.jpg": bytes(3 * MIB), "a/film.mp4": bytes(3 * MIB), "a/2.jpg": NOISE}
    into = extract_photos(write(tmp_path, tgz(files)), tmp_path / "photos")
    assert {name: len(data) for name, data in tree(into).items()} == {"a/1.jpg": 3 * MIB, "a/2.jpg": len(NOISE)}


@pytest.mark.skipif(os.name == "nt", reason="Windows refuses these names")
def test_names_that_mean_something_elsewhere_stay_inside(tmp_path: Path) -> None:
    photos = {"C:/evil.jpg": b"c", "roses/a\\..\\evil.jpg": b"b", "roses/\x1b[2Jevil.jpg": b"e"}
    assert tree(extract_photos(write(tmp_path, tgz(photos)), tmp_path / "photos")) == photos
    assert names(tmp_path) == {"photos", "photos.tgz"}


def test_a_python_without_the_filter_unpacks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(DataError, match=r"use Python 3\.11\.4 or newer"):
        extract_photos(write(tmp_path, tgz(PHOTOS)), tmp_path / "photos")
    assert names(tmp_path) == {"photos.tgz"}


def test_top_level_classes_are_no_wrapper(tmp_path: Path) -> None:
    one = extract_photos(write(tmp_path, tgz({"roses/1.jpg": b"r"})), tmp_path / "one")
    two = extract_photos(write(tmp_path, tgz({"roses/1.jpg": b"r", "tulips/1.jpg": b"t"})), tmp_path / "two")
    assert set(tree(one)) == {"roses/1.jpg"} and set(tree(two)) == {"roses/1.jpg", "tulips/1.jpg"}


def test_complete_folder_is_left_alone_and_a_half_made_one_replaced(tmp_path: Path) -> None:
    archive = write(tmp_path, tgz(PHOTOS))
    half = tmp_path / ".photos.tmp" / "old"
    half.mkdir(parents=True)
    (half / "half.jpg").write_text("half")
    (tmp_path / "photos").mkdir()  # empty: made by hand
    into = extract_photos(archive, tmp_path / "photos")
    assert "roses/1.jpg" in tree(into) and "half.jpg" not in str(tree(into))
    (into / "roses" / "1.jpg").write_bytes(b"mine")
    archive.unlink()
    assert tree(extract_photos(archive, into))["roses/1.jpg"] == b"mine"
    assert names(tmp_path) == {"photos"}


def sparse() -> tuple[tarfile.TarInfo, bytes]:
    """A file with holes in the PAX form, whose type is that of a plain file."""
    fields = {"major": "1", "minor": "0", "name": "top/evil.jpg", "realsize": "90000000"}
    records = b""
    for key, value in fields.items():
        rest = f" GNU.sparse.{key}={value}\n".encode()
        records += str(len(rest) + 2).encode() + rest  # every record is 10 to 99 bytes long
    holes = b"1\n0\n1\n".ljust(512, b"\0") + b"x"
    data = records.ljust(512, b"\0") + entry("top/evil.jpg", holes)[0].tobuf(tarfile.GNU_FORMAT) + holes
    return entry("top/x", data, type=tarfile.XHDTYPE, size=len(records))


HOSTILE: dict[str, tuple[Callable[[], tuple[tarfile.TarInfo, bytes]], str]] = {
    "parent": (lambda: entry("top/../../evil.jpg", b"x"), "evil.jpg', which is unsafe"),
    "parent of no photo": (lambda: entry("../evil.sh", b"x"), "evil.sh', which is unsafe"),
    "absolute": (lambda: entry("/outside/evil.jpg", b"x"), "absolute path"),
    "nameless": (lambda: entry(".", b"x"), "twice"),
    "symlink out": (lambda: entry("top/evil", type=tarfile.SYMTYPE, linkname="/etc"), "unsafe"),
    "symlink": (lambda: entry("top/evil", type=tarfile.SYMTYPE, linkname="ok.jpg"), "is a link"),
    "hard link out": (lambda: entry("top/evil", type=tarfile.LNKTYPE, linkname="../evil"), "unsafe"),
    "hard link": (lambda: entry("top/evil", type=tarfile.LNKTYPE, linkname="top/ok.jpg"), "is a link"),
    "character device": (lambda: entry("top/evil", type=tarfile.CHRTYPE, devmajor=1, devminor=3), "unsafe"),
    "block device": (lambda: entry("top/evil", type=tarfile.BLKTYPE), "unsafe"),
    "pipe": (lambda: entry("top/evil", type=tarfile.FIFOTYPE), "unsafe"),
    "sparse": (sparse, "has holes"),
    "huge": (lambda: entry("top/evil.jpg", b"x", size=100_000_001), "of 100,000,001 bytes"),
    "negative": (lambda: entry("top/evil.jpg", b"x", size=-512), "of -512 bytes"),
    "huge header": (
        lambda: entry("top/x", bytes(2 * MIB), size=2**40, type=tarfile.XHDTYPE),
        "header of an absurd size",
    ),
    "negative header": (lambda: entry("top/x", b"", size=-512, type=tarfile.GNUTYPE_LONGNAME), "absurd size|damaged"),
    "twice": (lambda: entry("top/ok.jpg", b"other"), "twice"),
    "below a file": (lambda: entry("top/ok.jpg/evil.jpg", b"x"), "a file and a folder of one name"),
    "deep": (lambda: entry("/".join("d" * 17), b"x"), "folders deep"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_member_is_named_and_nothing_stays(kind: str, tmp_path: Path) -> None:
    make, reason = HOSTILE[kind]
    home = tmp_path / "home"
    home.mkdir()
    info, data = make()
    info.name = info.name.replace("/outside", str(tmp_path))
    archive = write(home, gzip.compress(tar(entry("top/ok.jpg", b"fine"), (info, data))))
    with pytest.raises(DataError, match=reason) as caught:
        extract_photos(archive, home / "photos")
    assert str(archive) in str(caught.value) and str(caught.value).endswith("download it again.")
    assert names(home) == {"photos.tgz"} and names(tmp_path) == {"home"}


def test_default_limits() -> None:
    assert (LIMITS.member, LIMITS.total, LIMITS.members) == (100_000_000, 2_000_000_000, 100_000)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(members=2), "more than 2 files"),
        (Limits(total=5001), "more than 5,001 bytes"),
        (Limits(member=4999), "of 5,000 bytes"),
    ],
)
def test_limits(limits: Limits, reason: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=reason):
        extract_photos(write(tmp_path, tgz(PHOTOS)), tmp_path / "photos", limits=limits)
    assert names(tmp_path) == {"photos.tgz"}
    exact = Limits(member=5000, total=5003, members=3)
    assert len(tree(extract_photos(tmp_path / "photos.tgz", tmp_path / "photos", limits=exact))) == 3


GOOD = tar(*(entry(name, data) for name, data in PHOTOS.items()))
# What tarfile itself notices. The SHA-256 of the archive, checked before, notices the rest.
DAMAGED = {
    "no gzip": GOOD,
    "empty": b"",
    "cut gzip": gzip.compress(NOISE + GOOD)[:-100_000],
    "flipped bits": gzip.compress(GOOD)[:40] + b"\xff\xff\xff\xff" + gzip.compress(GOOD)[44:],
    "no tar": gzip.compress(b"hello"),
    "no tar, long": gzip.compress(NOISE),
    "cut tar": gzip.compress(GOOD[:3000]),
    "nothing in it": gzip.compress(bytes(10240)),
    "folders only": gzip.compress(tar(entry("a", type=tarfile.DIRTYPE))),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_archive_leaves_nothing(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"photos\.tgz (is damaged|holds no photos)"):
        extract_photos(write(tmp_path, DAMAGED[kind]), tmp_path / "photos")
    assert names(tmp_path) == {"photos.tgz"}


def test_missing_archive(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        extract_photos(tmp_path / "none.tgz", tmp_path / "photos")


def test_random_damage_ends_well_or_in_a_data_error(tmp_path: Path) -> None:
    """Whatever byte of a header is changed, the outcome is one of two, and all stays inside the folder."""
    chance = random.Random(0)
    outcomes = set()
    for case in range(150):
        damaged = bytearray(GOOD)
        header = chance.choice([0, 1024, 7168])
        start = header + chance.choice([0, 100, 124, 136, 156, 157, 257, 345])
        damaged[start : start + 8] = chance.randbytes(8)
        block = damaged[header : header + 512]
        block[148:156] = b" " * 8
        damaged[header + 148 : header + 156] = b"%06o\0 " % sum(block)  # a right checksum, so that the damage counts
        home = tmp_path / str(case)
        home.mkdir()
        try:
            extract_photos(write(home, gzip.compress(damaged, 1)), home / "photos")
        except DataError:
            outcomes.add("refused")
            assert names(home) == {"photos.tgz"}
        else:
            outcomes.add("taken")
            assert names(home) == {"photos.tgz", "photos"}
    assert outcomes == {"refused", "taken"}
    assert names(tmp_path) == {str(case) for case in range(150)}


def test_failing_progress_is_not_mistaken_for_damage(tmp_path: Path) -> None:
    def stop(done: int, total: int | None) -> None:
        raise BrokenPipeError("nobody listens")

    with pytest.raises(BrokenPipeError):
        extract_photos(write(tmp_path, tgz(PHOTOS)), tmp_path / "photos", progress=stop)
    assert names(tmp_path) == {"photos.tgz"}
