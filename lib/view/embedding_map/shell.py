"""The places of the map page: one row of controls, the canvas for the maps, and the panel beside it.

`shell.css` gives them the whole window. In a narrow one the controls fold into a sheet and the panel comes below.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

# The browser opens and closes it without the server; only a narrow window shows it.
_SHEET = '<details class="ps-sheet"><summary>Controls</summary></details>'


@dataclass(frozen=True)
class Shell:
    """The page's containers. `notes` lie between the controls and the map, and take no room while they are empty."""

    controls: DeltaGenerator
    notes: DeltaGenerator
    canvas: DeltaGenerator
    panel: DeltaGenerator


def begin() -> Shell:
    """Draw the empty places."""
    st.html(f"<style>{_css()}</style>")
    with st.container(key="workspace"):
        st.html(_SHEET)
        controls = st.container(key="map_controls", horizontal=True, vertical_alignment="center", gap="small")
        notes = st.container(key="map_notes")
        with st.container(key="stage"):
            canvas, panel = st.container(key="canvas"), st.container(key="panel")
    return Shell(controls, notes, canvas, panel)


@cache
def _css() -> str:
    return Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
