"""Labels of published accuracies: at their lines, in order, and none over another."""

from __future__ import annotations

import itertools

import pytest

from lib.learn.regimes import REGIMES
from lib.view.figures import published_lines, training_curves
from tests.unit.measure.test_training_verdict import run


@pytest.mark.parametrize(
    "places", [[0, 1, 2, 3], [5.0, 50.0, 51.0, 52.0, 90.0], [3.0], [0, 0, 0, 40, 41], [10, 30, 32, 36, 37], []]
)
def test_labels_keep_their_distance_and_move_as_little_as_that_takes(places: list[float]) -> None:
    moved = published_lines.spread(places, 14)
    assert len(moved) == len(places)
    assert all(b - a >= 14 - 1e-9 for a, b in itertools.pairwise(moved))
    # The sum of the ways is zero, as of every least-squares fit that may shift as a whole.
    assert sum(moved) == pytest.approx(sum(places))


def test_labels_that_are_apart_stay() -> None:
    assert published_lines.spread([0, 20, 40], 14) == [0, 20, 40]


@pytest.mark.parametrize("chosen", [["init"], ["transfer", "init"], list(REGIMES)])
@pytest.mark.parametrize("scales", [(), ("fit",)])
def test_only_chosen_regimes_have_a_line_and_a_label_of_their_own(chosen: list[str], scales: tuple[str, ...]) -> None:
    runs = [run(name, range(9)) for name in chosen]
    figure = training_curves.accuracy_and_loss(runs, published=training_curves.PUBLISHED, scales=scales)
    expected = sorted((REGIMES[name].published for name in chosen), reverse=True)
    assert [shape.y0 for shape in figure.layout.shapes] == expected
    assert [label.y for label in figure.layout.annotations] == expected
    assert [label.text.split()[-1] for label in figure.layout.annotations] == [f"{value:.2%}" for value in expected]
    # Where the labels stand in pixels: the level, and the way from it.
    low, high = figure.layout.yaxis.range
    top, bottom = figure.layout.yaxis.domain[1], figure.layout.yaxis.domain[0]
    height = (top - bottom) * (figure.layout.height - 130)
    at = [height * (high - label.y) / (high - low) + label.ay for label in figure.layout.annotations]
    assert all(b - a >= 14 - 1e-6 for a, b in itertools.pairwise(at))


def test_the_accuracy_axis_shows_all_of_it_or_says_where_it_begins() -> None:
    runs = [run("init", range(9))]
    whole = training_curves.accuracy_and_loss(runs).layout.yaxis
    assert whole.range[0] == 0 and whole.range[1] >= 1
    cut = training_curves.accuracy_and_loss(runs, scales=("fit",)).layout.yaxis
    assert cut.range[0] > 0 and f"from {cut.range[0]:.0%}" in cut.title.text


def test_both_charts_have_one_axis_and_one_hover_line() -> None:
    figure = training_curves.accuracy_and_loss([run("init", range(9)), run("scratch", range(9))])
    assert {trace.yaxis for trace in figure.data} == {"y", "y2"}
    assert {trace.xaxis for trace in figure.data} == {None}
    assert (figure.layout.hovermode, figure.layout.hoversubplots) == ("x unified", "axis")
    spoken = [trace for trace in figure.data if trace.hovertemplate]
    assert [trace.yaxis for trace in spoken] == ["y", "y", "y2", "y2"]
    assert "accuracy" in spoken[0].customdata[0] and "(training " in spoken[0].customdata[0]


@pytest.mark.parametrize("axis", training_curves.AXES)
def test_ticks_of_a_logarithmic_axis_do_not_overlap(axis: str) -> None:
    figure = training_curves.accuracy_and_loss([run("init", range(9))], axis=axis, scales=("x", "y"))
    for drawn in (figure.layout.xaxis, figure.layout.yaxis2):
        assert drawn.type == "log"
        digits = {f"{tick:e}"[0] for tick in drawn.tickvals}
        assert digits <= {"1", "2", "3", "5", "7"}
