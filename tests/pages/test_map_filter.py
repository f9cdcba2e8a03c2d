"""The filter and the link of the map page: what passes is the selection, and the address is checked."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from lib.prepare import workspace
from lib.settings import Settings
from lib.view import selection, url_state
from lib.view.components import scatter_link

PAGE = "pages/2_Embedding_Map.py"
Start = Callable[[Settings], AppTest]


def open_map(begin: Start, settings: Settings, **query: str | list[str]) -> AppTest:
    app = begin(settings).switch_page(PAGE)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, app.exception
    return app


def sent(app: AppTest, component: str) -> dict[str, Any]:
    found = [each.proto for each in app.get("bidi_component") if each.proto.component_name == f"petalscope_{component}"]
    return dict(json.loads(found[0].json))


def selected(app: AppTest, settings: Settings) -> list[int]:
    photos = workspace.open_workspace(settings).catalog()
    word = app.query_params.get("sel")
    return selection.decode(word[-1] if isinstance(word, list) else word, len(photos.ids), photos.contents)


def test_a_link_with_a_filter_selects_what_passes(start: Start, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    label = photos.frame.loc[photos.frame["split"] == "test", "label"].iloc[0]
    app = open_map(start, prepared, **{"pass": [f"label:{label}", "split:test"]})
    mask = (photos.frame["label"] == label) & (photos.frame["split"] == "test")
    assert selected(app, prepared) == np.nonzero(mask.to_numpy())[0].tolist()
    shown = sent(app, "histograms")  # a filter opens its section
    assert set(shown["chosen"]) == {"label", "split"}
    assert shown["count"] == len(photos.ids)
    names = [each["name"] for each in shown["histograms"]]
    assert names[:5] == ["label", "split", "right", "predicted", "purity"]


def test_a_selection_among_what_passes_stays(start: Start, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    label = next(iter(photos.classes))
    rows = np.nonzero((photos.frame["label"] == label).to_numpy())[0].tolist()
    word = selection.encode(rows[:2], len(photos.ids), photos.contents)
    app = open_map(start, prepared, **{"pass": [f"label:{label}"], "sel": word})
    assert selected(app, prepared) == rows[:2]
    other = next(row for row in range(len(photos.ids)) if row not in rows)
    word = selection.encode([rows[0], other], len(photos.ids), photos.contents)
    app = open_map(start, prepared, **{"pass": [f"label:{label}"], "sel": word})
    assert selected(app, prepared) == rows


def test_a_filter_that_nothing_passes_fades_everything(start: Start, prepared: Settings) -> None:
    first, second = list(workspace.open_workspace(prepared).catalog().classes)[:2]
    app = open_map(start, prepared, **{"pass": ["right:right", f"label:{first}", f"predicted:{second}"]})
    shown = sent(app, "scatter")
    assert shown["lit"] is not None and set(shown["lit"].rstrip("=")) == {"A"}  # no bit is set
    assert "sel" not in app.query_params


@pytest.mark.parametrize(
    "word", ["", "label:", "label:none", "purity:nan..nan", "\x00", "x" * 19_000, ":::", "__proto__:1"]
)
def test_a_filter_of_nothing_filters_nothing(start: Start, prepared: Settings, word: str) -> None:
    app = open_map(start, prepared, **{"pass": word})
    assert sent(app, "scatter")["lit"] is None
    assert "sel" not in app.query_params


def test_another_way_to_select_ends_the_filter(start: Start, prepared: Settings) -> None:
    label = next(iter(workspace.open_workspace(prepared).catalog().classes))
    app = open_map(start, prepared, **{"pass": f"label:{label}", "section": "findings"})
    next(button for button in app.button if str(button.key).startswith("finding_")).click().run()
    assert "pass" not in app.query_params and "sel" in app.query_params


def test_every_histogram_counts_every_photo(start: Start, prepared: Settings) -> None:
    app = open_map(start, prepared, section="filter")
    shown = sent(app, "histograms")
    assert shown["selected"] is None and shown["chosen"] == {}
    for each in shown["histograms"]:
        codes = np.frombuffer(b64decode(each["codes"]), np.uint8)
        assert len(codes) == shown["count"] and codes.max() < len(each["bins"])
        assert each["is_number"] == ("low" in each)


@pytest.mark.parametrize(
    ("word", "zoom"),
    [
        ("0.25,0.5,3", [0.25, 0.5, 3.0]),
        ("-1,2.5,0.5", [-1.0, 2.5, 0.5]),
        (None, []),
        ("", []),
        ("1,2", []),
        ("1,1,1,1", []),
        ("nan,0,1", []),
        ("0,inf,1", []),
        ("9,0,1", []),
        ("0,0,0", []),
        ("0,0,-3", []),
        ("0,0,1e9", []),
        ("a,b,c", []),
        ("0,0," + "9" * 5000, []),
    ],
)
def test_a_zoom_is_read_or_is_the_whole_map(word: str | None, zoom: list[float]) -> None:
    assert scatter_link.parse_zoom(word) == zoom


def test_the_map_gets_what_the_address_keeps_and_a_choice_keeps_it(start: Start, prepared: Settings) -> None:
    app = open_map(start, prepared, zoom="0.25,0.5,3", hide=["rose", "tulip"], tool="box", names="off", contours="all")
    link = sent(app, "scatter")["link"]
    assert (link["zoom"], link["hide"], link["tool"], link["names"], link["contours"]) == (
        [0.25, 0.5, 3.0],
        ["rose", "tulip"],
        "box",
        "off",
        "all",
    )
    # The browser has moved the map meanwhile, of which the session knows nothing; then the user chooses a colour.
    app.query_params["zoom"] = "0.5,0.5,9"
    del app.query_params["hide"]
    app.selectbox(key="map_colour").set_value("split").run()
    assert not app.exception
    kept = app.query_params
    assert kept["zoom"] in ("0.5,0.5,9", ["0.5,0.5,9"]) and "hide" not in kept
    assert sent(app, "scatter")["link"]["zoom"] == [0.5, 0.5, 9.0]


def test_a_map_beside_keeps_its_own_view_only(start: Start, prepared: Settings) -> None:
    app = open_map(start, prepared, beside="pca", zoom="0.25,0.5,3", zoom2="0.75,0.5,2")
    found = [each.proto for each in app.get("bidi_component") if each.proto.component_name == "petalscope_scatter"]
    links = [json.loads(each.json)["link"] for each in found]
    assert [link["zoom"] for link in links] == [[0.25, 0.5, 3.0], [0.75, 0.5, 2.0]]
    assert links[1]["parameters"] == {"zoom": "zoom2"}
    assert set(links[0]["parameters"].values()) | {"zoom2"} == set(url_state.BY_BROWSER)
