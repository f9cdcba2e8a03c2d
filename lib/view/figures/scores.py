"""Figures of retrieval: scores, calibration of thresholds, agreement of metrics, hubs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from lib.measure.paired_scores import ClassDifference
from lib.measure.scoreboard import MEASURES, QUERIES, SpaceScores, mean_and_interval
from lib.search.calibration import Calibration
from lib.search.disagreement import ClassResult
from lib.search.equivalence import Equivalence
from lib.search.metrics import METRICS, Floats, metric
from lib.text import counted
from lib.view import theme
from lib.view.figures.style import MARGIN, faint, text

_A, _B = theme.SPACE_COLOURS[1:3]
L1, COSINE = theme.METRIC_COLOURS["l1"], theme.METRIC_COLOURS["cosine"]
LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "title": None}


def score_bars(
    by_space: dict[str, SpaceScores],
    titles: dict[str, str],
    measure: str,
    over: str = QUERIES,
    *,
    ink: str | None = None,
) -> go.Figure:
    """Each space × metric by one measure, its mean over queries or classes, with 95 % intervals.

    `ink` is the page's text colour.
    """
    figure, colours = go.Figure(), theme.space_colours(list(titles))
    for space, scored in by_space.items():
        values = [mean_and_interval(scores, measure, over) for scores in scored.scores.values()]
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
    title = MEASURES[measure] + ("" if over == QUERIES else f", mean over {over}")
    figure.update_yaxes(title=title, rangemode="tozero", tickformat=".1~%")
    return figure


def class_heatmap(cells: dict[str, dict[str, float | None]], measure: str) -> go.Figure:
    """A measure per class: `cells` maps a row's name (space · metric) to the value of each class."""
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


def difference_histogram(per_query: Floats, names: tuple[str, str], measure: str) -> go.Figure:
    """The distribution of the difference A − B over the queries; `names` are those of A and B."""
    finite = per_query[~np.isnan(per_query)]
    largest = (float(np.abs(finite).max()) if len(finite) else 0.0) or 1.0
    counts, edges = np.histogram(finite, bins=41, range=(-largest, largest))
    middles = (edges[1:] + edges[:-1]) / 2
    figure = go.Figure(
        go.Bar(
            x=middles,
            y=counts,
            width=edges[1] - edges[0],
            # A and B may be any two configurations, so these are no metric's colours.
            marker_color=[theme.MUTED if place == 20 else _B if place < 20 else _A for place in range(41)],
            hovertemplate="difference near %{x:+.1%}: %{y} queries<extra></extra>",
        )
    )
    figure.add_vline(x=0, line={"color": theme.MUTED, "dash": "dot"})
    figure.update_layout(height=240, margin=MARGIN, bargap=0)
    figure.update_xaxes(title=f"{MEASURES[measure]}: ← {text(names[1])} better · {text(names[0])} better →")
    figure.update_xaxes(tickformat=".0%")
    figure.update_yaxes(title="queries")
    return figure


def calibration(measured: Calibration, edge: int) -> go.Figure:
    """Densities of the values of same-class and different-class pairs, with a threshold at edge number `edge`."""
    figure = go.Figure()
    middles, width = (measured.edges[1:] + measured.edges[:-1]) / 2, measured.edges[1] - measured.edges[0]
    for name, counts, colour in (
        ("same class", measured.same, theme.RIGHT),
        ("different classes", measured.different, theme.WRONG),
    ):
        share = counts / max(1, counts.sum())
        figure.add_scatter(
            x=middles,
            y=share,
            mode="lines",
            name=f"{name}: {counted(int(counts.sum()), 'pair')}",
            line={"color": colour, "width": 2, "shape": "hvh"},
            fill="tozeroy",
            fillcolor=faint(colour, 0.22),
            customdata=counts,
            hovertemplate=f"{name}: %{{customdata:,}} pairs (%{{y:.2%}}) near %{{x:.4g}}<extra></extra>",
        )
    closer = (
        (measured.edges[edge], measured.edges[-1])
        if metric(measured.metric).higher_is_closer
        else (measured.edges[0], measured.edges[edge])
    )
    figure.add_vrect(x0=closer[0], x1=closer[1], fillcolor=theme.QUERY, opacity=0.08, line_width=0)
    figure.add_vline(x=float(measured.edges[edge]), line={"color": theme.QUERY, "width": 2.5})
    figure.update_layout(height=340, margin=MARGIN, legend=LEGEND, hovermode="x")
    direction = "closer →" if metric(measured.metric).higher_is_closer else "← closer"
    figure.update_xaxes(
        title=f"{METRICS[measured.metric].title} ({direction}); shaded: accepted", range=_range(measured, width)
    )
    figure.update_yaxes(title="share of the pairs", tickformat=".1%", rangemode="tozero")
    return figure


def _range(measured: Calibration, width: float) -> list[float]:
    """The axis without far tails, which would squeeze all else: a ten-thousandth of the pairs is cut at each end."""
    share = np.cumsum(measured.same + measured.different) / max(1, (measured.same + measured.different).sum())
    low, high = np.searchsorted(share, [0.0001, 0.9999])
    return [float(measured.edges[low] - width), float(measured.edges[min(high + 1, len(measured.edges) - 1)] + width)]


def roc(by_metric: dict[str, Calibration], colours: dict[str, str], chosen: str, edge: int) -> go.Figure:
    """ROC curves, one for each metric; the threshold at edge number `edge` of the `chosen` one is marked."""
    figure = go.Figure()
    for name, each in by_metric.items():
        costs = [each.cost(place) for place in each.thresholds]
        points = sorted([(0.0, 0.0), *((cost.fall_out or 0.0, cost.recall or 0.0) for cost in costs), (1.0, 1.0)])
        figure.add_scatter(
            x=[x for x, _ in points],
            y=[y for _, y in points],
            mode="lines",
            name=f"{METRICS[name].short} · AUC {'–' if each.auc is None else format(each.auc, '.3f')}",
            line={"color": colours[name], "width": 3 if name == chosen else 1.4},
            hovertemplate=f"{text(name)}: true positive rate %{{y:.1%}}, false positive rate %{{x:.1%}}<extra></extra>",
        )
    cost = by_metric[chosen].cost(edge)
    figure.add_scatter(
        x=[cost.fall_out],
        y=[cost.recall],
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
    figure.update_xaxes(title="false positive rate", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(title="true positive rate", tickformat=".0%", range=[0, 1.02])
    return figure


def overlap_histogram(overlap: Floats, k: int) -> go.Figure:
    """A histogram of how many of their k results L1 and cosine share; `overlap` (n,) holds shares from 0 to 1."""
    shared = np.rint(overlap[~np.isnan(overlap)] * k).astype(int)
    counts = np.bincount(shared, minlength=k + 1)
    figure = go.Figure(
        go.Bar(
            x=list(range(k + 1)),
            y=counts,
            marker={"color": 1 - np.arange(k + 1) / k, "colorscale": theme.SCALE, "cmin": 0, "cmax": 1},
            hovertemplate="%{x} results in common: %{y:,} photos<extra></extra>",
        )
    )
    figure.update_layout(height=250, margin=MARGIN, bargap=0.08)
    figure.update_xaxes(title=f"results that L1 and cosine share, of {k}", dtick=1 if k <= 15 else 5)
    figure.update_yaxes(title="photos")
    return figure


def class_differences(
    results: Sequence[ClassDifference], names: tuple[str, str], measure: str, most: int = 12
) -> go.Figure:
    """The difference b − a of two configurations (`names`) for the `most` classes with the largest, with intervals."""
    measured = [each for each in results if each.difference.mean is not None]
    largest = sorted(measured, key=lambda each: -abs(each.difference.mean or 0.0))[:most]
    shown = [each for each in measured if each in largest]
    figure = go.Figure()
    for winner, colour, name in (
        ("a", L1, f"{names[0]} better"),
        ("b", COSINE, f"{names[1]} better"),
        ("", theme.MUTED, "no significant difference"),
    ):
        part = [each for each in shown if each.winner == winner]
        if not part:
            continue
        middle = [each.difference.mean or 0.0 for each in part]
        bounds = [each.difference.ci95 or (value, value) for each, value in zip(part, middle, strict=True)]
        figure.add_scatter(
            x=middle,
            y=[text(each.label) for each in part],
            mode="markers",
            name=text(name),
            marker={"size": 11, "color": colour},
            error_x={
                "array": [high - value for (_, high), value in zip(bounds, middle, strict=True)],
                "arrayminus": [value - low for (low, _), value in zip(bounds, middle, strict=True)],
                "thickness": 2,
                "color": colour,
            },
            customdata=[[low, high, each.difference.n] for (low, high), each in zip(bounds, part, strict=True)],
            hovertemplate="%{y}: %{x:+.1%} [%{customdata[0]:+.1%}, %{customdata[1]:+.1%}], %{customdata[2]} queries"
            "<extra></extra>",
        )
    figure.add_vline(x=0, line={"color": theme.MUTED, "dash": "dot"})
    figure.update_layout(height=90 + 26 * len(shown), margin=MARGIN, legend=LEGEND)
    title = f"{measure}: ← {text(names[0])} better · {text(names[1])} better →"
    figure.update_xaxes(title=title, tickformat="+.1~%")
    figure.update_yaxes(categoryorder="array", categoryarray=[text(each.label) for each in shown][::-1])
    return figure


def class_winners(results: Sequence[ClassResult]) -> go.Figure:
    """The difference cosine − L1 for each class, with its interval."""
    figure = go.Figure()
    for winner, colour, name in (
        ("cosine", COSINE, "cosine wins"),
        ("l1", L1, "L1 wins"),
        ("neither", theme.MUTED, "no significant difference"),
    ):
        winners = [each for each in results if each.winner == winner and each.difference.mean is not None]
        bounds = [each.difference.ci95 or (0.0, 0.0) for each in winners]
        middle = [each.difference.mean or 0.0 for each in winners]
        figure.add_scatter(
            x=middle,
            y=[text(each.label) for each in winners],
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
    figure.update_xaxes(title="precision: ← L1 higher · cosine higher →", tickformat=".0%")
    figure.update_yaxes(categoryorder="array", categoryarray=[text(each.label) for each in results][::-1])
    return figure


def occurrence_curves(counts: dict[str, np.ndarray]) -> go.Figure:
    """The share of photos that are retrieved at least n times: `counts` (photos,) by metric (`l1`, `cosine`)."""
    figure = go.Figure()
    for name, colour in (("l1", L1), ("cosine", COSINE)):
        times, photos = np.unique(counts[name], return_counts=True)
        # Cumulated from above: it shows a long tail without bins.
        share = np.cumsum(photos[::-1])[::-1] / photos.sum()
        figure.add_scatter(
            x=times + 1,
            y=share,
            mode="lines",
            line={"color": colour, "width": 2.4, "shape": "vh"},
            name=METRICS[name].title,
            customdata=times,
            hovertemplate="%{y:.2%} of photos are retrieved at least %{customdata} times<extra></extra>",
        )
    figure.update_layout(height=290, margin=MARGIN, legend=LEGEND)
    ticks = [0, 1, 3, 10, 30, 100, 300, 1000, 3000]
    figure.update_xaxes(type="log", title="retrieved at least n times", tickvals=[t + 1 for t in ticks], ticktext=ticks)
    figure.update_yaxes(type="log", title="share of photos", tickformat=".2~%")
    return figure


def tau_heatmap(agreement: Equivalence, titles: dict[str, str]) -> go.Figure:
    """Kendall's tau between each two metrics' rankings, mean over the queries."""
    names = [text(titles.get(name, name)) for name in agreement.names]
    figure = go.Figure(
        go.Heatmap(
            x=names,
            y=names,
            z=agreement.mean,
            zmin=-1,
            zmax=1,
            # Two hues with white between: a negative tau is a reversed ranking, not a small one.
            colorscale=[[0, "#eda06a"], [0.5, "#fbf8fc"], [1, "#74b4dd"]],
            customdata=agreement.least,
            text=[["–" if np.isnan(value) else f"{value:.2f}" for value in row] for row in agreement.mean],
            texttemplate="%{text}",
            textfont={"size": 13, "color": "#241f29"},
            hovertemplate="%{y}<br>%{x}<br>mean tau %{z:.4f}, smallest of any query %{customdata:.4f}<extra></extra>",
            colorbar={"thickness": 12, "outlinewidth": 0, "title": {"text": "tau", "side": "right"}},
        )
    )
    figure.update_layout(height=430, margin=MARGIN)
    figure.update_yaxes(autorange="reversed")
    return figure
