"""How a data folder is read: every layout that people have, and what must be asked instead of guessed."""

from __future__ import annotations

import csv
import json
import unicodedata
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lib.data import catalog_file, data_notes
from lib.data.catalog import Catalog, build, split_of
from lib.data.layouts import label_table, layout
from lib.errors import AmbiguousDataError, DataError
from lib.settings import LayoutChoice
from tests.helpers import data_folders as made
from tests.helpers.data_folders import CLASSES, Photos, drawn
from tests.helpers.image_files import encoded, scene, write


def read(root: Path, **choice: Any) -> Catalog:
    return build("photos", root, seed=0, choice=LayoutChoice(**choice))


def refusal(root: Path, **choice: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        read(root, **choice)
    assert "\n" not in str(caught.value)
    return caught.value


def labels(catalog: Catalog) -> dict[str, str]:
    """Labels by file name."""
    return {image_id.rpartition("/")[2]: label for image_id, label in zip(catalog.ids, catalog.labels, strict=True)}


def expected(photos: Photos) -> dict[str, str]:
    return {name: label for name, (label, _) in photos.items()}


def said(catalog: Catalog) -> str:
    return "\n".join(data_notes.sentences(catalog))


# --- class folders and split folders ---------------------------------------------------------------------------------


def test_four_layouts_of_the_same_photos_are_the_same_data(tmp_path: Path) -> None:
    from lib.data import datasets
    from lib.progress import no_message, no_stage_progress
    from lib.settings import Settings

    photos = drawn(20)
    made.class_folders(tmp_path / "classes", photos)
    made.split_folders(tmp_path / "splits", photos)
    made.flat(tmp_path / "table", photos)
    made.table(tmp_path / "table" / "labels.csv", photos)
    made.zipped(tmp_path / "packed" / "flowers.zip", tmp_path / "classes", "flowers/")
    settings = Settings(data=tmp_path / "packed" / "flowers.zip", artifacts=tmp_path / "artifacts")
    unpacked = datasets.obtain(settings, no_stage_progress, no_message).root
    catalogs = [read(tmp_path / name) for name in ("classes", "splits", "table")] + [read(unpacked)]
    assert {catalog.fingerprint for catalog in catalogs} == {catalogs[0].fingerprint}
    assert [catalog.layout["kind"] for catalog in catalogs] == ["classes", "splits", "table", "classes"]
    assert all(labels(catalog) == expected(photos) for catalog in catalogs)


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("training", "validation", "testing"),
        ("Train", "VALID", "Test_Set"),
        ("trn", "dev", "tst"),
        ("train_images", "val_images", "eval"),
        ("seg_train", "seg_val", "seg_test"),
        ("01_train", "02_valid", "03_test"),
    ],
)
def test_split_folders_are_no_classes_and_their_split_is_kept(tmp_path: Path, names: tuple[str, ...]) -> None:
    photos = drawn(6)
    catalog = read(made.split_folders(tmp_path, photos, names))
    assert labels(catalog) == expected(photos)
    assert catalog.layout["kind"] == "splits"
    split_by_folder = dict(zip(names, ("train", "val", "test"), strict=True))
    folders = [image_id.partition("/")[0] for image_id in catalog.ids]
    assert list(catalog.frame["split"]) == [split_by_folder[folder] for folder in folders]
    assert all(name in said(catalog) for name in names)
    assert list(catalog.reseeded(5).frame["split"]) == list(catalog.frame["split"])


def test_without_validation_it_is_drawn_out_of_training(tmp_path: Path) -> None:
    catalog = read(made.split_folders(tmp_path, drawn(60), ("Train", "Test")))
    for image_id, sha256, split in zip(catalog.ids, catalog.hashes, catalog.frame["split"], strict=True):
        own = image_id.partition("/")[0].lower()
        assert split == ("val" if own == "train" and split_of(sha256, 0) == "val" else own)
    assert catalog.splits["val"] > 0
    again = catalog.reseeded(1)
    assert (again.frame["split"] == "test").equals(catalog.frame["split"] == "test")
    assert list(again.frame["split"]) != list(catalog.frame["split"])
    assert list(again.reseeded(0).frame["split"]) == list(catalog.frame["split"])
    assert "val is drawn out of train" in said(catalog)


def test_a_split_can_be_drawn_anew(tmp_path: Path) -> None:
    catalog = read(made.split_folders(tmp_path, drawn(20)), split_anew=True)
    assert list(catalog.frame["split"]) == [split_of(sha256, 0) for sha256 in catalog.hashes]
    assert sorted(catalog.classes) == list(CLASSES)
    assert catalog.given_splits == []


def test_an_empty_validation_folder_is_said(tmp_path: Path) -> None:
    made.split_folders(tmp_path, drawn(20), ("train", "test"))
    (tmp_path / "val").mkdir()
    catalog = read(tmp_path)
    assert catalog.given_splits == ["test", "train"]
    assert "val/" in said(catalog)


def test_unlabelled_test_photos_are_left_out_and_said(tmp_path: Path) -> None:
    made.class_folders(tmp_path / "train", drawn(9))
    made.flat(tmp_path / "test", drawn(4, first=500))
    catalog = read(tmp_path)
    assert dict(catalog.classes) == dict.fromkeys(CLASSES, 9)
    assert "test/ holds 12 photos but no class folders" in said(catalog)
    assert [entry["id"] for entry in catalog.skipped] == ["test"]


def test_one_photo_in_training_and_test_is_said(tmp_path: Path) -> None:
    photos = drawn(9)
    made.split_folders(tmp_path, photos)
    name, (label, content) = next(iter(photos.items()))
    write(tmp_path / "test" / label / f"again {name}", content)
    assert "1 picture lies in several splits" in said(read(tmp_path))


@pytest.mark.parametrize("depth", [1, 3])
def test_wrappers_are_looked_through(tmp_path: Path, depth: int) -> None:
    photos = drawn()
    inner = tmp_path.joinpath(*["archive", "data 2024", "flowers"][-depth:])
    made.class_folders(inner, photos)
    (tmp_path / "README.md").write_text("# Flowers")
    catalog = read(tmp_path)
    assert labels(catalog) == expected(photos)
    assert all(image_id.startswith(inner.relative_to(tmp_path).as_posix()) for image_id in catalog.ids)
    assert len(catalog.layout["wrappers"]) == depth
    assert "flowers/" in said(catalog)


def test_wrappers_inside_and_around_split_folders(tmp_path: Path) -> None:
    photos = drawn(6)
    for place, (name, (label, content)) in enumerate(photos.items()):
        split = ("seg_train", "seg_test")[place % 2]
        write(tmp_path / "archive" / split / split / label / name, content)
    catalog = read(tmp_path)
    assert labels(catalog) == expected(photos)
    assert set(catalog.given_splits) == {"train", "test"}


def test_a_tree_doubled_one_level_deeper_is_read_once(tmp_path: Path) -> None:
    photos = drawn()
    made.class_folders(tmp_path, photos)
    made.class_folders(tmp_path / "flowers", photos)
    catalog = read(tmp_path)
    assert labels(catalog) == expected(photos)
    assert len(catalog.frame) == len(photos)
    assert str(tmp_path / "flowers") in said(catalog)
    assert [entry["id"] for entry in catalog.skipped] == ["flowers"]


def test_a_tree_repeated_with_other_photos_is_asked_about(tmp_path: Path) -> None:
    made.class_folders(tmp_path, drawn())
    made.class_folders(tmp_path / "more", drawn(first=100))
    error = refusal(tmp_path)
    assert isinstance(error, AmbiguousDataError)
    assert f"--data {tmp_path / 'more'}" in str(error)
    assert len(read(tmp_path, kind="classes").classes) == 4


def test_batches_of_class_folders_are_asked_about(tmp_path: Path) -> None:
    for batch in ("monday", "tuesday"):
        made.class_folders(tmp_path / batch, drawn(first=len(batch) * 100))
    assert "--layout classes" in str(refusal(tmp_path))


def test_split_folders_without_class_folders_are_never_classes(tmp_path: Path) -> None:
    for split in ("train", "test"):
        made.flat(tmp_path / split, drawn(first=len(split) * 100))
    error = refusal(tmp_path)
    assert "train/" in str(error) and "test/" in str(error) and "--layout classes" in str(error)
    assert sorted(read(tmp_path, kind="classes").classes) == ["test", "train"]


@pytest.mark.parametrize("name", ["test", "Training"])
def test_a_split_among_class_folders_is_asked_about(tmp_path: Path, name: str) -> None:
    made.class_folders(tmp_path, drawn())
    made.flat(tmp_path / name, drawn(first=100))
    assert f"{name}/" in str(refusal(tmp_path))
    assert name in read(tmp_path, kind="classes").classes


def test_splits_beside_other_folders_are_asked_about(tmp_path: Path) -> None:
    made.split_folders(tmp_path, drawn(9))
    made.flat(tmp_path / "extra", drawn(first=100))
    error = refusal(tmp_path)
    assert "extra/" in str(error) and "--layout splits" in str(error) and "--layout classes" in str(error)
    catalog = read(tmp_path, kind="splits")
    assert sorted(catalog.classes) == list(CLASSES)
    assert len(catalog.frame) == 27


def test_splits_with_a_word_in_common_beside_another_folder(tmp_path: Path) -> None:
    made.split_folders(tmp_path, drawn(6), ("seg_train", "seg_test"))
    write(tmp_path / "other" / "a.png", scene(3))
    assert "--layout splits" in str(refusal(tmp_path))


def test_generic_folders_are_no_classes(tmp_path: Path) -> None:
    for part in ("images_part_1", "images_part_2"):
        made.flat(tmp_path / part, drawn(first=int(part[-1]) * 100))
    assert "images_part_1/" in str(refusal(tmp_path))
    assert len(read(tmp_path, kind="classes").classes) == 2


def test_a_folder_of_images_among_class_folders_is_asked_about(tmp_path: Path) -> None:
    made.class_folders(tmp_path, drawn())
    made.flat(tmp_path / "images", drawn(first=900))
    assert "images/" in str(refusal(tmp_path))


def test_a_table_in_each_split_folder(tmp_path: Path) -> None:
    photos = drawn(6)
    for place, split in enumerate(("train", "valid")):
        part = dict(list(photos.items())[place::2])
        made.flat(tmp_path / split, part)
        made.table(tmp_path / split / "metadata.csv", part, ("file_name", "label"))
    catalog = read(tmp_path)
    assert labels(catalog) == expected(photos)
    assert catalog.given_splits == ["train", "val"]
    assert "train/metadata.csv and valid/metadata.csv" in said(catalog)


def test_numbered_classes_are_classes(tmp_path: Path) -> None:
    catalog = read(made.class_folders(tmp_path, drawn(2, ("flower_1", "flower_2", "flower_10"))))
    assert list(catalog.classes) == ["flower_1", "flower_2", "flower_10"]


def test_a_class_folder_beside_sub_folders_is_asked_about(tmp_path: Path) -> None:
    made.class_folders(tmp_path / "flowers", drawn())
    write(tmp_path / "flowers" / "cover.png", scene(5))
    assert f"--data {tmp_path / 'flowers'}" in str(refusal(tmp_path))


def test_folders_below_class_folders_belong_to_the_class(tmp_path: Path) -> None:
    for label in ("rose", "tulip"):
        for place in ("garden", "field"):
            write(tmp_path / label / place / "deep" / f"{place}.png", scene(len(label + place)))
        write(tmp_path / label / "a.png", scene(len(label)))
    assert read(tmp_path).classes == {"rose": 3, "tulip": 3}


def test_class_folders_of_nothing_but_folders_are_pointed_out(tmp_path: Path) -> None:
    for place, folder in enumerate(("flowers/rose", "flowers/tulip", "trees/oak")):
        write(tmp_path / folder / "a.png", scene(place))
    catalog = read(tmp_path)
    assert catalog.classes == {"flowers": 2, "trees": 1}
    assert "hold only folders, 3 in all" in said(catalog)


def test_photos_alone_are_read_without_labels_and_that_is_said(tmp_path: Path) -> None:
    photos = drawn(40)
    catalog = read(made.flat(tmp_path / "holiday", photos))
    assert catalog.layout["kind"] == "unlabelled"
    assert catalog.ids == sorted(photos) and set(catalog.labels) == {""}
    assert catalog.classes == {} and catalog.summary()["classes"] == {}
    assert sum(catalog.splits.values()) == len(photos) and min(catalog.splits.values()) > 0
    assert "No labels" in said(catalog) and "no class" in said(catalog)
    assert "{" not in said(catalog)


def test_a_note_and_an_empty_table_beside_photos_ask_nothing(tmp_path: Path) -> None:
    photos = drawn()
    made.flat(tmp_path, photos)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "sample.csv").write_text("id,label\n" + "".join(f"{name},\n" for name in photos))
    catalog = read(tmp_path)
    assert catalog.layout["kind"] == "unlabelled" and len(catalog.ids) == len(photos)
    assert not catalog.skipped
    assert "sample.csv names no photo of this folder with a label" in said(catalog)


def test_folders_are_no_classes_where_the_user_says_so(tmp_path: Path) -> None:
    made.class_folders(tmp_path, drawn(4))
    catalog = read(tmp_path, kind="unlabelled")
    assert catalog.classes == {} and len(catalog.ids) == 12
    assert "as chosen: 3 folders" in said(catalog)


def test_splits_of_unlabelled_photos_are_kept(tmp_path: Path) -> None:
    for place, split in enumerate(("train", "test")):
        made.flat(tmp_path / split, drawn(6, first=100 * place))
    assert "--layout unlabelled" in str(refusal(tmp_path))
    catalog = read(tmp_path, kind="unlabelled")
    assert [image_id.partition("/")[0] == "test" for image_id in catalog.ids] == list(catalog.frame["split"] == "test")


def test_names_that_break_other_programs_are_read_and_labelled(tmp_path: Path) -> None:
    names = ["=cmd|calc!A1.png", 'a, "b".png', "<script>x.png", "*b* $x$.png", "Ünï ✿.png", "back\\slash.png", " a.png"]
    for place, name in enumerate(names):
        write(tmp_path / "photos" / name, scene(place))
    assert read(tmp_path / "photos").ids == sorted(names)
    with (tmp_path / "filled.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "label"], *([name, "ab"[place % 2]] for place, name in enumerate(names))])
    catalog = read(tmp_path / "photos", labels=str(tmp_path / "filled.csv"))
    assert catalog.ids == sorted(names) and list(catalog.classes) == ["a", "b"]


def test_an_empty_folder_and_one_of_unreadable_photos(tmp_path: Path) -> None:
    assert "has no readable image; name a folder of photos" in str(refusal(tmp_path))
    write(tmp_path / "IMG_0001.HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64)
    sentence = str(refusal(tmp_path))
    assert "1 file, none readable" in sentence and "HEIC" in sentence and "class folder" not in sentence


def test_one_class_alone_is_a_class(tmp_path: Path) -> None:
    assert read(made.class_folders(tmp_path, drawn(5, ("rose",)))).classes == {"rose": 5}


def test_many_classes(tmp_path: Path) -> None:
    names = [f"species_{number:03}" for number in range(120)]
    assert list(read(made.class_folders(tmp_path, drawn(1, names))).classes) == names


def test_a_forced_layout_that_does_not_fit(tmp_path: Path) -> None:
    made.class_folders(tmp_path, drawn())
    assert "training, validation and test" in str(refusal(tmp_path, kind="splits"))
    assert "no table" in str(refusal(tmp_path, kind="table"))


# --- noise, emptiness, names -----------------------------------------------------------------------------------------


def test_noise_is_no_class_and_empty_class_folders_are_named(tmp_path: Path) -> None:
    photos = drawn()
    catalog = read(made.junk(tmp_path, photos))
    assert labels(catalog) == expected(photos)
    assert catalog.empty_classes == ["empty", "onlytext", "runs"]
    assert "No readable image in 3 class folders: empty, onlytext and runs." in said(catalog)
    assert [entry["id"] for entry in catalog.skipped] == ["onlytext/note.txt"]


def test_a_class_of_unreadable_files_is_named_and_one_under_a_limit_is_not(tmp_path: Path) -> None:
    made.class_folders(tmp_path, drawn(8))
    write(tmp_path / "violet" / "a.png", b"not a picture")
    assert read(tmp_path).empty_classes == ["violet"]
    limited = build("photos", tmp_path, seed=0, limit=2)
    assert "daisy" not in limited.empty_classes and "tulip" not in limited.empty_classes


def test_files_that_are_all_unreadable_are_counted_by_kind(tmp_path: Path) -> None:
    for label in ("daisy", "rose"):
        for number in range(6):
            write(tmp_path / label / f"{number}.pdf.jpg", b"%PDF-1.4\n" + bytes([number]) * 50)
    write(tmp_path / "rose" / "cut.png", encoded(scene())[:60])
    sentence = str(refusal(tmp_path))
    assert "13 files in 2 class folders, none readable: 12 are PDF files (first: daisy/" in sentence
    assert "1 is damaged (rose/cut.png)" in sentence


def test_two_unicode_spellings_are_one_class(tmp_path: Path) -> None:
    composed, apart = "violète", made.nfd("violète")
    photos = drawn(4, (composed, apart, "rose"))
    made.class_folders(tmp_path, {f"{place}{name}": entry for place, (name, entry) in enumerate(photos.items())})
    catalog = read(tmp_path)
    assert catalog.classes == {"rose": 4, composed: 8}
    assert "one class" in said(catalog)
    assert catalog.label_named(apart) == composed
    for image_id in catalog.ids:
        other = unicodedata.normalize("NFD" if image_id == unicodedata.normalize("NFC", image_id) else "NFC", image_id)
        assert catalog.row(image_id) is not None
        assert catalog.row(other) is not None


def test_names_that_look_alike_are_pointed_out_and_not_merged(tmp_path: Path) -> None:
    names = ("Rose", "rose", "rose ", "tulip")
    photos = {f"{label}{place}.png": (label, encoded(scene(place))) for place, label in enumerate(names)}
    made.class_folders(tmp_path, photos)
    catalog = read(tmp_path)
    assert len(catalog.classes) == 4
    assert catalog.look_alikes == [["Rose", "rose", "rose "]]
    assert "“Rose”, “rose” and “rose ” look alike" in said(catalog)


def test_classes_in_natural_order(tmp_path: Path) -> None:
    names = ("1", "2", "10", "001", "nan", "None", "True")
    catalog = read(made.class_folders(tmp_path, {f"{n}.png": (n, encoded(scene(i))) for i, n in enumerate(names)}))
    assert list(catalog.classes) == ["001", "1", "2", "10", "None", "True", "nan"]


# --- tables ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [".", "images", "all/images"])
@pytest.mark.parametrize("file", ["labels.csv", "train.tsv", "meta data.csv"])
def test_a_table_beside_the_photos(tmp_path: Path, place: str, file: str) -> None:
    photos = drawn()
    made.flat(tmp_path / place, photos)
    made.table(tmp_path / file, photos, separator="\t" if file.endswith("tsv") else ",")
    catalog = read(tmp_path)
    assert labels(catalog) == expected(photos)
    assert file in said(catalog) and catalog.layout["labels"] == str(tmp_path / file)
    assert catalog.skipped == []


@pytest.mark.parametrize(
    "named",
    [
        lambda name: name.removesuffix(".png"),
        lambda name: f"/home/ada/photos/images/{name}",
        lambda name: f"C:\\Users\\Ada\\images\\{name}",
        lambda name: f"./images/{name}",
        lambda name: name.upper(),
        lambda name: name.replace(".png", ".jpg"),
        lambda name: f"  {name} ",
    ],
)
def test_names_in_a_table(tmp_path: Path, named: Any) -> None:
    photos = drawn()
    made.flat(tmp_path / "images", photos)
    made.table(tmp_path / "labels.csv", photos, named=named)
    assert labels(read(tmp_path)) == expected(photos)


def test_a_zero_byte_does_not_make_a_table_another_encoding() -> None:
    text = "id,action,label\nrose/0.jpg,keep,\n"
    assert label_table.decoded(text.replace("keep", "ke\0ep").encode()).replace("\0", "") == text
    for encoding in ("utf-16-le", "utf-16-be"):
        assert label_table.decoded(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_and_encodings(tmp_path: Path, encoding: str, separator: str) -> None:
    photos = drawn(4, ("marguerite d'été", "Stiefmütterchen", "rose, wild"))
    made.flat(tmp_path, photos)
    made.table(tmp_path / "labels.csv", photos, ("Datei", "label"), separator=separator, encoding=encoding)
    assert labels(read(tmp_path)) == expected(photos)


def test_parquet_and_json_lines(tmp_path: Path) -> None:
    photos = drawn()
    rows = [
        {"file_name": name, "label": float(CLASSES.index(label)), "width": 24} for name, (label, _) in photos.items()
    ]
    numbers = {name: str(CLASSES.index(label)) for name, (label, _) in photos.items()}
    for kind in ("parquet", "jsonl"):
        made.flat(tmp_path / kind, photos)
    pd.DataFrame(rows).to_parquet(tmp_path / "parquet" / "labels.parquet")
    (tmp_path / "jsonl" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert labels(read(tmp_path / "parquet")) == labels(read(tmp_path / "jsonl")) == numbers


def test_a_table_without_a_header_and_a_text_of_names_and_numbers(tmp_path: Path) -> None:
    photos = drawn()
    for kind in ("csv", "txt"):
        made.flat(tmp_path / kind / "my images", photos)
    (tmp_path / "csv" / "list.csv").write_text("\n".join(f"{name},{label}" for name, (label, _) in photos.items()))
    lines = [f"my images/{name} {CLASSES.index(label)}" for name, (label, _) in photos.items()]
    (tmp_path / "txt" / "labels.txt").write_text("\n".join(lines))
    assert labels(read(tmp_path / "csv")) == expected(photos)
    assert labels(read(tmp_path / "txt")) == {name: str(CLASSES.index(label)) for name, (label, _) in photos.items()}


def test_a_split_column_is_kept_and_a_column_of_folds_is_not(tmp_path: Path) -> None:
    photos = drawn(6)
    splits = ("Train", "valid", "test")
    for name, cells in (("own", splits), ("folds", ("0", "1", "2"))):
        made.flat(tmp_path / name, photos)
        rows = [f"{each},{label},{cells[place % 3]}" for place, (each, (label, _)) in enumerate(photos.items())]
        (tmp_path / name / "labels.csv").write_text("\n".join(["image,label,split", *rows]))
    catalog = read(tmp_path / "own")
    assert catalog.splits == {"train": 6, "val": 6, "test": 6}
    assert read(tmp_path / "folds").given_splits == []
    assert "not train, val or test" in str(refusal(tmp_path / "folds", split_column="split"))


@pytest.mark.parametrize("file", ["labels.csv", "several.csv"])
def test_a_photo_without_a_split_in_the_table_keeps_its_label(tmp_path: Path, file: str) -> None:
    photos = drawn()
    made.flat(tmp_path, photos)
    splits = {name: "" if place == 3 else ("train", "test")[place % 2] for place, name in enumerate(photos)}
    rows = [f"{name},{label},{splits[name]}" for name, (label, _) in photos.items()]
    (tmp_path / file).write_text("\n".join(["image,label,split", *rows]))
    assert labels(read(tmp_path)) == expected(photos)


def test_tables_of_splits_together(tmp_path: Path) -> None:
    photos = drawn(8)
    made.flat(tmp_path / "images", photos)
    for place, split in enumerate(("train", "val", "test")):
        part = dict(list(photos.items())[place::3])
        made.table(tmp_path / f"{split}.csv", part, ("filename", "class"))
    catalog = read(tmp_path)
    assert labels(catalog) == expected(photos)
    assert catalog.splits == {"train": 8, "val": 8, "test": 8}


def test_a_made_up_submission_labels_nothing(tmp_path: Path) -> None:
    photos, test = drawn(6), {f"t{name}": entry for name, entry in drawn(2, first=700).items()}
    made.flat(tmp_path / "train_images", photos)
    made.flat(tmp_path / "test_images", test)
    made.table(tmp_path / "train.csv", photos)
    made.table(tmp_path / "sample_submission.csv", dict.fromkeys(test, ("rose", b"")))
    catalog = read(tmp_path)
    assert labels(catalog) == expected(photos)
    assert "6 photos without a row" in said(catalog)


def test_rows_that_are_missing_doubled_or_contradict(tmp_path: Path) -> None:
    photos = drawn(8)
    made.flat(tmp_path, photos)
    names = list(photos)
    rows = {name: [label] for name, (label, _) in photos.items()}
    del rows[names[0]]
    rows[names[1]] *= 2
    rows[names[2]] = ["rose", "tulip"]
    rows[names[3]] = [""]
    rows |= {"gone.png": ["rose"], "gone too.png": ["tulip"]}
    (tmp_path / "labels.csv").write_text(
        "image,label\n" + "\n".join(f"{name},{label}" for name, given in rows.items() for label in given)
    )
    catalog = read(tmp_path)
    left_out = {names[0], names[2], names[3]}
    assert labels(catalog) == {name: label for name, label in expected(photos).items() if name not in left_out}
    reasons = {entry["id"]: entry["reason"] for entry in catalog.skipped}
    assert set(reasons) == left_out
    assert "no row" in reasons[names[0]] and "several labels" in reasons[names[2]] and "no label" in reasons[names[3]]
    assert "2 rows of labels.csv for photos that are not here (first: gone.png)" in said(catalog)


def test_a_table_of_other_photos_is_said(tmp_path: Path) -> None:
    made.flat(tmp_path, drawn())
    (tmp_path / "labels.csv").write_text("image,label\nx.png,rose\ny.png,tulip\n")
    assert "labels.csv names no photo" in str(refusal(tmp_path))
    assert "labels.csv" in str(refusal(tmp_path, labels="labels.csv"))


def test_several_columns_of_labels_are_asked_about(tmp_path: Path) -> None:
    photos = drawn(4, ("daisy", "rose", "tulip", "oak"))
    made.flat(tmp_path, photos)
    rows = [f"{name},{label},{'tree' if label == 'oak' else 'flower'}" for name, (label, _) in photos.items()]
    (tmp_path / "labels.csv").write_text("\n".join(["file,species,category", *rows]))
    error = refusal(tmp_path)
    assert "--label-column species" in str(error) and "--label-column category" in str(error)
    assert labels(read(tmp_path, label_column="Species")) == expected(photos)
    assert sorted(read(tmp_path, label_column="category").classes) == ["flower", "tree"]
    assert "no column colour" in str(refusal(tmp_path, label_column="colour"))


def test_a_number_beside_the_name_of_the_class_is_the_same_label(tmp_path: Path) -> None:
    photos = drawn()
    made.flat(tmp_path, photos)
    rows = [f"{name},{CLASSES.index(label)},{label}" for name, (label, _) in photos.items()]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label,class_name", *rows]))
    assert labels(read(tmp_path)) == expected(photos)


def test_one_column_per_class(tmp_path: Path) -> None:
    photos = drawn()
    made.flat(tmp_path, photos)
    rows = [",".join([name, *(str(int(label == each)) for each in CLASSES)]) for name, (label, _) in photos.items()]
    (tmp_path / "train.csv").write_text("\n".join(["image_id," + ",".join(CLASSES), *rows]))
    assert labels(read(tmp_path)) == expected(photos)


def test_two_tables_that_contradict_are_asked_about(tmp_path: Path) -> None:
    photos = drawn()
    made.flat(tmp_path, photos)
    made.table(tmp_path / "a.csv", photos)
    made.table(
        tmp_path / "b.csv", {name: ("x" if label == "rose" else "y", b"") for name, (label, _) in photos.items()}
    )
    error = refusal(tmp_path)
    assert "--labels a.csv" in str(error) and "--labels b.csv" in str(error)
    assert labels(read(tmp_path, labels="a.csv")) == expected(photos)
    assert sorted(read(tmp_path, labels=str(tmp_path / "b.csv")).classes) == ["x", "y"]


def test_class_folders_win_over_a_table_that_agrees_and_others_are_asked_about(tmp_path: Path) -> None:
    photos = drawn()
    for kind in ("same", "other"):
        made.class_folders(tmp_path / kind, photos)
    made.table(tmp_path / "same" / "labels.csv", photos)
    made.table(tmp_path / "other" / "labels.csv", {name: (f"grade {name[-5]}", b"") for name in photos})
    assert read(tmp_path / "same").layout["kind"] == "classes"
    assert read(tmp_path / "same").layout["others"][0]["value"] == "table"
    error = refusal(tmp_path / "other")
    assert "--layout classes" in str(error) and "--layout table" in str(error)
    assert sorted(read(tmp_path / "other", kind="table").classes) == [f"grade {digit}" for digit in range(6)]


def test_a_table_without_labels_beside_class_folders_changes_nothing(tmp_path: Path) -> None:
    photos = drawn()
    made.class_folders(tmp_path, photos)
    rows = [f"{name},{place},{place % 2}" for place, name in enumerate(photos)]
    (tmp_path / "metadata.csv").write_text("\n".join(["image,size,camera", *rows]))
    (tmp_path / "factors.csv").write_text("id,label\n" + "\n".join(f"rose/{name},x" for name in photos))
    assert labels(read(tmp_path)) == expected(photos)


def test_photos_of_one_name_in_two_folders_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    for place, part in enumerate(("images1", "images2")):
        for number in range(4):
            write(tmp_path / part / f"{number}.png", scene(10 * place + number))
    rows = [f"{part}/{number}.png,{part[-1]}{number % 2}" for part in ("images1", "images2") for number in range(4)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *rows]))
    catalog = read(tmp_path)
    assert [catalog.labels[catalog.row(f"images{n}/3.png") or 0] for n in (1, 2)] == ["11", "21"]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *(row.partition("/")[2] for row in rows)]))
    assert "tell apart" in str(refusal(tmp_path)) or "names no photo" in str(refusal(tmp_path))


def test_flowers_102(tmp_path: Path) -> None:
    import numpy as np
    from scipy.io import savemat

    for number in range(1, 13):
        write(tmp_path / "jpg" / f"image_{number:05}.png", scene(number))
    savemat(tmp_path / "imagelabels.mat", {"labels": np.array([[number % 3 + 1 for number in range(1, 13)]])})
    savemat(
        tmp_path / "setid.mat", {"trnid": np.arange(1, 7)[None], "valid": np.array([[7, 8]]), "tstid": np.arange(9, 13)}
    )
    catalog = read(tmp_path)
    assert catalog.labels == [str(number % 3 + 1) for number in range(1, 13)]
    assert catalog.splits == {"train": 6, "val": 2, "test": 4}


def test_a_list_of_labels_in_the_order_of_the_photos(tmp_path: Path) -> None:
    for number in range(1, 13):
        write(tmp_path / "jpg" / f"{number}.png", scene(number))
    (tmp_path / "labels.txt").write_text("\n".join(f"kind {number % 2}" for number in range(1, 13)))
    catalog = read(tmp_path)
    assert labels(catalog) == {f"{number}.png": f"kind {number % 2}" for number in range(1, 13)}


def test_a_list_with_several_words_a_line(tmp_path: Path) -> None:
    photos = drawn()
    made.flat(tmp_path / "images", photos)
    numbers = {name.removesuffix(".png"): CLASSES.index(label) for name, (label, _) in photos.items()}
    rows = [f"{stem} {number} {number % 2}" for stem, number in numbers.items()]
    write(tmp_path / "annotations" / "list.txt", "\n".join(rows).encode())
    assert "--label-column 2" in str(refusal(tmp_path))
    assert len(read(tmp_path, label_column="2").classes) == 3


def test_odd_labels(tmp_path: Path) -> None:
    made.flat(tmp_path, drawn(2))
    given = ["rose", "r\0ose", "\ud800", "x" * 500, " rose ", "rose\nred"]
    lines = [json.dumps({"image": name, "label": label}) for name, label in zip(drawn(2), given, strict=True)]
    (tmp_path / "labels.jsonl").write_text("\n".join(lines))
    catalog = read(tmp_path)
    assert catalog.labels == ["rose", "r\0ose", "?", "rose", "rose\nred"]
    assert "more than 200 characters" in catalog.skipped[0]["reason"]
    catalog_file.save(catalog, tmp_path / "catalog.parquet")


def test_a_table_beside_an_archive_says_what_was_found(tmp_path: Path) -> None:
    made.zipped(tmp_path / "images.zip", made.flat(tmp_path.with_name("elsewhere"), drawn()))
    made.table(tmp_path / "labels.csv", drawn())
    assert "1 archive: images.zip; unpack" in str(refusal(tmp_path))


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 50, b"a,b\n1\n", b"{", b"PAR1 nonsense", b"image,label\n\xff\xfe,\x81\n"]
)
@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl", "txt"])
def test_a_damaged_table_is_no_table(tmp_path: Path, content: bytes, suffix: str) -> None:
    made.flat(tmp_path, drawn())
    (tmp_path / f"labels.{suffix}").write_bytes(content)
    assert f"labels.{suffix}" in str(refusal(tmp_path))
    made.class_folders(tmp_path / "classes", drawn())
    (tmp_path / "classes" / f"labels.{suffix}").write_bytes(content)
    assert sorted(read(tmp_path / "classes").classes) == list(CLASSES)


# --- what is kept ----------------------------------------------------------------------------------------------------


def test_a_catalog_keeps_how_the_folder_was_read(tmp_path: Path) -> None:
    photos = drawn(9)
    made.flat(tmp_path / "data", photos)
    made.table(tmp_path / "data" / "labels.csv", photos)
    catalog = read(tmp_path / "data", kind="table", label_column="label")
    catalog_file.save(catalog, tmp_path / "catalog.parquet")
    loaded = catalog_file.load(tmp_path / "catalog.parquet")
    assert loaded is not None
    assert loaded.summary() == catalog.summary() and loaded.key == catalog.key
    assert catalog_file.choice_of(loaded) == LayoutChoice("table", label_column="label")
    assert catalog_file.changes(loaded) == {"added": 0, "removed": 0, "changed": 0}
    text = (tmp_path / "data" / "labels.csv").read_text()
    (tmp_path / "data" / "labels.csv").write_text(text.replace("0_dai_000.png,daisy", "0_dai_000.png,rose"))
    assert catalog_file.changes(loaded)["relabelled"] == 1
    again = build("photos", tmp_path / "data", seed=0, previous=loaded)
    assert labels(again)["0_dai_000.png"] == "rose"


def test_a_split_that_moves_is_a_change(tmp_path: Path) -> None:
    made.split_folders(tmp_path / "data", drawn(6), ("train", "test"))
    catalog = read(tmp_path / "data")
    assert catalog_file.changes(catalog) == {"added": 0, "removed": 0, "changed": 0}
    assert catalog.split_key and not read(tmp_path / "data", split_anew=True).split_key
    assert catalog_file.changes(read(tmp_path / "data", split_anew=True)) == {"added": 0, "removed": 0, "changed": 0}


def test_a_choice_completes_an_earlier_one_until_a_kind_is_named() -> None:
    earlier = LayoutChoice("table", labels="a.csv")
    assert LayoutChoice().after(earlier) == earlier
    assert LayoutChoice(split_anew=True).after(earlier) == LayoutChoice("table", labels="a.csv", split_anew=True)
    assert LayoutChoice("auto").after(earlier) == LayoutChoice("auto")
    assert LayoutChoice("auto").named() == {}


def test_the_result_says_all_of_it(tmp_path: Path) -> None:
    made.split_folders(tmp_path / "wrapped", drawn())
    found = layout.read(tmp_path)
    assert (found.kind, found.root, found.wrappers) == ("splits", "wrapped", ("wrapped",))
    assert set(found.labels.values()) == set(CLASSES)
    assert set(found.splits.values()) == {"train", "val", "test"}
    assert found.others[0].value == "classes" and found.labels_file is None
