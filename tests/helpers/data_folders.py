"""Data folders in every layout that people have, of small drawn pictures."""

from __future__ import annotations

import csv
import io
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from lib.data import scanning
from tests.helpers.image_files import encoded, scene, write

CLASSES = ("daisy", "rose", "tulip")
Photos = dict[str, tuple[str, bytes]]


def drawn(count: int = 6, classes: Sequence[str] = CLASSES, first: int = 0) -> Photos:
    """`count` pictures of each class by file name, each with its label; all different."""
    return {
        f"{place}_{label[:3]}_{number:03}.png": (label, encoded(scene(first + 1000 * place + number, 24, 16)))
        for place, label in enumerate(classes)
        for number in range(count)
    }


def class_folders(root: Path, photos: Photos) -> Path:
    """root/daisy/dai_000.png"""
    for name, (label, content) in photos.items():
        write(root / label / name, content)
    return root


def split_folders(root: Path, photos: Photos, names: Sequence[str] = ("train", "val", "test")) -> Path:
    """root/train/daisy/dai_000.png, in turns."""
    for place, (name, (label, content)) in enumerate(photos.items()):
        write(root / names[place % len(names)] / label / name, content)
    return root


def flat(root: Path, photos: Photos) -> Path:
    """root/dai_000.png"""
    for name, (_, content) in photos.items():
        write(root / name, content)
    return root


def table(
    file: Path,
    photos: Photos,
    columns: Sequence[str] = ("image_id", "label"),
    *,
    named: Callable[[str], str] = str,
    separator: str = ",",
    encoding: str = "utf-8",
) -> Path:
    """A table with a row for each picture; `named` is how it names the picture."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, delimiter=separator)
    rows.writerow(columns)
    rows.writerows((named(name), label) for name, (label, _) in photos.items())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.getvalue().encode(encoding))
    return file


def zipped(file: Path, folder: Path, prefix: str = "") -> Path:
    """The contents of `folder` as a zip, below `prefix`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, prefix + path.relative_to(folder).as_posix())
    return file


def tarred(file: Path, folder: Path, mode: str = "w:gz") -> Path:
    """The contents of `folder` as a tar file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, mode) as archive:  # type: ignore[call-overload]
        archive.add(folder, folder.name)
    return file


def junk(root: Path, photos: Photos) -> Path:
    """Class folders among what storage boxes, systems and editors leave behind."""
    class_folders(root, photos)
    picture = encoded(scene(99_999))
    for name in (
        "@eaDir/daisy/thumb.png",
        "daisy/@eaDir/thumb.png",
        "$RECYCLE.BIN/old.png",
        ".ipynb_checkpoints/a.png",
        "daisy/.ipynb_checkpoints/a.png",
        "lost+found/a.png",
    ):
        write(root / name, picture)
    for name in ("__MACOSX/daisy/._a.png", "daisy/._b.png", "daisy/.DS_Store", "daisy/Thumbs.db"):
        write(root / name, b"\0\5\x16\7" + bytes(90))
    for name in ("System Volume Information", "empty", "runs", "onlytext"):
        (root / name).mkdir()
    (root / "onlytext" / "note.txt").write_text("x")
    return root


def nfd(name: str) -> str:
    """`name` as macOS writes it: accents apart."""
    return unicodedata.normalize("NFD", name)


def scan(root: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Ids of the files in the sub-folders of `root`, sorted, and the skipped files with reasons."""
    found = scanning.listing(root)
    return [name for name in found.files if "/" in name], found.skipped
