"""Figures of final results: accuracies, costs, confusion, linear probes.

Runs come from `normalise_record.normalise`, rows from `results.table` and `results.probes`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from lib.learn import results
from lib.learn.regimes import REGIMES
from lib.text import counted
from lib.view import theme
from lib.view.figures import style
from lib.view.figures.style import MARGIN, colour, faint, text

_LETTER = 7  # pixels that a letter of a tick takes, at most in the mean


def published_bars(published: dict[str, float]) -> go.Figure:
    """Published test accuracies by regime."""
    figure = go.Figure(
        go.Bar(
            x=list(published.values()),
            y=[REGIMES[regime].title for regime in published],
            orientation="h",
            marker_color=[theme.REGIME_COLOURS[regime] for regime in published],
            text=[f"{value:.2%}" for value in published.values()],
            textposition="outside",
            hovertemplate="%{y}: %{x:.2%}<extra></extra>",
        )
    )
    figure.update_layout(height=220, margin=MARGIN)
    figure.update_xaxes(tickformat=".0%", range=[0, 1.2], title="published test accuracy")
    figure.update_yaxes(autorange="reversed")
    return figure


def final(rows: Sequence[Mapping[str, Any]], names: list[str], *, ink: str | None = None) -> go.Figure:
    """Test accuracy of each row: the mean as a bar, its 95 % interval, the seeds, and the published value.

    One trace for each of these and not for each row, since each trace costs the browser time. `ink` is the page's
    text colour.
    """
    figure = go.Figure()
    shown = [(row, text(name)) for row, name in zip(rows, names, strict=True) if row["accuracy"] is not None]
    bounds = [row["ci95"] or (row["accuracy"], row["accuracy"]) for row, _ in shown]
    figure.add_bar(
        x=[row["accuracy"] for row, _ in shown],
        y=[name for _, name in shown],
        orientation="h",
        width=0.56,
        marker={"color": [colour(row["regime"]) for row, _ in shown]},
        error_x={**_error_bars(shown, bounds), "color": ink or theme.MUTED, "thickness": 1.6, "width": 6},
        customdata=bounds,
        hovertemplate="%{y}: %{x:.2%}, 95 % interval of one run %{customdata[0]:.1%} to %{customdata[1]:.1%}"
        "<extra></extra>",
        showlegend=False,
    )
    seeds = [(row, name, value) for row, name in shown if row["band"] for value in row["accuracies"]]
    figure.add_scatter(
        x=[value for _, _, value in seeds],
        y=[name for _, name, _ in seeds],
        mode="markers",
        marker={
            "symbol": [theme.REGIME_MARKERS.get(row["regime"], "x") for row, *_ in seeds],
            "size": 7,
            "color": "white",
            "line": {"width": 1.5, "color": [colour(row["regime"]) for row, *_ in seeds]},
        },
        hovertemplate="%{y}, one seed: %{x:.2%}<extra></extra>",
        showlegend=False,
    )
    published = [(row, name) for row, name in shown if row["published"] is not None]
    figure.add_scatter(
        x=[row["published"] for row, _ in published],
        y=[name for _, name in published],
        mode="markers",
        marker={"symbol": "diamond-open", "size": 11, "color": ink or theme.MUTED, "line": {"width": 2}},
        name="published, other weights and split",
        hovertemplate="%{y}, published: %{x:.2%}<extra></extra>",
        showlegend=False,
    )
    figure.update_layout(
        height=58 + 46 * len(shown),
        margin=MARGIN,
        # All of it: a bar that begins elsewhere exaggerates differences.
        xaxis={"tickformat": ".0%", "range": [0, 1.02], "title": {"text": "test accuracy"}},
        yaxis={
            "autorange": "reversed",
            "tickvals": [name for _, name in shown],
            "ticktext": [f"{name}<br><b>{row['accuracy']:.1%}</b>" for row, name in shown],
        },
    )
    style.fix_margins(figure, 16 + _LETTER * max((len(name) for _, name in shown), default=0), 44)
    return figure


def _error_bars(shown: Sequence[tuple[Mapping[str, Any], str]], bounds: list[tuple[float, float]]) -> dict[str, Any]:
    """Intervals as distances from the means, as Plotly wants them."""
    return {
        "array": [high - row["accuracy"] for (row, _), (_, high) in zip(shown, bounds, strict=True)],
        "arrayminus": [row["accuracy"] - low for (row, _), (low, _) in zip(shown, bounds, strict=True)],
        "color": theme.MUTED,
    }


def costs(rows: Sequence[Mapping[str, Any]], names: list[str], time: str) -> go.Figure:
    """Test accuracy over trainable parameters (left) and over `time` (right), on logarithmic axes.

    `time` is `seconds` or `cpu_seconds`. Both sides share one accuracy axis, so that a regime stands at one height.
    """
    figure = go.Figure()
    in_legend = False
    for side, cost in (("", "trainable"), ("2", time)):
        shown = [
            (row, text(name))
            for row, name in zip(rows, names, strict=True)
            if row["accuracy"] is not None and row[cost]
        ]
        divisor, unit = _COSTS[cost]
        values = [row[cost] / divisor for row, _ in shown]
        for (row, name), x in zip(shown, values, strict=True):
            figure.add_scatter(
                x=[x],
                y=[row["accuracy"]],
                xaxis=f"x{side}",
                mode="markers",
                marker={"size": 13, "color": colour(row["regime"])},
                error_y={**_error_bars([(row, name)], [row["ci95"] or (row["accuracy"],) * 2]), "thickness": 1.6},
                name=name,
                legendgroup=name,
                showlegend=not in_legend,
                hovertemplate=f"{name}: %{{y:.2%}} with %{{x:,.3~g}} {unit}<extra></extra>",
            )
        in_legend = in_legend or bool(shown)
        # Within two decades a tick at each power of ten would leave the axis all but bare.
        wide = not values or max(values) > 100 * min(values)
        figure.layout[f"xaxis{side}"] = {
            "type": "log",
            "title": {"text": unit, "font": {"size": 12}},
            **({"dtick": 1} if wide else style.log_ticks(values)),
            "domain": [0.54, 1] if side else [0, 0.46],
        }
    figure.update_layout(
        height=320,
        margin=MARGIN,
        legend={"orientation": "h", "y": -0.32},
        yaxis={"tickformat": ".0%", "title": {"text": "test accuracy"}},
    )
    style.fix_margins(figure, 62, 44)
    return figure


# By cost: the divisor, and the unit of the quotient.
_COSTS = {
    "trainable": (1, "trainable parameters"),
    "seconds": (60, "minutes"),
    "cpu_seconds": (60, "processor minutes"),
}


def confusion(run: results.Run, *, ink: str | None = None) -> go.Figure:
    """Counts of true (rows) against predicted class (columns), coloured by their share of the row.

    Each cell is a bar with the id `<row>-<column>`, which a click reports; a heat map's cells have no ids. `ink` is
    the page's text colour.
    """
    labels = [text(name) for name in run["classes"]]
    places = range(len(labels))
    cells = [(i, j, run["confusion"][i][j]) for i in places for j in places]
    shares = [count / (sum(run["confusion"][i]) or 1) for i, _, count in cells]
    figure = go.Figure(
        go.Bar(
            x=[0.96] * len(cells),
            base=[j - 0.48 for _, j, _ in cells],
            y=[i for i, _, _ in cells],
            width=0.94,
            orientation="h",
            ids=[f"{i}-{j}" for i, j, _ in cells],
            marker={
                "color": [
                    # The root of the share, so that a few mistakes among many photos are visible.
                    faint(theme.RIGHT if i == j else theme.WRONG, 0.05 + (0.65 if i == j else 0.95) * math.sqrt(share))
                    for (i, j, _), share in zip(cells, shares, strict=True)
                ],
                "line": {"width": 0},
            },
            customdata=[
                [labels[i], labels[j], count, share] for (i, j, count), share in zip(cells, shares, strict=True)
            ],
            hovertemplate="%{customdata[2]} of class %{customdata[0]}<br>predicted as %{customdata[1]}: "
            "%{customdata[3]:.1%} of the class<extra></extra>",
            showlegend=False,
        )
    )
    figure.add_scatter(
        x=[j for _, j, _ in cells],
        y=[i for i, _, _ in cells],
        text=[str(count) for _, _, count in cells],
        mode="text",
        textfont={"size": 14 if len(labels) < 12 else 9, "color": ink},
        hoverinfo="skip",
        showlegend=False,
    )
    figure.update_layout(
        height=110 + max(46 if len(labels) < 12 else 24, 1) * len(labels), margin=MARGIN, barmode="overlay"
    )
    ticks = {"tickvals": list(places), "ticktext": labels, "showgrid": False, "zeroline": False}
    figure.update_xaxes(title="predicted class", range=[-0.5, len(labels) - 0.5], fixedrange=True, **ticks)
    figure.update_yaxes(title="true class", range=[len(labels) - 0.5, -0.5], fixedrange=True, **ticks)
    return figure


def probe(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Linear-probe accuracy from general (layer1) to specific (layer4) features, per regime and number of photos."""
    figure = go.Figure()
    sizes = sorted({row["photos"] for row in rows})
    for regime, photos in dict.fromkeys((row["regime"], row["photos"]) for row in rows):
        layers = [row for row in rows if (row["regime"], row["photos"]) == (regime, photos)]
        name = f"{text(layers[0]['title'])} · {counted(photos, 'photo')}"
        figure.add_scatter(
            x=[row["layer"] for row in layers],
            y=[row["accuracy"] for row in layers],
            mode="lines+markers",
            name=name,
            line={"color": colour(regime), "width": 2.4, "dash": "solid" if photos == sizes[-1] else "dot"},
            marker={"size": 8, "symbol": "circle" if photos == sizes[-1] else "circle-open"},
            hovertemplate=f"{name}, %{{x}}: %{{y:.1%}}<extra></extra>",
        )
    figure.update_layout(height=380, margin=MARGIN, legend={"orientation": "h", "y": -0.2})
    figure.update_xaxes(categoryorder="array", categoryarray=list(results.LAYERS), title="general → specific features")
    figure.update_yaxes(tickformat=".0%", title="linear-probe accuracy on test photos")
    return figure
