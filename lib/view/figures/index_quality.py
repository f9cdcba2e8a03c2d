"""Figures of the Milvus page: recall against latency, and IVF's cells on a plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from lib.store import sizing
from lib.view import theme
from lib.view.figures.style import log_ticks, text

# Index types keep their colours, whichever are compared.
COLOURS = {
    "FLAT": "#8c8794",
    "BRUTE_FORCE": "#8c8794",
    "IVF_FLAT": "#0072B2",
    "IVF_SQ8": "#56B4E9",
    "IVF_PQ": "#7a5cff",
    "HNSW": "#D55E00",
    "AUTOINDEX": "#D55E00",
    "HNSW_SQ": "#E69F00",
    "SCANN": "#009E73",
    "DISKANN": "#CC79A7",
}
_MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}
_SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "x")


def setting(params: dict[str, Any]) -> str:
    """A setting in words: `ef 64`."""
    return ", ".join(f"{name} {value}" for name, value in params.items()) or "no setting"


def frontier(rows: Sequence[dict[str, Any]], k: int, *, ink: str | None = None) -> go.Figure:
    """Recall@k over the median latency, one line per index type, its settings as points; bars reach to the 95th
    percentile. With `bytes`, a larger mark is a larger index."""
    figure = go.Figure()
    kinds = list(dict.fromkeys(row["index_type"] for row in rows))
    largest = max((row.get("bytes") or 0 for row in rows), default=0)
    for place, kind in enumerate(kinds):
        mine = [row for row in rows if row["index_type"] == kind]
        size = mine[0].get("bytes")
        labels, places = spaced(mine, max(row["p95_ms"] for row in rows))
        figure.add_scatter(
            x=[row["p50_ms"] for row in mine],
            y=[row["recall"] for row in mine],
            mode="lines+markers+text" if len(kinds) == 1 else "lines+markers",
            name=text(kind + (f" · {sizing.told(size)}" if size else "")),
            text=labels,
            textposition=places,
            textfont={"size": 11, "color": ink},
            marker={
                "size": 9 + 13 * (size / largest) ** 0.5 if size and largest else 10,
                "symbol": _SHAPES[place % len(_SHAPES)],
                "color": COLOURS.get(kind, theme.MUTED),
            },
            line={"color": COLOURS.get(kind, theme.MUTED), "width": 1.6},
            error_x={
                "array": [row["p95_ms"] - row["p50_ms"] for row in mine],
                "arrayminus": [0] * len(mine),
                "thickness": 0.6,
                "width": 0,
            },
            customdata=[[setting(row["params"]), row["p95_ms"]] for row in mine],
            hovertemplate=f"{text(kind)}, %{{customdata[0]}}<br>recall@{k} %{{y:.3f}}<br>median %{{x:.2f}} ms, 95 % "
            "within %{customdata[1]:.2f} ms<extra></extra>",
        )
    low = min((row["recall"] for row in rows), default=0.0)
    figure.update_layout(
        height=400,
        margin=_MARGIN,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "itemsizing": "trace"},
        hovermode="closest",
    )
    figure.update_xaxes(
        title="latency of one query, ms (median; the line reaches to the 95th percentile)",
        type="log",
        **log_ticks([row[name] for row in rows for name in ("p50_ms", "p95_ms")]),
    )
    # Nothing is above 1, but its label needs the room.
    figure.update_yaxes(title=f"recall@{k}", range=[max(0.0, low - 0.06), 1.03], tickformat=".2f")
    figure.update_yaxes(tickvals=[tick for tick in np.arange(101) / 100 if round(100 * tick) % _step(1 - low) == 0])
    return figure


def _step(span: float) -> int:
    """Hundredths between two ticks of an axis that shows `span` and a little more."""
    return next(step for step in (1, 2, 5, 10, 20) if 100 * (span + 0.06) <= 8 * step or step == 20)


def spaced(rows: Sequence[dict[str, Any]], most: float) -> tuple[list[str], list[str]]:
    """Labels of settings whose latencies are drawn on a logarithmic axis up to `most` ms, and where each stands: by
    turns above and below, and left out where it would cover another (the point still tells on hover)."""
    least = min(row["p50_ms"] for row in rows)
    room = 0.055 * max(math.log10(most / least), 0.1)
    labels, places = [""] * len(rows), ["top center"] * len(rows)
    last = {"top center": -math.inf, "bottom center": -math.inf}
    for row in sorted(range(len(rows)), key=lambda row: rows[row]["p50_ms"]):
        at = math.log10(rows[row]["p50_ms"])
        side = min(last, key=last.__getitem__)
        if at - last[side] >= room:
            labels[row], places[row], last[side] = setting(rows[row]["params"]).replace("no setting", ""), side, at
    return labels, places


def cells_drawn(
    xy: np.ndarray, of: np.ndarray, keys: Sequence[str], lit: Sequence[int], query: int, best: Sequence[int]
) -> go.Figure:
    """Rows on a plane, coloured by their cell; only those of the `lit` cells are bright. `query` and its true
    neighbours `best` are row numbers."""
    figure = go.Figure()
    bright = np.isin(of, list(lit))
    hues = [(cell * 0.618034) % 1.0 for cell in range(int(of.max()) + 1)]
    colours = np.array([f"hsl({hue * 360:.0f},62%,52%)" for hue in hues])
    for part, opacity, size, name in ((~bright, 0.10, 5, "not looked into"), (bright, 0.9, 6, "looked into")):
        places = np.nonzero(part)[0].tolist()
        figure.add_scattergl(
            x=xy[places, 0],
            y=xy[places, 1],
            mode="markers",
            name=name,
            marker={"color": colours[of[places]].tolist(), "size": size, "opacity": opacity},
            text=[f"{text(keys[place])}<br>cell {of[place]}" for place in places],
            hovertemplate="%{text}<extra></extra>",
            showlegend=False,
        )
    signs = {True: ("circle-open", "true neighbour, found"), False: ("x-thin", "true neighbour, missed")}
    for inside, (symbol, name) in signs.items():
        right = [place for place in best if bool(bright[place]) == inside]
        figure.add_scatter(
            x=xy[right, 0],
            y=xy[right, 1],
            mode="markers",
            name=name,
            marker={
                "symbol": symbol,
                "size": 12,
                "color": theme.RIGHT if inside else theme.WRONG,
                "line": {"width": 2.4, "color": theme.RIGHT if inside else theme.WRONG},
            },
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=[xy[query, 0]],
        y=[xy[query, 1]],
        mode="markers",
        name="the query",
        marker={"symbol": "star", "size": 17, "color": theme.QUERY, "line": {"width": 1, "color": "#fff"}},
        hoverinfo="skip",
    )
    figure.update_layout(
        height=520, margin=_MARGIN, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}, hovermode="closest"
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    return figure


def probes(points: Sequence[tuple[int, float, float]], nprobe: int, k: int) -> go.Figure:
    """Recall and the share of rows looked at, over nprobe."""
    figure = go.Figure()
    steps = [step for step, _, _ in points]
    for place, name, colour in ((1, f"recall@{k}", theme.RIGHT), (2, "rows looked at", theme.MUTED)):
        figure.add_scatter(
            x=steps,
            y=[point[place] for point in points],
            mode="lines",
            name=name,
            line={"color": colour, "width": 2},
            hovertemplate=f"nprobe %{{x}}: {name} %{{y:.1%}}<extra></extra>",
        )
    figure.add_vline(x=nprobe, line={"color": theme.QUERY, "width": 2, "dash": "dot"})
    figure.update_layout(height=300, margin=_MARGIN, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"})
    figure.update_xaxes(
        title="nprobe", type="log", tickvals=[s for s in (1, 2, 4, 8, 16, 32, 64, 128) if s <= steps[-1]]
    )
    figure.update_yaxes(tickformat=".0%", range=[0, 1.04])
    return figure
