"""The scoreboard: every space and metric, which differences are significant, and the queries behind each cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from lib.embed import spaces
from lib.measure import leaks, retrieval_verdicts, scoreboard
from lib.measure.scoreboard import CLASSES, MEASURE_DESCRIPTIONS, MEASURES, QUERIES, SpaceScores
from lib.prepare.workspace import Workspace
from lib.search.metrics import METRICS
from lib.text import agreeing, counted
from lib.view import cached, page_controls, page_frame, photo_tiles, unlabelled, url_state, verdict
from lib.view.figures import scores
from lib.view.figures.style import config
from lib.view.retrieval import cell_comparison, measurements, score_overview, section_links
from lib.view.retrieval.cell_comparison import Cells, cell_choice, cell_title

SHOWN = 12
PANELS = {
    "queries": "Best and worst queries",
    "pair": "Compare two configurations",
    "best": "Compare all with the best",
    "classes": "By class",
}
MEASURE, OVER = "Measure", "Mean over"
OVER_TITLES = {QUERIES: "Queries", CLASSES: "Classes"}
OVER_HELP = (
    "*Queries*: every test photo counts the same. *Classes*: the mean of each class first, then the mean of these, so "
    "that a small class counts as much as a large one."
)
NO_SCORES = "There are no scores"
OF_POPULATION = "with another photo of their class among the"
WITHOUT_LEAKS = "without leaks"
NO_LEAKS = "No test photo has a near-duplicate in the gallery, so no score gains by one."
BY_QUERY = "Tests compare query by query: their differences are means over queries, not over classes."


def population(queries: int, left_out: int, gallery: int) -> str:
    """The line on which photos the scores are means over."""
    rest = f"; {left_out:,} left out" if left_out else ""
    return f"Over {counted(queries, 'test photo')} {OF_POPULATION} {counted(gallery, 'photo')} of the gallery{rest}."


def undefined_pairs(pairs: int, cells: Sequence[str]) -> str:
    """The line on pairs of photos without a similarity."""
    return f"{pairs:,} pairs of photos have no defined similarity and are no results: {', '.join(cells)}."


def leaked(queries: int) -> str:
    """The line on test photos with a near-duplicate in the gallery."""
    return (
        f"{agreeing(queries, 'test photo', 'has', 'have')} a near-duplicate in the gallery: a search finds it, and the "
        f"score gains. The column *{WITHOUT_LEAKS}* leaves these pairs out; Home lists them under *Find duplicates*."
    )


def show(workspace: Workspace) -> None:
    """The view: scores as bars and as a table, and a panel below them."""
    page_frame.origin(workspace, Spaces=page_controls.spaces_in_words(workspace), Engine="exact")
    if unlabelled.stops(workspace, "Scores"):
        return
    scores_by_space = measurements.all_scores(workspace)
    if scores_by_space is None:
        return
    cells = {
        f"{space}.{metric}": cell
        for space, space_scores in scores_by_space.items()
        for metric, cell in space_scores.scores.items()
    }
    _show_population(cells)
    leak_count = next(iter(scores_by_space.values())).facts["leaks"]
    if leak_count is None:
        st.caption(leaks.NOT_SEARCHED)
    else:
        st.caption(leaked(leak_count) if leak_count else NO_LEAKS)
    if all(cell.why for cell in cells.values()):
        return
    measure, over = _measure_choice()
    shown, chart = score_overview.chosen(workspace, scores_by_space, measure, over)
    score_overview.show(workspace, shown, chart, measure, over)
    _show_table(shown, measure, over)
    best = max(cells, key=lambda cell: scoreboard.mean_and_interval(cells[cell], measure, over)[0] or 0.0)
    _show_verdict(scores_by_space, cells, measure, best)
    panel = page_controls.segments("Below the scores", PANELS, "below", "scores", "queries", label_is_shown=False)
    if over == CLASSES and panel in ("pair", "best"):
        st.caption(BY_QUERY)
    if panel == "queries":
        _show_queries(workspace, cells, measure, best)
    elif panel == "pair":
        cell_comparison.show_pair(workspace, scores_by_space, cells, measure, best)
    elif panel == "best":
        cell_comparison.show_against_best(scores_by_space, cells, measure, best)
    else:
        _show_classes(workspace, cells, measure)


def _show_verdict(scores_by_space: dict[str, SpaceScores], cells: Cells, measure: str, best: str) -> None:
    """The best configuration, and its lead over the best one with other scores, query by query."""
    following, test = None, None
    for cell in sorted(cells, key=lambda cell: -(scoreboard.mean_and_interval(cells[cell], measure)[0] or 0.0)):
        if cell != best:
            test = measurements.difference(scores_by_space, best, cell, measure)
            if test.wins or test.losses:
                following = cell_title(cell)
                break
    mean = scoreboard.mean_and_interval(cells[best], measure)[0] or 0.0
    verdict.show(
        retrieval_verdicts.best_configuration(
            cell_title(best), MEASURES[measure], mean, cells[best].queries, following, test
        )
    )


def _show_population(cells: Cells) -> None:
    """Over which photos every score below is a mean; why there is no score; pairs without a similarity."""
    some = next(iter(cells.values()))
    if some.queries:
        st.markdown(population(some.queries, some.left_out, some.gallery))
    titles_by_reason: dict[str, list[str]] = {}
    titles_by_pairs: dict[int, list[str]] = {}
    for name, cell in cells.items():
        if cell.why:
            titles_by_reason.setdefault(cell.why, []).append(cell_title(name))
        if cell.pairs.undefined:
            titles_by_pairs.setdefault(cell.pairs.undefined, []).append(cell_title(name))
    for why, titles in titles_by_reason.items():
        which = "" if len(titles) == len(cells) else f" of {', '.join(titles)}"
        st.info(f"{NO_SCORES}{which}. {why}", icon=":material/info:")
    for pairs, titles in titles_by_pairs.items():
        st.caption(undefined_pairs(pairs, titles))


def _measure_choice() -> tuple[str, str]:
    """The quality measure, and what its mean is over: controls kept in the address."""
    left, right = st.columns([4, 1])
    with left:
        measure = page_controls.segments(MEASURE, MEASURES, "measure", "scores", "map")
    with right:
        over = page_controls.segments(OVER, OVER_TITLES, "over", "scores", QUERIES, about=OVER_HELP)
    return measure, over


def _show_table(scores_by_space: dict[str, SpaceScores], chosen: str, over: str) -> None:
    """Every measure of every cell, the chosen one without leaks, too; a tick on a row shows its queries below."""
    texts, numbers = [], []
    for space, space_scores in scores_by_space.items():
        for metric, cell in space_scores.scores.items():
            text = {"Space": spaces.get(space).title, "Metric": METRICS[metric].short}
            number: dict[str, object] = {
                "space": space,
                "metric": metric,
                "queries": cell.queries,
                "left out": cell.left_out,
                "mean over": over,
            }
            for measure, title in MEASURES.items():
                value, interval = scoreboard.mean_and_interval(cell, measure, over)
                low, high = interval or (None, None)
                text[f"{title}, %"] = _interval(value, interval, 2 if measure == "r10" else 1)
                number |= {title: value, f"{title} low": low, f"{title} high": high}
                if space_scores.facts["leaks"]:
                    clean, interval = scoreboard.mean_and_interval(space_scores.without_leaks[metric], measure, over)
                    number[f"{title} {WITHOUT_LEAKS}"] = clean
                    if measure == chosen:
                        digits = 2 if measure == "r10" else 1
                        text[f"{title}, %, {WITHOUT_LEAKS}"] = _interval(clean, interval, digits)
            auc = space_scores.calibrations[metric].auc
            texts.append(text | {"AUC": "–" if auc is None else f"{auc:.3f}", "Seconds": f"{cell.seconds:.1f}"})
            numbers.append(number | {"AUC": auc, "seconds": cell.seconds})

    def show_ticked() -> None:
        ticked = st.session_state["score_rows"]["selection"]["rows"]
        if ticked:
            cell = f"{numbers[ticked[0]]['space']}.{numbers[ticked[0]]['metric']}"
            url_state.write(cell=cell, below="queries")

    st.dataframe(
        pd.DataFrame(texts),
        hide_index=True,
        width="stretch",
        column_config={
            f"{title}, %": st.column_config.TextColumn(help=_sentence(MEASURE_DESCRIPTIONS[measure]))
            for measure, title in MEASURES.items()
        },
        key="score_rows",
        on_select=show_ticked,
        selection_mode="single-row",
    )
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.caption(":material/touch_app: Tick a row to see its best and worst queries.")
    with right:
        page_controls.csv_button(pd.DataFrame(numbers), "scores", width="stretch")


def _sentence(description: str) -> str:
    return f"{description[0].upper()}{description[1:]}."


def _interval(value: float | None, interval: tuple[float, float] | None, digits: int) -> str:
    if value is None:
        return "–"
    bounds = f"  ({interval[0] * 100:.{digits}f}–{interval[1] * 100:.{digits}f})" if interval else ""
    return f"{value * 100:.{digits}f}{bounds}"


def _show_queries(workspace: Workspace, cells: Cells, measure: str, best: str) -> None:
    """The queries with the lowest and the highest scores of a cell, as photos."""
    cell = cell_choice("Configuration", cells, "cell", best)
    cell_scores = cells[cell]
    values, precision = (scoreboard.per_query(cell_scores, name) for name in (measure, "map"))
    defined = np.nonzero(~np.isnan(values))[0]
    # Average precision breaks the ties of a coarser measure.
    ranked = defined[np.lexsort((defined, precision[defined], values[defined]))]
    photos = cached.catalog(workspace)
    for title, places in (("Worst", ranked[:SHOWN]), ("Best", ranked[::-1][:SHOWN])):
        st.markdown(f"**{title} queries** of {cell_title(cell)}, by {MEASURES[measure]}")
        photo_tiles.show_photos(
            workspace,
            [photos.ids[row] for row in cell_scores.per_query.rows[places]],
            key=f"scores_{title.lower()}",
            title=f"{title} queries",
            badges=[f"{values[place]:.{0 if measure.startswith('p') else 1}%}" for place in places],
            notes=[f"AP {precision[place]:.1%}" for place in places],
            tile=88,
            row=True,
            on_pick=section_links.to_grids(cell.rsplit(".", 1)[0]),
        )
    st.caption("Click a photo to search with it in this space.")
    with st.container(horizontal=True):
        table = photos.frame.iloc[cell_scores.per_query.rows][["id", "label"]].assign(
            **{title: scoreboard.per_query(cell_scores, name) for name, title in MEASURES.items()}
        )
        page_controls.csv_button(table, f"queries-{cell}")


def _show_classes(workspace: Workspace, cells: Cells, measure: str) -> None:
    """The measure of every cell, class by class."""
    labels = cached.catalog(workspace).frame["label"].to_numpy(dtype=object)
    by_class = {
        cell_title(cell): scoreboard.by_class(cell_scores, labels, measure) for cell, cell_scores in cells.items()
    }
    st.plotly_chart(
        scores.class_heatmap(
            {
                title: {f"{label} ({count})": value for label, (count, value) in row.items()}
                for title, row in by_class.items()
            },
            measure,
        ),
        width="stretch",
        key="score_classes",
        config=config("score-classes"),
        alt=f"{MEASURES[measure]} of every configuration, class by class",
    )
    st.caption("In brackets: the number of test photos of the class that count.")
    table = pd.DataFrame(
        [
            {"cell": title, "class": label, "queries": count, MEASURES[measure]: value}
            for title, row in by_class.items()
            for label, (count, value) in row.items()
        ]
    )
    page_controls.csv_button(table, "scores-by-class")
