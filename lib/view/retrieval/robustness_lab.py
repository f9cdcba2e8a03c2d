"""The robustness lab: change the query photo with sliders and see which space and metric still know it."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lib.data.distortions import DISTORTIONS, Distortion, distorted
from lib.embed import embedder, spaces
from lib.errors import DataError, QueryError
from lib.measure import factors, robustness, scoreboard
from lib.measure.scoreboard import MEASURES
from lib.prepare.workspace import Workspace
from lib.search.metrics import METRICS
from lib.view import cached, page_controls, page_frame, photo_tiles, selection, url_state
from lib.view.components import gallery
from lib.view.figures import robustness as robustness_figures
from lib.view.figures.style import config
from lib.view.formatting import ink, plain
from lib.view.retrieval import measurements, robustness_sweeps

K = 10


def show(opened: Workspace) -> None:
    """The whole view: one photo, then many, then what is in them."""
    space = page_controls.space_choice(opened, "retrieval")
    pair = beside(opened, space)
    beside_it = {"Beside_it": spaces.get(pair[0]).title} if pair[0] != space else {}
    page_frame.origin(opened, space, **beside_it, Engine="exact")
    photos = cached.catalog(opened)
    chosen = selection.query()
    row = photos.row(chosen) if chosen else None
    if row is None:
        st.info("Choose a photo to change: one of these, or any other.", icon=":material/image_search:")
        firsts = photos.frame.drop_duplicates("label")["id"]
        photo_tiles.show_photos(opened, list(firsts)[:12], key="lab_starters", title="Photos to begin with", tile=112)
    else:
        left, right = st.container(key="split_lab").columns([3, 8], gap="medium")
        with left:
            strengths = sliders()
        with right:
            one_photo(opened, row, pair, strengths)
    st.divider()
    robustness_sweeps.show(opened, pair)
    by_factor(opened)


def beside(opened: Workspace, space: str) -> list[str]:
    """The spaces that are put beside each other: raw pixels and the chosen one, or the first that has features."""
    features = [name for name in opened.spaces if name != "pixels"]
    other = space if space != "pixels" else next(iter(features), None)
    return [name for name in ("pixels", other) if name is not None and name in opened.spaces]


def sliders() -> dict[str, float]:
    """A slider for each distortion, kept in the address; returns the strengths."""

    def reset() -> None:
        url_state.write(**dict.fromkeys(f"lab_{name}" for name in DISTORTIONS))

    found = {}
    for name, kind in DISTORTIONS.items():
        low, high, neutral, step = _numbers(kind)
        if name == "flip":
            found[name] = float(
                st.toggle(f"{kind.title}, {kind.unit}", help=kind.about, **url_state.switch("lab_flip"))
            )
            continue
        tied = (url_state.number if isinstance(step, int) else url_state.fraction)(f"lab_{name}", low, high, neutral)
        found[name] = float(
            st.slider(
                f"{kind.title}, {kind.unit}",
                step=step,
                format="%d" if isinstance(step, int) else "%.1f",
                help=kind.about,
                **tied,
            )
        )
    st.button("As it was", on_click=reset, icon=":material/restart_alt:", width="stretch")
    return found


def _numbers(kind: Distortion) -> tuple[Any, Any, Any, Any]:
    """Least, most, neutral and step of a slider: whole numbers where all of them are, since it takes one type only."""
    values = (kind.low, kind.high, kind.neutral, kind.step)
    whole = all(float(value).is_integer() for value in values)
    low, high, neutral, step = (int(value) if whole else float(value) for value in values)
    return low, high, neutral, step


@st.cache_data(max_entries=300, show_spinner=False)
def _looked(
    version: str, space: str, image_id: str, strengths: tuple[tuple[str, float], ...], _opened: Workspace
) -> Any:
    """What every metric makes of the changed photo, as plain dicts."""
    loaded = cached.loaded(_opened, space)
    row = loaded.catalog.row(image_id)
    if row is None:
        raise QueryError("The photo is not in this data set; choose another one.")
    if strengths:
        changed = distorted(loaded.catalog.open(row), dict(strengths))
        vector = embedder.query_vector(cached.embedder(_opened, space), changed)
    else:
        vector = np.asarray(loaded.gallery.vectors[row])
    seen = robustness.rank_originals(loaded, [row], vector[None], K)[0]
    return {
        name: {"rank": each.rank, "value": each.value, "gallery": each.gallery, "answers": each.answers}
        for name, each in seen.items()
    }


def one_photo(opened: Workspace, row: int, pair: list[str], strengths: dict[str, float]) -> None:
    """The changed photo, the rank of its original under every metric in both spaces, and the answers."""
    photos = cached.catalog(opened)
    image_id, label = photos.ids[row], photos.labels[row]
    active = {name: value for name, value in strengths.items() if value != DISTORTIONS[name].neutral}
    try:
        original = photos.open(row)
    except DataError as error:  # the vectors are still there, but nothing can be changed
        page_frame.failed(error)
        return
    changed = distorted(original, active)
    seen = {space: _looked(opened.version, space, image_id, tuple(sorted(active.items())), opened) for space in pair}
    titles = {name: spaces.get(name).title for name in opened.spaces}
    before, after, chart = st.columns([2, 2, 6], vertical_alignment="top")
    said = " · ".join(f"{DISTORTIONS[name].title} {value:g}" for name, value in active.items()) or "unchanged"
    for column, picture, words in ((before, original, f"original: {image_id}"), (after, changed, said)):
        column.html(
            f'<img src="{gallery.data_uri(cached.encoded(picture, 360))}" alt="{html.escape(words)}" '
            'style="width:100%;max-height:15rem;object-fit:contain;border-radius:.6rem">'
        )
        column.caption(plain(words))
    size = next(iter(seen[pair[0]].values()))["gallery"]
    with chart:
        st.plotly_chart(
            robustness_figures.ranks(
                {space: {name: each["rank"] for name, each in found.items()} for space, found in seen.items()},
                titles,
                size,
                ink=ink(),
            ),
            width="stretch",
            key="lab_ranks",
            config=config("ranks"),
            alt="the rank of the original photo under every metric, in both spaces",
        )
    st.markdown(summary(seen, titles))
    which = str(
        st.segmented_control(
            "Answers by",
            list(METRICS),
            required=True,
            format_func=lambda name: METRICS[name].title,
            wrap=True,
            **url_state.choice("metric", "lab", list(METRICS), "cosine"),
        )
    )
    for space in pair:
        answers(opened, space, seen[space][which], image_id, label, which)


def summary(seen: dict[str, Any], titles: dict[str, str]) -> str:
    """In one sentence a space: how many metrics still put the original first."""
    parts = []
    for space, found in seen.items():
        first = sum(each["rank"] == 1 for each in found.values())
        worst = max(each["rank"] for each in found.values())
        tail = "" if first == len(found) else f", at worst it is answer {worst:,}"
        parts.append(f"**{titles[space]}**: the original comes first under {first} of {len(found)} metrics{tail}.")
    return "  \n".join(parts)


def answers(opened: Workspace, space: str, found: dict[str, Any], image_id: str, label: str, metric: str) -> None:
    """The first answers to the changed photo in one space by one metric."""
    photos = cached.catalog(opened)
    ids = [photos.ids[row] for row, _ in found["answers"]]
    labels = [photos.labels[row] for row, _ in found["answers"]]
    right = sum(each == label and name != image_id for each, name in zip(labels, ids, strict=True))
    others = sum(name != image_id for name in ids)
    st.markdown(
        f"**{spaces.get(space).title}** · {METRICS[metric].title} · original at #{found['rank']:,} · "
        f"{right} of {others} others of its class"
    )
    photo_tiles.show_photos(
        opened,
        ids,
        key=f"lab_answers_{space}",
        title=f"Answers in {spaces.get(space).title}",
        badges=[f"#{rank}" for rank in range(1, len(ids) + 1)],
        notes=[
            (format(value, "#.4g"), "original" if name == image_id else "")
            for name, (_, value) in zip(ids, found["answers"], strict=True)
        ],
        right=[each == label for each in labels],
        row=True,
        tile=68,
    )


def by_factor(opened: Workspace) -> None:
    """Where the catalog knows what is in the pictures: scores by each factor of variation."""
    photos = cached.catalog(opened)
    known = factors.factors(photos.frame)
    if not known:
        return
    st.subheader("By what is in the picture")
    scored = measurements.all_scores(opened)
    if scored is None:
        return
    columns = st.columns(3)
    name = str(
        columns[0].selectbox(
            "Factor",
            list(known),
            format_func=known.__getitem__,
            **url_state.choice("factor", "lab", list(known), next(iter(known))),
        )
    )
    with columns[1]:
        metric = page_controls.metric_choice("Metric", "cosine", "metric3", "lab")
    tied = url_state.choice("measure", "lab", list(MEASURES), "p10")
    measure = str(columns[2].selectbox("Judged by", list(MEASURES), format_func=MEASURES.__getitem__, **tied))
    rows = [
        {"space": space, **row}
        for space, each in scored.items()
        for row in factors.table(
            photos.frame[name],
            each.scores[metric].per_query.rows,
            scoreboard.per_query(each.scores[metric], measure),
        )
    ]
    titles = {space: spaces.get(space).title for space in scored}
    st.plotly_chart(
        robustness_figures.factor(rows, titles, measure),
        width="stretch",
        key="factor",
        config=config("factor"),
        alt=f"{MEASURES[measure]} by {known[name]}",
    )
    st.caption(
        f"Test photos as queries, grouped by the column {plain(known[name])} of factors.csv; in brackets how many; "
        "bars are 95 % bootstrap intervals. Numbers are cut into quarters of equal size."
    )
    page_controls.csv_button(pd.DataFrame(rows), "factors")
