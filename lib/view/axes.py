"""Axes that can be read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


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
