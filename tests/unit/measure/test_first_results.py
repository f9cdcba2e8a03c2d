"""lib.measure.first_results: everything is stored once, a step that fails leaves the others, a later run resumes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lib.commands import cli
from lib.commands import prepare as prepare_commands
from lib.data import audit, audit_file
from lib.errors import ArtifactError, Notice, Remedy
from lib.measure import first_results, scoreboard
from lib.measure.first_results import STEPS, Step, make
from lib.prepare import pipeline, workspace
from lib.progress import Reporter
from lib.settings import Settings
from tests.conftest import draw_photos

Said = list[str | Notice]


def sentences(said: Said) -> str:
    return " ".join(map(str, said))


def never(*_: object, **__: object) -> Any:
    raise AssertionError("measured again although stored")


def test_every_first_result_is_stored_and_not_measured_again(copied: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    stages, said = [], Said()
    pipeline.prepare(copied)  # the copy has no store
    make(copied, Reporter(lambda stage, done, total: stages.append(stage), said.append))
    opened = workspace.open_workspace(copied)
    catalog = opened.catalog()
    assert not said
    # Clusters stand in the place of classes, and these photos have classes.
    assert list(dict.fromkeys(stages)) == [step.title for step in STEPS if step.title != "find clusters"]
    assert all(scoreboard.scores_file(opened, space, catalog).is_file() for space in opened.spaces)
    assert [file.name for file in (opened.folder / audit_file.FOLDER).iterdir()] == [audit_file.file_name(catalog)]
    assert list((opened.folder / "near-duplicates").glob("*.json"))
    stored = {file: file.stat().st_mtime_ns for file in opened.folder.rglob("*") if file.is_file()}
    for module, name in ((audit, "audit"), (scoreboard, "measure")):
        monkeypatch.setattr(module, name, never)
    make(copied, Reporter(say=said.append))
    assert not said
    assert {file: file.stat().st_mtime_ns for file in opened.folder.rglob("*") if file.is_file()} == stored


def test_the_stored_audit_is_the_one_that_is_computed(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    catalog = opened.catalog()
    found = audit_file.find(opened.folder, catalog)
    assert found == audit.audit(catalog)
    assert found["duplicates"], "the pictures have a copy"
    assert audit_file.find(opened.folder, catalog) == found
    relabelled = replace(catalog, frame=catalog.frame.assign(label=[*"ab", *["c"] * (len(catalog.ids) - 2)]))
    assert audit_file.find(opened.folder, relabelled) == audit.audit(relabelled), "labels are the catalog's"


def test_a_damaged_audit_is_made_anew(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    catalog = opened.catalog()
    found = audit_file.find(opened.folder, catalog)
    (opened.folder / audit_file.FOLDER / audit_file.file_name(catalog)).write_text("{", encoding="utf-8")
    assert audit_file.find(opened.folder, catalog) == found


def test_a_failed_step_is_said_and_the_others_are_made(copied: Settings) -> None:
    done, said = [], Said()

    def refused(*_: object) -> None:
        raise ArtifactError("The disk is full", remedy=Remedy.FREE_SPACE)

    def faulty(*_: object) -> None:
        raise ZeroDivisionError("a fault")

    steps = (Step("first", refused), Step("second", faulty), Step("third", lambda *_: done.append("third")))
    make(copied, Reporter(say=said.append), steps)
    assert done == ["third"]
    assert len(said) == 2
    assert "First" in str(said[0])
    assert "The disk is full; free some space" in str(said[0])
    assert "ZeroDivisionError: a fault" in str(said[1])
    assert all(first_results.LATER in str(each) for each in said)


def test_scores_that_take_minutes_are_left_for_a_request(copied: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = workspace.open_workspace(copied)
    step = next(step for step in STEPS if "score" in step.title)
    monkeypatch.setattr(first_results, "MOST_WORK", scoreboard.cost(opened, opened.catalog()) - 1)
    make(copied, steps=(step,))
    assert not (opened.folder / scoreboard.FOLDER).exists()
    monkeypatch.setattr(first_results, "MOST_WORK", scoreboard.cost(opened, opened.catalog()))
    make(copied, steps=(step,))
    assert (opened.folder / scoreboard.FOLDER).exists()


def test_nothing_prepared_is_said(tmp_path: Path) -> None:
    said = Said()
    make(
        Settings(data=draw_photos(tmp_path / "photos", 1), artifacts=tmp_path / "artifacts"), Reporter(say=said.append)
    )
    assert "not prepared yet" in sentences(said)


def test_the_command_measures_and_an_interrupt_leaves_the_photos_prepared(
    copied: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["prepare", "--json", "--data", str(copied.data), "--artifacts", str(copied.artifacts)]
    overrides = {"offline": True, "store_wait_s": 0.0}
    folder = workspace.open_workspace(copied).folder

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(first_results, "STEPS", (Step("one", interrupted),))
        assert cli.main(arguments, **overrides) == 0
    printed = capsys.readouterr()
    assert prepare_commands.INTERRUPTED in printed.err
    keys = set(json.loads(printed.out))
    assert not (folder / "scores").exists()
    assert cli.main(arguments, **overrides) == 0
    assert set(json.loads(capsys.readouterr().out)) == keys == {"dataset", "spaces", "milvus", "seconds"}
    assert len(list((folder / "scores").iterdir())) == 2, "the next prepare resumes"


def test_first_results_of_other_photos_are_swept(copied: Settings, tmp_path: Path) -> None:
    make(copied)
    opened = workspace.open_workspace(copied)
    kept = {
        file.name for kind in (audit_file.FOLDER, *pipeline.OF_VECTORS) for file in (opened.folder / kind).glob("*")
    }
    assert kept
    pipeline.prepare(copied)
    assert {
        file.name for kind in (audit_file.FOLDER, *pipeline.OF_VECTORS) for file in (opened.folder / kind).glob("*")
    } == kept, "an unchanged prepare keeps them"
    other = tmp_path / "other"
    shutil.copytree(copied.data, other)
    moved = replace(copied, data=other)
    pipeline.prepare(moved)
    make(moved)
    (other / "rose" / "00.jpg").unlink()
    pipeline.prepare(moved)
    folder = workspace.open_workspace(moved).folder
    assert not [file for kind in (audit_file.FOLDER, *pipeline.OF_VECTORS) for file in (folder / kind).glob("*")]


def test_photos_without_a_test_split_have_no_scores_and_no_complaint(tmp_path: Path, copied: Settings) -> None:
    root = tmp_path / "three"
    (root / "rose").mkdir(parents=True)
    for number, file in enumerate(sorted((copied.data / "rose").glob("*.jpg"))[:3]):
        shutil.copy(file, root / "rose" / f"{number}.jpg")
    settings, said = replace(copied, data=root, artifacts=tmp_path / "artifacts"), Said()
    pipeline.prepare(settings)
    make(settings, Reporter(say=said.append))
    splits = workspace.open_workspace(settings).catalog().splits
    assert bool(list((workspace.open_workspace(settings).folder / "scores").glob("*"))) == bool(splits["test"])
    assert not said
