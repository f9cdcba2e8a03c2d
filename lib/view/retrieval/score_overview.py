"""The scores of every space and metric at a glance: bars for a few spaces, a heat map for many, sorted and filtered."""

from __future__ import annotations

import streamlit as st

from lib.embed.space import GROUPS
from lib.measure import scoreboard
from lib.measure.scoreboard import MEASURE_DESCRIPTIONS, MEASURES, SpaceScores
from lib.prepare.workspace import Workspace
from lib.search.metrics import METRICS
from lib.view import page_controls, url_state
from lib.view.figures import score_heatmap, scores
from lib.view.figures.style import config
from lib.view.formatting import ink

CHART, SORT, SHOW = "Chart", "Sort by", "Show"
CHARTS = {"heat": "Heat map", "bars": "Bars"}
BY_GROUP, BY_BEST = "group", "best"


def chosen(
    workspace: Workspace, scores_by_space: dict[str, SpaceScores], measure: str, over: str
) -> tuple[dict[str, SpaceScores], str]:
    """The spaces to show, filtered and sorted, and the kind of chart: all as bars where there are few."""
    if len(scores_by_space) <= page_controls.FEW:
        return scores_by_space, "bars"
    groups = page_controls.groups(workspace)
    with st.container(horizontal=True, vertical_alignment="bottom", key="score_controls"):
        chart = page_controls.segments(CHART, CHARTS, "chart", "scores", "heat")
        orders = {BY_GROUP: "Group", BY_BEST: "Best metric"} | {name: each.short for name, each in METRICS.items()}
        bound = url_state.choice("sorted", "scores", list(orders), BY_GROUP)
        order = str(st.selectbox(SORT, list(orders), format_func=orders.__getitem__, width=170, **bound))
        bound = url_state.several("groups", list(groups))
        kept = st.pills(SHOW, list(groups), format_func=GROUPS.__getitem__, selection_mode="multi", **bound)
    names = [name for group in groups if group in kept or not kept for name in groups[group] if name in scores_by_space]
    if order != BY_GROUP:
        metrics = list(METRICS) if order == BY_BEST else [order]

        def score(name: str) -> float:
            cells = scores_by_space[name].scores
            return max(scoreboard.mean_and_interval(cells[metric], measure, over)[0] or 0.0 for metric in metrics)

        names.sort(key=score, reverse=True)
    return {name: scores_by_space[name] for name in names}, chart


def show(workspace: Workspace, shown: dict[str, SpaceScores], chart: str, measure: str, over: str) -> None:
    """The chart, and what was measured, when, and in how many seconds."""
    titles = page_controls.space_titles(workspace)
    first = next(iter(shown.values()))
    figure = (
        score_heatmap.score_heatmap(shown, titles, measure, over)
        if chart == "heat"
        else scores.score_bars(shown, titles, measure, over, ink=ink())
    )
    st.plotly_chart(
        figure,
        width="stretch",
        key="scores",
        config=config("scores"),
        alt=f"{MEASURES[measure]} of every space and metric, as in the table below",
    )
    seconds = [space_scores.facts["seconds"] for space_scores in shown.values()]
    parts = (
        " + ".join(f"{each:.1f} s" for each in seconds)
        if len(seconds) <= page_controls.FEW
        else f"{sum(seconds):.0f} s"
    )
    bars = "In percent; point at a cell for its" if chart == "heat" else "Error bars are"
    st.caption(
        f"**{MEASURES[measure]}**: {MEASURE_DESCRIPTIONS[measure]}. Results with equal values count in "
        f"expectation over their possible orders. {bars} 95 % intervals ({first.facts['intervals']}). Measured "
        f"{first.facts['made'][:16].replace('T', ' ')} UTC in {parts} and stored with the artifacts. "
        "`python -m lib evaluate` gives the same scores; `docs/measures.md` defines them."
    )
