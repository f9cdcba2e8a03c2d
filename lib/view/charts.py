"""Figures, from plain data. Text that came from file names is escaped, since Plotly reads some HTML in labels."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

_MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}


def text(value: object) -> str:
    """`value` for a label or a hover box: nothing in it is read as HTML."""
    return html.escape("".join(letter if letter.isprintable() else "�" for letter in str(value)))


def log_ticks(values: Sequence[float]) -> dict[str, list[Any]]:
    """Ticks for a logarithmic axis that shows positive `values`, each written out: as few as leave three in sight.
    (Plotly's own leave the zeros away between two powers of ten: 5, 10, 2.)"""
    known = [value for value in values if value > 0]
    if not known:
        return {}
    low, high = min(known), max(known)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for parts in ((1, 2, 5), tuple(range(1, 10)), tuple(part / 10 for part in range(10, 100, 2))):
        ticks = [part * 10.0**power for power in powers for part in parts]
        if sum(low <= tick <= high for tick in ticks) >= 3:
            break
    return {"tickvals": ticks, "ticktext": [f"{tick:,.12g}" for tick in ticks]}


def classes(frame: pd.DataFrame, colours: dict[str, str]) -> go.Figure:
    """Images per class, stacked by split."""
    counts = frame.groupby(["label", "split"], observed=True).size().unstack(fill_value=0)
    figure = go.Figure()
    for split, opacity in (("train", 1.0), ("val", 0.62), ("test", 0.34)):
        if split in counts:
            figure.add_bar(
                name=split,
                y=[text(label) for label in counts.index],
                x=counts[split].tolist(),
                orientation="h",
                marker={"color": [colours[label] for label in counts.index], "opacity": opacity},
                hovertemplate=f"%{{y}}: %{{x}} {split}<extra></extra>",
            )
    figure.update_layout(barmode="stack", showlegend=False, height=46 + 38 * len(counts), margin=_MARGIN, bargap=0.35)
    figure.update_xaxes(title="photos: training · validation · test (faint)")
    figure.update_yaxes(autorange="reversed")
    return figure
