"""The map page: colours, selection, findings, two maps, and maps of one's own."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from lib import artifacts, workspace
from lib.embed.projection import MapParameters
from lib.settings import Settings
from lib.traits import Trait
from lib.view import charts, mapper, picked, selection

PAGE = "pages/2_Embedding_Map.py"
Start = Callable[[Settings], AppTest]


def open_map(begin: Start, settings: Settings, **query: str) -> AppTest:
    app = begin(settings).switch_page(PAGE)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def figure(app: AppTest, place: int = 0) -> dict[str, Any]:
    """The drawn figure as Plotly gets it."""
    found: dict[str, Any] = artifacts.from_json(app.get("plotly_chart")[place].proto.spec)
    return found


# --- the selection's word in the address -----------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, 8, 9, 4064])
def test_a_selection_survives_the_address(n: int) -> None:
    rows = sorted(np.random.default_rng(n).permutation(n)[: max(1, n // 3)].tolist())
    word = selection.encoded(rows, n, "c0ffee42")
    assert selection.decoded(word, n, "c0ffee42") == rows
    assert word.isascii() and "/" not in word and "=" not in word and "+" not in word
    assert selection.decoded(word, n, "decade42") == []


def test_a_lasso_among_many_photos_fits_into_an_address() -> None:
    assert len(selection.encoded(range(20_000, 22_000), 50_000, "c0ffee")) < 200
    scattered = np.random.default_rng(0).permutation(4064)[:1000].tolist()
    assert len(selection.encoded(scattered, 4064, "c0ffee")) < 900


@pytest.mark.parametrize(
    "word", ["", "c0ffee", "c0ffee!!!", "c0ffeeAAAA", "c0ffee" + "eJ" * 50, "c0ffeé", "c0ffee\x00"]
)
def test_a_damaged_word_selects_nothing(word: str) -> None:
    assert selection.decoded(word, 100, "c0ffee") == []


def test_a_word_that_would_unpack_to_very_much_is_refused() -> None:
    import base64
    import zlib

    bomb = "c0ffee" + base64.urlsafe_b64encode(zlib.compress(bytes(50_000_000))).decode()
    assert selection.decoded(bomb, 100, "c0ffee") == []
    wrong = "c0ffee" + base64.urlsafe_b64encode(zlib.compress(b"\xff" * 13)).decode()
    assert selection.decoded(wrong, 100, "c0ffee") == []  # bits beyond the last image


# --- by words --------------------------------------------------------------------------------------------------------


def test_photos_are_selected_by_class_name_and_list() -> None:
    frame = pd.DataFrame({"id": ["a/One.jpg", "a/two.jpg", "b/one.jpg"], "label": ["a", "a", "b"]})
    assert picked.matching(frame, [], "", "") == []
    assert picked.matching(frame, ["a"], "", "") == ["a/One.jpg", "a/two.jpg"]
    assert picked.matching(frame, [], " one", "") == ["a/One.jpg", "b/one.jpg"]
    assert picked.matching(frame, ["b"], "one", "") == ["b/one.jpg"]
    assert picked.matching(frame, [], "", "b/one.jpg\n\n a/two.jpg \nnone") == ["a/two.jpg", "b/one.jpg"]
    assert picked.matching(frame, [], ".*", "") == []


# --- the page --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "colour", ["split", "predicted", "right", "confidence", "purity", "disagreement", "hubness", "preserved"]
)
def test_every_colour_draws_every_photo(start: Start, prepared: Settings, colour: str) -> None:
    app = open_map(start, prepared, colour=colour)
    photos = workspace.open_workspace(prepared).catalog()
    drawn = [image_id for trace in figure(app)["data"] for image_id in trace.get("ids", [])]
    assert sorted(drawn) == photos.ids


def test_ids_lie_where_the_map_has_them_also_under_a_selection(start: Start, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    photos, xy = opened.catalog(), opened.map("resnet18").xy
    chosen = photos.ids[3:40:5]
    word = selection.encoded([photos.ids.index(each) for each in chosen], len(photos.ids), photos.contents)
    app = open_map(start, prepared, sel=word, q=photos.ids[3])
    seen, lit = {}, set()
    for trace in figure(app)["data"]:
        for place, image_id in enumerate(trace.get("ids", [])):
            seen[image_id] = (_number(trace["x"], place), _number(trace["y"], place))
            if place in trace["selectedpoints"]:
                lit.add(image_id)
    assert lit == set(chosen)
    for row, image_id in enumerate(photos.ids):
        assert seen[image_id] == pytest.approx(tuple(xy[row].tolist()))
    assert f"{len(chosen)} photos in the selection" in [line.value for line in app.subheader]


def _number(packed: Any, place: int) -> float:
    if isinstance(packed, list):
        return float(packed[place])
    import base64

    return float(np.frombuffer(base64.b64decode(packed["bdata"]), dtype=packed["dtype"])[place])


def test_two_maps_share_one_selection(start: Start, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    word = selection.encoded([1, 2, 5], len(photos.ids), photos.contents)
    app = open_map(start, prepared, beside="pixels", sel=word)
    for place in (0, 1):
        lit = {trace["ids"][point] for trace in figure(app, place)["data"] for point in trace.get("selectedpoints", [])}
        assert lit == {photos.ids[row] for row in (1, 2, 5)}
    table = app.dataframe[0].value
    assert list(table.index) == [*photos.classes, "all photos", "test photos"]
    purity = workspace.open_workspace(prepared).neighbourhoods("pixels").rows["cosine"][:, :10]
    labels = photos.frame["label"].to_numpy()
    assert table.loc["all photos", "Raw pixels"] == pytest.approx(100 * (labels[purity] == labels[:, None]).mean())


def test_the_measures_of_the_map_are_shown_beside_those_of_pca(start: Start, prepared: Settings) -> None:
    app = open_map(start, prepared)
    opened = workspace.open_workspace(prepared)
    mine, pca = (opened.map("resnet18", method).facts["fidelity"] for method in ("umap", "pca"))
    shown = {metric.label: (metric.value, metric.delta) for metric in app.metric}
    assert shown["Trustworthiness"] == (f"{mine['trustworthiness']:.3f}", f"PCA {pca['trustworthiness']:.3f}")
    assert shown["Neighbours kept"] == (f"{mine['preservation']:.1%}", f"PCA {pca['preservation']:.1%}")


def test_a_finding_becomes_the_selection(start: Start, prepared: Settings) -> None:
    app = open_map(start, prepared, panel="findings")
    button = next(button for button in app.button if str(button.key).startswith("finding_"))
    button.click().run()
    assert not app.exception
    assert app.query_params["sel"]


def test_a_link_to_a_map_that_is_not_there_shows_pca_and_makes_it(
    start: Start,
    prepared: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, MapParameters]] = []
    monkeypatch.setattr(
        mapper.Maker, "start", lambda self, settings, space, wanted: bool(asked.append((space, wanted)))
    )
    app = open_map(start, prepared, map="umap,7,0.4,euclidean")
    assert "PCA is shown in its place" in app.info[0].value
    next(button for button in app.button if button.label == "Make it now").click().run()
    assert asked == [("resnet18", MapParameters(n_neighbors=7, min_dist=0.4, metric="euclidean"))]


@pytest.mark.parametrize(
    "word", ["umap", "umap,x,0.1,cosine", "umap,15,0.1,l7", "umap,1,0.1,cosine", "tsne,15,0.1,cosine"]
)
def test_a_link_to_a_map_that_cannot_be_shows_the_usual_one(start: Start, prepared: Settings, word: str) -> None:
    app = open_map(start, prepared, map=word)
    assert not app.info or "PCA is shown" not in app.info[0].value


def test_pca_needs_no_making(start: Start, prepared: Settings) -> None:
    app = open_map(start, prepared, map="pca,15,0.1,cosine")
    assert "PCA" in figure(app)["layout"]["meta"] or not any("not made yet" in box.value for box in app.info)


def test_very_many_photos_are_a_density_under_a_sample_of_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "DENSE", 999)
    monkeypatch.setattr(charts, "SAMPLE", 300)
    rng = np.random.default_rng(0)
    xy = rng.normal(size=(1000, 2)).astype(np.float32)
    frame = pd.DataFrame({"id": [f"a/{i:04d}.jpg" for i in range(1000)], "label": ["a", "b"] * 500})
    trait = Trait("label", "Class", "", "class", frame["label"].to_numpy(dtype=object))
    drawn = charts.space_map(frame, xy, trait, {"a": "#000", "b": "#fff"})
    charts.select(drawn, frame["id"][:500])
    density, *points = drawn.data
    assert np.expm1(density.z).sum() == pytest.approx(1000, rel=1e-4)
    ids = [image_id for trace in points for image_id in trace.ids]
    assert len(set(ids)) == 300
    for trace in points:
        for x, y, image_id in zip(trace.x, trace.y, trace.ids, strict=True):
            assert (x, y) == tuple(xy[int(image_id[2:6])])
        assert all(int(trace.ids[place][2:6]) < 500 for place in trace.selectedpoints)


# --- making maps -----------------------------------------------------------------------------------------------------


def wait_until(true: Callable[[], bool], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def test_a_map_is_made_beside_the_app_and_one_at_a_time(copied: Settings) -> None:
    maker, wanted = mapper.Maker(), MapParameters(n_neighbors=4, metric="cosine")
    assert maker.start(copied, "resnet18", wanted) is True
    assert maker.start(copied, "resnet18", MapParameters(n_neighbors=5)) is False
    making = maker.making
    assert making is not None
    wait_until(lambda: not making.running)
    assert (making.error, making.done, making.total) == ("", 500, 500)
    found = workspace.open_workspace(copied).other_map("resnet18", wanted)
    assert found is not None and found.facts["n_neighbors"] == 4


def test_a_map_that_is_stopped_leaves_nothing(copied: Settings) -> None:
    maker, wanted = mapper.Maker(), MapParameters(n_neighbors=6)
    maker.start(copied, "resnet18", wanted)
    maker.stop()
    making = maker.making
    assert making is not None
    wait_until(lambda: not making.running)
    assert making.stopped and making.error == ""
    assert workspace.open_workspace(copied).other_map("resnet18", wanted) is None
    assert maker.start(copied, "pixels", MapParameters(method="pca")) is True
    wait_until(lambda: maker.making is not None and not maker.making.running)


def test_a_map_that_cannot_be_made_says_why(copied: Settings, tmp_path: Path) -> None:
    maker = mapper.Maker()
    maker.start(Settings(data=copied.data, artifacts=tmp_path / "none"), "resnet18", MapParameters())
    making = maker.making
    assert making is not None
    wait_until(lambda: not making.running)
    assert "is not prepared yet" in making.error
    assert "Traceback" not in making.error
