"""An image on which the user draws the crop to search with.

A crop is left, top, right and bottom in whole percent of the image. Two sliders below it do the same from the keyboard.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from lib.view.components import assets

Box = tuple[int, int, int, int]
# The smallest side of a crop, in percent.
MIN_SIDE = 5
DEFAULT_BOX: Box = (25, 25, 75, 75)


def parse_box(word: object) -> Box | None:
    """The crop that `word` ("25,25,75,75") names; None for anything else, and for a crop that is too small."""
    try:
        left, top, right, bottom = (int(number) for number in str(word).split(","))
    except ValueError:
        return None
    is_valid = 0 <= left <= right - MIN_SIDE and right <= 100 and 0 <= top <= bottom - MIN_SIDE and bottom <= 100
    return (left, top, right, bottom) if is_valid else None


def draw(src: str, alt: str, box: Box, *, key: str, on_drawn: Callable[[Box], None]) -> None:
    """The image at `src` with the crop `box` bright; `on_drawn` gets a new crop before the page runs again."""
    across, down = f"{key}_across", f"{key}_down"

    def drawn() -> None:
        new_box = parse_box(st.session_state[key]["drawn"])
        if new_box is not None:
            on_drawn(new_box)

    def slid() -> None:
        (left, right), (top, bottom) = st.session_state[across], st.session_state[down]
        new_box = parse_box(f"{left},{top},{right},{bottom}")
        if new_box is not None:
            on_drawn(new_box)

    data = {"src": src, "alt": alt, "box": box, "least": MIN_SIDE}
    assets.component("crop_box")(data=data, key=key, on_drawn_change=drawn)
    st.session_state[across], st.session_state[down] = (box[0], box[2]), (box[1], box[3])
    st.slider("Across, %", 0, 100, key=across, on_change=slid)
    st.slider("Down, %", 0, 100, key=down, on_change=slid)
