"""The provenance in what a page exports."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest

from lib.data import review_table
from lib.data.layouts import label_table
from lib.prepare.workspace import Workspace
from lib.view import page_controls, provenance

TOLD = {"Data": 'flowers "big", 3 images', "Prepared": "a\nb"}


def test_the_first_line_of_a_table_is_its_provenance_and_the_rest_is_the_table() -> None:
    table = pd.DataFrame({"id": ["rose/#1.jpg", "tulip/2.jpg"], "value": [0.5, 1.25]})
    text = provenance.comment(TOLD) + table.to_csv(index=False)
    first = text.splitlines()[0]
    assert first.startswith("# ") and json.loads(first[2:]) == TOLD
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(text), skiprows=1), table)


def test_a_table_without_provenance_begins_with_its_header() -> None:
    assert provenance.comment({}) == ""


@pytest.mark.parametrize(
    ("value", "document"),
    [
        ({"runs": [1]}, {"provenance": TOLD, "runs": [1]}),
        ([1, 2], {"provenance": TOLD, "rows": [1, 2]}),
        ({"provenance": "its own"}, {"provenance": "its own"}),
    ],
)
def test_a_document_has_its_provenance_beside_its_values(value: object, document: object) -> None:
    assert provenance.added_to(value, TOLD) == document
    assert provenance.added_to(value, {}) == value


def test_a_button_saves_what_the_page_has_told_when_it_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    saved = {}
    told = dict(TOLD)
    monkeypatch.setattr(provenance, "lines", lambda: dict(told))
    monkeypatch.setattr(page_controls, "download", lambda label, data, name, **_: saved.update({name: data}))
    page_controls.csv_button(pd.DataFrame({"id": ["a"]}), "rows")
    page_controls.json_button([1], "list")
    told.clear()
    assert json.loads(saved["petalscope-rows.csv"]().splitlines()[0][2:]) == TOLD
    assert json.loads(saved["petalscope-list.json"]()) == {"provenance": TOLD, "rows": [1]}


def test_the_tables_that_come_back_are_read_past_their_provenance(tmp_path: Path, opened: Workspace) -> None:
    catalog = opened.catalog()
    rows = [
        ["id", "label", "split"],
        *([name, label, "val"] for name, label in zip(catalog.ids, catalog.labels, strict=True)),
    ]
    plain = "".join(",".join(row) + "\n" for row in rows)
    (tmp_path / "plain.csv").write_text(plain)
    (tmp_path / "saved.csv").write_text(provenance.comment(TOLD) + plain)
    assert label_table.read(tmp_path / "saved.csv") == label_table.read(tmp_path / "plain.csv")
    decisions = "id,action,label\n" + f"{catalog.ids[0]},exclude,\n"
    (tmp_path / "review.csv").write_text(provenance.comment(TOLD) + decisions)
    assert review_table.read(tmp_path / "review.csv", catalog).counts["excluded"] == 1
