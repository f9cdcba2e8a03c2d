"""The robustness lab: distort the query photo with sliders and see under which spaces and metrics it is still found."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lib import statistics
from lib.data import thumbnails
from lib.data.distortions import DISTORTIONS, Distortion, distorted
from lib.embed import embedder, spaces
from lib.errors import DataError, QueryError
from lib.measure import factors, retrieval_verdicts, robustness, scoreboard
from lib.measure.robustness import OriginalRank
from lib.measure.scoreboard import MEASURES
from lib.prepare.workspace import Workspace
from lib.search.metrics import METRICS
from lib.view import cached, page_controls, page_frame, photo_tiles, unlabelled, url_state, verdict
from lib.view.components import gallery
from lib.view.figures import robustness as robustness_figures
from lib.view.figures.style import config
from lib.view.formatting import ink, plain
from lib.view.retrieval import measurements, query_form, robustness_sweeps

K = 10
RESET = "Reset"
BY_FACTOR = "By factor of variation"
# By metric: the original's rank, and the first results of the distorted photo, as plain dicts.
Ranks = dict[str, OriginalRank]


def show(workspace: Workspace) -> None:
    """The section: one photo, then the test set, then the factors of variation."""
    row, controls = query_form.catalog_row(workspace)
    with controls:
        space = page_controls.space_select(workspace, "Space", "retrieval")
    compared_spaces = spaces_to_compare(workspace, space)
    second = {"Compared_with": spaces.get(compared_spaces[0]).title} if compared_spaces[0] != space else {}
    page_frame.origin(workspace, space, **second, Engine="exact")
    if not spaces.takes_photos(space):
        shown = " and ".join(spaces.get(name).title for name in compared_spaces)
        st.info(plain(f"{spaces.refusal(space)} Shown: {shown}."), icon=":material/info:")
    if row is not None:
        left, right = st.container(key="split_lab").columns([3, 8], gap="medium")
        with left:
            strengths = _sliders()
        with right:
            _show_photo(workspace, row, compared_spaces, strengths)
    st.divider()
    robustness_sweeps.show(workspace, compared_spaces)
    _show_factors(workspace)


def spaces_to_compare(workspace: Workspace, space: str) -> list[str]:
    """Raw pixels and the chosen space, or the first space of features; only those that are prepared."""
    features = [name for name in workspace.spaces if name != "pixels" and spaces.takes_photos(name)]
    other = space if space in features else next(iter(features), None)
    return [name for name in ("pixels", other) if name is not None and name in workspace.spaces]


def _sliders() -> dict[str, float]:
    """A slider for each distortion, kept in the address. Returns the strengths by distortion."""

    def reset() -> None:
        url_state.write(**dict.fromkeys(f"lab_{name}" for name in DISTORTIONS))

    strengths = {}
    for name, kind in DISTORTIONS.items():
        title = f"{kind.title}, {kind.unit}"
        if name == "flip":
            strengths[name] = float(st.toggle(title, help=kind.about, **url_state.switch("lab_flip")))
            continue
        low, high, neutral, step = _numbers(kind)
        whole = isinstance(step, int)
        tied = (url_state.number if whole else url_state.fraction)(f"lab_{name}", low, high, neutral)
        strengths[name] = float(st.slider(title, step=step, format="%d" if whole else "%.1f", help=kind.about, **tied))
    st.button(RESET, on_click=reset, icon=":material/restart_alt:", width="stretch")
    return strengths


def _numbers(kind: Distortion) -> tuple[Any, Any, Any, Any]:
    """Lowest, highest, neutral value and step of a slider: all int or all float, since a slider takes one type only."""
    values = (kind.low, kind.high, kind.neutral, kind.step)
    whole = all(float(value).is_integer() for value in values)
    low, high, neutral, step = (int(value) if whole else float(value) for value in values)
    return low, high, neutral, step


@st.cache_data(max_entries=300, show_spinner=False, hash_funcs=cached.KEYS)
def _ranks(workspace: Workspace, space: str, image_id: str, strengths: tuple[tuple[str, float], ...]) -> Ranks:
    loaded = cached.searchable_space(workspace, space)
    row = loaded.catalog.row(image_id)
    if row is None:
        raise QueryError("The photo is not in this data set; choose another one.")
    if strengths:
        photo = distorted(loaded.catalog.open(row), dict(strengths))
        vector = embedder.query_vector(cached.embedder(workspace, space), photo)
    else:
        vector = np.asarray(loaded.gallery.vectors[row])
    return robustness.rank_originals(loaded, [row], vector[None], K)[0]


def _show_photo(workspace: Workspace, row: int, compared_spaces: list[str], strengths: dict[str, float]) -> None:
    """The distorted photo, the rank of its original under every metric in each space, and the results."""
    photos = cached.catalog(workspace)
    image_id = photos.ids[row]
    active = {name: value for name, value in strengths.items() if value != DISTORTIONS[name].neutral}
    try:
        original = photos.open(row)
    except DataError as error:  # the vectors are still there, but there is no picture to distort
        page_frame.restart_or_show_error(error)
        return
    ranks = {space: _ranks(workspace, space, image_id, tuple(sorted(active.items()))) for space in compared_spaces}
    titles = page_controls.space_titles(workspace)
    before, after, chart = st.columns([2, 2, 6], vertical_alignment="top")
    changes = " · ".join(f"{DISTORTIONS[name].title} {value:g}" for name, value in active.items()) or "unchanged"
    _show_picture(before, original, f"original: {image_id}")
    _show_picture(after, distorted(original, active), changes)
    with chart:
        st.plotly_chart(
            robustness_figures.ranks(
                {space: {name: ranked.rank for name, ranked in by.items()} for space, by in ranks.items()},
                titles,
                next(iter(ranks[compared_spaces[0]].values())).gallery,
                ink=ink(),
            ),
            width="stretch",
            key="lab_ranks",
            config=config("ranks"),
            alt="the rank of the original photo under every metric, in each space",
        )
    st.markdown("  \n".join(rank_sentence(titles[space], ranks[space]) for space in compared_spaces))
    # Where the test over many photos is there, it has the verdict: a page shows one.
    if not measurements.sweeps(workspace, compared_spaces, DISTORTIONS.values()):
        first = {titles[space]: sum(ranked.rank == 1 for ranked in by.values()) for space, by in ranks.items()}
        verdict.show(retrieval_verdicts.distorted_query(first, len(METRICS)))
    metric_titles = {name: metric.title for name, metric in METRICS.items()}
    metric = page_controls.segments("Metric", metric_titles, "metric", "lab", "cosine")
    for space in compared_spaces:
        _show_results(workspace, space, ranks[space][metric], row, metric)


def _show_picture(column: Any, picture: Any, caption: str) -> None:
    column.html(
        f'<img src="{gallery.data_uri(thumbnails.encode(picture, 360))}" alt="{html.escape(caption)}" '
        'style="width:100%;max-height:15rem;object-fit:contain;border-radius:.6rem">'
    )
    column.caption(plain(caption))


def rank_sentence(title: str, ranks: Ranks) -> str:
    """Under how many metrics the original is still the first result."""
    first = sum(ranked.rank == 1 for ranked in ranks.values())
    worst = max(ranked.rank for ranked in ranks.values())
    tail = "" if first == len(ranks) else f"; its worst rank is {worst:,}"
    return f"**{title}**: {first_under(first, len(ranks))}{tail}."


def first_under(first: int, metrics: int) -> str:
    """The part of `rank_sentence` that counts the metrics."""
    return f"the original comes first under {first} of {metrics} metrics"


def _show_results(workspace: Workspace, space: str, ranked: OriginalRank, row: int, metric: str) -> None:
    """The first results for the distorted photo in one space under one metric."""
    photos = cached.catalog(workspace)
    label = photos.labels[row]
    result_rows = [result_row for result_row, _ in ranked.results]
    same_class = [photos.labels[result_row] == label for result_row in result_rows] if label else []
    others = [same for result_row, same in zip(result_rows, same_class, strict=False) if result_row != row]
    share = f" · {sum(others)} of {len(others)} other results of its class" if label else ""
    st.markdown(f"**{spaces.get(space).title}** · {METRICS[metric].title} · original at #{ranked.rank:,}{share}")
    photo_tiles.show_photos(
        workspace,
        [photos.ids[result_row] for result_row in result_rows],
        key=f"lab_answers_{space}",
        title=f"Answers in {spaces.get(space).title}",
        badges=[f"#{rank}" for rank in range(1, len(result_rows) + 1)],
        notes=[
            (format(value, "#.4g"), "original" if result_row == row else "") for result_row, value in ranked.results
        ],
        right=same_class or None,
        row=True,
        tile=68,
    )


def _show_factors(workspace: Workspace) -> None:
    """Scores by each factor of variation, where the catalog has factors."""
    photos = cached.catalog(workspace)
    titles_by_column = factors.factors(photos.frame)
    if not titles_by_column:
        return
    st.subheader(BY_FACTOR)
    if unlabelled.stops(workspace, "Scores"):
        return
    scores_by_space = measurements.all_scores(workspace)
    if scores_by_space is None:
        return
    columns = st.columns(3)
    factor = str(
        columns[0].selectbox(
            "Factor",
            list(titles_by_column),
            format_func=titles_by_column.__getitem__,
            **url_state.choice("factor", "lab", list(titles_by_column), next(iter(titles_by_column))),
        )
    )
    with columns[1]:
        metric = page_controls.metric_choice("Metric", "cosine", "metric3", "lab")
    tied = url_state.choice("measure", "lab", list(MEASURES), "p10")
    measure = str(columns[2].selectbox("Measure", list(MEASURES), format_func=MEASURES.__getitem__, **tied))
    rows = [
        {"space": space, **row}
        for space, space_scores in scores_by_space.items()
        for row in factors.table(
            photos.frame[factor],
            space_scores.scores[metric].per_query.rows,
            scoreboard.per_query(space_scores.scores[metric], measure),
        )
    ]
    st.plotly_chart(
        robustness_figures.factor(rows, {space: spaces.get(space).title for space in scores_by_space}, measure),
        width="stretch",
        key="factor",
        config=config("factor"),
        alt=f"{MEASURES[measure]} by {titles_by_column[factor]}",
    )
    st.caption(
        f"Test photos as queries, grouped by the column {plain(titles_by_column[factor])} of factors.csv; in brackets "
        f"the number of photos. Bars are 95 % intervals ({statistics.METHOD}). Numbers are split into quartiles."
    )
    page_controls.csv_button(pd.DataFrame(rows), "factors")
