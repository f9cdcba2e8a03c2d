"""Figures, from plain data. Text that came from file names is escaped, since Plotly reads some HTML in labels."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
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


def journey(labels: np.ndarray, planes: dict[str, np.ndarray], colours: dict[str, str], between: int) -> go.Figure:
    """Maps of the same photos one after the other, as an animation: `planes` (n, 2) by title, in order, and between two
    of them `between` steps of a straight way. Points are coloured by class."""
    titles, stops = list(planes), list(planes.values())
    ways: list[tuple[str, np.ndarray]] = [(titles[0], stops[0])]
    for title, before, after in zip(titles[1:], stops, stops[1:], strict=False):
        # Slow at both ends.
        shares = (1 - np.cos(np.pi * np.arange(1, between + 1) / (between + 1))) / 2
        ways += [(f"{title} {i}", before + share * (after - before)) for i, share in enumerate(shares)]
        ways.append((title, after))
    rows = {label: np.nonzero(labels == label)[0] for label in colours}

    def drawn(xy: np.ndarray) -> list[go.Scattergl]:
        return [
            go.Scattergl(
                x=xy[mine, 0].astype(np.float32),
                y=xy[mine, 1].astype(np.float32),
                mode="markers",
                name=text(label),
                marker={"size": 5, "color": colours[label], "opacity": 0.75},
                hoverinfo="name",
            )
            for label, mine in rows.items()
        ]

    pace = {"frame": {"duration": 40, "redraw": True}, "transition": {"duration": 0}, "fromcurrent": True}
    stop = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    figure = go.Figure(drawn(stops[0]), frames=[go.Frame(name=name, data=drawn(xy)) for name, xy in ways])
    every = np.concatenate(stops)
    low, high = every.min(axis=0), every.max(axis=0)
    room = 0.03 * (high - low)
    figure.update_layout(
        height=560,
        margin=_MARGIN,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "itemsizing": "constant"},
        sliders=[
            {
                "steps": [{"label": title, "method": "animate", "args": [[title], stop]} for title in titles],
                "currentvalue": {"visible": False},
                "pad": {"l": 100, "r": 50, "t": 20},
            }
        ],
        updatemenus=[
            {
                "type": "buttons",
                "showactive": False,
                "direction": "left",
                "x": 0,
                "y": 0,
                "yanchor": "top",
                "xanchor": "left",
                "pad": {"t": 30},
                "buttons": [
                    {"label": "▶", "method": "animate", "args": [None, pace]},
                    {"label": "❚❚", "method": "animate", "args": [[None], stop]},
                ],
            }
        ],
    )
    figure.update_xaxes(visible=False, range=[low[0] - room[0], high[0] + room[0]])
    figure.update_yaxes(visible=False, scaleanchor="x", range=[low[1] - room[1], high[1] + room[1]])
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


def scores(rows: list[dict[str, Any]], titles: dict[str, str]) -> go.Figure:
    """mAP of every space × metric, with 95 % intervals."""
    figure = go.Figure()
    for place, space in enumerate(dict.fromkeys(row["space"] for row in rows)):
        mine = [row for row in rows if row["space"] == space]
        middle = [row["map"] or 0.0 for row in mine]
        bounds = [row["ci95"]["map"] or [value, value] for row, value in zip(mine, middle, strict=True)]
        figure.add_bar(
            name=text(titles[space]),
            x=[row["metric"] for row in mine],
            y=middle,
            marker_color=theme.SPACE_COLOURS[place % len(theme.SPACE_COLOURS)],
            error_y={
                "array": [high - value for (_, high), value in zip(bounds, middle, strict=True)],
                "arrayminus": [value - low for (low, _), value in zip(bounds, middle, strict=True)],
                "thickness": 1.4,
            },
            hovertemplate="%{x}: mAP %{y:.3f}<extra></extra>",
        )
    figure.update_layout(
        height=320, margin=_MARGIN, barmode="group", legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}
    )
    figure.update_yaxes(title="mean average precision", rangemode="tozero")
    return figure
