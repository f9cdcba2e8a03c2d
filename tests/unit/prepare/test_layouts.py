"""`prepare` and its siblings read a data folder alike: the choice of a layout is kept, said, and taken back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lib.commands import cli
from lib.data import data_notes
from lib.errors import AmbiguousDataError
from lib.learn import plan, runs
from lib.prepare import doctor, pipeline, workspace
from lib.progress import Reporter
from lib.settings import LayoutChoice, Settings
from tests.helpers import data_folders as made
from tests.helpers.data_folders import CLASSES, drawn
from tests.helpers.image_files import write


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a folder with splits and something else, which cannot be read without a choice."""
    made.split_folders(tmp_path / "data", drawn(12))
    made.flat(tmp_path / "data" / "extra", drawn(1, first=300))
    return Settings(data=tmp_path / "data", artifacts=tmp_path / "artifacts", weights="bundled", offline=True)


def prepared(settings: Settings) -> tuple[dict[str, Any], list[str]]:
    said: list[Any] = []
    document = pipeline.prepare(settings, names=["pixels"], reporter=Reporter(say=said.append))
    return document["dataset"], [str(message) for message in said]  # type: ignore[return-value]


def test_a_choice_is_kept_said_and_taken_back(settings: Settings) -> None:
    with pytest.raises(AmbiguousDataError):
        prepared(settings)
    chosen, said = prepared(replace(settings, layout=LayoutChoice("splits")))
    assert chosen["layout"]["kind"] == "splits"
    assert list(chosen["classes"]) == list(CLASSES)
    assert not any(data_notes.KEPT in sentence for sentence in said)
    again, said = prepared(settings)
    assert again == chosen
    assert any(data_notes.KEPT in sentence for sentence in said)
    for catalog in (pipeline.catalog(settings), workspace.open_workspace(settings).catalog()):
        assert catalog.summary() == chosen
    assert pipeline.audit(settings)["images"] == 36
    anew, _ = prepared(replace(settings, layout=LayoutChoice(split_anew=True)))
    assert (anew["layout"]["kind"], anew["layout"]["given_splits"]) == ("splits", [])
    classes, _ = prepared(replace(settings, layout=LayoutChoice("classes")))
    assert list(classes["classes"]) == ["extra", "test", "train", "val"]
    with pytest.raises(AmbiguousDataError):
        prepared(replace(settings, layout=LayoutChoice("auto")))


def test_a_choice_of_a_first_audit_is_kept(settings: Settings) -> None:
    pipeline.audit(replace(settings, layout=LayoutChoice("splits")))
    assert pipeline.catalog(settings).layout["kind"] == "splits"


def test_a_seed_does_not_move_a_split_of_the_data(settings: Settings) -> None:
    settings = replace(settings, layout=LayoutChoice("splits"))
    prepared(settings)
    one, other = (workspace.open_workspace(replace(settings, seed=seed)).catalog() for seed in (0, 9))
    assert list(one.frame["split"]) == list(other.frame["split"])


def test_a_run_under_another_split_is_another_run(settings: Settings) -> None:
    from lib.learn import backbone

    weights = backbone.random(0)
    catalogs = [
        pipeline.catalog(replace(settings, layout=LayoutChoice("splits", split_anew=anew or None)))
        for anew in (False, True)
    ]
    ids = {
        run.id
        for catalog in catalogs
        for run in plan.plan(catalog, weights, names=["scratch"], preset="quick", seeds=[0])
    }
    assert len(ids) == 2
    assert catalogs[0].fingerprint == catalogs[1].fingerprint
    record: Any = {"dataset": {"fingerprint": catalogs[0].fingerprint, "split_key": catalogs[0].split_key}}
    assert runs._same_kind_of_split(record, catalogs[0])
    assert not runs._same_kind_of_split(record, catalogs[1])


def test_doctor_says_the_reading_and_never_that_a_folder_is_ready_which_is_not(settings: Settings) -> None:
    def checks(**changes: Any) -> dict[str, Any]:
        document = doctor.examine(replace(settings, **changes), look_into_store=False)
        return {check["name"]: check for check in document["checks"]}

    unclear = checks()["data"]
    assert not unclear["ready"] and "--layout splits" in unclear["remedy"]
    prepared(replace(settings, layout=LayoutChoice("splits")))
    assert checks()["data"]["ready"]
    assert "split folders (train/, val/ and test/)" in checks()["catalog"]["detail"]
    assert "daisy, rose and tulip" in checks()["catalog"]["detail"]
    data = settings.data
    assert data is not None
    (data / "train" / "empty").mkdir()
    prepared(settings)
    assert "No readable image in 1 class folder: train/empty" in checks()["catalog"]["detail"]
    for path in data.rglob("*.png"):
        write(path, b"%PDF-1.4")
    unreadable = checks()["data"]
    assert not unreadable["ready"] and "are PDF files" in unreadable["detail"]
    assert "prepare" not in unreadable["remedy"]


def test_doctor_does_not_send_in_a_circle(tmp_path: Path) -> None:
    for label in ("daisy", "rose"):
        write(tmp_path / "data" / label / "a.jpg", b"%PDF-1.4")
    settings = Settings(data=tmp_path / "data", artifacts=tmp_path / "a", weights="bundled")
    checks = {check["name"]: check for check in doctor.examine(settings, look_into_store=False)["checks"]}
    assert not checks["data"]["ready"]
    assert "lib prepare" not in checks["catalog"]["remedy"]


def test_the_command_line(settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["--data", str(settings.data), "--artifacts", str(settings.artifacts)]
    assert cli.main(["audit", *words]) == 1
    assert "--layout splits" in capsys.readouterr().err
    assert cli.main(["audit", *words, "--layout", "splits", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["images"] == 36
    assert "Read as split folders" in captured.err
    photos = drawn()
    made.flat(tmp_path / "flat", photos)
    made.table(tmp_path / "elsewhere" / "species.csv", photos, ("bild", "art"))
    words = ["--data", str(tmp_path / "flat"), "--artifacts", str(settings.artifacts)]
    columns = ["--image-column", "bild", "--label-column", "Art"]
    assert cli.main(["audit", *words, "--labels", str(tmp_path / "elsewhere" / "species.csv"), *columns]) == 0
    assert "species.csv" in capsys.readouterr().err
    assert cli.main(["audit", *words, "--labels", "nowhere.csv"]) == 1
    assert "nowhere.csv" in capsys.readouterr().err
