"""Disagreements of L1 and cosine over the whole data set: by photo, by class, and their hubs."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
import streamlit as st

from lib.embed import spaces
from lib.measure import retrieval_verdicts
from lib.prepare.workspace import Workspace
from lib.search import neighbourhoods
from lib.search.disagreement import Disagreement, Hubs
from lib.search.metrics import METRICS
from lib.search.neighbourhoods import DEPTH
from lib.view import cached, page_controls, page_frame, photo_tiles, selection, url_state, verdict
from lib.view.figures import scores
from lib.view.figures.style import config
from lib.view.formatting import percent
from lib.view.retrieval import measurements, section_links

SHOWN = 24
WINNERS = {"cosine": "cosine better", "l1": "L1 better", "neither": "not significant"}


def show(workspace: Workspace) -> None:
    """The view, for one space."""
    space = page_controls.space_choice(workspace, "retrieval")
    facts = cached.neighbourhoods(workspace, space).facts
    left, right = st.columns([2, 5], vertical_alignment="bottom")
    deepest = min(DEPTH, len(cached.catalog(workspace).frame) - 1)
    k = int(
        left.number_input("Results compared (k)", **url_state.number("compared", 1, max(1, deepest), min(10, deepest)))
    )
    with right:
        section_links.to_map(space, "Show on the map", colour="disagreement")
    page_frame.origin(workspace, space, Engine=neighbourhoods.approximation_note(facts, k=k) or "exact")
    disagreement = measurements.disagreements(workspace, space, k)
    if (answer := retrieval_verdicts.disagreements(disagreement)) is not None:
        verdict.show(answer)
    _show_summary(disagreement, str(facts["input"]))
    _show_photos(workspace, space, disagreement)
    if cached.catalog(workspace).classes:
        _show_classes(workspace, space, disagreement.k)
    _show_hubs(workspace, space, k)


def _show_summary(disagreement: Disagreement, source: str) -> None:
    """How often L1 and cosine agree; `source` names the vectors of the neighbours."""
    overlaps = disagreement.overlap[~np.isnan(disagreement.overlap)]
    if not len(overlaps):
        st.info("This data set has one photo; a comparison needs two or more.")
        st.stop()
    page_controls.numbers(
        "disagree",
        ("Mean overlap", f"{overlaps.mean():.1%}", "", f"Shared photos among the first {disagreement.k}."),
        ("Identical results", f"{(overlaps == 1).mean():.1%}", "of photos", ""),
        ("No shared result", f"{(overlaps == 0).mean():.1%}", "of photos", ""),
        (
            "Mean rank-biased overlap",
            f"{np.nanmean(disagreement.rbo):.3f}",
            "",
            f"Over the first {DEPTH} results, with the most weight on the first ranks (p = 0.9; Webber et al. 2010).",
        ),
    )
    st.plotly_chart(
        scores.overlap_histogram(disagreement.overlap, disagreement.k),
        width="stretch",
        key="overlaps",
        config=config("overlaps"),
        alt="histogram of the number of results that L1 and cosine share, over all photos",
    )
    st.caption(f"Each of {len(overlaps):,} photos as a query against all others, without its duplicates, in {source}.")


def _show_photos(workspace: Workspace, space: str, disagreement: Disagreement) -> None:
    """The photos with the largest disagreement; a click compares a photo's results side by side."""
    photos = cached.catalog(workspace)
    lists = {
        "Least in common": (disagreement.worst()[:SHOWN], "The lowest overlap first."),
        "Cosine finds more": (
            disagreement.rows_ahead("cosine")[:SHOWN],
            "Photos for which cosine finds more results of the same class than L1.",
        ),
        "L1 finds more": (
            disagreement.rows_ahead("l1")[:SHOWN],
            "Photos for which L1 finds more results of the same class than cosine.",
        ),
    }
    if not photos.classes:
        del lists["Cosine finds more"], lists["L1 finds more"]
    st.subheader("By photo")
    titles = {title: title for title in lists}
    title = page_controls.segments("Photos", titles, "torn", "disagree", "Least in common", label_is_shown=False)
    rows, about = lists[title]
    st.caption(
        f"{about} Below each photo: how many of its results are of its class. Click a photo to compare its results "
        "side by side."
    )
    if not len(rows):
        st.markdown(":material/check: none")
        return
    right = disagreement.right
    photo_tiles.show_photos(
        workspace,
        [photos.ids[row] for row in rows],
        key="torn_photos",
        title=title,
        badges=[f"{disagreement.overlap[row]:.0%}" for row in rows],
        notes=[
            f"L1 {right['l1'][row] * disagreement.k:.0f}, cosine {right['cosine'][row] * disagreement.k:.0f}"
            for row in rows
        ]
        if photos.classes
        else None,
        tile=104,
        on_pick=section_links.to_two_configurations(space),
    )
    table = pd.DataFrame(
        {
            "id": photos.ids,
            "label": photos.frame["label"],
            "overlap": disagreement.overlap,
            "rank-biased overlap": disagreement.rbo,
            **({"right by L1": right["l1"], "right by cosine": right["cosine"]} if photos.classes else {}),
        }
    ).iloc[disagreement.worst()]
    with st.container(horizontal=True):
        if st.button("Select these on the map", icon=":material/my_location:", key="torn_map"):
            selection.select([photos.ids[row] for row in rows], photos.ids, photos.contents)
            target = url_state.link_to(url_state.MAP, space=space, colour="disagreement")
            st.switch_page(url_state.MAP, query_params=target)
        page_controls.csv_button(table, "disagreement")


def _show_classes(workspace: Workspace, space: str, k: int) -> None:
    """For which classes one metric finds more results of the same class than the other."""
    results = measurements.disagreements_by_class(workspace, space, k)
    st.subheader("By class")
    st.plotly_chart(
        scores.class_winners(results),
        width="stretch",
        key="class_winners",
        config=config("class-winners"),
        alt="precision of cosine minus precision of L1 for every class, with its interval",
    )
    table = pd.DataFrame(
        [
            {
                "Class": result.label,
                "Photos": result.images,
                "Overlap %": percent(result.overlap),
                "Precision of L1 %": percent(result.right["l1"]),
                "Precision of cosine %": percent(result.right["cosine"]),
                "Cosine − L1 (pp)": percent(result.difference.mean),
                "95 % from": percent(result.difference.ci95[0]) if result.difference.ci95 else None,
                "to": percent(result.difference.ci95[1]) if result.difference.ci95 else None,
                "p (Holm)": result.p_corrected,
                "Verdict": WINNERS[result.winner],
            }
            for result in results
        ]
    )
    share, points = st.column_config.NumberColumn(format="%.2f"), st.column_config.NumberColumn(format="%+.2f")
    columns = dict.fromkeys(("Overlap %", "Precision of L1 %", "Precision of cosine %"), share)
    columns |= dict.fromkeys(("Cosine − L1 (pp)", "95 % from", "to"), points)
    st.dataframe(table, hide_index=True, width="stretch", column_config=columns)
    st.caption(
        f"Precision: share of the first {k} results that are of the query's class, with every photo as a query. "
        "Interval: paired bootstrap over the photos of the class. p: sign-flip permutation, corrected for the number "
        "of classes (Holm)."
    )
    page_controls.csv_button(table, "classes-l1-cosine")


def _show_hubs(workspace: Workspace, space: str, k: int) -> None:
    """How unevenly each metric spreads its results over the photos, and the greatest hubs."""
    hubs = {metric: measurements.hubs(workspace, space, metric, k) for metric in ("l1", "cosine")}
    photos = cached.catalog(workspace)
    st.subheader("Hubs")
    left, right = st.columns([3, 2], gap="medium")
    left.plotly_chart(
        scores.occurrence_curves({metric: metric_hubs.counts for metric, metric_hubs in hubs.items()}),
        width="stretch",
        key="occurrences",
        config=config("hubness"),
        alt="share of photos that are retrieved at least n times, under L1 and cosine",
    )
    right.table(
        pd.DataFrame({METRICS[metric].title: _hub_numbers(each, photos.classes) for metric, each in hubs.items()})
    )
    right.caption(
        f"Retrieved: among the first {k} results of another photo. The higher the skewness, the more results go to a "
        "few photos, the hubs (Radovanović et al. 2010)."
        + (" *Wrong* below: retrieved by photos of another class." if photos.classes else "")
    )
    for metric, other_metric in (("l1", "cosine"), ("cosine", "l1")):
        counts, wrong, other_counts = hubs[metric].counts, hubs[metric].bad, hubs[other_metric].counts
        title = f"Greatest hubs by {METRICS[metric].title}"
        st.markdown(f"**{title}** in {spaces.get(space).title}")
        photo_tiles.show_photos(
            workspace,
            [photos.ids[row] for row in hubs[metric].top],
            key=f"hubs_{metric}",
            title=title,
            badges=[f"×{counts[row]:,}" for row in hubs[metric].top],
            notes=[
                (
                    f"×{other_counts[row]:,} by {METRICS[other_metric].short}",
                    *([f"{wrong[row] / max(1, counts[row]):.0%} wrong"] if photos.classes else []),
                )
                for row in hubs[metric].top
            ],
            tile=92,
            row=True,
            on_pick=section_links.to_two_configurations(space),
        )


def _hub_numbers(hubs: Hubs, classes: Collection[str]) -> dict[str, str]:
    """The hubness of a metric as a column of the table."""
    return {
        "Skewness of the retrieval counts": "–" if hubs.skewness is None else f"{hubs.skewness:.2f}",
        "Largest retrieval count": f"{hubs.counts.max():,}",
        "Never retrieved (anti-hubs)": f"{hubs.never_retrieved:.1%} of photos",
        "Results that are among the top 1 % of photos": f"{hubs.top_share:.1%}",
    } | ({"Results of another class": f"{hubs.bad.sum() / max(1, hubs.counts.sum()):.1%}"} if classes else {})
