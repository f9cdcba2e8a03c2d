"""Calibration: what a value means. Pairs of one class and of two under each metric, and a threshold between them."""

from __future__ import annotations

from itertools import cycle

import pandas as pd
import streamlit as st

from lib.embed import spaces
from lib.measure.scoreboard import SpaceScores
from lib.prepare.workspace import Workspace
from lib.search.calibration import Calibration
from lib.search.metrics import METRICS
from lib.view import page_controls, page_frame, url_state
from lib.view.figures import scores
from lib.view.figures.style import config
from lib.view.retrieval import measurements

# Colours that are safe for the colour-blind (Okabe and Ito); further metrics take them again.
_PALETTE = ("#56B4E9", "#E69F00", "#CC79A7", "#0072B2", "#009E73", "#D55E00", "#F0E442")
_COLOURS = dict(zip(METRICS, cycle(_PALETTE), strict=False))


def show(opened: Workspace) -> None:
    """The whole view, for one space."""
    space = page_controls.space_choice(opened, "retrieval")
    page_frame.origin(opened, space, Engine="exact")
    found = measurements.all_scores(opened)
    if found is None:
        return
    scored = found[space]
    controls = st.columns([1, 3], gap="medium", vertical_alignment="bottom")
    with controls[0]:
        metric = page_controls.metric_choice("Metric", "cosine", "metric", "calibration")
    chosen = scored.calibrations[metric]
    if chosen.auc is None:
        st.info("There are no pairs of one class, or none of two, among these queries and answers.")
        return
    with controls[1]:
        edge = threshold(chosen, space)
    cost(chosen, edge, scored)
    left, right = st.columns([3, 2], gap="medium")
    left.plotly_chart(
        scores.calibration(chosen, edge),
        width="stretch",
        key="calibration",
        config=config("calibration"),
        alt=f"histograms of {METRICS[metric].title} of pairs of one class and of two, with the threshold",
    )
    right.plotly_chart(
        scores.roc({METRICS[name].name: each for name, each in scored.calibrations.items()}, _COLOURS, metric, edge),
        width="stretch",
        key="roc",
        config=config("roc"),
        alt="ROC curves of all metrics; the threshold is marked",
    )
    st.caption(
        f"Every pair of {chosen.queries:,} test photos and {scored.facts['gallery']:,} others in "
        f"{spaces.get(space).title}, copies left out; each histogram is scaled by its own pairs. **AUC**: the chance "
        "that a pair of one class is closer than a pair of two (exact, by the Mann–Whitney statistic); 0.5 is a coin."
    )
    aucs(found)


def threshold(chosen: Calibration, space: str) -> int:
    """Where the line is drawn: a slider over values of the metric; returns the edge."""
    metric, edges = METRICS[chosen.metric], chosen.edges
    best = chosen.best()
    # A value means something for one metric in one space only, so the address names all three.
    places = {f"{space}.{chosen.metric}.{edges[place]:.8g}": place for place in chosen.thresholds}
    usual = next(word for word, place in places.items() if place == best)
    sign = "≥" if metric.higher_is_closer else "≤"
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    edge = left.select_slider(
        f"Call it the same class when {metric.title} is {sign}",
        list(places),
        format_func=lambda word: f"{edges[places[word]]:.4g}",
        **url_state.choice("threshold", "calibration", list(places), usual),
    )
    right.button(
        "Best",
        on_click=lambda: url_state.write(threshold=None),
        icon=":material/my_location:",
        width="stretch",
        help="Where most of both kinds are told right (Youden's index).",
    )
    return places[str(edge)]


def cost(chosen: Calibration, edge: int, scored: SpaceScores) -> None:
    """What the threshold lets in and loses."""
    at = chosen.cost(edge)
    lost = at.positives - at.true_positives
    everywhere = at.positives / (at.positives + at.negatives)
    page_controls.numbers(
        "cost",
        ("True friends let in", f"{at.true_positives:,}", f"{at.recall or 0:.1%} of them", ""),
        ("True friends lost", f"{lost:,}", f"{1 - (at.recall or 0):.1%} of them", ""),
        ("False friends let in", f"{at.false_positives:,}", f"{at.fall_out or 0:.1%} of other pairs", ""),
        (
            "Of what it lets in, true",
            "–" if at.precision is None else f"{at.precision:.1%}",
            f"{everywhere:.1%} of all pairs are",
            "",
        ),
    )
    asked = max(1, chosen.queries)
    st.caption(
        f"For one query, on average: {at.true_positives / asked:,.1f} true friends and "
        f"{at.false_positives / asked:,.1f} false ones let in, {lost / asked:,.1f} "
        f"true ones lost, among {scored.facts['gallery']:,} photos."
    )


def aucs(found: dict[str, SpaceScores]) -> None:
    """AUC of every space × metric, and the best threshold's cost."""
    rows = []
    for space, scored in found.items():
        for name, each in scored.calibrations.items():
            at = each.cost(each.best())
            rows.append(
                {
                    "Space": spaces.get(space).title,
                    "Metric": METRICS[name].title,
                    "AUC": each.auc,
                    "Best threshold": at.threshold,
                    "Friends let in %": None if at.recall is None else 100 * at.recall,
                    "False friends let in %": None if at.fall_out is None else 100 * at.fall_out,
                    "Pairs of one class": at.positives,
                    "Pairs of two": at.negatives,
                }
            )
    listed = pd.DataFrame(rows)
    st.markdown("**Every space × metric**, each at its own best threshold")
    percent = st.column_config.NumberColumn(format="%.2f")
    st.dataframe(
        listed,
        hide_index=True,
        width="stretch",
        column_config={
            "AUC": st.column_config.NumberColumn(format="%.3f"),
            "Best threshold": st.column_config.NumberColumn(format="%.4g"),
            "Pairs of one class": st.column_config.NumberColumn(format="localized"),
            "Pairs of two": st.column_config.NumberColumn(format="localized"),
            "Friends let in %": percent,
            "False friends let in %": percent,
        },
    )
    page_controls.csv_button(listed, "calibration")
