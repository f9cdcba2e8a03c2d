"""Figures of scores, calibrations, hubs and tau, from plain data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from lib.measure.scoreboard import MEASURES, SpaceScores, total
from lib.search.calibration import Calibration
from lib.search.disagreement import ClassResult
from lib.search.equivalence import Equivalence
from lib.search.metrics import METRICS, Floats, metric
from lib.view import theme
from lib.view.figures.style import MARGIN, faint, text

L1, COSINE = "#E69F00", "#0072B2"
LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "title": None}


def space_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each space, by its place among the spaces that are ready."""
    return {name: theme.SPACE_COLOURS[place % len(theme.SPACE_COLOURS)] for place, name in enumerate(names)}


def board(found: dict[str, SpaceScores], titles: dict[str, str], measure: str, *, ink: str | None = None) -> go.Figure:
    """Every space × metric by one measure, with 95 % intervals."""
    figure, colours = go.Figure(), space_colours(list(titles))
    for space, scored in found.items():
        values = [total(scores, measure) for scores in scored.scores.values()]
        middle = [value or 0.0 for value, _ in values]
        bounds = [interval or (value, value) for (_, interval), value in zip(values, middle, strict=True)]
        figure.add_bar(
            name=text(titles[space]),
            x=[METRICS[name].title.replace(" ", "<br>", 1) for name in scored.scores],
            y=middle,
            marker_color=colours[space],
            error_y={
                "array": [high - value for (_, high), value in zip(bounds, middle, strict=True)],
                "arrayminus": [value - low for (low, _), value in zip(bounds, middle, strict=True)],
                "thickness": 1.6,
                "color": ink or theme.MUTED,
            },
            hovertemplate=f"{text(titles[space])}, %{{x}}: {MEASURES[measure]} %{{y:.2%}}<extra></extra>",
        )
    figure.update_layout(height=320, margin=MARGIN, barmode="group", legend=LEGEND)
    figure.update_yaxes(title=MEASURES[measure], rangemode="tozero", tickformat=".1~%")
    return figure


def classes(cells: dict[str, dict[str, float | None]], measure: str) -> go.Figure:
    """A measure per class: `cells` gives, by the name of a row (space · metric), the value of each class."""
    labels = list(next(iter(cells.values())))
    values = [[row[label] for label in labels] for row in cells.values()]
    figure = go.Figure(
        go.Heatmap(
            x=[text(label) for label in labels],
            y=[text(name) for name in cells],
            z=values,
            # Light enough at both ends for the same dark text.
            colorscale=[[0, "#f6f2fb"], [1, "#9d8bff"]],
            textfont={"color": "#241f29"},
            text=[["–" if value is None else f"{value:.1%}" for value in row] for row in values],
            texttemplate="%{text}",
            hovertemplate="%{y}<br>%{x}: " + MEASURES[measure] + " %{z:.2%}<extra></extra>",
            colorbar={"thickness": 12, "outlinewidth": 0, "tickformat": ".0%"},
        )
    )
    figure.update_layout(height=80 + 26 * len(cells), margin=MARGIN)
    figure.update_xaxes(side="top")
    figure.update_yaxes(autorange="reversed")
    return figure


def differences(apart: Floats, names: tuple[str, str], measure: str) -> go.Figure:
    """How the difference of two cells is spread over the queries."""
    known = apart[~np.isnan(apart)]
    most = float(np.abs(known).max()) if len(known) else 1.0
    counts, edges = np.histogram(known, bins=41, range=(-(most or 1.0), most or 1.0))
    middles = (edges[1:] + edges[:-1]) / 2
    figure = go.Figure(
        go.Bar(
            x=middles,
            y=counts,
            width=edges[1] - edges[0],
            marker_color=[theme.MUTED if place == 20 else COSINE if place < 20 else L1 for place in range(41)],
            hovertemplate="difference near %{x:+.1%}: %{y} queries<extra></extra>",
        )
    )
    figure.add_vline(x=0, line={"color": theme.MUTED, "dash": "dot"})
    figure.update_layout(height=240, margin=MARGIN, bargap=0)
    figure.update_xaxes(title=f"{MEASURES[measure]}: ← {text(names[1])} better · {text(names[0])} better →")
    figure.update_xaxes(tickformat=".0%")
    figure.update_yaxes(title="queries")
    return figure


def calibration(found: Calibration, edge: int) -> go.Figure:
    """Values of pairs of one class and of two, each as a density of its own, with the threshold and what it lets in."""
    figure = go.Figure()
    middles, width = (found.edges[1:] + found.edges[:-1]) / 2, found.edges[1] - found.edges[0]
    for name, counts, colour in (
        ("same class", found.same, theme.RIGHT),
        ("different classes", found.different, theme.WRONG),
    ):
        share = counts / max(1, counts.sum())
        figure.add_scatter(
            x=middles,
            y=share,
            mode="lines",
            name=f"{name}: {int(counts.sum()):,} pairs",
            line={"color": colour, "width": 2, "shape": "hvh"},
            fill="tozeroy",
            fillcolor=faint(colour, 0.22),
            customdata=counts,
            hovertemplate=f"{name}: %{{customdata:,}} pairs (%{{y:.2%}}) near %{{x:.4g}}<extra></extra>",
        )
    closer = (
        (found.edges[edge], found.edges[-1])
        if metric(found.metric).higher_is_closer
        else (found.edges[0], found.edges[edge])
    )
    figure.add_vrect(x0=closer[0], x1=closer[1], fillcolor=theme.QUERY, opacity=0.08, line_width=0)
    figure.add_vline(x=float(found.edges[edge]), line={"color": theme.QUERY, "width": 2.5})
    figure.update_layout(height=340, margin=MARGIN, legend=LEGEND, hovermode="x")
    direction = "closer →" if metric(found.metric).higher_is_closer else "← closer"
    figure.update_xaxes(
        title=f"{METRICS[found.metric].title} ({direction}); shaded: let in", range=_range(found, width)
    )
    figure.update_yaxes(title="share of the pairs", tickformat=".1%", rangemode="tozero")
    return figure


def _range(found: Calibration, width: float) -> list[float]:
    """Without the far tails, which would squeeze all else: where all but a ten-thousandth of the pairs lie."""
    share = np.cumsum(found.same + found.different) / max(1, (found.same + found.different).sum())
    low, high = np.searchsorted(share, [0.0001, 0.9999])
    return [float(found.edges[low] - width), float(found.edges[min(high + 1, len(found.edges) - 1)] + width)]


def roc(found: dict[str, Calibration], colours: dict[str, str], chosen: str, edge: int) -> go.Figure:
    """Friends let in against false friends let in, as the threshold moves, for each metric; the chosen one marked."""
    figure = go.Figure()
    for name, each in found.items():
        costs = [each.cost(place) for place in each.thresholds]
        points = sorted([(0.0, 0.0), *((cost.fall_out or 0.0, cost.recall or 0.0) for cost in costs), (1.0, 1.0)])
        figure.add_scatter(
            x=[x for x, _ in points],
            y=[y for _, y in points],
            mode="lines",
            name=f"{METRICS[name].short} · AUC {'–' if each.auc is None else format(each.auc, '.3f')}",
            line={"color": colours[name], "width": 3 if name == chosen else 1.4},
            hovertemplate=f"{text(name)}: %{{y:.1%}} of friends, %{{x:.1%}} of others<extra></extra>",
        )
    at = found[chosen].cost(edge)
    figure.add_scatter(
        x=[at.fall_out],
        y=[at.recall],
        mode="markers",
        marker={"size": 13, "color": theme.QUERY, "symbol": "circle-open", "line": {"width": 3}},
        hoverinfo="skip",
        name="this threshold",
    )
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": theme.MUTED, "dash": "dot"}, hoverinfo="skip", showlegend=False
    )
    figure.update_layout(
        height=340, margin=MARGIN, legend={"y": 0.02, "x": 0.98, "xanchor": "right", "font": {"size": 10}}
    )
    figure.update_xaxes(title="different classes let in", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(title="same class let in", tickformat=".0%", range=[0, 1.02])
    return figure


def overlaps(overlap: Floats, k: int) -> go.Figure:
    """How many photos have how many of their k answers in common."""
    known = np.rint(overlap[~np.isnan(overlap)] * k).astype(int)
    counts = np.bincount(known, minlength=k + 1)
    figure = go.Figure(
        go.Bar(
            x=list(range(k + 1)),
            y=counts,
            marker={"color": 1 - np.arange(k + 1) / k, "colorscale": theme.SCALE, "cmin": 0, "cmax": 1},
            hovertemplate="%{x} answers in common: %{y:,} photos<extra></extra>",
        )
    )
    figure.update_layout(height=250, margin=MARGIN, bargap=0.08)
    figure.update_xaxes(title=f"answers that L1 and cosine share, of {k}", dtick=1 if k <= 15 else 5)
    figure.update_yaxes(title="photos")
    return figure


def class_winners(results: Sequence[ClassResult]) -> go.Figure:
    """Cosine less L1 for every class, with its interval."""
    figure = go.Figure()
    for winner, colour, name in (
        ("cosine", COSINE, "cosine wins"),
        ("l1", L1, "L1 wins"),
        ("neither", theme.MUTED, "no difference beyond chance"),
    ):
        mine = [each for each in results if each.winner == winner and each.difference.mean is not None]
        bounds = [each.difference.ci95 or (0.0, 0.0) for each in mine]
        middle = [each.difference.mean or 0.0 for each in mine]
        figure.add_scatter(
            x=middle,
            y=[text(each.label) for each in mine],
            mode="markers",
            name=name,
            marker={"size": 12, "color": colour},
            error_x={
                "array": [high - value for (_, high), value in zip(bounds, middle, strict=True)],
                "arrayminus": [value - low for (low, _), value in zip(bounds, middle, strict=True)],
                "thickness": 2,
                "color": colour,
            },
            hovertemplate="%{y}: %{x:+.1%}<extra></extra>",
        )
    figure.add_vline(x=0, line={"color": theme.MUTED, "dash": "dot"})
    figure.update_layout(height=110 + 34 * len(results), margin=MARGIN, legend=LEGEND)
    figure.update_xaxes(title="share of right answers: ← more by L1 · more by cosine →", tickformat=".0%")
    figure.update_yaxes(categoryorder="array", categoryarray=[text(each.label) for each in results][::-1])
    return figure


def occurrences(counts: dict[str, np.ndarray]) -> go.Figure:
    """How many photos are found how often, for each metric: `counts` (n,) by its name."""
    figure = go.Figure()
    for name, colour in (("l1", L1), ("cosine", COSINE)):
        often, photos = np.unique(counts[name], return_counts=True)
        # Shares of photos found at least so often: a straight way to see a long tail.
        share = np.cumsum(photos[::-1])[::-1] / photos.sum()
        figure.add_scatter(
            x=often + 1,
            y=share,
            mode="lines",
            line={"color": colour, "width": 2.4, "shape": "vh"},
            name=METRICS[name].title,
            customdata=often,
            hovertemplate="%{y:.2%} of photos are found at least %{customdata} times<extra></extra>",
        )
    figure.update_layout(height=290, margin=MARGIN, legend=LEGEND)
    ticks = [0, 1, 3, 10, 30, 100, 300, 1000, 3000]
    figure.update_xaxes(type="log", title="found at least so often", tickvals=[t + 1 for t in ticks], ticktext=ticks)
    figure.update_yaxes(type="log", title="share of photos", tickformat=".2~%")
    return figure


def taus(found: Equivalence, called: dict[str, str]) -> go.Figure:
    """Kendall's tau between every two rankings, mean over the queries."""
    names = [text(called.get(name, name)) for name in found.names]
    figure = go.Figure(
        go.Heatmap(
            x=names,
            y=names,
            z=found.mean,
            zmin=-1,
            zmax=1,
            # White between two hues: minus is not less than nothing here, it is the other way round.
            colorscale=[[0, "#eda06a"], [0.5, "#fbf8fc"], [1, "#74b4dd"]],
            customdata=found.least,
            text=[["–" if np.isnan(value) else f"{value:.2f}" for value in row] for row in found.mean],
            texttemplate="%{text}",
            textfont={"size": 13, "color": "#241f29"},
            hovertemplate="%{y}<br>%{x}<br>mean tau %{z:.4f}, least of any query %{customdata:.4f}<extra></extra>",
            colorbar={"thickness": 12, "outlinewidth": 0, "title": {"text": "tau", "side": "right"}},
        )
    )
    figure.update_layout(height=430, margin=MARGIN)
    figure.update_yaxes(autorange="reversed")
    return figure
