"""Home tells how the folder was read, and takes the choice where a folder must be asked about."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from streamlit.testing.v1 import AppTest

from lib.prepare import pipeline
from lib.settings import Settings
from lib.view import background_jobs, layout_form
from lib.view.formatting import plain
from tests.helpers import data_folders as made
from tests.helpers.data_folders import drawn
from tests.helpers.image_files import scene, write


def words(app: AppTest) -> str:
    return "\n".join(element.value for element in [*app.caption, *app.error, *app.info, *app.markdown])


def finished(app: AppTest) -> AppTest:
    for _ in range(600):
        if not background_jobs.jobs().job.running:
            return app.run()
        time.sleep(0.2)
    raise AssertionError("prepare does not end")


def test_home_tells_the_reading_and_what_yielded_nothing(
    start: Callable[[Settings], AppTest], prepared: Settings, tmp_path: Path
) -> None:
    made.class_folders(tmp_path / "data" / "flowers", drawn(4, ("Rose", "rose", "tulip")))
    write(tmp_path / "data" / "flowers" / "violet" / "a.png", b"nothing")
    settings = replace(prepared, data=tmp_path / "data", artifacts=tmp_path / "artifacts")
    pipeline.prepare(settings, names=["pixels"])
    app = start(settings)
    assert not app.exception
    shown = words(app)
    assert plain("Read as 4 class folders in flowers/") in shown
    assert plain("No readable image in 1 class folder: flowers/violet") in shown
    assert plain("“Rose” and “rose” look alike") in shown


def test_an_ambiguous_folder_is_chosen_on_the_page(
    start: Callable[[Settings], AppTest], prepared: Settings, tmp_path: Path
) -> None:
    made.split_folders(tmp_path / "data", drawn(5))
    write(tmp_path / "data" / "extra" / "a.png", scene(7))
    settings = replace(prepared, data=tmp_path / "data", artifacts=tmp_path / "artifacts")
    app = start(settings)
    finished(app.button(key="prepare").click().run())
    assert plain("layout: splits") in words(app)
    assert plain("--layout") not in words(app)
    assert layout_form.TITLE in [each.label for each in app.expander]
    app.selectbox(key="layout_kind").select("splits")
    app.text_input(key="layout_labels").input("/etc/passwd").run()
    assert layout_form.OUTSIDE in words(app)
    assert app.button(key="prepare").disabled
    app.text_input(key="layout_labels").input("").run()
    finished(app.button(key="prepare").click().run())
    assert not app.exception
    assert plain("Read as split folders (train/, val/ and test/)") in words(app)
