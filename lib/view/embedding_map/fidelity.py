"""How far a map can be trusted, in numbers and in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from lib.data.catalog import Catalog
from lib.embed import spaces
from lib.embed.procrustes import disparity
from lib.prepare.workspace import Workspace
from lib.view import cached, page_controls
from lib.view.embedding_map import map_choice
from lib.view.embedding_map.map_choice import DisplayedMap
from lib.view.formatting import plain

_HELP = {
    "trustworthiness": (
        "Trustworthiness",
        "Are those that the map shows as neighbours really near? 1 is always; it falls with how far off they are "
        "(Venna and Kaski 2001).",
    ),
    "continuity": (
        "Continuity",
        "Are those that are really near shown near? 1 is always; it falls when the map tears neighbours apart.",
    ),
    "preservation": (
        "Neighbours kept",
        "Of each photo's nearest in the space, the share that is nearest on the map, too.",
    ),
}


def strip(opened: Workspace, shown: DisplayedMap, key: str = "main") -> None:
    """The three measures of a map, each beside those of the other method on the same vectors."""
    other = map_choice.stored(opened, shown.space, "umap" if shown.map.facts["method"] == "PCA" else "pca")
    name = other.facts["method"]
    columns = st.container(key=f"numbers_{key}").columns(3)
    for column, (measure, (title, explained)) in zip(columns, _HELP.items(), strict=True):
        value, than = (each.facts["fidelity"][measure] for each in (shown.map, other))
        column.metric(
            title,
            _number(measure, value),
            help=explained + _over(shown, measure),
            delta=None if than is None else f"{name} {_number(measure, than)}",
            delta_color="off",
            delta_arrow="off",
        )
    if told := approximate(shown):
        st.caption(told)


def _over(shown: DisplayedMap, measure: str) -> str:
    """Over which photos the mean is taken, and how many neighbours of each are looked at."""
    told = shown.map.facts["fidelity"]
    n = len(shown.map.preserved)
    if not told["k"]:
        return " Here: too few photos to tell."
    ranked = n if measure == "preservation" else told["ranked"]
    of = f"a random sample of {ranked:,} photos" if ranked < n else f"all {n:,} photos"
    return f" Here: the {told['k']} nearest, over {of}."


def approximate(shown: DisplayedMap) -> str:
    """What to know of a map whose neighbours are not exact ones; "" where they are."""
    near = shown.map.facts.get("neighbours", {})
    if near.get("found") != "approximate":
        return ""
    return (
        f"Of so many photos the neighbours in the space are approximate ({plain(near['by'])}): {near['recall']:.1%} "
        f"of them are exact, measured on {near['sample']:,} photos. *Neighbours kept* is counted against these; "
        "trustworthiness and continuity know the exact ones of their sample."
    )


def _number(measure: str, value: float | None) -> str:
    if value is None:
        return "—"
    return f"{value:.1%}" if measure == "preservation" else f"{value:.3f}"


def how_to_read(shown: DisplayedMap) -> None:
    """What a map says and what it does not, with this map's own numbers."""
    told = shown.map.facts["fidelity"]
    method = shown.map.facts["method"]
    lost = (
        f"Here {told['preservation']:.0%} of each photo's {told['k']} nearest in the space are still its {told['k']} "
        "nearest on the plane; the rest were squeezed elsewhere."
        if told["preservation"] is not None
        else "There are too few photos here to measure what is lost."
    )
    sample = "" if told["ranked"] == len(shown.map.xy) else f" (trustworthiness and continuity on {told['ranked']:,})"
    st.markdown(
        f"""
- **Near is meaningful, far is not.** Points side by side have much the same vector. {lost}
- **The distance between two clusters and the size of a cluster mean little** in UMAP: it evens out density and
  places clusters where there is room. Compare neighbours, not gaps.
- **The axes have no unit**, and a turned or mirrored map is the same map.
- **Look at the lines**: they join the query with its true neighbours in all dimensions. Long ones are the map's errors.
- **Colour by *Neighbours kept*** to see where the map can be trusted point by point, and compare it with PCA, which
  keeps large distances instead: `Beside it → The same by PCA`.
- **Change n_neighbors**: what stays is in the data, what comes and goes is the method's.

Measured on all {len(shown.map.xy):,} photos{sample}, {told["k"]} neighbours each, for this {method} map against what it
was made from ({shown.map.facts["input"]}, {shown.map.facts["metric"]} distance). {approximate(shown)}
"""
    )


def two(opened: Workspace, photos: Catalog, left: DisplayedMap, right: DisplayedMap) -> None:
    """Two maps in numbers: purity of the neighbourhoods by class under each space, and how far the planes differ."""
    gap = disparity(left.map.xy, right.map.xy)
    st.caption(
        f"The right map is turned, mirrored and scaled to lie as near to the left one as it can (Procrustes); "
        f"{gap:.0%} of its extent still differs. A lasso in one lights the other."
    )
    if left.space == right.space:
        return
    labels, tested = photos.frame["label"].to_numpy(), photos.frame["split"].to_numpy() == "test"
    rows = {**{label: labels == label for label in photos.classes}, "all photos": labels != "", "test photos": tested}
    table = pd.DataFrame(
        {
            spaces.get(name).title: [purity(opened, name, rows[row]) for row in rows]
            for name in (left.space, right.space)
        },
        index=list(rows),
    )
    one, other = table.columns
    table["Difference, points"] = table[other] - table[one]
    st.markdown("**Purity by class**: how many of the 10 nearest are of the same class, in %")
    number = st.column_config.NumberColumn(format="%.1f")
    st.dataframe(table.rename_axis("Class"), column_config=dict.fromkeys(table.columns, number), width="stretch")
    if any(spaces.get(name).regime for name in (left.space, right.space)):
        st.caption(
            "A network has seen the labels of its training photos, so for trained spaces only the last row is fair."
        )
    page_controls.csv_button(table.reset_index(names="class"), "purity")


def purity(opened: Workspace, space: str, rows: np.ndarray) -> float:
    """Mean purity in a space of the photos in the mask `rows`, in %; NaN when there are none."""
    values = cached.traits(opened, space)["purity"].values[rows]
    return float(100 * np.nanmean(values)) if np.isfinite(values).any() else float("nan")
