"""How training rearranges a space: the regimes' maps as an animation, with purity and test accuracy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from lib.documents.runs import ResultRow
from lib.embed import spaces
from lib.embed.procrustes import aligned
from lib.errors import ArtifactError
from lib.export import point_columns
from lib.export.point_columns import Columns
from lib.learn import results
from lib.learn import runs as records
from lib.prepare.workspace import Workspace
from lib.search import neighbourhoods
from lib.view import cached, provenance, unlabelled, url_state
from lib.view.components import hover_photo, scatter
from lib.view.embedding_map import fidelity, plot, sections
from lib.view.formatting import percent, plain

# From no training on these photos to all of it; the frozen features of `transfer` are those of the backbone.
ORDER = ("scratch", "resnet18", "finetune", "init")
_KEY = "journey"


@st.cache_resource(max_entries=4, show_spinner="Aligning the maps", hash_funcs=cached.KEYS)
def _aligned_maps(workspace: Workspace, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The maps (n, 2), float32, by the titles of their spaces, each aligned with the one before."""
    maps = [workspace.map(names[0]).xy]
    for name in names[1:]:
        maps.append(aligned(workspace.map(name).xy, maps[-1]))
    return {spaces.get(name).title: xy.astype(np.float32) for name, xy in zip(names, maps, strict=True)}


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs=cached.KEYS)
def _columns(workspace: Workspace, names: tuple[str, ...]) -> tuple[Columns, ...]:
    """What the component draws: the places on the first map, the colours of the classes, and the other maps."""
    photos, maps = cached.catalog(workspace), _aligned_maps(workspace, names)
    label = plot.trait_of(workspace, names[0])
    places = point_columns.place_columns(photos.frame, next(iter(maps.values())))
    colour = scatter.colour_columns(label, plot.colours(photos, label), places["drawn"])
    # The density would be that of one map only.
    return {**places, "density": None}, colour, scatter.animation_columns(maps, places["drawn"])


def names_of(workspace: Workspace) -> tuple[str, ...]:
    """The spaces that the animation goes through, in order; with fewer than two there is none."""
    return tuple(name for name in ORDER if name in workspace.spaces)


def is_drawn(workspace: Workspace, section: str) -> bool:
    """Whether the animation takes the place of the map."""
    return section == sections.TRAINING and len(names_of(workspace)) > 1


def draw(workspace: Workspace) -> None:
    """The animation over at least two spaces, coloured by class, with the selection lit."""
    names = names_of(workspace)
    photos, maps = cached.catalog(workspace), list(_aligned_maps(workspace, names).values())
    places, colour, animation = _columns(workspace, names)
    label = plot.trait_of(workspace, names[0])
    scatter.show(
        places,
        colour,
        key=_KEY,
        plane=f"{workspace.version[:8]} {_KEY} {' '.join(names)}",
        title=f"maps of {', '.join(names)}, one after the other, coloured by class",
        lit=plot.selected(photos),
        animation=animation,
        provenance=provenance.text(),
        on_click=lambda row: plot.choose(photos, row),
        on_drawn=lambda drawn: plot.select(photos, scatter.interpolate(maps, drawn.position), label, drawn),
    )
    hover_photo.serve(_KEY, lambda row: plot.thumbnail(workspace, row))


def show(workspace: Workspace) -> None:
    """What the animation shows and the measures of its spaces, or how to create the missing ones."""
    if unlabelled.stops(workspace, "Networks that are trained here"):
        return
    names = names_of(workspace)
    missing = [name for name in ORDER if name not in workspace.spaces]
    if len(names) < 2:
        _show_how_to_begin()
        return
    st.markdown(
        "The slider under the map moves the photos from one network's map to the next, coloured by class; space, "
        "colour and comparison rest meanwhile."
    )
    st.dataframe(_table(workspace, names), width="stretch", hide_index=True, column_config=_COLUMN_CONFIG)
    st.caption(
        "Purity: the share of a photo's 10 nearest that are of its class. A network was trained with the labels of "
        "its training photos, so the test photos are the fair measure."
    )
    st.caption(
        "Each map is UMAP of one network's features, rotated, mirrored and scaled to match the map before "
        "(Procrustes). Intermediate positions are only animation. A lasso selects at any position."
        + (f" Not created yet: {', '.join(missing)}." if missing else "")
    )
    for name in names:
        if note := neighbourhoods.approximation_note(cached.neighbourhoods(workspace, name).facts, ["cosine"]):
            st.caption(f"The nearest in {spaces.get(name).title} are {plain(note)}.")


def _show_how_to_begin() -> None:
    st.info(
        "Train networks on the Training regimes page and press *Create embeddings* there; then the map shows how "
        "training rearranges the photos.",
        icon=":material/model_training:",
    )
    st.page_link(
        url_state.TRAINING,
        label="Train",
        icon=":material/model_training:",
        query_params=url_state.link_to(url_state.TRAINING, section="train"),
    )


_PURITY_ALL, _PURITY_TEST, _ACCURACY = "Purity %, all photos", "Purity %, test photos", "Test accuracy %"
_COLUMN_CONFIG = {name: st.column_config.NumberColumn(format="%.1f") for name in (_PURITY_ALL, _PURITY_TEST, _ACCURACY)}


def _table(workspace: Workspace, names: tuple[str, ...]) -> pd.DataFrame:
    """Purity and test accuracy, a row for each space."""
    try:
        runs = cached.runs(records.version(cached.current_settings()))
    except ArtifactError:  # the page of the runs shows the error
        runs = []
    is_test = cached.catalog(workspace).frame["split"].to_numpy() == "test"
    rows = []
    for name in names:
        accuracy, source = _test_accuracy(workspace, name, runs)
        rows.append(
            {
                "Space": spaces.get(name).title,
                _PURITY_ALL: fidelity.purity(workspace, name, np.ones(len(is_test), dtype=bool)),
                _PURITY_TEST: fidelity.purity(workspace, name, is_test),
                _ACCURACY: percent(accuracy),
                "Test accuracy of": source,
            }
        )
    return pd.DataFrame(rows)


def _test_accuracy(workspace: Workspace, space: str, runs: list[results.Run]) -> tuple[float | None, str]:
    """The test accuracy of a space's network, and the run or runs that it is from.

    For the backbone: of the classifiers that `transfer` trained on it, those of the best preset with most seeds.
    """
    record = workspace.space(space)["weights"]
    weights = None if record is None else record["name"]
    run = next((run for run in runs if run["id"] == weights), None)
    if space == "resnet18":
        fingerprint = workspace.state["dataset"]["fingerprint"]
        candidates: list[ResultRow] = [
            row
            for row in results.table([run for run in runs if run["dataset"]["fingerprint"] == fingerprint])
            if row["regime"] == "transfer" and row["weights"] == weights and row["accuracy"] is not None
        ]
        best = max(candidates, key=lambda row: (row["preset"] == "full", len(row["seeds"])), default=None)
        if best is not None:
            return best["accuracy"], f"transfer, mean over {len(best['seeds'])} seeds, {best['preset']} preset"
        return None, f"run {weights}" if run else "no network of its own"
    return (run["test_accuracy"], f"run {weights}") if run else (None, "no network of its own")
