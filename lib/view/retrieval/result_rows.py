"""The retrieval page's grids: a row of answers for each metric, each space, or each query; and the scoreboard."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lib.embed import spaces
from lib.prepare.workspace import Workspace
from lib.search.metrics import METRICS
from lib.view import cached_search, page_controls, page_frame, photo_tiles, url_state
from lib.view.cached_search import QuerySet, Side
from lib.view.formatting import plain
from lib.view.retrieval import reproduce

ROWS = {"metric": "Metric", "space": "Space", "query": "Query"}


def grid(
    opened: Workspace, asked: QuerySet, found: dict[str, Any], key: str, *, name: str = "", title: str = ""
) -> None:
    """One row of answers under its `name`: rank, value and gap to the next answer, right/wrong mark. `title` names the
    row for screen readers; both are the metric's where none is given."""
    metric, rows = METRICS[found["metric"]], found["results"]
    label = cached_search.label_of(opened, asked)
    direction = "larger = closer" if found["higher_is_closer"] else "smaller = closer"
    unit = f"mean rank over {len(found['queries'])} queries" if "fusion" in found else metric.unit
    right = sum(row["label"] == label for row in rows)
    verdict = f" · {right} of {len(rows)} of the query's class" if label is not None else ""
    recall = f" · recall against the full scan {found['recall']:.2f}" if found["recall"] is not None else ""
    st.markdown(
        f"**{name or metric.title}** · {direction} · {unit}{verdict}{recall}",
        help=f"${metric.formula}$ ({metric.unit}). {metric.note} Δ is the gap to the next answer.",
    )
    if not rows:
        st.caption("No photo may be an answer.")
        return
    photo_tiles.show_photos(
        opened,
        [row["id"] for row in rows],
        key=key,
        title=f"Answers by {title or metric.title}",
        badges=[f"#{row['rank']}" for row in rows],
        notes=[_values(row) for row in rows],
        right=[row["label"] == label for row in rows] if label is not None else None,
        row=True,
        tile=68,
    )
    if found["recall"] is not None:
        _missed(opened, found, key)


def _values(row: dict[str, Any]) -> tuple[str, ...]:
    value = format(row["value"], "#.4g")
    return (value,) if row["gap"] is None else (value, f"Δ {row['gap']:#.2g}")


def _missed(opened: Workspace, found: dict[str, Any], key: str) -> None:
    """Which of the full scan's answers the index did not find."""
    if not found["missed"]:
        st.caption(
            f":material/check: The full scan's answers, all of them · {1000 * found['seconds']:.1f} ms in Milvus"
        )
        return
    st.caption(
        f":material/search_off: {len(found['missed'])} of the full scan's answers are not among them · "
        f"{1000 * found['seconds']:.1f} ms in Milvus. They are:"
    )
    photo_tiles.show_photos(
        opened,
        [row["id"] for row in found["missed"]],
        key=f"{key}_missed",
        title="Answers that Milvus missed",
        badges=[f"exact #{row['rank']}" for row in found["missed"]],
        notes=[_values(row) for row in found["missed"]],
        tile=68,
        row=True,
    )


def five(opened: Workspace, asked: QuerySet) -> None:
    """A grid per metric in one space, per space under one metric, or per query."""
    several = len(asked.queries) > 1
    columns = st.columns([2.4, 1.5, 2.2, 3.2], vertical_alignment="bottom")
    with columns[0]:
        by = str(
            st.segmented_control(
                "A row for each",
                list(ROWS) if several else list(ROWS)[:2],
                required=True,
                format_func=ROWS.__getitem__,
                **url_state.choice("rows", "retrieval", list(ROWS) if several else list(ROWS)[:2], "metric"),
            )
        )
    with columns[3]:
        metric = page_controls.metric_choice("Metric", "cosine", "metric", "retrieval") if by != "metric" else "cosine"
    space = page_controls.space_choice(opened, "retrieval") if by != "space" else opened.spaces[0]
    with columns[1]:
        k = answers_choice()
    with columns[2]:
        engine = str(
            st.segmented_control(
                "Engine",
                ["exact", "milvus"],
                required=True,
                help="*exact* looks at every photo. *milvus* asks the collection's index, and shows what it missed.",
                **url_state.choice("engine", "retrieval", ["exact", "milvus"], "exact"),
            )
        )
    page_frame.origin(opened, space if by != "space" else None, Engine=engine)
    if by == "metric":
        rows = {METRICS[name].title: (asked, Side(name, space)) for name in METRICS}
    elif by == "space":
        rows = {spaces.get(name).title: (asked, Side(metric, name)) for name in opened.spaces}
    else:
        rows = {
            query.name: (QuerySet([query], asked.among, asked.keep_duplicates), Side(metric, space))
            for query in asked.queries
        }
    given: dict[str, dict[str, Any]] = {}
    for place, (name, (one, side)) in enumerate(rows.items()):
        refused = _refusal(one, side, engine)
        if refused:
            st.markdown(f"**{plain(name)}**")
            st.info(refused, icon=":material/info:")
            continue
        given[name] = cached_search.search(opened, one, side, k, engine)
        told = "" if by == "metric" else f"{METRICS[side.metric].title} in {name}" if by == "space" else f"for {name}"
        grid(opened, one, given[name], key=f"grid_{by}_{place}", name=plain(name), title=told)
    if by == "metric" and given:
        _alike(given)
    reproduce.show(opened, [(one, side) for one, side in rows.values()], list(given.values()), k, engine)


def answers_choice() -> int:
    """How many answers: a control kept in the address."""
    return int(st.number_input("Answers", **url_state.number("k", 1, 100, 10)))


def _refusal(asked: QuerySet, side: Side, engine: str) -> str:
    """Why a row cannot be answered, in a sentence; "" where it can."""
    space = spaces.get(side.space)
    if engine == "milvus" and not space.in_milvus:
        return (
            f"{space.title} have {space.dim:,} dimensions and Milvus takes {spaces.MILVUS_MAX_DIM:,}: choose the "
            "engine exact, or another space."
        )
    if engine == "milvus" and len(asked.queries) > 1:
        return "Several queries at once are answered by the engine exact; a row for each query asks Milvus too."
    values = asked.queries[0].values
    if values is not None and len(values) != space.dim:
        return f"The query is a vector of {len(values):,} numbers, and {space.title} have {space.dim:,}."
    return ""


def _alike(given: dict[str, dict[str, Any]]) -> None:
    """Which metrics give the very same answers: seen here, not supposed."""
    ids: dict[tuple[str, ...], list[str]] = {}
    for name, found in given.items():
        ids.setdefault(tuple(row["id"] for row in found["results"]), []).append(name)
    same = [" and ".join(names) for names in ids.values() if len(names) > 1]
    if same:
        st.caption(f":material/info: The same photos in the same order: {'; '.join(same)}.")
