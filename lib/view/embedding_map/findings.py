"""The findings panel: what stands out in a space, each finding with a button that selects its photos on the map."""

from __future__ import annotations

import streamlit as st

from lib.prepare.workspace import Workspace
from lib.search import neighbourhoods
from lib.text import counted
from lib.view import cached, photo_tiles, selection, url_state
from lib.view.formatting import plain

SHOW = "Show on the map"
REVIEW = "Check labels one by one"
# Findings about labels, which can be corrected.
REVIEWED = {"strays", "conflicts"}
MAX_PHOTOS = 16


def show(workspace: Workspace, space: str) -> None:
    """Every finding with its rule, its number of photos, and the first `MAX_PHOTOS` of them."""
    photos = cached.catalog(workspace)
    if note := neighbourhoods.approximation_note(cached.neighbourhoods(workspace, space).facts, ["cosine"]):
        st.caption(f"Each photo's nearest are {plain(note)}.")
    for finding in cached.findings(workspace, space):
        with st.container(border=True):
            st.markdown(f"**{finding.title}** · {len(finding.ids):,} of {counted(len(photos.frame), 'photo')}")
            st.caption(finding.about)
            if finding.name in REVIEWED:
                link = url_state.link_to(url_state.HOME, labels="true", space=space)
                st.page_link(url_state.HOME, label=REVIEW, icon=":material/rate_review:", query_params=link)
            if not finding.ids:
                continue
            st.button(
                SHOW,
                key=f"finding_{finding.name}",
                icon=":material/my_location:",
                on_click=selection.select,
                args=(finding.ids, photos.ids, photos.contents),
            )
            photo_tiles.show_photos(
                workspace,
                finding.ids[:MAX_PHOTOS],
                key=f"photos_{finding.name}",
                title=finding.title,
                notes=finding.notes[:MAX_PHOTOS],
                tile=72,
                row=True,
            )
