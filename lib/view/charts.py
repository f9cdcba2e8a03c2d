"""Figures, from plain data. Text that came from file names is escaped, since Plotly reads some HTML in labels."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lib.learn.regimes import Tensor
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


def space_map(frame: pd.DataFrame, xy: np.ndarray, by: str, colours: dict[str, str]) -> go.Figure:
    """The map as points, one WebGL trace per value of the column `by`; points carry image ids."""
    figure = go.Figure()
    values = frame[by].to_numpy()
    for value, colour in colours.items():
        rows = np.nonzero(values == value)[0]
        labels = frame["label"].to_numpy()[rows]
        figure.add_scattergl(
            x=xy[rows, 0],
            y=xy[rows, 1],
            ids=frame["id"].to_numpy()[rows].tolist(),
            name=text(value),
            mode="markers",
            marker={"size": 6, "color": colour, "opacity": 0.8},
            selected={"marker": {"opacity": 1.0, "size": 8}},
            unselected={"marker": {"opacity": 0.12}},
            text=[text(label) for label in labels],
            hovertemplate="%{text}<br>%{id}<extra></extra>",
        )
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


def with_selection(figure: go.Figure, ids: Sequence[str]) -> go.Figure:
    """A copy of a map on which all points but those of the images `ids` are faint."""
    drawn = go.Figure(figure)
    for trace in drawn.data:
        trace.selectedpoints = np.nonzero(np.isin(np.asarray(trace.ids, dtype=str), ids))[0]
    return drawn


def with_view(figure: go.Figure, view: dict[str, Any]) -> go.Figure:
    """A copy of a map that shows what `clicks.view` says."""
    drawn = go.Figure(figure)
    drawn.update_layout(dragmode=view["tool"])
    for axis in ("x", "y"):
        if view[axis]:
            drawn.layout[f"{axis}axis"].range = view[axis]
    for trace in drawn.data:
        if trace.name in view["hidden"]:
            trace.visible = "legendonly"
    return drawn


def with_neighbours(figure: go.Figure, xy: np.ndarray, query: int, neighbours: Sequence[int]) -> go.Figure:
    """A copy of a map on which lines join the query's point with its true neighbours' points."""
    drawn = go.Figure(figure)
    # SVG, since WebGL draws selected points above everything else.
    lines_x: list[float | None] = []
    lines_y: list[float | None] = []
    for row in neighbours:
        lines_x += [float(xy[query, 0]), float(xy[row, 0]), None]
        lines_y += [float(xy[query, 1]), float(xy[row, 1]), None]
    drawn.add_scatter(
        x=lines_x,
        y=lines_y,
        mode="lines",
        line={"color": theme.QUERY, "width": 1.6},
        opacity=0.7,
        hoverinfo="skip",
        showlegend=False,
    )
    drawn.add_scatter(
        x=[float(xy[query, 0])],
        y=[float(xy[query, 1])],
        mode="markers",
        marker={"size": 18, "symbol": "circle-open", "color": theme.QUERY, "line": {"width": 3}},
        hoverinfo="skip",
        name="query photo",
        showlegend=True,
    )
    drawn.add_scatter(
        x=[float(xy[row, 0]) for row in neighbours],
        y=[float(xy[row, 1]) for row in neighbours],
        mode="markers",
        marker={"size": 12, "symbol": "circle-open", "color": theme.QUERY, "line": {"width": 1.6}},
        hoverinfo="skip",
        name="its true neighbours",
        showlegend=True,
    )
    return drawn


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


def curves(runs: list[dict[str, Any]], quantity: str, published: dict[str, float]) -> go.Figure:
    """`quantity` (`accuracy` or `loss`) over epochs: training thin, validation bold, best epoch marked."""
    figure = go.Figure()
    for run in runs:
        colour = theme.REGIME_COLOURS.get(run["regime"], theme.MUTED)
        epochs = [row["epoch"] for row in run["epochs"]]
        for part, width, dash in (("train", 1.2, "dot"), ("val", 2.6, "solid")):
            figure.add_scatter(
                x=epochs,
                y=[row[f"{part}_{quantity}"] for row in run["epochs"]],
                mode="lines",
                name=f"{text(run['regime'])} · {'training' if part == 'train' else 'validation'} · seed {run['seed']}",
                line={"color": colour, "width": width, "dash": dash},
                hovertemplate=f"{text(run['regime'])}, {part}, epoch %{{x}}: %{{y:.4f}}<extra></extra>",
            )
        best = [row for row in run["epochs"] if row["epoch"] == run["best_epoch"]]
        figure.add_scatter(
            x=[row["epoch"] for row in best],
            y=[row[f"val_{quantity}"] for row in best],
            mode="markers",
            marker={"symbol": "star", "size": 14, "color": colour, "line": {"width": 1, "color": "white"}},
            hovertemplate=f"best epoch of {text(run['regime'])}: %{{x}}<extra></extra>",
            showlegend=False,
        )
    if quantity == "accuracy":
        for regime, value in published.items():
            figure.add_hline(
                y=value,
                line={"color": theme.REGIME_COLOURS[regime], "dash": "dash", "width": 1},
                annotation_text=f"{regime}, published {value:.2%}",
                annotation_font_size=10,
                annotation_position="bottom right",
            )
        figure.update_yaxes(tickformat=".0%", title="accuracy")
    else:
        figure.update_yaxes(title="loss (cross-entropy)", rangemode="tozero")
    figure.update_layout(height=420, margin=_MARGIN, legend={"orientation": "h", "y": -0.2})
    figure.update_xaxes(title="epoch", dtick=1 if all(len(run["epochs"]) < 15 for run in runs) else None)
    return figure


def frozen_tensors(tensors: Sequence[Tensor], frozen: dict[str, int]) -> go.Figure:
    """Every parameter tensor of the network as a cell, one row per regime; frozen ones pale."""
    figure = go.Figure()
    places = range(len(tensors))
    for regime, count in frozen.items():
        figure.add_bar(
            y=[regime] * len(tensors),
            x=[0.86] * len(tensors),
            base=[place + 0.07 for place in places],
            orientation="h",
            marker={
                "color": theme.REGIME_COLOURS[regime],
                "opacity": [0.18 if place < count else 1.0 for place in places],
                "line": {"width": 0},
            },
            customdata=[
                [tensor.name, " × ".join(map(str, tensor.shape)), tensor.size, "frozen" if place < count else "trains"]
                for place, tensor in enumerate(tensors)
            ],
            hovertemplate="%{customdata[0]}<br>%{customdata[1]} = %{customdata[2]:,}, %{customdata[3]}<extra></extra>",
        )
    figure.update_layout(height=220, margin=_MARGIN, barmode="overlay", showlegend=False, bargap=0.3)
    figure.update_xaxes(title=f"{len(tensors)} parameter tensors", range=[0, len(tensors)], showgrid=False)
    figure.update_yaxes(autorange="reversed")
    return figure


def published_bars(published: dict[str, float]) -> go.Figure:
    """The published test accuracies, as reference."""
    figure = go.Figure(
        go.Bar(
            x=list(published.values()),
            y=list(published),
            orientation="h",
            marker_color=[theme.REGIME_COLOURS[regime] for regime in published],
            text=[f"{value:.2%}" for value in published.values()],
            textposition="outside",
            hovertemplate="%{y}: %{x:.2%}<extra></extra>",
        )
    )
    figure.update_layout(height=220, margin=_MARGIN)
    figure.update_xaxes(tickformat=".0%", range=[0, 1.2], title="published test accuracy")
    figure.update_yaxes(autorange="reversed")
    return figure
