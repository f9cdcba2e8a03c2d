"""How far a map can be trusted, in numbers and in words."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import streamlit as st

from lib.data.catalog import Catalog
from lib.embed import spaces
from lib.embed.procrustes import disparity
from lib.prepare.workspace import Workspace
from lib.view import cached, page_controls
from lib.view.embedding_map import map_choice, plot
from lib.view.embedding_map.map_choice import DisplayedMap
from lib.view.formatting import plain

Measure = Literal["trustworthiness", "continuity", "preservation"]
_MEASURES: dict[Measure, tuple[str, str]] = {
    "trustworthiness": (
        "Trustworthiness",
        "Are neighbours on the map also near in the space? 1 means always; it falls with how far off they are "
        "(Venna and Kaski 2001).",
    ),
    "continuity": (
        "Continuity",
        "Are neighbours in the space also near on the map? 1 means always; it falls when the map tears them apart.",
    ),
    "preservation": (
        "Neighbours kept",
        "Of each photo's nearest in the space, the share that is also among its nearest on the map.",
    ),
}
_ALL_PHOTOS, _TEST_PHOTOS = "all photos", "test photos"


def show(workspace: Workspace, main: DisplayedMap, second: DisplayedMap | None, colour: str) -> None:
    """How far the maps can be trusted, what their colours mean, how two of them differ, and how to read one."""
    for shown in filter(None, (main, second)):
        st.markdown(f"**{shown.title}**")
        show_measures(workspace, shown, "main" if shown is main else "other")
    st.caption(plot.colour_note(workspace, main, colour))
    if second is not None:
        show_comparison(workspace, cached.catalog(workspace), main, second)
    how_to_read(main)


def show_measures(workspace: Workspace, shown: DisplayedMap, key: str = "main") -> None:
    """The three measures of a map, each with that of the other method (UMAP or PCA) on the same vectors."""
    other = map_choice.stored(workspace, shown.space, "umap" if shown.map.facts["method"] == "PCA" else "pca")
    columns = st.container(key=f"numbers_{key}").columns(3)
    for column, (measure, (title, about)) in zip(columns, _MEASURES.items(), strict=True):
        value, other_value = (each.facts["fidelity"][measure] for each in (shown.map, other))
        column.metric(
            title,
            _formatted(measure, value),
            help=about + _sample_note(shown, measure),
            delta=None if other_value is None else f"{other.facts['method']} {_formatted(measure, other_value)}",
            delta_color="off",
            delta_arrow="off",
        )
    if note := approximation_note(shown):
        st.caption(note)


def _sample_note(shown: DisplayedMap, measure: str) -> str:
    """Over which photos the mean is taken, and how many neighbours of each photo count."""
    measured = shown.map.facts["fidelity"]
    n = len(shown.map.preserved)
    if not measured["k"]:
        return " Not measured here: too few photos, or all have the same vector."
    ranked = n if measure == "preservation" else measured["ranked"]
    photos = f"a random sample of {ranked:,} photos" if ranked < n else f"all {n:,} photos"
    return f" Here: the {measured['k']} nearest, over {photos}."


def approximation_note(shown: DisplayedMap) -> str:
    """What to know of a map that was made from approximate neighbours; "" for exact ones."""
    near = shown.map.facts.get("neighbours", {})
    if near.get("found") != "approximate":
        return ""
    return (
        f"For so many photos the neighbours in the space are approximate ({plain(near['by'])}): {near['recall']:.1%} "
        f"of them are exact, measured on {near['sample']:,} photos. *Neighbours kept* is counted against them; "
        "trustworthiness and continuity use the exact neighbours of their sample."
    )


def _formatted(measure: str, value: float | None) -> str:
    if value is None:
        return "—"
    return f"{value:.1%}" if measure == "preservation" else f"{value:.3f}"


def how_to_read(shown: DisplayedMap) -> None:
    """What a map shows and what it does not, with this map's own numbers."""
    measured = shown.map.facts["fidelity"]
    k, method = measured["k"], shown.map.facts["method"]
    loss = (
        f"Here {measured['preservation']:.0%} of each photo's {k} nearest in the space are still its {k} nearest on "
        "the map; the others lie elsewhere."
        if measured["preservation"] is not None
        else "There are too few photos here to measure the loss, or all have the same vector."
    )
    ranked = measured["ranked"]
    sample = "" if ranked == len(shown.map.xy) else f" (trustworthiness and continuity on {ranked:,})"
    st.markdown(
        f"""
- **Near is meaningful, far is not.** Neighbouring points have similar vectors. {loss}
- **The distance between two clusters and the size of a cluster mean little** in UMAP: it evens out density and
  places clusters where there is room. Compare neighbours, not gaps.
- **The axes have no unit**, and a rotated or mirrored map is the same map.
- **Look at the lines**: they join the query with its true neighbours in the full space. Long lines are the map's
  errors.
- **Colour by *Neighbours kept*** to see point by point where the map can be trusted, and compare it with PCA, which
  keeps large distances instead: `Compare with → PCA of this space`.
- **Change n_neighbors**: structure that stays is in the data, structure that comes and goes is from the method.

Measured on all {len(shown.map.xy):,} photos{sample}, {k} neighbours each: this {method} map against the vectors that it
was made from ({shown.map.facts["input"]}, {shown.map.facts["metric"]} distance). {approximation_note(shown)}
"""
    )


def show_comparison(workspace: Workspace, photos: Catalog, left: DisplayedMap, right: DisplayedMap) -> None:
    """Two maps in numbers: how far they differ, and the purity of neighbourhoods by class in both spaces."""
    st.caption(
        "The right map is rotated, mirrored and scaled to match the left one (Procrustes); "
        f"{disparity(left.map.xy, right.map.xy):.0%} of its extent still differs. A selection shows on both maps."
    )
    if left.space == right.space or not photos.classes:
        return
    labels, is_test = photos.frame["label"].to_numpy(), photos.frame["split"].to_numpy() == "test"
    groups = {**{label: labels == label for label in photos.classes}, _ALL_PHOTOS: labels != "", _TEST_PHOTOS: is_test}
    names = (left.space, right.space)
    table = pd.DataFrame(
        {spaces.get(name).title: [purity(workspace, name, mask) for mask in groups.values()] for name in names},
        index=list(groups),
    )
    left_title, right_title = table.columns
    table["Difference, points"] = table[right_title] - table[left_title]
    st.markdown("**Purity by class**: the share of the 10 nearest that are of the same class, in %")
    number = st.column_config.NumberColumn(format="%.1f")
    st.dataframe(table.rename_axis("Class"), column_config=dict.fromkeys(table.columns, number), width="stretch")
    if any(spaces.get(name).regime for name in names):
        st.caption(
            "A network was trained with the labels of its training photos, so for trained spaces only the last row is "
            "a fair measure."
        )
    page_controls.csv_button(table.reset_index(names="class"), "purity")


def purity(workspace: Workspace, space: str, mask: np.ndarray) -> float:
    """Mean purity in a space of the photos in `mask`, bool (n,), in %; NaN when there are none."""
    values = cached.traits(workspace, space)["purity"].values[mask]
    return float(100 * np.nanmean(values)) if np.isfinite(values).any() else float("nan")
