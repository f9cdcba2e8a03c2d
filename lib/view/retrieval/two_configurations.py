"""Two configurations (a metric in a space each) on one screen, L1 and cosine unless others are chosen.

Above, their results for the query, with lines between equal photos; below, their scores over the whole data set.
"""

from __future__ import annotations

from typing import Literal

import streamlit as st

from lib.documents.search import CompareDocument, SearchDocument
from lib.embed import spaces
from lib.prepare.workspace import Workspace
from lib.retrieval.candidates import left_out_note
from lib.search.metrics import METRICS
from lib.view import cached_search, page_controls, page_frame, pair_heat, photo_tiles, selection, url_state
from lib.view.cached_search import Side
from lib.view.components import rank_lines
from lib.view.components.gallery import Marking, Tile
from lib.view.retrieval import explain_pair, feedback, over_data_set, query_form, reproduce, result_rows
from lib.view.retrieval.query_form import QueryForm

SHOWN = {"all": "All", "shared": "Shared", "a": "Only A", "b": "Only B"}
AGREEMENT = "Agreement on this query"


def show(workspace: Workspace) -> None:
    """The section: the query, the results of both sides, the scores of both over the data set, and their agreement."""
    form = query_form.choose(workspace)
    a, b, k, shown = _controls(workspace, form)
    page_frame.origin(workspace, a.space, **({"Other_space": spaces.get(b.space).title} if b.space != a.space else {}))
    names = side_names(a, b)
    if form.queries is not None:
        moved = feedback.moved_rows(workspace, form.queries, list(zip(names, (a, b), strict=True)), k)
        feedback.show_bar(workspace, form.queries, moved, k, (a, b))
        comparison = cached_search.compare(workspace, form.queries, a, b, k)
        documents = [comparison["a"], comparison["b"]]
        explained = explain_pair.chosen_pair(documents)
        marking = feedback.marking(workspace, form.queries, movable=form.movable)
        _show_rankings(workspace, form.queries.label, comparison, (a, b), names, shown, explained, marking)
        if explained is not None:
            explain_pair.show(workspace, form.queries, (a, b), documents, explained)
        pair_heat.preload(workspace, a.space)
    over_data_set.show(workspace, (a, b), names, k)
    if form.queries is not None:
        _show_agreement(comparison, names, k)
        reproduce.show(
            workspace,
            [(form.queries, a), (form.queries, b)],
            documents,
            k,
            compared=True,
            explained=_explained(explained, (a, b)),
        )


def _explained(result_id: str | None, sides: tuple[Side, Side]) -> tuple[str, tuple[Side, Side]] | None:
    return None if result_id is None else (result_id, sides)


def _controls(workspace: Workspace, form: QueryForm) -> tuple[Side, Side, int, str]:
    """Both sides, k, and which results are shown, kept in the address. The space of B follows that of A until it is
    chosen itself."""
    with form.controls:
        metric = page_controls.metric_choice("A: metric", "l1", "a", "retrieval", width=105)
        space = page_controls.space_select(workspace, "A: space", "retrieval", width=150)
        other_metric = page_controls.metric_choice("B: metric", "cosine", "b", "retrieval", width=105)
        other_space = page_controls.space_select(workspace, "B: space", "retrieval", "bspace", space, width=150)
        k = result_rows.k_choice()
    with form.more:
        shown = page_controls.segments("Show", SHOWN, "show", "retrieval", "all")
        unit = bool(
            st.toggle(
                "Scale vectors to length 1 first",
                **url_state.switch("unit"),
                help="For vectors of length 1 the squared L2 distance is 2 - 2 · cosine, so L2 and cosine give the "
                "same ranking: choose them as the two metrics and switch this on. Raw pixels are not scaled.",
            )
        )
    return _side(metric, space, unit), _side(other_metric, other_space, unit), k, shown


def _side(metric: str, space: str, unit: bool) -> Side:
    return Side(metric, space, unit and not spaces.get(space).pixels)


def side_names(a: Side, b: Side) -> tuple[str, str]:
    """Short names that tell the sides apart: by metric, by space, or by both."""
    first, second = METRICS[a.metric].short, METRICS[b.metric].short
    if a.space == b.space:
        return (first, second) if first != second else (f"A {first}", f"B {second}")
    if first == second:
        return a.space, b.space
    return f"{first} {a.space}", f"{second} {b.space}"


def _show_rankings(
    workspace: Workspace,
    label: str | None,
    comparison: CompareDocument,
    sides: tuple[Side, Side],
    names: tuple[str, str],
    shown: str,
    explained: str | None,
    marking: Marking | None,
) -> None:
    """Both rankings with lines between equal photos; `shown` is a key of SHOWN, `label` the query's class."""
    ids = {side: {result["id"] for result in comparison[side]["results"]} for side in ("a", "b")}
    shared = ids["a"] & ids["b"]
    visible = {
        "a": {"all": ids["a"], "shared": shared, "a": ids["a"] - shared, "b": set()}[shown],
        "b": {"all": ids["b"], "shared": shared, "a": set(), "b": ids["b"] - shared}[shown],
    }
    upper = _tiles(workspace, label, comparison, "a", names[1], visible["a"])
    lower = _tiles(workspace, label, comparison, "b", names[0], visible["b"])
    opened = rank_lines.show(
        upper,
        lower,
        key="ladder",
        titles=(_title(sides, "a"), _title(sides, "b")),
        heads=(_heading(sides[0], label, comparison["a"]), _heading(sides[1], label, comparison["b"])),
        about=f"Lines connect the {len(shared)} photos that are on both sides.",
        on_pick=selection.choose_query,
        on_why=explain_pair.choose,
        chosen=selection.query_id(),
        explained=explained,
        marking=marking,
    )
    photo_tiles.look_at(opened, workspace, list(dict.fromkeys(tile.id for tile in (*upper, *lower))))


def _tiles(
    workspace: Workspace,
    label: str | None,
    comparison: CompareDocument,
    side: Literal["a", "b"],
    other_name: str,
    visible: set[str],
) -> list[Tile]:
    """The visible results of a side as tiles, each with its value and its rank on the other side, `other_name`."""
    ranked = [
        (result, other_rank)
        for result, other_rank in zip(comparison[side]["results"], comparison["ranks"][side], strict=True)
        if result["id"] in visible
    ]
    return photo_tiles.tiles(
        workspace,
        [result["id"] for result, _ in ranked],
        badges=[f"#{result['rank']}" for result, _ in ranked],
        notes=[f"{format(result['value'], '#.4g')} · {other_name} #{other_rank:,}" for result, other_rank in ranked],
        right=[None if label is None else result["label"] == label for result, _ in ranked],
    )


def _title(sides: tuple[Side, Side], side: str) -> str:
    """The name of a side for screen readers."""
    first, second = sides
    this = first if side == "a" else second
    space = f" in {spaces.get(this.space).title}" if first.space != second.space else ""
    position = f", {side.upper()}" if first == second else ""
    return f"{result_rows.results_title(METRICS[this.metric].title)}{space}{position}"


def _heading(side: Side, label: str | None, document: SearchDocument) -> tuple[str, ...]:
    """The heading of a side, and the lines below it."""
    results = document["results"]
    same_class = sum(result["label"] == label for result in results)
    return (
        METRICS[side.metric].title,
        explain_pair.space_title(side),
        f"{same_class} of {len(results)} of class {label}" if label is not None else "",
        "larger = closer" if document["higher_is_closer"] else "smaller = closer",
        left_out_note(document["undefined"]) if "undefined" in document else "",
    )


def _show_agreement(comparison: CompareDocument, names: tuple[str, str], k: int) -> None:
    overlap, tau = comparison["overlap"], comparison["kendall_tau"]
    st.subheader(AGREEMENT, anchor=False)
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
        "if no values are equal. A dotted stub above marks a photo that is among the first on one side only."
    )


def _number(value: float | None, form: str) -> str:
    return "undefined" if value is None else format(value, form)
