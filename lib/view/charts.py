"""Figures, from plain data. Text that came from file names is escaped, since Plotly reads some HTML in labels."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lib.traits import Trait
from lib.view import theme

# Above so many images a map shows their density, and so many of them as points.
DENSE, SAMPLE, BINS = 50_000, 20_000, 240
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


def space_map(frame: pd.DataFrame, xy: np.ndarray, trait: Trait, colours: dict[str, str]) -> go.Figure:
    """The map as points that carry image ids: one WebGL trace per value of a trait, or one with a colour scale.

    `colours` has the values in the order of the legend; images of which the trait is unknown come first, in grey. Of
    more than `DENSE` images the density of all is drawn in bins, and on it `SAMPLE` random points, always the same.
    """
    figure = go.Figure()
    if len(frame) > DENSE:
        figure.add_trace(_density(xy))
        drawn = np.sort(np.random.default_rng(0).choice(len(frame), SAMPLE, replace=False))
        frame, xy, trait = frame.iloc[drawn], xy[drawn], replace(trait, values=trait.values[drawn])
    values = trait.values
    unknown = np.isnan(values) if trait.kind == "number" else values == ""
    if unknown.any():
        _points(figure, frame, xy, np.nonzero(unknown)[0], "unknown", {"color": theme.MUTED})
    if trait.kind == "number":
        rows = np.nonzero(~unknown)[0]
        scale = {"title": {"text": text(trait.title), "side": "right"}, "thickness": 12, "len": 0.7, "outlinewidth": 0}
        graded = {"color": values[rows], "colorscale": theme.SCALE, "cmin": trait.low, "cmax": trait.high}
        _points(figure, frame, xy, rows, text(trait.title), {**graded, "colorbar": scale}, values[rows])
        figure.data[-1].showlegend = False
    else:
        for value, colour in colours.items():
            rows = np.nonzero(values == value)[0]
            if len(rows) or trait.kind == "class":
                _points(figure, frame, xy, rows, text(value), {"color": colour}, values[rows])
    figure.update_layout(
        height=620,
        margin=_MARGIN,
        dragmode="lasso",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "itemsizing": "constant", "title": None},
        hovermode="closest",
    )
    # The axes of such a map have no unit; only nearness means something, and that only if both scales are equal.
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    return figure


def _density(xy: np.ndarray) -> go.Heatmap:
    """How many points lie where, in a grid of bins, darker for more (on a logarithmic scale)."""
    counts, x, y = np.histogram2d(xy[:, 0], xy[:, 1], bins=BINS)
    return go.Heatmap(
        x=(x[1:] + x[:-1]) / 2,
        y=(y[1:] + y[:-1]) / 2,
        z=np.log1p(counts.T).astype(np.float32),
        colorscale=[[0, "rgba(128,118,138,0)"], [1, "rgba(128,118,138,0.75)"]],
        showscale=False,
        hoverinfo="skip",
        name="density",
    )


def _points(
    figure: go.Figure,
    frame: pd.DataFrame,
    xy: np.ndarray,
    rows: np.ndarray,
    name: str,
    marker: dict[str, Any],
    values: np.ndarray | None = None,
) -> None:
    labels = frame["label"].to_numpy()[rows]
    told = [""] * len(rows) if values is None else [_told(value) for value in values]
    figure.add_scattergl(
        x=xy[rows, 0],
        y=xy[rows, 1],
        ids=frame["id"].to_numpy()[rows].tolist(),
        name=name,
        mode="markers",
        marker={"size": 6 if len(frame) < 20_000 else 4, "opacity": 0.8, **marker},
        selected={"marker": {"opacity": 1.0, "size": 8}},
        unselected={"marker": {"opacity": 0.12}},
        text=[
            text(label) + (f" · {say}" if say and say != text(label) else "")
            for label, say in zip(labels, told, strict=True)
        ],
        hovertemplate="%{text}<br>%{id}<extra></extra>",
    )


def _told(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float | np.floating) else text(value)


def select(figure: go.Figure, ids: Sequence[str]) -> None:
    """Make all points of a map faint but those of the images `ids`."""
    wanted = set(ids)
    for trace in figure.select_traces({"type": "scattergl"}):
        trace.selectedpoints = [place for place, image_id in enumerate(trace.ids) if image_id in wanted]


def restore(figure: go.Figure, view: dict[str, Any]) -> None:
    """Make a map show what `clicks.view` says."""
    figure.update_layout(dragmode=view["tool"])
    for axis in ("x", "y"):
        if view[axis]:
            figure.layout[f"{axis}axis"].range = view[axis]
    for trace in figure.data:
        if trace.name in view["hidden"]:
            trace.visible = "legendonly"


def join(
    figure: go.Figure, xy: np.ndarray, at: np.ndarray, neighbours: Sequence[int], *, name: str, called: str
) -> None:
    """Draw lines on a map that join the point `at` (2,), called `name`, with those of its neighbours, numbered by rank
    and `called` so in the legend."""
    # SVG, since WebGL draws selected points above everything else.
    lines_x: list[float | None] = []
    lines_y: list[float | None] = []
    for row in neighbours:
        lines_x += [float(at[0]), float(xy[row, 0]), None]
        lines_y += [float(at[1]), float(xy[row, 1]), None]
    figure.add_scatter(
        x=lines_x,
        y=lines_y,
        mode="lines",
        line={"color": theme.QUERY, "width": 1.6},
        opacity=0.7,
        hoverinfo="skip",
        showlegend=False,
    )
    figure.add_scatter(
        x=[float(at[0])],
        y=[float(at[1])],
        mode="markers",
        marker={"size": 18, "symbol": "circle-open", "color": theme.QUERY, "line": {"width": 3}},
        hoverinfo="skip",
        name=text(name),
        showlegend=True,
    )
    figure.add_scatter(
        x=[float(xy[row, 0]) for row in neighbours],
        y=[float(xy[row, 1]) for row in neighbours],
        mode="markers+text",
        text=[str(rank) for rank in range(1, len(neighbours) + 1)],
        textposition="top center",
        textfont={"size": 10, "color": theme.QUERY},
        marker={"size": 12, "symbol": "circle-open", "color": theme.QUERY, "line": {"width": 1.6}},
        hoverinfo="skip",
        name=called,
        showlegend=True,
    )


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
