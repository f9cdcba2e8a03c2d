// What mouse, pen, finger and keyboard do on the map: hover, click, lasso, box, drag and zoom.

import { pannedView, ZOOM_STEP } from "./view.js";

const CLICK_PX = 4; // a pointer that moved less has clicked
const KEY_STEP_PX = 60;

const KEY_MOVES = {
  ArrowLeft: [KEY_STEP_PX, 0],
  ArrowRight: [-KEY_STEP_PX, 0],
  ArrowUp: [0, KEY_STEP_PX],
  ArrowDown: [0, -KEY_STEP_PX],
};

export function boxOutline([x, y], [left, top]) {
  return [
    [x, y],
    [left, y],
    [left, top],
    [x, top],
  ];
}

// The factor of a turn of the wheel; `mode` is 0 for px, else lines or pages.
export function wheelZoom(delta, mode) {
  return Math.exp(-delta * (mode ? 0.05 : 0.0015));
}

export function listenToPointer(chart, tooltip) {
  const { over, state } = chart;
  let drag = null; // where it began, the view at that moment, and the farthest distance from there in px

  const position = (event) => {
    const box = over.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  function endDrag() {
    drag = state.outline = null;
    chart.draw();
  }

  function hover(left, top) {
    const i = chart.nearest(left, top);
    over.style.cursor = i >= 0 ? "pointer" : state.tool === "pan" ? "grab" : "crosshair";
    tooltip.show(i, left, top);
  }

  over.onpointerdown = (event) => {
    if (event.button) return;
    over.setPointerCapture(event.pointerId);
    drag = { start: position(event), view: chart.view, distance: 0 };
    state.outline = null;
  };
  over.onpointermove = (event) => {
    const [left, top] = position(event);
    if (!drag) {
      hover(left, top);
      return;
    }
    const [x, y] = drag.start;
    drag.distance = Math.max(drag.distance, Math.hypot(left - x, top - y));
    if (drag.distance < CLICK_PX) return;
    tooltip.hide();
    if (state.tool === "pan") {
      chart.setView(pannedView(drag.view, left - x, top - y));
      return;
    }
    if (state.tool === "box") {
      state.outline = boxOutline(drag.start, [left, top]);
    } else {
      state.outline ||= [drag.start];
      state.outline.push([left, top]);
    }
    chart.draw();
  };
  over.onpointerup = (event) => {
    if (!drag) return;
    const clicked = drag.distance < CLICK_PX ? chart.nearest(...position(event)) : -1;
    if (clicked >= 0) {
      chart.trigger("clicked", state.data.rows[clicked]);
    } else if (state.outline && state.outline.length > 2) {
      const polygon = state.outline.map((corner) => chart.place(...corner));
      chart.trigger("drawn", { polygon, hidden: [...state.hidden], add: event.shiftKey, position: state.position });
    }
    endDrag();
  };
  over.onpointercancel = endDrag;
  over.onpointerleave = tooltip.hide;
  over.ondblclick = (event) => {
    if (chart.nearest(...position(event)) < 0) chart.fit();
  };
  over.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      chart.zoom(wheelZoom(event.deltaY, event.deltaMode), ...position(event));
    },
    { passive: false },
  );
  over.onkeydown = (event) => {
    if (event.key in KEY_MOVES) chart.setView(pannedView(chart.view, ...KEY_MOVES[event.key]));
    else if (event.key === "+" || event.key === "=") chart.zoom(ZOOM_STEP);
    else if (event.key === "-") chart.zoom(1 / ZOOM_STEP);
    else if (event.key === "0") chart.fit();
    else if (event.key === "Escape") endDrag();
    else return;
    event.preventDefault();
  };
}
