// The buttons above the map: what dragging does, zoom, full screen, and the map as a PNG file.

import { element } from "../dom.js";
import { ZOOM_STEP } from "./view.js";

const TOOLS = [
  ["lasso", "Lasso: drag around points; Shift adds to the selection", "lasso_select"],
  ["box", "Box: drag over points; Shift adds to the selection", "select"],
  ["pan", "Move: drag the map", "open_with"],
];

// Save what is drawn: ground, density, points and overlay.
function savePicture(chart) {
  const { root, points, over, density } = chart;
  const picture = element("canvas");
  [picture.width, picture.height] = [over.width, over.height];
  const brush = picture.getContext("2d");
  brush.fillStyle = getComputedStyle(root).getPropertyValue("--st-background-color") || "#fff";
  brush.fillRect(0, 0, picture.width, picture.height);
  if (!density.hidden) {
    const sides = ["left", "top", "width", "height"].map((side) => Number.parseFloat(density.style[side]));
    brush.drawImage(density, ...sides.map((side) => side * chart.ratio()));
  }
  chart.drawPoints();
  brush.drawImage(points, 0, 0);
  brush.drawImage(over, 0, 0);
  const link = element("a");
  link.download = "petalscope-map.png";
  link.href = picture.toDataURL("image/png");
  link.click();
}

export function createToolbar(chart, bar) {
  const button = (name, symbol, onClick) => {
    const node = element("button", "tool", symbol);
    node.type = "button";
    node.title = name;
    node.setAttribute("aria-label", name);
    node.onclick = onClick;
    bar.append(node);
    return node;
  };

  const toolButtons = TOOLS.map(([tool, name, symbol]) => [tool, button(name, symbol, () => choose(tool))]);
  function choose(tool) {
    chart.state.tool = tool;
    for (const [name, node] of toolButtons) node.setAttribute("aria-pressed", String(name === tool));
  }
  choose("lasso");
  button("Zoom in", "zoom_in", () => chart.zoom(ZOOM_STEP));
  button("Zoom out", "zoom_out", () => chart.zoom(1 / ZOOM_STEP));
  button("Show everything", "fit_screen", chart.fit);
  button("Full screen", "fullscreen", () =>
    document.fullscreenElement ? document.exitFullscreen() : chart.root.requestFullscreen(),
  );
  button("Save as PNG", "photo_camera", () => savePicture(chart));

  return {
    // Without selection a drag can only move the map.
    allowSelection(isAllowed) {
      for (const [tool, node] of toolButtons) node.hidden = tool !== "pan" && !isAllowed;
      if (!isAllowed) choose("pan");
    },
  };
}
