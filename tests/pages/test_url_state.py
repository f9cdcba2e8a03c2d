"""Choices are kept in the address: they survive leaving and coming back, and nonsense in it breaks nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from lib.data.distortions import DISTORTIONS
from lib.settings import PROJECT, Settings
from lib.view import url_state

Start = Callable[[Settings], AppTest]
QUERY = {"q": "rose/00.jpg"}
# For each page an address with choices other than the defaults, and the values of the widgets that show them.
CHOSEN: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        url_state.HOME,
        {"classes_shown": ["rose", "tulip"], "splits_shown": "train", "draw": "7", "audit": "true"},
        {"classes_shown": ["rose", "tulip"], "splits_shown": ["train"], "draw": 7, "audit": True},
    ),
    (
        url_state.TRAINING,
        {"section": "results", "x": "seconds", "lines": "train", "log": "y", "smoothing": "0.4"},
        {"training_section": "results", "training_lines": ["train"], "training_log": ["y"], "smoothing": 0.4},
    ),
    (
        url_state.MAP,
        {"space": "pixels", "colour": "split", "beside": "pca", "metric": "l1", "near": "4", "lines": "map"},
        {"map_space": "pixels", "map_colour": "split", "map_beside": "pca", "near": 4, "map_lines": "map"},
    ),
    (
        url_state.RETRIEVAL,
        {**QUERY, "section": "l1-cosine", "a": "ncc", "b": "mse", "unit": "true", "k": "3", "show": "shared"}
        | {"classes": ["rose", "daisy"], "splits": "train", "copies": "true"},
        {"retrieval_section": "l1-cosine", "retrieval_a": "ncc", "unit": True, "k": 3, "retrieval_show": "shared"}
        | {"classes": ["rose", "daisy"], "splits": ["train"], "copies": True},
    ),
    (
        url_state.RETRIEVAL,
        {**QUERY, "section": "robustness", "space": "pixels", "lab_flip": "true", "lab_rotate": "15"},
        {"retrieval_section": "robustness", "retrieval_space": "pixels", "lab_flip": True, "lab_rotate": 15},
    ),
    (
        url_state.RETRIEVAL,
        {"section": "grids", "from": "row", "row": "rose/02.jpg", "rows": "space", "engine": "milvus"},
        {"row": "rose/02.jpg", "retrieval_from": "row", "retrieval_rows": "space", "retrieval_engine": "milvus"},
    ),
    (url_state.MILVUS, {"find": "centred"}, {"find": "centred", "milvus_section": "overview"}),
    (
        url_state.MILVUS,
        {"section": "search", "answers": "5", "filter": 'label == "rose"', "with": "row", "like": "rose/02.jpg"},
        {"milvus_section": "rows", "answers": 5, "search_filter": 'label == "rose"'},
    ),
]
NONSENSE: list[str | list[str]] = ["", "unknown", "-1", "1e9", "nan", "9" * 5_000, "a,b,c,d", ["x", "<script>", "x"]]


def _values(app: AppTest, keys: dict[str, Any]) -> dict[str, Any]:
    return {key: app.session_state[key] for key in keys}


def _follow(app: AppTest, page: str) -> AppTest:
    """Click the page's link in the bar."""
    name = "" if page == url_state.HOME else re.sub(r"^pages/\d_|\.py$", "", page)
    link = next(link for link in app.get("page_link") if link.proto.page == name)
    app.query_params = {
        key: value[0] if len(value) == 1 else value
        for key, value in parse_qs(link.proto.query_string, keep_blank_values=True).items()
    }
    return _fine(app.switch_page(page).run())


def _fine(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    return app


def _open(app: AppTest, page: str, address: dict[str, Any]) -> AppTest:
    app.query_params = dict(address)
    return _fine(app.switch_page(page).run())


@pytest.mark.parametrize(("page", "address", "expected"), CHOSEN)
def test_choices_are_those_of_the_link_after_another_page_and_in_a_new_session(
    start: Start, prepared: Settings, page: str, address: dict[str, Any], expected: dict[str, Any]
) -> None:
    app = _open(start(prepared), page, address)
    assert _values(app, expected) == expected
    assert not app.error
    parameters = app.query_params
    assert {name: parameters.get(name) for name in address} == address
    app = _follow(app, url_state.TRAINING if page != url_state.TRAINING else url_state.HOME)
    app = _follow(app, page)
    assert _values(app, expected) == expected
    assert app.query_params == parameters


def test_a_choice_survives_a_view_without_its_widget(start: Start, prepared: Settings) -> None:
    app = _open(start(prepared), url_state.RETRIEVAL, {**QUERY, "section": "l1-cosine"})
    app.toggle(key="unit").set_value(True).run()
    app.multiselect(key="classes").set_value(["rose", "tulip"]).run()
    app.number_input(key="k").set_value(4).run()
    for view in ("understand", "l1-cosine"):
        _fine(app.segmented_control(key="retrieval_section").set_value(view).run())
        assert {name: app.query_params[name] for name in ("section", "unit", "k", "classes")} == {
            "section": view,
            "unit": "true",
            "k": "4",
            "classes": ["rose", "tulip"],
        }
    assert app.toggle(key="unit").value is True
    assert app.multiselect(key="classes").value == ["rose", "tulip"]
    assert app.number_input(key="k").value == 4


def test_a_choice_survives_a_run_that_failed_before_its_widget(
    start: Start, prepared: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lib.errors import ArtifactError
    from lib.view import cached

    app = _open(start(prepared), url_state.HOME, {"draw": "7", "splits_shown": "test"})

    def damaged() -> None:
        raise ArtifactError("This is damaged.")

    with monkeypatch.context() as patch:
        patch.setattr(cached, "open_workspace", damaged)
        assert not _fine(app.run()).number_input
    app = _fine(app.run())
    assert app.number_input(key="draw").value == 7
    assert app.multiselect(key="splits_shown").value == ["test"]
    assert app.query_params == {"draw": "7", "splits_shown": "test"}


def test_going_back_to_an_address_without_a_choice_is_the_default(start: Start, prepared: Settings) -> None:
    app = _open(start(prepared), url_state.RETRIEVAL, {**QUERY, "section": "grids"})
    before = dict(app.query_params)
    app.number_input(key="k").set_value(4).run()
    app.selectbox(key="retrieval_rows").set_value("space").run()
    after = dict(app.query_params)
    app.query_params = before
    _fine(app.run())
    assert (app.number_input(key="k").value, app.selectbox(key="retrieval_rows").value) == (10, "metric")
    app.query_params = after
    _fine(app.run())
    assert (app.number_input(key="k").value, app.selectbox(key="retrieval_rows").value) == (4, "space")


def test_a_click_from_a_browser_that_knows_the_old_address_loses_nothing(start: Start, prepared: Settings) -> None:
    app = _open(start(prepared), url_state.RETRIEVAL, {**QUERY, "section": "l1-cosine"})
    before = dict(app.query_params)
    app.number_input(key="k").set_value(4).run()
    app.query_params = before  # the second click was on its way before the first one's address came
    app.toggle(key="unit").set_value(True).run()
    assert app.query_params == {**before, "k": "4", "unit": "true"}
    assert (app.number_input(key="k").value, app.toggle(key="unit").value) == (4, True)


def test_the_same_name_on_two_pages_is_two_choices(start: Start, prepared: Settings) -> None:
    app = _open(start(prepared), url_state.RETRIEVAL, {**QUERY, "crop": "20,20,80,80", "metric": "l1"})
    app = _follow(app, url_state.MILVUS)
    assert app.query_params == {**QUERY}
    app.segmented_control(key="milvus_section").set_value("schema").run()
    app = _follow(app, url_state.RETRIEVAL)
    assert app.query_params == {**QUERY, "crop": "20,20,80,80", "metric": "l1"}
    assert _follow(app, url_state.MAP).query_params == {**QUERY, "metric": "l1"}  # which means the same there


@pytest.mark.parametrize("value", NONSENSE, ids=lambda value: str(value)[:12] or "empty")
@pytest.mark.parametrize("page", list(url_state.NAMES))
def test_nonsense_in_a_link_is_the_default_or_a_sentence(
    start: Start, prepared: Settings, page: str, value: str | list[str]
) -> None:
    _open(start(prepared), page, dict.fromkeys(url_state.NAMES[page], value))


@pytest.mark.parametrize(
    ("page", "which"),
    [
        (url_state.TRAINING, {"section": "results"}),
        (url_state.TRAINING, {"section": "run"}),
        (url_state.RETRIEVAL, {**QUERY, "section": "l1-cosine"}),
        (url_state.RETRIEVAL, {**QUERY, "section": "robustness"}),
        (url_state.RETRIEVAL, {"from": "row"}),
        (url_state.MILVUS, {"section": "search"}),
        (url_state.MILVUS, {"section": "map"}),
    ],
)
def test_nonsense_in_a_view_is_the_default_or_a_sentence(
    start: Start, prepared: Settings, page: str, which: dict[str, str]
) -> None:
    app = start(prepared)
    for value in ("-1", "1e9", ["x", "<script>", "x"]):
        _open(app, page, dict.fromkeys(url_state.NAMES[page], value) | which)


def test_every_linked_name_is_carried_from_page_to_page() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (PROJECT / "lib" / "view").rglob("*.py"))
    functions = [name for name in vars(url_state) if not name.startswith("_") and name not in {"link_to", "write"}]
    used = set(re.findall(rf'url_state\.(?:{"|".join(functions)})\(\s*"(\w+)"', source))
    used |= set(re.findall(r'(?:metric_choice|cell_choice)\([^)]*?"(\w+)", "\w+"\)', source))
    used |= {
        name for each in re.findall(r"url_state\.write\(([^)]*)\)", source) for name in re.findall(r"(\w+)=", each)
    }
    used |= {f"lab_{name}" for name in DISTORTIONS}
    names = {name for page_names in url_state.NAMES.values() for name in page_names}
    assert len(used) > 40
    assert used <= names, used - names
    assert not re.findall(r'\bbind\s*=\s*"query-params"', source)


@pytest.mark.parametrize(
    ("word", "expected"),
    [("0.5", 0.5), ("5e-1", 0.5), ("nan", 0.1), ("inf", 0.1), ("1.01", 0.1), ("-0.1", 0.1), ("", 0.1), (None, 0.1)],
)
def test_a_number_in_a_link_is_in_its_range_or_the_usual_one(word: str | None, expected: float) -> None:
    assert url_state.parse_real(word, 0.0, 1.0, 0.1) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [("-7", -7), ("9", 9), ("10", 3), ("--7", 3), ("-", 3), ("7.0", 3), ("9" * 5_000, 3), (None, 3), ("٧", 7)],
)
def test_a_whole_number_in_a_link_is_in_its_range_or_the_usual_one(word: str | None, expected: int) -> None:
    assert url_state.parse_whole(word, -9, 9, 3) == expected


def test_a_browser_that_shows_a_number_anew_begins_with_the_links(start: Start, prepared: Settings) -> None:
    # It may have removed the field without the server knowing, and would report the least number as the user's choice.
    app = _open(start(prepared), url_state.RETRIEVAL, {**QUERY, "k": "3"})
    app.run()
    assert not _fine(app).number_input("k").proto.HasField("value")  # nothing is written over what a user does just now
    assert app.number_input("k").proto.default == 3
