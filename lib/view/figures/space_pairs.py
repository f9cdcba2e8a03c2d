"""Heat maps of how far spaces agree: a cell for each two spaces, with its number."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from lib.documents.spaces import SpacePair
from lib.measure.space_diagnosis import PAIR_MEASURES
from lib.view.figures.style import MARGIN, text

# Light enough at both ends for the same dark text; the darker end is "alike" in every heat map.
_SCALE = [[0, "#f6f2fb"], [1, "#9d8bff"]]
_INK = "#241f29"
_CELL, _LOW_CELL, _FRAME, _LEAST = 56, 30, 64, 150  # px; low cells where there are more than `_MANY` spaces
_MANY = 6
_LONGEST = 14  # letters of a name in one line
_OF_ITSELF = {"cka": 1.0, "mutual_knn": 1.0, "procrustes": 0.0}


def matrix(names: Sequence[str], titles: dict[str, str], pairs: Sequence[SpacePair], measure: str) -> go.Figure:
    """One of `cka`, `mutual_knn` and `procrustes` for every two of the spaces `names`, all scales from 0 to 1."""
    by_names = {frozenset((pair["a"], pair["b"])): pair for pair in pairs}
    values: list[list[float | None]] = []
    hover: list[list[str]] = []
    for row in names:
        values.append([])
        hover.append([])
        for column in names:
            pair = by_names.get(frozenset((row, column))) if row != column else None
            values[-1].append(_OF_ITSELF[measure] if row == column else _value(pair, measure))
            hover[-1].append("the same space" if row == column else _details(pair, measure))
    labels = [_in_lines(titles[name]) for name in names]
    figure = go.Figure(
        go.Heatmap(
            x=labels,
            y=labels,
            z=values,
            zmin=0,
            zmax=1,
            colorscale=_SCALE,
            reversescale=measure == "procrustes",
            textfont={"color": _INK, "size": 15},
            text=[["–" if value is None else f"{value:.2f}" for value in row] for row in values],
            texttemplate="%{text}",
            customdata=hover,
            hovertemplate="%{y} and %{x}<br>%{customdata}<extra></extra>",
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    figure.update_layout(
        height=max(_LEAST, _FRAME + (_CELL if len(names) <= _MANY else _LOW_CELL) * len(names)), margin=MARGIN
    )
    figure.update_xaxes(side="top", showgrid=False, tickangle=0)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def _value(pair: SpacePair | None, measure: str) -> float | None:
    if pair is None:
        return None
    return {"cka": pair["cka"], "mutual_knn": pair["mutual_knn"], "procrustes": pair["procrustes"]}[measure]


def _details(pair: SpacePair | None, measure: str) -> str:
    if pair is None:
        return "not compared"
    title, value, chance = PAIR_MEASURES[measure].title, _value(pair, measure), pair["chance"]
    lines = [f"{title} {_figure(value)}"]
    interval = pair["ci95"]["mutual_knn"] if measure == "mutual_knn" else None
    if interval:
        lines[0] += f" [{interval[0]:.3f}, {interval[1]:.3f}]"
    by_chance = {"cka": chance["cka"], "mutual_knn": chance["mutual_knn"], "procrustes": chance["procrustes"]}
    lines.append(f"by chance {_figure(by_chance[measure])}")
    if measure == "cka":
        lines.append(f"unbiased {_figure(pair['cka_unbiased'])}")
    return "<br>".join(lines)


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _in_lines(title: str) -> str:
    shown = text(title)
    return shown.replace(" ", "<br>", 1) if len(title) > _LONGEST // 2 else shown
