// Points on a plane: the chart that holds the parts in `scatter_parts` together.
//
// The server sends columns (base64) and which points are lit; the chart reports clicks, polygons and what is in view.

import { element } from "./dom.js";
import { createAnimation } from "./scatter_parts/animation.js";
import { pointStyles } from "./scatter_parts/colours.js";
import { decodeData, isUnchanged } from "./scatter_parts/columns.js";
import { nearestPoint, rowsInView } from "./scatter_parts/hits.js";
import { createLegend } from "./scatter_parts/legend.js";
import { drawOverlay } from "./scatter_parts/overlay.js";
import { placeDensity, placePhotos, showPhotos } from "./scatter_parts/photos.js";
import { listenToPointer } from "./scatter_parts/pointer.js";
import { canvasRenderer, webglRenderer } from "./scatter_parts/points.js";
import { createToolbar } from "./scatter_parts/toolbar.js";
import { createTooltip } from "./scatter_parts/tooltip.js";
import { fittedView, toPlane, toScreen, zoomedView } from "./scatter_parts/view.js";

const HEIGHT = 620;
const MIN_SIDE = 200;
const REACH_PX = 9; // from the pointer to the point that it means
const SETTLE_MS = 250; // without change before the points in view are reported
const VIEWS = new Map(); // the last view of each plane, kept also while its page is not open

function createNodes(root) {
  const bar = element("div", "bar");
  const nodes = {
    tools: element("div", "tools"),
    legend: element("div", "legend"),
    plot: element("div", "plot"),
    density: element("img", "density"),
    points: element("canvas", "points"),
    photos: element("div", "photos"),
    over: element("canvas", "over"),
    tip: element("div", "tip"),
    animation: element("div", "animation"),
  };
  bar.append(nodes.tools, nodes.legend);
  nodes.plot.append(nodes.density, nodes.points, nodes.photos, nodes.over, nodes.tip);
  root.append(bar, nodes.plot, nodes.animation);
  nodes.over.tabIndex = 0;
  nodes.density.hidden = true;
  return nodes;
}

function createChart(root) {
  const nodes = createNodes(root);
  const { plot, points, over, density } = nodes;
  const pen = over.getContext("2d");
  const state = { tool: "lasso", hidden: new Set(), data: null, position: 0, outline: null };
  const size = { width: 1, height: HEIGHT };
  let renderer = webglRenderer(points) || canvasRenderer(points);
  let view = { x: 0, y: 0, scale: 1, whole: true };
  let [frame, settling, shownCount, reported] = [0, 0, 0, "[]"];
  let setState = () => {};

  // What the parts of the chart, and the browser tests, use of it.
  const chart = {
    root,
    plot,
    points,
    over,
    density,
    state,
    size,
    get view() {
      return view;
    },
    trigger: () => {},
    ratio: () => window.devicePixelRatio || 1,
    screen: (x, y) => toScreen(view, size, x, y),
    place: (left, top) => toPlane(view, size, left, top),
    nearest(left, top) {
      return nearestPoint(state.data.xy, isShown, ...chart.place(left, top), REACH_PX / view.scale);
    },
    setView(next) {
      view = next;
      VIEWS.set(state.data.plane, view);
      draw();
      reportSoon();
    },
    fit: () => chart.setView(fittedView(state.data.bounds, size)),
    zoom(factor, left = size.width / 2, top = size.height / 2) {
      chart.setView(zoomedView(view, size, factor, left, top));
    },
    draw,
    drawPoints: () => renderer.draw(view, size, chart.ratio(), shownCount),
    hide(codes) {
      state.hidden = codes;
      legend.update();
      restyle();
      draw();
      report();
    },
    pointsMoved() {
      renderer.put("xy", state.data.xy);
      tooltip.hide();
      draw();
      reportSoon();
    },
    update,
  };

  function isShown(i) {
    return !state.hidden.has(state.data.codes[i]);
  }

  // Few enough points in view are to be seen as photos, which the server has.
  function report() {
    const rows = rowsInView(state.data, isShown, view, size);
    const next = JSON.stringify(rows);
    if (next === reported) return;
    reported = next;
    setState("inview", { plane: state.data.plane, rows });
  }

  function reportSoon() {
    clearTimeout(settling);
    settling = setTimeout(report, SETTLE_MS);
  }

  function restyle() {
    const { colours, sizes, order } = pointStyles(state.data, isShown);
    renderer.put("colour", colours);
    renderer.put("size", sizes);
    renderer.order(order);
    shownCount = order.length;
  }

  function draw() {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => {
      chart.drawPoints();
      drawOverlay(pen, chart);
      placeDensity(density, state.data.density, chart.screen);
      placePhotos(nodes.photos, chart.screen);
    });
  }

  function resize() {
    const [width, height] = [Math.max(MIN_SIDE, plot.clientWidth), Math.max(MIN_SIDE, plot.clientHeight)];
    const isSame = width === size.width && height === size.height;
    if (isSame && points.width === Math.round(width * chart.ratio())) return;
    Object.assign(size, { width, height });
    for (const canvas of [points, over]) {
      [canvas.width, canvas.height] = [width, height].map((side) => Math.round(side * chart.ratio()));
    }
    if (!state.data) return;
    if (view.whole) view = fittedView(state.data.bounds, size);
    draw();
    reportSoon();
  }

  function openPlane() {
    tooltip.hide();
    tooltip.forgetPhotos();
    size.width = 0;
    resize();
    view = VIEWS.get(state.data.plane) || { whole: true };
    if (view.whole) view = fittedView(state.data.bounds, size);
  }

  function update(sent, setTriggerValue, setStateValue) {
    chart.trigger = setTriggerValue;
    setState = setStateValue;
    const previous = state.data;
    const data = decodeData(sent, previous);
    state.data = data;
    tooltip.listen();
    if (!previous || previous.plane !== data.plane) openPlane();
    // A legend of other values has other codes: points hidden by the old legend are shown again.
    if (JSON.stringify(previous?.legend) !== JSON.stringify(data.legend)) state.hidden = new Set();
    if (!isUnchanged(previous, sent, "xy")) renderer.put("xy", data.xy);
    toolbar.allowSelection(data.lasso);
    animation.update(data, previous);
    over.setAttribute("role", "img");
    over.setAttribute("aria-label", data.title);
    if (data.density) density.src = data.density.src;
    showPhotos(nodes.photos, data.photos);
    legend.update();
    restyle();
    draw();
    reportSoon();
  }

  const tooltip = createTooltip(chart, nodes.tip);
  const legend = createLegend(chart, nodes.legend);
  const toolbar = createToolbar(chart, nodes.tools);
  const animation = createAnimation(chart, nodes.animation);
  listenToPointer(chart, tooltip);

  points.addEventListener("webglcontextlost", (event) => event.preventDefault());
  points.addEventListener("webglcontextrestored", () => {
    renderer = webglRenderer(points);
    renderer.put("xy", state.data.xy);
    restyle();
    draw();
  });
  new ResizeObserver(resize).observe(plot);
  return chart;
}

export default function scatter({ parentElement, data, setTriggerValue, setStateValue }) {
  let root = parentElement.querySelector(".scatter");
  if (!root) {
    root = element("div", "scatter");
    parentElement.append(root);
    root.chart = createChart(root);
  }
  root.dataset.plane = data.plane;
  root.chart.update(data, setTriggerValue, setStateValue);
}
