"""Two sides compared: lines between equal photos, how far the rankings agree, and why one pair is close."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from lib.documents.search import CompareDocument, SearchDocument
from lib.embed import spaces
from lib.prepare.workspace import Workspace
from lib.retrieval.candidates import left_out_note
from lib.search.metrics import METRICS
from lib.view import cached_search, page_controls, page_frame, photo_tiles, selection, url_state
from lib.view.cached_search import QuerySet, Side
from lib.view.components import rank_lines
from lib.view.components.gallery import Tile
from lib.view.retrieval import explain_pair, reproduce, result_rows

SHOWN = {"all": "All", "shared": "Shared", "a": "Only left", "b": "Only right"}


def show(workspace: Workspace, queries: QuerySet) -> None:
    """The view: the controls of both sides, their agreement, both rankings, and the contributions behind one pair."""
    a, b, k = _controls(workspace)
    page_frame.origin(workspace, a.space, **({"Other_side": spaces.get(b.space).title} if b.space != a.space else {}))
    comparison = cached_search.compare(workspace, queries, a, b, k)
    names = _side_names(a, b)
    _show_agreement(comparison, names, k)
    shown = page_controls.segments("Show", SHOWN, "show", "retrieval", "all")
    pair = explain_pair.chosen_pair(comparison)
    _show_rankings(workspace, queries.label, comparison, (a, b), names, shown, pair)
    explain_pair.show(workspace, queries, (a, b), comparison, names, pair)
    documents = [comparison["a"], comparison["b"]]
    reproduce.show(workspace, [(queries, a), (queries, b)], documents, k, compared=True)


def _controls(workspace: Workspace) -> tuple[Side, Side, int]:
    """Both sides and k, kept in the address. The right space follows the left one until it is chosen itself."""
    first, second = st.columns([2, 3]), st.columns([2, 3])
    with first[0]:
        left_metric = page_controls.metric_choice("Left: metric", "l1", "a", "retrieval")
    with first[1]:
        left_space = page_controls.space_choice(workspace, "retrieval")
    with second[0]:
        right_metric = page_controls.metric_choice("Right: metric", "cosine", "b", "retrieval")
    with second[1]:
        titles = page_controls.space_titles(workspace)
        right_space = page_controls.segments("Right: space", titles, "bspace", "retrieval", left_space)
    left, right = st.columns([1, 4], vertical_alignment="bottom")
    with left:
        k = result_rows.k_choice()
    with right:
        unit = bool(
            st.toggle(
                "Scale vectors to length 1 first",
                **url_state.switch("unit"),
                help="For vectors of length 1 the squared L2 distance is 2 - 2 · cosine, so L2 and cosine give the "
                "same ranking: choose them as the two metrics and switch this on. Raw pixels are not scaled.",
            )
        )
    return _side(left_metric, left_space, unit), _side(right_metric, right_space, unit), k


def _side(metric: str, space: str, unit: bool) -> Side:
    return Side(metric, space, unit and not spaces.get(space).pixels)


def _side_names(a: Side, b: Side) -> tuple[str, str]:
    """Short names that tell the sides apart: by metric, by space, or by both."""
    left, right = METRICS[a.metric].short, METRICS[b.metric].short
    if a.space == b.space:
        return (left, right) if left != right else (f"left {left}", f"right {right}")
    if left == right:
        return a.space, b.space
    return f"{left} {a.space}", f"{right} {b.space}"


def _show_agreement(comparison: CompareDocument, names: tuple[str, str], k: int) -> None:
    overlap, tau = comparison["overlap"], comparison["kendall_tau"]
    page_controls.numbers(
        "sides",
        ("Overlap", _number(overlap, ".0%"), "", f"Photos in both results, divided by k = {k}."),
        (
            "Rank-biased overlap",
            _number(comparison["rbo"], ".3f"),
            "",
            "Agreement of the two rankings with the most weight on the first ranks (p = 0.9; Webber et al. 2010): 1 is "
            "the same order, 0 no shared photo.",
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
    left_ids = {result["id"] for result in comparison["a"]["results"]}
    shared = sum(result["id"] in left_ids for result in comparison["b"]["results"])
    st.caption(
        f"{shared} of the first {len(left_ids)} photos are the same on both sides. For two photos drawn at random, "
        f"{names[0]} and {names[1]} agree with probability {(1 + tau) / 2:.1%} on which one is closer: (1 + tau) / 2, "
        "if no values are equal."
    )


def _number(value: float | None, form: str) -> str:
    return "undefined" if value is None else format(value, form)


def _show_rankings(
    workspace: Workspace,
    label: str | None,
    comparison: CompareDocument,
    sides: tuple[Side, Side],
    names: tuple[str, str],
    shown: str,
    pair: str | None,
) -> None:
    """Both rankings with lines between equal photos; `shown` is a key of SHOWN, `label` the query's class."""
    ids = {side: {result["id"] for result in comparison[side]["results"]} for side in ("a", "b")}
    shared = ids["a"] & ids["b"]
    visible = {
        "a": {"all": ids["a"], "shared": shared, "a": ids["a"] - shared, "b": set()}[shown],
        "b": {"all": ids["b"], "shared": shared, "a": set(), "b": ids["b"] - shared}[shown],
    }
    left = _tiles(workspace, label, comparison, "a", names, visible["a"])
    right = _tiles(workspace, label, comparison, "b", names[::-1], visible["b"])
    opened = rank_lines.show(
        left,
        right,
        key="ladder",
        titles=(_title(sides, "a"), _title(sides, "b")),
        heads=(_heading(sides[0], label, comparison["a"]), _heading(sides[1], label, comparison["b"])),
        about=f"Lines connect the {len(shared)} photos that are on both sides.",
        on_pick=selection.choose_query,
        on_why=explain_pair.choose,
        chosen=selection.query_id(),
        explained=pair,
    )
    photo_tiles.look_at(opened, workspace, list(dict.fromkeys(tile.id for tile in (*left, *right))))
    st.caption(
        "Lines connect the same photo. A dotted stub marks a photo that is among the first on one side only; its tile "
        "shows the rank on the other side. *why?* explains a match below."
    )


def _tiles(
    workspace: Workspace,
    label: str | None,
    comparison: CompareDocument,
    side: Literal["a", "b"],
    names: tuple[str, str],
    visible: set[str],
) -> list[Tile]:
    """The visible results of a side as tiles; `names` are those of this side and of the other one."""
    ranked = [
        (result, other_rank)
        for result, other_rank in zip(comparison[side]["results"], comparison["ranks"][side], strict=True)
        if result["id"] in visible
    ]
    return photo_tiles.tiles(
        workspace,
        [result["id"] for result, _ in ranked],
        badges=[f"{names[0]} #{result['rank']} → {names[1]} #{other_rank}" for result, other_rank in ranked],
        notes=[format(result["value"], "#.4g") for result, _ in ranked],
        right=[None if label is None else result["label"] == label for result, _ in ranked],
    )


def _title(sides: tuple[Side, Side], side: str) -> str:
    """The name of a side for screen readers."""
    left, right = sides
    this = left if side == "a" else right
    space = f" in {spaces.get(this.space).title}" if left.space != right.space else ""
    position = f", {'left' if side == 'a' else 'right'}" if left == right else ""
    return f"{result_rows.results_title(METRICS[this.metric].title)}{space}{position}"


def _heading(side: Side, label: str | None, document: SearchDocument) -> tuple[str, str]:
    """The two lines above a side."""
    results = document["results"]
    same_class = sum(result["label"] == label for result in results)
    verdict = f" · {same_class} of {len(results)} of the query's class" if label is not None else ""
    direction = "larger = closer" if document["higher_is_closer"] else "smaller = closer"
    left_out = f" · {left_out_note(document['undefined'])}" if "undefined" in document else ""
    return f"{METRICS[side.metric].title} · {explain_pair.space_title(side)}", direction + verdict + left_out
