"""The photo of the point under the pointer, for a chart of `scatter`: only this component runs again for it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from lib.view.components import assets


@st.fragment
def serve(chart: str, photo: Callable[[int], str]) -> None:
    """Send the chart whose key is `chart` the photo of the point under the pointer.

    `photo` returns the address of the photo in a catalog row, "" where there is none.
    """
    key, hovered_row = f"{chart}_peek", f"{chart}_peeked"

    def hovered() -> None:
        st.session_state[hovered_row] = st.session_state[key]["hovered"]

    row = st.session_state.get(hovered_row)
    if not isinstance(row, int) or isinstance(row, bool):
        row = None
    data = {"chart": chart, "row": -1 if row is None else row, "src": "" if row is None else photo(row)}
    assets.component("hover_photo")(data=data, key=key, on_hovered_change=hovered)
