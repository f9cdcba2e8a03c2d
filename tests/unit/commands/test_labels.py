"""The commands `suspects` and `relabel`: their documents, and files that are refused whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lib.commands import cli
from lib.data import label_review
from lib.prepare import workspace
from lib.settings import Settings


@pytest.fixture
def run(copied: Settings, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any, str]]:
    """`run("relabel", …)`: exit status, JSON document, and the last line on stderr."""

    def run(*arguments: str) -> tuple[int, Any, str]:
        options = ["--data", str(copied.data), "--artifacts", str(copied.artifacts), "--json"]
        status = cli.main([*arguments, *options], offline=True)
        out, err = capsys.readouterr()
        return status, json.loads(out) if out else None, err.rstrip("\n").split("\n")[-1]

    return run


def test_suspects_lists_every_photo_once(run, copied: Settings) -> None:
    ids = workspace.open_workspace(copied).catalog().ids
    status, document, _ = run("suspects")
    assert status == 0
    assert document["space"] == "resnet18"
    rows = document["rows"]
    assert sorted(row["id"] for row in rows) == ids
    assert all(set(row) == {"id", "label", "suggested", "score", "reasons"} for row in rows)
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    assert run("suspects", "--space", "pixels")[1]["space"] == "pixels"
    status, _, line = run("suspects", "--space", "scratch")
    assert status == 1 and "not prepared yet" in line


def test_relabel_takes_a_table_and_takes_it_away(run, copied: Settings, tmp_path: Path) -> None:
    folder = workspace.open_workspace(copied).folder
    table = tmp_path / "review.csv"
    table.write_text("id,action,label\nrose/00.jpg,relabel,tulip\nrose/01.png,exclude,\ntulip/01.png,keep,tulip\n")
    status, document, _ = run("relabel", str(table))
    assert status == 0
    assert {name: document[name] for name in ("relabelled", "excluded", "kept")} == {
        "relabelled": 1,
        "excluded": 1,
        "kept": 1,
    }
    assert "prepare" in document["prepare"]
    kept = (folder / label_review.NAME).read_bytes()
    table.write_text("id,action,label\nrose/02.jpg,exclude,\nrose/99.jpg,exclude,\n")
    status, document, line = run("relabel", str(table))
    assert (status, document) == (1, None)
    assert "line 3: no photo has the id rose/99.jpg" in line
    assert (folder / label_review.NAME).read_bytes() == kept  # nothing half-applied
    status, document, _ = run("relabel", "--clear")
    assert status == 0 and document["relabelled"] == 0 and document["prepare"] == ""
    assert not (folder / label_review.NAME).exists()


def test_relabel_needs_a_file_or_clear(run) -> None:
    for arguments in ((), ("x.csv", "--clear")):
        with pytest.raises(SystemExit) as caught:
            run("relabel", *arguments)
        assert caught.value.code == 2
    status, _, line = run("relabel", "not there.csv")
    assert status == 1 and "is not a file" in line
