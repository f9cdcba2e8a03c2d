"""Vectors from elsewhere on the pages: uploaded, taken from a collection, searched by text, refused for photos."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from lib.embed import spaces
from lib.prepare import imports, pipeline, workspace
from lib.prepare.imports import Source
from lib.settings import Settings
from lib.view import background_jobs, space_imports, url_state
from lib.view.home import own_vectors
from lib.view.milvus import field_space
from lib.view.retrieval import query_sources
from tests.conftest import draw_photos, galleries
from tests.helpers import image_files as made

Start = Callable[[Settings], AppTest]


@pytest.fixture(scope="module")
def brought(quick_weights: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of fifteen small photos with a space `clip` of 512 dimensions that has texts. Read only."""
    root = tmp_path_factory.mktemp("brought")
    settings = Settings(
        data=draw_photos(root / "photos", per_class=3), artifacts=root / "artifacts", weights=quick_weights, seed=0,
        offline=True, store_wait_s=0.0,
    )  # fmt: skip
    pipeline.prepare(settings)
    opened = workspace.open_workspace(settings)
    vectors, ids = np.array(opened.vectors("resnet18").values), opened.catalog().ids
    np.savez(root / "clip.npz", vectors=vectors[:, ::-1], ids=np.array(ids))
    np.savez(root / "texts.npz", vectors=vectors[[4, 8], ::-1], text=np.array(["a small flower", "a *big* flower"]))
    imports.add(settings, "clip", Source(root / "clip.npz", texts=root / "texts.npz"))
    return settings


@pytest.fixture
def settings(brought: Settings, tmp_path: Path) -> Settings:
    shutil.copytree(brought.artifacts, tmp_path / "artifacts")
    return replace(brought, artifacts=tmp_path / "artifacts")


def _open(app: AppTest, page: str, **address: str) -> AppTest:
    app.query_params = dict(address)
    app = app.switch_page(page).run()
    assert not app.exception, [entry.message for entry in app.exception]
    return app


def _after_job(app: AppTest) -> AppTest:
    for _ in range(600):
        if not background_jobs.jobs().job.running:
            break
        time.sleep(0.1)
    app.run()
    assert not app.exception, [entry.message for entry in app.exception]
    return app


def _press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click()
    app.run()
    assert not app.exception, [entry.message for entry in app.exception]
    return app


def _words(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.info, app.error)
    return "\n".join(str(element.value).replace("\\", "") for kind in kinds for element in kind)


def test_vectors_are_uploaded_on_home(start: Start, settings: Settings) -> None:
    file = io.BytesIO()
    np.save(file, np.random.default_rng(0).normal(size=(15, 6)))
    app = _open(start(settings), url_state.HOME)
    assert next(button for button in app.button if button.label == own_vectors.ADD).disabled
    app.file_uploader(key="own_vectors").set_value(("mine.npy", file.getvalue(), "application/octet-stream"))
    for name, word in (("resnet18", "is the name of another space"), ("A B", "cannot be the name of a space")):
        app.text_input(key="own_vector_name").set_value(name)
        app = _press(app.run(), own_vectors.ADD)
        assert word in _words(app)
    app.text_input(key="own_vector_name").set_value("mine")
    app = _after_job(_press(app.run(), own_vectors.ADD))
    assert "Space mine: 15 photos × 6 from mine.npy (matched by order)." in _words(app)
    assert "Float64 numbers, kept as float32." in _words(app)
    assert workspace.open_workspace(settings).spaces[-1] == "mine"
    app = _open(app, url_state.MAP, space="mine")
    assert not app.error
    # What is wrong with a file is said after the job, too.
    app = _open(app, url_state.HOME)
    app.file_uploader(key="own_vectors").set_value(("mine.npy", b"\x93NUMPY", "application/octet-stream"))
    app.text_input(key="own_vector_name").set_value("mine")
    app = _after_job(_press(app.run(), own_vectors.ADD))
    assert "vectors.npy cannot be read" in _words(app)


def test_a_field_of_a_collection_becomes_a_space(start: Start, settings: Settings) -> None:
    opened = workspace.open_workspace(settings)
    app = _open(start(settings), url_state.MILVUS, section="space", collection=opened.collection("resnet18"))
    for _ in range(2):  # the collection may have to be loaded first
        if any(button.label == "Load it" for button in app.button):
            app = _press(app, "Load it")
    app.text_input(key="field_space_name").set_value("again")
    app = _after_job(_press(app.run(), field_space.USE))
    assert "Space again: 15 photos × 512 from" in _words(app)
    opened = workspace.open_workspace(settings)
    assert np.array_equal(opened.vectors("again").values, opened.vectors("resnet18").values)
    assert "resnet18" in (spaces.get("again").definition or {})["source"]


def test_texts_are_queries_where_a_space_has_some(start: Start, settings: Settings) -> None:
    app = _open(start(settings), url_state.RETRIEVAL, section="grids", space="clip", **{"from": "text"})
    assert query_sources.MISSING["text"] in _words(app)
    menu = next(box for box in app.selectbox if box.label == "Text")
    assert menu.options == ["Choose a text", "a small flower", "a *big* flower"]
    app = _open(app, url_state.RETRIEVAL, section="grids", space="clip", text="a *big* flower", **{"from": "text"})
    assert not app.error
    ids = workspace.open_workspace(settings).catalog().ids
    first = {items[0]["id"] for title, items in galleries(app).items() if title.startswith("Results")}
    assert not first or ids[8] in first
    assert "text “a *big* flower”" in _words(app)
    app = _open(app, url_state.RETRIEVAL, section="grids", space="resnet18", text="a *big* flower", **{"from": "text"})
    assert "has a vector in clip only; choose that space" in _words(app)


def test_without_texts_there_is_no_such_source(start: Start, prepared: Settings) -> None:
    app = _open(start(prepared), url_state.RETRIEVAL, section="grids", **{"from": "text"})
    assert not app.error
    assert not any(box.label == "Text" for box in app.selectbox)


def test_photos_from_elsewhere_are_refused_with_the_reason_on_every_page(start: Start, settings: Settings) -> None:
    reason = spaces.refusal("clip")
    assert "come from another program" in reason
    photo = made.encoded(made.scene(3))
    app = _open(start(settings), url_state.RETRIEVAL, section="grids", space="clip", **{"from": "upload"})
    app.session_state["own"] = photo
    app.run()
    assert not app.exception and reason in _words(app)
    app = _open(app, url_state.RETRIEVAL, section="robustness", space="clip")
    assert f"{reason} Shown: Raw pixels and ResNet18 features." in _words(app)
    app = _open(app, url_state.MAP, space="clip", section="photo")
    app.file_uploader(key="visitor").set_value(("photo.png", photo, "image/png"))
    app.run()
    assert not app.exception and reason in _words(app)


def test_a_second_job_waits_for_the_first(start: Start, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    app = _open(start(settings), url_state.HOME)
    runner = background_jobs.jobs()
    monkeypatch.setattr(runner, "start", lambda work, name="": False)
    app.file_uploader(key="own_vectors").set_value(("v.npy", b"x", ""))
    app.text_input(key="own_vector_name").set_value("mine")
    app = _press(app.run(), own_vectors.ADD)
    assert [toast.value for toast in app.toast] == [space_imports.BUSY]
