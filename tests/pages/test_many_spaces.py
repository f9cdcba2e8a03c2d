"""Many spaces on the pages: menus by groups, the scoreboard as a heat map, and the section What if."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from lib.measure import what_if as measured
from lib.prepare import pipeline, workspace
from lib.settings import Settings
from lib.view import background_jobs
from lib.view.formatting import plain
from lib.view.retrieval import what_if
from tests.conftest import copy_of

DERIVED = ["resnet18+l2", "resnet18+pca4", "resnet18+power0.5", "pixels+pca4", "resnet18+int8"]
Start = Callable[[Settings], AppTest]


@pytest.fixture(scope="module")
def many(prepared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """`prepared` with five derived spaces more."""
    settings = copy_of(prepared, tmp_path_factory.mktemp("many"))
    pipeline.prepare(settings, names=[*pipeline.DEFAULT_SPACES, *DERIVED])
    return settings


def opened(begin: Start, settings: Settings, **query: str) -> AppTest:
    app = begin(settings).switch_page("pages/3_Retrieval.py")
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    for _ in range(1200):
        if not background_jobs.measurements().job.running:
            break
        time.sleep(0.1)
    app.run()
    assert not app.exception, [entry.message for entry in app.exception]
    assert not app.error, [box.value for box in app.error]
    return app


def test_the_scoreboard_is_a_heat_map_that_sorts_and_filters(start: Start, many: Settings) -> None:
    app = opened(start, many, section="scoreboard", sorted="best")
    trace = json.loads(app.get("plotly_chart")[0].proto.spec)["data"][0]
    assert trace["type"] == "heatmap"
    assert len(trace["y"]) == 7
    best = [max(value for value in row if value is not None) for row in trace["z"]]
    assert best == sorted(best, reverse=True)
    # A space with a point in its name has cells of its own.
    assert any("power0.5" in name for name in trace["y"])
    only = opened(start, many, section="scoreboard", groups="derived", chart="bars", below="best")
    bars = json.loads(only.get("plotly_chart")[0].proto.spec)["data"]
    assert [bar["type"] for bar in bars] == ["bar"] * 5
    assert len({bar["marker"]["color"] for bar in bars}) == 5
    assert len(only.dataframe[0].value) == 25


def test_spaces_are_chosen_from_a_menu_by_groups(start: Start, many: Settings) -> None:
    app = opened(start, many, section="disagreements", space="resnet18+power0.5")
    menu = next(box for box in app.selectbox if box.label == "Space")
    assert menu.options[0] == "Pixels: Raw pixels"
    assert menu.options[-1].startswith("Derived: ")
    assert menu.value == "resnet18+power0.5"


def test_what_if_names_the_trade_off_and_makes_its_space(
    start: Start, many: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[list[str]] = []
    monkeypatch.setattr(background_jobs, "start_prepare", lambda settings, release, names: begun.append(list(names)))
    app = opened(start, many, section="what-if", space="resnet18", way="resnet18+pca2+int8")
    found = workspace.open_workspace(many)
    document = measured.stored(found, found.catalog(), "resnet18")
    assert document is not None
    answer = measured.verdict(document)
    assert answer is not None
    assert any(plain(answer.text) in str(box.value) for box in app.markdown)
    table = app.dataframe[0].value
    assert list(table["Space"]) == [row["space"] for row in document["rows"]]
    button = next(each for each in app.button if each.label == what_if.MAKE)
    button.click().run()
    assert begun == [["resnet18+pca2+int8"]]
    stored = opened(start, many, section="what-if", space="resnet18", way="resnet18+pca4")
    assert next(each for each in stored.button if each.label == what_if.MAKE).disabled


def test_a_derived_space_shows_on_every_section(start: Start, many: Settings) -> None:
    for section in ("grids", "l1-cosine", "features", "understand"):
        opened(start, many, section=section, space="resnet18+pca4", bspace="pixels+pca4")
