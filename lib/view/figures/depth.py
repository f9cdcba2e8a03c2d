"""Figures of depth: what each stage of each network knows, and how alike stages are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from lib.embed.stage_vectors import STAGES
from lib.measure.depth import BACKBONE, Depth
from lib.measure.network_depth import MEASURES, PIXELS
from lib.view import theme
from lib.view.figures import pair_matrix
from lib.view.figures.scores import LEGEND
from lib.view.figures.style import MARGIN, faint, text

_REGIME = {BACKBONE: "transfer"}  # the backbone's frozen features are those of transfer learning


def colour(network: str) -> str:
    """A network's colour: that of its regime."""
    return theme.REGIME_COLOURS.get(_REGIME.get(network, network), theme.MUTED)


def curves(found: Depth, measure: str, titles: Mapping[str, str], *, legend: bool) -> go.Figure:
    """One of `MEASURES` after each stage, a line with 95 % intervals for each network; pixels as a dotted line."""
    figure = go.Figure()
    for name, network in found.networks.items():
        if name == PIXELS:
            continue
        values = [(stage, *network.value(stage, measure)) for stage in network.stages]
        known = [(stage, value, interval or (value, value)) for stage, value, interval in values if value is not None]
        if not known:
            continue
        stages, means = [stage for stage, *_ in known], np.array([value for _, value, _ in known])
        low, high = np.array([interval for *_, interval in known]).T
        figure.add_scatter(
            x=[*stages, *stages[::-1]],
            y=[*high, *low[::-1]],
            mode="lines",
            fill="toself",
            fillcolor=faint(colour(name), 0.16),
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=name,
        )
        figure.add_scatter(
            x=stages,
            y=means,
            mode="lines+markers",
            name=text(titles[name]),
            legendgroup=name,
            showlegend=legend,
            line={"color": colour(name), "width": 2.6},
            marker={"size": 9, "symbol": theme.REGIME_MARKERS.get(_REGIME.get(name, name), "circle")},
            customdata=np.stack([low, high], axis=1),
            hovertemplate=(
                f"{text(titles[name])}, after %{{x}}: {MEASURES[measure]} %{{y:.1%}} "
                "[%{customdata[0]:.1%}, %{customdata[1]:.1%}]<extra></extra>"
            ),
        )
    _add_pixels(figure, found, measure, titles, legend=legend)
    # As much room above as the legend takes, also where there is none: the figures stand side by side.
    figure.update_layout(height=320, margin={**MARGIN, "t": 64}, legend=LEGEND)
    figure.update_xaxes(categoryorder="array", categoryarray=list(STAGES), range=[-0.2, len(STAGES) - 0.8])
    figure.update_yaxes(title=MEASURES[measure], tickformat=".0%", rangemode="tozero")
    return figure


def _add_pixels(figure: go.Figure, found: Depth, measure: str, titles: Mapping[str, str], *, legend: bool) -> None:
    """Raw pixels have no stages: a level line."""
    value, interval = found.networks[PIXELS].value(PIXELS, measure) if PIXELS in found.networks else (None, None)
    if value is None:
        return
    between = f" [{interval[0]:.1%}, {interval[1]:.1%}]" if interval else ""
    figure.add_scatter(
        x=list(STAGES),
        y=[value] * len(STAGES),
        mode="lines",
        name=text(titles[PIXELS]),
        showlegend=legend,
        line={"color": theme.MUTED, "dash": "dot", "width": 2},
        hovertemplate=f"{text(titles[PIXELS])}: {MEASURES[measure]} %{{y:.1%}}{between}<extra></extra>",
    )


def likeness(found: Depth, names: Sequence[str]) -> go.Figure:
    """The unbiased linear CKA of every two items, as a table of coloured cells; `names` are the items'."""
    values = [[None if np.isnan(value) else float(value) for value in row] for row in found.likeness]
    return pair_matrix.matrix([text(name) for name in names], values, _about_cells(found))


def _about_cells(found: Depth) -> list[list[str]]:
    """For each cell of the table the value with its interval, and the plain value, in words, (m, m)."""
    plain = np.where(np.isnan(found.plain), "undefined", np.char.mod("%.3f", found.plain))
    cells = zip(found.likeness, found.intervals, plain, strict=True)
    return [[_about_cell(*each) for each in zip(*row, strict=True)] for row in cells]


def _about_cell(value: float, interval: np.ndarray, plain: str) -> str:
    low, high = interval
    likeness = "undefined" if np.isnan(value) else f"{value:.3f}"
    between = "" if np.isnan(low) else f" [{low:.3f}, {high:.3f}]"
    return f"CKA {likeness}{between}, by the formula of 2019 {plain}"
