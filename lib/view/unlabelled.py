"""What a page says where its photos have no labels: one sentence, and the way to give some."""

from __future__ import annotations

import streamlit as st

from lib.prepare.workspace import Workspace
from lib.view import cached, url_state

LINK = "What to label first"


def stops(workspace: Workspace, what: str) -> bool:
    """Whether the photos have no labels, which `what`, a noun in the plural, cannot do without; then it is said."""
    if cached.catalog(workspace).classes:
        return False
    st.info(
        f"{what} need labels, and these photos have none. Sort them into a folder per class, or fill in a table of "
        "`id,label`; Home suggests which photos to begin with.",
        icon=":material/label_off:",
    )
    if url_state.open_page() != url_state.HOME:
        st.page_link(
            url_state.HOME,
            label=LINK,
            icon=":material/label:",
            query_params=url_state.link_to(url_state.HOME, sample="true"),
        )
    return True
