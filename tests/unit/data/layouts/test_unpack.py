"""Archives that the user names: unpacked whole and once, or refused with nothing left behind."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from lib.data import archive as archives
from lib.data import datasets
from lib.data.layouts import layout, unpack
from lib.errors import DataError, Notice
from lib.progress import no_stage_progress
from lib.settings import Settings
from tests.helpers import data_folders as made
from tests.helpers.archives import entry, tar, tree
from tests.helpers.data_folders import CLASSES, drawn
from tests.helpers.image_files import encoded, scene, write


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return made.class_folders(tmp_path / "flowers", drawn(3))


def zip_of(file: Path, *members: tuple[str | zipfile.ZipInfo, bytes], **options: int) -> Path:
    with zipfile.ZipFile(file, "w", **options) as archive:  # type: ignore[arg-type]
        for name, content in members:
            archive.writestr(name, content)
    return file


def refused(file: Path, parent: Path, limits: archives.Limits = unpack.LIMITS) -> str:
    with pytest.raises(DataError) as caught:
        unpack.unpack(file, parent, limits=limits)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    left = {path.name for path in (parent / unpack.FOLDER).iterdir()} if (parent / unpack.FOLDER).is_dir() else set()
    assert left <= {".lock"}
    assert not unpack.look(file, parent).ready
    return str(caught.value)


@pytest.mark.parametrize("kind", ["zip", "tar", "tgz", "tar.bz2", "tar.xz"])
def test_every_kind_of_archive_is_unpacked_once(tmp_path: Path, photos: Path, kind: str) -> None:
    modes = {"tar": "w", "tgz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}
    file = tmp_path / f"my photos.{kind}"
    made.zipped(file, photos) if kind == "zip" else made.tarred(file, photos, modes[kind])
    assert not unpack.look(file, tmp_path / "data").ready
    calls: list[tuple[int, int | None]] = []
    first = unpack.unpack(file, tmp_path / "data", progress=lambda done, total: calls.append((done, total)))
    inside = first.folder if kind == "zip" else first.folder / "flowers"
    assert tree(inside) == tree(photos)
    assert calls[-1] == (file.stat().st_size, file.stat().st_size)
    marker = inside / "daisy" / "mine"
    marker.write_text("unpacked once")
    assert unpack.unpack(file, tmp_path / "data") == first == unpack.look(file, tmp_path / "data")
    assert marker.exists()
    assert sorted(set(layout.read(first.folder).labels.values())) == list(CLASSES)


def test_the_same_bytes_elsewhere_are_not_unpacked_again_and_new_bytes_are(tmp_path: Path, photos: Path) -> None:
    file = made.zipped(tmp_path / "a.zip", photos)
    first = unpack.unpack(file, tmp_path / "data")
    copy = tmp_path / "b.zip"
    copy.write_bytes(file.read_bytes())
    assert unpack.unpack(copy, tmp_path / "data").folder == first.folder
    write(photos / "rose" / "new.png", scene(77))
    made.zipped(file, photos)
    os.utime(file, (1, 1))
    assert not unpack.look(file, tmp_path / "data").ready
    assert unpack.unpack(file, tmp_path / "data").folder != first.folder


def test_noise_is_not_unpacked(tmp_path: Path, photos: Path) -> None:
    file = made.zipped(tmp_path / "mac.zip", photos, "flowers/")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("__MACOSX/flowers/daisy/._0_dai_000.png", b"\0\5\x16\7")
        archive.writestr("flowers/daisy/.DS_Store", b"x")
    folder = unpack.unpack(file, tmp_path / "data").folder
    assert tree(folder / "flowers") == tree(photos)
    assert [path.name for path in folder.iterdir()] == ["flowers"]


def test_an_unfinished_folder_is_replaced(tmp_path: Path, photos: Path) -> None:
    file = made.zipped(tmp_path / "a.zip", photos)
    folder = unpack.unpack(file, tmp_path / "data").folder
    rest = folder.with_name(f".{folder.name}.tmp")
    folder.rename(rest)
    (rest / "daisy" / "half.png").write_bytes(b"x")
    assert not unpack.look(file, tmp_path / "data").ready
    assert tree(unpack.unpack(file, tmp_path / "data").folder) == tree(photos)
    assert not rest.exists()


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/evil.png", "C:\\evil.png", "..\\evil.png", "a/" * 40 + "deep.png"]
)
def test_paths_that_lead_out(tmp_path: Path, name: str) -> None:
    picture = encoded(scene())
    assert "holds" in refused(zip_of(tmp_path / "a.zip", ("ok/a.png", picture), (name, picture)), tmp_path / "data")
    (tmp_path / "a.tar").write_bytes(tar(entry("ok/a.png", picture), entry(name, picture)))
    assert "holds" in refused(tmp_path / "a.tar", tmp_path / "data")
    assert not list(tmp_path.rglob("evil*"))


def test_links_and_devices(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("rose/link.png")
    link.external_attr = 0o120777 << 16
    assert "link" in refused(zip_of(tmp_path / "a.zip", (link, b"/etc/passwd")), tmp_path / "data")
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        (tmp_path / "a.tar").write_bytes(tar(entry("rose/x.png", type=kind, linkname="/etc/passwd")))
        assert "link" in refused(tmp_path / "a.tar", tmp_path / "data")


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "LEAST_BYTES", 1_000_000)
    bomb = zip_of(tmp_path / "a.zip", ("a/a.bmp", bytes(30_000_000)), compression=zipfile.ZIP_DEFLATED)
    assert "unpacks to more than" in refused(bomb, tmp_path / "data")
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        info = tarfile.TarInfo("a/a.bmp")
        info.size = 30_000_000
        archive.addfile(info, io.BytesIO(bytes(info.size)))
    assert "unpacks to more than" in refused(tmp_path / "a.tgz", tmp_path / "data")
    many = zip_of(tmp_path / "many.zip", *((f"a/{number}.png", b"x") for number in range(30)))
    assert "more than 20 files" in refused(many, tmp_path / "data", archives.Limits(members=20))
    assert "more than 5" in refused(
        zip_of(tmp_path / "big.zip", ("a/a.png", b"123456")), tmp_path / "data", archives.Limits(member=5)
    )


def test_a_size_that_lies(tmp_path: Path) -> None:
    file = zip_of(tmp_path / "a.zip", ("a/a.bmp", bytes(5_000_000)), compression=zipfile.ZIP_DEFLATED)
    content = file.read_bytes()
    file.write_bytes(content.replace((5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    assert "damaged" in refused(file, tmp_path / "data")


def test_a_password(tmp_path: Path) -> None:
    file = zip_of(tmp_path / "a.zip", ("a/a.png", encoded(scene())))
    content = bytearray(file.read_bytes())
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # the first flag of each header says: encrypted
        content[content.index(mark) + place] |= 1
    file.write_bytes(content)
    assert "password" in refused(file, tmp_path / "data")


@pytest.mark.parametrize("suffix", ["zip", "tar", "tgz", "tar.xz"])
@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK\3\4" + bytes(40), b"\x1f\x8b" + bytes(40)])
def test_damaged_archives(tmp_path: Path, suffix: str, content: bytes) -> None:
    (tmp_path / f"a.{suffix}").write_bytes(content)
    refused(tmp_path / f"a.{suffix}", tmp_path / "data")


@pytest.mark.parametrize("kind", ["zip", "tgz"])
def test_a_cut_archive(tmp_path: Path, photos: Path, kind: str) -> None:
    file = tmp_path / f"a.{kind}"
    made.zipped(file, photos) if kind == "zip" else made.tarred(file, photos)
    file.write_bytes(file.read_bytes()[:-900])
    refused(file, tmp_path / "data")


def test_names_twice(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        file = zip_of(tmp_path / "a.zip", ("a/a.png", b"1"), ("a/a.png", b"2"))
    assert "twice" in refused(file, tmp_path / "data")
    assert "folder" in refused(zip_of(tmp_path / "b.zip", ("a", b"1"), ("a/a.png", b"2")), tmp_path / "data")


# --- as data ---------------------------------------------------------------------------------------------------------


def obtained(tmp_path: Path, data: Path) -> tuple[datasets.Dataset, list[str]]:
    said: list[Notice] = []
    settings = Settings(data=data, artifacts=tmp_path / "artifacts")
    dataset = datasets.obtain(settings, no_stage_progress, said.append)
    assert datasets.find(settings) == dataset
    return dataset, [str(notice) for notice in said]


def test_an_archive_alone_in_a_folder_is_the_data(tmp_path: Path, photos: Path) -> None:
    file = made.zipped(tmp_path / "download" / "Flowers v2.zip", photos)
    for name in ("README.md", ".DS_Store", "license.txt"):
        (file.parent / name).write_text("x")
    for data in (file, file.parent):
        dataset, said = obtained(tmp_path, data)
        assert dataset.name == "Flowers v2"
        assert said == [dataset.note] == [f"Unpacked from {file}."]
        assert tree(dataset.root) == tree(photos)


def test_an_archive_among_class_folders_is_not_the_data(tmp_path: Path, photos: Path) -> None:
    made.zipped(photos / "backup.zip", photos / "rose")
    dataset, said = obtained(tmp_path, photos)
    assert (dataset.root, said) == (photos, [])


def test_several_archives_and_other_files_are_refused_by_name(tmp_path: Path, photos: Path) -> None:
    for name in ("train.zip", "test.zip"):
        made.zipped(tmp_path / "two" / name, photos)
    with pytest.raises(DataError, match=r"2 archives \(test.zip and train.zip\)"):
        obtained(tmp_path, tmp_path / "two")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match="is not a folder or an archive"):
        obtained(tmp_path, tmp_path / "notes.txt")


def test_an_archive_that_is_not_unpacked_yet_stands_for_itself(tmp_path: Path, photos: Path) -> None:
    file = made.zipped(tmp_path / "flowers.zip", photos)
    dataset = datasets.find(Settings(data=file, artifacts=tmp_path / "artifacts"))
    assert dataset is not None and dataset.root == file
    assert not (tmp_path / "artifacts").exists()
