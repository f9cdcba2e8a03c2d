"""The scoreboard: every space × metric, which differences are more than chance, and the queries behind each cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from lib.embed import spaces
from lib.measure import scoreboard
from lib.measure.scoreboard import ABOUT, MEASURES, SpaceScores
from lib.prepare.workspace import Workspace
from lib.search.metrics import METRICS
from lib.view import cached, page_controls, page_frame, photo_tiles, url_state
from lib.view.figures import scores
from lib.view.figures.style import config
from lib.view.formatting import ink
from lib.view.retrieval import cell_comparison, measurements, view_links
from lib.view.retrieval.cell_comparison import Cells, called, cell_choice

SHOWN = 12


def show(opened: Workspace) -> None:
    """The whole view."""
    page_frame.origin(opened, Spaces=", ".join(spaces.get(name).title for name in opened.spaces), Engine="exact")
    found = measurements.all_scores(opened)
    if found is None:
        return
    cells = {f"{name}.{metric}": scores for name, each in found.items() for metric, scores in each.scores.items()}
    measure = measure_choice()
    figures(opened, found, measure)
    table(found)
    best = max(cells, key=lambda cell: scoreboard.total(cells[cell], measure)[0] or 0.0)
    panel = str(
        st.segmented_control(
            "Below the scores",
            list(_PANELS),
            required=True,
            format_func=_PANELS.__getitem__,
            label_visibility="collapsed",
            wrap=True,
            **url_state.choice("below", "scores", list(_PANELS), "queries"),
        )
    )
    if panel == "queries":
        queries(opened, cells, measure, best)
    elif panel == "pair":
        cell_comparison.pair(opened, found, cells, measure, best)
    elif panel == "best":
        cell_comparison.against_best(found, cells, measure, best)
    else:
        classes(opened, cells, measure)


_PANELS = {
    "queries": "Best and worst queries",
    "pair": "Two cells compared",
    "best": "All against the best",
    "classes": "By class",
}


def measure_choice() -> str:
    """What cells are judged by: a control kept in the address."""
    tied = url_state.choice("measure", "scores", list(MEASURES), "map")
    return str(
        st.segmented_control("Judged by", list(MEASURES), required=True, format_func=MEASURES.__getitem__, **tied)
    )


def figures(opened: Workspace, found: dict[str, SpaceScores], measure: str) -> None:
    """The bars, and the line that says what was measured, when, and in how many seconds."""
    titles = {name: spaces.get(name).title for name in opened.spaces}
    first = next(iter(found.values()))
    any_scores = next(iter(first.scores.values()))
    st.plotly_chart(
        scores.board(found, titles, measure, ink=ink()),
        width="stretch",
        key="scores",
        config=config("scores"),
        alt=f"bars: {MEASURES[measure]} of every space and metric, as in the table below",
    )
    seconds = " + ".join(f"{each.facts['seconds']:.1f} s" for each in found.values())
    st.caption(
        f"**{MEASURES[measure]}**: {ABOUT[measure]}. {any_scores.queries:,} test photos as queries against "
        f"{any_scores.gallery:,} others; bars are 95 % intervals ({first.facts['intervals']}). Measured "
        f"{first.facts['made'][:16].replace('T', ' ')} UTC in {seconds} and kept with the artifacts; the same as "
        "`python -m lib evaluate`."
    )


def table(found: dict[str, SpaceScores]) -> None:
    """Every measure of every cell; a click on a row opens it below."""
    rows, numbers = [], []
    for space, each in found.items():
        for metric, cell in each.scores.items():
            shown = {"Space": spaces.get(space).title, "Metric": METRICS[metric].short}
            plain: dict[str, object] = {"space": space, "metric": metric, "queries": cell.queries}
            for measure, title in MEASURES.items():
                value, interval = scoreboard.total(cell, measure)
                shown[f"{title}, %"] = _interval(value, interval, 2 if measure == "r10" else 1)
                plain |= {title: value} | dict(
                    zip((f"{title} low", f"{title} high"), interval or (None, None), strict=True)
                )
            auc = each.calibrations[metric].auc
            rows.append(shown | {"AUC": "–" if auc is None else f"{auc:.3f}", "Seconds": f"{cell.seconds:.1f}"})
            numbers.append(plain | {"AUC": auc, "seconds": cell.seconds})

    def opened_row() -> None:
        chosen = st.session_state["score_rows"]["selection"]["rows"]
        if chosen:
            cell = f"{numbers[chosen[0]]['space']}.{numbers[chosen[0]]['metric']}"
            url_state.write(cell=cell, below="queries")

    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        width="stretch",
        key="score_rows",
        on_select=opened_row,
        selection_mode="single-row",
    )
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.caption(":material/touch_app: The box before a row opens its best and worst queries.")
    with right:
        page_controls.csv_button(pd.DataFrame(numbers), "scores", width="stretch")


def _interval(value: float | None, interval: tuple[float, float] | None, digits: int) -> str:
    if value is None:
        return "–"
    around = f"  ({interval[0] * 100:.{digits}f}–{interval[1] * 100:.{digits}f})" if interval else ""
    return f"{value * 100:.{digits}f}{around}"


def queries(opened: Workspace, cells: Cells, measure: str, best: str) -> None:
    """The queries that a cell answers worst and best, as photos."""
    cell = cell_choice("Cell", cells, "cell", best)
    space = cell.split(".")[0]
    scores = cells[cell]
    values = scoreboard.per_query(scores, measure)
    known = np.nonzero(~np.isnan(values))[0]
    # Average precision tells apart what a coarser measure leaves equal.
    ranked = known[np.lexsort((known, scores.per_query.average_precision[known], values[known]))]
    photos = cached.catalog(opened)
    for title, places in (("Worst", ranked[:SHOWN]), ("Best", ranked[::-1][:SHOWN])):
        st.markdown(f"**{title} queries** of {called(cell)}, by {MEASURES[measure]}")
        photo_tiles.show_photos(
            opened,
            [photos.ids[row] for row in scores.per_query.rows[places]],
            key=f"scores_{title.lower()}",
            title=f"{title} queries",
            badges=[f"{values[place]:.{0 if measure.startswith('p') else 1}%}" for place in places],
            notes=[f"AP {scores.per_query.average_precision[place]:.1%}" for place in places],
            tile=88,
            row=True,
            on_pick=view_links.to_five(space),
        )
    st.caption("A click on a photo searches with it in this space.")
    with st.container(horizontal=True):
        listed = photos.frame.iloc[scores.per_query.rows][["id", "label"]].assign(
            **{title: scoreboard.per_query(scores, name) for name, title in MEASURES.items()}
        )
        page_controls.csv_button(listed, f"queries-{cell}")


def classes(opened: Workspace, cells: Cells, measure: str) -> None:
    """The measure of every cell, class by class."""
    labels = cached.catalog(opened).frame["label"].to_numpy(dtype=object)
    found = {called(cell): scoreboard.by_class(scores, labels, measure) for cell, scores in cells.items()}
    counts = {label: count for label, (count, _) in next(iter(found.values())).items()}
    st.plotly_chart(
        scores.classes(
            {
                name: {f"{label} ({counts[label]})": value for label, (_, value) in row.items()}
                for name, row in found.items()
            },
            measure,
        ),
        width="stretch",
        key="score_classes",
        config=config("score-classes"),
        alt=f"{MEASURES[measure]} of every cell, class by class",
    )
    st.caption("In brackets: test photos of that class, whose mean this is.")
    listed = pd.DataFrame(
        [
            {"cell": name, "class": label, "queries": count, MEASURES[measure]: value}
            for name, row in found.items()
            for label, (count, value) in row.items()
        ]
    )
    page_controls.csv_button(listed, "scores-by-class")
