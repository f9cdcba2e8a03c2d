"""Which maps the map page shows: of which space, laid out how, and what beside it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import streamlit as st

from lib.embed import spaces
from lib.embed.procrustes import similarity
from lib.embed.projection import Map, MapParameters
from lib.errors import QueryError
from lib.prepare.workspace import Workspace
from lib.search import neighbourhoods
from lib.view import cached, url_state
from lib.view.embedding_map import map_jobs
from lib.view.formatting import plain

NOTHING = "nothing"


@dataclass(frozen=True)
class DisplayedMap:
    """One map on the page. `turn` (2, 2) and `shift` (2,) lead from `made`, as it is stored, to what is drawn."""

    space: str
    parameters: MapParameters
    made: Map
    turn: np.ndarray = field(default_factory=lambda: np.eye(2))
    shift: np.ndarray = field(default_factory=lambda: np.zeros(2))

    @cached_property
    def map(self) -> Map:
        """The map as it is drawn."""
        return replace(self.made, xy=self.turned(self.made.xy))

    def turned(self, places: np.ndarray) -> np.ndarray:
        """Places (n, 2) on the map as it was made, as they are drawn."""
        return np.asarray(places.astype(np.float64) @ self.turn + self.shift, dtype=np.float32)

    @property
    def title(self) -> str:
        """For headings: the space and how it was laid out."""
        return f"{spaces.get(self.space).title} · {self.map.facts['method']}"


def parameters_choice(opened: Workspace, space: str) -> MapParameters:
    """How the map is laid out: controls behind a button, kept in the address once a map is asked for."""
    usual = opened.map_parameters(space)
    asked = _asked(usual)
    with st.popover(_words(asked), icon=":material/tune:", width="stretch"):
        with st.form("map_form", border=False):
            names = {"umap": "UMAP", "pca": "PCA"}
            method = st.segmented_control(
                "Method", list(names), default=asked.method, format_func=names.__getitem__, required=True
            )
            near = st.slider(
                "n_neighbors", 2, 200, asked.n_neighbors, help="UMAP: few show fine structure, many the whole."
            )
            apart = st.slider(
                "min_dist", 0.0, 0.99, asked.min_dist, 0.01, help="UMAP: how tightly points may be packed."
            )
            metric = st.selectbox("Metric", ["cosine", "euclidean"], index=["cosine", "euclidean"].index(asked.metric))
            if st.form_submit_button("Draw this map", type="primary", width="stretch"):
                wanted = replace(asked, method=str(method), n_neighbors=near, min_dist=apart, metric=metric)
                _ask(opened, space, wanted, usual)
        if asked != usual and st.button("Back to the usual map", icon=":material/undo:", width="stretch"):
            url_state.write(map=None)
            st.rerun()
    return asked


def _words(asked: MapParameters) -> str:
    if asked.method == "pca":
        return f"PCA, {asked.metric}"
    return f"UMAP {asked.n_neighbors} / {asked.min_dist:g}, {asked.metric}"


def _asked(usual: MapParameters) -> MapParameters:
    """What the address asks for; the usual map when that is nothing or makes no sense."""
    word = url_state.parameter("map")
    if not word:
        return usual
    try:
        method, near, apart, metric = str(word).split(",")
        return replace(usual, method=method, n_neighbors=int(near), min_dist=float(apart), metric=metric)
    except (ValueError, QueryError):
        return usual


def _ask(opened: Workspace, space: str, wanted: MapParameters, usual: MapParameters) -> None:
    word = f"{wanted.method},{wanted.n_neighbors},{wanted.min_dist:g},{wanted.metric}"
    if wanted == usual:
        url_state.write(map=None)
    else:
        url_state.write(map=word)
        if cached.space_map(opened, space, wanted) is None and not map_jobs.map_jobs().start(
            cached.current_settings(), space, wanted
        ):
            st.toast("Another map is being made; press again when it is done.")
    st.rerun()


def shown(opened: Workspace, space: str, wanted: MapParameters) -> DisplayedMap:
    """The map that was asked for; until it is there PCA, which always is, and the making of the other one."""
    found = cached.space_map(opened, space, wanted)
    if found is not None:
        return DisplayedMap(space, wanted, found)
    making = map_jobs.map_jobs().making
    mine = making is not None and making.space == space and making.parameters == wanted
    if making is not None and making.running:
        map_jobs.follow()
    elif making is not None and mine and making.error:
        st.error(plain(making.error), icon=":material/error:")
    if making is None or not making.running:
        st.info("This map is not made yet; PCA is shown in its place.", icon=":material/hourglass_empty:")
        if st.button("Make it now", icon=":material/play_arrow:"):
            map_jobs.map_jobs().start(cached.current_settings(), space, wanted)
            st.rerun()
    return DisplayedMap(space, _usual(opened, space, "pca"), stored(opened, space, "pca"))


def stored(opened: Workspace, space: str, method: str) -> Map:
    """The map of a space that `prepare` made, by `umap` or `pca`. Raises ArtifactError when missing."""
    return cached.space_map(opened, space, _usual(opened, space, method)) or opened.map(space, method)


def _usual(opened: Workspace, space: str, method: str) -> MapParameters:
    return replace(opened.map_parameters(space), method=method)


def beside_choice(opened: Workspace, space: str) -> str:
    """What is drawn beside the map: nothing, another space, or this one by PCA."""
    titles = {NOTHING: "Nothing"}
    titles |= {name: spaces.get(name).title for name in opened.spaces if name != space}
    titles["pca"] = "The same by PCA"
    tied = url_state.choice("beside", "map", list(titles), NOTHING)
    return str(st.selectbox("Beside it", list(titles), format_func=titles.__getitem__, **tied))


def beside(opened: Workspace, main: DisplayedMap, chosen: str) -> DisplayedMap | None:
    """The second map, turned to lie as near to the main one as it can; None when there is to be none."""
    if chosen == NOTHING:
        return None
    space = main.space if chosen == "pca" else chosen
    parameters = _usual(opened, space, "pca") if chosen == "pca" else opened.map_parameters(space)
    found = stored(opened, space, parameters.method)
    return DisplayedMap(space, parameters, found, *similarity(found.xy, main.map.xy))


def facts(opened: Workspace, main: DisplayedMap, other: DisplayedMap | None) -> dict[str, object]:
    """How the maps were made, for the line under the heading."""
    found: dict[str, object] = {"Map": _how(main)}
    if other is not None:
        weights = opened.space(other.space)["weights"]
        found["Beside"] = (
            f"{spaces.get(other.space).title}, {weights['about'] if weights else 'no weights'}, {_how(other)}"
        )
    # What photos are coloured, found and judged by.
    for name in dict.fromkeys(each.space for each in (main, other) if each is not None):
        if told := neighbourhoods.approximation_note(cached.neighbourhoods(opened, name).facts):
            found[f"Nearest in {spaces.get(name).title}"] = told
    return found


def _how(shown: DisplayedMap) -> str:
    told = shown.made.facts
    names = ("n_neighbors", "min_dist", "metric", "seed")
    near = told.get("neighbours", {})
    rough = f", neighbours by {near['by']} (recall {near['recall']:.1%})" if near.get("found") == "approximate" else ""
    return (
        f"{told['method']}, {', '.join(f'{name} {told[name]}' for name in names if name in told)}, "
        f"from {told['input']}{rough}"
    )
