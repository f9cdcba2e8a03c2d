// The links between regions of two photos: which are drawn, and their lines over both.

import { middle, strongest } from "./heat_geometry.js";

export const SVG = "http://www.w3.org/2000/svg";
const LINKS = 10; // drawn of all cells
const LINKS_OF_CELL = 3;

// The lines between regions: those of the chosen or pointed cell, else the strongest of all where links are on.
export function links(state) {
  const { data } = state;
  if (!data.pairs) return [];
  const cells = data.grid[0] * data.grid[1];
  const of = state.chosen ?? state.pointed;
  if (of) return strongest(data.pairs, cells, LINKS_OF_CELL, of.side, of.at);
  return state.linked ? strongest(data.pairs, cells, LINKS) : [];
}

export function drawLinks(state) {
  const shown = links(state);
  const most = shown.length ? Math.abs(shown[0].part) : 1;
  const outer = state.pair.getBoundingClientRect();
  state.lines.setAttribute("viewBox", `0 0 ${outer.width || 1} ${outer.height || 1}`);
  const place = (side, at) => {
    const frame = state.views[side].frame.getBoundingClientRect();
    const [x, y] = middle(at, ...state.data.grid, state.data.photos[side].box);
    return [frame.left - outer.left + (frame.width * x) / 100, frame.top - outer.top + (frame.height * y) / 100];
  };
  const circle = (x, y) => {
    const dot = document.createElementNS(SVG, "circle");
    dot.setAttribute("cx", x);
    dot.setAttribute("cy", y);
    dot.setAttribute("r", 4.5);
    return dot;
  };
  const dots = [];
  const paths = shown.flatMap((link, i) => {
    const [x1, y1] = place(0, link.query);
    const [x2, y2] = place(1, link.answer);
    dots.push(circle(x1, y1), circle(x2, y2));
    const bend = Math.max(24, Math.abs(x2 - x1) / 3);
    // Lines that would lie on one another fan out.
    const lift = (state.linked ? 11 : 22) * (i - (shown.length - 1) / 2);
    const way = `M${x1} ${y1} C${x1 + bend} ${y1 + lift} ${x2 - bend} ${y2 + lift} ${x2} ${y2}`;
    // A dark edge, so that a line is seen over any photo.
    return ["edge", link.part * state.data.binding < 0 ? "cold" : "warm"].map((name) => {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", way);
      path.setAttribute("class", name);
      path.style.strokeWidth = `${1.2 + (3 * Math.abs(link.part)) / most + (name === "edge" ? 2 : 0)}px`;
      return path;
    });
  });
  state.lines.replaceChildren(...paths, ...dots);
}
