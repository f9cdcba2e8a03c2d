"""Calibration: pairs of photos of the same class and of different classes under each metric, and a threshold."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lib.embed import spaces
from lib.measure import retrieval_verdicts
from lib.measure.scoreboard import SpaceScores
from lib.prepare.workspace import Workspace
from lib.search.calibration import Calibration
from lib.search.metrics import METRICS
from lib.view import page_controls, page_frame, theme, unlabelled, url_state, verdict
from lib.view.figures import scores
from lib.view.figures.style import config
from lib.view.formatting import percent
from lib.view.retrieval import measurements

_COLOURS = theme.metric_colours(METRICS)


BEST_THRESHOLD = "Use best threshold"
TRUE_POSITIVES, FALSE_NEGATIVES = "True positives", "False negatives"
FALSE_POSITIVES, PRECISION = "False positives", "Precision"


def show(workspace: Workspace) -> None:
    """The view, for one space."""
    space = page_controls.space_choice(workspace, "retrieval")
    page_frame.origin(workspace, space, Engine="exact")
    if unlabelled.stops(workspace, "Pairs of the same class"):
        return
    scores_by_space = measurements.all_scores(workspace)
    if scores_by_space is None:
        return
    space_scores = scores_by_space[space]
    controls = st.columns([1, 3], gap="medium", vertical_alignment="bottom")
    with controls[0]:
        metric = page_controls.metric_choice("Metric", "cosine", "metric", "calibration")
    calibration = space_scores.calibrations[metric]
    if calibration.auc is None:
        st.info("Calibration needs pairs of the same class and pairs of different classes; here one kind is missing.")
        return
    name = f"{spaces.get(space).title}, {METRICS[metric].title}"
    if (answer := retrieval_verdicts.threshold(name, calibration)) is not None:
        verdict.show(answer)
    with controls[1]:
        edge = _threshold(calibration, space)
    _show_cost(calibration, edge, int(space_scores.facts["gallery"]))
    left, right = st.columns([3, 2], gap="medium")
    left.plotly_chart(
        scores.calibration(calibration, edge),
        width="stretch",
        key="calibration",
        config=config("calibration"),
        alt=f"histograms of {METRICS[metric].title} for pairs of the same class and of others, and the threshold",
    )
    right.plotly_chart(
        scores.roc(space_scores.calibrations, _COLOURS, metric, edge),
        width="stretch",
        key="roc",
        config=config("roc"),
        alt="ROC curves of all metrics; the threshold is marked",
    )
    st.caption(
        f"All pairs of {calibration.queries:,} test photos with {space_scores.facts['gallery']:,} other photos in "
        f"{spaces.get(space).title}, without duplicates; each histogram is normalised separately. **AUC**: the "
        "probability that a pair of the same class is closer than a pair of different classes (exact, from the "
        "Mann–Whitney statistic); 0.5 is chance."
    )
    _show_table(scores_by_space)


def _threshold(calibration: Calibration, space: str) -> int:
    """The threshold: a slider over values of the metric, kept in the address. Returns the index of its edge."""
    metric, edges = METRICS[calibration.metric], calibration.edges
    best = calibration.best()
    # A value means something for one metric in one space only, so the address names all three.
    edge_by_name = {f"{space}.{calibration.metric}.{edges[edge]:.8g}": edge for edge in calibration.thresholds}
    default = next(name for name, edge in edge_by_name.items() if edge == best)
    sign = "≥" if metric.higher_is_closer else "≤"
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    chosen = left.select_slider(
        f"Same class if {metric.title} {sign}",
        list(edge_by_name),
        format_func=lambda name: f"{edges[edge_by_name[name]]:.4g}",
        **url_state.choice("threshold", "calibration", list(edge_by_name), default),
    )
    right.button(
        BEST_THRESHOLD,
        on_click=lambda: url_state.write(threshold=None),
        icon=":material/my_location:",
        width="stretch",
        help="The threshold that maximises Youden's J: true positive rate minus false positive rate.",
    )
    return edge_by_name[str(chosen)]


def _show_cost(calibration: Calibration, edge: int, gallery_size: int) -> None:
    """True and false positives and negatives of the threshold."""
    cost = calibration.cost(edge)
    false_negatives = cost.positives - cost.true_positives
    base_rate = cost.positives / (cost.positives + cost.negatives)
    page_controls.numbers(
        "cost",
        (TRUE_POSITIVES, f"{cost.true_positives:,}", f"{cost.recall or 0:.1%} of pairs of the same class", ""),
        (FALSE_NEGATIVES, f"{false_negatives:,}", f"{1 - (cost.recall or 0):.1%} of pairs of the same class", ""),
        (FALSE_POSITIVES, f"{cost.false_positives:,}", f"{cost.fall_out or 0:.1%} of other pairs", ""),
        (PRECISION, "–" if cost.precision is None else f"{cost.precision:.1%}", f"{base_rate:.1%} by chance", ""),
    )
    queries = max(1, calibration.queries)
    st.caption(
        f"Average for one query against {gallery_size:,} photos: {cost.true_positives / queries:,.1f} true positives, "
        f"{cost.false_positives / queries:,.1f} false positives, {false_negatives / queries:,.1f} false negatives."
    )


def _show_table(scores_by_space: dict[str, SpaceScores]) -> None:
    """AUC and best threshold of every space and metric."""
    rows = []
    for space, space_scores in scores_by_space.items():
        for name, calibration in space_scores.calibrations.items():
            cost = calibration.cost(calibration.best())
            rows.append(
                {
                    "Space": spaces.get(space).title,
                    "Metric": METRICS[name].title,
                    "AUC": calibration.auc,
                    "Best threshold": cost.threshold,
                    "True positive rate %": percent(cost.recall),
                    "False positive rate %": percent(cost.fall_out),
                    "Pairs of the same class": cost.positives,
                    "Pairs of different classes": cost.negatives,
                }
            )
    table = pd.DataFrame(rows)
    st.markdown("**Every space and metric** at its best threshold")
    percents = st.column_config.NumberColumn(format="%.2f")
    count = st.column_config.NumberColumn(format="localized")
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        column_config={
            "AUC": st.column_config.NumberColumn(format="%.3f"),
            "Best threshold": st.column_config.NumberColumn(format="%.4g"),
            "True positive rate %": percents,
            "False positive rate %": percents,
            "Pairs of the same class": count,
            "Pairs of different classes": count,
        },
    )
    page_controls.csv_button(table, "calibration")
