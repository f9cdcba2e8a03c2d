"""Reproduce this: the link, the command and a short program behind a measurement on a page."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import streamlit as st

from lib.measure.reproduction import Reproduction
from lib.view import url_state

TITLE = "Reproduce this"
ABOUT_PROGRAM = (
    "Program, with NumPy, pandas and scikit-learn; it reads the results of `prepare` from `PETALSCOPE_ARTIFACTS`"
)


def show(found: Reproduction) -> None:
    """The box, closed at first."""
    with st.expander(TITLE, icon=":material/replay:"):
        show_link()
        if found.command:
            st.caption("Command; add `--json` for JSON")
            st.code(found.command, language="bash", wrap_lines=True)
        st.caption(ABOUT_PROGRAM)
        st.code(found.program, language="python")


def show_link() -> None:
    """The link to the view that is open."""
    st.caption("Link to this view")
    st.code(link(), language=None, wrap_lines=True)


def link() -> str:
    """The address of this view, with the page's own parameters only, whatever else stands in the address."""
    page = url_state.open_page()
    parameters = {name: values for name in url_state.NAMES.get(page, ()) if (values := url_state.parameters(name))}
    base = (st.context.url or Path(page).stem.lstrip("0123456789_")).partition("?")[0]
    return f"{base}?{urlencode(parameters, doseq=True)}"
