"""The provenance of a page's numbers: behind the ⓘ of the bar, and the same lines in what the page exports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from lib import documents
from lib.view.components import figure_files

LABEL = "About these numbers"
# Names in the session's state: the place in the bar, what the page shows, and the lines of the page's last run.
_PLACE, _LEAD, _LINES = "provenance_place", "provenance_lead", "provenance_lines"
# The place of what puts the lines into saved figures, and how often it was filled: each time needs a key of its own.
_FIGURES, _TIMES = "provenance_figures", "provenance_times"


def begin(lead: str) -> None:
    """Keep a place in the bar, and forget the lines of the page before."""
    st.session_state[_PLACE] = st.empty()
    st.session_state[_LEAD] = lead
    st.session_state[_LINES] = {}
    st.session_state[_TIMES] = 0


def begin_figures() -> None:
    """Keep a place, without height, for what puts the lines into the pictures of figures that are saved."""
    st.session_state[_FIGURES] = st.empty()


def show(lines: Mapping[str, str]) -> None:
    """The ⓘ that opens `lines`, names and values. A second call on a page adds its lines, or replaces equal names."""
    collected: dict[str, str] = st.session_state[_LINES]
    collected |= lines
    with st.session_state[_PLACE].popover("", icon=":material/info:", help=LABEL):
        st.markdown(f"**{LABEL}**")
        st.caption(st.session_state[_LEAD])
        st.code(text(), language=None, wrap_lines=True)
    st.session_state[_TIMES] += 1
    with st.session_state[_FIGURES]:
        figure_files.complete(text(), f"figure_files_{st.session_state[_TIMES]}")


def lines() -> dict[str, str]:
    """The provenance that the page has named so far, for its exports; a copy."""
    return dict(st.session_state.get(_LINES, {}))


def text() -> str:
    """`lines` as text, a line each."""
    return "\n".join(f"{name}: {value}" for name, value in lines().items())


def comment(facts: Mapping[str, str]) -> str:
    """The first line of a CSV file: `# ` and `facts` as JSON; "" without any.

    Readers skip it by `skiprows=1`, not by `comment="#"`: ids may hold a "#".
    """
    return f"# {documents.json_text(dict(facts))}\n" if facts else ""


def added_to(value: Any, facts: Mapping[str, str]) -> Any:
    """A JSON document with `facts` as its `provenance`: a key of an object, else beside the value as `rows`.

    A document that has a `provenance` of its own keeps it.
    """
    if not facts:
        return value
    return {"provenance": dict(facts)} | (value if isinstance(value, dict) else {"rows": value})
