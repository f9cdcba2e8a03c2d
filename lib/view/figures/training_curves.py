"""Curves of training runs over epochs, time or images. Runs come from `normalise_record.normalise`.

Line and marker belong to the regime; solid is validation, dotted is training, dashed is a published accuracy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from lib.learn import configurations, results
from lib.learn.regimes import REGIMES
from lib.view import theme
from lib.view.figures import style
from lib.view.figures.published_lines import draw as draw_published
from lib.view.figures.style import MARGIN, colour, text

PUBLISHED = {regime.name: regime.published for regime in REGIMES.values()}
LINES = {"val": "validation", "train": "training"}
AXES = {"epoch": "Epoch", "seconds": "Wall time", "images": "Images seen"}
# Axes that can be drawn otherwise, by their name in the address.
SCALES = {"x": "x logarithmic", "y": "loss logarithmic", "fit": "accuracy cut to the curves"}
QUANTITIES = ("accuracy", "loss")
_TITLES = {"accuracy": "accuracy", "loss": "loss (cross-entropy)"}
_RAW = 0.38  # opacity of the raw values behind a smoothed or averaged line
_WHOLE = (0.0, 1.03)  # the accuracy axis; the last bit is room for a line at 100 %
_GAP = 0.07  # between the two charts, of the figure's height
_AROUND = 130  # of the height, pixels above and below the charts: buttons, ticks, title, legend
_LEFT, _BELOW = 62, 44  # pixels for the ticks and titles of the axes
_MARKERS = 14  # on one line


@dataclass(frozen=True)
class _View:
    """What is drawn, and along which axis; `unit` is what a value on the x axis is divided by."""

    axis: str
    unit: float
    smoothing: float
    lines: Collection[str]


def curves(
    runs: Sequence[results.Run],
    quantity: str,
    *,
    axis: str = "epoch",
    smoothing: float = 0.0,
    scales: Collection[str] = (),
    lines: Collection[str] = ("val", "train"),
    published: Mapping[str, float] | None = None,
    ink: str | None = None,
    height: int = 430,
) -> go.Figure:
    """`quantity` (`accuracy` or `loss`) over epochs, time or images: mean over seeds with a band from min to max.

    `smoothing` draws a smoothed line above the raw one. A star marks each run's best epoch. `scales` are of `SCALES`;
    `published` adds a level for each regime of these runs. `ink` is the page's text colour.
    """
    return _figure(runs, (quantity,), axis, smoothing, scales, lines, published, ink, height)


def accuracy_and_loss(
    runs: Sequence[results.Run],
    *,
    axis: str = "epoch",
    smoothing: float = 0.0,
    scales: Collection[str] = (),
    lines: Collection[str] = ("val", "train"),
    published: Mapping[str, float] | None = None,
    ink: str | None = None,
    height: int = 540,
) -> go.Figure:
    """Both quantities as `curves` draws them, one chart above the other, with one x axis and one hover line."""
    return _figure(runs, QUANTITIES, axis, smoothing, scales, lines, published, ink, height)


def _figure(
    runs: Sequence[results.Run],
    quantities: Sequence[str],
    axis: str,
    smoothing: float,
    scales: Collection[str],
    lines: Collection[str],
    published: Mapping[str, float] | None,
    ink: str | None,
    height: int,
) -> go.Figure:
    figure = go.Figure()
    groups, titles = configurations.by_configuration(runs), configurations.names(runs)
    places = _values(runs, quantities, lines, axis)
    unit, title, hover = _unit(axis, max(places, default=0.0))
    view = _View(axis, unit, smoothing, lines)
    share = (1 - _GAP * (len(quantities) - 1)) / len(quantities)
    for row, quantity in enumerate(quantities):
        suffix = str(row + 1) if row else ""
        for key, group in groups.items():
            _group(figure, group, titles[key], quantity, view, yaxis=f"y{suffix}", legend=row == 0)
        top = 1 - row * (share + _GAP)
        figure.layout[f"yaxis{suffix}"] = {
            "domain": [max(0.0, top - share), top],
            "title": {"text": _TITLES[quantity]},
            "type": "log" if quantity == "loss" and "y" in scales else "linear",
        }
    last = f"y{len(quantities)}" if len(quantities) > 1 else "y"
    few = axis == "epoch" and 0 < max(places, default=0.0) < 15
    ticks = style.log_ticks([place / unit for place in places]) if "x" in scales else {"dtick": 1 if few else None}
    figure.update_layout(
        # Room for the legend of many groups, which would squeeze the curves.
        height=height + 24 * max(0, len(groups) - 4),
        margin={**MARGIN, "t": 30},  # for the buttons, which the pointer brings
        legend={"orientation": "h", "y": -90 / height, "yanchor": "top", "x": 0, "title": None},
        hovermode="x unified",
        hoversubplots="axis",
        hoverlabel={"namelength": -1},
        xaxis={
            "title": {"text": title, "standoff": 6},
            "anchor": last,
            "type": "log" if "x" in scales else "linear",
            "unifiedhovertitle": {"text": hover},
            **ticks,
        },
    )
    if "loss" in quantities and "y" in scales:
        losses = _values(runs, ("loss",), lines, axis, of="value")
        figure.layout["yaxis2" if len(quantities) > 1 else "yaxis"].update(style.log_ticks(losses))
    if "accuracy" in quantities:
        chosen = {
            name: value for name, value in (published or {}).items() if any(run["regime"] == name for run in runs)
        }
        bounds = _bounds([*_values(runs, ("accuracy",), lines, axis, of="value"), *chosen.values()], scales)
        figure.layout.yaxis.update(tickformat=".0%", range=bounds)
        if bounds[0] > 0:
            figure.layout.yaxis.title.text = f"accuracy, from {bounds[0]:.0%}"
        draw_published(figure, chosen, bounds, share * (height - _AROUND), ink)
    style.fix_margins(figure, _LEFT, _BELOW)
    return figure


def _values(
    runs: Sequence[results.Run], quantities: Sequence[str], lines: Collection[str], axis: str, of: str = "place"
) -> list[float]:
    """All places on the x axis that have a point, or with `of="value"` the points' values."""
    which = 1 if of == "place" else 2
    return [
        point[which]
        for run in runs
        for quantity in quantities
        for line in LINES
        if line in lines
        for point in results.curve_points(run, f"{line}_{quantity}", axis)
    ]


def _bounds(accuracies: Sequence[float], scales: Collection[str]) -> tuple[float, float]:
    """The accuracy axis: all of it, or what has curves and published lines."""
    if "fit" not in scales or not accuracies:
        return _WHOLE
    low, high = min(accuracies), max(accuracies)
    room = max(0.01, 0.05 * (high - low))
    return max(_WHOLE[0], low - room), min(_WHOLE[1], high + room)


def _unit(axis: str, longest: float) -> tuple[float, str, str]:
    """What a value on the x axis is divided by, the axis' title, and the title of its hover box."""
    if axis == "epoch":
        return 1.0, "epoch", "epoch %{x}"
    if axis == "images":
        return 1.0, "images seen", "%{x:,.0f} images seen"
    unit, name = (60.0, "minutes") if longest >= 120 else (1.0, "seconds")
    return unit, f"wall time, {name}", f"%{{x:,.3~r}} {name}"


def _group(
    figure: go.Figure,
    group: list[results.Run],
    title: str,
    quantity: str,
    view: _View,
    *,
    yaxis: str,
    legend: bool,
) -> None:
    """The lines of one group, a regime under its seeds; the last one is drawn on top, and has the hover text."""
    for line in [line for line in ("train", "val") if line in view.lines]:
        is_main = line == "val" or "val" not in view.lines
        if line == "val" and len(group) > 1:
            _seeds(figure, group, title, quantity, view, yaxis)
        _mean(figure, group, (title, line, quantity), view, yaxis, is_main, legend)
    if "val" in view.lines:
        _best(figure, group, title, quantity, view, yaxis)


def _seeds(figure: go.Figure, group: list[results.Run], title: str, quantity: str, view: _View, yaxis: str) -> None:
    """The band from the least to the most of the seeds, and a thin line for each."""
    regime = group[0]["regime"]
    band = results.seed_band(group, f"val_{quantity}", view.axis)
    x = (band["x"] / view.unit).tolist()
    if not x:
        return
    shared = {"legendgroup": title, "hoverinfo": "skip", "showlegend": False, "mode": "lines", "yaxis": yaxis}
    figure.add_scatter(
        x=x + x[::-1],
        y=band["max"].tolist() + band["min"].tolist()[::-1],
        fill="toself",
        fillcolor=colour(regime, 0.16),
        line={"width": 0},
        **shared,
    )
    # All seeds are one trace, broken between them: a browser takes its time for each trace.
    every: list[tuple[float | None, float | None]] = []
    for run in group:
        points = results.curve_points(run, f"val_{quantity}", view.axis)
        every += [*((place / view.unit, value) for _, place, value in points), (None, None)]
    figure.add_scatter(
        x=[place for place, _ in every],
        y=[value for _, value in every],
        line={"width": 0.8, "color": colour(regime, _RAW)},
        **shared,
    )


def _mean(
    figure: go.Figure,
    group: list[results.Run],
    names: tuple[str, str, str],
    view: _View,
    yaxis: str,
    is_main: bool,
    legend: bool,
) -> None:
    """The mean over seeds of one line; `names` are its title, the line (`val` or `train`) and the quantity."""
    title, line, quantity = names
    regime = group[0]["regime"]
    band = results.seed_band(group, f"{line}_{quantity}", view.axis)
    x, mean = (band["x"] / view.unit).tolist(), band["mean"].tolist()
    if not x:
        return
    dash = "dot" if line == "train" else "solid"
    shared: dict[str, Any] = {"legendgroup": title, "yaxis": yaxis}
    if view.smoothing:
        raw = {"width": 1.2, "color": colour(regime, _RAW), "dash": dash}
        figure.add_scatter(x=x, y=mean, mode="lines", line=raw, hoverinfo="skip", showlegend=False, **shared)
    hover = {"hoverinfo": "skip"}
    if is_main:
        hover = {"hovertemplate": "%{customdata}<extra></extra>"}
        shared["customdata"] = _hover(group, names, view, band["epoch"].astype(int).tolist(), mean)
    seeds = f"{len(group)} seeds" if len(group) > 1 else "1 seed"
    figure.add_scatter(
        x=x,
        y=results.smooth(mean, view.smoothing).tolist(),
        mode="lines+markers" if is_main else "lines",
        name=f"{text(title)} · {seeds}",
        showlegend=legend and is_main,
        line={"color": colour(regime), "width": 2.6 if line == "val" else 1.4, "dash": dash},
        marker={
            "symbol": theme.REGIME_MARKERS.get(regime, "x"),
            "size": 7,
            "color": colour(regime),
            "maxdisplayed": _MARKERS,
        },
        **hover,
        **shared,
    )


def _hover(
    group: list[results.Run], names: tuple[str, str, str], view: _View, epochs: list[int], mean: list[float]
) -> list[str]:
    """What the hover box says of each epoch: the value on the line, and beside validation that of training."""
    title, line, quantity = names
    form = ".1%" if quantity == "accuracy" else ".3f"
    training = results.seed_band(group, f"train_{quantity}", view.axis) if line == "val" else None
    beside = {} if training is None else dict(zip(training["epoch"].astype(int), training["mean"], strict=True))
    places = "" if view.axis == "epoch" else ", epoch {}"
    return [
        f"{text(title)}{places.format(epoch)}: {quantity} {value:{form}}"
        + (f" (training {beside[epoch]:{form}})" if epoch in beside and "train" in view.lines else "")
        for epoch, value in zip(epochs, mean, strict=True)
    ]


def _best(figure: go.Figure, group: list[results.Run], title: str, quantity: str, view: _View, yaxis: str) -> None:
    """A star at each run's best epoch."""
    points = [
        point
        for run in group
        for point in results.curve_points(run, f"val_{quantity}", view.axis)
        if point[0] == run["best_epoch"]
    ]
    figure.add_scatter(
        x=[place / view.unit for _, place, _ in points],
        y=[value for _, _, value in points],
        mode="markers",
        marker={
            "symbol": "star",
            "size": 13 if len(group) == 1 else 10,
            "color": colour(group[0]["regime"]),
            "line": {"width": 0.7, "color": "white"},
        },
        hoverinfo="skip",
        legendgroup=title,
        showlegend=False,
        yaxis=yaxis,
    )
