"""Clicks on points of a Plotly chart, what of it is in view, and photos laid over it. A small component of our own.

Streamlit reports a clicked point only while the chart's tool is panning; a map is mostly used with the lasso. And it
draws a chart whose figure changed from scratch, so that zoom, tool and hidden classes would be lost with every click.
This listens to Plotly's own events on the page's chart and hands over the id of the point, and the view. Photos are
laid over the chart as pictures, since Plotly's own would make a new figure of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

_JS = """
export default function ({ data, setTriggerValue, setStateValue }) {
  const view = ({ layout, data: traces }) => ({
    of: layout.meta,
    x: layout.xaxis.autorange ? null : layout.xaxis.range,
    y: layout.yaxis.autorange ? null : layout.yaxis.range,
    tool: layout.dragmode,
    hidden: traces.filter((trace) => trace.visible === "legendonly").map((trace) => trace.name),
  });
  const lay = (plot) => {
    const full = plot._fullLayout;
    let layer = plot.querySelector(":scope > .petalscope-photos");
    if (!layer) {
      layer = document.createElement("div");
      layer.className = "petalscope-photos";
      // Clicks and lassos go through to the chart.
      layer.style.cssText = "position:absolute;overflow:hidden;pointer-events:none;z-index:2";
      plot.style.position = "relative";
      plot.append(layer);
    }
    const { xaxis, yaxis } = full;
    Object.assign(layer.style, { left: `${xaxis._offset}px`, top: `${yaxis._offset}px`,
      width: `${xaxis._length}px`, height: `${yaxis._length}px` });
    layer.replaceChildren(...plot.petalscope.photos.map((photo) => {
      const picture = document.createElement("img");
      picture.src = photo.src;
      picture.alt = photo.alt;
      picture.style.cssText = `position:absolute;width:44px;height:44px;object-fit:cover;border-radius:6px;
        transform:translate(-50%,-50%);border:2px solid ${photo.colour};opacity:${photo.opacity};
        left:${xaxis.d2p(photo.x)}px;top:${yaxis.d2p(photo.y)}px`;
      return picture;
    }));
  };
  const watch = (plot) => {
    let told = JSON.stringify(view(plot));
    let waiting;
    const tell = () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        const now = view(plot);
        if (!plot.isConnected || JSON.stringify(now) === told) return;
        told = JSON.stringify(now);
        plot.petalscope.setStateValue("view", now);
      }, 300);
    };
    plot.on("plotly_relayout", tell);
    plot.on("plotly_restyle", tell);
    for (const event of ["plotly_relayouting", "plotly_afterplot"]) plot.on(event, () => lay(plot));
    plot.on("plotly_click", (event) => {
      const point = event.points && event.points.find((each) => each.id);
      if (point) plot.petalscope.setTriggerValue("clicked", point.id);
    });
  };
  let seen;
  const listen = () => {
    const plot = document.querySelector(`.st-key-${data.chart} .js-plotly-plot`);
    if (!plot || !plot.on || !plot._fullLayout || plot === seen) return;
    const known = plot.petalscope;
    plot.petalscope = { photos: data.photos, setTriggerValue, setStateValue };
    if (!known) watch(plot);
    lay(plot);
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


def listen(chart: str, on_click: Callable[[str], None], photos: Sequence[dict[str, Any]] = ()) -> None:
    """Call `on_click` with the id of a point that the user clicks in the chart whose key is `chart`.

    `photos` are laid over the chart: `x`, `y` in its own units, `src`, `alt`, `opacity`, and the `colour` of the frame.
    """
    key = _key(chart)

    def clicked() -> None:
        value = st.session_state[key]["clicked"]
        if value is not None:
            on_click(str(value))

    # Without a callback for it the view would not be kept in the session.
    _component()(
        data={"chart": chart, "photos": list(photos)}, key=key, on_clicked_change=clicked, on_view_change=lambda: None
    )


def view(chart: str) -> dict[str, Any] | None:
    """What the user last made of the chart: `x` and `y` ranges (None: all), `tool`, `hidden` traces, and `of`, its
    figure's `layout.meta`. None before the first change."""
    return dict(st.session_state.get(_key(chart)) or {}).get("view")


def _key(chart: str) -> str:
    return f"{chart}_clicks"
