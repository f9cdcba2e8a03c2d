"""Results on disk: the old one or the new one, never a half; and clear sentences when the disk says no."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib import artifacts
from lib.artifacts import read_json, replacing, sweep, write_json
from lib.errors import COMMAND_LINE, ArtifactError, Remedy
from lib.settings import PROJECT
from tests.helpers import image_files


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_appears_whole_in_folders_that_are_made(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "result.bin"
    with replacing(target) as temporary:
        temporary.write_bytes(b"half")
        assert not target.exists()
        temporary.write_bytes(b"whole")
    assert target.read_bytes() == b"whole"
    assert names(target.parent) == {"result.bin"}


def test_a_file_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "result"
    target.write_bytes(b"old")
    with replacing(target) as temporary:
        temporary.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == {"result"}


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), OSError(errno.EIO, "bad disk")])
@pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
def test_the_old_result_stays_when_the_block_fails(tmp_path: Path, kind: str, error: BaseException) -> None:
    target = tmp_path / "result"
    if kind == "file":
        target.write_bytes(b"old")
    elif kind == "folder":
        target.mkdir()
        (target / "part").write_bytes(b"old")
    expected = ArtifactError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected), replacing(target) as temporary:
        temporary.mkdir()
        (temporary / "part").write_bytes(b"new")
        raise error
    if kind == "nothing":
        assert names(tmp_path) == set()
    else:
        assert names(tmp_path) == {"result"}
        assert (target if kind == "file" else target / "part").read_bytes() == b"old"


@pytest.mark.parametrize("old", ["folder", "file", "link to a folder", "dangling link"])
@pytest.mark.parametrize("new", ["folder", "file"])
def test_anything_replaces_anything(tmp_path: Path, old: str, new: str) -> None:
    target, elsewhere = tmp_path / "result", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_bytes(b"kept")
    if old == "folder":
        target.mkdir()
        (target / "old part").write_bytes(b"old")
    elif old == "file":
        target.write_bytes(b"old")
    else:
        target.symlink_to(elsewhere if old == "link to a folder" else tmp_path / "nowhere")
    with replacing(target) as temporary:
        if new == "folder":
            temporary.mkdir()
            (temporary / "new part").write_bytes(b"new")
        else:
            temporary.write_bytes(b"new")
    assert not target.is_symlink()
    if new == "folder":
        assert names(target) == {"new part"}
    else:
        assert target.read_bytes() == b"new"
    assert names(tmp_path) == {"result", "elsewhere"}
    assert names(elsewhere) == {"kept"}  # what a link points to is not ours


def test_the_old_folder_is_put_back_when_the_new_one_cannot_take_its_place(tmp_path: Path) -> None:
    target = tmp_path / "result"
    target.mkdir()
    (target / "part").write_bytes(b"old")
    with pytest.raises(ArtifactError), replacing(target):
        pass  # nothing was made: there is nothing to rename
    assert (target / "part").read_bytes() == b"old"
    assert names(tmp_path) == {"result"}


def test_an_open_memory_map_survives_the_replacement(tmp_path: Path) -> None:
    def save(value: int) -> None:
        with replacing(tmp_path / "space") as folder:
            folder.mkdir()
            np.save(folder / "vectors.npy", np.full(1000, value))

    save(1)
    mapped = np.load(tmp_path / "space" / "vectors.npy", mmap_mode="r")
    save(2)
    assert mapped.sum() == 1000
    assert np.load(tmp_path / "space" / "vectors.npy").sum() == 2000


def test_a_reader_sees_the_old_or_the_new_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "state.json"
    write_json(target, {"values": [0] * 2000})
    states: set[tuple[int, int]] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            state = read_json(target)
            assert state is not None
            states.add((len(state["values"]), len(set(state["values"]))))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for value in range(1, 60):
            write_json(target, {"values": [value] * 2000})
    finally:
        stop.set()
        reader.join()
    assert states == {(2000, 1)}


def test_writers_at_the_same_time_do_not_mix(tmp_path: Path) -> None:
    target = tmp_path / "result"

    def write(value: bytes) -> None:
        for _ in range(20):
            with replacing(target, lasting=False) as temporary:
                temporary.write_bytes(value * 5000)

    threads = [threading.Thread(target=write, args=(value,)) for value in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(target.read_bytes()) in ({97}, {98}, {99})
    assert names(tmp_path) == {"result"}


def test_a_killed_writer_leaves_the_old_result_and_a_leftover_that_sweep_knows(tmp_path: Path) -> None:
    target = tmp_path / "result"
    target.write_bytes(b"old")
    code = (
        "import os, sys; from pathlib import Path; from lib.artifacts import replacing\n"
        "with replacing(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(b'half'); os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(target)], check=False).returncode == -9
    assert target.read_bytes() == b"old"
    assert len(names(tmp_path)) == 2
    sweep(tmp_path, {"result"})
    assert names(tmp_path) == {"result"}


# --- When the disk says no -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named(tmp_path: Path, number: int) -> None:
    with pytest.raises(ArtifactError, match=r"disk .* is full; free some space") as caught:
        with replacing(tmp_path / "result") as temporary:
            temporary.write_bytes(b"half")
            raise OSError(number, os.strerror(number))
    assert str(tmp_path) in str(caught.value)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EIO, errno.ENAMETOOLONG])
def test_a_folder_that_cannot_be_written_is_named_with_the_way_out(tmp_path: Path, number: int) -> None:
    with pytest.raises(ArtifactError, match=COMMAND_LINE[Remedy.CHOOSE_ARTIFACTS]) as caught:
        with replacing(tmp_path / "result"):
            raise OSError(number, os.strerror(number))
    assert os.strerror(number) in str(caught.value)


def test_an_error_without_a_number_is_a_full_disk_only_when_the_disk_is_full(tmp_path: Path) -> None:
    error = OSError("4096 requested and 0 written")  # what NumPy raises
    assert "4096 requested" in str(artifacts.disk_error(tmp_path, error))
    assert "4096 requested" in str(artifacts.disk_error(tmp_path / "gone", error))


FULL_DISK = """
import sys
from pathlib import Path
import numpy as np
from lib import artifacts
from lib.data import catalog, catalog_file, images, thumbnails
from lib.errors import ArtifactError
from tests.helpers.image_files import scene
disk, photos = Path(sys.argv[1]), Path(sys.argv[2])
artifacts.write_json(disk / "state.json", {"old": 1})
made = catalog.build("photos", photos, seed=0)

def table(path):
    catalog_file.save(made, path)

def array(path):
    with artifacts.replacing(path) as folder:
        folder.mkdir()
        np.save(folder / "vectors.npy", np.zeros(100_000))

def state(path):
    artifacts.write_json(path, {"new": "x" * 100_000})

# The array is met by a disk that takes a part of it: NumPy then says only how many of its numbers were written.
for act, name in ((array, "space"), (table, "catalog.parquet"), (state, "state.json")):
    try:
        act(disk / name)
    except ArtifactError as error:
        print(error)
    (disk / "much").write_bytes(bytes(58_000))
picture = scene(0, 900, 900)
path = photos / "rose" / "000.png"
sha256 = images.pixel_hash(images.open_rgb(path))
print(len(thumbnails.thumbnail(path, sha256, 900, disk / "thumbnails")))
print(artifacts.read_json(disk / "state.json"), sorted(file.name for file in disk.rglob("*") if file.is_file()))
"""


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    disk, photos = tmp_path / "disk", tmp_path / "photos"
    disk.mkdir()
    # More rows than the disk has room for, and a first photo whose thumbnail is too large for it as well.
    image_files.folder(photos, rose=1)
    for number in range(150):
        image_files.write(photos / "tulip" / f"{number:03} {'x' * 200}.bmp", image_files.scene(number, 3, 2), "BMP")
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    image_files.write(photos / "rose" / "000.png", Image.fromarray(noise))
    mount = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=64k tmpfs "$0" && exec "$@"', str(disk)]
    try:
        subprocess.run([*mount, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small disk can be mounted here")
    code = [sys.executable, "-c", FULL_DISK, str(disk), str(photos)]
    done = subprocess.run([*mount, *code], capture_output=True, text=True, check=False, cwd=PROJECT)
    *refusals, size, kept = done.stdout.splitlines() or [""]
    assert done.stderr == ""
    assert refusals == [f"The disk that holds {disk} is full; {COMMAND_LINE[Remedy.FREE_SPACE]}."] * 3
    assert int(size) > 20_000
    assert kept == "{'old': 1} ['much', 'state.json']"


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_bytes(b"")
    with pytest.raises(ArtifactError, match="Cannot write"):
        write_json(tmp_path / "artifacts" / "sets" / "state.json", {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(ArtifactError, match="Permission denied"):
        write_json(tmp_path / "state.json", {})
    tmp_path.chmod(0o755)


# --- JSON ------------------------------------------------------------------------------------------------------------


def test_json_comes_back(tmp_path: Path) -> None:
    value = {"花\udcff": [1, 2.5, None, True, "a\nb"], "z": {}}
    write_json(tmp_path / "state.json", value)
    assert read_json(tmp_path / "state.json") == value
    assert artifacts.from_json(artifacts.to_json(value)) == value
    assert "\n" not in artifacts.to_json(value)


def test_no_json_is_none(tmp_path: Path) -> None:
    assert read_json(tmp_path / "state.json") is None


def test_what_is_no_json_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "state.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "state.json", {"a": object()})
    assert read_json(tmp_path / "state.json") == {"a": 1}
    assert names(tmp_path) == {"state.json"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"1", b'{"a": \xff}', b"\0" * 100, b"[" * 100_000])
def test_damaged_json_is_named_with_the_way_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"delete it and run `python -m lib prepare`") as caught:
        read_json(tmp_path / "state.json")
    assert str(tmp_path / "state.json") in str(caught.value)


def test_a_folder_in_place_of_json_is_damage(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError):
        read_json(tmp_path)


# --- Names, removal, sweep -------------------------------------------------------------------------------------------


def test_the_key_is_readable_and_of_the_place(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    key = artifacts.dataset_key("My Photos: 2024!", tmp_path / "a")
    assert key.startswith("my-photos-2024-")
    assert key == artifacts.dataset_key("My Photos: 2024!", tmp_path / "a" / ".." / "a")
    assert key == artifacts.dataset_key("My Photos: 2024!", tmp_path / "link")
    assert key != artifacts.dataset_key("My Photos: 2024!", tmp_path / "b")
    for name in ("", "花", "../..", "\n", "x" * 300, "a\udcff"):
        odd = artifacts.dataset_key(name, tmp_path)
        assert odd == Path(odd).name
        assert odd.isascii()
        assert 5 < len(odd) < 60


def test_the_key_of_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert artifacts.dataset_key("loop", tmp_path / "loop").startswith("loop-")


def test_a_digest_depends_on_values_and_not_on_the_order_of_keys() -> None:
    assert artifacts.digest({"a": 1, "b": 2}) == artifacts.digest({"b": 2, "a": 1})
    different = [("a", "b"), ("ab",), (["a", "b"],), ("b", "a"), ("a\udcff", "b"), (1,), ("1",), (None,), ()]
    assert len({artifacts.digest(*parts) for parts in different}) == len(different)


def test_removing_what_is_and_what_is_not_there(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    (kept / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(kept)
    (tmp_path / "file").write_bytes(b"")
    shutil.copytree(kept, tmp_path / "folder")
    for name in ("link", "file", "folder", "nothing"):
        artifacts.remove(tmp_path / name)
    assert names(tmp_path) == {"kept"}
    assert names(kept) == {"sub"}


def test_sweep_keeps_what_is_named(tmp_path: Path) -> None:
    for name in ("a", "b", ".tmp-1234-a"):
        (tmp_path / name / "deep").mkdir(parents=True)
    (tmp_path / ".tmp-5678-c").write_bytes(b"")
    sweep(tmp_path, {"a", "gone"})
    assert names(tmp_path) == {"a"}
    sweep(tmp_path / "nothing", set())
    sweep(tmp_path, set())
    assert names(tmp_path) == set()
