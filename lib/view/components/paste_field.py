"""A field that takes a picture from the clipboard. A small Streamlit component of our own.

The browser hands over at most `MOST_BYTES`; the server believes nobody and checks again.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

import streamlit as st

from lib.errors import QueryError

MOST_BYTES = 12_000_000

_CSS = """
.paste { box-sizing: border-box; width: 100%; padding: .6rem .7rem; border: 1px dashed var(--st-border-color);
         border-radius: .55rem; background: var(--st-secondary-background-color); color: var(--st-text-color);
         font-family: var(--st-font); font-size: .8rem; line-height: 1.35; text-align: center; cursor: text; }
.paste:focus { outline: 3px solid var(--st-primary-color); outline-offset: 1px; }
.paste.busy { opacity: .6; }
"""

_JS = """
export default function ({ parentElement, data, setTriggerValue }) {
  let field = parentElement.querySelector(".paste");
  if (!field) {
    field = document.createElement("div");
    parentElement.appendChild(field);
  }
  field.className = "paste";
  field.tabIndex = 0;
  field.setAttribute("role", "textbox");
  field.setAttribute("aria-label", "Paste a picture");
  const say = (text) => { field.textContent = text; };
  say("Click here and paste a picture (Ctrl V)");
  field.onpaste = (event) => {
    event.preventDefault();
    const items = [...event.clipboardData.items].filter((item) => item.kind === "file");
    const file = items.length ? items[0].getAsFile() : null;
    if (!file) return say("The clipboard holds no picture. Copy one and paste again.");
    if (file.size > data.most) return say(`This picture is larger than ${data.most / 1e6} MB. Upload it as a file.`);
    const reader = new FileReader();
    field.classList.add("busy");
    say("Reading the picture");
    reader.onload = () => setTriggerValue("pasted", String(reader.result).split(",", 2)[1] || "");
    reader.onerror = () => say("This picture could not be read.");
    reader.readAsDataURL(file);
  };
}
"""


@st.cache_resource
def _component() -> Any:
    return st.components.v2.component("petalscope_paste", css=_CSS, js=_JS)


def field(key: str, on_paste: Callable[[bytes | QueryError], None]) -> None:
    """The field; before the page runs again `on_paste` gets the pasted file's bytes, or why they were refused."""

    def pasted() -> None:
        value = st.session_state[key]["pasted"]
        if value is not None:
            try:
                on_paste(content(str(value)))
            except QueryError as error:
                on_paste(error)

    _component()(data={"most": MOST_BYTES}, key=key, on_pasted_change=pasted)


def content(word: str) -> bytes:
    """The bytes that a browser sent as base64; none when it is no base64. Raises QueryError when it is too long."""
    if len(word) > MOST_BYTES * 4 // 3 + 4:
        raise QueryError(f"This picture is larger than {MOST_BYTES / 1e6:.0f} MB; upload it as a file.")
    try:
        return base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        return b""
