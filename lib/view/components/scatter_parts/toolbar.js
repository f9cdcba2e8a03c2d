// The buttons above the map: what dragging does, zoom, what is drawn beside the points, full screen, and a PNG file.

import { element } from "../dom.js";
import { saveFile, withProvenance } from "../picture_files.js";
import { ZOOM_STEP } from "./view.js";

const TOOLS = [
  ["lasso", "Lasso: drag around points; Shift adds to the selection", "lasso_select"],
  ["box", "Box: drag over points; Shift adds to the selection", "select"],
  ["pan", "Move: drag the map", "open_with"],
];
const CONTOURS = { off: "off", all: "of all photos", class: "of each colour" };
const [FULL, LEAVE] = ["Full screen", "Leave full screen"];

// What the button of the contours shows next.
export function nextContours(mode) {
  const modes = Object.keys(CONTOURS);
  return modes[(modes.indexOf(mode) + 1) % modes.length];
}

// What fills the screen: the workspace of the page, so that its panel stays beside the map, or the chart alone.
export function fullScreenTarget(root) {
  return root.getRootNode().host?.closest(".st-key-workspace") ?? root;
}

// Save what is drawn: ground, density, points and overlay, with the provenance that the server sent.
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
  picture.toBlob(async (blob) =>
    saveFile(await withProvenance(blob, chart.state.data.provenance), "petalscope-map.png"),
  );
}

export function createToolbar(chart, bar) {
  const { state, over, root } = chart;
  let group = null;
  const newGroup = () => {
    group = element("span", "group");
    bar.append(group);
  };
  const nameButton = (node, name) => {
    node.title = name;
    node.setAttribute("aria-label", name);
  };
  // The symbol is a ligature of Streamlit's font; a document without that font draws it by its name.
  const setSymbol = (node, symbol) => {
    node.textContent = symbol;
    node.dataset.symbol = symbol;
  };
  const button = (name, symbol, onClick) => {
    const node = element("button", "tool");
    setSymbol(node, symbol);
    node.type = "button";
    nameButton(node, name);
    node.onclick = onClick;
    group.append(node);
    return node;
  };

  newGroup();
  const toolButtons = TOOLS.map(([tool, name, symbol]) => [
    tool,
    button(name, symbol, () => {
      choose(tool);
      chart.changed();
    }),
  ]);
  newGroup();
  button("Zoom in", "zoom_in", () => chart.zoom(ZOOM_STEP));
  button("Zoom out", "zoom_out", () => chart.zoom(1 / ZOOM_STEP));
  button("Show everything", "fit_screen", chart.fit);
  newGroup();
  const names = button("Names of the classes or clusters", "label", () => {
    state.names = !state.names;
    chart.changed();
  });
  const contours = button("", "adjust", () => {
    state.contours = nextContours(state.contours);
    chart.changed();
  });
  newGroup();
  const screen = button(FULL, "fullscreen", () =>
    document.fullscreenElement ? document.exitFullscreen() : fullScreenTarget(root).requestFullscreen(),
  );
  button("Save as PNG", "photo_camera", () => savePicture(chart));

  // Escape leaves full screen without this button.
  function followScreen() {
    if (!root.isConnected) document.removeEventListener("fullscreenchange", followScreen);
    const isFull = Boolean(document.fullscreenElement);
    nameButton(screen, isFull ? LEAVE : FULL);
    setSymbol(screen, isFull ? "fullscreen_exit" : "fullscreen");
  }

  // A finger that moves the map up or down scrolls the page, as elsewhere; one that draws does not.
  function choose(tool) {
    state.tool = tool;
    over.style.touchAction = tool === "pan" ? "pan-y" : "none";
    for (const [name, node] of toolButtons) node.setAttribute("aria-pressed", String(name === tool));
  }

  return {
    choose,
    update() {
      // A page that is drawn again after the chart was apart from it.
      document.addEventListener("fullscreenchange", followScreen);
      names.setAttribute("aria-pressed", String(state.names));
      contours.setAttribute("aria-pressed", String(state.contours !== "off"));
      nameButton(contours, `Density contours: ${CONTOURS[state.contours]}`);
    },
    // Without selection a drag can only move the map.
    allowSelection(isAllowed) {
      for (const [tool, node] of toolButtons) node.hidden = tool !== "pan" && !isAllowed;
      if (!isAllowed) choose("pan");
    },
  };
}
