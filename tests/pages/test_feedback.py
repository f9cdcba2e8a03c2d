"""Results marked right or wrong in a link: they move the query, the page says how, and clearing takes it all back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from lib import artifacts
from lib.prepare import workspace
from lib.prepare.workspace import Workspace
from lib.retrieval.query import find_query
from lib.search.metrics import reference
from lib.settings import Settings
from lib.view import selection
from lib.view.retrieval import feedback
from tests.conftest import galleries

Start = Callable[[Settings], AppTest]
QUERY, RIGHT, WRONG = "tulip/04.jpg", ["tulip/07.png", "rose/05.png"], ["daisy/02.jpg"]


def _word(opened: Workspace, right: list[str], wrong: list[str], key: str = f"id {QUERY}") -> str:
    photos = opened.catalog()
    words = [
        selection.encode([photos.row(each) or 0 for each in ids], 61, photos.contents) if ids else ""
        for ids in (right, wrong)
    ]
    return ".".join([artifacts.digest(key)[:6], *words])


def _page(start: Start, prepared: Settings, **parameters: str) -> AppTest:
    app = start(prepared).switch_page("pages/3_Retrieval.py")
    for name, value in ({"section": "grids", "q": QUERY} | parameters).items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, [entry.message for entry in app.exception]
    return app


def _captions(app: AppTest) -> str:
    return "\n".join(str(each.value) for each in (*app.caption, *app.markdown))


def _expected(opened: Workspace, beta: float) -> list[str]:
    """The first ten under squared L2 of the moved query, from the formula in float64."""
    photos, x = opened.catalog(), opened.vectors("resnet18").values.astype(np.float64)
    q, right, wrong = (x[[photos.row(each) or 0 for each in ids]].mean(axis=0) for ids in ([QUERY], RIGHT, WRONG))
    distances = reference("l2", (q + beta * right - 0.15 * wrong) / (1 + beta - 0.15), x)
    out = find_query(photos, QUERY).copies
    return [photos.ids[row] for row in np.argsort(distances, kind="stable") if row not in out][:10]


def test_marks_in_a_link_move_the_query_and_clearing_takes_them_back(
    start: Start, prepared: Settings, opened: Workspace
) -> None:
    app = _page(start, prepared)
    before = [each["id"] for each in galleries(app)["Results by L2 distance"]]
    assert "marked right" not in _captions(app)
    app = _page(start, prepared, marks=_word(opened, RIGHT, WRONG))
    found = [each["id"] for each in galleries(app)["Results by L2 distance"]]
    assert found == _expected(opened, 0.75) != before
    shown = _captions(app)
    assert "2 marked right, 1 wrong" in shown
    assert "0.75" in shown
    assert "unmarked photos only" in shown
    assert "whose first 10 results are marked by class" in shown
    code = "\n".join(str(block.value) for block in app.code)
    assert "--right=tulip/07.png" in code.replace("'", "")
    assert "Rocchio" in code
    assert not any(each.value == feedback.MEANING for each in app.error)
    app.slider(key="beta").set_value(2.0).run()
    assert [each["id"] for each in galleries(app)["Results by L2 distance"]] == _expected(opened, 2.0)
    app.button(key="feedback_clear").click().run()
    assert [each["id"] for each in galleries(app)["Results by L2 distance"]] == before
    assert "marks" not in app.query_params


def test_the_right_photos_alone_can_be_the_selection(start: Start, prepared: Settings, opened: Workspace) -> None:
    app = _page(start, prepared, marks=_word(opened, RIGHT, WRONG))
    photos = opened.catalog()
    for choice, ids in (("right", RIGHT), ("all", [*RIGHT, *WRONG])):
        app.segmented_control(key="feedback_marked").set_value(choice).run()
        word = app.query_params["sel"]
        rows = selection.decode(word if isinstance(word, str) else word[0], 61, photos.contents)
        assert sorted(photos.ids[row] for row in rows) == sorted(ids)
        assert "2 marked right, 1 wrong" in _captions(app)


def test_two_sides_have_the_marks_too(start: Start, prepared: Settings, opened: Workspace) -> None:
    app = _page(start, prepared, section="l1-cosine", marks=_word(opened, RIGHT, []))
    shown = _captions(app)
    assert "2 marked right, 0 wrong" in shown
    assert "cosine" in shown
    assert not app.error


def test_weights_that_leave_no_point_are_refused_in_a_sentence(
    start: Start, prepared: Settings, opened: Workspace
) -> None:
    app = _page(start, prepared, marks=_word(opened, [], WRONG), gamma="3")
    assert ["lower gamma" in str(each.value) for each in app.error] == [True]


@pytest.mark.parametrize("damage", ["", "x", "a.b", "a.b.c", "....", "é.ü.ö"])
def test_damaged_marks_are_none(start: Start, prepared: Settings, damage: str) -> None:
    app = _page(start, prepared, marks=damage)
    assert "marked right" not in _captions(app)
    assert not app.error


def test_marks_of_another_query_or_too_many_are_none(start: Start, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    ids = opened.catalog().ids
    for word in (_word(opened, RIGHT, WRONG, "id rose/00.jpg"), _word(opened, ids[: feedback.MOST_MARKS + 1], [])):
        app = _page(start, prepared, marks=word)
        assert "marked right" not in _captions(app)
