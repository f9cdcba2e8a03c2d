// The map by keyboard: the arrows go from point to point, Enter chooses one, + - 0 zoom, Escape leaves.

import { bitAt } from "./colours.js";
import { nextChosen, nextInDirection, placeAmong } from "./steps.js";
import { tooltipLines } from "./tooltip.js";
import { pannedView, ZOOM_STEP } from "./view.js";

const STEP_PX = 60; // of the map, with Shift
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export const HELP =
  "Arrow keys go from point to point, Enter makes the point the query, plus and minus zoom, 0 shows everything, " +
  "Shift with an arrow moves the map, Escape leaves.";

// The point that an arrow leads to: the next or the one before in the selection, else the nearest in that direction.
export function pointByArrow({ xy, lit, rows }, isShown, cursor, direction, centre) {
  const isChosen = (i) => isShown(i) && bitAt(lit, i) === 1;
  if (lit) return nextChosen(rows.length, isChosen, cursor, direction[0] - direction[1]);
  const from = cursor < 0 ? centre : [xy[2 * cursor], xy[2 * cursor + 1]];
  return nextInDirection(xy, isShown, from, direction);
}

export function listenToKeys(chart, tooltip, live) {
  const { over, state } = chart;

  function show(i) {
    const { xy, lit, rows } = state.data;
    state.cursor = i;
    let [left, top] = chart.screen(xy[2 * i], xy[2 * i + 1]);
    if (left < 0 || top < 0 || left > chart.size.width || top > chart.size.height) {
      chart.setView({ ...chart.view, x: xy[2 * i], y: xy[2 * i + 1], whole: false });
      [left, top] = chart.screen(xy[2 * i], xy[2 * i + 1]);
    }
    tooltip.show(i, left, top);
    const isChosen = (each) => chart.isShown(each) && bitAt(lit, each) === 1;
    const [place, total] = lit ? placeAmong(rows.length, isChosen, i) : [0, 0];
    live.textContent = [...tooltipLines(state.data, i), ...(lit ? [`${place} of ${total} selected`] : [])].join(", ");
    chart.draw();
  }

  function leave() {
    if (state.outline || !tooltip.isHidden()) {
      state.outline = null;
      tooltip.hide();
      state.cursor = -1;
      chart.draw();
    } else {
      over.blur();
    }
  }

  over.onfocus = chart.draw;
  over.onblur = () => {
    tooltip.hide();
    chart.draw();
  };
  over.onkeydown = (event) => {
    const direction = DIRECTIONS[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (direction && event.shiftKey) {
      chart.setView(pannedView(chart.view, -STEP_PX * direction[0], STEP_PX * direction[1]));
    } else if (direction) {
      const centre = [chart.view.x, chart.view.y];
      const cursor = state.cursor >= 0 && chart.isShown(state.cursor) ? state.cursor : -1;
      const next = pointByArrow(state.data, chart.isShown, cursor, direction, centre);
      if (next >= 0) show(next);
    } else if (event.key === "Enter" && state.cursor >= 0) chart.trigger("clicked", state.data.rows[state.cursor]);
    else if (event.key === "+" || event.key === "=") chart.zoom(ZOOM_STEP);
    else if (event.key === "-") chart.zoom(1 / ZOOM_STEP);
    else if (event.key === "0") chart.fit();
    else if (event.key === "Escape") leave();
    else return;
    event.preventDefault();
  };
}
