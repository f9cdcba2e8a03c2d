"""The export beside the map: its buttons, what they make, and what is too large for a download."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from lib.prepare import workspace
from lib.prepare.workspace import Workspace
from lib.settings import Settings
from lib.view.embedding_map import exports
from lib.view.embedding_map.map_choice import DisplayedMap

Start = Callable[[Settings], AppTest]


def _expander(app: AppTest):
    return next(box for box in app.expander if box.label == exports.LABEL)


def test_the_map_page_offers_every_file(start: Start, prepared: Settings) -> None:
    app = start(prepared).switch_page("pages/2_Embedding_Map.py").run()
    assert not app.exception
    labels = [button.proto.label for button in _expander(app).get("download_button")]
    assert labels == [exports.MAP, *exports.FORMATS]


def test_vectors_that_are_too_many_are_left_to_the_command(start: Start, prepared: Settings, monkeypatch) -> None:
    monkeypatch.setattr(exports, "_MOST_BYTES", 1000)
    app = start(prepared).switch_page("pages/2_Embedding_Map.py").run()
    box = _expander(app)
    assert [button.proto.label for button in box.get("download_button")] == [exports.MAP]
    assert "python -m lib export resnet18 resnet18.parquet" in box.caption[-1].value


@pytest.fixture(scope="module")
def opened_here(prepared: Settings) -> Workspace:
    return workspace.open_workspace(prepared)


def test_the_files_are_those_of_the_command(opened_here: Workspace) -> None:
    stored = opened_here.vectors("resnet18").values
    frame = pd.read_parquet(io.BytesIO(exports._space(opened_here, "resnet18", ".parquet")))
    assert np.array_equal(np.stack(list(frame["vector"])), stored)
    with zipfile.ZipFile(io.BytesIO(exports._space(opened_here, "resnet18", ".npy"))) as archive:
        assert sorted(archive.namelist()) == ["resnet18.ids.csv", "resnet18.json", "resnet18.npy"]
        assert np.array_equal(np.load(io.BytesIO(archive.read("resnet18.npy"))), stored)


def test_the_map_is_the_one_that_is_shown(opened_here: Workspace) -> None:
    pca = opened_here.map("resnet18", "pca")
    shown = DisplayedMap("resnet18", opened_here.map_parameters("resnet18"), pca)
    assert b"method PCA" in exports._map(opened_here, shown)
