// Two photos side by side with heat over them: the parts of a metric's value at each cell. Pointing at a cell tells its
// part; a click, Enter or Space chooses it, and the other photo then shows how well each of its cells matches it.

import { element } from "./dom.js";
import { best, heat, largest, moved, partners, rgb, signed, smooth } from "./heat_geometry.js";
import { drawLinks, links, SVG } from "./heat_links.js";

const FINE = 192; // pixels along the longer side of the heat
const NAMES = ["query", "answer"];

function cellName(state, at) {
  const [, width] = state.data.grid;
  return `row ${Math.floor(at / width) + 1}, column ${(at % width) + 1}`;
}

function percent(part, total) {
  return total ? ` (${((100 * part) / total).toPrecision(3)} % of ${Math.abs(total).toPrecision(4)})` : "";
}

// One photo with its canvas and its cells.
function photo(state, side) {
  const { data } = state;
  const item = data.photos[side];
  const [height, width] = data.grid;
  const figure = element("figure");
  const frame = element("div", "frame");
  const image = element("img");
  image.src = item.src;
  image.alt = item.alt;
  const caption = element("figcaption");
  caption.append(element("b", "", item.name), element("span", "of", item.note));
  if (!item.parts.length) {
    figure.classList.add("bare"); // a moved query: no cell of the photo has a part
    frame.append(image);
    figure.append(frame, caption);
    return { figure, frame };
  }
  const canvas = element("canvas");
  canvas.width = width * state.factor;
  canvas.height = height * state.factor;
  const cells = element("div", "cells");
  cells.tabIndex = 0;
  cells.setAttribute("role", "grid");
  cells.setAttribute("aria-label", `${item.name}: ${height} × ${width} cells`);
  cells.style.gridTemplateRows = `repeat(${height}, 1fr)`;
  for (let row = 0; row < height; row += 1) {
    const line = element("div", "line");
    line.setAttribute("role", "row");
    line.style.gridTemplateColumns = `repeat(${width}, 1fr)`;
    for (let column = 0; column < width; column += 1) {
      const at = row * width + column;
      const cell = element("div", "cell");
      cell.setAttribute("role", "gridcell");
      cell.setAttribute("aria-label", `${cellName(state, at)}: ${signed(item.parts[at])}`);
      cell.id = `${data.id}-${NAMES[side]}-${at}`;
      cell.dataset.at = at;
      line.append(cell);
    }
    cells.append(line);
  }
  const [left, top, right, bottom] = item.box;
  for (const layer of [canvas, cells]) {
    Object.assign(layer.style, {
      left: `${left}%`,
      top: `${top}%`,
      width: `${right - left}%`,
      height: `${bottom - top}%`,
    });
  }
  canvas.setAttribute("aria-hidden", "true");
  frame.append(image, canvas, cells);
  figure.append(frame, caption);
  listen(state, side, cells);
  return { figure, frame, canvas, cells };
}

function listen(state, side, cells) {
  const show = (at) => {
    state.pointed = at === null ? null : { side, at };
    draw(state);
  };
  const choose = (at) => {
    const same = state.chosen && state.chosen.side === side && state.chosen.at === at;
    state.chosen = same ? null : { side, at };
    draw(state);
  };
  const at = (event) => (event.target.dataset.at === undefined ? null : Number(event.target.dataset.at));
  cells.onpointermove = (event) => show(at(event));
  cells.onpointerleave = () => show(null);
  cells.onclick = (event) => {
    if (at(event) === null) return;
    state.active[side] = at(event);
    choose(at(event));
  };
  cells.onfocus = () => {
    // A click focuses, too; there the pointer says which cell.
    if (cells.matches(":focus-visible")) show(state.active[side]);
  };
  cells.onblur = () => show(null);
  cells.onkeydown = (event) => {
    const to = moved(state.active[side], event.key, ...state.data.grid);
    if (to !== null) {
      state.active[side] = to;
      show(to);
    } else if (event.key === "Enter" || event.key === " ") {
      choose(state.active[side]);
    } else if (event.key === "Escape" && state.chosen) {
      state.chosen = null;
      draw(state);
      event.stopPropagation(); // or a dialog around it closes
    } else {
      return;
    }
    event.preventDefault();
  };
}

// What the photo `side` is coloured by: its parts, or how well its cells match the chosen cell of the other photo.
function colouring(state, side) {
  const { data, chosen } = state;
  const cells = data.grid[0] * data.grid[1];
  if (!chosen || chosen.side === side || !data.matches) {
    return { values: data.photos[side].parts, most: state.most, sign: data.binding };
  }
  const values = partners(data.matches, cells, chosen.side, chosen.at);
  return { values, most: largest(values), sign: 1 };
}

function paint(canvas, { values, most, sign }, colours) {
  const pixels = heat(values, most, sign, colours.binds, colours.divides);
  canvas.getContext("2d").putImageData(new ImageData(pixels, canvas.width, canvas.height), 0, 0);
}

function sentence(state) {
  const { data, chosen, pointed } = state;
  const of = pointed ?? chosen;
  if (!of) {
    if (!state.linked || !data.pairs) return data.hint;
    const shown = links(state);
    const sum = shown.reduce((total, link) => total + link.part, 0);
    return `The ${shown.length} strongest of ${data.pairs.length} pairs of cells make up ${signed(sum)}${percent(sum, data.total)}.`;
  }
  const cells = data.grid[0] * data.grid[1];
  const part = data.photos[of.side].parts[of.at];
  const words = [
    `${data.photos[of.side].name}, ${cellName(state, of.at)}: ${signed(part)}${percent(part, data.total)}`,
  ];
  if (!data.matches) return `${words[0]}. ${data.places}`;
  const other = 1 - of.side;
  if (chosen && of.side !== chosen.side) {
    const match = partners(data.matches, cells, chosen.side, chosen.at)[of.at];
    words.push(match === null ? "one of both cells has no features" : `match with the chosen cell ${match.toFixed(3)}`);
    if (data.pairs) {
      const both = partners(data.pairs, cells, chosen.side, chosen.at)[of.at];
      words.push(`both together ${signed(both)}${percent(both, data.total)}`);
    }
    return `${words.join(" · ")}.`;
  }
  const matches = partners(data.matches, cells, of.side, of.at);
  const at = best(matches);
  if (at === null) return `${words[0]}. Its features are all zero, so it matches nothing.`;
  words.push(`matches the ${NAMES[other]}'s ${cellName(state, at)} best, cosine ${matches[at].toFixed(3)}`);
  if (!chosen) words.push("a click shows all its matches");
  return `${words.join(" · ")}.`;
}

function draw(state) {
  const { data, views, chosen, pointed } = state;
  state.box.classList.toggle("plain", !state.heated);
  const coloured = chosen ? `${chosen.side} ${chosen.at}` : "";
  const repaint = state.coloured !== coloured;
  state.coloured = coloured;
  views.forEach((view, side) => {
    if (!view.cells) return;
    const matching = chosen && chosen.side !== side && data.matches;
    if (repaint) {
      const { values, most, sign } = colouring(state, side);
      paint(view.canvas, { values: smooth(values, ...data.grid, state.factor), most, sign }, state.colours);
    }
    view.figure.classList.toggle("matching", Boolean(matching));
    const same = !data.matches && chosen ? chosen.at : null; // pixels: the place itself
    for (const cell of view.cells.querySelectorAll(".cell")) {
      const at = Number(cell.dataset.at);
      cell.classList.toggle("pointed", pointed?.side === side && pointed.at === at);
      cell.classList.toggle("chosen", (chosen?.side === side && chosen.at === at) || at === same);
      cell.setAttribute("aria-selected", String(chosen?.side === side && chosen.at === at));
    }
    view.cells.setAttribute("aria-activedescendant", `${data.id}-${NAMES[side]}-${state.active[side]}`);
  });
  drawLinks(state);
  drawScale(state);
  state.said.textContent = sentence(state);
}

// The scale: as the heat lies over a grey photo. A chosen cell has a second one, of the matches.
function drawScale(state) {
  const { data, scale } = state;
  const negative = data.photos.some((item) => item.parts.some((value) => value * data.binding < 0));
  const end = state.most * data.binding;
  scale.parts.replaceChildren(
    ...bar(state, negative ? [-end, end] : [0, end], data.binding, state.most, [
      ...(negative
        ? [
            [signed(-end), "divides"],
            ["0", ""],
          ]
        : [["0", ""]]),
      [signed(end), "binds"],
    ]),
    element("span", "unit", data.unit),
  );
  const matching = Boolean(state.chosen && data.matches);
  scale.matches.hidden = !matching;
  if (matching) {
    const other = 1 - state.chosen.side;
    const { most } = colouring(state, other);
    const words = `on the ${NAMES[other]}: cosine of each cell's features with those of the chosen cell`;
    const ticks = [
      ["0", ""],
      [most.toFixed(3), "best"],
    ];
    scale.matches.replaceChildren(...bar(state, [0, most], 1, most, ticks), element("span", "unit", words));
  }
}

function bar(state, [from, to], sign, most, ticks) {
  const steps = 64;
  const canvas = element("canvas", "bar");
  canvas.width = steps;
  canvas.height = 1;
  const values = Array.from({ length: steps }, (_, i) => from + ((to - from) * i) / (steps - 1));
  paint(canvas, { values, most, sign }, state.colours);
  canvas.setAttribute("aria-hidden", "true");
  const row = element("div", "ticks");
  row.append(
    ...ticks.map(([number, word]) => {
      const tick = element("span", "", number);
      if (word) tick.append(element("i", "", word));
      return tick;
    }),
  );
  const box = element("div", "barbox");
  box.append(canvas, row);
  return [box];
}

function toggle(words, on, change) {
  const label = element("label", "", "");
  const box = element("input");
  box.type = "checkbox";
  box.checked = on;
  box.onchange = () => change(box.checked);
  label.append(box, element("span", "", words));
  return label;
}

function build(box, data) {
  const state = { box, data, chosen: null, pointed: null, active: [0, 0], linked: false, heated: true };
  state.colours = { binds: data.colours.binds.map(rgb), divides: data.colours.divides.map(rgb) };
  state.most = largest(...data.photos.map((item) => item.parts));
  state.factor = Math.max(1, Math.ceil(FINE / Math.max(...data.grid)));
  state.views = [photo(state, 0), photo(state, 1)];
  state.pair = element("div", "pair");
  state.lines = document.createElementNS(SVG, "svg");
  state.lines.setAttribute("aria-hidden", "true");
  state.pair.append(...state.views.map((view) => view.figure), state.lines);
  state.said = element("p", "said");
  state.said.setAttribute("aria-live", "polite");
  state.scale = { parts: element("div", "scale"), matches: element("div", "scale") };
  const head = element("div", "head");
  head.append(element("h4", "", data.title), element("p", "", data.about));
  const tools = element("div", "tools");
  tools.append(
    toggle("Heat", true, (on) => {
      state.heated = on;
      draw(state);
    }),
  );
  if (data.pairs) {
    tools.append(
      toggle("Links between regions", false, (on) => {
        state.linked = on;
        draw(state);
      }),
    );
  }
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", data.title);
  box.style.setProperty("--binds", data.colours.binds[1]);
  box.style.setProperty("--divides", data.colours.divides[1]);
  box.replaceChildren(head, state.pair, state.said, state.scale.parts, state.scale.matches, tools);
  box.watcher?.disconnect();
  box.watcher = new ResizeObserver(() => drawLinks(state)); // photos arrive, windows change
  box.watcher.observe(state.pair);
  draw(state);
}

export default function heatPair({ parentElement, data }) {
  let box = parentElement.querySelector(".heatpair");
  if (!box) {
    box = element("div", "heatpair");
    parentElement.appendChild(box);
  }
  const drawn = JSON.stringify(data);
  if (box.drawn === drawn) return; // a page that runs again leaves the chosen cell as it is
  box.drawn = drawn;
  build(box, data);
}
