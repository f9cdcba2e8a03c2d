// The view, the hidden entries of the legend and the tool in the page's address, written by the browser itself: a pan
// does not make the server draw the page again. The server reads them when a page opens, and checks them.

import { fittedView } from "./view.js";

const WRITE_MS = 400; // without change before the address is written

// Whether the user went Back or Forward since the charts were last updated: only then a link moves what is shown.
let hasGoneBack = false;
const LAST = new Map(); // by chart: the link that the server sent last, and what was shown since then

function noteHistory() {
  hasGoneBack = true;
}

// A view as the address has it: its centre in shares of the bounds, and how much it enlarges; "" for the whole map.
export function zoomWord(view, bounds, size) {
  if (view.whole) return "";
  const [left, bottom, right, top] = bounds;
  const shares = [(view.x - left) / (right - left || 1), (view.y - bottom) / (top - bottom || 1)];
  const enlarged = view.scale / fittedView(bounds, size).scale;
  return [...shares.map((share) => share.toFixed(4)), enlarged.toPrecision(5)].map(Number).join(",");
}

// The view of [share, share, enlarged]; the whole map for null.
export function zoomedTo(zoom, bounds, size) {
  const whole = fittedView(bounds, size);
  if (!zoom?.length) return whole;
  const [left, bottom, right, top] = bounds;
  const [x, y, enlarged] = zoom;
  const centre = { x: left + x * (right - left || 1), y: bottom + y * (top - bottom || 1) };
  return { ...centre, scale: enlarged * whole.scale, whole: false };
}

// A query string with `words` ({name: value, list of values, or null}) in place of those that it has.
export function searchWith(search, words) {
  const parameters = new URLSearchParams(search);
  for (const [name, value] of Object.entries(words)) {
    const values = [value ?? []].flat();
    if (JSON.stringify(values) === JSON.stringify(parameters.getAll(name))) continue;
    parameters.delete(name);
    for (const each of values) parameters.append(name, each);
  }
  const next = parameters.toString();
  return next === new URLSearchParams(search).toString() ? search : `?${next}`;
}

export function createLink(chart) {
  const { state } = chart;
  let writing = 0;
  let isOpen = false;
  // Adding the same listener again changes nothing.
  window.addEventListener("popstate", noteHistory);

  // What is shown, in the shape of the link that the server sends.
  function shown() {
    const hide = state.data.legend.filter(({ code }) => state.hidden.has(code)).map(({ name }) => name);
    return {
      zoom: zoomWord(chart.view, chart.bounds(), chart.size).split(",").filter(Boolean).map(Number),
      hide,
      tool: state.tool === chart.usualTool() ? null : state.tool,
      names: state.names ? null : "off",
      contours: state.contours === "off" ? null : state.contours,
    };
  }

  function write() {
    if (!chart.root.isConnected || !state.data?.link) return;
    const { parameters } = state.data.link;
    const now = shown();
    LAST.set(state.data.key, { sent: JSON.stringify(state.data.link), shown: { ...now, plane: state.data.plane } });
    const values = { ...now, zoom: now.zoom.join(",") || null };
    const words = Object.entries(parameters).map(([part, name]) => [name, values[part]]);
    const search = searchWith(window.location.search, Object.fromEntries(words));
    if (search === window.location.search) return;
    const { pathname, hash } = window.location;
    window.history.replaceState(window.history.state, "", `${pathname}${search === "?" ? "" : search}${hash}`);
  }

  return {
    writeSoon() {
      clearTimeout(writing);
      writing = setTimeout(write, WRITE_MS);
    },
    // What to show when the chart opens, and after Back or Forward; null while it is just drawn again.
    asked() {
      const { link, key, plane } = state.data;
      const last = LAST.get(key);
      if (!link || (isOpen && !hasGoneBack)) {
        if (last) last.sent = JSON.stringify(link);
        return null;
      }
      // A page that was left and opened again: the server does not know what was shown since its last word.
      const isNewer = !isOpen && !hasGoneBack && last?.sent === JSON.stringify(link) && last.shown.plane === plane;
      isOpen = true;
      // All charts of the page are updated before the next event.
      setTimeout(() => {
        hasGoneBack = false;
      });
      return isNewer ? last.shown : link;
    },
  };
}
