"""Figures of the Health part of the Milvus page: norms of vectors, and counts of a field's values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from lib.view import theme
from lib.view.figures.style import MARGIN, text

_HEIGHT = 280
_MOST_VALUES = 20
_BINS = 40
_EQUAL = 1e-5  # norms whose range is a smaller share of the largest count as one value


def norms(values: np.ndarray) -> go.Figure:
    """A histogram of norms (n,); one sentence instead where all norms are equal or there are none."""
    figure = go.Figure()
    flat = len(values) == 0 or float(np.ptp(values)) < _EQUAL * float(np.max(values))
    if flat:
        sentence = f"every norm is {values[0]:.6g}" if len(values) else "no finite vector"
        figure.add_annotation(text=sentence, showarrow=False, font={"size": 14})
    else:
        counts, edges = np.histogram(values, bins=_BINS)
        figure.add_bar(
            x=(edges[1:] + edges[:-1]) / 2,
            y=counts,
            width=np.diff(edges),
            marker_color=theme.SPACE_COLOURS[1],
            hovertemplate="norm %{x:.3g}: %{y} rows<extra></extra>",
        )
    figure.update_layout(height=_HEIGHT, margin=MARGIN, bargap=0.02)
    figure.update_xaxes(title="norm (length) of the vectors", visible=not flat)
    figure.update_yaxes(title="rows", visible=not flat)
    return figure


def value_counts(counts: Mapping[str, int], field: str) -> go.Figure:
    """Rows by the value of `field`, the most frequent values first: `counts` is in that order."""
    shown = list(counts.items())[:_MOST_VALUES]
    figure = go.Figure()
    figure.add_bar(
        y=[text(value) for value, _ in shown],
        x=[count for _, count in shown],
        orientation="h",
        marker_color=theme.SPACE_COLOURS[2],
        hovertemplate="%{y}: %{x} rows<extra></extra>",
    )
    more = f", the {_MOST_VALUES} most frequent of {len(counts):,}" if len(counts) > _MOST_VALUES else ""
    figure.update_layout(height=max(_HEIGHT, 60 + 18 * len(shown)), margin=MARGIN, bargap=0.3)
    figure.update_xaxes(title=f"rows by {text(field)}{more}")
    figure.update_yaxes(autorange="reversed")
    return figure
