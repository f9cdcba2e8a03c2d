"""Labels on Home, and tags on the map and in searches, run by Streamlit's own test harness."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from lib.data import label_review, tags
from lib.data import saved_views as stored_views
from lib.data.label_review import decision
from lib.measure import suspects
from lib.prepare import workspace
from lib.settings import Settings
from lib.view import saved_views, selection, tag_choice, url_state
from lib.view.formatting import plain
from lib.view.home import labels
from tests.conftest import galleries

Start = Callable[[Settings], AppTest]


def _words(app: AppTest) -> str:
    assert not app.exception, [entry.message for entry in app.exception]
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def _value(app: AppTest, name: str) -> str:
    """The value of a parameter in the address, which the harness returns as a text or as a list of one."""
    value = app.query_params[name]
    return value if isinstance(value, str) else value[-1]


def test_home_says_how_many_labels_are_doubtful_and_lists_them(start: Start, copied: Settings) -> None:
    app = start(copied)
    assert labels.NOT_RANKED in _words(app)
    opened = workspace.open_workspace(copied)
    photos = opened.catalog()
    found = suspects.find(opened, "resnet18", photos)
    app.query_params["labels"] = "true"
    assert plain(suspects.verdict(found, photos.ids).text) in _words(app.run())
    listed = [item["id"] for item in galleries(app)[labels.SUSPECTS]]
    assert listed == [photos.ids[row] for row in found.ranking[:24]]
    assert not app.error


def test_home_names_decisions_that_are_not_applied_and_takes_one_back(start: Start, copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    photos = opened.catalog()
    label_review.decide(opened.folder, {photos.hashes[0]: decision("relabel", photos.ids[0], "tulip")})
    label_review.decide(opened.folder, {photos.hashes[1]: decision("keep", photos.ids[1])})
    app = start(copied)
    assert "1 relabelled, 1 kept · not applied yet" in _words(app)
    assert not next(button for button in app.button if button.label == labels.PREPARE).disabled
    next(button for button in app.button if button.label == labels.UNDO).click().run()
    assert "1 relabelled · not applied yet" in _words(app)
    assert label_review.read(opened.folder).counts["kept"] == 0
    (opened.folder / label_review.NAME).write_text("{")
    assert "label review" in _words(app.run())
    assert len(app.error) == 1


def test_a_selection_gets_a_name_that_selects_and_filters(start: Start, copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    photos = opened.catalog()
    rows = [row for row, label in enumerate(photos.labels) if label == "tulip"]
    app = start(copied).switch_page(url_state.MAP)
    app.query_params["sel"] = selection.encode(rows, len(photos.ids), photos.contents)
    app.query_params["section"] = "selection"
    app.run()
    next(field for field in app.text_input if field.label == tag_choice.NAME).set_value("all tulips")
    next(button for button in app.button if button.label == tag_choice.SAVE).click().run()
    assert not app.exception and not app.error
    kept = tags.read(opened.folder)
    assert kept.rows("all tulips", photos) == rows

    app = start(copied).switch_page(url_state.MAP)
    app.query_params["section"] = "selection"
    app.run()
    next(button for button in app.button if button.key == "tag_0").click().run()
    assert selection.decode(_value(app, "sel"), len(photos.ids), photos.contents) == rows
    assert "Tag all tulips" in next(box for box in app.selectbox if box.label == "Colour").options

    app = app.switch_page(url_state.RETRIEVAL)
    app.query_params = {"q": "rose/00.jpg", "section": "grids", "tags": "all tulips"}
    assert "Results: all tulips" in _words(app.run())
    for title, items in galleries(app).items():
        if "cosine" in title.lower():
            assert {item["label"] for item in items} == {"tulip"}


def test_a_view_is_saved_and_restored_from_every_page(start: Start, copied: Settings) -> None:
    app = start(copied).switch_page(url_state.MAP)
    app.query_params = {"space": "pixels", "section": "findings"}
    app.run()
    next(field for field in app.text_input if field.label == saved_views.NAME).set_value("pixels: findings")
    next(button for button in app.button if button.label == saved_views.SAVE).click().run()
    assert not app.exception and not app.error
    app.query_params = {"space": "resnet18"}
    app.run()
    next(button for button in app.button if button.key == "view_0").click().run()
    assert (_value(app, "space"), _value(app, "section")) == ("pixels", "findings")
    app.switch_page(url_state.HOME).run()
    links = {link.proto.label: link.proto for link in app.get("page_link")}
    assert "section=findings" in links[plain("pixels: findings")].query_string
    next(button for button in app.button if button.key == "unview_0").click().run()
    assert stored_views.read(workspace.open_workspace(copied).folder) == {}
