"""What all figures share: ticks, escaped text, margins, colours."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from lib.text import visible
from lib.view import theme


def log_ticks(values: Sequence[float]) -> dict[str, list[Any]]:
    """Ticks for a logarithmic axis that shows positive `values`: as few as put three in sight, each written in full.

    Plotly's own ticks leave the zeros away between two powers of ten: 5, 10, 2. Without a positive value: {}.
    """
    positive = [value for value in values if value > 0]
    if not positive:
        return {}
    low, high = min(positive), max(positive)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for parts in ((1, 2, 5), (1, 2, 3, 5, 7), tuple(range(1, 10)), tuple(part / 10 for part in range(10, 100, 2))):
        ticks = [part * 10.0**power for power in powers for part in parts]
        if sum(low <= tick <= high for tick in ticks) >= 3:
            break
    return {"tickvals": ticks, "ticktext": [f"{tick:,.12g}" for tick in ticks]}


def text(value: object) -> str:
    """`value` for a label or a hover box, escaped: Plotly would read HTML in it."""
    return html.escape(visible(str(value)))


MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}


def fix_margins(figure: go.Figure, left: int, bottom: int) -> None:
    """Give a figure these margins in pixels, and its axes no automatic ones.

    Automatic ones double a browser's work: it draws a figure, measures the ticks, and draws it again.
    """
    figure.update_layout(margin={"l": left, "b": bottom})
    figure.update_xaxes(automargin=False)
    figure.update_yaxes(automargin=False)


def config(name: str) -> dict[str, Any]:
    """Plotly's options for a figure: its camera button saves `petalscope-<name>.png`."""
    return {
        "displaylogo": False,
        "toImageButtonOptions": {"format": "png", "filename": f"petalscope-{name}", "scale": 2},
    }


def colour(regime: str, alpha: float = 1.0) -> str:
    """A regime's colour; grey for an unknown one."""
    return faint(theme.REGIME_COLOURS.get(regime, theme.MUTED), alpha)


def faint(colour: str, alpha: float) -> str:
    """`#rrggbb` with an opacity: translucent, so that it suits light and dark backgrounds."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:.3f})"
