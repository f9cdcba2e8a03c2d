"""The heat map of pairs, and figures whose margins are fixed."""

from __future__ import annotations

import plotly.graph_objects as go
import pytest

from lib.view.figures import pair_matrix, style


@pytest.mark.parametrize("things", [2, 12])
def test_a_cell_says_its_number_and_an_undefined_one_a_dash(things: int) -> None:
    values: list[list[float | None]] = [[1.0 if i == j else 0.25 for j in range(things)] for i in range(things)]
    values[0][1] = None
    labels = [f"space {i}" for i in range(things)]
    figure = pair_matrix.matrix(labels, values, [["about"] * things] * things)
    (cells,) = figure.data
    assert cells.text[0][0] == "1.00" and cells.text[0][1] == "–" and cells.text[1][0] == "0.25"
    assert (cells.zmin, cells.zmax, cells.reversescale) == (0, 1, False)
    # Many names stand at an angle and have a scale beside their small cells.
    assert bool(figure.layout.xaxis.tickangle) == bool(cells.showscale) == (things > 8)
    assert pair_matrix.matrix(labels, values, [[""] * things] * things, low_is_alike=True).data[0].reversescale


def test_fixed_margins_leave_no_axis_an_automatic_one() -> None:
    figure = go.Figure(layout={"xaxis": {}, "yaxis": {}, "xaxis2": {}, "yaxis2": {}, "margin": {"r": 78, "t": 30}})
    style.fix_margins(figure, 62, 44)
    assert figure.layout.margin.to_plotly_json() == {"l": 62, "r": 78, "t": 30, "b": 44}
    assert [figure.layout[axis].automargin for axis in ("xaxis", "yaxis", "xaxis2", "yaxis2")] == [False] * 4
