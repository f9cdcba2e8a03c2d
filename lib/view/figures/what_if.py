"""A figure of what shorter vectors cost: a score against the bytes of a vector, a line for each kind of shortening."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from lib.documents.what_if import WhatIfRow
from lib.view import theme
from lib.view.figures.style import MARGIN, faint, log_ticks, text

SERIES = {
    (False, "none"): "PCA",
    (False, "int8"): "PCA, 8 bits",
    (False, "binary"): "PCA, 1 bit",
    (True, "none"): "PCA, whitened",
}
_AS_IT_IS = {"none": "as it is", "int8": "8 bits", "binary": "1 bit"}
_SYMBOLS = {"none": "star", "int8": "diamond", "binary": "square"}


def trade_off(rows: Sequence[WhatIfRow], best: str | None, *, by_p10: bool = False) -> go.Figure:
    """mAP, or P@10, of every way against the bytes of a vector, with 95 % intervals; `best` has a ring around it."""
    figure, colours = go.Figure(), theme.space_colours([*SERIES.values(), "as it is"])
    for (whitened, compression), title in SERIES.items():
        of_series = [
            row
            for row in rows
            if row["components"] is not None and (row["whitened"], row["compression"]) == (whitened, compression)
        ]
        _add(figure, of_series, title, colours[title], by_p10, "circle", line=True)
    for row in rows:
        if row["components"] is None:
            title = f"{_AS_IT_IS[row['compression']]}, all dimensions"
            _add(figure, [row], title, colours["as it is"], by_p10, _SYMBOLS[row["compression"]])
    chosen = next((row for row in rows if row["space"] == best), None)
    if chosen is not None:
        figure.add_scatter(
            x=[chosen["bytes"]],
            y=[chosen["p10" if by_p10 else "map"]],
            mode="markers",
            marker={"symbol": "circle-open", "size": 22, "color": theme.QUERY, "line": {"width": 3}},
            name="best trade-off",
            hoverinfo="skip",
        )
    figure.update_layout(height=380, margin=MARGIN, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"})
    figure.update_xaxes(type="log", title="bytes of a vector", **log_ticks([row["bytes"] for row in rows]))
    figure.update_yaxes(title="P@10" if by_p10 else "mAP", tickformat=".0%", rangemode="tozero")
    return figure


def _add(
    figure: go.Figure,
    rows: Sequence[WhatIfRow],
    title: str,
    colour: str,
    by_p10: bool,
    symbol: str,
    *,
    line: bool = False,
) -> None:
    scored = [(row, row["p10" if by_p10 else "map"], row["ci95"]["p10" if by_p10 else "map"]) for row in rows]
    known = [(row, value, bounds or [value, value]) for row, value, bounds in scored if value is not None]
    figure.add_scatter(
        x=[row["bytes"] for row, _, _ in known],
        y=[value for _, value, _ in known],
        mode="lines+markers" if line else "markers",
        name=title,
        marker={"color": colour, "symbol": symbol, "size": 8 if line else 12},
        line={"color": colour, "width": 2},
        error_y={
            "array": [bounds[1] - value for _, value, bounds in known],
            "arrayminus": [value - bounds[0] for _, value, bounds in known],
            "thickness": 1.2,
            "color": faint(colour, 0.6),
        },
        customdata=[[text(row["space"]), f"{row['dim']:,}"] for row, _, _ in known],
        hovertemplate="%{customdata[0]}<br>%{customdata[1]} dimensions, %{x:,} bytes: %{y:.2%}<extra></extra>",
    )
