"""What the names of folders say."""

from __future__ import annotations

import pytest

from lib.data.catalog import SPLITS
from lib.data.layouts import folder_names


@pytest.mark.parametrize(
    ("split", "names"),
    [
        (
            "train",
            ["train", "Train", "TRAINING", "trn", "train_set", "TrainData", "01_train", "train2017"],
        ),
        ("val", ["val", "Valid", "validation", "validate", "dev", "val_images", "Validation Set"]),
        ("test", ["test", "Testing", "tst", "eval", "evaluation", "test_set", "testset", "test images"]),
    ],
)
def test_usual_names_of_splits(split: str, names: list[str]) -> None:
    assert split in SPLITS
    found = {name: folder_names.split_of(name) for name in names}
    assert found == dict.fromkeys(found, split)


@pytest.mark.parametrize(
    "name", ["", "rose", "trainer", "test tube", "training wheels", "valley", "train_test", "1", "contest", "données"]
)
def test_other_names(name: str) -> None:
    assert folder_names.split_of(name) is None


def test_a_word_that_all_splits_have_says_nothing() -> None:
    assert folder_names.splits_of(["seg_train", "seg_test"]) == {"seg_train": "train", "seg_test": "test"}
    assert folder_names.splits_of(["seg_train", "seg_test", "other"]) == {"seg_train": "train", "seg_test": "test"}
    assert folder_names.splits_of(["rose", "test tube"]) == {}


@pytest.mark.parametrize("names", [["images"], ["part1", "part2"], ["HAM_part_1", "HAM_part_2"], ["train"]])
def test_containers(names: list[str]) -> None:
    assert folder_names.are_containers(names)


@pytest.mark.parametrize(
    "names",
    [["rose"], ["flower_1", "flower_2"], ["1", "2"], ["images", "rose"], ["rose photos", "tulip photos"]],
)
def test_names_of_classes(names: list[str]) -> None:
    assert not folder_names.are_containers(names)
