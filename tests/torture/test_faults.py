"""Full and read-only disks, folders that disappear, clocks that jump: one clear line, nothing half-written.

What `prepare` does on a small disk at any step is in tests/unit/prepare/test_pipeline.py; here are the other commands
and the pages.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lib.commands import cli
from lib.data import catalog as catalogs
from lib.data import catalog_file, datasets
from lib.errors import PetalscopeError
from lib.prepare import pipeline, workspace
from lib.progress import Reporter
from lib.settings import Settings
from lib.view import background_jobs
from tests.helpers import quick_trainings
from tests.helpers.killed_work import killed_work
from tests.pages.test_all_pages import PAGES
from tests.torture import killing, tally
from tests.torture.tally import Scale


def words(settings: Settings) -> list[str]:
    named = ["--data", str(settings.data), "--artifacts", str(settings.artifacts)]
    seed = [] if settings.seed is None else ["--seed", str(settings.seed)]
    return [*named, "--weights", str(settings.weights), *seed]


def refused(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """The one line with which a command ends that could not."""
    assert cli.main([*command, "--json"], store_wait_s=0.0, offline=True) == 1
    heard = capsys.readouterr()
    assert heard.out == ""
    assert "Traceback" not in heard.err
    said = [line for line in heard.err.replace("\r", "\n").splitlines() if line.startswith("petalscope: ")]
    assert len(said) == 1, heard.err
    assert heard.err.rstrip().endswith(said[0])
    return said[0]


def every_page(app: AppTest) -> str:
    """All pages in turn, without an exception on any; their words."""
    collected = []
    for page in ["Home.py", *PAGES]:
        app.switch_page(page).run()
        assert not app.exception, (page, [entry.message for entry in app.exception])
        kinds = (app.title, app.markdown, app.caption, app.info, app.warning, app.error)
        collected += [str(element.value) for kind in kinds for element in kind]
    text = "\n".join(collected)
    assert "Traceback" not in text
    return text


# --- Disks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kilobytes", [4, 40, 2_000, 30_000])
def test_training_on_a_disk_that_is_too_small(
    pictures: Path,
    quick_weights: str,
    disk: Callable[[str], Path],
    capsys: pytest.CaptureFixture[str],
    kilobytes: int,
    scale: Scale,
) -> None:
    if scale.short:
        pytest.skip("make torture")
    settings = quick_trainings.settings(pictures, disk(f"size={kilobytes}k") / "artifacts", quick_weights)
    command = ["train", *words(settings), "--regime", "transfer", "--preset", "quick", "--image-size", "32"]
    said = refused(capsys, *command, "--epochs", "1")
    assert "is full; free some space" in said
    assert not killing.temporary(settings.artifacts)
    assert not list(settings.artifacts.glob("runs/*.json"))
    tally.note("bad_inputs")
    disk("remount,size=200m")
    assert cli.main([*command, "--epochs", "1", "--resume", "--json"], offline=True) == 0
    capsys.readouterr()


def test_artifacts_that_may_only_be_read(
    copied: Settings,
    disk: Callable[[str], Path],
    capsys: pytest.CaptureFixture[str],
    start: Callable[[Settings], AppTest],
    tmp_path: Path,
) -> None:
    inside = replace(copied, artifacts=disk("size=100m") / "artifacts")
    shutil.copytree(copied.artifacts, inside.artifacts)
    before = killing.results(inside.artifacts)
    disk("remount,ro,size=100m")
    for command in (
        ["prepare"],
        ["audit"],
        ["map", "--n-neighbors", "7"],
        ["train", "--regime", "transfer", "--preset", "quick"],
    ):
        said = refused(capsys, *command, *words(inside)[: None if command[0] != "audit" else 4])
        assert "Read-only file system" in said and "--artifacts" in said, said
    # What only reads works: searching, scoring, the pages.
    for command in (["search", "rose/00.jpg"], ["compare", "rose/00.jpg"], ["evaluate", "--metric", "l1"], ["runs"]):
        assert cli.main([*command, *words(inside)[: None if command[0] != "runs" else 4], "--json"]) == 0
        capsys.readouterr()
    every_page(start(inside))
    assert killing.results(inside.artifacts) == before
    tally.note("bad_inputs", 4)


@pytest.mark.parametrize("stage", ["read photos", "embed", "map", "store"])
@pytest.mark.parametrize("what", ["data", "artifacts"])
def test_a_folder_that_disappears_while_it_is_worked_with(tmp_path: Path, stage: str, what: str, scale: Scale) -> None:
    if scale.short and (stage, what) != ("embed", "data"):
        pytest.skip("make torture")
    settings = killing.ten_photos(tmp_path)
    hidden = tmp_path / "hidden"
    folder = tmp_path / ("photos" if what == "data" else "artifacts")

    def hide(now: str, done: int, total: int | None) -> None:
        if now.startswith(stage) and not hidden.exists():
            folder.rename(hidden)

    # It may end well when nothing more was needed of the folder, or be made anew; else it says so in one line.
    try:
        pipeline.prepare(settings, reporter=Reporter(progress=hide))
    except PetalscopeError as error:
        assert "\n" not in str(error)
        assert not killing.temporary(folder) if folder.exists() else True
    assert hidden.exists()
    shutil.rmtree(folder, ignore_errors=True)
    hidden.rename(folder)
    if what == "artifacts":
        _forget_store(settings)
    pipeline.prepare(settings)
    assert workspace.open_workspace(settings).spaces == ["pixels", "resnet18"]
    assert not killing.temporary(settings.artifacts)
    assert len(killing.rows(settings)) == 3
    tally.note("bad_inputs")


def _forget_store(settings: Settings) -> None:
    """The store's folder was moved while it was open: what it had not written yet may be lost, and is made again."""
    shutil.rmtree(settings.own_store, ignore_errors=True)


@pytest.mark.parametrize("what", ["data", "artifacts", "catalog", "vectors"])
def test_a_folder_that_disappears_under_an_open_page(
    copied: Settings, start: Callable[[Settings], AppTest], tmp_path: Path, what: str
) -> None:
    assert copied.data is not None
    settings = replace(copied, data=tmp_path / "photos")
    shutil.copytree(copied.data, tmp_path / "photos")
    # The same photos elsewhere are another data set, whose artifacts are those of the first under its name.
    (old,) = (copied.artifacts / "sets").iterdir()
    dataset = datasets.find(settings)
    assert dataset is not None
    moved = workspace.folder_of(settings, dataset)
    old.rename(moved)
    app = start(settings)
    every_page(app)
    gone = {
        "data": tmp_path / "photos",
        "artifacts": settings.artifacts,
        "catalog": next(moved.glob("catalog-*.parquet")),
        "vectors": moved / "spaces",
    }[what]
    gone.rename(tmp_path / "gone")
    text = every_page(app)
    if what == "artifacts":
        assert "prepare" in text
    app.query_params["q"] = "rose/00.jpg"
    every_page(app)
    tally.note("bad_inputs")


# --- Clocks ----------------------------------------------------------------------------------------------------------


def test_a_clock_that_jumps(tmp_path: Path, pictures: Path, quick_weights: str, scale: Scale) -> None:
    if scale.short:
        pytest.skip("make torture")
    settings = killing.ten_photos(tmp_path)
    training = quick_trainings.settings(pictures, tmp_path / "trained", quick_weights)
    task = {"regime": "transfer", "resume": True}
    with killed_work() as worker:
        worker.run("prepare", settings)
        worker.run("train", training, **task)
        expected = [killing.results(one.artifacts) for one in (settings, training)]
        rows = killing.rows(settings)
        for seed in range(scale.kills // 2):
            shutil.rmtree(settings.artifacts)
            shutil.rmtree(training.artifacts)
            # pymilvus waits by the time of day, so a jump may end its patience: one sentence, and another run mends.
            said = worker.run("prepare", settings, may_refuse=True, clock=seed)
            assert "\n" not in said["error"] and len(said["error"]) < 400
            worker.run("prepare", settings)
            worker.run("train", training, clock=seed, **task)
            assert [killing.results(one.artifacts) for one in (settings, training)] == expected
            assert killing.rows(settings) == rows
            assert not killing.temporary(settings.artifacts)


def test_photos_from_the_future_and_the_past(tmp_path: Path) -> None:
    settings = killing.ten_photos(tmp_path)
    assert settings.data is not None
    first = catalogs.build("photos", settings.data, seed=0)
    for number, path in enumerate(sorted(settings.data.rglob("*.*"))):
        os.utime(path, (0, 0) if number % 2 else (4_102_444_800, 4_102_444_800))
    again = catalogs.build("photos", settings.data, seed=0, previous=first)
    assert again.fingerprint == first.fingerprint
    assert catalog_file.changes(again) == {"added": 0, "removed": 0, "changed": 0}
    tally.note("bad_inputs", len(first.ids))


def test_a_job_has_never_run_for_less_than_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    work = background_jobs.JobRunner()
    seen: list[float] = []

    def jump(reporter: Reporter) -> None:
        monkeypatch.setattr(time, "time", lambda: 0.0)
        seen.append(work.job.seconds)

    assert work.start(jump)
    while work.job.running:
        time.sleep(0.01)
    assert work.job.error == ""
    assert 0 <= seen[0] <= work.job.seconds < 60
