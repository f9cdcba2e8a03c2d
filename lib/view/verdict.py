"""The heading of a page with its verdict: one computed sentence with its uncertainty, and a link to its evidence."""

from __future__ import annotations

import html

import streamlit as st

from lib.measure.verdicts import Verdict
from lib.view import url_state
from lib.view.formatting import plain

# The place of the verdict, in the session's state.
_PLACE = "verdict_place"


def begin(title: str, lead: str) -> None:
    """The heading, and `lead` until a verdict takes its place."""
    with st.container(key="heading", horizontal=True, vertical_alignment="center", gap="small"):
        st.title(title, anchor=False, width="content")
        place = st.empty()
    place.html(f'<p class="ps-lead">{html.escape(lead)}</p>')
    st.session_state[_PLACE] = place


def show(verdict: Verdict, *, page: str = "", label: str = "Evidence", **choices: str) -> None:
    """Put the verdict beside the heading; `page` (of `url_state`) and `choices` make a link to what it rests on.

    Without `page` there is no link: the evidence stands below on the same page.
    """
    with st.session_state[_PLACE].container(key="verdict", horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(plain(verdict.text), help=plain(verdict.about) or None, width="content")
        if page and page == url_state.open_page():
            # A link to the page itself would show the place without writing it into the browser's address.
            st.button(label, icon=":material/arrow_forward:", key="evidence", on_click=url_state.write, kwargs=choices)
        elif page:
            link = url_state.link_to(page, **choices)
            st.page_link(page, label=label, icon=":material/arrow_forward:", query_params=link, width="content")
