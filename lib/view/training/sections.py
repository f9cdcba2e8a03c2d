"""The sections of the training page, and the choice of one."""

from __future__ import annotations

import streamlit as st

from lib.view import page_controls, url_state

# By the value of the link parameter `section`.
SECTIONS = {
    "results": "Results",
    "run": "Inside a run",
    "network": "The network",
    "train": "Train here",
}
NO_RUN = (
    "No training run is recorded yet, neither bundled nor in your artifacts folder. Train one under "
    f"*{SECTIONS['train']}*, or with `python -m lib train --preset quick`; its curves appear here."
)


def choose() -> str:
    """The section: a control kept in the address."""
    return page_controls.segments("Show", SECTIONS, url_state.SECTION, "training", "results", label_is_shown=False)


def nothing_yet() -> None:
    """The empty state where there is no run."""
    st.info(NO_RUN, icon=":material/hourglass_empty:")
