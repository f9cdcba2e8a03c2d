"""The scores of many spaces as a heat map: a row for each space, a column for each metric."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from lib.measure.scoreboard import MEASURES, SpaceScores, mean_and_interval
from lib.search.metrics import METRICS
from lib.view.figures.style import MARGIN, text

_SCALE = [[0, "#f6f2fb"], [1, "#9d8bff"]]  # light enough at both ends for the same dark text
_INK = "#241f29"


def score_heatmap(by_space: Mapping[str, SpaceScores], titles: Mapping[str, str], measure: str, over: str) -> go.Figure:
    """Each space × metric by one measure, its mean over queries or classes, in the order of `by_space`."""
    metrics = list(METRICS)
    cells = [
        [mean_and_interval(scored.scores[metric], measure, over) for metric in metrics] for scored in by_space.values()
    ]
    figure = go.Figure(
        go.Heatmap(
            x=[METRICS[metric].short for metric in metrics],
            y=[text(titles[space]) for space in by_space],
            z=[[value for value, _ in row] for row in cells],
            colorscale=_SCALE,
            textfont={"color": _INK, "size": 13},
            text=[["–" if value is None else f"{100 * value:.1f}" for value, _ in row] for row in cells],
            texttemplate="%{text}",
            customdata=[
                ["" if bounds is None else f" [{bounds[0]:.2%}, {bounds[1]:.2%}]" for _, bounds in row] for row in cells
            ],
            hovertemplate="%{y}, %{x}: " + MEASURES[measure] + " %{z:.2%}%{customdata}<extra></extra>",
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    figure.update_layout(height=64 + 28 * len(by_space), margin=MARGIN)
    figure.update_xaxes(side="top", showgrid=False, tickangle=0)
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True)
    return figure
