"""A filter for rows and searches: typed as an expression, or built from fields; errors point at their column."""

from __future__ import annotations

import streamlit as st

from lib.documents.inspect import CollectionOutline, FieldDocument
from lib.errors import QueryError, StoreError
from lib.store import filters
from lib.store.filters import Condition
from lib.view import inputs, page_frame, remedies, url_state
from lib.view.cached_milvus import MilvusContext
from lib.view.formatting import plain

_MOST_CONDITIONS = 4
_DYNAMIC = "a dynamic field …"
_WITHOUT_VALUE = frozenset({"is true", "is false", "is null", "is not null", "exists"})
UNREADABLE = "The engine cannot read this filter; no row was read."


def unknown_field(names: str) -> str:
    """The note on names that no declared field has."""
    return f"No field is called {names}: the engine takes that for a dynamic field, and rows without it do not match."


def choose(context: MilvusContext, where: str) -> str:
    """The filter, kept in the address: typed, or written by the builder. `where` tells widgets of two parts apart."""
    outline = context.read_outline()
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    texts = [field["name"] for field in outline["fields"] if field["type"] == "VARCHAR" and not field["primary"]]
    example = "label" if "label" in texts else next(iter(texts), "")
    key = f"{where}_filter"
    st.session_state[key] = url_state.parameter("filter") or ""

    def write() -> None:
        url_state.write(filter=st.session_state[key] if st.session_state[key].strip() else None)

    text = inputs.line(
        "Filter",
        where=left,
        placeholder=f'{example} == "…"' if example else "a Milvus expression",
        key=key,
        on_change=write,
        help="A Milvus expression; leave it empty for all rows. *Build* writes one for you.",
    )
    with right.popover("Build", icon=":material/filter_alt:", width="stretch"):
        _build(context, outline, where)
    unknown = filters.unknown_names(text, outline["fields"]) if outline["dynamic"] else []
    if unknown:
        st.caption(f":material/info: {unknown_field(plain(', '.join(unknown)))}")
    return text.strip()


def _build(context: MilvusContext, outline: CollectionOutline, where: str) -> None:
    fields = {field["name"]: field for field in outline["fields"] if filters.operators(field["type"])}
    names = [*fields, *([_DYNAMIC] if outline["dynamic"] else [])]
    if not names:
        st.caption("This collection has no field that a filter can use.")
        return
    count = int(st.number_input("Conditions", 1, _MOST_CONDITIONS, 1, key=f"{where}_conditions"))
    joined = st.segmented_control("All or any", ["and", "or"], default="and", required=True) if count > 1 else "and"
    conditions = [_condition(fields, names, f"{where}_{{}}_{place}") for place in range(count)]
    try:
        text = filters.expression(conditions, outline["fields"], context.open_store(), joined=str(joined))
    except QueryError as error:
        st.caption(plain(remedies.sentence(error)))
        return
    st.code(text, language=None, wrap_lines=True)

    def use() -> None:
        url_state.write(filter=text)

    st.button("Use it", type="primary", key=f"{where}_use", on_click=use, width="stretch")


def _condition(fields: dict[str, FieldDocument], names: list[str], key: str) -> Condition:
    """One line of the builder; `key` is a pattern for its widgets' keys."""
    name = st.selectbox("Field", names, key=key.format("field"))
    field = fields.get(name)
    type_ = "JSON" if field is None else field["type"]
    json_key = ""
    if field is None:
        name = inputs.line("Field name", key=key.format("dynamic"))
    elif type_ == "JSON":
        json_key = inputs.line("Key in the JSON", placeholder="a/b", key=key.format("key"))
    operators = filters.operators(type_, nullable=bool(field and field["nullable"]))
    operator = st.selectbox("Operator", operators, key=f"{key.format('operator')}_{type_}")
    value = ""
    if operator not in _WITHOUT_VALUE:
        value = inputs.line("Value", key=key.format("value"), help="Quotes and escapes are added for you.")
    return Condition(name, operator, value, json_key)


def failed(context: MilvusContext, error: StoreError, text: str) -> None:
    """Draw an engine's error: one about the filter with a mark under its column, any other as a box."""
    problem = filters.filter_problem(context.open_store(), error, text) if text else None
    if problem is None:
        page_frame.restart_or_show_error(error)
        return
    st.error(UNREADABLE, icon=":material/error:")
    st.code(problem.with_marker(text), language=None)
