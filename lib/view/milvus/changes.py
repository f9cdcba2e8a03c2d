"""Milvus page, Change: what may be done to a collection, after an unlock, each with what it will do and its code."""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

from lib.errors import PetalscopeError, QueryError
from lib.store import changes, field_search, pool, recall
from lib.view import cached_milvus, inputs, page_frame
from lib.view.cached_milvus import MilvusContext
from lib.view.formatting import plain
from lib.view.milvus import connect, vector_health

_METRICS = {"SPARSE_FLOAT_VECTOR": ["IP"], "BINARY_VECTOR": ["HAMMING", "JACCARD"]}
_KINDS = {"SPARSE_FLOAT_VECTOR": ["SPARSE_INVERTED_INDEX"], "BINARY_VECTOR": ["BIN_FLAT"]}


def show(here: MilvusContext) -> None:
    """The lock, then one change at a time."""
    allowed = connect.unlocked(here.connection)
    wanted = st.toggle(
        "Allow this session to change this store",
        value=allowed,
        key=f"unlock {here.connection.key}",
        help="For this connection only, until you close the page or switch it off.",
    )
    if wanted != allowed:
        connect.unlock(here.connection, wanted)
        st.rerun()
    if not allowed:
        st.caption(":material/lock: Read only. Nothing on the other parts of this page changes the store.")
    if here.connection.name == pool.MAIN:
        st.caption(
            ":material/info: This is the store that Petalscope itself searches; `python -m lib prepare` makes again "
            "what is missing."
        )
    entry = here.entry
    action = st.selectbox("Change", list(changes.TITLES), format_func=changes.TITLES.__getitem__, key="change")
    try:
        made = changes.plan(here.store, entry, action, **_options(here, entry, action))
    except QueryError as error:
        st.info(plain(str(error)))
        return
    with st.container(border=True):
        st.markdown(f"**{made.title}**: {plain(made.words)}")
        st.code(made.code, language="python")
        ready = allowed
        if action == "drop_collection":
            typed = inputs.line(
                "Type the collection's name to drop it", key=f"drop {entry['name']}", disabled=not allowed
            )
            ready = allowed and typed == entry["name"]
        if st.button(made.title, type="primary", disabled=not ready, icon=":material/play_arrow:", key="do_change"):
            _do(here, made)
    said = st.session_state.get("changed")
    if said is not None and said[0] == here.connection.key:
        st.success(f"{said[1]}: done in {said[2]:.0f} ms. The engine's answers:", icon=":material/check_circle:")
        st.code("\n".join(said[3]), language=None)


def _options(here: MilvusContext, entry: dict[str, Any], action: str) -> dict[str, Any]:
    if action == "drop_index":
        indexed = [index["field"] for index in entry["indexes"]]
        return {"field": st.selectbox("Index on", indexed, key="drop_field") or ""}
    if action != "create_index":
        return {}
    fields = {field["name"]: field for field in field_search.vector_fields(entry)}
    first = st.columns(3)
    field = first[0].selectbox("Field", list(fields), key="index_field")
    if field is None:
        return {"field": ""}
    type_ = fields[field]["type"]
    kinds = _KINDS.get(type_) or recall.offered(here.store)[0]
    kind = first[1].selectbox("Type", kinds, key="index_kind")
    metric = first[2].selectbox("Metric", _METRICS.get(type_, ["COSINE", "L2", "IP"]), key="index_metric")
    params: dict[str, Any] = {}
    offered = {name: value for name, value in recall.TYPES.get(kind, {}).items() if isinstance(value, int)}
    for column, (name, value) in zip(st.columns(max(1, len(offered))), offered.items(), strict=False):
        params[name] = int(column.number_input(name, 1, 65_536, value, key=f"index {kind} {name}"))
    if type_ not in _KINDS:
        params |= {name: value for name, value in recall.TYPES.get(kind, {}).items() if not isinstance(value, int)}
    return {"field": field, "kind": kind, "metric": metric, "params": params}


def _do(here: MilvusContext, made: changes.ChangePlan) -> None:
    start = time.perf_counter()
    st.session_state.pop("changed", None)
    try:
        with st.spinner(made.title):
            answers = changes.run(here.store, made)
    except PetalscopeError as error:
        page_frame.failed(error)
        return
    finally:
        vector_health.forget()
        cached_milvus.refresh()
    st.session_state["changed"] = (
        here.connection.key,
        made.title,
        (time.perf_counter() - start) * 1000,
        [here.store.reason(Exception(answer)) for answer in answers],
    )
    st.rerun()
