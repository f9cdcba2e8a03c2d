"""Test photos of classes without a training photo are named, and a share of only such photos is no accuracy."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lib.learn.normalise_record import normalise
from lib.learn.untrained import untrained_classes, untrained_note


class Catalog:
    """The two columns that matter."""

    def __init__(self, rows: list[tuple[str, str]]) -> None:
        self.frame = pd.DataFrame(rows, columns=["label", "split"])


def test_classes_without_a_training_photo() -> None:
    rows = [("a", "train"), ("a", "test"), ("b", "test"), ("b", "val"), ("c", "train"), ("d", "val")]
    catalog: Any = Catalog(rows)
    assert untrained_classes(catalog) == ["b"]


def test_the_sentence_counts_photos() -> None:
    assert untrained_note(0, 9, []) == ""
    assert untrained_note(2, 9, ["b"]).startswith("The class of 2 of 9 test photos has no training photo (b)")
    assert "no test accuracy" in untrained_note(3, 3, ["b", "c"])


def test_a_record_without_accuracy_stays_without() -> None:
    record = {"test_accuracy": None, "test_ci95": None, "untrained": {"classes": ["b"], "photos": 3}}
    run = normalise(record)
    assert (run["test_accuracy"], run["test_ci95"]) == (None, None)
    assert run["untrained"] == {"classes": ["b"], "photos": 3}
    assert normalise({})["untrained"] == {"classes": [], "photos": 0}
