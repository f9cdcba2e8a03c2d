// Points on a plane: the chart that holds the parts in `scatter_parts` together.
//
// The server sends columns (base64) and which points are lit; the chart reports clicks, polygons and what is in view.

import { element } from "./dom.js";
import { createAnimation } from "./scatter_parts/animation.js";
import { hex, packedBits, pointStyles, rgb, rimColour } from "./scatter_parts/colours.js";
import { decodeData, isUnchanged } from "./scatter_parts/columns.js";
import { nearestPoint, rowsInView } from "./scatter_parts/hits.js";
import { HELP, listenToKeys } from "./scatter_parts/keyboard.js";
import { createLegend } from "./scatter_parts/legend.js";
import { createLink, zoomedTo } from "./scatter_parts/link.js";
import { createOverlay } from "./scatter_parts/overlay.js";
import { placeDensity, placePhotos, showPhotos } from "./scatter_parts/photos.js";
import { listenToPointer } from "./scatter_parts/pointer.js";
import { canvasRenderer, webglRenderer } from "./scatter_parts/points.js";
import { createToolbar } from "./scatter_parts/toolbar.js";
import { createTooltip } from "./scatter_parts/tooltip.js";
import { fittedView, resizedView, toPlane, toScreen, zoomedView } from "./scatter_parts/view.js";

const HEIGHT = 620;
const MIN_SIDE = 200;
const REACH_PX = 9; // from the pointer to the point that it means
const SETTLE_MS = 250; // without change before the points in view are reported
const NARROW = "(pointer: coarse), (max-width: 500px)"; // there a drag moves the map or the page, and draws no lasso
const VIEWS = new Map(); // the last view of each plane, kept also while its page is not open

function createNodes(root) {
  const bar = element("div", "bar");
  const nodes = {
    tools: element("div", "tools"),
    lines: element("div", "lines"),
    legend: element("div", "legend"),
    plot: element("div", "plot"),
    density: element("img", "density"),
    points: element("canvas", "points"),
    photos: element("div", "photos"),
    over: element("canvas", "over"),
    tip: element("div", "tip"),
    animation: element("div", "animation"),
    live: element("div", "live"),
  };
  bar.append(nodes.tools, nodes.lines, nodes.legend);
  nodes.plot.append(nodes.density, nodes.points, nodes.photos, nodes.over, nodes.tip);
  root.append(bar, nodes.plot, nodes.animation, nodes.live);
  nodes.live.setAttribute("aria-live", "polite");
  nodes.over.tabIndex = 0;
  nodes.over.setAttribute("role", "application");
  nodes.over.setAttribute("aria-roledescription", "map");
  nodes.density.hidden = true;
  return nodes;
}

function createChart(root) {
  const nodes = createNodes(root);
  const { plot, points, over, density } = nodes;
  const brush = element("canvas").getContext("2d");
  const state = {
    tool: "lasso",
    hidden: new Set(),
    names: true,
    contours: "off",
    cursor: -1, // the point that the keys have reached
    data: null,
    position: 0,
    outline: null,
  };
  const size = { width: 1, height: HEIGHT };
  let renderer = webglRenderer(points) || canvasRenderer(points);
  let view = { x: 0, y: 0, scale: 1, whole: true };
  let [frame, settling, shownCount, reported, ground] = [0, 0, 0, "[]", ""];
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
    isShown,
    bounds: () => state.data.bounds,
    usualTool: () => (state.data.lasso && !window.matchMedia(NARROW).matches ? "lasso" : "pan"),
    scheme,
    rim: (colour) => hex(rimColour(rgb(colour), rgb(scheme().ground))),
    setView(next) {
      view = next;
      VIEWS.set(state.data.plane, view);
      draw();
      reportSoon();
      link.writeSoon();
    },
    // Another tool, names or contours.
    changed() {
      overlay.forget();
      toolbar.update();
      draw();
      link.writeSoon();
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
      link.writeSoon();
    },
    pointsMoved() {
      renderer.put("xy", state.data.xy);
      overlay.forget();
      tooltip.hide();
      draw();
      reportSoon();
    },
    update,
  };

  function isShown(i) {
    return !state.hidden.has(state.data.codes[i]);
  }

  // The colours of the text and of the ground, as #rrggbb, and the font of names on the map.
  function scheme() {
    const style = getComputedStyle(root);
    const colour = (name, otherwise) => {
      brush.fillStyle = otherwise;
      brush.fillStyle = style.getPropertyValue(name);
      return brush.fillStyle;
    };
    const [ink, paper] = [colour("--st-text-color", "#241f29"), colour("--st-background-color", "#fdfcfa")];
    return { ink, ground: paper, font: `650 13px ${style.fontFamily}` };
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
    settling = setTimeout(() => {
      overlay.settle();
      report();
    }, SETTLE_MS);
  }

  function restyle() {
    ground = scheme().ground;
    const { colours, rims, sizes, order } = pointStyles(state.data, isShown, rgb(ground));
    renderer.put("colour", colours);
    renderer.put("rim", rims);
    renderer.put("size", sizes);
    renderer.order(order);
    shownCount = order.length;
    overlay.forget();
  }

  function draw() {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => {
      if (scheme().ground !== ground) restyle(); // light or dark was chosen
      chart.drawPoints();
      overlay.draw();
      placeDensity(density, state.data.density, chart.screen);
      placePhotos(nodes.photos, chart.screen);
    });
  }

  function resize() {
    const [width, height] = [Math.max(MIN_SIDE, plot.clientWidth), Math.max(MIN_SIDE, plot.clientHeight)];
    const isSame = width === size.width && height === size.height;
    if (isSame && points.width === Math.round(width * chart.ratio())) return;
    const before = { ...size };
    Object.assign(size, { width, height });
    for (const canvas of [points, over]) {
      [canvas.width, canvas.height] = [width, height].map((side) => Math.round(side * chart.ratio()));
    }
    if (!state.data) return;
    view = resizedView(view, state.data.bounds, before, size);
    if (before.width && VIEWS.has(state.data.plane)) VIEWS.set(state.data.plane, view);
    draw();
    reportSoon();
  }

  function openPlane() {
    tooltip.hide();
    tooltip.forgetPhotos();
    state.cursor = -1;
    size.width = 0;
    resize();
    view = VIEWS.get(state.data.plane) || { whole: true };
    if (view.whole) view = fittedView(state.data.bounds, size);
  }

  // What a link asks for: the view, the hidden entries, the tool, and what is drawn beside the points.
  function restore({ zoom, hide, tool, names, contours }) {
    view = zoomedTo(zoom, state.data.bounds, size);
    VIEWS.set(state.data.plane, view);
    state.hidden = new Set(state.data.legend.filter(({ name }) => hide.includes(name)).map(({ code }) => code));
    state.names = names !== "off";
    state.contours = contours || "off";
    toolbar.choose((state.data.lasso && tool) || chart.usualTool());
  }

  // The filter's bars were clicked: the points that do not pass fade before the server knows.
  function showPassing({ detail }) {
    if (!root.isConnected) {
      window.removeEventListener("petalscope-pass", showPassing); // the page was left
    } else if (state.data?.lasso) {
      const { rows, sent } = state.data;
      state.data.lit = detail.passing && packedBits(rows.map((row) => detail.passing[row]));
      state.data.sent = { ...sent, lit: undefined }; // the server's next word is decoded anew
      restyle();
      draw();
    }
  }

  function update(sent, setTriggerValue, setStateValue) {
    chart.trigger = setTriggerValue;
    setState = setStateValue;
    const previous = state.data;
    const data = decodeData(sent, previous);
    state.data = data;
    tooltip.listen();
    window.addEventListener("petalscope-pass", showPassing); // again changes nothing
    if (!previous) toolbar.choose(chart.usualTool());
    if (!previous || previous.plane !== data.plane) openPlane();
    // A legend of other values has other codes: points hidden by the old legend are shown again.
    if (JSON.stringify(previous?.legend) !== JSON.stringify(data.legend)) state.hidden = new Set();
    if (!isUnchanged(previous, sent, "xy")) renderer.put("xy", data.xy);
    toolbar.allowSelection(data.lasso);
    if (previous?.plane === data.plane && view.whole) view = fittedView(data.bounds, size);
    animation.update(data, previous);
    const asked = link.asked();
    if (asked) restore(asked);
    toolbar.update();
    over.setAttribute("aria-label", `${data.title}. ${HELP}`);
    if (data.density) density.src = data.density.src;
    showPhotos(nodes.photos, data.photos);
    legend.update();
    restyle();
    draw();
    reportSoon();
    link.writeSoon();
  }

  const overlay = createOverlay(chart);
  const link = createLink(chart);
  const tooltip = createTooltip(chart, nodes.tip);
  const legend = createLegend(chart, nodes.legend, nodes.lines);
  const toolbar = createToolbar(chart, nodes.tools);
  const animation = createAnimation(chart, nodes.animation);
  listenToPointer(chart, tooltip);
  listenToKeys(chart, tooltip, nodes.live);
  chart.describe = overlay.describe;

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
