"""Cells of the scoreboard compared: two of them query by query, or all with the best."""

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
from lib.view import cached, page_controls, photo_tiles, url_state
from lib.view.figures import scores
from lib.view.figures.style import config
from lib.view.retrieval import measurements, view_links

SHOWN = 12
Cells = dict[str, Scores]  # by "space.metric"


def called(cell: str) -> str:
    """A cell's name in words."""
    space, metric = cell.split(".")
    return f"{spaces.get(space).title} · {METRICS[metric].title}"


def cell_choice(label: str, cells: Cells, name: str, default: str) -> str:
    """Which cell of the scoreboard: a control kept in the address under `name`."""
    tied = url_state.choice(name, "scores", list(cells), default)
    return str(st.selectbox(label, list(cells), format_func=called, **tied))


def pair(opened: Workspace, found: dict[str, SpaceScores], cells: Cells, measure: str, best: str) -> None:
    """Two cells on the same queries: the difference, whether it is more than chance, and where it comes from."""
    columns = st.columns(2)
    other = next((f"{space}.cosine" for space in opened.spaces if not best.startswith(f"{space}.")), best)
    with columns[0]:
        a = cell_choice("One cell", cells, "cell", best)
    with columns[1]:
        b = cell_choice("Other cell", cells, "cell2", other)
    one, two = (scoreboard.per_query(cells[cell], measure) for cell in (a, b))
    tested = measurements.difference(found, a, b, measure)
    if tested.mean is None or tested.ci95 is None or tested.p is None:
        st.info("No query defines this measure for both cells.")
        return
    comparisons = len(cells) * (len(cells) - 1) // 2
    page_controls.numbers(
        "pair",
        ("Difference", points(tested.mean, measure), "", f"Mean of {MEASURES[measure]}, one − other."),
        ("95 % interval", f"{points(tested.ci95[0], measure)} to {points(tested.ci95[1], measure)}", "", ""),
        ("p value", p_words(tested.p), "", ""),
        ("Better on", f"{tested.wins} of {tested.queries}", "", f"{tested.ties} queries tie."),
    )
    st.markdown(verdict(tested, a, b, comparisons))
    if not (tested.wins or tested.losses):
        return
    apart = one - two
    st.plotly_chart(
        scores.differences(apart, (called(a), called(b)), measure),
        width="stretch",
        key="differences",
        config=config("differences"),
        alt="histogram of the difference between the two cells, query by query",
    )
    photos, rows = cached.catalog(opened), cells[a].per_query.rows
    order = np.argsort(np.nan_to_num(-apart), kind="stable")
    (space, metric), (other_space, other_metric) = a.split("."), b.split(".")
    for title, places in ((called(a), order[:SHOWN]), (called(b), order[::-1][:SHOWN])):
        st.markdown(f"**Queries on which {title} is further ahead**")
        photo_tiles.show_photos(
            opened,
            [photos.ids[row] for row in rows[places]],
            key=f"ahead_{title}",
            title=f"Queries on which {title} is ahead",
            badges=[points(apart[place], measure) for place in places],
            notes=[f"{one[place]:.0%} | {two[place]:.0%}" for place in places],
            tile=88,
            row=True,
            on_pick=view_links.to_sides(space, metric, other_metric, other_space),
        )


def _percent(value: float | None) -> float | None:
    return None if value is None else value * 100


def points(difference: float, measure: str) -> str:
    """A difference in percentage points."""
    return f"{difference * 100:+.{2 if measure == 'r10' else 1}f}"


def p_words(p: float) -> str:
    """A p value in words; the test cannot give less than one in its resamples."""
    return f"≤ {1 / (1 + significance.RESAMPLES):.4f}" if p <= 1 / significance.RESAMPLES else f"{p:.4f}"


def verdict(tested: significance.Difference, a: str, b: str, comparisons: int) -> str:
    """What a paired test says, in a sentence or two."""
    assert tested.p is not None and tested.mean is not None
    if not (tested.wins or tested.losses):
        return (
            f":material/equal: **The same on every one of {tested.queries} queries.** These two rank alike; see "
            "*Understand* for why."
        )
    how = (
        "Paired bootstrap for the interval, sign-flip permutation for p, "
        f"{significance.RESAMPLES:,} resamples of the {tested.queries} queries each."
    )
    winner, loser = (a, b) if tested.mean > 0 else (b, a)
    corrected = min(1.0, tested.p * comparisons)
    if tested.p >= 0.05:
        said = f":material/drag_handle: **No difference beyond chance** between {called(a)} and {called(b)}. "
    elif corrected >= 0.05:
        said = (
            f":material/help: **{called(winner)} is ahead of {called(loser)}**, but among {comparisons} pairs of cells "
            f"one such pair is to be expected (p × {comparisons} = {corrected:.2f}). "
        )
    else:
        said = (
            f":material/check: **{called(winner)} beats {called(loser)}** beyond chance, also after a correction for "
            f"the {comparisons} pairs that could have been compared (Bonferroni: {corrected:.4f}). "
        )
    return said + how


def against_best(found: dict[str, SpaceScores], cells: Cells, measure: str, best: str) -> None:
    """Every cell beside the best one, p values corrected for being many."""
    others = [cell for cell in cells if cell != best]
    tested = [measurements.difference(found, cell, best, measure) for cell in others]
    corrected = significance.holm([each.p for each in tested])
    rows = [
        {
            "Space": spaces.get(cell.split(".")[0]).title,
            "Metric": METRICS[cell.split(".")[1]].title,
            f"{MEASURES[measure]}, %": _percent(scoreboard.total(cells[cell], measure)[0]),
            "Difference, points": _percent(each.mean),
            "low": _percent(each.ci95[0] if each.ci95 else None),
            "high": _percent(each.ci95[1] if each.ci95 else None),
            "p": each.p,
            "p (Holm)": p,
            "Beyond chance": "–" if p is None else "yes" if p < 0.05 else "no",
        }
        for cell, each, p in zip(others, tested, corrected, strict=True)
    ]
    st.markdown(f"Every cell less **{called(best)}**, the best by {MEASURES[measure]}, query by query")
    listed = pd.DataFrame(rows)
    precise = dict.fromkeys(("p", "p (Holm)"), "{:.4f}")
    st.dataframe(listed.style.format(precision=2).format(precise, na_rep="–"), hide_index=True, width="stretch")
    st.caption(
        f"low and high: 95 % interval of the difference (paired bootstrap). p: sign-flip permutation over the queries, "
        f"two-sided; p (Holm): corrected for these {len(others)} comparisons. That the best was chosen by these very "
        "queries flatters it a little."
    )
    page_controls.csv_button(listed, "against-best")
