"""A filter for rows and searches: typed as an expression, or built from fields; its errors at their place."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lib.errors import QueryError, StoreError
from lib.store import filters
from lib.store.filters import Condition
from lib.view import inputs, page_frame, url_state
from lib.view.cached_milvus import MilvusContext
from lib.view.formatting import plain

_MOST = 4


def choose(here: MilvusContext, where: str) -> str:
    """The filter, kept in the address; a builder writes one."""
    entry = here.outline
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    words = [field["name"] for field in entry["fields"] if field["type"] == "VARCHAR" and not field["primary"]]
    example = "label" if "label" in words else next(iter(words), "")
    key = f"{where}_filter"
    st.session_state[key] = url_state.parameter("filter") or ""

    def keep() -> None:
        url_state.write(filter=st.session_state[key] if st.session_state[key].strip() else None)

    text = inputs.line(
        "Filter",
        where=left,
        placeholder=f'{example} == "…"' if example else "a Milvus expression",
        key=key,
        on_change=keep,
        help="A Milvus expression; leave it empty for all rows. *Build* writes one for you.",
    )
    with right.popover("Build", icon=":material/filter_alt:", width="stretch"):
        _build(here, entry, where)
    unknown = filters.unknown_names(text, entry["fields"]) if entry["dynamic"] else []
    if unknown:
        st.caption(
            f":material/info: No field is called {plain(', '.join(unknown))}; the engine takes that for a dynamic "
            "field, and finds nothing where a row has none."
        )
    return text.strip()


def _build(here: MilvusContext, entry: dict[str, Any], where: str) -> None:
    known = {field["name"]: field for field in entry["fields"] if filters.operators(field["type"])}
    dynamic = "a dynamic field …"
    names = [*known, *([dynamic] if entry["dynamic"] else [])]
    if not names:
        st.caption("There is no field to ask about.")
        return
    count = int(st.number_input("Conditions", 1, _MOST, 1, key=f"{where}_conditions"))
    joined = st.segmented_control("All or any", ["and", "or"], default="and", required=True) if count > 1 else "and"
    made = []
    for place in range(count):
        name = st.selectbox("Field", names, key=f"{where}_field_{place}")
        field = known.get(name)
        kind = "JSON" if field is None else field["type"]
        key = ""
        if field is None:
            name = inputs.line("Its name", key=f"{where}_dynamic_{place}")
        elif kind == "JSON":
            key = inputs.line("Key inside it", placeholder="a/b", key=f"{where}_key_{place}")
        listed = filters.operators(kind, nullable=bool(field and field["nullable"]))
        operator = st.selectbox("Is", listed, key=f"{where}_operator_{place}_{kind}")
        value = ""
        if operator not in {"is true", "is false", "is null", "is not null", "exists"}:
            value = inputs.line("Value", key=f"{where}_value_{place}", help="Quotes and escapes are added for you.")
        made.append(Condition(name, operator, value, key))
    try:
        text = filters.expression(made, entry["fields"], here.store, joined=str(joined))
    except QueryError as error:
        st.caption(plain(str(error)))
        return
    st.code(text, language=None, wrap_lines=True)

    def use() -> None:
        url_state.write(filter=text)

    st.button("Use it", type="primary", key=f"{where}_use", on_click=use, width="stretch")


def failed(here: MilvusContext, error: StoreError, text: str) -> None:
    """An engine's error: against the filter it is drawn under its place, any other as a box."""
    found = filters.filter_problem(here.store, error, text) if text else None
    if found is None:
        page_frame.failed(error)
        return
    st.error("The engine cannot read this filter; nothing was searched.", icon=":material/error:")
    st.code(found.with_marker(text), language=None)
