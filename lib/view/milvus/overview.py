"""Milvus page, Overview: the chosen collection, a table of all, and the server. Details are read on demand, so that
thousands of collections stay fast."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lib.documents.inspect import CollectionDocument
from lib.store.overview import CollectionSummary
from lib.text import counted
from lib.view import cached_milvus, inputs, page_controls, page_frame, url_state
from lib.view.cached_milvus import NO_COLLECTION, MilvusContext
from lib.view.formatting import plain
from lib.view.milvus import schema, stats

PAGE = 25  # collections on one page of the table
LOADING = "The server is slow; missing values are still loading."
_CHOSEN = "overview_chose"  # set when a row of the table is chosen inside a fragment


def collection_count(count: int, total: int) -> str:
    """How many collections match the search, of all."""
    return f"{count:,} of {counted(total, 'collection')}"


def show(context: MilvusContext) -> None:
    """The chosen collection's figures and indexes, then its fields and properties, all collections, and the server."""
    if not context.names:
        st.info(NO_COLLECTION)
        page_frame.prepare_button()
        _server(context)
        return
    chosen, others = st.container(), st.container()
    if not context.lite:
        _collections(context, others)  # a slow server fills the table while the collection is read
    if context.name is not None:
        with chosen:
            _chosen(context, context.read_entry())
    if context.lite:
        _collections(context, others)
    _server(context)


def _chosen(context: MilvusContext, entry: CollectionDocument) -> None:
    stats.show(context, entry)
    schema.show_indexes(context, entry)
    left, right = st.container(key="split_schema").columns(2, gap="medium")
    with left:
        st.subheader("Fields")
        schema.show_fields(entry)
    with right:
        st.subheader("Properties")
        stats.show_properties(entry)


def _collections(context: MilvusContext, place: DeltaGenerator) -> None:
    with place:
        st.subheader("Collections")
        _table(context)


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


def _server(context: MilvusContext) -> None:
    info = cached_milvus.server_info(context.connection)
    with st.expander("Server info", icon=":material/dns:"):
        stats.properties(
            {"version": context.pulse.version} | {name: ", ".join(each) for name, each in info.names.items()}
        )
        if info.unavailable:
            st.caption("Not supported: " + ", ".join(plain(item["call"]) for item in info.unavailable))
