"""Milvus page, Overview: all collections at a glance, and one in detail. Thousands stay fast: details on demand."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import streamlit as st

from lib.view import cached_milvus, formatting, inputs, page_frame, url_state
from lib.view.cached_milvus import MilvusContext
from lib.view.formatting import plain

PAGE = 25


def show(here: MilvusContext) -> None:
    """The table of collections, then the chosen one."""
    if not here.names:
        st.info("This store holds no collection yet. *Five steps* shows how one is made.")
        page_frame.prepare_button()
    else:
        _table(here)
        if here.name is not None:
            _detail(here.entry)
    _engine(here)


def _table(here: MilvusContext) -> None:
    search, order, page = st.columns([4, 2, 1], vertical_alignment="bottom")
    part = inputs.line(
        "Find",
        where=search,
        placeholder="a part of the name",
        **url_state.text_field("find"),
        label_visibility="collapsed",
    )
    downwards = order.selectbox("Order", ["A to Z", "Z to A"], label_visibility="collapsed") == "Z to A"
    found = [name for name in here.names if part.strip().lower() in name.lower()]
    found.sort(reverse=downwards)
    pages = max(1, -(-len(found) // PAGE))
    if st.session_state.get("overview_page", 1) > pages:
        st.session_state["overview_page"] = 1
    number = 1
    if pages > 1:
        number = int(page.number_input(f"Page of {pages}", 1, pages, key="overview_page", label_visibility="collapsed"))
    shown = found[(number - 1) * PAGE : number * PAGE]
    st.caption(
        f"{len(found):,} of {len(here.names):,} collections"
        + (f", {PAGE} at a time (page {number} of {pages})" if pages > 1 else "")
        + " · choose a row for its details"
    )
    if not shown:
        return
    # On Lite every answer costs this process time, so the chosen collection is not asked about twice.
    known = here.entry if here.lite and here.name in shown else None
    rows, complete = cached_milvus.summaries(here.connection, shown, known)
    if complete:
        _summaries(rows)
    else:
        _filling(here, shown, known)


@st.fragment(run_every=1.0)
def _filling(here: MilvusContext, shown: list[str], known: dict[str, Any] | None) -> None:
    """The table while a slow server still answers; then, and after a choice, the page is drawn anew."""
    rows, complete = cached_milvus.summaries(here.connection, shown, known)
    _summaries(rows)
    if complete or st.session_state.pop("overview_chose", False):
        st.rerun(scope="app")
    st.caption(":material/hourglass_top: The server takes its time: what it has not told yet is empty.")


def _summaries(summaries: list[dict[str, Any]]) -> None:
    """The table, as far as the engine has answered."""
    table = pd.DataFrame(summaries)
    table.columns = ["Collection", "row_count", "Load state", "Indexes"]

    def chosen() -> None:
        rows = st.session_state["overview_table"]["selection"]["rows"]
        if rows:
            url_state.write(collection=summaries[rows[0]]["name"])
            st.session_state["overview_chose"] = True

    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        key="overview_table",
        on_select=chosen,
        selection_mode="single-row",
        column_config={
            "row_count": st.column_config.NumberColumn(format="localized"),
            "Indexes": st.column_config.TextColumn(width="large"),
        },
    )


def _detail(entry: dict[str, Any]) -> None:
    st.subheader(plain(entry["name"]))
    rows = entry["rows"]
    counts = st.container(key="numbers_rows").columns(4)
    counts[0].metric(
        "row_count",
        told(rows["row_count"]),
        border=True,
        help="The engine's statistic; a server counts flushed rows only.",
    )
    counts[1].metric(
        "count(*)",
        told(rows["count"]),
        border=True,
        help="Counted by a query just now; a server needs the collection loaded for that.",
    )
    counts[2].metric("Load state", told(entry["load_state"]), border=True)
    counts[3].metric("Consistency", told(entry["consistency"]), border=True)
    if rows.get("note"):
        st.caption(f":material/info: {rows['note']}")
    elif rows["count"] is None:
        st.caption(":material/info: count(*) cannot be had while the collection is not loaded (see *Rows*).")
    facts = {
        "Partitions": _listed(entry["partitions"]),
        "Aliases": _listed(entry["aliases"]),
        "Shards": told(entry.get("shards")),
        "Dynamic fields": "yes" if entry["dynamic"] else "no",
        "Replicas": _counted(entry, "replicas"),
        "Segments on disk": _counted(entry, "segments"),
        "Segments loaded": _counted(entry, "loaded_segments"),
        "Properties": ", ".join(f"{name} = {value}" for name, value in entry["properties"].items()) or "none",
    }
    st.dataframe(
        pd.DataFrame({"What": list(facts), "Answer": [str(value) for value in facts.values()]}),
        hide_index=True,
        width="stretch",
        column_config={
            "What": st.column_config.TextColumn(width=150),
            "Answer": st.column_config.TextColumn(width=800),
        },
    )
    if entry.get("description"):
        with st.expander("Description", icon=":material/notes:"):
            st.code(entry["description"], language=None, wrap_lines=True)
    for key, title in (
        ("segments", "Segments on disk"),
        ("loaded_segments", "Loaded segments"),
        ("replicas", "Replicas"),
    ):
        if entry.get(key):
            with st.expander(f"{title}, as the engine has them", icon=":material/data_object:"):
                st.json(formatting.exact(entry[key]), expanded=False)
    unanswered(entry["unavailable"], "about this collection")


def _listed(names: list[str]) -> str:
    """Names with how many they are; numbers in them in their order (`_pk_2` before `_pk_10`)."""

    def order(name: str) -> list[tuple[int, str]]:
        return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,18})", name)]

    return f"{len(names)}: " + ", ".join(sorted(names, key=order)) if names else "none"


def _counted(entry: dict[str, Any], key: str) -> str:
    if key not in entry:
        return "this engine does not say"
    parts = entry[key]
    if key == "replicas":
        return str(len(parts))
    rows = sum(int(part.get("num_rows") or 0) for part in parts if isinstance(part, dict))
    return f"{len(parts)}" + (f", {rows:,} rows" if rows else "")


def unanswered(items: list[dict[str, str]], about: str) -> None:
    """What the engine cannot tell, call by call, with its reason."""
    if items:
        with st.expander(f"{len(items)} questions {about} that this engine does not answer", icon=":material/help:"):
            st.dataframe(
                pd.DataFrame(items).rename(columns={"call": "Call", "reason": "Reason"}),
                hide_index=True,
                width="stretch",
            )


def _engine(here: MilvusContext) -> None:
    said = cached_milvus.server(here.connection)
    told_ = {what: answer for what, answer in said.items() if what != "unavailable"}
    with st.expander("The engine itself", icon=":material/dns:"):
        listed = {"version": here.pulse.version, **{what: ", ".join(names) for what, names in told_.items()}}
        st.dataframe(
            pd.DataFrame({"What": list(listed), "Answer": list(listed.values())}), hide_index=True, width="stretch"
        )
        if said["unavailable"]:
            st.caption("Does not answer: " + ", ".join(f"{plain(item['call'])}" for item in said["unavailable"]))


def told(value: object) -> str:
    """A value for the screen; None is said to be not known."""
    return "not known" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
