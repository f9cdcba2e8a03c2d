"""What the user has chosen, shared by all pages and kept in the page's address: the query photo."""

from __future__ import annotations

import streamlit as st

QUERY = "q"


def query() -> str | None:
    """Id of the query photo: from the address (a link wins), else from this session."""
    linked = st.query_params.get(QUERY)
    if linked:
        st.session_state[QUERY] = linked
    chosen = st.session_state.get(QUERY)
    if chosen and not linked:
        st.query_params[QUERY] = chosen
    return chosen


def choose(image_id: str) -> None:
    """Make a photo the query on every page."""
    st.session_state[QUERY] = image_id
    st.query_params[QUERY] = image_id


def forget() -> None:
    """No photo is the query any more."""
    st.session_state.pop(QUERY, None)
    st.query_params.pop(QUERY, None)


def link() -> dict[str, str]:
    """The part of an address that carries the query to another page."""
    chosen = st.session_state.get(QUERY)
    return {QUERY: chosen} if chosen else {}
