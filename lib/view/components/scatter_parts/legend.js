// The legend: a button for each colour that hides its points, a colour scale for numbers, and, in a place of its own so
// that it moves nothing, what the lines are.

import { element } from "../dom.js";

export function toggled(hidden, code) {
  const next = new Set(hidden);
  if (!next.delete(code)) next.add(code);
  return next;
}

// What a double click hides: all codes but this one, or nothing where this one was already alone before the first click.
export function isolated(codes, code, hiddenBefore) {
  const others = codes.filter((other) => other !== code);
  const wasAlone = hiddenBefore.size === others.length && !hiddenBefore.has(code);
  return new Set(wasAlone ? [] : others);
}

const rounded = (value) => String(Number(value.toPrecision(3)));

function scaleItems({ title, low, high }, palette) {
  const strip = element("span", "strip");
  strip.style.background = `linear-gradient(90deg, ${palette.filter((_, i) => i % 16 === 0).join(", ")})`;
  return [
    element("span", "title", title),
    element("span", "", rounded(low)),
    strip,
    element("span", "", rounded(high)),
  ];
}

function lineItems({ start_name, end_name }, ink) {
  return [
    [start_name, "ring"],
    [end_name, "rings"],
  ].map(([text, className]) => {
    const item = element("span", `entry ${className}`);
    const dot = element("i");
    dot.style.borderColor = ink;
    item.append(dot, element("span", "", text));
    return item;
  });
}

export function createLegend(chart, node, linesNode) {
  const { state } = chart;
  let hiddenBefore = new Set(); // what was hidden before the last single click
  let drawn = ""; // the legend as it is in the document, without the pressed states

  function entryItem({ name, code, colour }, codes) {
    const item = element("button", "entry");
    const dot = element("i");
    dot.style.setProperty("--colour", colour);
    dot.style.borderColor = chart.rim(colour);
    item.append(dot, element("span", "", name));
    item.type = "button";
    item.title = "Click to hide; double-click to show only this";
    item.setAttribute("aria-pressed", String(!state.hidden.has(code)));
    item.onclick = (event) => {
      if (event.detail === 2) {
        chart.hide(isolated(codes, code, hiddenBefore));
        return;
      }
      hiddenBefore = state.hidden;
      chart.hide(toggled(state.hidden, code));
    };
    return item;
  }

  // The element that has the focus or was just clicked stays in the document, or a second click would miss it.
  function updateInPlace(items) {
    items.forEach((item, i) => {
      if (!item.hasAttribute("aria-pressed")) return;
      node.children[i].setAttribute("aria-pressed", item.getAttribute("aria-pressed"));
      node.children[i].onclick = item.onclick;
    });
  }

  return {
    update() {
      const { legend, scale, palette, lines, ink } = state.data;
      const codes = legend.map(({ code }) => code);
      const items = [...(scale ? scaleItems(scale, palette) : []), ...legend.map((entry) => entryItem(entry, codes))];
      linesNode.replaceChildren(...(lines ? lineItems(lines, ink) : []));
      const next = JSON.stringify(items.map((item) => item.outerHTML.replace(/aria-pressed="\w+"/, "")));
      if (next === drawn) updateInPlace(items);
      else node.replaceChildren(...items);
      drawn = next;
    },
  };
}
