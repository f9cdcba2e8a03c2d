"""Figures of robustness: ranks of the original photo, sweeps over a distortion's strength, scores by factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from lib.data.distortions import Distortion
from lib.measure.scoreboard import MEASURES
from lib.search.metrics import METRICS
from lib.view import theme
from lib.view.figures.scores import LEGEND
from lib.view.figures.style import MARGIN, text


def ranks(
    by_space: dict[str, dict[str, int]], titles: dict[str, str], gallery: int, *, ink: str | None = None
) -> go.Figure:
    """The original photo's rank by space and metric, on a logarithmic axis; `gallery` is the number of photos.

    `titles` are the spaces', `ink` is the page's text colour.
    """
    figure, colours = go.Figure(), theme.space_colours(list(titles))
    # Labels of one space above its points, of the other below, so that near ranks can still be read.
    sides = ("top center", "bottom center")
    for place, (space, by_metric) in enumerate(by_space.items()):
        figure.add_scatter(
            x=list(by_metric.values()),
            y=[METRICS[name].title for name in by_metric],
            mode="markers+text",
            text=[f"#{rank:,}" for rank in by_metric.values()],
            textposition=sides[place % 2],
            cliponaxis=False,
            textfont={"color": ink},
            name=text(titles[space]),
            marker={"size": 14, "color": colours[space]},
            hovertemplate=f"{text(titles[space])}, %{{y}}: the original has rank %{{x:,}}<extra></extra>",
        )
    figure.update_layout(height=340, margin={**MARGIN, "r": 50}, legend=LEGEND)
    figure.update_xaxes(
        type="log",
        title=f"rank of the original among {gallery:,} photos",
        range=[-0.08, float(np.log10(gallery)) + 0.05],
    )
    figure.update_xaxes(tickvals=[10**power for power in range(7)], ticktext=[f"{10**power:,}" for power in range(7)])
    figure.update_yaxes(autorange="reversed")
    return figure


SWEEP_QUANTITIES = {
    "first": "original at rank 1",
    "precision": "precision@10",
    "kept": "overlap@10 with the undistorted photo",
    "rank": "median rank of the original",
}


def sweep(
    by_space: Mapping[str, Sequence[Mapping[str, Any]]],
    titles: dict[str, str],
    kind: Distortion,
    metric: str,
    quantity: str,
) -> go.Figure:
    """One quantity of `SWEEP` against the strength of a distortion, a line for each space, under one metric."""
    figure, colours = go.Figure(), theme.space_colours(list(titles))
    for space, rows in by_space.items():
        levels = sorted((row for row in rows if row["metric"] == metric), key=lambda row: float(row["level"]))
        figure.add_scatter(
            x=[row["level"] for row in levels],
            y=[row[quantity] for row in levels],
            mode="lines+markers",
            name=text(titles[space]),
            line={"color": colours[space], "width": 2.6},
            hovertemplate=f"{text(titles[space])}, strength %{{x}}: %{{y:.3g}}<extra></extra>",
        )
    figure.update_layout(
        height=230, margin={**MARGIN, "t": 30}, showlegend=False, title={"text": kind.title, "font": {"size": 14}}
    )
    figure.update_xaxes(title={"text": kind.unit, "font": {"size": 11}})
    if quantity == "rank":
        figure.update_yaxes(type="log", autorange="reversed")
    else:
        figure.update_yaxes(tickformat=".0%", range=[-0.03, 1.05])
    return figure


def factor(rows: list[dict[str, Any]], titles: dict[str, str], measure: str) -> go.Figure:
    """A measure by the value of a factor: for each space a dot with its interval. `rows` come from `factors.table`."""
    figure, colours = go.Figure(), theme.space_colours(list(titles))
    for space, title in titles.items():
        values = [row for row in rows if row["space"] == space]
        figure.add_scatter(
            x=[row["mean"] for row in values],
            y=[text(f"{row['value']} ({row['queries']})") for row in values],
            mode="markers",
            name=text(title),
            marker={"size": 11, "color": colours[space]},
            error_x={
                "array": [row["high"] - row["mean"] for row in values],
                "arrayminus": [row["mean"] - row["low"] for row in values],
                "color": colours[space],
                "thickness": 1.6,
            },
            hovertemplate=f"{text(title)}, %{{y}}: %{{x:.1%}}<extra></extra>",
        )
    levels = list(dict.fromkeys(f"{row['value']} ({row['queries']})" for row in rows))
    figure.update_layout(height=110 + 34 * len(levels), margin=MARGIN, legend=LEGEND)
    figure.update_xaxes(title=MEASURES[measure], rangemode="tozero", tickformat=".0%")
    figure.update_yaxes(categoryorder="array", categoryarray=[text(level) for level in levels][::-1])
    return figure
