"""Which maps the page shows: the space, its layout, and a second map to compare with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import streamlit as st

from lib.embed import projection, spaces
from lib.embed.procrustes import similarity_transform
from lib.embed.projection import Map, MapParameters
from lib.errors import QueryError
from lib.prepare.workspace import Workspace
from lib.search import neighbourhoods
from lib.view import cached, page_controls, url_state
from lib.view.embedding_map import map_jobs
from lib.view.formatting import plain

NOT_COMPUTED = "This map is not computed yet; PCA is shown instead."
COMPUTE = "Compute it now"
_NONE = "nothing"  # the value of "no second map" in the address
_METHODS = {"umap": "UMAP", "pca": "PCA"}
_METRICS = ("cosine", "euclidean")


@dataclass(frozen=True)
class DisplayedMap:
    """One map on the page: `original` as it is stored, drawn rotated and scaled by `transform` (2, 2) and `shift` (2,).

    The main map is drawn as it is stored; a second one is aligned with it.
    """

    space: str
    parameters: MapParameters
    original: Map
    transform: np.ndarray = field(default_factory=lambda: np.eye(2))
    shift: np.ndarray = field(default_factory=lambda: np.zeros(2))

    @cached_property
    def map(self) -> Map:
        """The map as it is drawn."""
        return replace(self.original, xy=self.displayed(self.original.xy))

    def displayed(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 2) of the stored map where they are drawn, float32 (n, 2)."""
        return np.asarray(points.astype(np.float64) @ self.transform + self.shift, dtype=np.float32)

    @property
    def title(self) -> str:
        """For headings: the space and the method of the layout."""
        return f"{spaces.get(self.space).title} · {self.map.facts['method']}"


# --- layout of the main map ------------------------------------------------------------------------------------------


def parameters_choice(workspace: Workspace, space: str) -> MapParameters:
    """The parameters of the layout: controls behind a button, kept in the address unless they are the default ones."""
    default = workspace.map_parameters(space)
    chosen = _linked_parameters(default)
    with st.popover(_summary(chosen), icon=":material/tune:", help="Method and parameters of the map"):
        with st.form("map_form", border=False):
            method = st.segmented_control(
                "Method", list(_METHODS), default=chosen.method, format_func=_METHODS.__getitem__, required=True
            )
            n_neighbors = st.slider(
                "n_neighbors", 2, 200, chosen.n_neighbors, help="UMAP: low shows fine structure, high the overall one."
            )
            min_dist = st.slider(
                "min_dist", 0.0, 0.99, chosen.min_dist, 0.01, help="UMAP: how tightly points may be packed."
            )
            metric = st.selectbox("Metric", _METRICS, index=_METRICS.index(chosen.metric))
            if st.form_submit_button("Draw this map", type="primary", width="stretch"):
                new = replace(chosen, method=str(method), n_neighbors=n_neighbors, min_dist=min_dist, metric=metric)
                _choose_parameters(workspace, space, new, default)
        if chosen != default and st.button("Back to the default map", icon=":material/undo:", width="stretch"):
            url_state.write(map=None)
            st.rerun()
    return chosen


def _summary(parameters: MapParameters) -> str:
    if parameters.method == "pca":
        return f"PCA, {parameters.metric}"
    return f"UMAP {parameters.n_neighbors} / {parameters.min_dist:g}, {parameters.metric}"


def _linked_parameters(default: MapParameters) -> MapParameters:
    """The parameters in the address; the default ones where it has none or they are not valid."""
    word = url_state.parameter("map")
    if not word:
        return default
    try:
        method, n_neighbors, min_dist, metric = word.split(",")
        return replace(default, method=method, n_neighbors=int(n_neighbors), min_dist=float(min_dist), metric=metric)
    except (ValueError, QueryError):
        return default


def _choose_parameters(workspace: Workspace, space: str, new: MapParameters, default: MapParameters) -> None:
    """Write the parameters into the address, start to compute their map where it is missing, and redraw the page."""
    if new == default:
        url_state.write(map=None)
    else:
        url_state.write(map=f"{new.method},{new.n_neighbors},{new.min_dist:g},{new.metric}")
        is_missing = cached.space_map(workspace, space, new) is None
        if is_missing and not map_jobs.map_jobs().start(cached.current_settings(), space, new):
            st.toast("Another map is being computed; try again when it is finished.")
    st.rerun()


def main_map(workspace: Workspace, space: str, parameters: MapParameters) -> DisplayedMap:
    """The map with these parameters. While it is missing: PCA, and the progress or a button to compute the map."""
    stored_map = cached.space_map(workspace, space, parameters)
    if stored_map is not None:
        return DisplayedMap(space, parameters, stored_map)
    job = map_jobs.map_jobs().job
    if job is not None and job.running:
        map_jobs.follow()
    else:
        if job is not None and job.error and (job.space, job.parameters) == (space, parameters):
            st.error(plain(job.error), icon=":material/error:")
        st.info(NOT_COMPUTED, icon=":material/hourglass_empty:")
        if st.button(COMPUTE, icon=":material/play_arrow:"):
            map_jobs.map_jobs().start(cached.current_settings(), space, parameters)
            st.rerun()
    return DisplayedMap(space, _default_parameters(workspace, space, "pca"), stored(workspace, space, "pca"))


def stored(workspace: Workspace, space: str, method: str) -> Map:
    """The map of a space by `umap` or `pca` that `prepare` made. Raises ArtifactError when it is missing."""
    return cached.space_map(workspace, space, _default_parameters(workspace, space, method)) or workspace.map(
        space, method
    )


def _default_parameters(workspace: Workspace, space: str, method: str) -> MapParameters:
    return replace(workspace.map_parameters(space), method=method)


# --- the second map --------------------------------------------------------------------------------------------------


def comparison_choice(workspace: Workspace, space: str, *, disabled: bool = False) -> str:
    """What to compare the map with: nothing, another space, or this space by PCA."""
    titles = {_NONE: "none"}
    titles |= {name: title for name, title in page_controls.menu_titles(workspace).items() if name != space}
    titles["pca"] = "PCA of this space"
    bound = url_state.choice("beside", "map", list(titles), _NONE)
    return str(st.selectbox("Compare with", list(titles), format_func=titles.__getitem__, disabled=disabled, **bound))


def second_map(workspace: Workspace, main: DisplayedMap, comparison: str) -> DisplayedMap | None:
    """The second map, aligned with the main one (Procrustes); None for no comparison."""
    if comparison == _NONE:
        return None
    space = main.space if comparison == "pca" else comparison
    parameters = (
        _default_parameters(workspace, space, "pca") if comparison == "pca" else workspace.map_parameters(space)
    )
    stored_map = stored(workspace, space, parameters.method)
    return DisplayedMap(space, parameters, stored_map, *similarity_transform(stored_map.xy, main.map.xy))


def facts(workspace: Workspace, main: DisplayedMap, second: DisplayedMap | None) -> dict[str, object]:
    """How the maps and their neighbours were computed, for the line under the heading."""
    chips: dict[str, object] = {"Map": _provenance(main)}
    if second is not None:
        weights = workspace.space(second.space)["weights"]
        about = weights["about"] if weights else "no weights"
        chips["Compared with"] = f"{spaces.get(second.space).title}, {about}, {_provenance(second)}"
    # Colours, lines and fidelity all rest on these neighbours.
    for name in dict.fromkeys(shown.space for shown in (main, second) if shown is not None):
        if note := neighbourhoods.approximation_note(cached.neighbourhoods(workspace, name).facts):
            chips[f"Nearest in {spaces.get(name).title}"] = note
    return chips


def _provenance(shown: DisplayedMap) -> str:
    layout = shown.original.facts
    used = projection.parameters_used(layout, len(shown.original.xy))
    parameters = ", ".join(
        f"{name} {used[name]}" for name in ("n_neighbors", "min_dist", "metric", "seed") if name in used
    )
    near = layout.get("neighbours", {})
    approximation = (
        f", neighbours by {near['by']} (recall {near['recall']:.1%})" if near.get("found") == "approximate" else ""
    )
    return f"{layout['method']}, {parameters}, from {layout['input']}{approximation}"
