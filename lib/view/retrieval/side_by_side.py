"""Two ways to answer side by side: lines between equal photos, how far both agree, and why."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lib.embed import spaces
from lib.prepare.workspace import Workspace
from lib.search.metrics import METRICS
from lib.view import cached_search, page_controls, page_frame, photo_tiles, selection, url_state
from lib.view.cached_search import QuerySet, Side
from lib.view.components import rank_lines
from lib.view.retrieval import explain_pair, reproduce, result_rows

SHOWN = {"all": "All", "shared": "Shared", "a": "Only left", "b": "Only right"}


def show(opened: Workspace, asked: QuerySet) -> None:
    """The controls of both sides, their agreement, the rankings face to face, and the why of one pair."""
    a, b, k = _sides(opened)
    page_frame.origin(opened, a.space, **({"Other_side": spaces.get(b.space).title} if b.space != a.space else {}))
    both = cached_search.compare(opened, asked, a, b, k)
    names = _names(a, b)
    _agreement(both, names, k)
    wanted = str(
        st.segmented_control(
            "Show",
            list(SHOWN),
            required=True,
            format_func=SHOWN.__getitem__,
            **url_state.choice("show", "retrieval", list(SHOWN), "all"),
        )
    )
    pair = explain_pair.pair(both)
    _ladder(opened, asked, both, (a, b), names, wanted, pair)
    explain_pair.show(opened, asked, (a, b), both, names, pair)
    reproduce.show(opened, [(asked, a), (asked, b)], [both["a"], both["b"]], k, compared=True)


def _sides(opened: Workspace) -> tuple[Side, Side, int]:
    first, second = st.columns([2, 3]), st.columns([2, 3])
    with first[0]:
        a = page_controls.metric_choice("Left: metric", "l1", "a", "retrieval")
    with first[1]:
        space = page_controls.space_choice(opened, "retrieval")
    with second[0]:
        b = page_controls.metric_choice("Right: metric", "cosine", "b", "retrieval")
    with second[1]:
        other = str(
            st.segmented_control(
                "Right: space",
                opened.spaces,
                required=True,
                format_func=lambda name: spaces.get(name).title,
                wrap=True,
                **_follows(opened, space),
            )
        )
    left, right = st.columns([1, 4], vertical_alignment="bottom")
    with left:
        k = result_rows.answers_choice()
    with right:
        unit = st.toggle(
            "Bring every vector to length 1 first",
            **url_state.switch("unit"),
            help="On vectors of length 1 the squared L2 distance is 2 - 2 · cosine, so both rank alike: put L2 beside "
            "cosine and switch. Raw pixels stay as they are, whole numbers.",
        )
    return _side(a, space, bool(unit)), _side(b, other, bool(unit)), k


def _follows(opened: Workspace, space: str) -> dict[str, Any]:
    """The right side's space is the left one's until somebody chooses another."""
    return url_state.choice("bspace", "retrieval", opened.spaces, space)


def _side(metric: str, space: str, unit: bool) -> Side:
    return Side(metric, space, unit and not spaces.get(space).pixels)


def _names(a: Side, b: Side) -> tuple[str, str]:
    """What each side is called: by its metric, by its space, or by both, whatever tells them apart."""
    one, other = METRICS[a.metric].short, METRICS[b.metric].short
    if a.space == b.space:
        return (one, other) if one != other else (f"left {one}", f"right {other}")
    if one == other:
        return a.space, b.space
    return f"{one} {a.space}", f"{other} {b.space}"


def _agreement(both: dict[str, Any], names: tuple[str, str], k: int) -> None:
    overlap, tau = both["overlap"], both["kendall_tau"]
    page_controls.numbers(
        "sides",
        ("Overlap", _number(overlap, ".0%"), "", f"Photos that both answers share, divided by k = {k}."),
        (
            "Rank-biased overlap",
            _number(both["rbo"], ".3f"),
            "",
            "Agreement of the two rankings, the first ranks weighing most (p = 0.9; Webber et al. 2010): 1 is the "
            "same order, 0 no photo shared.",
        ),
        (
            "Kendall's tau",
            _number(tau, ".3f"),
            "",
            "Over the whole gallery: 1 same order, 0 unrelated, -1 reversed (tau-b).",
        ),
    )
    if overlap is None or tau is None:
        return
    ids = {row["id"] for row in both["a"]["results"]}
    shared = sum(row["id"] in ids for row in both["b"]["results"])
    st.caption(
        f"{shared} of the first {len(ids)} photos are the same on both sides. Of two drawn at random, {names[0]} "
        f"and {names[1]} agree in {(1 + tau) / 2:.1%} of the cases which is the closer one: that is (1 + tau) / 2, "
        "where no values are equal."
    )


def _number(value: float | None, form: str) -> str:
    return "undefined" if value is None else format(value, form)


def _ladder(
    opened: Workspace,
    asked: QuerySet,
    both: dict[str, Any],
    sides: tuple[Side, Side],
    names: tuple[str, str],
    wanted: str,
    pair: str | None,
) -> None:
    label = cached_search.label_of(opened, asked)
    found = {side: {row["id"] for row in both[side]["results"]} for side in ("a", "b")}
    shared = found["a"] & found["b"]
    columns, titles, heads = [], [], []
    for side, way, mine, other in (("a", sides[0], *names), ("b", sides[1], names[1], names[0])):
        keep = {"all": found[side], "shared": shared, "a": found["a"] - shared, "b": found["b"] - shared}[wanted]
        rows = [
            (row, there)
            for row, there in zip(both[side]["results"], both["ranks"][side], strict=True)
            if row["id"] in keep
        ]
        columns.append(
            photo_tiles.tiles(
                opened,
                [row["id"] for row, _ in rows],
                badges=[f"{mine} #{row['rank']} → {other} #{there}" for row, there in rows],
                notes=[format(row["value"], "#.4g") for row, _ in rows],
                right=[None if label is None else row["label"] == label for row, _ in rows],
            )
        )
        title = METRICS[way.metric].title
        inside = f" in {spaces.get(way.space).title}" if sides[0].space != sides[1].space else ""
        twice = f", {'left' if side == 'a' else 'right'}" if sides[0] == sides[1] else ""
        titles.append(f"Answers by {title}{inside}{twice}")
        right = sum(row["label"] == label for row in both[side]["results"])
        verdict = f" · {right} of {len(found[side])} of the query's class" if label is not None else ""
        direction = "larger = closer" if both[side]["higher_is_closer"] else "smaller = closer"
        where = f"{spaces.get(way.space).title}{' at length 1' if way.unit else ''}"
        heads.append((f"{title} · {where}", direction + verdict))
    rank_lines.show(
        columns[0],
        columns[1],
        key="ladder",
        titles=(titles[0], titles[1]),
        heads=(heads[0], heads[1]),
        about=f"Lines join the {len(shared)} photos that both sides found.",
        on_pick=selection.choose,
        on_why=explain_pair.choose,
        chosen=selection.query(),
        explained=pair,
    )
    st.caption(
        "Lines join equal photos; a dotted stub is a photo that only one side has among its first, and its tile says "
        "at which rank the other has it. *why?* takes a pair apart below."
    )
