// What mouse, pen and fingers do on the map: hover, click, lasso, box, drag and zoom.

import { pannedView, zoomedView } from "./view.js";

const CLICK_PX = 4; // a pointer that moved less has clicked

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

// The view after two fingers moved from the places `before` to the places `after`: what lay between them still does.
export function pinchedView(view, size, before, after) {
  const middle = ([[x, y], [left, top]]) => [(x + left) / 2, (y + top) / 2];
  const apart = ([[x, y], [left, top]]) => Math.max(1, Math.hypot(left - x, top - y));
  const [from, to] = [middle(before), middle(after)];
  const zoomed = zoomedView(view, size, apart(after) / apart(before), ...from);
  return pannedView(zoomed, to[0] - from[0], to[1] - from[1]);
}

export function listenToPointer(chart, tooltip) {
  const { over, state } = chart;
  let drag = null; // where it began, the view at that moment, and the farthest distance from there in px
  let pinch = null; // the view and the places of two fingers when the second came
  const fingers = new Map(); // the places of all pointers that are down

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
    fingers.set(event.pointerId, position(event));
    if (fingers.size === 2) {
      endDrag();
      pinch = { view: chart.view, before: [...fingers.values()] };
    }
    if (fingers.size > 1) return;
    drag = { start: position(event), view: chart.view, distance: 0 };
    state.outline = null;
  };
  over.onpointermove = (event) => {
    const [left, top] = position(event);
    if (fingers.has(event.pointerId)) fingers.set(event.pointerId, [left, top]);
    if (pinch) {
      if (fingers.size === 2) {
        tooltip.hide();
        chart.setView(pinchedView(pinch.view, chart.size, pinch.before, [...fingers.values()]));
      }
      return;
    }
    if (!drag) {
      hover(left, top);
      return;
    }
    const [x, y] = drag.start;
    drag.distance = Math.max(drag.distance, Math.hypot(left - x, top - y));
    if (drag.distance < CLICK_PX) return;
    // One finger up or down is the page's, which takes it over after a few pixels.
    drag.isOurs ??= event.pointerType !== "touch" || state.tool !== "pan" || Math.abs(left - x) >= Math.abs(top - y);
    if (!drag.isOurs) return;
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
  function lift(event) {
    fingers.delete(event.pointerId);
    if (!fingers.size) pinch = null;
  }

  over.onpointerup = (event) => {
    lift(event);
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
  over.onpointercancel = (event) => {
    lift(event);
    endDrag();
  };
  // Two fingers mean the map, also where one of them would scroll the page.
  over.addEventListener(
    "touchstart",
    (event) => {
      if (event.touches.length > 1) event.preventDefault();
    },
    { passive: false },
  );
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
}
