// A map that stands alone in an HTML file: the chart of `scatter.js`, a panel with what is selected, and a search.
//
// Everything it shows is in `content`, which the server wrote into the file; it requests nothing. Names come from file
// systems, so they are set as text only.

import { element } from "./dom.js";
import { classCounts, csvTable, insidePolygon, litColumn, matching } from "./map_page_parts/points.js";
import { saveFile } from "./picture_files.js";
import { decodeData } from "./scatter_parts/columns.js";

const MOST_SHOWN = 60; // photos of a selection
const HINT = "Draw a lasso around points, search for a class, or click a point.";

export default function mapPage(scatter, root, content) {
  const { columns, photos, provenance } = content;
  const points = decodeData(columns);
  const place = new Map(Array.from(points.rows, (row, i) => [row, i]));
  const pictures = new Map(
    Object.entries(photos).map(([row, webp]) => [Number(row), `data:image/webp;base64,${webp}`]),
  );
  let selected = points.ids.map(() => false);
  let inView = [];

  const head = element("header", "head");
  const map = element("main", "map");
  const panel = element("aside", "panel");
  root.append(head, map, panel);

  const search = element("input", "search");
  const found = element("output", "found");
  const title = element("h1", "", content.title);
  Object.assign(search, { type: "search", placeholder: "Class or file name", maxLength: 200 });
  search.setAttribute("aria-label", "Search by class or file name");
  search.setAttribute("list", "classes");
  const list = element("datalist");
  list.id = "classes";
  list.append(...points.classes.map((name) => Object.assign(element("option"), { value: name })));
  head.append(title, element("p", "about", content.about), search, list, found);

  const chosen = element("section", "chosen");
  const selection = element("section", "selection");
  const origin = element("details", "origin");
  const lines = Object.entries(provenance).map(([name, value]) => `${name}: ${value}`);
  origin.append(element("summary", "", "About these numbers"), element("pre", "", lines.join("\n")));
  panel.append(chosen, selection, origin);

  const labelOf = (i) => points.classes[points.labels[i]];
  const dot = (code) => {
    const mark = element("i", "dot");
    mark.style.background = points.palette[code];
    return mark;
  };

  function photo(row) {
    const image = element("img");
    const i = place.get(row);
    Object.assign(image, { src: pictures.get(row), alt: `${labelOf(i)}, ${points.ids[i]}`, title: points.ids[i] });
    return image;
  }

  function choose(row) {
    const i = place.get(row);
    const name = element("p", "class");
    name.append(dot(points.labels[i]), element("span", "", labelOf(i)));
    const picture = pictures.has(row)
      ? [photo(row)]
      : [element("p", "none", "No thumbnail of this photo in this file.")];
    chosen.replaceChildren(element("h2", "", "Photo"), ...picture, name, element("p", "id", points.ids[i]));
  }

  const button = (text, onClick) => {
    const node = element("button", "text", text);
    node.type = "button";
    node.onclick = onClick;
    return node;
  };

  function showSelection() {
    const count = selected.filter(Boolean).length;
    found.textContent = count ? `${count.toLocaleString("en")} selected` : "";
    if (!count) {
      selection.replaceChildren(element("h2", "", "Selection"), element("p", "none", HINT));
      return;
    }
    const counts = element("ul", "counts");
    for (const { name, code, count: number } of classCounts(selected, points)) {
      const item = element("li");
      const all = points.labels.reduce((sum, label) => sum + (label === code), 0);
      item.append(dot(code), element("span", "", name), element("b", "", `${number} of ${all}`));
      counts.append(item);
    }
    const grid = element("div", "grid");
    const rows = Array.from(points.rows).filter((row, i) => selected[i] && pictures.has(row));
    for (const row of rows.slice(0, MOST_SHOWN)) {
      const item = button("", () => choose(row));
      item.className = "photo";
      item.append(photo(row));
      grid.append(item);
    }
    const more = count - Math.min(rows.length, MOST_SHOWN);
    const actions = element("div", "actions");
    actions.append(
      button("Clear", () => select(points.ids.map(() => false))),
      button("Save as CSV", () => {
        saveFile(new Blob([csvTable(selected, points, provenance)], { type: "text/csv" }), "petalscope-selection.csv");
      }),
    );
    const heading = `${count.toLocaleString("en")} ${count === 1 ? "photo" : "photos"} selected`;
    const rest = more ? [element("p", "none", `${more.toLocaleString("en")} more without a picture here.`)] : [];
    selection.replaceChildren(element("h2", "", heading), actions, counts, grid, ...rest);
  }

  function select(flags) {
    selected = flags;
    draw();
    showSelection();
  }

  // What the chart reports: the same words as it sends to a server.
  function trigger(name, value) {
    if (name === "clicked") choose(value);
    else if (name === "drawn") {
      const hidden = new Set(value.hidden);
      const inside = insidePolygon(points.xy, value.polygon).map((isIn, i) => isIn && !hidden.has(points.codes[i]));
      select(value.add ? inside.map((isIn, i) => isIn || selected[i]) : inside);
    }
  }

  function report(name, value) {
    if (name !== "inview") return;
    inView = value.rows.filter((row) => pictures.has(row));
    draw();
  }

  function draw() {
    const isDim = selected.includes(true);
    const over = inView.map((row) => {
      const i = place.get(row);
      const [x, y] = [points.xy[2 * i], points.xy[2 * i + 1]];
      const opacity = !isDim || selected[i] ? 1 : 0.25;
      return { x, y, src: pictures.get(row), alt: labelOf(i), colour: points.palette[points.labels[i]], opacity };
    });
    const data = { ...columns, lit: litColumn(selected), photos: over };
    scatter({ parentElement: map, data, setTriggerValue: trigger, setStateValue: report });
  }

  search.oninput = () => select(matching(search.value, points));
  window.addEventListener("petalscope-hover", ({ detail }) => {
    const photoOf = { chart: detail.chart, row: detail.row, src: pictures.get(detail.row) };
    window.dispatchEvent(new CustomEvent("petalscope-photo", { detail: photoOf }));
  });
  draw();
  showSelection();
  const { chart } = map.querySelector(".scatter");
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", chart.draw);
}
