"""Clicks on points of a Plotly chart, and what of it is in view. A small Streamlit component of our own.

Streamlit reports a clicked point only while the chart's tool is panning; a map is mostly used with the lasso. And it
draws a chart whose figure changed from scratch, so that zoom, tool and hidden classes would be lost with every click.
This listens to Plotly's own events on the page's chart and hands over the id of the point, and the view.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

_JS = """
export default function ({ data, setTriggerValue, setStateValue }) {
  const heard = new WeakSet();
  const view = ({ layout, data: traces }) => ({
    of: layout.meta,
    x: layout.xaxis.autorange ? null : layout.xaxis.range,
    y: layout.yaxis.autorange ? null : layout.yaxis.range,
    tool: layout.dragmode,
    hidden: traces.filter((trace) => trace.visible === "legendonly").map((trace) => trace.name),
  });
  const watch = (plot) => {
    let told = JSON.stringify(view(plot));
    let waiting;
    const tell = () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        const now = view(plot);
        if (!plot.isConnected || JSON.stringify(now) === told) return;
        told = JSON.stringify(now);
        setStateValue("view", now);
      }, 300);
    };
    plot.on("plotly_relayout", tell);
    plot.on("plotly_restyle", tell);
  };
  const listen = () => {
    const plot = document.querySelector(`.st-key-${data.chart} .js-plotly-plot`);
    if (!plot || !plot.on || heard.has(plot)) return;
    heard.add(plot);
    watch(plot);
    plot.on("plotly_click", (event) => {
      const point = event.points && event.points.find((each) => each.id);
      if (point) setTriggerValue("clicked", point.id);
    });
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
    """Call `on_click` with the id of a point that the user clicks in the chart whose key is `chart`."""
    key = _key(chart)

    def clicked() -> None:
        value = st.session_state[key]["clicked"]
        if value is not None:
            on_click(str(value))

    # Without a callback for it the view would not be kept in the session.
    _component()(data={"chart": chart}, key=key, on_clicked_change=clicked, on_view_change=lambda: None)


def view(chart: str) -> dict[str, Any] | None:
    """What the user last made of the chart: `x` and `y` ranges (None: all), `tool`, `hidden` traces, and `of`, its
    figure's `layout.meta`. None before the first change."""
    return dict(st.session_state.get(_key(chart)) or {}).get("view")


def _key(chart: str) -> str:
    return f"{chart}_clicks"
