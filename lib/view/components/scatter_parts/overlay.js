// What lies above the points: contours, the names of the classes or clusters, lines from the query to its neighbours with their
// ranks, the point that the keys have reached, and the shape being drawn.

import { densestPlaces, placedNames, visiblePlaces } from "./class_labels.js";
import { contourLayers } from "./contours.js";

const [LABEL_WIDTH, LABEL_HEIGHT, LABEL_RISE] = [16, 13, 9]; // px

// The labels that can be read, as [index, left, top]: one that would cover an earlier label is left out.
export function readableLabels(positions) {
  const labels = [];
  positions.forEach(([left, top], i) => {
    const isCovered = labels.some(([, x, y]) => Math.abs(x - left) < LABEL_WIDTH && Math.abs(y - top) < LABEL_HEIGHT);
    if (!isCovered) labels.push([i, left, top]);
  });
  return labels;
}

function ring(pen, [left, top], radius, width) {
  pen.lineWidth = width;
  pen.beginPath();
  pen.arc(left, top, radius, 0, 7);
  pen.stroke();
}

function haloedText(pen, text, left, top, { ink, ground }) {
  pen.lineJoin = "round";
  pen.strokeStyle = ground;
  pen.fillStyle = ink;
  pen.strokeText(text, left, top);
  pen.fillText(text, left, top);
}

function drawRanks(pen, positions, scheme) {
  pen.font = "600 12px sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "alphabetic";
  pen.lineWidth = 3;
  for (const [i, left, top] of readableLabels(positions)) {
    haloedText(pen, String(i + 1), left, top - LABEL_RISE, scheme);
  }
}

function drawLines(pen, from, positions) {
  for (const to of positions) {
    pen.globalAlpha = 0.7;
    pen.lineWidth = 1.6;
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...to);
    pen.stroke();
    pen.globalAlpha = 1;
    ring(pen, to, 6, 1.6);
  }
  ring(pen, from, 10, 3);
}

function drawOutline(pen, outline) {
  pen.lineWidth = 1.6;
  pen.setLineDash([5, 4]);
  pen.beginPath();
  outline.forEach((corner, i) => {
    if (i) pen.lineTo(...corner);
    else pen.moveTo(...corner);
  });
  pen.closePath();
  pen.stroke();
  pen.globalAlpha = 0.12;
  pen.fill();
  pen.globalAlpha = 1;
  pen.setLineDash([]);
}

function drawNames(pen, names, scheme) {
  pen.font = scheme.font;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (const { name, left, top, from } of names) {
    if (from) {
      pen.strokeStyle = scheme.ink;
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(...from);
      pen.lineTo(left, top);
      pen.stroke();
    }
    pen.lineWidth = 4;
    haloedText(pen, name, left, top, scheme);
  }
}

export function createOverlay(chart) {
  const { over, state } = chart;
  const pen = over.getContext("2d");
  const widths = new Map(); // of names, in px
  let [layers, whole, inView] = [null, null, []];

  // The points with what is named on the map: their classes, or the values of the colour where these have names.
  const named = () =>
    state.data.names ? { ...state.data, labels: state.data.codes, classes: state.data.names } : state.data;

  function widthOf(name) {
    if (!widths.has(name)) {
      pen.font = chart.scheme().font;
      widths.set(name, pen.measureText(name).width);
    }
    return widths.get(name);
  }

  // The lines are paths on the plane, made once; the canvas moves and enlarges them.
  function contourPaths() {
    return contourLayers(state.data, chart.isShown, state.contours).flatMap(({ colour, contours }) =>
      contours.map(({ share, lines }) => {
        const path = new Path2D();
        for (let i = 0; i < lines.length; i += 4) {
          path.moveTo(lines[i], lines[i + 1]);
          path.lineTo(lines[i + 2], lines[i + 3]);
        }
        return { colour, share, path, count: lines.length / 4 };
      }),
    );
  }

  function drawContours(ratio, scheme) {
    layers ||= contourPaths();
    const { view, size } = chart;
    const [left, top] = [size.width / 2 - view.x * view.scale, size.height / 2 + view.y * view.scale];
    pen.setTransform(ratio * view.scale, 0, 0, -ratio * view.scale, ratio * left, ratio * top);
    pen.lineCap = "round";
    for (const { colour, share, path } of layers) {
      pen.lineWidth = (share <= 0.5 ? 2 : 1.3) / view.scale;
      pen.strokeStyle = colour ? chart.rim(colour) : scheme.ink;
      pen.stroke(path);
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  function names() {
    whole ||= densestPlaces(named(), chart.isShown, chart.bounds());
    const isVisible = (x, y) => {
      const [left, top] = chart.screen(x, y);
      return left >= 0 && top >= 0 && left <= chart.size.width && top <= chart.size.height;
    };
    const places = visiblePlaces(whole, inView, isVisible).map(({ name, x, y }) => {
      const [left, top] = chart.screen(x, y);
      return { name, left, top };
    });
    return placedNames(places, widthOf, chart.size);
  }

  return {
    // Other points, or points in other places: their contours and the places of names are found again when drawn.
    forget() {
      [layers, whole, inView] = [null, null, []];
    },
    // The view rests: a class whose densest place it does not show is named where it is densest in the view.
    settle() {
      if (!state.names || chart.view.whole) return;
      const [left, bottom] = chart.place(0, chart.size.height);
      inView = densestPlaces(named(), chart.isShown, [left, bottom, ...chart.place(chart.size.width, 0)]);
      chart.draw();
    },
    // What is drawn now, for the browser tests.
    describe: () => ({
      names: state.names ? names().map(({ name }) => name) : [],
      contours: state.contours === "off" ? [] : layers?.map(({ share, colour, count }) => ({ share, colour, count })),
    }),
    draw() {
      const { lines, ink, xy } = state.data;
      const ratio = chart.ratio();
      const scheme = chart.scheme();
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, chart.size.width, chart.size.height);
      if (state.contours !== "off") drawContours(ratio, scheme);
      pen.strokeStyle = pen.fillStyle = ink;
      const positions = lines ? lines.ends.map(([x, y]) => chart.screen(x, y)) : [];
      if (lines) drawLines(pen, chart.screen(...lines.start), positions);
      if (state.names) drawNames(pen, names(), scheme);
      if (lines) drawRanks(pen, positions, scheme);
      if (state.cursor >= 0 && over.matches(":focus")) {
        const place = chart.screen(xy[2 * state.cursor], xy[2 * state.cursor + 1]);
        pen.strokeStyle = scheme.ground;
        ring(pen, place, 9, 5);
        pen.strokeStyle = scheme.ink;
        ring(pen, place, 9, 2.5);
      }
      pen.strokeStyle = pen.fillStyle = ink;
      if (state.outline) drawOutline(pen, state.outline);
    },
  };
}
