"""Reproduce this: every measured view has its link, its command and its program."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from lib.measure import clusters, comparison_programs, reproduction, space_diagnosis
from lib.measure.reproduction import Reproduction
from lib.prepare import workspace
from lib.prepare.workspace import Workspace
from lib.settings import Settings

Start = Callable[[Settings], AppTest]
VIEWS: list[tuple[str, dict[str, str], Callable[[Workspace], Reproduction]]] = [
    (
        "Home.py",
        {"labels": "true", "space": "pixels"},
        lambda opened: reproduction.suspects(opened, "pixels", opened.catalog()),
    ),
    ("pages/3_Retrieval.py", {"section": "features"}, lambda opened: reproduction.features(opened, "resnet18")),
    (
        "pages/3_Retrieval.py",
        {"section": "features", "feature": "217"},
        lambda opened: reproduction.features(opened, "resnet18", 217),
    ),
    ("pages/3_Retrieval.py", {"section": "spaces"}, comparison_programs.diagnoses),
    (
        "pages/2_Embedding_Map.py",
        {"section": "clusters", "method": "kmeans", "clusters": "3"},
        lambda opened: reproduction.clusters(opened, "resnet18", opened.catalog(), "kmeans", 3),
    ),
]


@pytest.fixture(scope="module")
def measured(prepared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A copy of the prepared artifacts in which the spaces are diagnosed and clustered."""
    artifacts = tmp_path_factory.mktemp("measured") / "artifacts"
    shutil.copytree(prepared.artifacts / "sets", artifacts / "sets")
    settings = replace(prepared, artifacts=artifacts)
    opened = workspace.open_workspace(settings)
    space_diagnosis.measure_all(opened, opened.catalog())
    for method, k in (("kmeans", None), ("kmeans", 3), ("hdbscan", None)):
        clusters.find(opened, "resnet18", opened.catalog(), method, k)
    return settings


@pytest.mark.parametrize(("page", "address", "wanted"), VIEWS)
def test_a_view_names_its_link_command_and_program(
    start: Start,
    measured: Settings,
    page: str,
    address: dict[str, str],
    wanted: Callable[[Workspace], Reproduction],
) -> None:
    opened = workspace.open_workspace(measured)
    app = start(measured).switch_page(page)
    app.query_params = {**address, "odd": "1"}
    app.run()
    assert not app.exception, [entry.message for entry in app.exception]
    found, shown = wanted(opened), [block.value for block in app.code]
    assert {found.command, found.program} <= set(shown)
    (link,) = [block for block in shown if "?" in block and "=" in block and "\n" not in block]
    assert all(f"{name}={value}" in link for name, value in address.items())
    assert "odd" not in link


HOSTILE = "<img src=x onerror=alert(1)>'\"`$(rm -rf ~)`; import os #"
ODD_ADDRESSES = [
    ("Home.py", {"labels": "true", "space": HOSTILE}),
    ("Home.py", {"labels": HOSTILE, "q": HOSTILE}),
    ("pages/3_Retrieval.py", {"section": "features", "feature": HOSTILE, "order": HOSTILE, "only": HOSTILE}),
    ("pages/3_Retrieval.py", {"section": "features", "feature": "٢١٧", "space": "../../etc"}),
    ("pages/3_Retrieval.py", {"section": "features", "feature": "9" * 400}),
    ("pages/3_Retrieval.py", {"section": "features", "feature": "-1", "only": "redundant", "order": "query"}),
    ("pages/3_Retrieval.py", {"section": "spaces", "space": HOSTILE, "q": "../../../etc/passwd"}),
    ("pages/3_Retrieval.py", {"section": "grids", "marks": HOSTILE, "pair": HOSTILE, "why": HOSTILE, "alpha": "nan"}),
    ("pages/3_Retrieval.py", {"section": "grids", "marks": "x" * 5_000, "beta": "1e999", "gamma": "-inf"}),
    ("pages/2_Embedding_Map.py", {"section": "clusters", "method": HOSTILE, "clusters": "9" * 30}),
    ("pages/2_Embedding_Map.py", {"section": "clusters", "method": "hdbscan", "clusters": "-3", "colour": HOSTILE}),
]


@pytest.mark.parametrize(("page", "address"), ODD_ADDRESSES)
def test_an_odd_link_shows_the_view_and_quotes_nothing_that_runs(
    start: Start, measured: Settings, page: str, address: dict[str, str]
) -> None:
    app = start(measured).switch_page(page)
    app.query_params = address
    app.run()
    assert not app.exception, [entry.message for entry in app.exception]
    for block in app.code:
        assert "<img" not in block.value  # neither a program nor a command nor a link that was not encoded
