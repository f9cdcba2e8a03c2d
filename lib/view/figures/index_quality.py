"""Figures of the Index quality part of the Milvus page: recall against latency, and IVF's cells on a plane."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from lib.store import index_types
from lib.view import theme
from lib.view.figures.style import MARGIN, log_ticks, text

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
_LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom"}
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "x")


def setting(params: dict[str, Any]) -> str:
    """Search parameters in words: `ef 64`."""
    return ", ".join(f"{name} {value}" for name, value in params.items()) or "no setting"


def frontier(rows: Sequence[Mapping[str, Any]], k: int, *, ink: str | None = None) -> go.Figure:
    """Recall@k over the median latency: a line per index type, its settings as points, bars to the 95th percentile.

    `rows` are those of the `recall` document or of `index_comparison`; with `bytes` a larger mark is a larger index.
    `ink` is the page's text colour.
    """
    figure = go.Figure()
    kinds = list(dict.fromkeys(row["index_type"] for row in rows))
    largest = max((row.get("bytes") or 0 for row in rows), default=0)
    slowest = max((row["p95_ms"] for row in rows), default=0.0)
    for place, kind in enumerate(kinds):
        settings = [row for row in rows if row["index_type"] == kind]
        size = settings[0].get("bytes")
        labels, positions = spaced_labels(settings, slowest)
        figure.add_scatter(
            x=[row["p50_ms"] for row in settings],
            y=[row["recall"] for row in settings],
            mode="lines+markers+text" if len(kinds) == 1 else "lines+markers",
            name=text(kind + (f" · {index_types.format_bytes(size)}" if size else "")),
            text=labels,
            textposition=positions,
            textfont={"size": 11, "color": ink},
            marker={
                "size": 9 + 13 * (size / largest) ** 0.5 if size and largest else 10,
                "symbol": _SYMBOLS[place % len(_SYMBOLS)],
                "color": COLOURS.get(kind, theme.MUTED),
            },
            line={"color": COLOURS.get(kind, theme.MUTED), "width": 1.6},
            error_x={
                "array": [row["p95_ms"] - row["p50_ms"] for row in settings],
                "arrayminus": [0] * len(settings),
                "thickness": 0.6,
                "width": 0,
            },
            customdata=[[setting(row["params"]), row["p95_ms"]] for row in settings],
            hovertemplate=f"{text(kind)}, %{{customdata[0]}}<br>recall@{k} %{{y:.3f}}<br>median %{{x:.2f}} ms, 95 % "
            "within %{customdata[1]:.2f} ms<extra></extra>",
        )
    low = min((row["recall"] for row in rows), default=0.0)
    figure.update_layout(
        height=400,
        margin=MARGIN,
        legend={**_LEGEND, "itemsizing": "trace"},
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


def over_setting(
    rows: Sequence[Mapping[str, Any]],
    parameter: str,
    value: str,
    k: int,
    *,
    best: Mapping[str, Any] | None = None,
    ink: str | None = None,
) -> go.Figure:
    """`recall` or `p50_ms` (`value`) of one index over a search parameter, with 95 % intervals; `best` is marked.

    `rows` are those of the `recall` document. The axis of the parameter is logarithmic, with a tick at each setting.
    """
    settings = sorted(rows, key=lambda row: row["params"][parameter])
    xs = [row["params"][parameter] for row in settings]
    ys = [row[value] for row in settings]
    bounds = [row["ci95"][value] or (row[value], row[value]) for row in settings]
    colour = COLOURS.get(settings[0]["index_type"], theme.MUTED)
    title, form = (f"recall@{k}", ".3f") if value == "recall" else ("median latency, ms", ".2f")
    figure = go.Figure()
    figure.add_scatter(
        x=xs,
        y=ys,
        mode="lines+markers",
        marker={
            "size": [15 if row is best else 9 for row in settings],
            "symbol": ["star" if row is best else "circle" for row in settings],
            "color": colour,
        },
        line={"color": colour, "width": 1.6},
        error_y={
            "array": [upper - y for y, (_, upper) in zip(ys, bounds, strict=True)],
            "arrayminus": [y - lower for y, (lower, _) in zip(ys, bounds, strict=True)],
            "thickness": 1.4,
            "width": 5,
        },
        customdata=bounds,
        hovertemplate=f"{text(parameter)} %{{x}}<br>{title} %{{y:{form}}}<br>95 % interval "
        f"%{{customdata[0]:{form}}} to %{{customdata[1]:{form}}}<extra></extra>",
        showlegend=False,
    )
    figure.update_layout(height=300, margin=MARGIN, hovermode="closest")
    # Plotly's own ticks on a logarithmic axis stand at powers of ten.
    low_x, high_x = math.log10(xs[0]), math.log10(xs[-1])
    room = 0.06 * (high_x - low_x) or 0.1
    figure.update_xaxes(
        title=f"{parameter} (logarithmic)",
        type="log",
        tickvals=xs,
        ticktext=[f"{x:,}" for x in xs],
        tickangle=0,
        range=[low_x - room, high_x + room],
    )
    if best is not None:
        x = math.log10(best["params"][parameter])
        figure.add_vline(x=best["params"][parameter], line={"color": theme.QUERY, "width": 2, "dash": "dot"})
        figure.add_annotation(  # its place is a logarithm, unlike that of the line
            x=x,
            y=0,
            yref="paper",
            yanchor="bottom",
            xanchor="left" if 2 * x < low_x + high_x else "right",
            text=f"recommended: {text(parameter)} = {best['params'][parameter]}",
            showarrow=False,
            font={"color": ink},
        )
    if value == "recall":
        low = min(lower for lower, _ in bounds)
        ticks = [tick / 100 for tick in range(101) if tick % _step(1 - low) == 0]
        figure.update_yaxes(
            title=title, range=[max(0.0, low - 0.01), 1 + 0.06 * (1.01 - low)], tickvals=ticks, tickformat=".2f"
        )
    else:
        figure.update_yaxes(title=title, rangemode="tozero")
    return figure


def _step(span: float) -> int:
    """Hundredths between two ticks of an axis that shows `span` and a little more."""
    return next(step for step in (1, 2, 5, 10, 20) if 100 * (span + 0.06) <= 8 * step or step == 20)


def spaced_labels(rows: Sequence[Mapping[str, Any]], most: float) -> tuple[list[str], list[str]]:
    """Labels of settings on a logarithmic axis of latencies up to `most` ms, and Plotly's text position of each.

    Labels stand above and below in turn. One that would cover another is left empty; its point has it on hover.
    """
    least = min(row["p50_ms"] for row in rows)
    room = 0.055 * max(math.log10(most / least), 0.1)
    labels, positions = [""] * len(rows), ["top center"] * len(rows)
    last = {"top center": -math.inf, "bottom center": -math.inf}
    for row in sorted(range(len(rows)), key=lambda row: rows[row]["p50_ms"]):
        x = math.log10(rows[row]["p50_ms"])
        side = min(last, key=last.__getitem__)
        if x - last[side] >= room:
            labels[row], positions[row], last[side] = setting(rows[row]["params"]).replace("no setting", ""), side, x
    return labels, positions


def ivf_cells(
    xy: np.ndarray, cells: np.ndarray, keys: Sequence[str], probed: Sequence[int], query: int, neighbours: Sequence[int]
) -> go.Figure:
    """Rows at `xy` (n, 2), coloured by their cell in `cells` (n,); those of the `probed` cells are bright.

    `query` and its true `neighbours` are row numbers.
    """
    figure = go.Figure()
    bright = np.isin(cells, list(probed))
    hues = [(cell * 0.618034) % 1.0 for cell in range(int(cells.max()) + 1)]  # steps of the golden ratio
    colours = np.array([f"hsl({hue * 360:.0f},62%,52%)" for hue in hues])
    for mask, opacity, size, name in ((~bright, 0.10, 5, "not probed"), (bright, 0.9, 6, "probed")):
        rows = np.nonzero(mask)[0].tolist()
        figure.add_scattergl(
            x=xy[rows, 0],
            y=xy[rows, 1],
            mode="markers",
            name=name,
            marker={"color": colours[cells[rows]].tolist(), "size": size, "opacity": opacity},
            text=[f"{text(keys[row])}<br>cell {cells[row]}" for row in rows],
            hovertemplate="%{text}<extra></extra>",
            showlegend=False,
        )
    for retrieved, symbol, colour, name in (
        (True, "circle-open", theme.RIGHT, "true neighbour, retrieved"),
        (False, "x-thin", theme.WRONG, "true neighbour, missed"),
    ):
        rows = [row for row in neighbours if bool(bright[row]) == retrieved]
        figure.add_scatter(
            x=xy[rows, 0],
            y=xy[rows, 1],
            mode="markers",
            name=name,
            marker={"symbol": symbol, "size": 12, "color": colour, "line": {"width": 2.4, "color": colour}},
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
    figure.update_layout(height=520, margin=MARGIN, legend=_LEGEND, hovermode="closest")
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    return figure


def probes(points: Sequence[tuple[int, float, float]], nprobe: int, k: int) -> go.Figure:
    """Recall and the share of scanned rows over nprobe: `points` as `ivf_cells.recall_by_nprobe` returns them."""
    figure = go.Figure()
    steps = [step for step, _, _ in points]
    for place, name, colour in ((1, f"recall@{k}", theme.RIGHT), (2, "rows scanned", theme.MUTED)):
        figure.add_scatter(
            x=steps,
            y=[point[place] for point in points],
            mode="lines",
            name=name,
            line={"color": colour, "width": 2},
            hovertemplate=f"nprobe %{{x}}: {name} %{{y:.1%}}<extra></extra>",
        )
    figure.add_vline(x=nprobe, line={"color": theme.QUERY, "width": 2, "dash": "dot"})
    figure.update_layout(height=300, margin=MARGIN, legend=_LEGEND)
    figure.update_xaxes(
        title="nprobe", type="log", tickvals=[s for s in (1, 2, 4, 8, 16, 32, 64, 128) if s <= steps[-1]]
    )
    figure.update_yaxes(tickformat=".0%", range=[0, 1.04])
    return figure
