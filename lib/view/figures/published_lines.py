"""Published accuracies as dashed lines across a chart of accuracies, each with a label of its own at its end.

A label has the regime's marker, which the legend explains, and a short line to its level: labels of near levels are
moved apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from lib.learn.regimes import PUBLISHED_CONDITIONS, REGIMES
from lib.view import theme
from lib.view.figures.style import colour

GLYPHS = {"circle": "●", "square": "■", "diamond": "◆", "triangle-up": "▲"}
_LABEL_PX = 14  # a label's height
_REACH_PX = 14  # from the end of a line to its label


def draw(
    figure: go.Figure, published: Mapping[str, float], bounds: tuple[float, float], height: float, ink: str | None
) -> None:
    """Add a line for each of `published` (accuracy by regime) to the first chart of `figure`.

    `bounds` are its accuracy axis, `height` is its height in pixels; both place the labels. `ink` is the page's text
    colour.
    """
    levels = sorted(published.items(), key=lambda item: -item[1])
    if not levels:
        return
    down = [height * (bounds[1] - value) / (bounds[1] - bounds[0]) for _, value in levels]
    for (regime, value), at, label_at in zip(levels, down, spread(down, _LABEL_PX), strict=True):
        figure.add_shape(
            type="line",
            x0=0,
            x1=1,
            xref="x domain",
            y0=value,
            y1=value,
            yref="y",
            line={"color": colour(regime), "dash": "dash", "width": 1.2},
        )
        glyph = GLYPHS.get(theme.REGIME_MARKERS.get(regime, ""), "")
        figure.add_annotation(
            x=1,
            xref="x domain",
            y=value,
            yref="y",
            ax=_REACH_PX,
            ay=label_at - at,
            xanchor="left",
            showarrow=True,
            arrowhead=0,
            arrowwidth=1,
            standoff=0,
            arrowcolor=colour(regime),
            text=f'<span style="color:{colour(regime)}">{glyph}</span> {value:.2%}',
            hovertext=f"{REGIMES[regime].title}, {value:.2%} published for {PUBLISHED_CONDITIONS}",
            font={"size": 11, "color": ink},
        )
    figure.add_scatter(
        x=[None],
        y=[None],
        mode="lines",
        line={"color": theme.MUTED, "dash": "dash", "width": 1.2},
        name="published test accuracy",
        hoverinfo="skip",
    )
    figure.update_layout(margin={**figure.layout.margin.to_plotly_json(), "r": 78})


def spread(places: Sequence[float], least: float) -> list[float]:
    """The ascending `places`, moved as little as keeps each two `least` apart (least squares).

    Places that are too near become a block around their mean; a block that meets the next one takes it in.
    """
    blocks: list[list[float]] = []  # of offsets from a row of places that are `least` apart
    for index, place in enumerate(places):
        blocks.append([place - index * least])
        while len(blocks) > 1 and sum(blocks[-2]) / len(blocks[-2]) > sum(blocks[-1]) / len(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    offsets = [sum(block) / len(block) for block in blocks for _ in block]
    return [offset + index * least for index, offset in enumerate(offsets)]
