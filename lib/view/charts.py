"""Figures, from plain data. Text that came from file names is escaped, since Plotly reads some HTML in labels."""

from __future__ import annotations

import html
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from lib.view import theme

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


def slopes(left: list[dict[str, Any]], right: list[dict[str, Any]], names: tuple[str, str]) -> go.Figure:
    """Two rankings as columns of ranks; a line joins equal photos, and photos of one side only end in the margin."""
    figure = go.Figure()
    ranks = {row["id"]: row["rank"] for row in right}
    depth = max(len(left), len(right))
    for row in left:
        other = ranks.get(row["id"])
        shared = other is not None
        figure.add_scatter(
            x=[0, 1 if shared else 0.12],
            y=[row["rank"], other if shared else row["rank"]],
            mode="lines+markers" if shared else "lines",
            line={
                "color": theme.RIGHT if shared else theme.MUTED,
                "width": 2.4 if shared else 1,
                "dash": None if shared else "dot",
            },
            marker={"size": 8},
            hovertemplate=f"{text(row['id'])}<br>{text(names[0])} #{row['rank']}"
            + (f" → {text(names[1])} #{other}" if shared else f", not among {text(names[1])}'s first {depth}")
            + "<extra></extra>",
        )
    both = {row["id"] for row in left}
    for row in right:
        if row["id"] not in both:
            figure.add_scatter(
                x=[0.88, 1],
                y=[row["rank"], row["rank"]],
                mode="lines",
                line={"color": theme.MUTED, "width": 1, "dash": "dot"},
                hovertemplate=f"{text(row['id'])}<br>{text(names[1])} #{row['rank']} only<extra></extra>",
            )
    figure.update_layout(height=90 + 24 * depth, showlegend=False, margin=_MARGIN | {"t": 30})
    figure.update_xaxes(
        tickvals=[0, 1], ticktext=[text(name) for name in names], side="top", range=[-0.15, 1.15], showgrid=False
    )
    figure.update_yaxes(title="rank", autorange="reversed", dtick=max(1, depth // 10), zeroline=False)
    return figure
