"""Where L1 and cosine disagree over the whole data set: on which photos, for which classes, with which hubs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from lib.embed import spaces
from lib.prepare.workspace import Workspace
from lib.search import neighbourhoods
from lib.search.disagreement import Disagreement
from lib.search.metrics import METRICS
from lib.search.neighbourhoods import DEPTH
from lib.view import cached, page_controls, page_frame, photo_tiles, selection, url_state
from lib.view.figures import scores
from lib.view.figures.style import config
from lib.view.retrieval import measurements, view_links

SHOWN = 24
WINNERS = {"cosine": "cosine wins", "l1": "L1 wins", "neither": "neither"}


def show(opened: Workspace) -> None:
    """The whole view, for one space."""
    space = page_controls.space_choice(opened, "retrieval")
    facts = cached.neighbourhoods(opened, space).facts
    left, right = st.columns([2, 5], vertical_alignment="bottom")
    most = min(DEPTH, len(cached.catalog(opened).frame) - 1)
    k = int(left.number_input("Answers compared", **url_state.number("compared", 1, max(1, most), min(10, most))))
    with right:
        view_links.to_map(space, "See it on the map", colour="disagreement")
    page_frame.origin(opened, space, Engine=neighbourhoods.approximation_note(facts, k=k) or "exact")
    found = measurements.disagreements(opened, space, k)
    summary(found, str(facts["input"]))
    queries(opened, space, found)
    classes(opened, space, found.k)
    hubness(opened, space, k)


def summary(found: Disagreement, source: str) -> None:
    """How often they agree; `source` is where the neighbours come from."""
    known = found.overlap[~np.isnan(found.overlap)]
    if not len(known):
        st.info("No photo here has another one to be compared with.")
        st.stop()
    page_controls.numbers(
        "disagree",
        ("Mean overlap", f"{known.mean():.1%}", "", f"Shared among the first {found.k}."),
        ("The very same answers", f"{(known == 1).mean():.1%}", "of photos", ""),
        ("Nothing in common", f"{(known == 0).mean():.1%}", "of photos", ""),
        (
            "Mean rank-biased overlap",
            f"{np.nanmean(found.rbo):.3f}",
            "",
            f"Over the first {DEPTH} answers, the first ranks weighing most (p = 0.9; Webber et al. 2010).",
        ),
    )
    st.plotly_chart(
        scores.overlaps(found.overlap, found.k),
        width="stretch",
        key="overlaps",
        config=config("overlaps"),
        alt="how many photos have how many answers in common under L1 and cosine",
    )
    st.caption(f"Every one of {len(known):,} photos as a query against all others, its copies left out, in {source}.")


def queries(opened: Workspace, space: str, found: Disagreement) -> None:
    """The photos on which they differ most, each opening side by side."""
    photos = cached.catalog(opened)
    lists = {
        "Least in common": (found.worst()[:SHOWN], "The lowest overlap first."),
        "Cosine finds more": (found.torn("cosine")[:SHOWN], "More answers of the photo's class by cosine than by L1."),
        "L1 finds more": (found.torn("l1")[:SHOWN], "More answers of the photo's class by L1 than by cosine."),
    }
    st.subheader("On which photos")
    tied = url_state.choice("torn", "disagree", list(lists), "Least in common")
    chosen = str(st.segmented_control("Photos", list(lists), required=True, label_visibility="collapsed", **tied))
    rows, about = lists[chosen]
    st.caption(f"{about} A click puts the photo's answers side by side.")
    if not len(rows):
        st.markdown(":material/check: none")
        return
    photo_tiles.show_photos(
        opened,
        [photos.ids[row] for row in rows],
        key="torn_photos",
        title=chosen,
        badges=[f"{found.overlap[row]:.0%}" for row in rows],
        notes=[f"right: {_tenths(found, 'l1', row)} L1, {_tenths(found, 'cosine', row)} cos" for row in rows],
        tile=104,
        on_pick=view_links.to_sides(space),
    )
    listed = pd.DataFrame(
        {
            "id": photos.ids,
            "label": photos.frame["label"],
            "overlap": found.overlap,
            "rank-biased overlap": found.rbo,
            "right by L1": found.right["l1"],
            "right by cosine": found.right["cosine"],
        }
    ).iloc[found.worst()]
    with st.container(horizontal=True):
        if st.button("Select these on the map", icon=":material/my_location:", key="torn_map"):
            selection.pick([photos.ids[row] for row in rows], photos.ids, photos.contents)
            wanted = url_state.link_to(url_state.MAP, space=space, colour="disagreement")
            st.switch_page(url_state.MAP, query_params=wanted)
        page_controls.csv_button(listed, "disagreement")


def _tenths(found: Disagreement, metric: str, row: int) -> str:
    return f"{found.right[metric][row] * found.k:.0f}"


def classes(opened: Workspace, space: str, k: int) -> None:
    """For which classes one metric finds more right answers than the other."""
    results = measurements.disagreements_by_class(opened, space, k)
    st.subheader("For which classes")
    st.plotly_chart(
        scores.class_winners(results),
        width="stretch",
        key="class_winners",
        config=config("class-winners"),
        alt="cosine less L1, share of right answers, for every class with its interval",
    )
    listed = pd.DataFrame(
        [
            {
                "Class": each.label,
                "Photos": each.images,
                "Overlap %": _percent(each.overlap),
                "Right by L1 %": _percent(each.right["l1"]),
                "Right by cosine %": _percent(each.right["cosine"]),
                "Cosine − L1, points": _percent(each.difference.mean),
                "95 % from": _percent(each.difference.ci95[0]) if each.difference.ci95 else None,
                "to": _percent(each.difference.ci95[1]) if each.difference.ci95 else None,
                "p (Holm)": each.p_corrected,
                "Verdict": WINNERS[each.winner],
            }
            for each in results
        ]
    )
    share, points = st.column_config.NumberColumn(format="%.2f"), st.column_config.NumberColumn(format="%+.2f")
    columns = dict.fromkeys(("Overlap %", "Right by L1 %", "Right by cosine %"), share)
    columns |= dict.fromkeys(("Cosine − L1, points", "95 % from", "to"), points)
    st.dataframe(listed, hide_index=True, width="stretch", column_config=columns)
    st.caption(
        f"Share of the first {k} answers that are of the photo's class, every photo a query. Interval: paired "
        "bootstrap over the photos of the class; p: sign-flip permutation, corrected for the number of classes (Holm)."
    )
    page_controls.csv_button(listed, "classes-l1-cosine")


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 4)


def hubness(opened: Workspace, space: str, k: int) -> None:
    """How unevenly each metric hands out its answers, and the greatest hubs."""
    photos = cached.catalog(opened)
    both = {metric: measurements.hubs(opened, space, metric, k) for metric in ("l1", "cosine")}
    st.subheader("Hubs")
    left, right = st.columns([3, 2], gap="medium")
    left.plotly_chart(
        scores.occurrences({name: each.counts for name, each in both.items()}),
        width="stretch",
        key="occurrences",
        config=config("hubness"),
        alt="share of photos that are found at least so often, under L1 and cosine",
    )
    listed = pd.DataFrame(
        {
            METRICS[name].title: {
                "Skewness of how often a photo is found": "–" if each.skewness is None else f"{each.skewness:.2f}",
                "Most often found": f"{each.counts.max():,} times",
                "Never found": f"{each.never:.1%} of photos",
                "Answers that the top 1 % of photos take": f"{each.top_share:.1%}",
                "Answers of another class": f"{each.bad.sum() / max(1, each.counts.sum()):.1%}",
            }
            for name, each in both.items()
        }
    )
    right.table(listed)
    right.caption(
        f"Found: among the first {k} answers to another photo. A hub turns up everywhere; the higher the skewness, "
        "the more of the answers go to few photos (Radovanović et al. 2010). *Wrong* below: by photos of another class."
    )
    for name, each in both.items():
        other = both["cosine" if name == "l1" else "l1"]
        st.markdown(f"**Greatest hubs by {METRICS[name].title}** in {spaces.get(space).title}")
        photo_tiles.show_photos(
            opened,
            [photos.ids[row] for row in each.top],
            key=f"hubs_{name}",
            title=f"Greatest hubs by {METRICS[name].title}",
            badges=[f"×{each.counts[row]:,}" for row in each.top],
            notes=[
                (
                    f"×{other.counts[row]:,} by {METRICS[other.metric].short}",
                    f"{each.bad[row] / max(1, each.counts[row]):.0%} wrong",
                )
                for row in each.top
            ],
            tile=92,
            row=True,
            on_pick=view_links.to_sides(space),
        )
