"""Hostile files and folders: each is read or left out with one clear sentence, by all readers alike; nothing hangs."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from lib.data import catalog as catalogs
from lib.data import catalog_file, images, thumbnails
from lib.errors import ImageError, QueryError
from lib.settings import PROJECT
from lib.view import uploads
from tests.helpers.image_files import encoded, scene, write
from tests.torture import corpus, tally
from tests.torture.tally import Scale

# The largest picture, its transparent form and its mask, for each of two threads; more would be a bomb that went off.
MOST_MB = 2_000


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes], set[str]]:
    """The corpus on disk, its contents, and the ids of what are no files. Read only."""
    root = tmp_path_factory.mktemp("hostile") / "photos"
    contents = corpus.write(root)
    return root, contents, corpus.not_files(root)


def is_sentence(reason: str) -> bool:
    """Whether a reason can stand in a list: one line of ordinary length, without Python's own words."""
    return 0 < len(reason) < 250 and reason.isprintable() and "Traceback" not in reason and "object at 0x" not in reason


def test_the_corpus_is_as_large_as_promised() -> None:
    grouped = corpus.files()
    assert sum(map(len, grouped.values())) + len(corpus.odd_names()) >= 350
    different = {hashlib.sha256(data).digest() for group in grouped.values() for data in group.values()}
    assert len(different) >= 300


def test_every_hostile_file_is_read_or_left_out_with_a_sentence_by_all_alike(
    hostile: tuple[Path, dict[str, bytes], set[str]], tmp_path: Path
) -> None:
    root, contents, things = hostile
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loaded = catalogs.build("hostile", root, seed=0)
    reasons = {entry["id"]: entry["reason"] for entry in loaded.skipped}
    # Everything is in or out, nothing is both, and what is no file is out.
    assert set(loaded.ids) | set(reasons) == set(contents) | things
    assert not set(loaded.ids) & set(reasons)
    assert things == set(reasons) - set(contents)
    assert set(corpus.odd_names()) <= set(loaded.ids)
    assert all(is_sentence(reason) for reason in reasons.values()), [r for r in reasons.values() if not is_sentence(r)]
    hashes = dict(zip(loaded.frame["id"], loaded.frame["sha256"], strict=True))
    for name, data in contents.items():
        # The thumbnailer and the upload path see what the catalog saw.
        if name in hashes:
            picture = uploads.read(data)
            assert images.pixel_hash(picture.whole) == hashes[name], name
            assert picture.preview.startswith("data:image/")
            small = thumbnails.thumbnail(root / name, hashes[name], 96, tmp_path / "thumbnails")
            assert small.startswith(b"\xff\xd8") and len(small) < 40_000, name
        else:
            with pytest.raises(QueryError) as refused:
                uploads.read(data)
            assert str(refused.value) == uploads.refusal(reasons[name]), name
            with pytest.raises(ImageError, match=r"\w"):
                thumbnails.thumbnail(root / name, "0" * 64, 96, tmp_path / "thumbnails")
    uploads.read.clear()
    assert not list(tmp_path.rglob(".tmp-*"))
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MOST_MB
    # A catalog of all this comes back from the disk as it was.
    catalog_file.save(loaded, tmp_path / "catalog.parquet")
    kept = catalog_file.load(tmp_path / "catalog.parquet")
    assert kept is not None and kept.frame.equals(loaded.frame) and kept.skipped == loaded.skipped
    tally.note("bad_inputs", len(contents) + len(things))


class Swapped(type(Path())):  # type: ignore[misc]
    """A file in whose place lies a FIFO as soon as somebody has asked what it is."""

    def stat(self, **options: Any) -> os.stat_result:
        result = super().stat(**options)
        self.unlink()
        os.mkfifo(self)
        return result


def test_a_file_that_becomes_a_fifo_while_it_is_looked_at(tmp_path: Path) -> None:
    """Opening a FIFO waits for a writer, for ever if need be; what is asked before opening may not hold any more."""
    write(tmp_path / "photo.png", scene(1))
    with pytest.raises(ImageError, match="is not a regular file"):
        images.open_rgb(Swapped(tmp_path / "photo.png"))
    tally.note("bad_inputs")


AS_NOBODY = """
import os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
from pathlib import Path
from lib.data import catalog
found = catalog.build("closed", Path(sys.argv[1]), seed=0)
print(found.ids, sorted((entry["id"], entry["reason"]) for entry in found.skipped))
"""


def test_files_and_folders_without_permission() -> None:
    """Root may read everything, so where root runs the tests a process that is nobody reads."""
    folder = Path(tempfile.mkdtemp(prefix="closed-"))
    try:
        for name in ("rose/a.png", "rose/closed.png", "tulip/a.png", "violet/a.png"):
            write(folder / name, scene(1))
        folder.chmod(0o755)
        for name, mode in {"rose/closed.png": 0, "tulip": 0, "violet": 0o444}.items():
            (folder / name).chmod(mode)
        code = AS_NOBODY if os.geteuid() == 0 else AS_NOBODY.replace(AS_NOBODY.splitlines()[2], "")
        # Everything is imported while it may still be read: Pillow's formats too, which it else does at the first file.
        code = "import pandas, simplejpeg, lib.data.catalog; from PIL import Image; Image.init()\n" + code
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder)], cwd=PROJECT, capture_output=True, text=True, check=False
        )
    finally:
        for name in ("tulip", "violet"):
            (folder / name).chmod(0o755)
        shutil.rmtree(folder)
    assert done.returncode == 0, done.stderr
    denied = "cannot be opened: Permission denied"
    expected = [("rose/closed.png", denied), ("tulip", denied), ("violet/a.png", denied)]
    assert done.stdout.strip() == f"['rose/a.png'] {expected}"
    tally.note("bad_inputs", 3)


def test_the_command_prepares_a_hostile_folder_whole(
    hostile: tuple[Path, dict[str, bytes], set[str]], tmp_path: Path, quick_weights: str, scale: Scale
) -> None:
    """Vectors, maps and rows of everything that can be read; a search by an odd name answers; no traceback."""
    if scale.short:
        pytest.skip("make torture")
    root, contents, things = hostile
    words = ["--data", str(root), "--artifacts", str(tmp_path / "artifacts"), "--weights", quick_weights, "--json"]
    said = _command("prepare", *words)
    document = json.loads(said.stdout)
    skipped = {entry["id"] for entry in document["dataset"]["skipped"]}
    assert things <= skipped
    assert document["dataset"]["images"] == len(contents) + len(things) - len(skipped)
    assert {row["rows"] for row in document["milvus"]["collections"]} == {document["dataset"]["images"]}
    again = json.loads(_command("prepare", *words).stdout)
    assert all(space["cached"] for space in again["spaces"])
    for name in corpus.odd_names()[::4]:
        for engine in ("exact", "milvus") if len(name) < 100 else ("exact",):
            reply = json.loads(_command("search", *words, "--engine", engine, "--k", "3", "--", name).stdout)
            assert reply["query"] == name
            assert len(reply["results"]) == 3


def _command(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PETALSCOPE_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "lib", *words], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    return done


def test_an_upload_in_the_place_of_the_largest_is_refused_before_it_is_decoded() -> None:
    small = encoded(scene(1))
    with pytest.raises(QueryError, match="larger than 50 MB"):
        uploads.read(small + bytes(uploads.MOST_BYTES))
