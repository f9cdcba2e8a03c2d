"""The heat over two photos, on every page that shows an answer: what the page sends is what the command prints."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from lib.errors import DataError, Remedy
from lib.prepare.workspace import Workspace
from lib.retrieval import explain, search
from lib.retrieval.feedback import Marks, moved_vectors
from lib.retrieval.query import find_query
from lib.search.metrics import METRICS
from lib.search.position_parts import PositionParts
from lib.settings import Settings
from lib.view import cached, network_preloading, pair_heat, photo_viewer, selection
from lib.view.retrieval import explain_pair, feedback

Start = Callable[[Settings], AppTest]
QUERY, ANSWER = "tulip/04.jpg", "rose/03.png"


def heats(app: AppTest) -> list[dict[str, Any]]:
    """The data of each heat on the page."""
    found = []
    for element in app.get("bidi_component"):
        data = json.loads(element.proto.mixed.json if element.proto.HasField("mixed") else element.proto.json)
        if isinstance(data, dict) and "photos" in data and "binding" in data:
            found.append(data)
    return found


def opened_page(start: Start, prepared: Settings, page: str, **parameters: str) -> AppTest:
    app = start(prepared).switch_page(page)
    for name, value in parameters.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, [entry.message for entry in app.exception]
    return app


def nearest(opened: Workspace, metric: str, space: str = "resnet18") -> str:
    loaded = search.load_space(opened, space)
    return search.search(opened, loaded, find_query(loaded.catalog, QUERY), metric_name=metric, k=3)["results"][2]["id"]


def test_l1_and_cosine_have_a_heat_each(start: Start, prepared: Settings, opened: Workspace) -> None:
    answer = nearest(opened, "cosine")
    app = opened_page(start, prepared, "pages/3_Retrieval.py", q=QUERY, section="l1-cosine", pair=answer, k="20")
    assert any("explain" in block.value and answer in block.value for block in app.code)
    first, second = heats(app)
    loaded, embed = search.load_space(opened, "resnet18"), opened.embedder("resnet18")
    places = [explain.place(opened, loaded, find_query(loaded.catalog, name), embed) for name in (QUERY, answer)]
    for heat, metric in ((first, "l1"), (second, "cosine")):
        document = explain.document(explain.explain(metric, *places), QUERY, answer, loaded)
        assert heat["grid"] == document["grid"]
        assert heat["total"] == pytest.approx(document["sum"])
        for photo, side in zip(heat["photos"], ("query", "answer"), strict=True):
            parts = np.array(document["parts"][side])  # type: ignore[literal-required]
            assert photo["parts"] == pytest.approx(parts.ravel().tolist(), rel=1e-4)
            assert photo["src"].startswith("data:image/jpeg")
            assert "binds most" in photo["alt"]
        assert METRICS[metric].title in heat["title"]
    assert (first["binding"], first["pairs"]) == (-1, None)
    assert (second["binding"], len(second["pairs"])) == (1, 256)
    assert sum(second["pairs"]) == pytest.approx(second["total"], rel=1e-4)
    assert max(second["matches"]) <= 1


def test_pixels_are_shown_in_blocks_and_match_by_place(start: Start, prepared: Settings, opened: Workspace) -> None:
    answer = nearest(opened, "l2", "pixels")
    parameters = {"section": "grids", "space": "pixels", "pair": answer, "why": "l2"}
    app = opened_page(start, prepared, "pages/3_Retrieval.py", q=QUERY, **parameters)
    (heat,) = heats(app)
    assert heat["grid"] == [16, 16]
    assert (heat["matches"], heat["pairs"], heat["places"]) == (None, None, pair_heat.PLACES)
    assert sum(sum(photo["parts"]) for photo in heat["photos"]) == pytest.approx(heat["total"], rel=1e-4)


@pytest.mark.parametrize("space", ["resnet18", "pixels"])
def test_a_moved_query_is_explained(start: Start, prepared: Settings, opened: Workspace, space: str) -> None:
    catalog = opened.catalog()
    query = find_query(catalog, QUERY)
    right, wrong = (catalog.row(name) or 0 for name in ("tulip/07.png", "rose/05.png"))
    words = [selection.encode([row], len(catalog.ids), catalog.contents) for row in (right, wrong)]
    word = ".".join([feedback._query_word(query.key), *words])
    loaded = search.load_space(opened, space)
    marks = Marks(("tulip/07.png",), ("rose/05.png",))
    vector = moved_vectors(loaded, search.query_vectors(opened, loaded, [query]), "l1", marks)
    results = search.search(opened, loaded, query, metric_name="l1", k=10, vectors=vector)["results"]
    answer = results[1]["id"]
    parameters = {"section": "grids", "space": space, "pair": answer, "why": "l1", "marks": word}
    app = opened_page(start, prepared, "pages/3_Retrieval.py", q=QUERY, **parameters)
    (heat,) = heats(app)
    assert heat["total"] == pytest.approx(results[1]["value"], rel=1e-4)
    first, second = heat["photos"]
    assert len(second["parts"]) == heat["grid"][0] * heat["grid"][1]
    if space == "pixels":
        assert sum(first["parts"]) == pytest.approx(sum(second["parts"]))
    else:
        assert (first["parts"], first["name"], heat["matches"]) == ([], "Query, moved", None)
        assert "adds" in first["note"] and heat["places"] == pair_heat.MOVED
    assert explain_pair.MOVED in [element.value for element in app.caption]
    assert any("explain" in block.value and "--right=tulip/07.png" in block.value for block in app.code)


def test_the_map_explains_a_neighbour_in_its_panel(start: Start, prepared: Settings, opened: Workspace) -> None:
    answer = nearest(opened, "cosine")
    app = opened_page(start, prepared, "pages/2_Embedding_Map.py", q=QUERY, pair=answer, space="resnet18")
    (heat,) = heats(app)
    assert answer in heat["photos"][1]["alt"]
    next(button for button in app.button if button.key == "map_why_close").click().run()
    assert heats(app) == []
    assert "pair" not in app.query_params
    # What is no neighbour is not explained.
    assert heats(opened_page(start, prepared, "pages/2_Embedding_Map.py", q=QUERY, pair="../x")) == []


def test_the_viewer_explains_its_neighbours(start: Start, prepared: Settings) -> None:
    def script() -> None:
        import streamlit as st

        from lib.view import cached, photo_tiles, photo_viewer

        st.session_state.setdefault("viewed_photo", "tulip/04.jpg")
        workspace = cached.open_workspace()
        near = workspace.neighbourhoods("resnet18").rows["cosine"][workspace.catalog().row("tulip/04.jpg") or 0]
        photo_viewer._explain("tulip/04.jpg", "resnet18", workspace.catalog().ids[int(near[0])])
        photo_viewer._show_neighbours(
            workspace,
            "resnet18",
            workspace.catalog().row("tulip/04.jpg") or 0,
            lambda ids, notes: photo_tiles.tiles(workspace, ids, notes=notes),
        )

    start(prepared)
    app = AppTest.from_function(script, default_timeout=60).run()
    assert not app.exception, [entry.message for entry in app.exception]
    (heat,) = heats(app)
    assert heat["title"] == "Cosine similarity · ResNet18 features"
    assert any(photo_viewer.WHY in element.value for element in app.markdown)
    app.run()  # the same "why?" again closes it
    assert heats(app) == []


def test_a_photo_that_cannot_be_explained_is_one_sentence(
    start: Start, prepared: Settings, opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(*_: object) -> None:
        raise DataError(f"{ANSWER} changed while it was being read", remedy=Remedy.RUN_AGAIN)

    monkeypatch.setattr(explain, "place", changed)
    answer = nearest(opened, "cosine")
    app = opened_page(start, prepared, "pages/3_Retrieval.py", q=QUERY, section="l1-cosine", pair=answer, k="20")
    assert heats(app) == []
    assert any("changed while it was being read" in element.value for element in app.info)


@pytest.mark.parametrize(("alone", "sum_"), [(True, "the answer holds"), (False, "both photos holds")])
def test_the_sentence_counts_what_the_strongest_quarter_holds(alone: bool, sum_: str) -> None:
    query = np.ones((2, 2))
    answer = np.array([[7.0, 1], [1, 1]])
    said = pair_heat.concentration(PositionParts("cosine", query, answer, 10.0, alone), "the cosine")
    assert sum_ in said
    assert (f"{0.7:.0%}" if alone else f"{8 / 14:.0%}") in said
    assert "25%" in said
    signed = PositionParts("cosine", query, np.array([[7.0, -1], [-1, -1]]), 4.0, alone)
    assert "signs aside" in pair_heat.concentration(signed, "the cosine")
    nothing = PositionParts("l1", 0 * query, 0 * answer, 0.0, alone)
    assert "No part" in pair_heat.concentration(nothing, "the L1 distance")


def test_blocks_keep_the_sum() -> None:
    grid = np.random.default_rng(0).normal(size=(37, 128))
    found = pair_heat.blocks(grid)
    assert found.shape == (16, 16)
    assert found.sum() == pytest.approx(grid.sum())
    small = grid[:4, :7]
    np.testing.assert_array_equal(pair_heat.blocks(small), small)


def test_preloading_makes_the_network_of_the_page_or_fails_in_silence(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    network_preloading.load(opened, "resnet18")
    made = cached.quiet_embedder(opened, "resnet18")
    assert cached.quiet_embedder(opened, "resnet18") is made
    assert made.maps is not None

    def broken(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(cached, "quiet_embedder", broken)
    network_preloading.load(opened, "resnet18")
    # Nothing is loaded where nobody is served, or where no network is needed.
    network_preloading.begin(opened, "resnet18")
    network_preloading.begin(opened, "pixels")
    assert not [thread for thread in threading.enumerate() if thread.name == "petalscope-network"]
