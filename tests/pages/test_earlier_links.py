"""Links that an earlier version wrote still show what they showed: the same choices, photos and address."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from lib.prepare import pipeline
from lib.settings import Settings
from lib.view import background_jobs, url_state
from tests.helpers import recorded_artifacts

LINKS = recorded_artifacts.read("links")


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Settings]:
    """The earlier artifacts, with the Milvus store that was not kept written again."""
    folder = tmp_path_factory.mktemp("earlier")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        settings = recorded_artifacts.restore(folder)
        pipeline.prepare(settings)
    return folder, settings


def _galleries(app: AppTest) -> list[list[str]]:
    """The ids in every gallery, in order."""
    collected = []
    for element in app.get("bidi_component"):
        text = element.proto.mixed.json if element.proto.HasField("mixed") else element.proto.json
        data = json.loads(text or "{}")  # some components have no data
        if isinstance(data, dict) and "items" in data:
            collected.append([item["id"] for item in data["items"]])
    return collected


def _today(page: str, address: dict[str, Any]) -> dict[str, Any]:
    """An earlier address, or earlier values of a page's controls, in the words of today."""
    names = url_state.EARLIER.get(page, {})
    renamed = {names.get(name, name): value for name, value in address.items()}
    return {
        name: url_state.EARLIER_VALUES.get((page, name), {}).get(value, value) if isinstance(value, str) else value
        for name, value in renamed.items()
    }


def _widgets_today(link: dict[str, Any]) -> dict[str, Any]:
    """The recorded values of the page's controls, by today's keys: a key is the page and the parameter, or only it."""
    widgets = {}
    for key, value in link["widgets"].items():
        where, _, name = key.rpartition("_")
        (today, word) = next(iter(_today(link["page"], {name: value}).items()))
        current = f"{where}_{today}" if where and today != name else key
        if (link["page"], current, word) == (url_state.MILVUS, "milvus_section", "search"):
            current = "milvus_part_section"  # a section of two parts has a control of its own for them
        widgets[current] = word if today == url_state.SECTION else value
    return widgets


@pytest.mark.parametrize("link", LINKS, ids=[f"{link['page']} {'&'.join(link['address'])}" for link in LINKS])
def test_an_earlier_link_shows_what_it_showed(
    start: Callable[[Settings], AppTest],
    monkeypatch: pytest.MonkeyPatch,
    earlier: tuple[Path, Settings],
    link: dict[str, Any],
) -> None:
    folder, settings = earlier
    monkeypatch.chdir(folder)
    app = start(settings)
    app.query_params = dict(link["address"])
    app.switch_page(link["page"]).run(timeout=300)  # a crop loads the network
    if not _galleries(app) and link["galleries"]:  # scores of another version are measured anew, beside the page
        deadline = time.monotonic() + 120
        while background_jobs.measurements().job.running and time.monotonic() < deadline:
            time.sleep(0.1)
        app.run(timeout=300)
    assert not app.exception, app.exception
    assert not app.error
    widgets = _widgets_today(link)
    assert {key: app.session_state[key] for key in widgets} == widgets
    galleries = _galleries(app)
    assert [each for each in link["galleries"] if each not in galleries] == []
    after = _today(link["page"], link["address_after"])
    if after.keys() != link["address_after"].keys():  # it has earlier names, so the defaults of that time are meant
        after = url_state.EARLIER_DEFAULTS.get(link["page"], {}) | after
    assert dict(app.query_params) == after
