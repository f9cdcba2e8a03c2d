"""Milvus page, Overview: a table of all collections, and one of them in detail. Details are read on demand, so that
thousands of collections stay fast."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

import pandas as pd
import streamlit as st

from lib.documents.inspect import CollectionDocument, UnavailableCall
from lib.store.overview import CollectionSummary
from lib.text import counted
from lib.view import cached_milvus, formatting, inputs, page_controls, page_frame, url_state
from lib.view.cached_milvus import NO_COLLECTION, MilvusContext
from lib.view.formatting import plain

PAGE = 25  # collections on one page of the table
NOT_EXPOSED = "not exposed"
LOADING = "The server is slow; missing values are still loading."
_CHOSEN = "overview_chose"  # set when a row of the table is chosen inside a fragment
_OBJECTS = {"segments": "Segments on disk", "loaded_segments": "Loaded segments", "replicas": "Replicas"}


def collection_count(count: int, total: int) -> str:
    """How many collections match the search, of all."""
    return f"{count:,} of {counted(total, 'collection')}"


def show(context: MilvusContext) -> None:
    """The table of collections, the chosen one, and the server."""
    if context.names:
        _table(context)
        if context.name is not None:
            _detail(context.read_entry())
    else:
        st.info(NO_COLLECTION)
        page_frame.prepare_button()
    _server(context)


def _table(context: MilvusContext) -> None:
    search, order, page = st.columns([4, 2, 1], vertical_alignment="bottom")
    part = inputs.line(
        "Find",
        where=search,
        placeholder="Filter by name",
        **url_state.text_field("find"),
        label_visibility="collapsed",
    )
    descending = order.selectbox("Order", ["A to Z", "Z to A"], label_visibility="collapsed") == "Z to A"
    names = sorted((name for name in context.names if part.strip().lower() in name.lower()), reverse=descending)
    pages = max(1, -(-len(names) // PAGE))
    number = page_controls.page_number(page, pages, "overview_page", label_is_shown=False)
    shown = names[(number - 1) * PAGE : number * PAGE]
    st.caption(
        collection_count(len(names), len(context.names))
        + (f", {PAGE} at a time (page {number} of {pages})" if pages > 1 else "")
        + " · choose a row for its details"
    )
    if not shown:
        return
    # On Lite every call costs this process time, so the chosen collection is not read twice.
    entry = context.read_entry() if context.lite and context.name in shown else None
    rows, complete = cached_milvus.summaries(context.connection, shown, entry)
    if complete:
        _summaries(rows)
    else:
        _partial_table(context, shown, entry)


@st.fragment(run_every=1.0)
def _partial_table(context: MilvusContext, names: list[str], entry: CollectionDocument | None) -> None:
    """The table of a slow server, drawn again each second; the whole page once it is complete or a row is chosen."""
    rows, complete = cached_milvus.summaries(context.connection, names, entry)
    _summaries(rows)
    if complete or st.session_state.pop(_CHOSEN, False):
        st.rerun(scope="app")
    st.caption(f":material/hourglass_top: {LOADING}")


def _summaries(summaries: list[CollectionSummary]) -> None:
    table = pd.DataFrame(summaries)
    table.columns = ["Collection", "row_count", "Load state", "Indexes"]

    def choose() -> None:
        rows = st.session_state["overview_table"]["selection"]["rows"]
        if rows:
            url_state.write(collection=summaries[rows[0]]["name"])
            st.session_state[_CHOSEN] = True

    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        key="overview_table",
        on_select=choose,
        selection_mode="single-row",
        column_config={
            "row_count": st.column_config.NumberColumn(format="localized"),
            "Indexes": st.column_config.TextColumn(width="large"),
        },
    )


def _detail(entry: CollectionDocument) -> None:
    st.subheader(plain(entry["name"]))
    _counts(entry)
    _properties(
        {
            "Partitions": _listed(entry["partitions"]),
            "Aliases": _listed(entry["aliases"]),
            "Shards": known_or_not(entry.get("shards")),
            "Dynamic fields": "yes" if entry["dynamic"] else "no",
            "Replicas": _counted(entry, "replicas"),
            "Segments on disk": _counted(entry, "segments"),
            "Segments loaded": _counted(entry, "loaded_segments"),
            "Properties": ", ".join(f"{name} = {value}" for name, value in entry["properties"].items()) or "none",
        }
    )
    if entry.get("description"):
        with st.expander("Description", icon=":material/notes:"):
            st.code(entry["description"], language=None, wrap_lines=True)
    reported = cast("Mapping[str, Any]", entry)
    for key, title in _OBJECTS.items():
        if reported.get(key):
            with st.expander(f"{title}, as the engine reports them", icon=":material/data_object:"):
                st.json(formatting.exact(reported[key]), expanded=False)
    _unsupported(entry["unavailable"])


def _counts(entry: CollectionDocument) -> None:
    rows = entry["rows"]
    columns = st.container(key="numbers_rows").columns(4)
    columns[0].metric(
        "row_count",
        known_or_not(rows["row_count"]),
        border=True,
        help="The engine's statistic; a server counts flushed rows only.",
    )
    columns[1].metric(
        "count(*)",
        known_or_not(rows["count"]),
        border=True,
        help="Counted by a query; a server needs the collection loaded for that.",
    )
    columns[2].metric("Load state", known_or_not(entry["load_state"]), border=True)
    columns[3].metric("Consistency", known_or_not(entry["consistency"]), border=True)
    if rows.get("note"):
        st.caption(f":material/info: {rows['note']}")
    elif rows["count"] is None:
        st.caption(":material/info: Load the collection to run count(\\*) (see *Rows*).")


def _properties(values: dict[str, str]) -> None:
    st.dataframe(
        pd.DataFrame({"Property": list(values), "Value": list(values.values())}),
        hide_index=True,
        width="stretch",
        column_config={
            "Property": st.column_config.TextColumn(width=150),
            "Value": st.column_config.TextColumn(width=800),
        },
    )


def _listed(names: list[str]) -> str:
    """The names after their number; numbers within names in numeric order (`_pk_2` before `_pk_10`)."""

    def order(name: str) -> list[tuple[int, str]]:
        return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,18})", name)]

    return f"{len(names)}: " + ", ".join(sorted(names, key=order)) if names else "none"


def _counted(entry: CollectionDocument, key: str) -> str:
    if key not in entry:
        return NOT_EXPOSED
    parts = cast("Mapping[str, Any]", entry)[key]
    if key == "replicas":
        return str(len(parts))
    rows = sum(int(part.get("num_rows") or 0) for part in parts if isinstance(part, dict))
    return f"{len(parts)}" + (f", {counted(rows, 'row')}" if rows else "")


def _unsupported(items: list[UnavailableCall]) -> None:
    """The calls that the engine refused, each with the reason."""
    if items:
        title = f"{counted(len(items), 'call')} about this collection not supported"
        with st.expander(title, icon=":material/help:"):
            st.dataframe(
                pd.DataFrame(items).rename(columns={"call": "Call", "reason": "Reason"}),
                hide_index=True,
                width="stretch",
            )


def _server(context: MilvusContext) -> None:
    info = cached_milvus.server_info(context.connection)
    with st.expander("Server info", icon=":material/dns:"):
        _properties({"version": context.pulse.version} | {name: ", ".join(each) for name, each in info.names.items()})
        if info.unavailable:
            st.caption("Not supported: " + ", ".join(plain(item["call"]) for item in info.unavailable))


def known_or_not(value: object) -> str:
    """A value for the screen; None becomes "not known"."""
    return "not known" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
