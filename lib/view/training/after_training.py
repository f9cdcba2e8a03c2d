"""Where to go after a training: links to the curves of its last run, into that run, and to the map of its space."""

from __future__ import annotations

import streamlit as st

from lib.embed import spaces
from lib.errors import PetalscopeError
from lib.learn.live_status import Status
from lib.learn.results import Run
from lib.view import cached, url_state
from lib.view.training.run_choice import short_name

CURVES, INSIDE, MAP = "Its curves", "Inside this run", "The map of its space"


def links(status: Status, runs: list[Run]) -> None:
    """The links, where the run that `status` ended with is among the recorded `runs`."""
    run = next((run for run in reversed(runs) if run["id"] == status.run_id), None)
    if run is None or status.message:
        return
    chosen = {"runs": short_name(run), "regimes": run["regime"]}
    with st.container(horizontal=True, gap="small"):
        _link(url_state.TRAINING, CURVES, ":material/show_chart:", section="results", **chosen)
        _link(url_state.TRAINING, INSIDE, ":material/search:", section="run", run=run["id"], **chosen)
        if space := space_of(run):
            _link(url_state.MAP, MAP, ":material/scatter_plot:", space=space)


def space_of(run: Run) -> str | None:
    """The prepared space of the network of `run`: None where there is none yet, or it is of another network."""
    name = spaces.ALIASES.get(run["regime"], run["regime"])
    if name not in spaces.SPACES:
        return None
    try:
        prepared = cached.open_workspace().state["spaces"]
    except PetalscopeError:
        return None
    weights = prepared[name]["weights"] if name in prepared else None
    # A frozen backbone is still that of the weights it started from.
    network = run["weights"] if spaces.SPACES[name].regime is None else run["id"]
    return name if weights is not None and weights["name"] == network else None


def _link(page: str, label: str, icon: str, **choices: str) -> None:
    st.page_link(page, label=label, icon=icon, query_params=url_state.link_to(page, **choices), width="content")
