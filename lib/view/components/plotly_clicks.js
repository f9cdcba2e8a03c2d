// Listens to Plotly's own click events on a chart of the page.

export default function plotlyClicks({ data, setTriggerValue }) {
  let current = null;
  const listen = () => {
    const plot = document.querySelector(`.st-key-${data.chart} .js-plotly-plot`);
    if (!plot?.on || !plot._fullLayout || plot === current) return;
    const hasListener = Boolean(plot.petalscope);
    plot.petalscope = setTriggerValue;
    if (!hasListener) {
      plot.on("plotly_click", (event) => {
        const point = event.points?.find((each) => each.id);
        if (point) plot.petalscope("clicked", point.id);
      });
    }
    current = plot;
  };
  listen();
  // The chart is drawn after this component, and drawn anew when its figure changes.
  const timer = setInterval(listen, 250);
  return () => clearInterval(timer);
}
