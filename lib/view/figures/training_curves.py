"""Curves of training runs, and the names of groups of runs. Runs come from `normalise_record.normalise`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import plotly.graph_objects as go

from lib.learn import results
from lib.learn.regimes import PUBLISHED_CONDITIONS, REGIMES
from lib.view.figures.style import MARGIN, colour, text

PUBLISHED = {regime.name: regime.published for regime in REGIMES.values()}
LINES = {"val": "validation", "train": "training"}
AXES = {"epoch": "Epoch", "seconds": "Wall time", "images": "Images seen"}
_QUANTITIES = {"accuracy": "accuracy", "loss": "loss (cross-entropy)"}
_RAW = 0.38  # opacity of the raw values behind a smoothed or averaged line


def names(runs: Sequence[results.Run]) -> dict[results.Configuration, str]:
    """A name for each group of runs that differ in seed only: the regime, and the parts of the key that differ."""
    keys = list(results.by_configuration(runs))
    titles = {}
    for key in keys:
        same_regime = [other for other in keys if other[0] == key[0]]
        parts = [key[i] or "no preset" for i in (1, 2, 3, 5) if len({other[i] for other in same_regime}) > 1]
        if len({other[4] for other in same_regime if other[3] == key[3]}) > 1:
            parts.append(key[4][:8])
        title = REGIMES[key[0]].title if key[0] in REGIMES else key[0]
        titles[key] = " · ".join([title, *parts])
    return titles


def curves(
    runs: Sequence[results.Run],
    quantity: str,
    *,
    axis: str = "epoch",
    smoothing: float = 0.0,
    logs: Collection[str] = (),
    lines: Collection[str] = ("val", "train"),
    published: dict[str, float] | None = None,
    ink: str | None = None,
) -> go.Figure:
    """`quantity` (`accuracy` or `loss`) over epochs, time or images: mean over seeds with a band from min to max.

    Validation is solid, training dotted; `smoothing` draws a smoothed line above the raw one. A star marks each run's
    best epoch. `logs` names axes (`x`, `y`) to draw logarithmically; `published` adds a level for each regime. `ink`
    is the page's text colour.
    """
    figure = go.Figure()
    groups, titles = results.by_configuration(runs), names(runs)
    longest = max(
        (point[1] for run in runs for point in results.curve_points(run, f"val_{quantity}", axis)), default=0.0
    )
    unit, title = _unit(axis, longest)
    for key, group in groups.items():
        for line in [line for line in ("train", "val") if line in lines]:
            _band(figure, group, (titles[key], line, quantity), axis, unit, smoothing, legend=line == _main(lines))
        if "val" in lines:
            _best(figure, group, quantity, axis, unit, titles[key])
    figure.update_layout(
        # Room for the legend of many groups, which would squeeze the curves.
        height=430 + 24 * max(0, len(groups) - 4),
        margin=MARGIN,
        legend={"orientation": "h", "y": -0.2, "title": None},
        hovermode="closest",
    )
    if quantity == "accuracy":
        figure.update_yaxes(tickformat=".0%")
        if published:
            _references(figure, published, ink)
    few = axis == "epoch" and "x" not in logs and 0 < longest < 15
    figure.update_xaxes(title=title, type="log" if "x" in logs else "linear", dtick=1 if few else None)
    figure.update_yaxes(title=_QUANTITIES[quantity], type="log" if "y" in logs else "linear")
    return figure


def _main(lines: Collection[str]) -> str:
    return "val" if "val" in lines else "train"


def _unit(axis: str, longest: float) -> tuple[float, str]:
    if axis != "seconds":
        return 1.0, AXES[axis].lower()
    return (60.0, "wall time, minutes") if longest >= 120 else (1.0, "wall time, seconds")


def _band(
    figure: go.Figure,
    group: list[results.Run],
    names: tuple[str, str, str],
    axis: str,
    unit: float,
    smoothing: float,
    *,
    legend: bool,
) -> None:
    """The lines of one group: `names` are its title, the line (`val` or `train`) and the quantity."""
    title, line, quantity = names
    regime = group[0]["regime"]
    band = results.seed_band(group, f"{line}_{quantity}", axis)
    x = (band["x"] / unit).tolist()
    if not x:
        return
    shared = {"legendgroup": title, "hoverinfo": "skip", "showlegend": False, "mode": "lines"}
    if line == "val" and len(group) > 1:
        figure.add_scatter(
            x=x + x[::-1],
            y=band["max"].tolist() + band["min"].tolist()[::-1],
            fill="toself",
            fillcolor=colour(regime, 0.16),
            line={"width": 0},
            **shared,
        )
        for run in group:
            points = results.curve_points(run, f"val_{quantity}", axis)
            figure.add_scatter(
                x=[place / unit for _, place, _ in points],
                y=[value for _, _, value in points],
                line={"width": 0.8, "color": colour(regime, _RAW)},
                **shared,
            )
    dash = "dot" if line == "train" else "solid"
    mean = band["mean"].tolist()
    if smoothing:
        figure.add_scatter(x=x, y=mean, line={"width": 1.2, "color": colour(regime, _RAW), "dash": dash}, **shared)
    seeds = f"{len(group)} seeds" if len(group) > 1 else "1 seed"
    of = ", mean" if len(group) > 1 else ""
    smoothed = f", smoothed {smoothing:g}" if smoothing else ""
    figure.add_scatter(
        x=x,
        y=results.smooth(mean, smoothing).tolist(),
        mode="lines" if len(x) > 1 else "markers",
        name=f"{text(title)} · {seeds}",
        legendgroup=title,
        showlegend=legend,
        line={"color": colour(regime), "width": 2.6 if line == "val" else 1.4, "dash": dash},
        customdata=[[int(epoch)] for epoch in band["epoch"]],
        hovertemplate=f"{text(title)}, {LINES[line]}{of}{smoothed}<br>epoch %{{customdata[0]}}: "
        + ("%{y:.2%}" if quantity == "accuracy" else "%{y:.4f}")
        + "<extra></extra>",
    )


def _best(figure: go.Figure, group: list[results.Run], quantity: str, axis: str, unit: float, title: str) -> None:
    """A star at each run's best epoch."""
    for run in group:
        points = [
            point for point in results.curve_points(run, f"val_{quantity}", axis) if point[0] == run["best_epoch"]
        ]
        figure.add_scatter(
            x=[place / unit for _, place, _ in points],
            y=[value for _, _, value in points],
            mode="markers",
            marker={
                "symbol": "star",
                "size": 13 if len(group) == 1 else 10,
                "color": colour(run["regime"]),
                "line": {"width": 0.7, "color": "white"},
            },
            hovertemplate=f"best epoch of {text(title)}, seed {run['seed']}: {run['best_epoch']}<extra></extra>",
            legendgroup=title,
            showlegend=False,
        )


def _references(figure: go.Figure, published: dict[str, float], ink: str | None) -> None:
    """A horizontal line for each published accuracy. Lines that lie close together share a label."""
    labels: list[list[str]] = []
    for regime, value in sorted(published.items(), key=lambda item: -item[1]):
        figure.add_hline(y=value, line={"color": colour(regime), "dash": "dot", "width": 1.2})
        if labels and published[labels[-1][-1]] - value < 0.04:
            labels[-1].append(regime)
        else:
            labels.append([regime])
    for regimes in labels:  # in the margin, where no curve runs through them
        figure.add_annotation(
            x=1.005,
            xref="x domain",
            xanchor="left",
            y=published[regimes[-1]],
            yanchor="bottom" if len(regimes) > 1 else "middle",
            text="<br>".join(f"{published[regime]:.2%}" for regime in regimes),
            hovertext="<br>".join(
                f"{REGIMES[regime].title}, {published[regime]:.2%} published for {PUBLISHED_CONDITIONS}"
                for regime in regimes
            ),
            showarrow=False,
            align="left",
            font={"size": 10, "color": ink},
        )
    if labels:  # the lowest label explains all of them
        figure.layout.annotations[-1].text += "<br>published"
    figure.update_layout(margin={**MARGIN, "r": 56, "t": 30})
