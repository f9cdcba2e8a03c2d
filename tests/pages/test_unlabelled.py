"""Every page and section of a data set without labels: nothing fails, and nothing is judged by classes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from lib.measure import label_sample
from lib.prepare import workspace
from lib.settings import Settings
from lib.view import selection, url_state
from lib.view.embedding_map import query_neighbours
from lib.view.embedding_map import sections as map_sections
from lib.view.formatting import plain
from lib.view.home import label_sample as sample_view
from lib.view.retrieval.sections import SECTIONS
from lib.view.unlabelled import LINK

Start = Callable[[Settings], AppTest]
NEEDS = "need labels, and these photos have none"


def opened(app: AppTest, page: str, **choices: str) -> str:
    """All words of a page with these choices in its address."""
    app.switch_page(page)
    for name, value in choices.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, [entry.message for entry in app.exception]
    assert not app.error, [entry.value for entry in app.error]
    kinds = (app.title, app.header, app.subheader, app.markdown, app.caption, app.info, app.warning)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def test_home_offers_to_label_and_shows_the_sample(start: Start, unlabelled: Settings) -> None:
    app = start(unlabelled)
    words = opened(app, url_state.HOME, sample="true", audit="true", sample_size="6")
    assert plain("42 photos without labels fall into 8 clusters") in words
    assert sample_view.NO_LABELS in words and sample_view.HOW in words
    assert plain("6 photos. Facility location") in words
    assert "No labels" in words and "0 class" not in words
    shown = " ".join(str(element.proto.body) for element in app.get("html"))
    assert "no labels" in shown
    chosen = label_sample.measure(workspace.open_workspace(unlabelled), "resnet18", 6)
    app.button(key="sample_map").click().run()
    assert not app.exception
    photos = workspace.open_workspace(unlabelled).catalog()
    picked = selection.decode(app.query_params["sel"], len(photos.ids), photos.contents)
    assert {photos.ids[row] for row in picked} == {row["id"] for row in chosen["rows"]}


@pytest.mark.parametrize("section", list(map_sections.TITLES))
def test_the_map(start: Start, unlabelled: Settings, section: str) -> None:
    app = start(unlabelled)
    for query in ("", "IMG_2041.jpg"):
        words = opened(app, url_state.MAP, section=section, q=query)
        assert "of its class" not in words and "predict" not in words.replace("predicted", "")
        assert (NEEDS in words) is (section == map_sections.TRAINING)
        colour = next(each for each in app.selectbox if each.label == "Colour")
        assert colour.value == "cluster_kmeans"
        assert not {"label", "predicted", "purity"} & set(colour.options)
        if section == map_sections.QUERY and not query:
            assert query_neighbours.BEGIN_UNLABELLED in words


@pytest.mark.parametrize("section", list(SECTIONS))
def test_retrieval(start: Start, unlabelled: Settings, section: str) -> None:
    words = opened(start(unlabelled), url_state.RETRIEVAL, section=section, q="IMG_2041.jpg")
    assert (NEEDS in words) is (section in {"l1-cosine", "scoreboard", "calibration", "depth"})
    assert "query's class" not in words and "of class" not in words


@pytest.mark.parametrize("section", ["results", "run", "network", "train"])
def test_training_says_what_it_needs(start: Start, unlabelled: Settings, section: str) -> None:
    app = start(unlabelled)
    words = opened(app, url_state.TRAINING, section=section)
    assert (NEEDS in words) is (section == "train")
    if section == "train":
        assert [link.proto.label for link in app.get("page_link")].count(LINK) == 1
        assert not [button for button in app.button if button.key == "train_start"]


@pytest.mark.parametrize("section", ["overview", "rows", "search", "quality", "map", "health"])
def test_the_collection(start: Start, unlabelled: Settings, section: str) -> None:
    opened(start(unlabelled), url_state.MILVUS, section=section)
