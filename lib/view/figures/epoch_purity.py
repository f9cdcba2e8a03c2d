"""The class separation of a run's epochs as a small curve."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from lib.embed.epoch_maps import Separation
from lib.view.figures.style import MARGIN, colour


def purity(rows: Sequence[Separation], regime: str, chance: float | None) -> go.Figure:
    """Purity over epochs with its 95 % band; `chance`, what neighbours without regard to class would give, dotted."""
    known = [row for row in rows if row.purity is not None]
    figure = go.Figure()
    bands = [row for row in known if row.ci95 is not None]
    if len(bands) > 1:
        figure.add_scatter(
            x=[row.epoch for row in bands] + [row.epoch for row in reversed(bands)],
            y=[row.ci95[1] for row in bands if row.ci95] + [row.ci95[0] for row in reversed(bands) if row.ci95],
            fill="toself",
            fillcolor=colour(regime, 0.16),
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            mode="lines",
        )
    figure.add_scatter(
        x=[row.epoch for row in known],
        y=[row.purity for row in known],
        customdata=[row.ci95 or (None, None) for row in known],
        mode="lines+markers",
        line={"color": colour(regime), "width": 2.4},
        hovertemplate="epoch %{x}: %{y:.1%} (95 %: %{customdata[0]:.1%} to %{customdata[1]:.1%})<extra></extra>",
        showlegend=False,
    )
    if chance is not None:
        figure.add_hline(y=chance, line={"dash": "dot", "width": 1.2, "color": colour("", 1.0)})
        figure.add_annotation(
            x=1, xref="paper", xanchor="right", y=chance, yanchor="bottom", text="chance", showarrow=False
        )
    figure.update_layout(height=270, margin=MARGIN)
    figure.update_yaxes(title="purity", tickformat=".0%", range=[0, 1.02])
    figure.update_xaxes(title="epoch, 0 before training", dtick=1 if len(known) < 15 else None)
    return figure
