"""Histograms whose bars filter the photos (`histograms.js`): the browser counts, the server hears which are chosen."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from lib.measure.histograms import Choice, Histogram, from_report
from lib.view.components import assets

# The columns of all histograms, for the browser, and their hash.
Columns = tuple[list[dict[str, Any]], str]


def columns(histograms: Sequence[Histogram], colours: Mapping[str, Mapping[str, str]]) -> Columns:
    """Histograms for `show`. `colours` has, by the name of a histogram, the colour of each value that has one."""
    sent = []
    for each in histograms:
        of_bins = colours.get(each.name, {})
        sent.append(
            {
                "name": each.name,
                "title": each.title,
                "about": each.about,
                "bins": list(each.bins),
                "codes": base64.b64encode(each.codes.tobytes()).decode(),
                "colours": [of_bins.get(name) for name in each.bins] if of_bins else None,
                "is_number": each.edges is not None,
                **_ends(each),
            }
        )
    return sent, hashlib.sha256(repr(sent).encode()).hexdigest()


def _ends(histogram: Histogram) -> dict[str, str]:
    """What stands below the first and the last bar of a number."""
    if histogram.edges is None:
        return {}
    numbers = histogram.bins[: len(histogram.edges) - 1]
    ends = {"low": numbers[0].split(" to ")[0], "high": numbers[-1].split(" to ")[-1]}
    return ends | ({"high": f"{ends['high']}, unknown"} if len(numbers) < len(histogram.bins) else {})


def show(
    sent: Columns,
    histograms: Sequence[Histogram],
    chosen: Choice,
    *,
    key: str,
    count: int,
    selected: np.ndarray | None,
    on_filter: Callable[[dict[str, frozenset[int]]], None],
) -> None:
    """Draw the histograms of `count` photos, of which the `selected` ones, bool (n,), are counted without a filter.

    Before the page runs again, `on_filter` gets the bins that the user has chosen.
    """

    def filtered() -> None:
        choice = from_report(st.session_state[key]["filtered"], histograms)
        if choice is not None:
            on_filter(choice)

    packed = None if selected is None else base64.b64encode(np.packbits(selected).tobytes()).decode()
    data = {
        "histograms": sent[0],
        "columns": sent[1],
        "chosen": {name: sorted(bins) for name, bins in chosen.items()},
        "count": count,
        "selected": packed,
    }
    assets.component("histograms")(data=data, key=key, on_filtered_change=filtered)
