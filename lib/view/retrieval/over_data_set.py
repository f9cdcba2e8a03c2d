"""Two configurations over the whole data set: which one is better, for which classes, and on which photos."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lib.measure import retrieval_verdicts
from lib.measure.scoreboard import MEASURES
from lib.prepare.workspace import Workspace
from lib.view import cached, page_controls, photo_tiles, unlabelled, url_state, verdict
from lib.view.cached_search import Side
from lib.view.figures import scores
from lib.view.figures.style import config
from lib.view.retrieval import measurements, section_links
from lib.view.retrieval.measurements import Compared

HEADING = "Over the data set"
NO_QUERIES = "Scores need test photos as queries and other photos as gallery; this data set lacks one of them."
SHOWN = 8
MOST_CLASSES = 12


def show(workspace: Workspace, sides: tuple[Side, Side], names: tuple[str, str], k: int) -> None:
    """The comparison by the stored scores; where none are stored, the button that measures them."""
    if unlabelled.stops(workspace, "Scores over the data set"):
        return
    a, b = sides
    with st.container(horizontal=True, vertical_alignment="bottom", key="over_data_set"):
        st.subheader(HEADING, anchor=False, width="stretch")
        bound = url_state.choice("measure", "retrieval", list(MEASURES), "map")
        measure = str(
            st.selectbox(
                "Measure",
                list(MEASURES),
                format_func=MEASURES.__getitem__,
                width=140,
                label_visibility="collapsed",
                **bound,
            )
        )
    if a == b:
        st.info("Both sides are the same configuration: choose another metric or space for one of them.")
        return
    if a.unit or b.unit:
        st.info("Scores are stored for the vectors as they are: switch *Scale vectors to length 1 first* off for them.")
        return
    found = measurements.compared(workspace, (a.space, a.metric), (b.space, b.metric), measure, k)
    if found is not None:
        _show_compared(workspace, found, sides, names)
    if found is not None and found.paired.measure == MEASURES[measure]:
        return
    splits = cached.catalog(workspace).splits
    if 0 < splits["test"] < sum(splits.values()):
        if measurements.all_scores(workspace, unasked=False) is not None:
            st.rerun()
    else:
        st.info(NO_QUERIES)


def _show_compared(workspace: Workspace, found: Compared, sides: tuple[Side, Side], names: tuple[str, str]) -> None:
    verdict.show(retrieval_verdicts.comparison(found.paired, found.test, names))
    paired, photos = found.paired, cached.catalog(workspace)
    chart, winners = st.columns([2, 3], gap="medium")
    with chart:
        if any(each.difference.mean is not None for each in found.by_class):
            st.plotly_chart(
                scores.class_differences(found.by_class, names, paired.measure, MOST_CLASSES),
                width="stretch",
                key="class_differences",
                config=config("class-differences"),
                alt=f"{paired.measure} of {names[1]} minus that of {names[0]} for each class, with 95 % intervals",
            )
        cut = (
            f"The {MOST_CLASSES} largest of {len(found.by_class)} classes. "
            if len(found.by_class) > MOST_CLASSES
            else ""
        )
        st.caption(
            f"{cut}{paired.population}. Bars: 95 % interval, paired bootstrap over the queries of a class; coloured "
            "where p < 0.05 after Holm's correction for the number of classes."
        )
    open_photo = section_links.to_two_configurations(sides[0].space, sides[0].metric, sides[1].metric, sides[1].space)
    for side, name in zip(("a", "b"), names, strict=True):
        places = paired.ahead(side)
        with winners:
            st.markdown(f"**{name} finds more** on {len(places):,} of {found.test.n:,} queries")
            if not len(places):
                continue
            photo_tiles.show_photos(
                workspace,
                [photos.ids[paired.rows[place]] for place in places[:SHOWN]],
                key=f"ahead_{side}",
                title=f"Queries on which {name} finds more",
                notes=[
                    f"{paired.a[place]:.0%} | {paired.b[place]:.0%}"  # of A and of B
                    for place in places[:SHOWN]
                ],
                tile=72,
                row=True,
                on_pick=open_photo,
            )
    with winners:
        st.caption(
            f"The largest leads first; below each photo its {paired.measure} by {names[0]} | {names[1]}. Click one to "
            "search with it."
        )
        page_controls.csv_button(_table(workspace, found, names), "two-configurations")


def _table(workspace: Workspace, found: Compared, names: tuple[str, str]) -> pd.DataFrame:
    """The scores of every query under both configurations."""
    paired = found.paired
    queries = cached.catalog(workspace).frame.iloc[paired.rows][["id", "label"]].reset_index(drop=True)
    return queries.assign(**{f"{paired.measure} {names[0]}": paired.a, f"{paired.measure} {names[1]}": paired.b})
