"""Two rankings face to face, lines between equal photos, each photo a real button. A small component of our own.

Names come from file systems, so the script writes them as text, never as HTML.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import streamlit as st

from lib.view.components.gallery import Tile

_CSS = """
.ladder { display: grid; grid-template-columns: minmax(0, 1fr) minmax(44px, .5fr) minmax(0, 1fr);
          font-family: var(--st-font); color: var(--st-text-color); }
.head { font-weight: 650; font-size: .86rem; padding: 0 .3rem .4rem; line-height: 1.25; }
.head small { display: block; font-weight: 400; opacity: .75; font-size: .74rem; }
.head.left { text-align: right; } .head.right { grid-column: 3; }
.side { display: flex; flex-direction: column; min-width: 0; }
.step { height: var(--step); box-sizing: border-box; padding: 3px 0; position: relative; min-width: 0;
        transition: opacity .12s ease; }
button { all: unset; box-sizing: border-box; cursor: pointer; display: flex; align-items: center; gap: .6rem;
         width: 100%; height: 100%; border: 1px solid var(--st-border-color); border-radius: .55rem; overflow: hidden;
         background: var(--st-secondary-background-color); }
.left button { flex-direction: row-reverse; text-align: right; border-right: 4px solid var(--mark); }
.right button { border-left: 4px solid var(--mark); }
button:hover, .lit button { box-shadow: 0 0 0 2px var(--st-primary-color); }
button:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 1px; }
button.chosen { outline: 3px solid var(--st-primary-color); }
img { height: 100%; aspect-ratio: 1; object-fit: cover; display: block; flex: none;
      background: var(--st-border-color); }
.words { min-width: 0; flex: 1; font-size: .74rem; line-height: 1.28; padding: 0 .35rem; }
.words div { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; font-variant-numeric: tabular-nums; }
.words .ways { font-weight: 650; white-space: normal; }
.label { color: color-mix(in srgb, var(--st-text-color) 85%, transparent); }
.note { opacity: .72; }
.right-mark { color: var(--right); } .wrong-mark { color: var(--wrong); }
.why { position: absolute; bottom: 6px; font-size: .68rem; line-height: 1; padding: .2rem .42rem; border-radius: 1rem;
       cursor: pointer; border: 1px solid var(--st-border-color); background: var(--st-background-color);
       color: var(--st-text-color); }
.left .why { left: 6px; } .right .why { right: 6px; }
.why:hover, .why:focus-visible, .why.on { border-color: var(--st-primary-color); color: var(--st-primary-color);
       outline: none; }
svg { width: 100%; display: block; overflow: visible; }
path { fill: none; stroke-width: 2.4; opacity: .8; transition: opacity .12s ease, stroke-width .12s ease; }
path.stub { stroke-dasharray: 3 4; stroke-width: 1.4; opacity: .65; }
text { font-size: 10.5px; fill: var(--st-text-color); opacity: .7; font-variant-numeric: tabular-nums; }
.fade path:not(.lit), .fade .step:not(.lit), .fade text { opacity: .2; }
.fade path.lit { stroke-width: 4; opacity: 1; }
.none { opacity: .7; font-size: .82rem; padding: .6rem .3rem; }
"""

_JS = """
export default function ({ parentElement, data, setTriggerValue }) {
  let ladder = parentElement.querySelector(".ladder");
  if (!ladder) {
    ladder = document.createElement("div");
    parentElement.appendChild(ladder);
  }
  ladder.className = "ladder";
  ladder.style.setProperty("--step", data.step + "px");
  ladder.style.setProperty("--right", "light-dark(#00795a, #4fd1a5)");
  ladder.style.setProperty("--wrong", "light-dark(#b34700, #ff9d5c)");
  const part = (name, kind, text) => {
    const element = document.createElement(name);
    element.className = kind;
    element.textContent = text;
    return element;
  };
  const lit = (id) => {
    ladder.classList.toggle("fade", id !== null);
    for (const each of ladder.querySelectorAll("[data-of]")) each.classList.toggle("lit", each.dataset.of === id);
  };
  const step = (item) => {
    const box = part("div", "step", "");
    box.dataset.of = item.id;
    const button = part("button", item.id === data.chosen ? "chosen" : "", "");
    button.type = "button";
    button.title = item.id;
    button.dataset.id = item.id;
    button.style.setProperty("--mark", item.colour);
    const image = document.createElement("img");
    image.src = item.src;
    image.alt = item.alt;
    image.loading = "lazy";
    const words = part("div", "words", "");
    words.append(part("div", "ways", item.badge));
    const label = part("div", "label", item.label);
    if (item.right !== null) {
      const mark = part("span", item.right ? "right-mark" : "wrong-mark", item.right ? " ✓" : " ✗");
      mark.setAttribute("aria-label", item.right ? "same class as the query" : "another class than the query");
      label.append(mark);
    }
    words.append(label);
    for (const line of item.notes) words.append(part("div", "note", line));
    button.append(image, words);
    button.onclick = () => setTriggerValue("picked", item.id);
    const why = part("span", item.id === data.asked ? "why on" : "why", "why?");
    why.setAttribute("role", "button");
    why.setAttribute("aria-label", "why " + item.id);
    why.tabIndex = 0;
    why.onclick = () => setTriggerValue("why", item.id);
    why.onkeydown = (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); why.onclick(); }
    };
    box.append(button);
    if (data.step >= 60) box.append(why);
    for (const [event, id] of [["mouseenter", item.id], ["mouseleave", null], ["focusin", item.id], ["focusout", null]])
      box.addEventListener(event, () => lit(id));
    return box;
  };
  const side = (items, kind, title) => {
    const column = part("div", "side " + kind, "");
    column.setAttribute("role", "group");
    column.setAttribute("aria-label", title);
    if (items.length) column.append(...items.map(step));
    else column.append(part("div", "none", "No photo is like that."));
    return column;
  };
  const head = (kind, [title, note]) => {
    const element = part("div", "head " + kind, title);
    element.append(part("small", "", note));
    return element;
  };
  const space = "http://www.w3.org/2000/svg";
  const height = data.step * Math.max(data.left.length, data.right.length, 1);
  const lines = document.createElementNS(space, "svg");
  lines.setAttribute("viewBox", `0 0 100 ${height}`);
  lines.setAttribute("preserveAspectRatio", "none");
  lines.setAttribute("height", height);
  lines.setAttribute("role", "img");
  lines.setAttribute("aria-label", data.about);
  const y = (place) => (place + 0.5) * data.step;
  const draw = (d, colour, kind, id) => {
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", d);
    path.setAttribute("class", kind);
    path.setAttribute("vector-effect", "non-scaling-stroke");
    path.style.stroke = colour;
    path.dataset.of = id;
    lines.append(path);
  };
  const places = new Map(data.right.map((item, place) => [item.id, place]));
  data.left.forEach((item, place) => {
    const other = places.get(item.id);
    if (other === undefined) return draw(`M0 ${y(place)} H22`, item.colour, "stub", item.id);
    draw(`M0 ${y(place)} C50 ${y(place)} 50 ${y(other)} 100 ${y(other)}`, item.colour, "", item.id);
    places.delete(item.id);
  });
  for (const [id, place] of places) draw(`M100 ${y(place)} H78`, data.right[place].colour, "stub", id);
  ladder.replaceChildren(head("left", data.heads[0]), head("right", data.heads[1]),
    side(data.left, "left", data.titles[0]), lines, side(data.right, "right", data.titles[1]));
}
"""


@st.cache_resource
def _component() -> Any:
    return st.components.v2.component("petalscope_ladder", css=_CSS, js=_JS)


def show(
    left: Sequence[Tile],
    right: Sequence[Tile],
    *,
    key: str,
    titles: tuple[str, str],
    heads: tuple[tuple[str, str], tuple[str, str]],
    about: str,
    on_pick: Callable[[str], None],
    on_why: Callable[[str], None],
    chosen: str | None = None,
    asked: str | None = None,
) -> None:
    """Draw both rankings; a tile's badge says where each side ranks its photo, equal ids are joined by a line.

    `titles` name the two groups for screen readers, `heads` are a line and a smaller one above each, `about` says in
    words what the lines show. A click calls `on_pick`, a click on a tile's "why?" calls `on_why`, with the photo's id.
    """

    def told(name: str, call: Callable[[str], None]) -> None:
        value = st.session_state[key][name]
        if value is not None:
            call(str(value))

    data = {
        "left": [asdict(tile) for tile in left],
        "right": [asdict(tile) for tile in right],
        "step": 76 if max(len(left), len(right)) <= 25 else 60,
        "titles": titles,
        "heads": heads,
        "about": about,
        "chosen": chosen,
        "asked": asked,
    }
    _component()(
        data=data,
        key=key,
        on_picked_change=lambda: told("picked", on_pick),
        on_why_change=lambda: told("why", on_why),
    )
