"""From one view of the retrieval page to another, and on to the map: what a click there sets before the page runs."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from lib.view import selection, url_state

FIVE, SIDE = "Five metrics", "Side by side"


def to_five(space: str) -> Callable[[str], None]:
    """What a click on a photo does: search with it in `space` under every metric."""
    return lambda image_id: _go(image_id, FIVE, {"space": space})


def to_sides(space: str, a: str = "l1", b: str = "cosine", beside: str | None = None) -> Callable[[str], None]:
    """What a click on a photo does: put its answers by two metrics side by side, the second in the space `beside` if
    that is another one."""
    return lambda image_id: _go(image_id, SIDE, {"space": space, "a": a, "b": b, "bspace": beside or space})


def _go(image_id: str, view: str, choices: dict[str, str]) -> None:
    selection.choose(image_id, view=view, **choices)


def to_map(space: str, label: str, *, colour: str) -> None:
    """A link to the map of a space, coloured by a trait, with the query and the selection."""
    st.page_link(
        url_state.MAP,
        label=label,
        icon=":material/scatter_plot:",
        query_params=url_state.link_to(url_state.MAP, space=space, colour=colour),
    )
