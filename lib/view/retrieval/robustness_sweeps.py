"""Robustness over many photos: how each distortion's strength tells on pixels and on features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lib.data.distortions import DISTORTIONS, Distortion
from lib.embed import spaces
from lib.prepare.workspace import Workspace
from lib.view import page_controls, url_state
from lib.view.figures import robustness, scores
from lib.view.figures.style import config
from lib.view.retrieval import measurements

NAMES = ("first", "precision", "kept", "rank")


def show(opened: Workspace, pair: list[str]) -> None:
    """The proof over a sample: each distortion's sweep, in both spaces."""
    st.subheader("Over many photos")
    kinds = list(DISTORTIONS.values())
    found = measurements.sweeps(opened, pair, kinds)
    missing = [kind for kind in kinds if any((space, kind.name) not in found for space in pair)]
    if missing:
        measurements.sweep_button(opened, pair, missing, "Measure every distortion")
    if not found:
        return
    left, right = st.columns(2)
    with left:
        metric = page_controls.metric_choice("By metric", "cosine", "metric2", "lab")
    with right:
        tied = url_state.choice("shown", "lab", list(NAMES), "first")
        quantity = str(st.selectbox("Show", list(NAMES), format_func=robustness.SWEEP.__getitem__, **tied))
    titles = {name: spaces.get(name).title for name in opened.spaces}
    colours = scores.space_colours(list(titles))
    keys = "".join(
        f'<span class="ps-key"><i style="background:{colours[name]}"></i>{titles[name]}</span>' for name in pair
    )
    st.html(f"<div>{keys}</div>")
    columns = st.columns(3)
    shown = [kind for kind in kinds if kind.name != "flip" and any((space, kind.name) in found for space in pair)]
    for place, kind in enumerate(shown):
        columns[place % 3].plotly_chart(
            robustness.sweep(
                {space: found[space, kind.name]["rows"] for space in pair if (space, kind.name) in found},
                titles,
                kind,
                metric,
                quantity,
            ),
            width="stretch",
            key=f"sweep_{kind.name}",
            config=config(f"sweep-{kind.name}"),
            alt=f"{robustness.SWEEP[quantity]} against the strength of {kind.title}",
        )
    flipped(found, pair, metric, quantity)
    if len(pair) == 2:
        st.markdown(who_is_ahead(found, (pair[0], pair[1]), metric, quantity))
    first = next(iter(found.values()))
    seconds = sum(each["seconds"] for each in found.values())
    st.caption(
        f"{first['queries']} test photos (seed {first['sample_seed']}), each changed at every strength and "
        f"searched for among {first['gallery']:,} photos, its own copies left out. Where nothing is "
        f"changed stands the stored vector. Measured in {seconds:.0f} s and kept with the artifacts."
    )
    rows = [
        {"space": space, "distortion": kind, **row} for (space, kind), each in found.items() for row in each["rows"]
    ]
    page_controls.csv_button(pd.DataFrame(rows), "robustness")


def who_is_ahead(
    found: dict[tuple[str, str], dict[str, Any]], pair: tuple[str, str], metric: str, quantity: str
) -> str:
    """For which distortions each space has the better mean over the strengths, in a sentence."""
    ahead: dict[str, list[str]] = {space: [] for space in pair}
    for name, kind in DISTORTIONS.items():
        means = [
            np.mean([row[quantity] for row in found[space, name]["rows"] if _changed(row, metric, kind)])
            for space in pair
            if (space, name) in found
        ]
        if len(means) == 2 and means[0] != means[1]:
            first = means[0] < means[1] if quantity == "rank" else means[0] > means[1]
            ahead[pair[0] if first else pair[1]].append(kind.title)
    parts = [f"**{spaces.get(space).title}** by {', '.join(kinds)}" for space, kinds in ahead.items() if kinds]
    return f"Ahead on average over the strengths: {'; '.join(parts)}." if parts else ""


def _changed(row: dict[str, Any], metric: str, kind: Distortion) -> bool:
    return row["metric"] == metric and row["level"] != kind.neutral and row["precision"] is not None


def flipped(found: dict[tuple[str, str], dict[str, Any]], pair: list[str], metric: str, quantity: str) -> None:
    """Flipping has no strength, so it is told in words."""
    parts = []
    for space in pair:
        rows = found.get((space, "flip"), {}).get("rows", [])
        value = next((row[quantity] for row in rows if row["metric"] == metric and row["level"] == 1), None)
        if value is not None:
            told = f"{value:,.0f}" if quantity == "rank" else f"{value:.0%}"
            parts.append(f"{spaces.get(space).title} {told}")
    if parts:
        st.markdown(f"**Flip** ({robustness.SWEEP[quantity]}): {' · '.join(parts)}")
