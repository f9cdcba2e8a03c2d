"""The step after a training: embeddings of the photos by the trained networks, where some are missing."""

from __future__ import annotations

import streamlit as st

from lib.embed import spaces
from lib.errors import PetalscopeError
from lib.learn import runs as records
from lib.prepare.workspace import Workspace
from lib.view import background_jobs, cached

CREATE = "Create embeddings"


def section(workspace: Workspace) -> None:
    """The offer to embed the photos with newly trained networks, or the progress of that job."""
    try:
        missing = _missing(workspace)
    except PetalscopeError:  # a damaged record; the page has shown its error already
        return
    if background_jobs.follow_or_show_error() or not missing:
        return
    titles = ", ".join(spaces.SPACES[name].title for name in missing)
    st.markdown(f"These networks have no embeddings of your photos yet, for the map and for retrieval: {titles}.")
    if st.button(CREATE, icon=":material/scatter_plot:", key="make_spaces"):
        background_jobs.start_prepare(cached.current_settings(), cached.release_store, missing)
        st.rerun()
    st.caption(f"The same as `python -m lib prepare --spaces {','.join(missing)}`.")


def _missing(workspace: Workspace) -> list[str]:
    """Spaces of trained networks that are not prepared, or that were prepared with an older network."""
    photos, settings = cached.catalog(workspace), cached.current_settings()
    prepared = workspace.state["spaces"]
    best = {
        space.name: records.best(settings, space.regime, photos) for space in spaces.SPACES.values() if space.regime
    }
    networks = {name: weights["name"] for name, entry in prepared.items() if (weights := entry["weights"]) is not None}
    return [name for name, run_id in best.items() if run_id is not None and networks.get(name) != run_id]
