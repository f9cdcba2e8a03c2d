"""Spaces diagnosed on the retrieval page, and their clusters on the map: what is shown is what the commands print."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from lib.measure import clusters, space_diagnosis, space_verdict
from lib.prepare import workspace
from lib.search.clustering import HDBSCAN, KMEANS
from lib.settings import Settings
from lib.view import background_jobs, theme
from lib.view.embedding_map import clusters as panel
from lib.view.formatting import plain

RETRIEVAL, MAP = "pages/3_Retrieval.py", "pages/2_Embedding_Map.py"
Start = Callable[[Settings], AppTest]


def opened_page(begin: Start, settings: Settings, page: str, **query: str) -> AppTest:
    """The page after whatever it measures in the background has ended."""
    app = begin(settings).switch_page(page)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    for _ in range(600):
        if not background_jobs.measurements().job.running:
            break
        time.sleep(0.1)
    app.run()
    assert not app.exception, [entry.message for entry in app.exception]
    assert not app.error, [box.value for box in app.error]
    return app


def words(app: AppTest) -> str:
    return "\n".join(
        str(element.value) for kind in (app.subheader, app.markdown, app.caption, app.info) for element in kind
    )


def figure(app: AppTest, place: int) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(app.get("plotly_chart")[place].proto.spec)
    return document


def seen_map(app: AppTest) -> dict[str, Any]:
    sent: dict[str, Any] = next(
        json.loads(each.proto.json)
        for each in app.get("bidi_component")
        if each.proto.component_name == "petalscope_scatter"
    )
    return sent


def test_the_section_measures_once_and_shows_the_document(start: Start, copied: Settings) -> None:
    app = opened_page(start, copied, RETRIEVAL, section="spaces")
    space = workspace.open_workspace(copied)
    document = space_diagnosis.stored(space, space.catalog())
    assert document is not None
    titles = {"pixels": "Raw pixels", "resnet18": "ResNet18 features"}
    answer = space_verdict.verdict(document, titles)
    assert answer is not None and plain(answer.text) in words(app)
    table, pairs = app.dataframe[0].value, app.dataframe[1].value
    assert table["Space"].tolist() == list(titles.values())
    assert list(table.columns[1:]) == [measure.title for measure in space_diagnosis.MEASURES.values()]
    for row, diagnosis in zip(table.to_dict("records"), document["spaces"], strict=True):
        assert row["Silhouette"].startswith(f"{diagnosis['silhouette']:.3f}  (")
        assert row["Dimensions"] == f"{diagnosis['dim']:,}"
    (pair,) = document["pairs"]
    low, high = pair["ci95"]["cka"] or []
    assert pairs["Linear CKA"].tolist() == [f"{pair['cka']:.3f}  ({low:.3f} to {high:.3f})"]
    for place, name in enumerate(("cka", "mutual_knn", "procrustes")):
        drawn = figure(app, place)["data"][0]
        itself = 0 if name == "procrustes" else 1
        value = pair[name]  # type: ignore[literal-required]
        np.testing.assert_allclose(drawn["z"], [[itself, value], [value, itself]])
        assert drawn["text"][0][1] == f"{value:.2f}"


@pytest.mark.parametrize(("method", "k"), [(KMEANS, None), (KMEANS, 3), (HDBSCAN, None)])
def test_clusters_colour_the_map_and_are_named_on_it(
    start: Start, copied: Settings, method: str, k: int | None
) -> None:
    query = {"clusters": str(k)} if k else {}
    app = opened_page(start, copied, MAP, section="clusters", method=method, **query)
    space = workspace.open_workspace(copied)
    catalog = space.catalog()
    found = clusters.load(space, "resnet18", catalog, method, k or (5 if method == KMEANS else None))
    assert found is not None
    assert plain(clusters.verdict(found, 5).text) in words(app)
    next(button for button in app.button if button.key == "by_cluster").click().run()
    trait = clusters.trait(found, 5)
    assert dict(app.query_params)["colour"] in (trait.name, [trait.name])
    assert panel.COLOUR not in [button.label for button in app.button]
    sent = seen_map(app)
    named = [each["name"] for each in found.document["clusters"]]
    assert [name for name in sent["names"] or [] if name] == named
    codes = np.frombuffer(base64.b64decode(sent["codes"]), dtype="<u2")
    legend = {entry["code"]: entry["name"] for entry in sent["legend"]}
    assert [legend[code] for code in codes.tolist()] == trait.values.tolist()


def test_a_cluster_is_selected_by_its_button(start: Start, copied: Settings) -> None:
    app = opened_page(start, copied, MAP, section="clusters")
    space = workspace.open_workspace(copied)
    found = clusters.find(space, "resnet18", space.catalog())
    next(button for button in app.button if button.key == "select_cluster_2").click().run()
    sent = seen_map(app)
    lit = np.unpackbits(np.frombuffer(base64.b64decode(sent["lit"]), dtype=np.uint8))[: len(found.numbers)] == 1
    np.testing.assert_array_equal(lit, found.numbers == 2)
    assert app.session_state["map_section"] == "clusters"


def test_a_link_with_a_colour_that_is_not_computed_shows_the_classes(start: Start, copied: Settings) -> None:
    sent = seen_map(opened_page(start, copied, MAP, colour="cluster_kmeans_7"))
    assert sent["names"] is None
    assert [entry["name"] for entry in sent["legend"]] == sent["classes"]


def test_the_first_cluster_of_a_class_has_its_colour_and_all_differ() -> None:
    colours = {"rose": "#111111", "tulip": "#222222"}
    found = theme.majority_colours({"1 rose": "rose", "2 tulip": "tulip", "3 rose": "rose", "4 rose": "rose"}, colours)
    assert (found["1 rose"], found["2 tulip"]) == ("#111111", "#222222")
    assert len(set(found.values())) == 4
