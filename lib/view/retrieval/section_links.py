"""Links between the sections of the retrieval page, and on to the map: what a click sets before the page runs."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from lib.view import selection, url_state

L1_COSINE, GRIDS = "l1-cosine", "grids"
SPACES, WHAT_IF = "spaces", "what-if"
FEATURES, DEPTH = "features", "depth"


def to_grids(space: str) -> Callable[[str], None]:
    """A click handler that searches with the photo in `space` under every metric."""
    return lambda image_id: selection.choose_query(image_id, section=GRIDS, space=space)


def to_two_configurations(
    space: str, a: str = "l1", b: str = "cosine", other_space: str | None = None
) -> Callable[[str], None]:
    """A click handler that compares the photo's results under metric `a` in `space` and `b` in `other_space`, which is
    `space` unless another one is given."""
    return lambda image_id: selection.choose_query(
        image_id, section=L1_COSINE, space=space, a=a, b=b, bspace=other_space or space
    )


def to_map(space: str, label: str, *, colour: str) -> None:
    """Draw a link to the map of a space, coloured by a trait, with the query and the selection."""
    st.page_link(
        url_state.MAP,
        label=label,
        icon=":material/scatter_plot:",
        query_params=url_state.link_to(url_state.MAP, space=space, colour=colour),
    )
