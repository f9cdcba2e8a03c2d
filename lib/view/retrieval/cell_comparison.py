"""Cells of the scoreboard compared: two of them query by query, or all of them with the best one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from lib.embed import spaces
from lib.measure import scoreboard
from lib.measure.scoreboard import MEASURES, SpaceScores
from lib.prepare.workspace import Workspace
from lib.search import significance
from lib.search.evaluation import Scores
from lib.search.metrics import METRICS
from lib.search.significance import Difference
from lib.view import cached, page_controls, photo_tiles, url_state
from lib.view.figures import scores
from lib.view.figures.style import config
from lib.view.formatting import percent
from lib.view.retrieval import measurements, section_links

SHOWN = 12
Cells = dict[str, Scores]  # by "space.metric"
# Phrases of the verdict.
SAME_SCORES = "The same score on every one of"
NOT_SIGNIFICANT, NOT_AFTER_CORRECTION, BEATS = "Not significant", "but not after a correction", "beats"


def cell_title(cell: str) -> str:
    """The space and the metric of a cell."""
    space, metric = cell.rsplit(".", 1)
    return f"{spaces.get(space).title} · {METRICS[metric].title}"


def cell_choice(label: str, cells: Cells, name: str, default: str) -> str:
    """A cell of the scoreboard: a control kept in the address under `name`."""
    tied = url_state.choice(name, "scores", list(cells), default)
    return str(st.selectbox(label, list(cells), format_func=cell_title, **tied))


def show_pair(
    workspace: Workspace, scores_by_space: dict[str, SpaceScores], cells: Cells, measure: str, best: str
) -> None:
    """Two cells on the same queries: their difference, its significance, and the queries behind it."""
    columns = st.columns(2)
    other_best = next((f"{space}.cosine" for space in workspace.spaces if not best.startswith(f"{space}.")), best)
    with columns[0]:
        a = cell_choice("Configuration A", cells, "cell", best)
    with columns[1]:
        b = cell_choice("Configuration B", cells, "cell2", other_best)
    test = measurements.difference(scores_by_space, a, b, measure)
    if test.mean is None or test.ci95 is None or test.p is None:
        st.info("No query defines this measure for both configurations; choose another measure.")
        return
    page_controls.numbers(
        "pair",
        ("Difference (pp)", points(test.mean, measure), "", f"Mean of {MEASURES[measure]}, A − B, percentage points."),
        ("95 % interval", f"{points(test.ci95[0], measure)} to {points(test.ci95[1], measure)}", "", ""),
        ("p value", p_words(test.p), "", ""),
        ("A better on", f"{test.wins} of {test.n}", "", f"{test.ties} queries tie."),
    )
    st.markdown(verdict(test, a, b, len(cells) * (len(cells) - 1) // 2))
    if test.wins or test.losses:
        _show_queries(workspace, cells, a, b, measure)


def _show_queries(workspace: Workspace, cells: Cells, a: str, b: str, measure: str) -> None:
    """The differences as a histogram, and the queries with the largest ones."""
    values_a, values_b = (scoreboard.per_query(cells[cell], measure) for cell in (a, b))
    differences = values_a - values_b
    st.plotly_chart(
        scores.difference_histogram(differences, (cell_title(a), cell_title(b)), measure),
        width="stretch",
        key="differences",
        config=config("differences"),
        alt="histogram of the difference between the two configurations, query by query",
    )
    photos, rows = cached.catalog(workspace), cells[a].per_query.rows
    order = np.argsort(np.nan_to_num(-differences), kind="stable")
    (space, metric), (other_space, other_metric) = a.rsplit(".", 1), b.rsplit(".", 1)
    for cell, places in ((a, order[:SHOWN]), (b, order[::-1][:SHOWN])):
        title = cell_title(cell)
        st.markdown(f"**Queries with the largest lead of {title}**")
        photo_tiles.show_photos(
            workspace,
            [photos.ids[row] for row in rows[places]],
            key=f"ahead_{title}",
            title=f"Queries on which {title} is ahead",
            badges=[points(differences[place], measure) for place in places],
            notes=[f"{values_a[place]:.0%} | {values_b[place]:.0%}" for place in places],
            tile=88,
            row=True,
            on_pick=section_links.to_two_configurations(space, metric, other_metric, other_space),
        )


def points(difference: float, measure: str) -> str:
    """A difference in percentage points."""
    return f"{difference * 100:+.{2 if measure == 'r10' else 1}f}"


def p_words(p: float) -> str:
    """A p value as text; the test cannot give less than one in its number of resamples."""
    return f"≤ {1 / (1 + significance.RESAMPLES):.4f}" if p <= 1 / significance.RESAMPLES else f"{p:.4f}"


def verdict(test: Difference, a: str, b: str, comparisons: int) -> str:
    """The result of a paired test as a sentence or two; `comparisons` is the number of pairs of cells."""
    assert test.p is not None and test.mean is not None
    if not (test.wins or test.losses):
        return (
            f":material/equal: **{SAME_SCORES} {test.n} queries.** Both give the same ranking; *Understand* shows why."
        )
    method = (
        "Paired bootstrap for the interval, sign-flip permutation for p, "
        f"{significance.RESAMPLES:,} resamples of the {test.n} queries each."
    )
    winner, loser = (a, b) if test.mean > 0 else (b, a)
    corrected = min(1.0, test.p * comparisons)
    if test.p >= 0.05:
        conclusion = f":material/drag_handle: **{NOT_SIGNIFICANT}**: {cell_title(a)} against {cell_title(b)}. "
    elif corrected >= 0.05:
        conclusion = (
            f":material/help: **{cell_title(winner)} is ahead of {cell_title(loser)}**, {NOT_AFTER_CORRECTION} for "
            f"{comparisons} possible pairs (Bonferroni: p × {comparisons} = {corrected:.2f}). "
        )
    else:
        conclusion = (
            f":material/check: **{cell_title(winner)} {BEATS} {cell_title(loser)}** significantly, also after a "
            f"correction for {comparisons} possible pairs (Bonferroni: p = {corrected:.4f}). "
        )
    return conclusion + method


def show_against_best(scores_by_space: dict[str, SpaceScores], cells: Cells, measure: str, best: str) -> None:
    """Every cell against the best one, with p values corrected for the number of comparisons."""
    others = [cell for cell in cells if cell != best]
    tests = [measurements.difference(scores_by_space, cell, best, measure) for cell in others]
    corrected = significance.holm([test.p for test in tests])
    table = pd.DataFrame(
        [
            {
                "Space": spaces.get(cell.rsplit(".", 1)[0]).title,
                "Metric": METRICS[cell.rsplit(".", 1)[1]].title,
                f"{MEASURES[measure]}, %": percent(scoreboard.mean_and_interval(cells[cell], measure)[0]),
                "Difference (pp)": percent(test.mean),
                "low": percent(test.ci95[0] if test.ci95 else None),
                "high": percent(test.ci95[1] if test.ci95 else None),
                "p": test.p,
                "p (Holm)": p,
                "Significant": "–" if p is None else "yes" if p < 0.05 else "no",
            }
            for cell, test, p in zip(others, tests, corrected, strict=True)
        ]
    )
    st.markdown(f"Difference from the best (**{cell_title(best)}**) by {MEASURES[measure]}, query by query")
    p_format = dict.fromkeys(("p", "p (Holm)"), "{:.4f}")
    st.dataframe(table.style.format(precision=2).format(p_format, na_rep="–"), hide_index=True, width="stretch")
    st.caption(
        "low and high: 95 % interval of the difference (paired bootstrap). p: two-sided sign-flip permutation over the "
        f"queries; p (Holm): corrected for these {len(others)} comparisons. The winner was picked on these same "
        "queries, so its lead is slightly optimistic."
    )
    page_controls.csv_button(table, "against-best")
