"""Say yes, say no: results marked right or wrong for a need move the query, and become the selection.

Marks live in the address, bounded, together with a hash of the query that they belong to: with another query there are
none. The score of a moved query stands beside that of the unmoved one, with and without the marked photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from lib import artifacts
from lib.embed import spaces
from lib.measure import feedback_gain
from lib.measure.feedback_gain import FeedbackGain
from lib.measure.retrieval_verdicts import MovedRow
from lib.prepare.workspace import Workspace
from lib.retrieval import feedback
from lib.retrieval.feedback import NO_MARKS, Marks
from lib.search.rocchio import USUAL, Weights
from lib.text import counted
from lib.view import cached, cached_search, selection, url_state
from lib.view.cached_search import QuerySet, Side
from lib.view.components.gallery import Marking
from lib.view.formatting import plain

MOST_MARKS = 50
TOO_MANY = f"At most {MOST_MARKS} photos are marked at once; take a mark back, or clear them."
GAIN = "Measure what marks do on the test photos"
WHAT_IT_IS = "What this vector is, under each metric"
CLEAR, SELECTED = "Clear the marks", {"all": "All marked", "right": "Right only"}
WEIGHTS = {
    "alpha": ("alpha, of the query", USUAL.alpha),
    "beta": ("beta, of the right photos", USUAL.beta),
    "gamma": ("gamma, of the wrong photos", USUAL.gamma),
}
_HEAVIEST = 3.0
SOURCE = (
    "Relevance feedback by Rocchio (1971). The usual weights 1, 0.75 and 0.15: Manning, Raghavan and Schütze 2008, "
    "section 9.1.1; *More* changes them. Marks stay in the address of this page."
)
MEANING = (
    "Cosine and NCC add directions (vectors of length 1), so the moved query ranks as the weighted sum of the "
    "similarities. L1, L2 and MSE take the weighted mean of the vectors, with weights that add up to 1; for L2 and MSE "
    "that ranks as the weighted sum of squared distances, for L1 as no such sum. Pixels become a picture again, "
    "rounded and cut off to 0 … 255. Both engines search with the moved vector, and *why?* explains it: its features "
    "over the result's positions alone, since they are no photo's, its pixels over both pictures."
)


# --- marks in the address ------------------------------------------------------------------------------------------


def with_marks(workspace: Workspace, queries: QuerySet) -> QuerySet:
    """The queries with the marks in the address that belong to them."""
    if len(queries.queries) != 1:
        return queries
    right, wrong = _rows(workspace, queries.queries[0].key)
    if not right and not wrong:
        return queries
    ids = cached.catalog(workspace).ids
    weights = Weights(
        **{
            name: url_state.parse_real(url_state.parameter(name), 0, _HEAVIEST, usual)
            for name, (_, usual) in WEIGHTS.items()
        }
    )
    return replace(queries, marks=Marks(tuple(ids[row] for row in right), tuple(ids[row] for row in wrong), weights))


def _rows(workspace: Workspace, key: str) -> tuple[list[int], list[int]]:
    """The catalog rows marked right and wrong in the address for the query with this key."""
    photos = cached.catalog(workspace)
    return decode_marks(url_state.parameter("marks") or "", key, len(photos.ids), photos.contents)


def decode_marks(word: str, key: str, n: int, contents: str) -> tuple[list[int], list[int]]:
    """The rows of a catalog of `n` photos marked right and wrong in a word of an address; none where it is damaged, of
    another catalog or query, or has more than `MOST_MARKS`."""
    of, *words = word.split(".")
    if of != _query_word(key) or len(words) != 2:
        return [], []
    right, wrong = (selection.decode(each, n, contents) if each else [] for each in words)
    if len(right) + len(wrong) > MOST_MARKS:
        return [], []
    return right, [row for row in wrong if row not in right]


def _query_word(key: str) -> str:
    return artifacts.digest(key)[:6]


def marking(workspace: Workspace, queries: QuerySet, *, movable: bool) -> Marking | None:
    """The marks of these queries, for a grid of their results; None where they cannot be moved."""
    if not movable:
        return None
    marks = dict.fromkeys(queries.marks.right, True) | dict.fromkeys(queries.marks.wrong, False)
    return Marking(marks, lambda image_id, right: mark(workspace, queries, image_id, right))


def mark(workspace: Workspace, queries: QuerySet, image_id: str, is_right: bool) -> None:
    """Mark a photo right or wrong; the same mark again takes it back. The marks become the selection."""
    row = cached.catalog(workspace).row(image_id)
    right, wrong = _rows(workspace, queries.queries[0].key)
    this, other = (right, wrong) if is_right else (wrong, right)
    if row is None:
        return
    if row in this:
        this.remove(row)
    else:
        this.append(row)
    if row in other:
        other.remove(row)
    if len(right) + len(wrong) > MOST_MARKS:
        st.toast(TOO_MANY, icon=":material/error:")
        return
    _write(workspace, queries, sorted(right), sorted(wrong), _selected_choice())


def _selected_choice() -> str:
    word = url_state.parameter("marked")
    return word if word in SELECTED else "all"


def _write(workspace: Workspace, queries: QuerySet, right: list[int], wrong: list[int], selected: str) -> None:
    """Write the marks and the selection into the address, in one step; no marks clear both."""
    photos = cached.catalog(workspace)
    n, query = len(photos.ids), queries.queries[0]
    words = [selection.encode(rows, n, photos.contents) if rows else "" for rows in (right, wrong)]
    choices = {} if selected == "all" else {"marked": selected}
    # With a selection and no query in the address, the selection would be the query.
    source = queries.source or (query.name if query.row is not None else "")
    if source and selection.query_id() is None and not url_state.parameter("from"):
        choices[url_state.QUERY] = source
    word = ".".join([_query_word(query.key), *words]) if right or wrong else None
    rows = sorted(right if selected == "right" else [*right, *wrong])
    selection.select_rows(rows, n, photos.contents, marks=word, **choices)


def clear(workspace: Workspace, queries: QuerySet) -> None:
    """Take all marks back, and the selection that they became."""
    _write(workspace, queries, [], [], _selected_choice())


# --- what stands on the page ---------------------------------------------------------------------------------------


def show_weights() -> None:
    """The weights of the move: sliders kept in the address."""
    st.markdown("**Moved query**", help=SOURCE)
    for name, (title, usual) in WEIGHTS.items():
        st.slider(title, step=0.05, **url_state.fraction(name, 0.0, _HEAVIEST, usual))


def show_bar(
    workspace: Workspace, queries: QuerySet, moved: Sequence[MovedRow], k: int, sides: Sequence[Side] = ()
) -> None:
    """What moved the query and how, what that changed, and how to take it back; nothing without marks. Over many
    queries, what marks do is measured for the `sides`."""
    marks = queries.marks
    if not marks:
        return

    def select() -> None:
        right, wrong = _rows(workspace, queries.queries[0].key)
        _write(workspace, queries, right, wrong, str(st.session_state["feedback_marked"]))

    with st.container(border=True, key="feedback", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{tally(marks)}.** Moved query: {formula(marks)}", help=SOURCE, width="stretch")
            st.session_state["feedback_marked"] = _selected_choice()
            st.segmented_control(
                "Selection on every page",
                list(SELECTED),
                format_func=SELECTED.__getitem__,
                key="feedback_marked",
                required=True,
                on_change=select,
                help="The marked photos are the selection on the map and on every page.",
                width="content",
            )
            st.button(CLEAR, icon=":material/close:", key="feedback_clear", on_click=clear, args=(workspace, queries))
        st.caption(changes(queries.label, moved, k))
        if sides:
            _show_gain(workspace, sides, k, marks.weights)
        with st.expander(WHAT_IT_IS):
            st.caption(MEANING)


def _show_gain(workspace: Workspace, sides: Sequence[Side], k: int, weights: Weights) -> None:
    """What marks do over many queries; among pixels behind a button, since there it takes seconds."""
    slow = any(spaces.get(side.space).pixels for side in sides)
    if slow and not st.session_state.get("feedback_gain_shown"):
        if st.button(GAIN, icon=":material/query_stats:", key="feedback_gain"):
            st.session_state["feedback_gain_shown"] = True
            st.rerun()
        return
    gains = [(side, _gain(workspace, side, k, weights)) for side in sides]
    shown = "; ".join(feedback_gain.described(gain, side.metric) for side, gain in gains)
    st.caption(plain(f"{feedback_gain.about(k, len(gains[0][1].before))}: {shown}."), help=feedback_gain.METHOD)


@st.cache_data(max_entries=64, show_spinner="Marking the results of many queries", hash_funcs=cached_search.KEYS)
def _gain(workspace: Workspace, side: Side, k: int, weights: Weights) -> FeedbackGain:
    return feedback_gain.measure(cached_search.searchable_side(workspace, side), side.metric, k, weights)


def tally(marks: Marks) -> str:
    """How many photos are marked."""
    return f"{len(marks.right)} marked right, {len(marks.wrong)} wrong"


def formula(marks: Marks) -> str:
    """The move in LaTeX, with its weights."""
    weights = marks.weights
    right = rf" + {weights.beta:g} \cdot \overline{{\mathrm{{right}}}}" if marks.right else ""
    wrong = rf" - {weights.gamma:g} \cdot \overline{{\mathrm{{wrong}}}}" if marks.wrong else ""
    return rf"$q' = {weights.alpha:g} \cdot q{right}{wrong}$"


def changes(label: str | None, moved: Sequence[MovedRow], k: int) -> str:
    """What the move changed in each row: results of the query's class before and after, with and without marks."""
    if label is None:
        return "The query has no class, so there is no score to compare: look at the grid."
    rows = [
        f"{plain(row.name)} {row.before['hits']} → {row.after['hits']} "
        f"(unmarked photos only: {row.before['unmarked']} → {row.after['unmarked']})"
        for row in moved
    ]
    return f"Of class {plain(label)} among the first {counted(k, 'result')}, before → after: {' · '.join(rows)}."


def moved_rows(workspace: Workspace, queries: QuerySet, sides: Sequence[tuple[str, Side]], k: int) -> list[MovedRow]:
    """For each named side what the move changed, by full scans; empty without marks or a class."""
    marks, label = queries.marks, queries.label
    if not marks or label is None:
        return []
    deep, marked = k + len(marks.ids), set(marks.ids)
    rows = []
    for name, side in sides:
        before, after = (
            feedback.precision(cached_search.search(workspace, each, side, deep)["results"], label, k, marked)
            for each in (replace(queries, marks=NO_MARKS), queries)
        )
        rows.append(MovedRow(name, before, after))
    return rows
