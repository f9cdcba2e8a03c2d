// What Plotly saves of a figure gets the page's provenance: the file that its camera makes is caught on its way, and
// saved with the provenance inside. Beside the camera a second button saves the figure as SVG.

import { isPicture, saveFile, withProvenance } from "./picture_files.js";

const OURS = "petalscope-svg";
const NAME = "Download plot as an SVG";

// The button that saves a figure as SVG, beside the camera: it lends the camera another format for one click.
function addButton(plot) {
  const camera = plot.querySelector('.modebar-btn[data-attr="toImage"], .modebar-btn[data-title^="Download plot"]');
  if (!camera || plot.querySelector(`.${OURS}`)) return;
  const button = camera.cloneNode(false);
  button.classList.add(OURS);
  button.dataset.title = NAME;
  button.setAttribute("aria-label", NAME);
  button.textContent = "SVG";
  Object.assign(button.style, { font: "600 10px/20px system-ui, sans-serif", color: "inherit" });
  button.onclick = () => {
    const options = plot._context?.toImageButtonOptions;
    if (!options) return;
    const { format } = options;
    options.format = "svg";
    camera.click(); // reads the format at once
    options.format = format;
  };
  camera.after(button);
}

export default function figureFiles({ data }) {
  async function save(event) {
    const link = event.target;
    if (!(link instanceof HTMLAnchorElement) || !isPicture(link)) return;
    event.preventDefault();
    event.stopPropagation();
    const name = link.download;
    const drawn = await fetch(link.href); // begins before Plotly forgets the file, right after the click
    saveFile(await withProvenance(await drawn.blob(), data.provenance), name);
  }
  // The bar of a figure is drawn anew with the figure, and shown where the pointer is.
  function reach({ target }) {
    const plot = target instanceof Element ? target.closest(".js-plotly-plot") : null;
    if (plot) addButton(plot);
  }
  document.addEventListener("click", save, true);
  document.addEventListener("pointerover", reach);
  return () => {
    document.removeEventListener("click", save, true);
    document.removeEventListener("pointerover", reach);
  };
}
