"""Heat maps of how far spaces agree: a cell for each two spaces."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from lib.documents.spaces import SpacePair
from lib.measure.space_diagnosis import PAIR_MEASURES
from lib.view.figures import pair_matrix
from lib.view.figures.style import text

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
    return pair_matrix.matrix(labels, values, hover, low_is_alike=measure == "procrustes")


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
