"""Clicks on points and cells of a Plotly chart. A small component of our own.

Streamlit reports a clicked point only while the chart's tool is panning, and never a clicked cell of a heat map. This
listens to Plotly's own events on the page's chart and hands over the id of what was clicked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

_JS = """
export default function ({ data, setTriggerValue }) {
  let seen;
  const listen = () => {
    const plot = document.querySelector(`.st-key-${data.chart} .js-plotly-plot`);
    if (!plot || !plot.on || !plot._fullLayout || plot === seen) return;
    const known = plot.petalscope;
    plot.petalscope = setTriggerValue;
    if (!known) {
      plot.on("plotly_click", (event) => {
        const point = event.points && event.points.find((each) => each.id);
        if (point) plot.petalscope("clicked", point.id);
      });
    }
    seen = plot;
  };
  listen();
  // The chart is drawn after this, and drawn anew when its figure changes.
  const timer = setInterval(listen, 250);
  return () => clearInterval(timer);
}
"""


@st.cache_resource
def _component() -> Any:
    return st.components.v2.component("petalscope_clicks", js=_JS)


def listen(chart: str, on_click: Callable[[str], None]) -> None:
    """Call `on_click` with the id of a point or cell that the user clicks in the chart whose key is `chart`."""
    key = f"{chart}_clicks"

    def clicked() -> None:
        value = st.session_state[key]["clicked"]
        if value is not None:
            on_click(str(value))

    _component()(data={"chart": chart}, key=key, on_clicked_change=clicked)
