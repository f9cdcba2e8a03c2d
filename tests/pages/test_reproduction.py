"""Reproduce this: every measured view has its link, its command and its program."""

from __future__ import annotations

from collections.abc import Callable

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


@pytest.mark.parametrize(("page", "address", "wanted"), VIEWS)
def test_a_view_names_its_link_command_and_program(
    start: Start,
    copied: Settings,
    page: str,
    address: dict[str, str],
    wanted: Callable[[Workspace], Reproduction],
) -> None:
    opened = workspace.open_workspace(copied)
    space_diagnosis.measure_all(opened, opened.catalog())
    clusters.find(opened, "resnet18", opened.catalog(), "kmeans", 3)
    app = start(copied).switch_page(page)
    app.query_params = {**address, "odd": "1"}
    app.run()
    assert not app.exception, [entry.message for entry in app.exception]
    found, shown = wanted(opened), [block.value for block in app.code]
    assert {found.command, found.program} <= set(shown)
    (link,) = [block for block in shown if "?" in block and "=" in block and "\n" not in block]
    assert all(f"{name}={value}" in link for name, value in address.items())
    assert "odd" not in link
