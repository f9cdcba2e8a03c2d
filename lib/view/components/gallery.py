"""Photos in a grid, each a real button: click, Enter or Space chooses it. A small Streamlit component of our own.

Names come from file systems, so the script writes them as text, never as HTML.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

_CSS = """
.grid { display: grid; gap: .55rem; grid-template-columns: repeat(auto-fill, minmax(min(var(--tile, 96px), 100%), 1fr));
        font-family: var(--st-font); color: var(--st-text-color); }
.grid.row { grid-auto-flow: column; grid-template-columns: none; grid-auto-columns: minmax(var(--tile, 96px), 1fr);
            /* Room for the ring of the chosen photo, which a row that scrolls would cut off. */
            overflow-x: auto; padding: 5px 5px .35rem; margin: -5px 0 0 -5px; }
button { all: unset; box-sizing: border-box; cursor: pointer; display: flex; flex-direction: column; min-width: 0;
         border: 1px solid var(--st-border-color); border-radius: .55rem; overflow: hidden; position: relative;
         background: var(--st-secondary-background-color); transition: transform .12s ease, box-shadow .12s ease; }
button:hover { transform: translateY(-2px); box-shadow: 0 4px 14px rgba(0, 0, 0, .22); }
button:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 2px; }
button.chosen { outline: 3px solid var(--st-primary-color); }
img { width: 100%; aspect-ratio: 1; object-fit: cover; display: block; background: var(--st-border-color); }
.words { padding: .28rem .4rem .34rem; font-size: .72rem; line-height: 1.25; border-top: 3px solid var(--mark); }
.label { font-weight: 600; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.note { opacity: .78; white-space: nowrap; overflow: hidden; text-overflow: ellipsis;
        font-variant-numeric: tabular-nums; }
.badge { position: absolute; top: .3rem; left: .3rem; padding: .04rem .36rem; border-radius: 1rem; font-size: .68rem;
         font-weight: 650; background: rgba(18, 14, 22, .78); color: #fff; font-variant-numeric: tabular-nums; }
.verdict { position: absolute; top: .3rem; right: .3rem; width: 1.1rem; height: 1.1rem; border-radius: 50%;
           color: #fff; font-size: .72rem; font-weight: 700; display: grid; place-items: center; }
.verdict.right { background: #00795a; } .verdict.wrong { background: #b34700; }
"""

_JS = """
export default function ({ parentElement, data, setTriggerValue }) {
  let grid = parentElement.querySelector(".grid");
  if (!grid) {
    grid = document.createElement("div");
    parentElement.appendChild(grid);
  }
  grid.className = data.row ? "grid row" : "grid";
  grid.style.setProperty("--tile", data.tile + "px");
  grid.setAttribute("role", "group");
  grid.setAttribute("aria-label", data.title);
  const part = (name, kind, text) => {
    const element = document.createElement(name);
    element.className = kind;
    element.textContent = text;
    return element;
  };
  const tiles = data.items.map((item) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = item.id;
    button.dataset.id = item.id;
    button.style.setProperty("--mark", item.colour);
    if (item.id === data.chosen) button.classList.add("chosen");
    const image = document.createElement("img");
    image.src = item.src;
    image.alt = item.alt;
    image.loading = "lazy";
    button.append(image);
    if (item.badge) button.append(part("span", "badge", item.badge));
    if (item.right !== null) {
      const mark = part("span", "verdict " + (item.right ? "right" : "wrong"), item.right ? "✓" : "✗");
      mark.setAttribute("aria-label", item.right ? "same class as the query" : "another class than the query");
      button.append(mark);
    }
    const words = part("div", "words", "");
    words.append(part("div", "label", item.label));
    for (const line of item.notes) words.append(part("div", "note", line));
    button.append(words);
    button.onclick = () => setTriggerValue("picked", item.id);
    return button;
  });
  grid.replaceChildren(...tiles);
}
"""


@dataclass(frozen=True)
class Tile:
    """One photo of a grid; `notes` are lines under its label. `right` marks it as of the query's class or not, and None
    shows no mark."""

    id: str
    src: str
    label: str
    colour: str
    notes: tuple[str, ...] = ()
    badge: str = ""
    right: bool | None = None
    alt: str = ""


def data_uri(jpeg: bytes) -> str:
    """A JPEG as an address that a page can show without asking the server."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


@st.cache_resource
def _component() -> Any:
    # Registered once per process: a second registration under the same name makes Streamlit warn.
    return st.components.v2.component("petalscope_gallery", css=_CSS, js=_JS)


def show(
    tiles: Sequence[Tile],
    *,
    key: str,
    title: str,
    on_pick: Callable[[str], None],
    tile: int = 96,
    row: bool = False,
    chosen: str | None = None,
) -> None:
    """Draw the photos; a click calls `on_pick` with the photo's id before the page runs again.

    `tile` is the least width of a photo in px; `row` keeps all in one row that scrolls.
    """

    def picked() -> None:
        value = st.session_state[key]["picked"]
        if value is not None:
            on_pick(str(value))

    data = {"items": [asdict(item) for item in tiles], "tile": tile, "row": row, "chosen": chosen, "title": title}
    _component()(data=data, key=key, on_picked_change=picked)
