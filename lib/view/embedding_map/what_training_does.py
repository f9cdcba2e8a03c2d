"""What training does to a space: the regimes' maps one after the other, aligned, with purity and test accuracy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from lib.embed import spaces
from lib.embed.procrustes import aligned
from lib.errors import ArtifactError
from lib.learn import results
from lib.learn import runs as records
from lib.prepare.workspace import Workspace
from lib.search import neighbourhoods
from lib.view import cached, photo_tiles, url_state
from lib.view.components import scatter
from lib.view.embedding_map import fidelity, plot
from lib.view.formatting import plain

# From no training on these photos to all of it; the frozen features of `transfer` are the backbone's own.
ORDER = ("scratch", "resnet18", "finetune", "init")


@st.cache_resource(max_entries=4, show_spinner="Aligning the maps")
def _planes(version: str, names: tuple[str, ...], _opened: Workspace) -> dict[str, np.ndarray]:
    """The maps by the spaces' titles, each turned to lie as near to the one before as it can."""
    planes = [_opened.map(names[0]).xy]
    for name in names[1:]:
        planes.append(aligned(_opened.map(name).xy, planes[-1]))
    return {spaces.get(name).title: xy.astype(np.float32) for name, xy in zip(names, planes, strict=True)}


@st.cache_resource(max_entries=4, show_spinner=False)
def _columns(version: str, names: tuple[str, ...], _opened: Workspace) -> tuple[scatter.Columns, ...]:
    photos, planes = cached.catalog(_opened), _planes(version, names, _opened)
    label = cached.traits(_opened, names[0])["label"]
    places = scatter.place_columns(photos.frame, next(iter(planes.values())))
    colour = scatter.colour_columns(label, photo_tiles.colours(photos), places["drawn"])
    # Density would be that of one plane only.
    return {**places, "density": None}, colour, scatter.way_columns(planes, places["drawn"])


def show(opened: Workspace) -> None:
    """The animation over the spaces that there are, and how to make the ones that are missing."""
    names = tuple(name for name in ORDER if name in opened.spaces)
    missing = [name for name in ORDER if name not in opened.spaces]
    if len(names) < 2:
        st.info(
            "Train networks on the Training regimes page and press *Make their spaces* there: then this shows how "
            "training rearranges the photos.",
            icon=":material/model_training:",
        )
        st.page_link(
            url_state.TRAINING,
            label="Train",
            icon=":material/model_training:",
            query_params=url_state.link_to(url_state.TRAINING, section="train"),
        )
        return
    photos, planes = cached.catalog(opened), list(_planes(opened.version, names, opened).values())
    places, colour, way = _columns(opened.version, names, opened)
    label = cached.traits(opened, names[0])["label"]
    scatter.show(
        places,
        colour,
        key="journey",
        plane=f"{opened.version[:8]} journey {' '.join(names)}",
        title=f"maps of {', '.join(names)}, one after the other, coloured by class",
        lit=plot.selected(photos),
        way=way,
        on_click=lambda row: plot.choose(photos, row),
        on_drawn=lambda drawn: plot.pick(photos, scatter.blend(planes, drawn.at), label, drawn),
    )
    scatter.peek("journey", lambda row: plot.thumbnail(opened, row))
    st.caption(
        "Each map is UMAP of one network's features, turned, mirrored and scaled to lie as near to the one before as "
        "it can (Procrustes). Between two maps points go straight: the way means nothing, the ends do. "
        "A lasso selects here, too, at any place of the way."
        + (f" Not made yet: {', '.join(missing)}." if missing else "")
    )
    st.caption(
        "Purity: how many of a photo's 10 nearest are of its class. A network has seen the labels of its training "
        "photos, so the test photos are the fair measure."
    )
    for name in names:
        if told := neighbourhoods.approximation_note(cached.neighbourhoods(opened, name).facts, ["cosine"]):
            st.caption(f"The nearest in {spaces.get(name).title} are {plain(told)}.")
    st.dataframe(_table(opened, names), width="stretch", hide_index=True, column_config=_COLUMNS)


_NUMBERS = ("Purity %, all photos", "Purity %, test photos", "Test accuracy %")
_COLUMNS = {name: st.column_config.NumberColumn(format="%.1f") for name in _NUMBERS}


def _table(opened: Workspace, names: tuple[str, ...]) -> pd.DataFrame:
    fingerprint = opened.state["dataset"]["fingerprint"]
    try:
        found = cached.runs(records.version(cached.current_settings()))
    except ArtifactError:  # told of on the page of the runs
        found = []
    tested = (cached.catalog(opened).frame["split"].to_numpy() == "test").astype(int)
    rows = []
    for name in names:
        weights = opened.space(name)["weights"]["name"]
        run = next((run for run in found if run["id"] == weights), None)
        of = f"run {weights}" if run else "no network of its own"
        accuracy = run["test_accuracy"] if run else None
        if name == "resnet18":
            mine = [
                row
                for row in results.table([run for run in found if run["dataset"]["fingerprint"] == fingerprint])
                if row["regime"] == "transfer" and row["weights"] == weights and row["accuracy"] is not None
            ]
            best = max(mine, key=lambda row: (row["preset"] == "full", len(row["seeds"])), default=None)
            accuracy = best["accuracy"] if best else None
            of = f"transfer, mean over {len(best['seeds'])} seeds, {best['preset']} preset" if best else of
        rows.append(
            {
                "Space": spaces.get(name).title,
                _NUMBERS[0]: fidelity.purity(opened, name, tested >= 0),
                _NUMBERS[1]: fidelity.purity(opened, name, tested == 1),
                _NUMBERS[2]: None if accuracy is None else 100 * accuracy,
                "Test accuracy of": of,
            }
        )
    return pd.DataFrame(rows)
