"""Home: how the data was read, and its quality: duplicates, contradicting labels, files that were left out."""

from __future__ import annotations

import streamlit as st

from lib.data import data_notes, skipped_files
from lib.prepare.workspace import Workspace
from lib.view import cached, page_controls, photo_tiles, url_state
from lib.view.formatting import plain

_MOST_GROUPS = 30


def show(workspace: Workspace) -> None:
    """The files that were left out; duplicates once the user switches them on."""
    photos = cached.catalog(workspace)
    for sentence in data_notes.sentences(photos):
        st.caption(plain(sentence))
    if photos.factors:
        st.caption(plain(f"{photos.factors}."))
    if photos.skipped:
        if clause := skipped_files.summary(photos.skipped):
            st.caption(plain(f"{clause}."))
        with st.expander(f"Files and folders left out: {len(photos.skipped):,}", icon=":material/report:"):
            st.dataframe(photos.skipped, width="stretch", hide_index=True)
    if not st.toggle(
        "Find duplicates",
        **url_state.switch("audit"),
        help="Compares every photo with every other: a few seconds.",
    ):
        return
    groups = cached.audit_report(workspace)["duplicates"]
    conflicts = sum(group["conflict"] for group in groups)
    exact = sum(group["kind"] == "exact" for group in groups)
    st.markdown(
        f"**{exact}** photos occur more than once, **{len(groups) - exact}** pairs are nearly equal; **{conflicts}** "
        "of these groups have conflicting labels."
    )
    for place, group in enumerate(sorted(groups, key=lambda group: not group["conflict"])[:_MOST_GROUPS]):
        difference = "equal pixels" if group["kind"] == "exact" else f"{group['distance']} of 256 bits differ"
        st.caption(f"{'**Conflicting labels** · ' if group['conflict'] else ''}{difference}")
        photo_tiles.show_photos(
            workspace, group["ids"], key=f"group_{place}", title="Duplicates", notes=group["ids"], tile=112
        )
    page_controls.json_button(groups, "audit")
