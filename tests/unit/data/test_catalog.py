"""The catalog: ids of the files, skipped files with reasons, splits, fingerprint, limit and reuse."""

from __future__ import annotations

import math
import os
import random
import shutil
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lib.data import catalog as catalogs
from lib.data import images
from lib.data.catalog import Catalog, build, fingerprint, split_of
from lib.data.catalog_file import changes, load, save
from lib.data.scanning import ALREADY_SCANNED
from lib.errors import ArtifactError, DataError
from tests.helpers import image_files
from tests.helpers.data_folders import scan
from tests.helpers.image_files import encoded, folder, scene, write

hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)


def build_catalog(root: Path, **options: object) -> Catalog:
    return build("photos", root, **{"seed": 0, **options})  # type: ignore[arg-type]


def reasons(catalog: Catalog) -> dict[str, str]:
    return {entry["id"]: entry["reason"] for entry in catalog.skipped}


class CountingDecoder:
    """Decodes like the real one and remembers which files it was given."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, path: Path) -> Image.Image:
        self.names.append(path.name)
        return images.open_rgb(path)


def rewritten(path: Path, content: bytes, wait_ns: int = 20_000_000) -> None:
    """Write `content` to `path` and make sure that the clock of the file system has moved since it was made."""
    before = path.stat().st_ctime_ns
    path.write_bytes(content)
    while path.stat().st_ctime_ns - before < wait_ns:
        path.write_bytes(content)


# --- Rows ------------------------------------------------------------------------------------------------------------


def test_one_row_per_picture(tmp_path: Path) -> None:
    write(tmp_path / "rose" / "b.webp", scene(1, 30, 20), "WEBP")
    write(tmp_path / "daisy" / "garden" / "back" / "a.jpg", scene(2, 20, 30), "JPEG")
    catalog = build_catalog(tmp_path)
    assert catalog.ids == ["daisy/garden/back/a.jpg", "rose/b.webp"]
    assert list(catalog.frame["label"]) == ["daisy", "rose"]
    assert [(row.width, row.height) for row in catalog.frame.itertuples()] == [(20, 30), (30, 20)]
    assert list(catalog.frame["bytes"]) == [catalog.path(image_id).stat().st_size for image_id in catalog.ids]
    for row in catalog.frame.itertuples():
        assert row.sha256 == images.pixel_hash(images.open_rgb(catalog.path(row.id)))
    assert catalog.classes == {"daisy": 1, "rose": 1}
    assert catalog.skipped == []


def test_width_and_height_are_those_of_the_upright_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    write(tmp_path / "a" / "turned.jpg", scene(0, 60, 40), "JPEG", exif=exif)
    row = build_catalog(tmp_path).frame.iloc[0]
    assert (row["width"], row["height"]) == (40, 60)


def test_rows_are_found_by_id_and_by_picture(tmp_path: Path) -> None:
    folder(tmp_path, rose=3, daisy=3)
    write(tmp_path / "zinnia" / "copy.bmp", scene(0), "BMP")
    catalog = build_catalog(tmp_path)
    assert [catalog.row(image_id) for image_id in catalog.ids] == list(range(7))
    for missing in ("", "rose/", "zzz", "rose/003.png", "a\udcff"):
        assert catalog.row(missing) is None
    assert catalog.copies(str(catalog.frame["sha256"].iloc[0])) == [0, 6]
    assert catalog.copies("nothing") == []
    assert catalog.all_copies() == [catalog.copies(sha256) for sha256 in catalog.frame["sha256"]]


def test_the_summary_is_the_contract(tmp_path: Path) -> None:
    folder(tmp_path, rose=20, daisy=30)
    write(tmp_path / "rose" / "bad.jpg", b"")
    summary = build_catalog(tmp_path).summary()
    assert summary["images"] == 50
    assert summary["classes"] == {"daisy": 30, "rose": 20}
    assert sum(summary["split"].values()) == 50
    assert list(summary["split"]) == ["train", "val", "test"]
    assert summary["skipped"] == [{"id": "rose/bad.jpg", "reason": "is empty (0 bytes)"}]
    assert summary["root"] == str(tmp_path)


# --- Hostile folders -------------------------------------------------------------------------------------------------

ODD_NAMES = [
    "with space.png",
    " leading and trailing ",
    "-rf.png",
    "--help",
    "line\nbreak.png",
    "tab\tand\rreturn.png",
    "\x1b[31mred.png",
    "\u202egnp.evil",  # right-to-left override
    "שלום.png",
    "花 🌼.png",
    "e\u0301.png",  # the accent apart
    "\u00e9.png",  # the accent on the letter
    "quo'te\".png",
    "a\\b.png",
    "100%_$HOME`id`.png",
    "nan",
    "NA",
    "None",
    "...png",
    ".hidden.png",
    "x" * 251 + ".png",
    "é" * 127,
]


def test_odd_names_are_ids_like_any_other(tmp_path: Path) -> None:
    classes = ["-x", "nan", "花", "a b", "new\nline", "\u202eabc", "y" * 255]
    for number, name in enumerate(ODD_NAMES):
        write(tmp_path / classes[number % len(classes)] / name, scene(number))
    catalog = build_catalog(tmp_path)
    assert catalog.skipped == []
    expected = sorted(f"{classes[number % len(classes)]}/{name}" for number, name in enumerate(ODD_NAMES))
    assert catalog.ids == expected
    assert [catalog.row(image_id) for image_id in expected] == list(range(len(expected)))
    assert all(catalog.path(image_id).is_file() for image_id in catalog.ids)
    save(catalog, tmp_path / "catalog.parquet")
    loaded = load(tmp_path / "catalog.parquet")
    assert loaded is not None
    assert loaded.ids == expected
    assert loaded.classes == catalog.classes
    assert changes(loaded) == {"added": 0, "removed": 0, "changed": 0}


def test_names_that_are_not_utf_8_are_listed(tmp_path: Path) -> None:
    folder(tmp_path, rose=1)
    for place in (b"rose/\xff\xfe.png", b"\xe9t\xe9/a.png"):
        write(tmp_path / os.fsdecode(place), scene(5))
    catalog = build_catalog(tmp_path)
    assert catalog.ids == ["rose/000.png"]
    assert set(reasons(catalog)) == {"rose/\\udcff\\udcfe.png", "\\udce9t\\udce9"}
    assert all("not valid UTF-8" in reason for reason in reasons(catalog).values())
    str(catalog.summary()).encode()


def test_a_data_folder_whose_own_name_is_not_utf_8(tmp_path: Path) -> None:
    root = folder(tmp_path / os.fsdecode(b"\xff"), rose=2)
    save(build_catalog(root), tmp_path / "catalog.parquet")
    loaded = load(tmp_path / "catalog.parquet")
    assert loaded is not None
    assert loaded.root == root
    assert images.open_rgb(loaded.path(loaded.ids[0])).size == (60, 40)
    assert loaded.key == build_catalog(root).key


def hostile(root: Path) -> tuple[set[str], dict[str, str]]:
    """A folder with everything that goes wrong: the ids that must be in, and a part of the reason of each other."""
    good = encoded(scene(), "JPEG", quality=90)
    outside = folder(root.parent / "outside", rose=2)
    inside = {
        "rose/a.jpg": good,
        "rose/text.txt": encoded(scene(2), "JPEG"),
        "rose/png.jpg": encoded(scene(3)),
        "rose/deep/er/b.gif": encoded(scene(4).quantize(), "GIF"),
        "tulip/a.jpg": good,
        "tulip/wide.png": encoded(Image.new("RGB", (30_000, 1))),
        "tulip/dot.png": encoded(Image.new("RGB", (1, 1))),
        "tulip/.hidden.png": encoded(scene(6)),
    }
    bad = {
        "rose/zero.jpg": (b"", "empty"),
        "rose/words.jpg": (b"just words", "not a JPEG"),
        "rose/cut.jpg": (good[:700], "damaged"),
        "rose/cut.png": (encoded(scene(3))[:60], "damaged"),
        "rose/bomb.png": (image_files.png(30_000, 30_000, b""), "megapixels"),
        "rose/bomb.webp": (image_files.webp_header(9000, 9000), "megapixels"),
        "rose/text.png": (
            image_files.png(9, 9, b"", image_files.chunk(b"zTXt", b"x\0\0" + image_files.zeros(5))),
            "too large",
        ),
        "rose/endless.jpg": (image_files.scans(scene(), 300), "scans"),
        "rose/map.jp2": (encoded(scene(), "JPEG2000"), "JPEG 2000"),
        "rose/logo.svg": (b"<svg/>", "SVG"),
        "rose/notes.md": (b"# notes", "not a JPEG"),
        "top.jpg": (good, "no class folder"),
    }
    for name, content in {**inside, **{name: content for name, (content, _) in bad.items()}}.items():
        write(root / name, content)
    expected = {name: reason for name, (_, reason) in bad.items()}
    (root / "empty class").mkdir()
    write(root / ".git" / "rose" / "c.jpg", good)
    write(root / "rose" / ".ipynb_checkpoints" / "a-checkpoint.jpg", good)
    expected |= {".git": "hidden folder"}
    for noise in ("Thumbs.db", "rose/.DS_Store", "rose/._a.jpg", "__MACOSX/rose/._a.jpg"):
        write(root / noise, b"x")
    for beside in ("LICENSE.txt", "README.md"):
        write(root / beside, b"x")
    links: dict[str, tuple[Path | str, str | None]] = {
        "rose/link.jpg": ("a.jpg", None),
        "rose/link to tulip.jpg": ("../tulip/wide.png", None),
        "rose/out.jpg": (outside / "rose" / "000.png", "out of the data folder"),
        "rose/out": (outside, "out of the data folder"),
        "rose/up": ("..", ALREADY_SCANNED),
        "rose/parent": (root.parent, "out of the data folder"),
        "rose/self": (".", ALREADY_SCANNED),
        "rose/another class": ("../tulip", ALREADY_SCANNED),
        "rose/dangling.jpg": ("nowhere.jpg", "leads nowhere"),
        "rose/loop": ("loop", "leads nowhere"),
        "rose/ping": ("pong", "leads nowhere"),
        "rose/pong": ("ping", "leads nowhere"),
        "rose/null": ("/dev/null", "out of the data folder"),
        "a link to tulip": ("tulip", ALREADY_SCANNED),
        "z link to tulip": ("tulip", ALREADY_SCANNED),
        "outside": (outside, "out of the data folder"),
        "whole": (".", ALREADY_SCANNED),
        "from the pool": (".git/rose", None),
    }
    for name, (target, _) in links.items():
        (root / name).symlink_to(target)
    expected |= {name: reason for name, (_, reason) in links.items() if reason}
    os.mkfifo(root / "rose" / "fifo.jpg")
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(root / "rose" / "socket.jpg"))
    expected |= {"rose/fifo.jpg": "regular file", "rose/socket.jpg": "regular file", "fifo": "no class folder"}
    followed = {"rose/link.jpg", "rose/link to tulip.jpg", "from the pool/c.jpg"}
    return set(inside) | followed, expected


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_hostile_folder(tmp_path: Path) -> None:
    good, bad = hostile(tmp_path / "photos")
    catalog = build_catalog(tmp_path / "photos")
    assert sorted(catalog.ids) == catalog.ids == sorted(good)
    assert set(reasons(catalog)) == set(bad)
    for name, part in bad.items():
        assert part in reasons(catalog)[name], name
    assert len(catalog.skipped) == len(bad)
    assert list(catalog.frame["label"]) == [name.split("/")[0] for name in catalog.ids]
    # Reading it twice, or from a saved catalog, says the same.
    save(catalog, tmp_path / "catalog.parquet")
    loaded = load(tmp_path / "catalog.parquet")
    assert loaded is not None
    again = build_catalog(tmp_path / "photos", previous=loaded)
    assert again.frame.equals(catalog.frame)
    assert again.summary() == catalog.summary() == loaded.summary()
    assert changes(loaded) == {"added": 0, "removed": 0, "changed": 0}


def test_a_folder_keeps_its_own_name_whatever_links_to_it(tmp_path: Path) -> None:
    # The link comes first by name and lies in a class that is read first: still `tulip` is tulip.
    folder(tmp_path, daisy=1, tulip=2)
    (tmp_path / "daisy" / "0 link").symlink_to(tmp_path / "tulip")
    (tmp_path / "0 link").symlink_to("tulip")
    catalog = build_catalog(tmp_path)
    assert catalog.ids == ["daisy/000.png", "tulip/000.png", "tulip/001.png"]
    assert set(reasons(catalog)) == {"0 link", "daisy/0 link"}


def test_two_links_to_one_hidden_pool_are_entered_once(tmp_path: Path) -> None:
    folder(tmp_path / ".pool", rose=1)
    (tmp_path / "daisy").symlink_to(".pool/rose")
    (tmp_path / "rose").symlink_to(".pool/rose")
    (tmp_path / "zinnia").symlink_to(".pool")
    catalog = build_catalog(tmp_path)
    assert catalog.ids == ["daisy/000.png"]
    assert {name for name, reason in reasons(catalog).items() if ALREADY_SCANNED in reason} == {"rose", "zinnia/rose"}


def test_a_data_folder_that_is_itself_a_link(tmp_path: Path) -> None:
    folder(tmp_path / "real", rose=2)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "rose" / "again.png").symlink_to(tmp_path / "link" / "rose" / "000.png")
    catalog = build_catalog(tmp_path / "link")
    assert catalog.ids == ["rose/000.png", "rose/001.png", "rose/again.png"]


def dug(root: Path, name: str, depth: int) -> None:
    """`depth` folders of this name in each other, however long the path becomes."""
    here = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


@pytest.mark.skipif(os.mkdir not in os.supports_dir_fd, reason="no folders by handle here")
def test_very_deep_folders(tmp_path: Path) -> None:
    write(tmp_path / "rose" / "a.png", scene())
    dug(tmp_path / "rose", "d", 700)  # a walk that calls itself twice a level ends at Python's recursion limit
    write(tmp_path / "rose" / "/".join("d" * 700) / "b.png", scene(1))
    dug(tmp_path / "rose", "x" * 250, 20)  # beyond the longest path that the system takes
    catalog = build_catalog(tmp_path)
    assert catalog.ids == ["rose/a.png", "rose/" + "d/" * 700 + "b.png"]
    assert list(reasons(catalog).values()) == ["cannot be opened: File name too long"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_and_folders_without_permission(tmp_path: Path) -> None:
    folder(tmp_path, rose=2, tulip=1, violet=1)
    (tmp_path / "rose" / "000.png").chmod(0)
    (tmp_path / "tulip").chmod(0)
    (tmp_path / "violet").chmod(0o444)
    try:
        catalog = build_catalog(tmp_path)
    finally:
        for name in ("tulip", "violet"):
            (tmp_path / name).chmod(0o755)
    assert catalog.ids == ["rose/001.png"]
    assert set(reasons(catalog)) == {"rose/000.png", "tulip", "violet/000.png"}
    assert set(reasons(catalog).values()) == {"cannot be opened: Permission denied"}


def test_a_file_that_goes_while_the_folder_is_read(tmp_path: Path) -> None:
    folder(tmp_path, rose=3)

    def decode(path: Path) -> Image.Image:
        if path.name == "001.png":
            path.unlink()
        return images.open_rgb(path)

    catalog = build_catalog(tmp_path, decode=decode)
    assert catalog.ids == ["rose/000.png", "rose/002.png"]
    assert "No such file" in reasons(catalog)["rose/001.png"]


@pytest.mark.parametrize("prepare", ["missing", "file", "empty", "only bad", "loop"])
def test_a_folder_that_cannot_be_used_is_one_clear_error(tmp_path: Path, prepare: str) -> None:
    root = tmp_path / "photos"
    if prepare == "file":
        root.write_bytes(b"")
    elif prepare == "loop":
        root.symlink_to(root)
    elif prepare != "missing":
        root.mkdir()
    if prepare == "only bad":
        write(root / "rose" / "a.jpg", b"")
    with pytest.raises(DataError, match="--data") as caught:
        build_catalog(root)
    assert str(root) in str(caught.value)


# --- Split -----------------------------------------------------------------------------------------------------------


@given(hashes, st.integers(-(2**63), 2**63))
def test_a_split_depends_on_nothing_but_picture_and_seed(sha256: str, seed: int) -> None:
    assert split_of(sha256, seed) == split_of("".join(sha256), int(seed))
    assert split_of(sha256, seed) in catalogs.SPLITS


def test_the_split_has_not_moved() -> None:
    # Splits of recorded runs and users' collections rest on these very draws.
    drawn = Counter(split_of(f"{number:064x}", 0) for number in range(1000))
    assert drawn == {"train": 808, "val": 89, "test": 103}


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_the_shares_are_10_9_and_81_percent(seed: int) -> None:
    n = 40_000
    noise = random.Random(seed)
    drawn = Counter(split_of(noise.randbytes(32).hex(), seed) for _ in range(n))
    for split, share in {"test": 0.1, "val": 0.09, "train": 0.81}.items():
        assert abs(drawn[split] - n * share) < 5 * math.sqrt(n * share * (1 - share)), split


def test_another_seed_draws_independently() -> None:
    n = 40_000
    noise = random.Random(0)
    pairs = [noise.randbytes(32).hex() for _ in range(n)]
    both = sum(split_of(sha256, 0) == split_of(sha256, 1) == "test" for sha256 in pairs)
    assert abs(both - n * 0.01) < 5 * math.sqrt(n * 0.01 * 0.99)


def test_the_split_does_not_move_when_pictures_come_and_go(tmp_path: Path) -> None:
    folder(tmp_path, rose=40, tulip=40)
    before = dict(zip(build_catalog(tmp_path).ids, build_catalog(tmp_path).frame["split"], strict=True))
    folder(tmp_path, aster=20)
    (tmp_path / "rose" / "000.png").unlink()
    after = build_catalog(tmp_path)
    assert len(after.frame) == 99
    now = dict(zip(after.ids, after.frame["split"], strict=True))
    assert {name: split for name, split in before.items() if name in now} == {
        name: split for name, split in now.items() if name in before
    }


def test_copies_share_a_split_whatever_their_class_and_format(tmp_path: Path) -> None:
    for number in range(60):
        write(tmp_path / "rose" / f"{number}.png", scene(number))
        write(tmp_path / "tulip" / f"x{number}.bmp", scene(number), "BMP")
    frame = build_catalog(tmp_path).frame
    assert set(frame["split"]) == {"train", "val", "test"}
    assert (frame.groupby("sha256")["split"].nunique() == 1).all()
    assert frame["sha256"].nunique() == 60


def test_reseeding_is_building_with_that_seed(tmp_path: Path) -> None:
    folder(tmp_path, rose=40)
    catalog = build_catalog(tmp_path)
    other = catalog.reseeded(5)
    assert other.frame.equals(build_catalog(tmp_path, seed=5).frame)
    assert other.seed == 5
    assert list(other.frame["split"]) != list(catalog.frame["split"])
    assert other.fingerprint == catalog.fingerprint
    assert other.contents != catalog.contents
    assert other.key != catalog.key


# --- Fingerprint -----------------------------------------------------------------------------------------------------

pairs = st.lists(st.tuples(hashes, st.text(max_size=5)), min_size=1, max_size=8)


@given(pairs, st.data())
def test_the_fingerprint_ignores_the_order(listed: list[tuple[str, str]], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(listed))
    assert fingerprint(iter(shuffled)) == fingerprint(listed)


@given(pairs, st.data())
def test_the_fingerprint_sees_every_picture_and_label(listed: list[tuple[str, str]], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(listed) - 1))
    sha256, label = listed[place]
    for other in (
        listed[:place] + listed[place + 1 :],
        [*listed, listed[place]],
        [*listed[:place], (sha256[::-1], label), *listed[place + 1 :]],
        [*listed[:place], (sha256, label + "x"), *listed[place + 1 :]],
    ):
        if sorted(other) != sorted(listed):
            assert fingerprint(other) != fingerprint(listed)


def test_renaming_touching_and_another_format_keep_the_fingerprint(tmp_path: Path) -> None:
    folder(tmp_path / "one", rose=3, tulip=2)
    before = build_catalog(tmp_path / "one").fingerprint
    (tmp_path / "one" / "rose" / "000.png").rename(tmp_path / "one" / "rose" / "zzz.jpg")
    os.utime(tmp_path / "one" / "rose" / "001.png", (1, 1))
    write(tmp_path / "one" / "tulip" / "000.png", scene(1000), "BMP")
    (tmp_path / "one").rename(tmp_path / "two")
    assert build_catalog(tmp_path / "two").fingerprint == before


def test_one_pixel_or_one_label_changes_the_fingerprint(tmp_path: Path) -> None:
    folder(tmp_path, rose=3, tulip=2)
    before = build_catalog(tmp_path).fingerprint
    picture = scene(1)
    red, green, blue = picture.getpixel((0, 0))
    picture.putpixel((0, 0), (red, green, blue ^ 1))
    write(tmp_path / "rose" / "001.png", picture)
    changed = build_catalog(tmp_path).fingerprint
    assert changed != before
    write(tmp_path / "rose" / "001.png", scene(1))
    assert build_catalog(tmp_path).fingerprint == before
    (tmp_path / "rose" / "001.png").rename(tmp_path / "tulip" / "x.png")
    assert build_catalog(tmp_path).fingerprint not in {before, changed}


def test_seed_and_limit_do_not_touch_the_fingerprint_of_the_same_pictures(tmp_path: Path) -> None:
    folder(tmp_path, rose=3)
    assert (
        build_catalog(tmp_path, seed=9).fingerprint
        == build_catalog(tmp_path, limit=3).fingerprint
        == build_catalog(tmp_path).fingerprint
    )


# --- Limit -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 4, 5, 13, 40, 41, 100])
def test_a_limit_is_exact_and_spread_over_the_classes(tmp_path: Path, limit: int) -> None:
    folder(tmp_path, aster=20, daisy=2, rose=10, tulip=9)
    catalog = build_catalog(tmp_path, limit=limit)
    assert len(catalog.frame) == min(limit, 41)
    assert catalog.limit == limit
    counts = {label: catalog.classes.get(label, 0) for label in ("aster", "daisy", "rose", "tulip")}
    most = max(counts.values())
    # Nobody is left behind who still has pictures.
    for label, count in counts.items():
        assert count >= most - 1 or count == {"aster": 20, "daisy": 2, "rose": 10, "tulip": 9}[label]
    assert build_catalog(tmp_path, limit=limit).frame.equals(catalog.frame)


def test_a_larger_limit_keeps_what_a_smaller_one_took(tmp_path: Path) -> None:
    folder(tmp_path, rose=20, tulip=5)
    previous_ids: set[str] = set()
    for limit in range(1, 26):
        now = set(build_catalog(tmp_path, limit=limit).ids)
        assert previous_ids < now
        previous_ids = now


def test_a_limit_replaces_unreadable_files_within_their_class(tmp_path: Path) -> None:
    folder(tmp_path, aster=30, rose=30, tulip=30)
    first = set(build_catalog(tmp_path, limit=15).ids)
    bad = [name for name in sorted(first) if name.startswith("tulip")][:4]
    for name in bad:
        write(tmp_path / name, b"broken")
    catalog = build_catalog(tmp_path, limit=15)
    assert catalog.classes == {"aster": 5, "rose": 5, "tulip": 5}
    assert set(reasons(catalog)) == set(bad)
    assert first - set(catalog.ids) == set(bad)


def test_a_limit_takes_all_there_is_when_the_rest_is_broken(tmp_path: Path) -> None:
    folder(tmp_path, rose=3)
    for number in range(300):
        write(tmp_path / "tulip" / f"{number}.jpg", b"")
    catalog = build_catalog(tmp_path, limit=50)
    assert catalog.classes == {"rose": 3}
    assert len(catalog.skipped) == 300


def test_a_limit_does_not_decode_the_rest(tmp_path: Path) -> None:
    folder(tmp_path, rose=40, tulip=40)
    counting = CountingDecoder()
    build_catalog(tmp_path, limit=6, decode=counting)
    assert len(counting.names) == 6


def test_the_choice_is_not_the_first_names(tmp_path: Path) -> None:
    folder(tmp_path, rose=60)
    assert build_catalog(tmp_path, limit=20).ids != [f"rose/{number:03}.png" for number in range(20)]


@pytest.mark.parametrize("limit", [None, 7])
def test_progress_ends_at_its_total(tmp_path: Path, limit: int | None) -> None:
    folder(tmp_path, rose=10, tulip=5)
    for number in range(40):
        write(tmp_path / "rose" / f"bad{number}.jpg", b"")
    calls: list[tuple[int, int | None]] = []
    build_catalog(tmp_path, limit=limit, progress=lambda done, total: calls.append((done, total)))
    total = 55 if limit is None else 7
    assert calls[-1] == (total, total)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert {entry for _, entry in calls} == {total}


# --- What was read before --------------------------------------------------------------------------------------------


def test_unchanged_files_are_not_decoded_again(tmp_path: Path) -> None:
    folder(tmp_path, rose=5, tulip=3)
    first = build_catalog(tmp_path)
    counting = CountingDecoder()
    again = build_catalog(tmp_path, previous=first, decode=counting)
    assert counting.names == []
    assert again.frame.equals(first.frame)
    assert again.key == first.key
    write(tmp_path / "rose" / "new.png", scene(77))
    assert len(build_catalog(tmp_path, previous=first, decode=counting).frame) == 9
    assert counting.names == ["new.png"]


def test_a_previous_catalog_from_disk_serves_as_well(tmp_path: Path) -> None:
    folder(tmp_path / "photos", rose=5)
    (tmp_path / "photos" / "factors.csv").write_text("id,light\nrose/000.png,3\n")
    first = build_catalog(tmp_path / "photos")
    save(first, tmp_path / "catalog.parquet")
    counting = CountingDecoder()
    again = build_catalog(tmp_path / "photos", previous=load(tmp_path / "catalog.parquet"), seed=3, decode=counting)
    assert counting.names == []
    assert again.frame.equals(build_catalog(tmp_path / "photos", seed=3).frame)


Change = Callable[[Path], None]


def same_size_and_date(path: Path) -> None:
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[60] ^= 255  # a pixel of a BMP
    rewritten(path, bytes(content))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def same_size_and_far_date(path: Path) -> None:
    same_size_and_date(path)
    os.utime(path, (4_000_000_000, 4_000_000_000))


def another_file_moved_over_it(path: Path) -> None:
    other = write(path.with_name("other"), scene(99), "BMP")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("change", [same_size_and_date, same_size_and_far_date, another_file_moved_over_it])
@pytest.mark.parametrize("date", [1_000_000_000, 4_000_000_000])
def test_a_changed_file_is_noticed_even_with_its_old_size_and_date(tmp_path: Path, change: Change, date: int) -> None:
    for number in range(2):
        write(tmp_path / "rose" / f"{number}.bmp", scene(number), "BMP")
        os.utime(tmp_path / "rose" / f"{number}.bmp", (date, date))
    first = build_catalog(tmp_path)
    change(tmp_path / "rose" / "0.bmp")
    assert changes(first) == {"added": 0, "removed": 0, "changed": 1}
    counting = CountingDecoder()
    again = build_catalog(tmp_path, previous=first, decode=counting)
    assert counting.names == ["0.bmp"]
    assert again.fingerprint != first.fingerprint
    assert again.frame.drop(columns="changed_ns").equals(build_catalog(tmp_path).frame.drop(columns="changed_ns"))


def test_a_link_that_points_elsewhere_now_is_noticed(tmp_path: Path) -> None:
    pool = [write(tmp_path / ".pool" / f"{number}.bmp", scene(number), "BMP") for number in range(2)]
    (tmp_path / "rose").mkdir()
    link = tmp_path / "rose" / "x"
    link.symlink_to("../.pool/0.bmp")
    # Two files that differ in nothing but their content, as far as the file system's clock allows.
    for _ in range(1000):
        for path in pool:
            os.utime(path, (1, 1))
        if len({(path.stat().st_size, path.stat().st_ctime_ns) for path in pool}) == 1:
            break
    first = build_catalog(tmp_path)
    before = link.lstat().st_ctime_ns
    while link.lstat().st_ctime_ns == before:
        link.unlink()
        link.symlink_to("../.pool/1.bmp")
    assert changes(first)["changed"] == 1
    assert build_catalog(tmp_path, previous=first).fingerprint != first.fingerprint


@pytest.mark.parametrize("year", [1902, 1969, 2039, 2445])
def test_dates_far_away_are_kept(tmp_path: Path, year: int) -> None:
    root = folder(tmp_path / "photos", rose=2)
    seconds = int((year - 1970) * 365.2425 * 86_400)
    os.utime(root / "rose" / "000.png", (seconds, seconds))
    catalog = build_catalog(root)
    save(catalog, tmp_path / "catalog.parquet")
    loaded = load(tmp_path / "catalog.parquet")
    assert loaded is not None
    assert loaded.frame.equals(catalog.frame)
    counting = CountingDecoder()
    build_catalog(root, previous=loaded, decode=counting)
    assert counting.names == []


def test_changes_are_counted(tmp_path: Path) -> None:
    folder(tmp_path, rose=5, tulip=5)
    write(tmp_path / "rose" / "bad.jpg", b"")
    catalog = build_catalog(tmp_path)
    assert changes(catalog) == {"added": 0, "removed": 0, "changed": 0}
    (tmp_path / "rose" / "000.png").unlink()
    (tmp_path / "rose" / "001.png").rename(tmp_path / "tulip" / "moved.png")
    rewritten(tmp_path / "tulip" / "000.png", encoded(scene(55)))
    write(tmp_path / "aster" / "new.png", scene(56))
    assert changes(catalog) == {"added": 2, "removed": 2, "changed": 1}
    limited = build_catalog(tmp_path, limit=3)
    assert changes(limited) == {"added": 0, "removed": 0, "changed": 0}


def test_a_repaired_file_counts_as_added(tmp_path: Path) -> None:
    folder(tmp_path, rose=2)
    write(tmp_path / "rose" / "bad.jpg", b"")
    catalog = build_catalog(tmp_path)
    write(tmp_path / "rose" / "bad.jpg", scene(9), "JPEG")
    assert changes(catalog) == {"added": 1, "removed": 0, "changed": 0}


def test_a_folder_that_has_gone_is_a_clear_error(tmp_path: Path) -> None:
    root = folder(tmp_path / "photos", rose=2)
    catalog = build_catalog(root)
    shutil.rmtree(root)
    with pytest.raises(DataError, match="--data"):
        changes(catalog)
    with pytest.raises(DataError, match="--data"):
        build_catalog(root, previous=catalog)


# --- Factors ---------------------------------------------------------------------------------------------------------


def test_a_factor_table_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    root = folder(tmp_path / "photos", rose=2)
    table = write(tmp_path / "secret.csv", b"id,x\nrose/000.png,1\n")
    (root / "factors.csv").symlink_to(table)
    catalog = build_catalog(root)
    assert list(catalog.frame.columns) == catalogs.COLUMNS
    assert "out of the data folder" in reasons(catalog)["factors.csv"]
    table.rename(root / "table.txt")
    (root / "factors.csv").unlink()
    (root / "factors.csv").symlink_to("table.txt")
    assert "factor_x" in build_catalog(root).frame


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_factor_table_that_is_no_file_is_not_opened(tmp_path: Path) -> None:
    folder(tmp_path, rose=2)
    os.mkfifo(tmp_path / "factors.csv")
    assert len(build_catalog(tmp_path).frame) == 2


# --- On disk ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [None, 3])
def test_a_catalog_comes_back_as_it_was(tmp_path: Path, limit: int | None) -> None:
    folder(tmp_path / "photos", rose=3, tulip=2)
    write(tmp_path / "photos" / "rose" / "bad\n.jpg", b"")
    (tmp_path / "photos" / "factors.csv").write_text("id,x\nrose/000.png,1\n")
    catalog = replace(build_catalog(tmp_path / "photos", limit=limit, seed=4), name='a "name"\nof 花')
    save(catalog, tmp_path / "new folder" / "catalog.parquet")
    loaded = load(tmp_path / "new folder" / "catalog.parquet")
    assert loaded is not None
    assert loaded.frame.equals(catalog.frame)
    assert replace(loaded, frame=catalog.frame) == catalog
    assert (loaded.key, loaded.contents) == (catalog.key, catalog.contents)
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == ["catalog.parquet"]


def test_no_catalog_is_none(tmp_path: Path) -> None:
    assert load(tmp_path / "nothing.parquet") is None
    assert load(tmp_path) is None


def test_a_catalog_of_another_version_is_none(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["a/b"]})
    frame.attrs = {"schema": catalogs.SCHEMA + 1}
    frame.to_parquet(tmp_path / "catalog.parquet")
    assert load(tmp_path / "catalog.parquet") is None


def test_a_stranger_s_table_is_damaged(tmp_path: Path) -> None:
    pd.DataFrame({"id": ["a/b"]}).to_parquet(tmp_path / "catalog.parquet")
    with pytest.raises(ArtifactError, match="prepare"):
        load(tmp_path / "catalog.parquet")


def test_a_damaged_catalog_is_never_taken_for_a_sound_one(tmp_path: Path) -> None:
    folder(tmp_path / "photos", rose=3, tulip=2)
    catalog = build_catalog(tmp_path / "photos")
    path = tmp_path / "catalog.parquet"
    save(catalog, path)
    sound = path.read_bytes()
    noise = random.Random(0)
    refused = 0
    for number in range(250):
        content = bytearray(sound)
        if number % 4:
            content[noise.randrange(len(content))] ^= 1 << noise.randrange(8)
        else:
            del content[noise.randrange(len(content)) :]
        path.write_bytes(content)
        try:
            loaded = load(path)
        except ArtifactError as error:
            assert str(path) in str(error)
            refused += 1
            continue
        if loaded is not None:  # the changed bit carries no information
            assert loaded.frame.equals(catalog.frame) and replace(loaded, frame=catalog.frame) == catalog
    assert refused > 150


def test_scan_reads_no_file(tmp_path: Path) -> None:
    write(tmp_path / "rose" / "a.jpg", b"not a picture")
    assert scan(tmp_path) == (["rose/a.jpg"], [])
