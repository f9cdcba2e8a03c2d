"""Suspects of prepared photos: every photo once, reasons that hold, and a file that is read back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lib.data import audit_file
from lib.errors import QueryError
from lib.measure import suspects
from lib.prepare.workspace import Workspace


@pytest.mark.parametrize("space", ["resnet18", "pixels"])
def test_every_photo_is_ranked_once_with_reasons_that_hold(opened: Workspace, space: str) -> None:
    photos = opened.catalog()
    found = suspects.measure(opened, space, photos)
    near = opened.neighbourhoods(space)
    rows = suspects.rows(found, photos, near, audit_file.find(opened.folder, photos))
    assert sorted(row["id"] for row in rows) == photos.ids
    scores = [row["score"] for row in rows]
    assert all(score is not None for score in scores)
    assert scores == sorted(scores, reverse=True)
    labels = dict(zip(photos.ids, photos.labels, strict=True))
    for row in rows:
        assert row["label"] == labels[row["id"]]
        place = photos.row(row["id"])
        nearest = [photos.labels[other] for other in near.rows["cosine"][place][:10]]
        for reason in row["reasons"]:
            if "nearest are" in reason:
                number, _, words = reason.partition(" of its 10 nearest are ")
                other, own = words.split(", ")
                assert nearest.count(other) == int(number)
                assert own == f"{nearest.count(row['label'])} {row['label']}"
        if row["suggested"] == row["label"]:
            assert not any(reason.startswith("the probe gives") for reason in row["reasons"])
    assert ("the vectors as stored" if space == "resnet18" else "pixels averaged to 16×16") == found.input
    assert found.errors == int(found.is_error.sum()) and found.judged == len(photos.ids)


def test_a_conflicting_duplicate_is_a_reason(opened: Workspace) -> None:
    photos = opened.catalog()
    row = photos.row("rose/03.png")
    labels = list(photos.labels)
    labels[row] = "tulip"
    changed = replace(photos, frame=photos.frame.assign(label=labels))
    found = suspects.measure(opened, "resnet18", changed)
    rows = suspects.rows(found, changed, opened.neighbourhoods("resnet18"), audit_file.find(opened.folder, changed))
    by_id = {each["id"]: each for each in rows}
    assert "the equal photo rose/03 again.bmp is labelled rose" in by_id["rose/03.png"]["reasons"]
    assert "the equal photo rose/03.png is labelled tulip" in by_id["rose/03 again.bmp"]["reasons"]


def test_suspects_are_stored_and_read_back(opened: Workspace) -> None:
    photos = opened.catalog()
    first = suspects.find(opened, "resnet18", photos)
    file = suspects.file(opened, "resnet18", photos)
    assert file.is_file()
    again = suspects.load(opened, "resnet18", photos)
    assert again is not None
    for name in ("own", "best", "best_probability", "is_error"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name))
    assert again.facts["data_fingerprint"] == photos.fingerprint and again.input == first.input
    file.write_bytes(b"damaged")
    assert suspects.load(opened, "resnet18", photos) is None
    np.testing.assert_array_equal(suspects.find(opened, "resnet18", photos).own, first.own)


def test_photos_of_one_class_are_refused(opened: Workspace) -> None:
    photos = opened.catalog()
    with pytest.raises(QueryError, match="same label"):
        suspects.measure(opened, "resnet18", replace(photos, frame=photos.frame.assign(label="rose")))


def test_the_verdict_has_its_count_and_interval(opened: Workspace) -> None:
    photos = opened.catalog()
    found = suspects.find(opened, "resnet18", photos)
    verdict = suspects.verdict(found, photos.ids)
    assert verdict.text.startswith(f"{found.errors:,} label") and "95 % interval" in verdict.text
    none = replace(found, own=np.full(len(photos.ids), np.nan), is_error=np.zeros(len(photos.ids), bool))
    assert "No label can be judged" in suspects.verdict(none, photos.ids).text
