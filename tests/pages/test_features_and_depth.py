"""The sections *Features* and *Depth* of the retrieval page, by Streamlit's own test harness."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from lib.learn import linear_probe
from lib.measure import depth as measured_depth
from lib.measure import depth_verdict, feature_examples, feature_verdict
from lib.prepare import pipeline, workspace
from lib.prepare.workspace import Workspace
from lib.settings import Settings
from lib.view import background_jobs
from lib.view.figures import depth as figures
from lib.view.formatting import plain
from lib.view.retrieval import depth, feature_names, features, measurements
from tests.conftest import galleries

PAGE = "pages/3_Retrieval.py"
Start = Callable[[Settings], AppTest]


def open_section(begin: Start, settings: Settings, section: str, **address: str) -> AppTest:
    app = begin(settings).switch_page(PAGE)
    app.query_params = {"section": section, **address}
    return fine(app.run())


def fine(app: AppTest) -> AppTest:
    assert not app.exception, [entry.message for entry in app.exception]
    assert not app.error, [box.value for box in app.error]
    return app


def words(app: AppTest) -> str:
    kinds = (app.subheader, app.markdown, app.caption, app.info)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def buttons(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


# -- features ---------------------------------------------------------------------------------------------------------


def test_the_list_shows_the_most_selective_features_by_their_photos(start: Start, prepared: Settings) -> None:
    app = open_section(start, prepared, "features")
    opened = workspace.open_workspace(prepared)
    found = feature_examples.find(opened, "resnet18")
    order = np.argsort(-np.nan_to_num(found.selectivity, nan=-1), kind="stable")[: features.A_PAGE]
    shown, ids = galleries(app), opened.catalog().ids
    assert list(shown) == [f"Photos with most of feature {feature}" for feature in order]
    for feature in order:
        tiles = shown[f"Photos with most of feature {feature}"]
        assert [tile["id"] for tile in tiles] == [ids[row] for row, _ in found.top(feature)]
        assert f"**{found.selectivity[feature]:.2f}**" in words(app)
    assert plain(feature_verdict.verdict(found, "ResNet18 features").text) in words(app)


def test_search_sort_and_filter_choose_features(start: Start, prepared: Settings) -> None:
    found = feature_examples.find(workspace.open_workspace(prepared), "resnet18")
    app = open_section(start, prepared, "features", feature="tul", order="mean")
    tulips = [feature for feature, label in enumerate(found.classes) if label == "tulip"]
    best = max(tulips, key=lambda feature: found.means[feature])
    assert next(iter(galleries(app))) == f"Photos with most of feature {best}"
    assert f"**{len(tulips):,} features**" in words(app)
    app = open_section(start, prepared, "features", only="dead")
    dead = np.flatnonzero(found.dead)
    assert (f"**{len(dead):,} feature" in words(app)) if len(dead) else (features.NO_MATCH in words(app))
    app = open_section(start, prepared, "features", only="redundant", order="number")
    redundant = np.flatnonzero(found.redundant)
    assert (features.NO_MATCH in words(app)) == (not len(redundant))


def test_one_feature_has_its_classes_and_leads_to_the_next(start: Start, prepared: Settings) -> None:
    found = feature_examples.find(workspace.open_workspace(prepared), "resnet18")
    app = open_section(start, prepared, "features", feature="217", space="resnet18")
    assert "Feature 217" in [line.value for line in app.subheader]
    assert list(galleries(app)) == ["Photos with most of feature 217"]
    assert len(app.get("plotly_chart")) == 1
    next(button for button in app.button if button.key == "partner").click()
    fine(app.run())
    assert app.query_params["feature"] == str(found.partners[217])
    next(button for button in app.button if button.key == "all_features").click()
    fine(app.run())
    assert "feature" not in app.query_params
    for wrong in ("512", "9" * 60, "no such class", "-3"):
        assert features.NO_MATCH in words(open_section(start, prepared, "features", feature=wrong))


def test_where_a_feature_is_excited_is_lit(start: Start, prepared: Settings) -> None:
    dark = galleries(open_section(start, prepared, "features", feature="10"))
    lit = galleries(open_section(start, prepared, "features", feature="10", lit="true"))
    (plain_tiles,), (tiles,) = dark.values(), lit.values()
    assert [tile["id"] for tile in tiles] == [tile["id"] for tile in plain_tiles]
    assert all(tile["src"] != other["src"] for tile, other in zip(tiles, plain_tiles, strict=True))
    assert all("bright where feature 10 is excited" in tile["alt"] for tile in tiles)


def test_raw_pixels_are_no_features(start: Start, prepared: Settings) -> None:
    app = open_section(start, prepared, "features", space="pixels")
    assert "Raw pixels" not in app.selectbox(key="features_space").options
    assert plain("ResNet18 features: the most selective") in words(app)


def test_names_of_features(opened: Workspace) -> None:
    found = feature_examples.find(opened, "resnet18")
    named = feature_names.names(opened, "resnet18", [217, 3])
    assert [each.dimension for each in named] == [217, 3]
    assert named[0].text == f"217: {found.classes[217]}, selectivity {found.selectivity[217]:.2f}"
    assert named[0].link == {"section": "features", "space": "resnet18", "feature": "217"}
    dead = replace(found, smallest=np.zeros(len(found)), largest=np.zeros(len(found)))
    assert feature_names.name(dead, 5) == "5: dead"
    signed = replace(found, smallest=np.full(len(found), -1.0))
    assert feature_names.name(signed, 5) == "5: no class"


def test_understand_leads_from_the_strongest_features_to_their_photos(start: Start, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    app = open_section(start, prepared, "understand", q=opened.catalog().ids[3])
    found = feature_examples.find(opened, "resnet18")
    strongest = np.argsort(-opened.vectors("resnet18").values[3] / np.maximum(found.means, 1e-12), kind="stable")[0]
    assert plain(feature_names.name(found, int(strongest))) in words(app)
    next(button for button in app.button if button.key == f"to_feature_{strongest}").click()
    fine(app.run())
    assert (app.query_params["section"], app.query_params["feature"]) == ("features", str(strongest))
    assert list(galleries(app)) == [f"Photos with most of feature {strongest}"]


# -- depth ------------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _one_strength(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes of one strength each: which is chosen is tested where they are fitted."""
    monkeypatch.setattr(linear_probe, "STRENGTHS", (0.1,))


@pytest.fixture(scope="module")
def of_depth(prepared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A copy of the prepared artifacts, where the first test of a module measures depth."""
    artifacts = tmp_path_factory.mktemp("depth") / "artifacts"
    measured = shutil.ignore_patterns(*pipeline.OF_VECTORS)
    shutil.copytree(prepared.artifacts / "sets", artifacts / "sets", ignore=measured)
    return replace(prepared, artifacts=artifacts)


def test_depth_is_measured_on_request_and_then_shown(start: Start, of_depth: Settings) -> None:
    app = open_section(start, of_depth, "depth")
    assert plain(depth_verdict.NOT_MEASURED.text) in words(app)
    assert measurements.DEPTH_BUTTON in buttons(app) and not app.get("plotly_chart")
    next(button for button in app.button if button.label == measurements.DEPTH_BUTTON).click()
    app.run()
    for _ in range(1_200):
        if not background_jobs.measurements().job.running:
            break
        time.sleep(0.1)
    opened = workspace.open_workspace(of_depth)
    query = opened.catalog().ids[4]
    app = open_section(start, of_depth, "depth", q=query)
    found = measured_depth.load(opened, opened.catalog(), measured_depth.networks(opened, opened.catalog()))
    assert found is not None
    assert plain(depth_verdict.verdict(found).text) in words(app)
    assert depth.population(found) in words(app)
    assert len(app.get("plotly_chart")) == 4  # three measures and the likeness
    assert measurements.DEPTH_BUTTON not in buttons(app)
    rows = {title: tiles for title, tiles in galleries(app).items() if title.startswith("Neighbours")}
    assert list(rows) == ["Neighbours, Raw pixels", "Neighbours, After the stem"] + [
        f"Neighbours, After layer{layer}" for layer in (1, 2, 3, 4)
    ]
    vectors = found.networks["resnet18"].vectors["layer3"]
    expected = measured_depth.neighbours(vectors, vectors[4], np.array([4]), depth.K)
    ids = opened.catalog().ids
    assert [tile["id"] for tile in rows["Neighbours, After layer3"]] == [ids[place] for place, _ in expected]
    assert len(depth.table(found)) == 3 * 6


def test_a_photo_outside_the_sample_is_embedded_stage_by_stage(
    start: Start, of_depth: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = workspace.open_workspace(of_depth)
    if measured_depth.load(opened, opened.catalog(), measured_depth.networks(opened, opened.catalog())) is None:
        measured_depth.measure(opened)
    load, outside = measured_depth.load, 4

    def without(*arguments: Any) -> Any:
        found = load(*arguments)
        kept = np.flatnonzero(found.rows != outside)
        networks = {
            name: replace(each, vectors={stage: values[kept] for stage, values in each.vectors.items()})
            for name, each in found.networks.items()
        }
        return replace(found, rows=found.rows[kept], networks=networks)

    monkeypatch.setattr(measured_depth, "load", without)
    app = open_section(start, of_depth, "depth", q=opened.catalog().ids[outside])
    tiles = galleries(app)["Neighbours, After layer4"]
    vectors = opened.vectors("resnet18").values
    others = np.array([row for row in range(61) if row != outside])
    expected = measured_depth.neighbours(vectors[others], vectors[outside], np.zeros(0), depth.K)
    assert [tile["id"] for tile in tiles] == [opened.catalog().ids[others[place]] for place, _ in expected]


def test_a_trained_network_need_not_be_a_space(
    start: Start, of_depth: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = workspace.open_workspace(of_depth).weights("resnet18")
    assert weights is not None
    networks = {"resnet18": weights, "init": replace(weights, about="trained here")}
    monkeypatch.setattr(measurements, "networks", lambda opened: networks)
    monkeypatch.setattr(measured_depth, "networks", lambda opened, catalog: networks)
    app = open_section(start, of_depth, "depth", depth="init")
    assert app.selectbox(key="depth_depth").value == "init"
    opened = workspace.open_workspace(of_depth)
    found = measured_depth.measure(opened)  # the network is the backbone's, so only its scores are measured again
    app = open_section(start, of_depth, "depth", depth="init", q=opened.catalog().ids[4])
    assert plain(depth_verdict.verdict(found).text) in words(app) and "CKA of 2 networks" in words(app)
    assert [
        trace.name
        for trace in figures.curves(found, "map", {"pixels": "P", "resnet18": "R", "init": "I"}, legend=True).data
        if trace.name
    ] == ["R", "I", "P"]


def test_without_a_network_depth_says_so(start: Start, prepared: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurements, "networks", lambda opened: {})
    assert depth.NO_NETWORK in words(open_section(start, prepared, "depth"))
