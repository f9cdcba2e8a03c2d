"""The network drawn: its 62 tensors, and its blocks with what trains in them."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from lib.learn import regimes as register
from lib.learn.regimes import REGIMES, Tensor
from lib.view import theme
from lib.view.figures import style

_CHANNELS = (64, 128, 256, 512)  # of the four stages
_PITCH = 84  # px between two rows of the block diagram
# On the diagram's x axis, from 0 to 100: where the two blocks of a stage begin, a box's width, the gap between boxes.
_BLOCKS = (20.0, 62.0)
_BOX, _GAP = 13.0, 3.0


def frozen_tensors(tensors: Sequence[Tensor], frozen: dict[str, int]) -> go.Figure:
    """Each parameter tensor as a cell, one row per regime. The first `frozen[regime]` cells of a row are pale."""
    figure = go.Figure()
    places = range(len(tensors))
    for regime, count in frozen.items():
        figure.add_bar(
            y=[REGIMES[regime].title] * len(tensors),
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
    figure.update_layout(height=220, margin=style.MARGIN, barmode="overlay", showlegend=False, bargap=0.3)
    figure.update_xaxes(title=f"{len(tensors)} parameter tensors", range=[0, len(tensors)], showgrid=False)
    figure.update_yaxes(autorange="reversed")
    return figure


def sides(px: int) -> dict[str, int]:
    """The feature map's side after each part, for an input of `px`: each halving rounds up (padding)."""
    side_of = {"input": px, "conv1": -(-px // 2)}
    side_of["maxpool"] = -(-side_of["conv1"] // 2)
    side = side_of["maxpool"]
    for stage in range(1, 5):
        side = side if stage == 1 else -(-side // 2)
        side_of[f"layer{stage}"] = side
    return side_of


class _Drawing:
    """Boxes and lines of the block diagram. A box is pale where its weight is frozen."""

    def __init__(self, regime: str, classes: int, ink: str | None) -> None:
        tensors = register.tensors(classes)
        count = register.frozen_count(REGIMES[regime], classes)
        self.tensors = {tensor.name: tensor for tensor in tensors}
        self.frozen = {tensor.name for tensor in tensors[:count]}
        self.colour = theme.REGIME_COLOURS[regime]
        self.ink = ink
        self.figure = go.Figure()
        self.hover: list[tuple[float, float, str]] = []

    def box(self, x: float, y: float, label: str, weight: str | None = None, *, small: bool = False) -> None:
        """A box whose left edge is at `x`, centred on `y`; `weight` names its tensor."""
        half = 0.15 if small else 0.21
        fill, about = style.faint(theme.MUTED, 0.12), label.replace("<br>", ", ")
        if weight is not None:
            tensor = self.tensors[weight]
            frozen = weight in self.frozen
            fill = style.faint(self.colour, 0.12 if frozen else 0.6)
            shape = " × ".join(map(str, tensor.shape))
            about = f"{weight}<br>{shape} = {tensor.size:,}, {'frozen' if frozen else 'trains'}"
        self.figure.add_shape(
            type="rect",
            x0=x,
            x1=x + _BOX,
            y0=y - half,
            y1=y + half,
            fillcolor=fill,
            line={"color": self.colour if weight else theme.MUTED, "width": 1},
        )
        self.text(x + _BOX / 2, y, label)
        self.hover.append((x + _BOX / 2, y, about))

    def text(self, x: float, y: float, text: str, anchor: str = "center", size: int = 11) -> None:
        """Text at a point."""
        self.figure.add_annotation(
            x=x, y=y, text=text, showarrow=False, xanchor=anchor, align="center" if anchor == "center" else anchor,
            font={"size": size, "color": self.ink},
        )  # fmt: skip

    def line(self, *points: tuple[float, float]) -> None:
        """A line through points, under the boxes. These are translucent, so a line ends at a box's edge."""
        path = "M " + " L ".join(f"{x},{y}" for x, y in points)
        self.figure.add_shape(type="path", path=path, line={"color": theme.MUTED, "width": 1.3}, layer="below")

    def across(self, y: float, *stops: float) -> None:
        """Horizontal lines between the 1st and 2nd, the 3rd and 4th of `stops`, and so on."""
        for begin, end in zip(stops[::2], stops[1::2], strict=True):
            self.line((begin, y), (end, y))

    def plus(self, x: float, y: float) -> None:
        """The sign for the sum of block and shortcut."""
        self.figure.add_annotation(x=x, y=y, text="⊕", showarrow=False, font={"size": 17, "color": self.ink})


def blocks(regime: str, classes: int, px: int, *, ink: str | None = None) -> go.Figure:
    """ResNet18 from photo to classes, as rows: stem, four stages of two basic blocks, head (He et al. 2016).

    Frozen convolutions are pale. `px` is the input's side, and gives the feature maps' sizes; `ink` is the page's
    text colour.
    """
    draw, side = _Drawing(regime, classes, ink), sides(px)
    rows = {name: -place for place, name in enumerate(("stem", "layer1", "layer2", "layer3", "layer4", "head"))}
    first, second = _BLOCKS[0], _BLOCKS[0] + _BOX + _GAP
    ends = (14, first, first + _BOX, second, second + _BOX, _BLOCKS[1] - 2)
    y = rows["stem"]
    draw.text(0, y, f"<b>input</b><br>3 · {px}×{px}", "left")
    draw.across(y, *ends)
    draw.box(first, y, "7×7, /2<br>64", "conv1.weight")
    draw.box(second, y, "max pool<br>3×3, /2")
    draw.text(_BLOCKS[1], y, f"64 · {side['maxpool']}×{side['maxpool']}", "left")
    for stage, channels in enumerate(_CHANNELS, start=1):
        _stage(draw, f"layer{stage}", channels, rows[f"layer{stage}"], side[f"layer{stage}"])
    y = rows["head"]
    draw.text(0, y, "<b>head</b>", "left")
    draw.across(y, *ends)
    draw.box(first, y, "average<br>pool")
    draw.box(second, y, f"fc<br>512→{classes}", "fc.weight")
    draw.text(_BLOCKS[1], y, f"{classes} classes", "left")
    figure = draw.figure
    figure.add_scatter(
        x=[x for x, _, _ in draw.hover],
        y=[y for _, y, _ in draw.hover],
        mode="markers",
        marker={"size": 30, "opacity": 0, "symbol": "square", "color": theme.MUTED},
        hovertext=[about for _, _, about in draw.hover],
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False,
    )
    figure.update_layout(height=_PITCH * len(rows) + 16, margin={"l": 2, "r": 2, "t": 2, "b": 2}, dragmode=False)
    figure.update_xaxes(visible=False, range=[-0.5, 100.5], fixedrange=True)
    figure.update_yaxes(visible=False, range=[-len(rows) + 0.55, 0.4], fixedrange=True)
    return figure


def _stage(draw: _Drawing, name: str, channels: int, y: float, side: int) -> None:
    draw.text(0, y, f"<b>{name}</b><br>{channels} · {side}×{side}", "left")
    before = 14.0
    for block, x in enumerate(_BLOCKS):
        halves = block == 0 and channels != _CHANNELS[0]
        second, over = x + _BOX + _GAP, y + 0.42
        plus, small = second + _BOX + _GAP + 1, x + (_BOX + _GAP) / 2
        draw.across(y, before, x, x + _BOX, second, second + _BOX, plus - 1)
        if halves:
            draw.line((x - 2, y), (x - 2, over), (small, over))
            draw.line((small + _BOX, over), (plus, over), (plus, y + 0.1))
            draw.box(small, over, "1×1, /2", f"{name}.0.downsample.0.weight", small=True)
        else:
            draw.line((x - 2, y), (x - 2, over), (plus, over), (plus, y + 0.1))
        draw.box(x, y, f"3×3{', /2' if halves else ''}<br>{channels}", f"{name}.{block}.conv1.weight")
        draw.box(second, y, f"3×3<br>{channels}", f"{name}.{block}.conv2.weight")
        draw.plus(plus, y)
        before = plus + 1
