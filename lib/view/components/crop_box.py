"""A picture on which one draws the part to search with. A small Streamlit component of our own.

The part is left, top, right and bottom in whole percent. Sliders beneath do the same from the keyboard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

Box = tuple[int, int, int, int]
LEAST = 5
MIDDLE: Box = (25, 25, 75, 75)

_CSS = """
.crop { position: relative; width: 100%; touch-action: none; cursor: crosshair; border-radius: .55rem; overflow: hidden;
        user-select: none; }
.crop img { width: 100%; display: block; pointer-events: none; }
.part { position: absolute; border: 2px solid #fff; outline: 2px solid var(--st-primary-color); pointer-events: none;
        box-shadow: 0 0 0 999px rgba(0, 0, 0, .55); }
"""

_JS = """
export default function ({ parentElement, data, setTriggerValue }) {
  let frame = parentElement.querySelector(".crop");
  if (!frame) {
    frame = document.createElement("div");
    frame.className = "crop";
    frame.append(document.createElement("img"), document.createElement("div"));
    frame.lastChild.className = "part";
    parentElement.appendChild(frame);
  }
  const [image, part] = frame.children;
  if (image.src !== data.src) image.src = data.src;
  image.alt = data.alt;
  const show = ([left, top, right, bottom]) => Object.assign(part.style, {
    left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%` });
  show(data.box);
  const at = (event) => {
    const box = frame.getBoundingClientRect();
    const share = (value) => Math.round(Math.min(100, Math.max(0, 100 * value)));
    return [share((event.clientX - box.left) / box.width), share((event.clientY - box.top) / box.height)];
  };
  const between = ([x, y], [u, v]) => [Math.min(x, u), Math.min(y, v), Math.max(x, u), Math.max(y, v)];
  let from = null;
  frame.onpointerdown = (event) => { from = at(event); frame.setPointerCapture(event.pointerId); };
  frame.onpointermove = (event) => { if (from) show(between(from, at(event))); };
  frame.onpointercancel = () => { from = null; show(data.box); };
  frame.onpointerup = (event) => {
    if (!from) return;
    const drawn = between(from, at(event));
    from = null;
    if (drawn[2] - drawn[0] < data.least || drawn[3] - drawn[1] < data.least) return show(data.box);
    setTriggerValue("drawn", drawn.join(","));
  };
}
"""


@st.cache_resource
def _component() -> Any:
    return st.components.v2.component("petalscope_crop", css=_CSS, js=_JS)


def boxed(word: object) -> Box | None:
    """The part that `word` ("25,25,75,75") names; None when it names none."""
    try:
        left, top, right, bottom = (int(number) for number in str(word).split(","))
    except ValueError:
        return None
    fair = 0 <= left <= right - LEAST and right <= 100 and 0 <= top <= bottom - LEAST and bottom <= 100
    return (left, top, right, bottom) if fair else None


def draw(src: str, alt: str, box: Box, *, key: str, on_drawn: Callable[[Box], None]) -> None:
    """The picture at `src` with the part `box` bright; `on_drawn` gets a new part before the page runs again."""

    def drawn() -> None:
        found = boxed(st.session_state[key]["drawn"])
        if found is not None:
            on_drawn(found)

    _component()(data={"src": src, "alt": alt, "box": box, "least": LEAST}, key=key, on_drawn_change=drawn)

    def slid() -> None:
        (left, right), (top, bottom) = st.session_state[f"{key}_across"], st.session_state[f"{key}_down"]
        found = boxed(f"{left},{top},{right},{bottom}")
        if found is not None:
            on_drawn(found)

    st.session_state[f"{key}_across"], st.session_state[f"{key}_down"] = (box[0], box[2]), (box[1], box[3])
    st.slider("Across, %", 0, 100, key=f"{key}_across", on_change=slid)
    st.slider("Down, %", 0, 100, key=f"{key}_down", on_change=slid)
