"""Clicks on points and cells of a Plotly chart.

Streamlit reports a clicked point only while the chart's tool is panning, and never a clicked cell of a heat map. This
component listens to Plotly's own events on the page's chart and returns the id of the clicked point or cell.
"""

from __future__ import annotations

from collections.abc import Callable

from lib.view.components import assets


def listen(chart: str, on_click: Callable[[str], None]) -> None:
    """Call `on_click` with the id of a point or cell that the user clicks in the chart whose key is `chart`."""
    key = f"{chart}_clicks"
    clicked = assets.on_event(key, "clicked", on_click)
    assets.component("plotly_clicks")(data={"chart": chart}, key=key, on_clicked_change=clicked)
