"""Figures, from plain data. Text that came from file names is escaped, since Plotly reads some HTML in labels."""

from __future__ import annotations

import html

import pandas as pd
import plotly.graph_objects as go

_MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}


def text(value: object) -> str:
    """`value` for a label or a hover box: nothing in it is read as HTML."""
    return html.escape("".join(letter if letter.isprintable() else "�" for letter in str(value)))


def classes(frame: pd.DataFrame, colours: dict[str, str]) -> go.Figure:
    """Images per class, stacked by split."""
    counts = frame.groupby(["label", "split"], observed=True).size().unstack(fill_value=0)
    figure = go.Figure()
    for split, opacity in (("train", 1.0), ("val", 0.62), ("test", 0.34)):
        if split in counts:
            figure.add_bar(
                name=split,
                y=[text(label) for label in counts.index],
                x=counts[split].tolist(),
                orientation="h",
                marker={"color": [colours[label] for label in counts.index], "opacity": opacity},
                hovertemplate=f"%{{y}}: %{{x}} {split}<extra></extra>",
            )
    figure.update_layout(barmode="stack", showlegend=False, height=46 + 38 * len(counts), margin=_MARGIN, bargap=0.35)
    figure.update_xaxes(title="images: training (full), validation (lighter), test (lightest)")
    figure.update_yaxes(autorange="reversed")
    return figure
