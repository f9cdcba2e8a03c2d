"""The provenance of a page's numbers: behind the ⓘ of the bar, and the same lines in what the page exports."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

LABEL = "About these numbers"
# Names in the session's state: the place in the bar, what the page shows, and the lines of the page's last run.
_PLACE, _LEAD, _LINES = "provenance_place", "provenance_lead", "provenance_lines"


def begin(lead: str) -> None:
    """Keep a place in the bar, and forget the lines of the page before."""
    st.session_state[_PLACE] = st.empty()
    st.session_state[_LEAD] = lead
    st.session_state[_LINES] = {}


def show(lines: Mapping[str, str]) -> None:
    """The ⓘ that opens `lines`, names and values. A second call on a page adds its lines, or replaces equal names."""
    collected: dict[str, str] = st.session_state[_LINES]
    collected |= lines
    with st.session_state[_PLACE].popover("", icon=":material/info:", help=LABEL):
        st.markdown(f"**{LABEL}**")
        st.caption(st.session_state[_LEAD])
        st.code(text(), language=None, wrap_lines=True)


def lines() -> dict[str, str]:
    """The provenance that the page has told so far, for its exports; a copy."""
    return dict(st.session_state.get(_LINES, {}))


def text() -> str:
    """`lines` as text, a line each."""
    return "\n".join(f"{name}: {value}" for name, value in lines().items())
