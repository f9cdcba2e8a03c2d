"""The retrieval page's views over the whole data set, by Streamlit's own test harness."""

from __future__ import annotations

import base64
import io
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from lib.data import catalog_file
from lib.data.distortions import DISTORTIONS, distorted
from lib.embed import embedder, spaces
from lib.errors import Remedy
from lib.measure import robustness, scoreboard
from lib.measure.evaluation import evaluate
from lib.prepare import workspace
from lib.retrieval import search
from lib.search import disagreement, equivalence, significance
from lib.search.metrics import METRICS
from lib.settings import Settings
from lib.view import background_jobs, remedies
from lib.view.figures import vectors
from lib.view.retrieval import (
    calibration,
    cell_comparison,
    measurements,
    robustness_lab,
    robustness_sweeps,
)
from lib.view.retrieval import scoreboard as scoreboard_view
from tests.conftest import galleries

PAGE = "pages/3_Retrieval.py"
Start = Callable[[Settings], AppTest]


def open_view(begin: Start, settings: Settings, view: str, **query: str) -> AppTest:
    """The page with a view, after whatever it measures in the background has ended."""
    app = begin(settings).switch_page(PAGE)
    app.query_params["section"] = view
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    return settled(app)


def unscored(settings: Settings) -> workspace.Workspace:
    """The workspace without the scores that another test may have stored in what it is a copy of."""
    opened = workspace.open_workspace(settings)
    shutil.rmtree(opened.folder / "scores", ignore_errors=True)
    return opened


def settled(app: AppTest) -> AppTest:
    for _ in range(600):
        if not background_jobs.measurements().job.running:
            break
        time.sleep(0.1)
    app.run()
    assert not app.exception, [entry.message for entry in app.exception]
    return app


def words(app: AppTest) -> str:
    kinds = (app.subheader, app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def figure(app: AppTest, place: int = 0) -> dict[str, Any]:
    """A drawn figure as Plotly gets it."""
    document: dict[str, Any] = json.loads(app.get("plotly_chart")[place].proto.spec)
    return document


def cards(app: AppTest) -> dict[str, str]:
    return {card.label: card.value for card in app.metric}


@pytest.fixture
def scored(copied: Settings) -> Settings:
    """Settings whose scores are kept already."""
    scoreboard.measure_all(workspace.open_workspace(copied), lambda name: lambda done, total: None)
    return copied


def measured(settings: Settings, space: str) -> scoreboard.SpaceScores:
    opened = workspace.open_workspace(settings)
    scores = scoreboard.load(opened, space, opened.catalog())
    assert scores is not None
    return scores


# --- scoreboard ------------------------------------------------------------------------------------------------------


def test_the_scoreboard_measures_in_the_background_and_shows_what_evaluate_prints(
    start: Start, copied: Settings
) -> None:
    app = open_view(start, copied, "Scoreboard")
    assert not app.error
    table = app.dataframe[0].value
    assert len(table) == 2 * 5
    assert set(table["Space"]) == {"Raw pixels", "ResNet18 features"}
    opened = workspace.open_workspace(copied)
    printed = {(row["space"], row["metric"]): row for name in opened.spaces for row in evaluate(opened, name)}
    for (space, metric), row in printed.items():
        line = table[(table["Space"] == spaces.get(space).title) & (table["Metric"] == METRICS[metric].short)].iloc[0]
        assert line["mAP, %"].startswith(f"{row['map'] * 100:.1f}  ({row['ci95']['map'][0] * 100:.1f}–")
        assert line["P@5, %"].startswith(f"{row['precision']['5'] * 100:.1f}  (")
    assert scoreboard_view.population(row["queries"], row["left_out"], row["gallery"]) in words(app)
    leaks = measured(copied, "resnet18").facts["leaks"]
    assert (scoreboard_view.leaked(leaks) if leaks else scoreboard_view.NO_LEAKS) in words(app)
    assert (f"mAP, %, {scoreboard_view.WITHOUT_LEAKS}" in table) == bool(leaks)


def test_a_cell_opens_its_worst_and_best_queries(start: Start, scored: Settings) -> None:
    app = open_view(start, scored, "Scoreboard", cell="resnet18.l1", measure="p5")
    scores = measured(scored, "resnet18").scores["l1"]
    photos = workspace.open_workspace(scored).catalog()
    values = scoreboard.per_query(scores, "p5")
    shown = galleries(app)
    worst = [photos.row(tile["id"]) for tile in shown["Worst queries"]]
    shown_values = [float(values[list(scores.per_query.rows).index(row)]) for row in worst]
    assert shown_values == sorted(values)[: len(shown_values)]
    best = [photos.row(tile["id"]) for tile in shown["Best queries"]]
    assert float(values[list(scores.per_query.rows).index(best[0])]) == values.max()


def test_two_cells_are_compared_query_by_query(start: Start, scored: Settings) -> None:
    app = open_view(start, scored, "Scoreboard", below="pair", cell="resnet18.cosine", cell2="pixels.l1")
    one = scoreboard.per_query(measured(scored, "resnet18").scores["cosine"], "map")
    two = scoreboard.per_query(measured(scored, "pixels").scores["l1"], "map")
    tested = significance.difference(one, two)
    assert cards(app)["Difference (pp)"] == f"{tested.mean * 100:+.1f}"
    assert cards(app)["p value"] == cell_comparison.p_words(tested.p)
    assert cards(app)["A better on"] == f"{tested.wins} of {tested.n}"


def test_mse_and_l2_are_said_to_be_the_same(start: Start, scored: Settings) -> None:
    app = open_view(start, scored, "Scoreboard", below="pair", cell="resnet18.mse", cell2="resnet18.l2")
    assert cell_comparison.SAME_SCORES in words(app)


@pytest.mark.parametrize("below", ["best", "classes"])
def test_the_other_panels_open(start: Start, scored: Settings, below: str) -> None:
    app = open_view(start, scored, "Scoreboard", below=below, measure="r10")
    assert not app.error
    if below == "best":
        assert len(app.dataframe[1].value) == 9
    else:
        classes = workspace.open_workspace(scored).catalog().classes
        labels = figure(app, 1)["data"][0]["x"]
        assert {label.split(" (")[0] for label in labels} <= set(classes)


@pytest.mark.parametrize(
    ("mean", "p", "said"),
    [
        (0.2, 0.0001, cell_comparison.BEATS),
        (-0.2, 0.0001, "Raw pixels · L1 distance beats ResNet18 features · Cosine similarity"),
        (0.2, 0.01, cell_comparison.NOT_AFTER_CORRECTION),
        (0.2, 0.3, cell_comparison.NOT_SIGNIFICANT),
    ],
)
def test_the_verdict_follows_the_corrected_p(mean: float, p: float, said: str) -> None:
    tested = significance.Difference(40, mean, (mean - 0.1, mean + 0.1), p, 30, 10, 0)
    assert said in cell_comparison.verdict(tested, "resnet18.cosine", "pixels.l1", 45).replace("**", "")


def test_a_failed_measurement_is_one_sentence_and_can_be_tried_again(start: Start, copied: Settings) -> None:
    opened = unscored(copied)
    vectors = opened.folder / opened.space("resnet18")["folder"] / "vectors.npy"
    content = vectors.read_bytes()
    vectors.write_bytes(b"")
    app = open_view(start, copied, "Scoreboard")
    assert len(app.error) == 1 and "cannot be read" in app.error[0].value
    vectors.write_bytes(content)
    next(button for button in app.button if button.key == "measure_scores").click().run()
    settled(app)
    assert not app.error
    assert len(app.dataframe[0].value) == 10


def test_nothing_large_is_measured_unasked(start: Start, copied: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    unscored(copied)
    monkeypatch.setattr("lib.view.retrieval.measurements.UNASKED", 10.0)
    app = open_view(start, copied, "Scoreboard")
    assert measurements.NOT_SCORED in app.info[0].value
    assert not app.dataframe


def test_damaged_scores_are_named(start: Start, scored: Settings) -> None:
    opened = workspace.open_workspace(scored)
    scoreboard.scores_file(opened, "pixels", opened.catalog()).write_bytes(b"PK nothing")
    app = open_view(start, scored, "Scoreboard")
    assert remedies.PAGE[Remedy.DELETE_FILE] in app.error[0].value.replace("\\", "")


# --- calibration -----------------------------------------------------------------------------------------------------


def test_the_threshold_counts_true_and_false_positives(start: Start, scored: Settings) -> None:
    app = open_view(start, scored, "Calibration", space="resnet18", metric="l1")
    result = measured(scored, "resnet18").calibrations["l1"]
    at = result.cost(result.best())
    assert cards(app)[calibration.TRUE_POSITIVES] == f"{at.true_positives:,}"
    assert cards(app)[calibration.FALSE_POSITIVES] == f"{at.false_positives:,}"
    slider = app.select_slider[0]
    word = f"resnet18.l1.{result.edges[result.thresholds[3]]:.8g}"
    slider.set_value(word).run()
    assert app.query_params["threshold"] == word
    at = result.cost(result.thresholds[3])
    assert cards(app)[calibration.FALSE_POSITIVES] == f"{at.false_positives:,}"
    assert cards(app)[calibration.FALSE_NEGATIVES] == f"{at.positives - at.true_positives:,}"
    next(button for button in app.button if button.label == calibration.BEST_THRESHOLD).click().run()
    assert cards(app)[calibration.TRUE_POSITIVES] == f"{result.cost(result.best()).true_positives:,}"
    assert "threshold" not in app.query_params
    app.query_params["threshold"] = word  # a link restores it; one of another metric means nothing here
    app.run()
    assert cards(app)[calibration.FALSE_POSITIVES] == f"{at.false_positives:,}"
    app.query_params["threshold"] = word.replace("l1", "l2")
    app.run()
    assert cards(app)[calibration.TRUE_POSITIVES] == f"{result.cost(result.best()).true_positives:,}"
    aucs = app.dataframe[0].value.set_index(["Space", "Metric"])["AUC"]
    assert aucs["ResNet18 features", "L1 distance"] == pytest.approx(result.auc)


# --- disagreements ---------------------------------------------------------------------------------------------------


def test_disagreements_are_those_of_the_neighbourhoods(start: Start, prepared: Settings) -> None:
    app = open_view(start, prepared, "Disagreements", space="resnet18")
    opened = workspace.open_workspace(prepared)
    photos = opened.catalog()
    labels = photos.frame["label"].to_numpy(dtype=object)
    near = opened.neighbourhoods("resnet18")
    result = disagreement.measure(near, labels, 10)
    assert cards(app)["Mean overlap"] == f"{np.nanmean(result.overlap):.1%}"
    tiles = galleries(app)["Least in common"]
    assert [tile["id"] for tile in tiles] == [photos.ids[row] for row in result.worst()[:24]]
    assert tiles[0]["badge"] == f"{result.overlap[result.worst()[0]]:.0%}"
    table = app.dataframe[0].value
    assert list(table["Class"]) == list(photos.classes)
    hubs = disagreement.hubs(near, labels, "l1", 10)
    shown = galleries(app)["Greatest hubs by L1 distance"]
    assert shown[0]["id"] == photos.ids[hubs.top[0]] and shown[0]["badge"] == f"×{hubs.counts.max():,}"
    app.number_input(key="compared").set_value(5).run()
    assert cards(app)["Mean overlap"] == f"{np.nanmean(disagreement.measure(near, labels, 5).overlap):.1%}"


def test_selecting_these_takes_them_to_the_map(start: Start, prepared: Settings) -> None:
    app = open_view(start, prepared, "Disagreements", space="resnet18")
    next(button for button in app.button if button.key == "torn_map").click().run()
    assert not app.exception
    assert "24 photos in the selection" in [line.value for line in app.subheader]
    assert app.selectbox(key="map_colour").value == "disagreement"


# --- robustness ------------------------------------------------------------------------------------------------------


def test_sliders_move_the_rank_and_the_answers(start: Start, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    photos = opened.catalog()
    query = photos.ids[4]
    app = open_view(start, prepared, "Robustness lab", q=query)
    assert robustness_lab.first_under(5, 5) in words(app)
    app.slider(key="lab_crop").set_value(60).run()
    app.toggle(key="lab_flip").set_value(True).run()
    assert not app.exception
    searchable = search.load_space(opened, "pixels")
    changed = distorted(photos.open(4), {"crop": 60, "flip": 1})
    vector = embedder.query_vector(embedder.embedder(spaces.get("pixels"), None), changed)
    expected = robustness.rank_originals(searchable, [4], vector[None], 10)[0]
    drawn = {trace["name"]: trace for trace in figure(app)["data"]}["Raw pixels"]
    assert _numbers(drawn["x"]) == [each.rank for each in expected.values()]
    tiles = galleries(app)["Answers in Raw pixels"]
    assert [tile["id"] for tile in tiles] == [photos.ids[row] for row, _ in expected["cosine"].results]
    next(button for button in app.button if button.label == robustness_lab.RESET).click().run()
    assert robustness_lab.first_under(5, 5) in words(app)
    assert app.slider(key="lab_crop").value == 0 and not app.toggle(key="lab_flip").value


def _numbers(values: Any) -> list[float]:
    """A Plotly array, which may come packed."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), dtype=np.dtype(values["dtype"])).tolist()
    return list(values)


def test_without_a_query_an_example_is_distorted(start: Start, prepared: Settings) -> None:
    app = open_view(start, prepared, "Robustness lab")
    assert len(galleries(app)["Query"]) == 1
    assert app.slider
    assert robustness_lab.first_under(5, 5) in words(app)


def test_a_photo_that_is_gone_is_one_sentence(start: Start, copied: Settings, tmp_path: Path) -> None:
    opened = workspace.open_workspace(copied)
    catalog = opened.catalog()
    moved = replace(catalog, root=tmp_path / "nowhere")
    catalog_file.save(moved, opened.folder / opened.state["catalog"])
    app = open_view(start, copied, "Robustness lab", q=catalog.ids[3])
    assert len(app.error) == 1
    assert "cannot be opened" in app.error[0].value


def test_sweeps_are_drawn_as_they_were_measured(start: Start, copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    values_by_space = {}
    for space in ("pixels", "resnet18"):
        searchable = search.load_space(opened, space)
        embed = embedder.embedder(spaces.get(space), opened.weights(space))
        values_by_space[space] = robustness.measure(opened, searchable, DISTORTIONS["crop"], lambda embed=embed: embed)
    app = open_view(start, copied, "Robustness lab")
    assert [button.label for button in app.button if button.key == "measure_sweeps"] == [robustness_sweeps.RUN_TEST]
    lines = {trace["name"]: trace for trace in figure(app, 1)["data"]}  # the first is of the example query
    for space, result in values_by_space.items():
        rows = [row for row in result["rows"] if row["metric"] == "cosine"]
        assert _numbers(lines[spaces.get(space).title]["y"]) == [row["first"] for row in rows]


def test_who_is_ahead_is_told_for_each_distortion() -> None:
    def rows(first: float, rank: float) -> dict[str, Any]:
        line = {"metric": "l1", "precision": 0.5}
        return {
            "rows": [line | {"level": 0, "first": 1.0, "rank": 1}, line | {"level": 50, "first": first, "rank": rank}]
        }

    collected = {
        ("pixels", "crop"): rows(0.2, 9),
        ("resnet18", "crop"): rows(0.7, 2),
        ("pixels", "jpeg"): rows(0.9, 1),
        ("resnet18", "jpeg"): rows(0.8, 1),
        ("pixels", "blur"): rows(0.1, 3),
    }
    said = robustness_sweeps.lead_sentence(collected, ("pixels", "resnet18"), "l1", "first")
    assert said.endswith("**Raw pixels** for JPEG compression; **ResNet18 features** for Crop.")
    said = robustness_sweeps.lead_sentence(collected, ("pixels", "resnet18"), "l1", "rank")
    assert said.endswith("strengths: **ResNet18 features** for Crop.")


def test_factors_of_variation_are_scored(start: Start, scored: Settings) -> None:
    opened = workspace.open_workspace(scored)
    catalog = opened.catalog()
    colours = np.where(np.arange(len(catalog.frame)) % 2, "red", "blue")
    catalog_file.save(
        replace(catalog, frame=catalog.frame.assign(factor_colour=colours)), opened.folder / opened.state["catalog"]
    )
    app = open_view(start, scored, "Robustness lab")
    assert robustness_lab.BY_FACTOR in words(app)
    result = measured(scored, "pixels").scores["cosine"]
    mine = colours[result.per_query.rows] == "red"
    drawn = {trace["name"]: trace for trace in figure(app, 1)["data"]}["Raw pixels"]
    shown = dict(zip(drawn["y"], _numbers(drawn["x"]), strict=True))
    assert shown[f"red ({mine.sum()})"] == pytest.approx(result.per_query.values["p10"][mine].mean())


# --- understand ------------------------------------------------------------------------------------------------------


def test_the_worked_example_and_tau_are_computed(start: Start, prepared: Settings) -> None:
    app = open_view(start, prepared, "Understand", space="resnet18")
    assert not app.error
    table: pd.DataFrame = app.table[0].value
    assert list(table.loc["L1 distance"]) == ["3", "4", "5", "3", "A D B C"]
    assert table.loc["Cosine similarity", "order"] == "A C B D"
    assert "L1(D) = \\|0 − 1\\|" in words(app)
    result = equivalence.measure(search.load_space(workspace.open_workspace(prepared), "resnet18").gallery)
    heat = figure(app, 2)["data"][0]
    z = heat["z"]
    got = np.array(_numbers(z)).reshape(7, 7) if isinstance(z, dict) else np.array(z, dtype=float)
    np.testing.assert_allclose(got, result.mean)
    assert "MSE = L2" in words(app)
    assert "Raw pixels: 49,152 numbers" in words(app) and "ResNet18 features: 512 numbers" in words(app)


def test_flattening_ends_in_reading_order() -> None:
    grey = np.arange(81, dtype=np.uint8).reshape(9, 9)
    drawn = vectors.flattening(grey)
    last = drawn.frames[-1].data[0]
    assert list(last.x) == list(range(81))
    assert len(set(last.y)) == 1
    assert last.marker.color[13] == "rgb(13,13,13)"
    first = drawn.data[0]
    assert len({round(float(x), 6) for x in first.x}) == len({round(float(y), 6) for y in first.y}) == 9


def test_a_strip_shows_every_number() -> None:
    vector = np.zeros(1024, dtype=np.uint8)
    vector[512:] = 255
    with Image.open(io.BytesIO(vectors.strip(vector, 512))) as drawn:
        assert drawn.size == (512 * vectors.CELL, 2 * vectors.CELL)
        assert np.asarray(drawn)[0].max() < 8 and np.asarray(drawn)[-1].min() > 247
    with Image.open(io.BytesIO(vectors.strip(np.zeros(512, dtype=np.float32), 512))) as drawn:
        assert np.asarray(drawn).max() == 0
