// A field that takes an image from the clipboard.

import { element } from "./dom.js";

export default function pasteField({ parentElement, data, setTriggerValue }) {
  let field = parentElement.querySelector(".paste");
  if (!field) {
    field = element("div");
    parentElement.appendChild(field);
  }
  field.className = "paste";
  field.tabIndex = 0;
  field.setAttribute("role", "textbox");
  field.setAttribute("aria-label", data.label);
  const show = (text) => {
    field.textContent = text;
  };
  show("Click here and paste an image (Ctrl V)");
  field.onpaste = (event) => {
    event.preventDefault();
    const file = [...event.clipboardData.items].find((item) => item.kind === "file")?.getAsFile();
    if (!file) {
      show("The clipboard holds no image. Copy one and paste again.");
      return;
    }
    if (file.size > data.most) {
      show(`This image is larger than ${data.most / 1e6} MB. Upload it as a file.`);
      return;
    }
    const reader = new FileReader();
    field.classList.add("busy");
    show("Reading the image");
    reader.onload = () => setTriggerValue("pasted", String(reader.result).split(",", 2)[1] || "");
    reader.onerror = () => show("This image could not be read.");
    reader.readAsDataURL(file);
  };
}
