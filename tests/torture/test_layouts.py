"""Layouts mixed with damage and odd names, at random: nothing is lost, and nothing nonsensical is read with confidence.

The generator writes down what each folder means. A folder is read as that, or is refused where the generator made it
ambiguous. Every file is then an image of the catalog, or is named as left out, or is known to be no photo.
"""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lib.data import catalog_file, datasets, scanning
from lib.data.catalog import SPLITS, Catalog, build
from lib.errors import AmbiguousDataError, DataError
from lib.progress import no_stage_progress
from lib.settings import LayoutChoice, Settings
from tests.helpers import data_folders as made
from tests.helpers.image_files import encoded, scene, write
from tests.torture import tally
from tests.torture.tally import Scale

CLASSES = (
    *("daisy", "Rose", "rose", "rose ", "10", "2", "001", "nan", "None", "True", "species_1", "species_2"),
    *("violète", unicodedata.normalize("NFD", "violète"), "花", "🌷 tulip & rose", "=SUM(A1)", "<b>bold<", "a.b", "-x"),
    *("con, fused", "test flower", "training wheels", "valley", "images of roses", "x" * 120, "quo'te\""),
)
WRAPPERS = ("flowers", "archive", "data 2024", "Bilder", "é", "dataset")
SPLIT_NAMES = (
    *(("train", "val", "test"), ("Training", "Validation", "Testing"), ("TRAIN", "TEST"), ("train_set", "dev_set")),
    *(("seg_train", "seg_test"), ("01_train", "02_valid", "03_eval"), ("Train Data", "Test Data")),
)
NOISE = (
    *("@eaDir/x.png", "$RECYCLE.BIN/x.png", "__MACOSX/x/._a.png", ".ipynb_checkpoints/x.png", "Thumbs.db", ".DS_Store"),
    *("System Volume Information/x.png", "lost+found/x.png", "._x.png"),
)


@dataclass
class Truth:
    """What a folder means: label and split by file name; `damaged` file names; whether it must be asked about."""

    labels: dict[str, str] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    ambiguous: bool = False


def damaged(rng: random.Random, content: bytes) -> bytes:
    return rng.choice([b"", content[: len(content) // 2], b"<html>404</html>", b"%PDF-1.4 ", rng.randbytes(60)])


def photos(rng: random.Random, truth: Truth) -> dict[str, tuple[str, bytes]]:
    """Pictures by file name with their label; some are damaged. Every class has one that is not."""
    names = rng.sample(CLASSES, rng.randint(2, 5))
    found = {}
    for place, label in enumerate(names):
        for number in range(rng.randint(3, 5)):
            name = f"{place}_{rng.choice(['photo', 'É', 'a b', 'IMG'])}_{number}.{rng.choice(['png', 'PNG', 'jpg'])}"
            content = encoded(scene(rng.randrange(10**6), 12, 8))
            if number > 1 and rng.random() < 0.2:
                content = damaged(rng, content)
                truth.damaged.add(name)
            else:
                truth.labels[name] = unicodedata.normalize("NFC", label)
            found[name] = (label, content)
    return found


def folder(rng: random.Random, root: Path, kind: str) -> Truth:
    """A data folder below `root` in the layout `kind`, with its truth."""
    truth = Truth()
    pictures = photos(rng, truth)
    inner = root.joinpath(*rng.sample(WRAPPERS, rng.choice([0, 0, 1, 2])))
    inner.mkdir(parents=True, exist_ok=True)
    if kind == "splits":
        splits(rng, inner, pictures, truth)
    elif kind == "table":
        table(rng, root, inner, pictures, truth)
    else:
        made.class_folders(inner, pictures)
        if rng.random() < 0.3:
            (inner / rng.choice(["empty", "runs"])).mkdir()
    for name in rng.sample(NOISE, rng.randint(0, 4)):
        write(rng.choice([root, inner]) / name, encoded(scene(5)))
    if rng.random() < 0.3:
        (root / "README.md").write_text("about these photos")
    return truth


def splits(rng: random.Random, inner: Path, pictures: dict[str, tuple[str, bytes]], truth: Truth) -> None:
    names = rng.choice(SPLIT_NAMES)
    for place, (name, (label, content)) in enumerate(pictures.items()):
        split = names[place % len(names)]
        write(inner / split / label / name, content)
        if name in truth.labels:
            is_train = "train" in split.lower()
            truth.splits[name] = (
                "train" if is_train else "val" if {"v", "d"} & {split.lower().lstrip("012_")[0]} else "test"
            )
    if rng.random() < 0.25:  # something beside the splits: only the user knows
        write(inner / "other" / "photo of something.png", scene(1))
        truth.ambiguous = True


def table(rng: random.Random, root: Path, inner: Path, pictures: dict[str, tuple[str, bytes]], truth: Truth) -> None:
    place = inner / rng.choice([".", "images", "img/all"])
    for name, (_, content) in pictures.items():
        write(place / name, content)
    rows = [(name, label.strip()) for name, (label, _) in pictures.items()]
    truth.labels = {name: label.strip() for name, label in truth.labels.items()}
    for name in rng.sample(sorted(truth.labels), rng.randint(0, 2)):
        if rng.random() < 0.5:  # two labels for one photo
            rows.append((name, "another"))
        else:  # no row
            rows = [row for row in rows if row[0] != name]
        del truth.labels[name]
    rows += [(f"gone_{number}.png", "another") for number in range(rng.randint(0, 2))]
    rng.shuffle(rows)
    form = rng.choice([str, lambda name: f"C:\\photos\\{name}", lambda name: f"/mnt/{name}", lambda name: name.upper()])
    separator = rng.choice([",", ";", "\t"])

    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    lines = [f"image_id{separator}label", *(f"{cell(form(name))}{separator}{cell(label)}" for name, label in rows)]
    encoding = rng.choice(["utf-8", "utf-8-sig", "utf-16"])
    file = rng.choice([root, inner]) / rng.choice(["labels.csv", "annotations.tsv", "my table.txt"])
    file.write_bytes("\n".join(lines).encode(encoding))


def nothing_is_lost(root: Path, catalog: Catalog) -> None:
    """Every file below `root` is in the catalog, named as left out, or no photo at all."""
    known = set(catalog.ids) | {entry["id"] for entry in catalog.skipped}
    for path in root.rglob("*"):
        parts = path.relative_to(root).parts
        above = {"/".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
        noise = any(part.lower() in scanning.NOISE or part.startswith("._") for part in parts)
        if path.is_file() and not noise and not above & known:
            assert path.suffix in {".csv", ".tsv", ".txt", ".md"}, f"{path} is lost"


def check(root: Path, truth: Truth) -> None:
    """Read `root` as a user does, and compare with the truth."""
    if truth.ambiguous:
        with pytest.raises(AmbiguousDataError) as caught:
            build("torture", root, seed=0)
        assert any(reading.value == "splits" for reading in caught.value.readings)
        catalog = build("torture", root, seed=0, choice=LayoutChoice("splits"))
    else:
        catalog = build("torture", root, seed=0)
    found = {path.rpartition("/")[2]: label for path, label in zip(catalog.ids, catalog.labels, strict=True)}
    assert found == truth.labels
    assert not {label.lower() for label in catalog.classes} & {*SPLITS, "training", "validation", "testing", "images"}
    if truth.splits:
        own = dict(zip((path.rpartition("/")[2] for path in catalog.ids), catalog.frame["split"], strict=True))
        given = set(truth.splits.values())
        for name, split in truth.splits.items():
            assert own[name] == split or (split == "train" and own[name] not in given), name
    nothing_is_lost(root, catalog)
    assert catalog_file.changes(catalog) == {"added": 0, "removed": 0, "changed": 0}


@pytest.mark.parametrize("kind", ["classes", "splits", "table", "archive"])
def test_layouts(tmp_path: Path, scale: Scale, kind: str) -> None:
    for number in range(scale.layouts):
        rng = random.Random(f"{kind} {number}")
        root = tmp_path / str(number) / "photos"
        truth = folder(rng, root, kind)
        if kind == "archive":
            file = tmp_path / str(number) / "packed" / "my photos.zip"
            made.zipped(file, root)
            settings = Settings(data=rng.choice([file, file.parent]), artifacts=tmp_path / str(number) / "artifacts")
            root = datasets.obtain(settings, no_stage_progress, lambda notice: None).root
        try:
            check(root, truth)
        except (AssertionError, DataError) as error:
            raise AssertionError(f"{kind} {number} in {root}: {error}") from error
        tally.note("layouts")
