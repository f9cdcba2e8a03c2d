"""Robustness across the test set: the effect of each distortion's strength on pixels and on features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pandas as pd
import streamlit as st

from lib.data.distortions import DISTORTIONS, Distortion
from lib.embed import spaces
from lib.measure import retrieval_verdicts
from lib.measure.robustness import RobustnessSweep, SweepRow
from lib.prepare.workspace import Workspace
from lib.search.metrics import METRICS
from lib.view import page_controls, photo_tiles, theme, url_state, verdict
from lib.view.figures import robustness
from lib.view.figures.style import config
from lib.view.retrieval import measurements

RUN_TEST = "Run robustness test"
QUANTITIES = ("first", "precision", "kept", "rank")
Sweeps = dict[tuple[str, str], RobustnessSweep]  # by (space, distortion)


def show(workspace: Workspace, compared_spaces: list[str]) -> None:
    """Each distortion's sweep over a sample of the test photos, in one or two spaces."""
    st.subheader("Across the test set")
    kinds = list(DISTORTIONS.values())
    sweeps = measurements.sweeps(workspace, compared_spaces, kinds)
    missing = [kind for kind in kinds if any((space, kind.name) not in sweeps for space in compared_spaces)]
    if missing:
        measurements.sweep_button(workspace, compared_spaces, missing, RUN_TEST)
    if not sweeps:
        return
    left, right = st.columns(2)
    with left:
        metric = page_controls.metric_choice("Metric", "cosine", "metric2", "lab")
    with right:
        tied = url_state.choice("shown", "lab", list(QUANTITIES), "first")
        quantity = str(
            st.selectbox("Show", list(QUANTITIES), format_func=robustness.SWEEP_QUANTITIES.__getitem__, **tied)
        )
    space = compared_spaces[-1]  # the features, where there are some
    answer = retrieval_verdicts.weakest_distortion(
        f"{spaces.get(space).title}, {METRICS[metric].short}",
        {kind: sweep for (name, kind), sweep in sweeps.items() if name == space},
        metric,
        {name: kind.title for name, kind in DISTORTIONS.items()},
    )
    if answer is not None:
        verdict.show(answer)
    _show_figures(workspace, sweeps, compared_spaces, metric, quantity)
    if flips := flip_sentence(sweeps, compared_spaces, metric, quantity):
        st.markdown(flips)
    if len(compared_spaces) == 2:
        st.markdown(lead_sentence(sweeps, (compared_spaces[0], compared_spaces[1]), metric, quantity))
    first = next(iter(sweeps.values()))
    seconds = sum(sweep["seconds"] for sweep in sweeps.values())
    st.caption(
        f"{first['queries']} test photos (seed {first['sample_seed']}), each distorted at every strength and searched "
        f"for among {first['gallery']:,} photos without its duplicates. Strength zero uses the stored vector. "
        f"Measured in {seconds:.0f} s and stored with the artifacts."
    )
    rows = [
        {"space": space, "distortion": kind, **row} for (space, kind), sweep in sweeps.items() for row in sweep["rows"]
    ]
    page_controls.csv_button(pd.DataFrame(rows), "robustness")


def _show_figures(workspace: Workspace, sweeps: Sweeps, compared_spaces: list[str], metric: str, quantity: str) -> None:
    """A legend of the spaces, and a curve for each distortion that has strengths."""
    titles = page_controls.space_titles(workspace)
    colours = theme.space_colours(list(titles))
    photo_tiles.colour_key((colours[name], titles[name]) for name in compared_spaces)
    columns = st.columns(3)
    measured = [
        kind
        for kind in DISTORTIONS.values()
        if kind.name != "flip" and any((space, kind.name) in sweeps for space in compared_spaces)
    ]
    for place, kind in enumerate(measured):
        columns[place % 3].plotly_chart(
            robustness.sweep(
                {space: sweeps[space, kind.name]["rows"] for space in compared_spaces if (space, kind.name) in sweeps},
                titles,
                kind,
                metric,
                quantity,
            ),
            width="stretch",
            key=f"sweep_{kind.name}",
            config=config(f"sweep-{kind.name}"),
            alt=f"{robustness.SWEEP_QUANTITIES[quantity]} against the strength of {kind.title}",
        )


def lead_sentence(sweeps: Sweeps, compared_spaces: tuple[str, str], metric: str, quantity: str) -> str:
    """The distortions for which each space has the better mean over the strengths; "" when the means are equal."""
    leads: dict[str, list[str]] = {space: [] for space in compared_spaces}
    for name, kind in DISTORTIONS.items():
        means = [
            np.mean(
                [_quantity(row, quantity) for row in sweeps[space, name]["rows"] if _is_distorted(row, metric, kind)]
            )
            for space in compared_spaces
            if (space, name) in sweeps
        ]
        if len(means) == 2 and means[0] != means[1]:
            first_leads = means[0] < means[1] if quantity == "rank" else means[0] > means[1]
            leads[compared_spaces[0 if first_leads else 1]].append(kind.title)
    parts = [f"**{spaces.get(space).title}** for {', '.join(kinds)}" for space, kinds in leads.items() if kinds]
    return f"Better on average over the strengths: {'; '.join(parts)}." if parts else ""


def _quantity(row: SweepRow, quantity: str) -> Any:
    """One of `QUANTITIES` of a row."""
    return cast("Mapping[str, Any]", row)[quantity]


def _is_distorted(row: SweepRow, metric: str, kind: Distortion) -> bool:
    return row["metric"] == metric and row["level"] != kind.neutral and row["precision"] is not None


def flip_sentence(sweeps: Sweeps, compared_spaces: list[str], metric: str, quantity: str) -> str:
    """The numbers of the flip, which has no strength to draw a curve over; "" where it is not measured."""
    parts = []
    for space in compared_spaces:
        rows = sweeps[space, "flip"]["rows"] if (space, "flip") in sweeps else []
        value = next((_quantity(row, quantity) for row in rows if row["metric"] == metric and row["level"] == 1), None)
        if value is not None:
            number = f"{value:,.0f}" if quantity == "rank" else f"{value:.0%}"
            parts.append(f"{spaces.get(space).title} {number}")
    return f"**Flip** ({robustness.SWEEP_QUANTITIES[quantity]}): {' · '.join(parts)}" if parts else ""
