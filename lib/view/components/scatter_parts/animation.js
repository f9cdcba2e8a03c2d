// The animation from one map to the next, where `data.stops` holds the same points on several planes.

import { element } from "../dom.js";
import { decodeColumn } from "./columns.js";

const STRETCH_MS = 1500; // from one stop to the next

// Which stretch a position (0 to count - 1) lies on, and how far along it the points are: slow at both ends, as
// on the server (scatter.py).
export function stretchAt(position, count) {
  const from = Math.min(Math.floor(position), count - 2);
  return { from, share: (1 - Math.cos(Math.PI * (position - from))) / 2 };
}

// Write into `xy` the points that are `share` of the way from `before` to `after`.
export function interpolate(xy, before, after, share) {
  for (let i = 0; i < xy.length; i++) xy[i] = before[i] + share * (after[i] - before[i]);
}

// Whether the stops, by title, only go on where those before ended: as the epochs of a training do.
export function goesOn(titles, before) {
  return before.length > 0 && before.length < titles.length && before.every((title, i) => title === titles[i]);
}

export function createAnimation(chart, node) {
  const { state } = chart;
  const play = element("button", "tool", "play_arrow");
  const slider = element("input", "slide");
  const stations = element("div", "stations");
  let frame = 0;
  node.append(play, slider, stations);

  function moveTo(position) {
    const { stops, xy } = state.data;
    const { from, share } = stretchAt(position, stops.length);
    if (stops.length === 1) xy.set(stops[0]);
    else interpolate(xy, stops[from], stops[from + 1], share);
    state.position = position;
    slider.value = String(position);
    for (const [i, station] of [...stations.children].entries()) {
      station.setAttribute("aria-pressed", String(i === position));
    }
    chart.pointsMoved();
  }

  function stop() {
    cancelAnimationFrame(frame);
    play.textContent = "play_arrow";
  }

  function playTo(end) {
    cancelAnimationFrame(frame);
    const [from, started] = [state.position, performance.now()];
    const length = STRETCH_MS * Math.abs(end - from);
    play.textContent = length ? "pause" : "play_arrow";
    const step = (now) => {
      const share = length ? Math.min(1, Math.max(0, now - started) / length) : 1; // the first frame may be older
      moveTo(share === 1 ? end : from + share * (end - from));
      if (share < 1) frame = requestAnimationFrame(step);
      else play.textContent = "play_arrow";
    };
    frame = requestAnimationFrame(step);
  }

  play.type = "button";
  play.title = "Play";
  play.setAttribute("aria-label", "Play");
  play.onclick = () => {
    if (play.textContent === "pause") {
      stop();
      return;
    }
    const last = state.data.stops.length - 1;
    if (state.position === last) moveTo(0);
    playTo(last);
  };
  Object.assign(slider, { type: "range", min: "0", step: "0.01" });
  slider.setAttribute("aria-label", "From one map to the next");
  slider.oninput = () => {
    stop();
    moveTo(Number(slider.value));
  };

  function showStations(titles) {
    slider.max = String(titles.length - 1);
    stations.replaceChildren(
      ...titles.map((title, i) => {
        const station = element("button", "entry", title);
        station.type = "button";
        station.onclick = () => playTo(i);
        return station;
      }),
    );
  }

  return {
    // The stops of new data; the animation begins anew where they differ from those of the data before.
    update(data, previous) {
      node.hidden = !data.stops;
      if (!data.stops) return;
      const { stops } = data.sent;
      if (previous?.stops && JSON.stringify(previous.sent.stops) === JSON.stringify(stops)) {
        data.stops = previous.stops;
        return;
      }
      data.stops = stops.map((each) => decodeColumn(each.xy, Float32Array));
      const titles = stops.map(({ title }) => title);
      const before = data.follows && previous?.stops ? previous.sent.stops.map(({ title }) => title) : [];
      showStations(titles);
      // Who watches a training sees each new epoch; who has gone back to an earlier one stays there.
      const isAtEnd = state.position === before.length - 1;
      if (goesOn(titles, before)) {
        moveTo(state.position);
        if (isAtEnd) playTo(titles.length - 1);
      } else moveTo(data.follows ? titles.length - 1 : 0);
    },
  };
}
