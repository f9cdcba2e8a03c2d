"""Figures of vectors: the flattening of a small image, a vector as grey cells, three-dimensional arrows."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from lib.view import theme
from lib.view.figures.style import text

CELL = 3  # px of a cell's side


def flattening(grey: np.ndarray) -> go.Figure:
    """An animation of how an image becomes a vector: the rows of `grey` (h, w) uint8 move into one line, one by one."""
    height, width = grey.shape
    size = grey.size
    values = grey.reshape(-1)
    rows, columns = np.divmod(np.arange(size), width)
    # The image is centred above the line that it becomes.
    start = np.stack([columns * 2.6 + (size - 2.6 * width) / 2, 40 - rows * 4.2], axis=1)
    line = np.stack([np.arange(size, dtype=float), np.full(size, -4.0)], axis=1)
    colours = [f"rgb({value},{value},{value})" for value in values]

    def cells(places: np.ndarray, flat: np.ndarray) -> go.Scatter:
        return go.Scatter(
            x=places[:, 0],
            y=places[:, 1],
            mode="markers",
            marker={
                "symbol": "square",
                "size": np.where(flat, 8, 18).tolist(),
                "color": colours,
                "line": {"width": 0.6, "color": theme.MUTED},
            },
            customdata=np.stack([rows + 1, columns + 1, np.arange(size) + 1, values / 255], axis=1),
            hovertemplate="row %{customdata[0]}, column %{customdata[1]} → number %{customdata[2]}: "
            "%{customdata[3]:.3f}<extra></extra>",
        )

    frames = []
    for row in range(height):
        for share in (0.34, 0.67, 1.0):
            places = np.where((rows < row)[:, None], line, start)
            moving = rows == row
            places[moving] = start[moving] + share * (line[moving] - start[moving])
            flat = (rows < row) | (moving & (share == 1.0))
            frames.append(go.Frame(name=f"{row}-{share}", data=[cells(places, flat)]))
    figure = go.Figure([cells(start, np.zeros(size, dtype=bool))], frames=frames)
    pace = {"frame": {"duration": 90, "redraw": False}, "transition": {"duration": 70}, "fromcurrent": False}
    back = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    figure.update_layout(
        height=330,
        margin={"l": 8, "r": 8, "t": 44, "b": 34},  # above: the buttons, which would cover the picture
        showlegend=False,
        updatemenus=[
            {
                "type": "buttons",
                "showactive": False,
                "direction": "left",
                "x": 0,
                "y": 1.02,
                "xanchor": "left",
                "yanchor": "bottom",
                "buttons": [
                    {"label": "▶ flatten", "method": "animate", "args": [None, pace]},
                    {"label": "at once", "method": "animate", "args": [[frames[-1].name], back]},
                ],
            }
        ],
    )
    figure.update_xaxes(
        visible=True,
        range=[-2, size + 1],
        title=f"index in the vector, 1 to {size}",
        showgrid=False,
        zeroline=False,
        tickvals=[0, *range(width - 1, size, width)],
        ticktext=[1, *range(width, size + 1, width)],
    )
    figure.update_yaxes(visible=False, range=[-9, 44])
    return figure


def strip(vector: np.ndarray, width: int) -> bytes:
    """A vector as a JPEG of grey cells, `width` numbers per line.

    White is 255 for uint8 pixels, and the largest number for features; 0 and less are black.
    """
    values = vector.astype(np.float64)
    top = 255.0 if vector.dtype == np.uint8 else float(values.max()) or 1.0
    lines = -(-len(values) // width)
    cells = np.zeros(lines * width)
    cells[: len(values)] = np.clip(values / top, 0, 1)
    grey = np.rint(cells.reshape(lines, width) * 255).astype(np.uint8)
    enlarged = np.repeat(np.repeat(grey, CELL, axis=1), CELL, axis=0)
    buffer = io.BytesIO()
    Image.fromarray(enlarged).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def arrows(query: Sequence[float], vectors: Mapping[str, Sequence[float]]) -> go.Figure:
    """The query and the vectors, three numbers each, as lines from the origin."""
    figure = go.Figure()
    colours = dict(zip(vectors, theme.CLASS_COLOURS, strict=False))
    for name, vector in {"q": query, **vectors}.items():
        colour = colours.get(name, theme.QUERY)
        figure.add_scatter3d(
            x=[0, vector[0]],
            y=[0, vector[1]],
            z=[0, vector[2]],
            mode="lines+markers+text",
            text=["", text(name)],
            textfont={"color": colour, "size": 15},
            line={"width": 9 if name == "q" else 6, "color": colour},
            marker={"size": [0, 5], "color": colour},
            name=text(name),
            hovertemplate=f"{text(name)} = (%{{x:g}}, %{{y:g}}, %{{z:g}})<extra></extra>",
        )
    figure.update_layout(height=360, margin={"l": 0, "r": 0, "t": 0, "b": 0}, showlegend=False)
    axis = {"showticklabels": False, "rangemode": "tozero"}
    figure.update_scenes(xaxis=axis, yaxis=axis, zaxis=axis, camera={"eye": {"x": 1.5, "y": 1.5, "z": 0.9}})
    return figure
