// The box beside the point under the pointer: its class, value, id and, once the pointer rests there, its photo.
//
// Photos come from the server through `hover_photo.js`: this sends `petalscope-hover` and receives `petalscope-photo`.

import { element } from "../dom.js";
import { UNKNOWN } from "./columns.js";

const REST_MS = 90; // how long the pointer rests on a point before its photo is requested
const MOST_PHOTOS = 400;
const [WIDTH, GAP, RISE, ROOM_BELOW] = [240, 14, 60, 190]; // px

// The two lines of text about point `i`.
export function tooltipLines({ classes, labels, codes, values, legend, scale, ids }, i) {
  const parts = [classes[labels[i]]];
  if (scale) {
    parts.push(`${scale.title}: ${Number.isNaN(values[i]) ? "unknown" : Number(values[i].toPrecision(3))}`);
  } else if (codes[i] !== UNKNOWN) {
    const { name } = legend.find(({ code }) => code === codes[i]);
    if (name !== parts[0]) parts.push(name);
  }
  return [parts.join(" · "), ids[i]];
}

// Where the box stands, in px: beside the pointer and inside the chart.
export function tooltipPosition(size, left, top) {
  const x = left > size.width - WIDTH - 20 ? left - WIDTH - GAP : left + GAP;
  return [x, Math.min(Math.max(4, top - RISE), size.height - ROOM_BELOW)];
}

export function createTooltip(chart, box) {
  const photos = new Map(); // by catalog row
  let hovered = -1;
  let timer = 0;
  box.hidden = true;

  function hide() {
    box.hidden = true;
    hovered = -1;
    clearTimeout(timer);
  }

  function request() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const detail = { chart: chart.state.data.key, row: chart.state.data.rows[hovered] };
      window.dispatchEvent(new CustomEvent("petalscope-hover", { detail }));
    }, REST_MS);
  }

  function showPhoto(row, src) {
    if (!src) return;
    if (photos.size > MOST_PHOTOS) photos.clear();
    photos.set(row, src);
    if (box.hidden || chart.state.data.rows[hovered] !== row || box.querySelector("img")) return;
    clearTimeout(timer);
    const photo = element("img");
    photo.src = src;
    photo.alt = "";
    box.prepend(photo);
  }

  // The component that serves photos is mounted after this chart, and is gone for a moment whenever the page is drawn.
  // A request that it missed is sent again at its next message.
  function receive({ detail }) {
    if (!chart.root.isConnected) {
      window.removeEventListener("petalscope-photo", receive); // the page was left
    } else if (chart.state.data && detail.chart === chart.state.data.key) {
      showPhoto(detail.row, detail.src);
      if (!box.hidden && detail.row !== chart.state.data.rows[hovered] && !box.querySelector("img")) request();
    }
  }

  return {
    hide,
    isHidden: () => box.hidden,
    // Adding the same listener again changes nothing.
    listen: () => window.addEventListener("petalscope-photo", receive),
    forgetPhotos: () => photos.clear(),
    // Show the box of point `i`; -1 hides it.
    show(i, left, top) {
      if (i === hovered) return;
      hide();
      if (i < 0) return;
      hovered = i;
      box.hidden = false;
      box.replaceChildren(...tooltipLines(chart.state.data, i).map((line) => element("div", "", line)));
      const [x, y] = tooltipPosition(chart.size, left, top);
      box.style.transform = `translate(${x}px, ${y}px)`;
      const row = chart.state.data.rows[i];
      if (photos.has(row)) showPhoto(row, photos.get(row));
      else request();
    },
  };
}
