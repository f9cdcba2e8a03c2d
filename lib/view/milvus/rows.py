"""Milvus page, Rows: one page of rows at a time, with photos, and vectors as small curves with their statistics."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lib.documents.inspect import CollectionOutline
from lib.errors import StoreError
from lib.store import rows as store_rows
from lib.view import cached, formatting, selection
from lib.view.cached_milvus import MilvusContext
from lib.view.formatting import plain
from lib.view.milvus import filter_builder, load_prompt, row_export, row_photos

SIZES = (25, 50, 100)
AHEAD = 2_000  # keys that are read at once
PAGES_AHEAD = 5  # pages whose keys are read before they are needed
POINTS = 128  # of a curve; a longer vector is drawn by the means of equal parts
NEXT, BACK = "Next page", "Back"
IN_ORDER = "rows in the order of"
NO_ROW = "No row matches, or the rows of this page are gone: *First* starts anew."
FILTER_UNUSED = "The filter does not apply to the selected photos."
_STATISTICS = {  # of a vector: key in `vector_facts`, the column's header
    "norm": "norm",
    "least": "least",
    "most": "most",
    "mean": "mean",
    "spread": "std",
    "zeros": "zeros",
    "broken": "NaN or inf",
    "nonzero": "nonzero",
}


@dataclass(frozen=True)
class _View:
    """What is shown: the primary key's field, the filter, the vector fields, rows per page, and the keys of the
    selected photos ([] for all rows)."""

    primary: str
    filter: str
    vectors: list[str]
    size: int
    selected: list[str]


@dataclass
class _Position:
    """Where this session is: the `page`, the `keys` read so far in order, whether these are all (`complete`), and the
    next ones while a thread reads them (`reading`)."""

    keys: list[Any] = field(default_factory=list)
    complete: bool = False
    page: int = 0
    reading: Future[list[Any]] | None = None


def show(context: MilvusContext) -> None:
    """Filter, rows, one row in full, and the export."""
    if load_prompt.show(context):
        return
    outline = context.read_outline()
    primary = next(field["name"] for field in outline["fields"] if field["primary"])
    text = filter_builder.choose(context, "rows")
    view = _options(context, outline, primary, text)
    position = _position(context, view)
    try:
        rows, about = _page(context, view, position)
    except StoreError as error:
        filter_builder.failed(context, error, text)
        return
    if not rows:
        st.caption(NO_ROW)
        _navigation(view, position)
        return
    keys = [str(row[primary]) for row in rows]
    row_photos.show(context, rows, keys, key="row_photos", title="Photos of these rows", row=True, tile=84)
    st.caption(about)
    chosen = _table(rows, view.vectors)
    _navigation(view, position)
    if chosen is not None:
        _row(rows[chosen], keys[chosen], view.vectors)
    row_export.show(context, outline, text)


def _options(context: MilvusContext, outline: CollectionOutline, primary: str, text: str) -> _View:
    vector_fields = [field["name"] for field in outline["fields"] if "VECTOR" in field["type"]]
    left, middle, right = st.columns([3, 1, 2], vertical_alignment="bottom")
    vectors = left.multiselect(
        "Vectors to show", vector_fields, key="row_vectors", help="Read only when chosen: they are most of a row."
    )
    size = int(middle.selectbox("Rows", SIZES, key="row_size"))
    selected: list[str] = []
    if context.workspace is not None:
        photos = cached.catalog(context.workspace)
        selected = selection.selected_ids(photos.ids, photos.contents)
    if selected and not right.toggle(f"Only the {len(selected):,} selected photos", key="row_only", value=True):
        selected = []
    return _View(primary, text, vectors, size, selected)


def _position(context: MilvusContext, view: _View) -> _Position:
    """This session's position among these rows; another filter or selection has another position."""
    name = f"rows {context.key} {view.filter} {hash(tuple(view.selected))}"
    position: _Position = st.session_state.setdefault(
        name, _Position(keys=list(view.selected), complete=bool(view.selected))
    )
    return position


@st.cache_resource
def _key_threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2, "petalscope-keys")


def _read_keys(context: MilvusContext, view: _View, position: _Position) -> Future[list[Any]]:
    last = position.keys[-1] if position.keys else None
    return _key_threads().submit(
        store_rows.keys_after, context.open_store(), str(context.name), last, AHEAD, filter=view.filter
    )


def _extend(context: MilvusContext, view: _View, position: _Position) -> None:
    """Wait for the next keys."""
    reading = position.reading or _read_keys(context, view, position)
    position.reading = None
    keys = reading.result()
    position.keys += keys
    position.complete = len(keys) < AHEAD


def _page(context: MilvusContext, view: _View, position: _Position) -> tuple[list[dict[str, Any]], str]:
    """The rows of the current page, and a line about them. Raises StoreError."""
    start = time.perf_counter()
    if view.selected and view.filter:
        st.caption(f":material/info: {FILTER_UNUSED}")
    first = position.page * view.size
    # One key more than is shown: with it there is a next page.
    while not position.complete and len(position.keys) <= first + view.size:
        _extend(context, view, position)
    if not position.complete and position.reading is None and len(position.keys) <= first + PAGES_AHEAD * view.size:
        # Lite scans every row for these, so a thread reads them while the user looks at this page.
        position.reading = _read_keys(context, view, position)
    keys = position.keys[first : first + view.size]
    rows = store_rows.by_keys(context.open_store(), str(context.name), keys, vectors=view.vectors)
    milliseconds = (time.perf_counter() - start) * 1000
    order = "rows of the selection" if view.selected else f"{IN_ORDER} `{view.primary}`"
    return rows, (
        f"{len(rows):,} {order}, page {position.page + 1} · {milliseconds:.0f} ms, measured by this client · choose a "
        "row to see it in full"
    )


def _table(rows: list[dict[str, Any]], vectors: list[str]) -> int | None:
    """The rows as a table. Returns the place of the chosen one."""
    event: Any = st.dataframe(
        pd.DataFrame([_cells(row, vectors) for row in rows]),
        hide_index=True,
        width="stretch",
        height=380,
        column_config={name: st.column_config.LineChartColumn(name, width="medium") for name in vectors},
        on_select="rerun",
        selection_mode="single-row",
        key="row_table",
    )
    places = event["selection"]["rows"]
    return places[0] if places and places[0] < len(rows) else None


def _cells(row: dict[str, Any], vectors: list[str]) -> dict[str, Any]:
    cells = {name: formatting.exact(store_rows.table_cell(value)) for name, value in row.items() if name not in vectors}
    for name in vectors:
        facts = store_rows.vector_facts(row.get(name))
        cells[name] = _curve(row.get(name))
        cells |= {f"{name} {header}": facts[fact] for fact, header in _STATISTICS.items() if fact in facts}
    return cells


def _curve(vector: Any) -> list[float] | None:
    """A vector as the points of a small curve: a sparse one by its numbers in order of their indices."""
    if not vector:
        return None
    values = [vector[index] for index in sorted(vector, key=int)] if isinstance(vector, dict) else vector
    array = np.nan_to_num(np.asarray(values, dtype=np.float32))
    if len(array) > POINTS:
        array = np.array([part.mean() for part in np.array_split(array, POINTS)])
    return [float(value) for value in array]


def _navigation(view: _View, position: _Position) -> None:
    first, back, following, _ = st.columns([1, 1, 1, 3])
    page = position.page

    def go(number: int) -> None:
        position.page = number
        if number == 0 and not view.selected:  # rows written in the meantime may belong on the first page
            position.keys, position.complete, position.reading = [], False, None

    first.button("First", icon=":material/first_page:", on_click=go, args=(0,), disabled=page == 0, width="stretch")
    back.button(
        BACK,
        icon=":material/chevron_left:",
        on_click=go,
        args=(max(0, page - 1),),
        disabled=page == 0,
        width="stretch",
    )
    following.button(
        NEXT,
        icon=":material/chevron_right:",
        on_click=go,
        args=(page + 1,),
        disabled=len(position.keys) <= (page + 1) * view.size,
        width="stretch",
    )


def _row(row: dict[str, Any], key: str, vectors: list[str]) -> None:
    with st.container(border=True):
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.markdown(f"**Row {plain(key)}**")
        with right:
            row_photos.search_button(key, width="stretch")
        st.json({name: formatting.exact(value) for name, value in row.items() if name not in vectors})
        for name in vectors:
            if isinstance(row.get(name), list):
                st.bar_chart(pd.DataFrame({name: row[name]}), height=160, x_label=f"index in {name}", y_label="value")
