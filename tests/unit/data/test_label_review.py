"""The label review: decisions in a file, undone step by step, and tables that are taken whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from lib.data import label_overlay, label_review, review_table
from lib.data.catalog import Catalog, fingerprint
from lib.data.label_review import decision
from lib.errors import ArtifactError, QueryError

IDS = ["rose/0.jpg", "rose/1.jpg", "tulip/0.jpg", "tulip/copy.jpg"]


@pytest.fixture
def photos(tmp_path: Path) -> Catalog:
    frame = pd.DataFrame(
        {
            "id": IDS,
            "label": ["rose", "rose", "tulip", "tulip"],
            "split": ["train", "test", "val", "val"],
            "width": 9,
            "height": 9,
            "sha256": ["a", "b", "c", "c"],
            "bytes": 1,
            "changed_ns": 1,
        }
    )
    data = fingerprint(zip(frame["sha256"], frame["label"], strict=True))
    return Catalog("drawn", tmp_path, frame, [], data, 0, None)


def test_decisions_are_kept_and_undone_until_no_file_is_left(tmp_path: Path) -> None:
    assert label_review.read(tmp_path).digest == ""
    label_review.decide(tmp_path, {"a": decision("relabel", IDS[0], "tulip")})
    first = (tmp_path / label_review.NAME).read_bytes()
    label_review.decide(tmp_path, {"a": decision("exclude", IDS[0]), "b": decision("keep", IDS[1])})
    review = label_review.read(tmp_path)
    assert review.counts == {"relabelled": 0, "excluded": 1, "kept": 1}
    _, undone = label_review.undo(tmp_path)
    assert sorted(undone) == ["a", "b"]
    assert (tmp_path / label_review.NAME).read_bytes() == first
    label_review.undo(tmp_path)
    assert not (tmp_path / label_review.NAME).exists()
    assert label_review.undo(tmp_path) == (label_review.LabelReview(), [])


def test_a_table_replaces_all_decisions_in_one_step(tmp_path: Path) -> None:
    label_review.decide(tmp_path, {"a": decision("relabel", IDS[0], "tulip")})
    before = label_review.read(tmp_path).decisions
    label_review.replace(tmp_path, {"b": decision("exclude", IDS[1])})
    assert set(label_review.read(tmp_path).decisions) == {"b"}
    label_review.undo(tmp_path)
    assert label_review.read(tmp_path).decisions == before


def test_keeping_a_label_changes_no_digest_and_a_damaged_file_is_said(tmp_path: Path) -> None:
    label_review.decide(tmp_path, {"a": decision("keep", IDS[0])})
    assert label_review.read(tmp_path).digest == ""
    for text in ("{", "[]", '{"schema": 2}', '{"schema": 1, "decisions": {"a": {"action": "burn"}}, "steps": []}'):
        (tmp_path / label_review.NAME).write_text(text)
        with pytest.raises(ArtifactError, match=r"The label review .* cannot be read"):
            label_review.read(tmp_path)
    label_review.clear(tmp_path)
    assert label_review.read(tmp_path).decisions == {}


def test_steps_are_forgotten_but_not_decisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_review, "MOST_STEPS", 2)
    for sha in "abc":
        label_review.decide(tmp_path, {sha: decision("exclude", sha)})
    review = label_review.read(tmp_path)
    assert len(review.steps) == 2 and len(review.decisions) == 3


def test_the_overlay_changes_labels_leaves_out_photos_and_keeps_splits(photos: Catalog, tmp_path: Path) -> None:
    review = label_review.decide(
        tmp_path, {"a": decision("relabel", IDS[0], "tulip"), "c": decision("exclude", IDS[2])}
    )
    after = label_overlay.applied(photos, review, "catalog-1.parquet")
    assert after.ids == IDS[:2] and after.labels == ["tulip", "rose"]  # an exact copy is excluded with its photo
    assert list(after.frame["split"]) == ["train", "test"]
    assert after.fingerprint == fingerprint([("a", "tulip"), ("b", "rose")])
    assert after.review["labels"] == {IDS[0]: "rose"} and after.review["left_out"] == IDS[2:]
    assert after.key != photos.key and after.summary()["review"] == {"relabelled": 1, "excluded": 2}
    assert label_overlay.summary(*label_overlay.changes(after.review)) == "1 changed, 2 excluded by your review"


def test_decisions_without_an_effect_leave_the_catalog_itself(photos: Catalog, tmp_path: Path) -> None:
    review = label_review.decide(
        tmp_path,
        {
            "a": decision("keep", IDS[0]),
            "b": decision("relabel", IDS[1], "rose"),  # it has this label already
            "c": decision("relabel", IDS[2], "peony"),  # a class that is gone
            "z": decision("exclude", "gone.jpg"),
        },
    )
    assert label_overlay.applied(photos, review, "catalog-1.parquet") is photos
    assert label_overlay.summary(0, 0) == "" == label_overlay.sentence(0, 0)


def test_a_table_is_read_and_written_alike(photos: Catalog, tmp_path: Path) -> None:
    written = "id;Action;label\nrose/0.jpg;RELABEL;tulip\n\nrose/1.jpg;keep;\ntulip/0.jpg;exclude;rose\n"
    table = review_table.parse(written, photos, "t.csv")
    assert table.counts == {"relabelled": 1, "excluded": 1, "kept": 1}
    assert table.decisions["a"].label == "tulip" and table.decisions["c"].label == ""
    review = label_review.replace(tmp_path, table.decisions)
    text = review_table.text(review, dict(zip(photos.ids, photos.labels, strict=True)))
    assert text.splitlines() == [
        "id,action,label",
        "rose/0.jpg,relabel,tulip",
        "rose/1.jpg,keep,rose",
        "tulip/0.jpg,exclude,tulip",
    ]
    assert review_table.parse(f'# {{"Data": "drawn"}}\n{text}', photos, "t.csv").decisions == table.decisions


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no column id"),
        ("id,label\nrose/0.jpg,tulip\n", "has no column action"),
        ("id,action,label\nrose/9.jpg,keep,\n", "line 2: no photo has the id rose/9.jpg"),
        ("id,action,label\nrose/0.jpg,burn,\n", "line 2: the action burn is none of keep, relabel, exclude"),
        ("id,action,label\nrose/0.jpg,keep,\nrose/1.jpg,relabel,\n", "line 3: a relabelled photo needs a label"),
        ("id,action,label\nrose/0.jpg,relabel,peony\n", "line 2: peony is no class of these photos; the classes are"),
        ("id,action,label\nrose/0.jpg,keep,\nrose/0.jpg,exclude,\n", "line 3: the same photo has another decision in "),
        ("id,action\ntulip/0.jpg,keep\ntulip/copy.jpg,exclude\n", "line 3: an exact copy, tulip/0.jpg, has another"),
        ("# {}\nid,action,label\n,keep,\n", r"line 3: no photo has the id \(empty\)"),
    ],
)
def test_a_bad_row_is_refused_in_one_sentence(photos: Catalog, text: str, sentence: str) -> None:
    with pytest.raises(QueryError, match=sentence) as caught:
        review_table.parse(text, photos, "t.csv")
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_a_file_that_is_none_is_refused(photos: Catalog, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="is not a file"):
        review_table.read(tmp_path, photos)
    (tmp_path / "t.csv").write_bytes(b"\xff\xfei\0d\0")
    with pytest.raises(QueryError):
        review_table.read(tmp_path / "t.csv", photos)
