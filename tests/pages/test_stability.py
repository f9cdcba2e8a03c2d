"""The map's section Stability: before a measurement, with one, and as a colour of the map."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from lib.prepare import workspace
from lib.settings import Settings
from lib.view.embedding_map import stability
from tests.helpers import stability_records

Start = Callable[[Settings], AppTest]


def _open(start: Start, settings: Settings, **parameters: str) -> AppTest:
    app = start(settings).switch_page("pages/2_Embedding_Map.py")
    for name, value in ({"section": "stability"} | parameters).items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, [entry.message for entry in app.exception]
    assert not app.error
    return app


def _words(app: AppTest) -> str:
    return "\n".join(str(each.value) for each in (*app.markdown, *app.caption, *app.info)).replace("\\", "")


@pytest.mark.parametrize("sizes", [[20, 12], []])
def test_a_measurement_is_shown_with_its_null_map(start: Start, copied: Settings, sizes: list[int]) -> None:
    opened = workspace.open_workspace(copied)
    app = _open(start, copied)
    assert "Not measured yet: 11 layouts of 61 photos" in _words(app)
    assert [button.label for button in app.button].count(stability.MEASURE) == 1
    stability_records.store(opened, "resnet18", stability_records.measurement(61, 61, sizes))
    app = _open(start, copied)
    words = _words(app)
    assert "Two layouts share 50 % [48, 52]" in words
    assert "of shuffled features 20 %" in words
    pictures = "".join(str(block.proto.body) for block in app.get("html"))
    assert pictures.count("<figure") == 11 + 3  # every layout, and a null map of each method
    assert "t-SNE, seed 0, shuffled" in pictures
    if sizes:
        table = next(each.value for each in app.dataframe if "Returns" in each.value)
        assert table["Photos"].tolist() == sizes
    else:
        assert "the space has no gap between them" in words


def test_the_map_takes_the_colour(start: Start, copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    stability_records.store(opened, "resnet18", stability_records.measurement(61, 61, [20]))
    app = _open(start, copied)
    app.button(key="colour_stability").click().run()
    assert app.session_state["map_colour"] == stability.TRAIT
    assert "mean over all pairs of 11 layouts" in _words(_open(start, copied, section="reading", colour="stability"))
    assert not _open(start, copied, section="stability", colour="real_cluster").error
