"""lib.learn.runs: recorded training runs and the user's own, and what is no run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lib.errors import ArtifactError
from lib.learn import runs
from lib.learn.regimes import REGIMES
from lib.settings import Settings


def record(folder: Path, name: str, **changed: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    run = dict.fromkeys(runs.NEEDED, 0) | {"id": name} | changed
    (folder / f"{name}.json").write_text(json.dumps(run), encoding="utf-8")


def test_runs_of_the_program_and_of_the_user_are_told_apart(tmp_path: Path) -> None:
    record(tmp_path / "recorded", "b")
    record(tmp_path / "recorded", "a", recorded=False)
    record(tmp_path / "mine" / "runs", "c", recorded=True)
    loaded = runs.load(Settings(artifacts=tmp_path / "mine"), recorded=tmp_path / "recorded")
    assert [(run["id"], run["recorded"]) for run in loaded] == [("a", True), ("b", True), ("c", False)]
    assert runs.load(Settings(artifacts=tmp_path / "none"), recorded=tmp_path / "none") == []


def test_the_copy_of_a_recorded_run_is_not_told_twice(tmp_path: Path) -> None:
    record(tmp_path / "recorded", "a", seed=1)
    record(tmp_path / "mine" / "runs", "a", seed=1)
    record(tmp_path / "mine" / "runs", "b", seed=1)
    loaded = runs.load(Settings(artifacts=tmp_path / "mine"), recorded=tmp_path / "recorded")
    assert [(run["id"], run["recorded"]) for run in loaded] == [("a", True), ("b", False)]
    record(tmp_path / "mine" / "runs", "a", seed=1, test_accuracy=0.5)
    assert len(runs.load(Settings(artifacts=tmp_path / "mine"), recorded=tmp_path / "recorded")) == 3


@pytest.mark.parametrize("text", ["", "{", "null", "[]", json.dumps(list(runs.NEEDED)), '{"id": "x"}', "[" * 100_000])
def test_a_damaged_record_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "x.json").write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"x\.json is damaged; delete it"):
        runs.load(Settings(artifacts=tmp_path), recorded=tmp_path / "none")


def test_a_record_that_was_lost_while_it_is_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"gone\.json is damaged"):
        runs.read(tmp_path / "gone.json")


def test_what_lies_beside_records_is_none(tmp_path: Path) -> None:
    record(tmp_path / "runs", "a")
    record(tmp_path / "runs" / "weights", "card")
    (tmp_path / "runs" / "live.state").write_text("{}", encoding="utf-8")
    (tmp_path / "runs" / ".tmp-1234-b").write_text("{", encoding="utf-8")
    assert [run["id"] for run in runs.load(Settings(artifacts=tmp_path), recorded=tmp_path / "none")] == ["a"]


def test_the_recorded_runs_are_whole() -> None:
    for run in runs.load(Settings(artifacts=Path("/nonexistent"))):
        assert run["recorded"] is True
        assert run["regime"] in REGIMES
        assert 1 <= run["best_epoch"] <= len(run["epochs"]) == run["config"]["epochs"]
        right = sum(row["label"] == row["predicted"] for row in run["predictions"])
        assert run["test_accuracy"] == right / len(run["predictions"])
        assert len(run["predictions"]) == run["dataset"]["split"]["test"]
        assert {row["label"] for row in run["predictions"]} <= set(run["classes"])
