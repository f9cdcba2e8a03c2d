"""A heat map of every two of several things, from 0 to 1, each cell with its number: the darker, the more alike."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from lib.view.figures.style import MARGIN

# Light enough at both ends for the same dark text.
_SCALE = [[0, "#f6f2fb"], [1, "#9d8bff"]]
_INK = "#241f29"
_FEW = 8  # things whose names stand upright, in cells of a comfortable size
_CELL, _FRAME, _LEAST = 56, 64, 150  # px
_SMALL_CELL, _SLANTED_FRAME = 26, 140  # px


def matrix(
    labels: Sequence[str],
    values: Sequence[Sequence[float | None]],
    hover: Sequence[Sequence[str]],
    *,
    low_is_alike: bool = False,
) -> go.Figure:
    """`values` (n, n) from 0 to 1 for the `labels` (n); None is undefined. `hover` (n, n) follows the two names.

    Labels and hover text are HTML, escaped by the caller. With `low_is_alike`, 0 is the darker end.
    """
    is_few = len(labels) <= _FEW
    figure = go.Figure(
        go.Heatmap(
            x=labels,
            y=labels,
            z=values,
            zmin=0,
            zmax=1,
            colorscale=_SCALE,
            reversescale=low_is_alike,
            text=[["–" if value is None else f"{value:.2f}" for value in row] for row in values],
            texttemplate="%{text}",
            textfont={"color": _INK, "size": 15 if is_few else 12 if len(labels) < 14 else 9},
            customdata=hover,
            hovertemplate="%{y} and %{x}<br>%{customdata}<extra></extra>",
            colorbar={"thickness": 12, "outlinewidth": 0},
            showscale=not is_few,
            xgap=2,
            ygap=2,
        )
    )
    size = max(_LEAST, _FRAME + _CELL * len(labels)) if is_few else _SLANTED_FRAME + _SMALL_CELL * len(labels)
    figure.update_layout(height=size, margin=MARGIN)
    figure.update_xaxes(side="top", showgrid=False, tickangle=0 if is_few else -45)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure
