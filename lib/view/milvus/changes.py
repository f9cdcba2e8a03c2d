"""Milvus page, Change: changes to a collection, each with its effect and its code, behind a lock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import streamlit as st

from lib.documents.inspect import CollectionDocument
from lib.errors import PetalscopeError, QueryError
from lib.store import changes, field_search, index_types, pool
from lib.store.changes import ChangePlan
from lib.view import cached_milvus, inputs, page_frame, remedies
from lib.view.cached_milvus import MilvusContext
from lib.view.formatting import plain
from lib.view.milvus import connect, vector_health

_METRICS = {"SPARSE_FLOAT_VECTOR": ["IP"], "BINARY_VECTOR": ["HAMMING", "JACCARD"]}
_INDEX_TYPES = {"SPARSE_FLOAT_VECTOR": ["SPARSE_INVERTED_INDEX"], "BINARY_VECTOR": ["BIN_FLAT"]}
_LATEST = "changed"  # the session's latest change
ALLOW = "Allow this session to change this store"
DONE = "done in"


@dataclass(frozen=True)
class _Change:
    """A change that was made: of which connection (its key), in how many milliseconds, and the engine's `answers`."""

    connection_key: str
    title: str
    milliseconds: float
    answers: list[str]


def show(context: MilvusContext) -> None:
    """The lock, then one change at a time."""
    allowed = _lock(context)
    entry = context.read_entry()
    action = st.selectbox("Change", list(changes.TITLES), format_func=changes.TITLES.__getitem__, key="change")
    try:
        plan = changes.plan(context.open_store(), entry, action, **_options(context, entry, action))
    except QueryError as error:
        st.info(plain(remedies.sentence(error)))
        return
    with st.container(border=True):
        st.markdown(f"**{plan.title}**: {plain(plan.effect)}")
        st.code(plan.code, language="python")
        ready = allowed
        if action == "drop_collection":
            name = inputs.line(
                "Type the collection's name to drop it", key=f"drop {entry['name']}", disabled=not allowed
            )
            ready = allowed and name == entry["name"]
        if st.button(plan.title, type="primary", disabled=not ready, icon=":material/play_arrow:", key="do_change"):
            _run(context, plan)
    latest: _Change | None = st.session_state.get(_LATEST)
    if latest is not None and latest.connection_key == context.connection.key:
        st.success(
            f"{latest.title}: {DONE} {latest.milliseconds:.0f} ms. The engine's answers:",
            icon=":material/check_circle:",
        )
        st.code("\n".join(latest.answers), language=None)


def _lock(context: MilvusContext) -> bool:
    """The switch that unlocks changes. Returns whether they are unlocked."""
    unlocked = connect.unlocked(context.connection)
    wish = st.toggle(
        ALLOW,
        value=unlocked,
        key=f"unlock {context.connection.key}",
        help="For this connection only, until you close the page or switch it off.",
    )
    if wish != unlocked:
        connect.unlock(context.connection, wish)
        st.rerun()
    if not unlocked:
        st.caption(":material/lock: Read only. The other parts of this page never change the store.")
    if context.connection.name == pool.MAIN:
        st.caption(
            ":material/info: Petalscope itself searches this store; `python -m lib prepare` restores what is missing."
        )
    return unlocked


def _options(context: MilvusContext, entry: CollectionDocument, action: str) -> dict[str, Any]:
    """The arguments of `changes.plan` that the user chooses for this action."""
    if action == "drop_index":
        indexed = [index["field"] for index in entry["indexes"]]
        return {"field": st.selectbox("Index on", indexed, key="drop_field") or ""}
    if action != "create_index":
        return {}
    fields = {field["name"]: field for field in field_search.vector_fields(entry)}
    columns = st.columns(3)
    if not fields:
        return {"field": ""}
    name = columns[0].selectbox("Field", list(fields), key="index_field")
    type_ = fields[name]["type"]
    kinds = _INDEX_TYPES.get(type_) or index_types.buildable_types(context.open_store())[0]
    kind = columns[1].selectbox("Type", kinds, key="index_kind")
    metric = columns[2].selectbox("Metric", _METRICS.get(type_, ["COSINE", "L2", "IP"]), key="index_metric")
    defaults = index_types.TYPES.get(kind, {})
    numbers = {parameter: value for parameter, value in defaults.items() if isinstance(value, int)}
    params: dict[str, Any] = {}
    for column, (parameter, value) in zip(st.columns(max(1, len(numbers))), numbers.items(), strict=False):
        params[parameter] = int(column.number_input(parameter, 1, 65_536, value, key=f"index {kind} {parameter}"))
    if type_ not in _INDEX_TYPES:
        params |= {parameter: value for parameter, value in defaults.items() if not isinstance(value, int)}
    return {"field": name, "kind": kind, "metric": metric, "params": params}


def _run(context: MilvusContext, plan: ChangePlan) -> None:
    start = time.perf_counter()
    st.session_state.pop(_LATEST, None)
    store = context.open_store()
    try:
        with st.spinner(plan.title):
            answers = changes.run(store, plan)
    except PetalscopeError as error:
        page_frame.restart_or_show_error(error)
        return
    finally:
        vector_health.forget()
        cached_milvus.refresh()
    st.session_state[_LATEST] = _Change(
        context.connection.key,
        plan.title,
        (time.perf_counter() - start) * 1000,
        [store.reason(Exception(answer)) for answer in answers],  # without the token, should an answer repeat it
    )
    st.rerun()
