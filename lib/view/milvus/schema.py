"""Milvus page, Schema: every field, and every index with its parameters, their source, and its size."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lib.documents.inspect import CollectionDocument, FieldDocument, IndexDocument
from lib.store import index_types
from lib.text import counted
from lib.view import formatting
from lib.view.cached_milvus import MilvusContext
from lib.view.formatting import plain
from lib.view.milvus.connect import REFRESH
from lib.view.milvus.overview import known_or_not

ATTRIBUTES = "Key / attributes"
MEMORY = "Memory, estimated"
_ALWAYS = frozenset({"Field", "Type", ATTRIBUTES})  # columns that are shown even when empty
_FLAGS = {
    "primary": "primary key",
    "auto_id": "auto id",
    "nullable": "nullable",
    "is_partition_key": "partition key",
    "is_clustering_key": "clustering key",
    "is_function_output": "function output",
    "is_dynamic": "dynamic",
}


def show(context: MilvusContext) -> None:
    """Fields, then indexes."""
    entry = context.read_entry()
    st.subheader("Fields")
    fields = pd.DataFrame([_field(field) for field in entry["fields"]])
    columns = [name for name in fields if name in _ALWAYS or (fields[name] != "").any()]
    st.dataframe(fields[columns], hide_index=True, width="stretch")
    if entry["dynamic"]:
        st.caption("Rows may have further fields: dynamic fields, kept as JSON in `$meta`.")
    for function in entry.get("functions") or []:
        st.json(formatting.exact(function), expanded=False)
    st.subheader("Indexes")
    _without_index(entry)
    for index in entry["indexes"]:
        _index(index, entry, lite=context.lite)


def _without_index(entry: CollectionDocument) -> None:
    """A note on vector fields that have no index, or on indexes that could not be read."""
    failed = [item for item in entry["unavailable"] if item["call"] in {"list_indexes", "describe_index"}]
    if failed:
        st.warning(
            f"Some indexes could not be read ({plain(failed[0]['reason'])}) and may be missing below: *{REFRESH}* "
            "tries again.",
            icon=":material/warning:",
        )
        return
    indexed = {index["field"] for index in entry["indexes"]}
    vector_fields = [field["name"] for field in entry["fields"] if "VECTOR" in field["type"]]
    missing = [name for name in vector_fields if name not in indexed]
    if missing:
        st.info(
            f"Without an index: {plain(', '.join(missing))}. Milvus Lite scans all rows to search there; a server "
            "refuses to load the collection."
        )


def _field(field: FieldDocument) -> dict[str, str]:
    type_ = field["type"] + (f"<{field['element_type']}>" if field.get("element_type") else "")
    return {
        "Field": field["name"],
        "Type": type_,
        ATTRIBUTES: ", ".join(attribute for flag, attribute in _FLAGS.items() if field.get(flag)),
        "Dimension": "" if field["dim"] is None else str(field["dim"]),
        "Max length": "" if field["max_length"] is None else str(field["max_length"]),
        "Max capacity": str(field.get("max_capacity") or ""),
        "Default": "" if field.get("default") is None else str(field["default"]),
        "Description": field.get("description", ""),
    }


def _index(index: IndexDocument, entry: CollectionDocument, *, lite: bool) -> None:
    with st.container(border=True):
        metric = f", metric **{plain(index['metric_type'])}**" if index["metric_type"] else ""
        st.markdown(f"**{plain(index['index_type'])}** on **{plain(index['field'])}**{metric}")
        if index.get("warning"):
            st.warning(plain(index["warning"]), icon=":material/warning:")
        _parameters(index)
        _size(index, entry, lite=lite)
        state = index["state"] or "not exposed"
        counts = ", ".join(f"{name} {known_or_not(value)}" for name, value in index["rows"].items())
        note = f" :material/warning: {plain(index['state_note'])}" if index.get("state_note") else ""
        st.caption(f"State **{plain(state)}**{f' ({counts})' if counts else ''}.{note}")
        with st.expander("Raw answer of the engine", icon=":material/data_object:"):
            st.json(formatting.exact(index["raw"]), expanded=True)


def _parameters(index: IndexDocument) -> None:
    names = dict.fromkeys([*index["source"], *index["params"]])
    if not names:
        st.caption("This index type has no build parameters.")
        return
    rows = [
        {
            "Build parameter": name,
            "Value": known_or_not(index["params"].get(name)),
            "Source": index["source"].get(name, "reported"),
        }
        for name in names
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        width="stretch",
        column_config={
            "Source": st.column_config.TextColumn(
                help="reported: by the engine. default: not reported; the value in the engine's source code. not "
                "exposed: the parameter exists, but its value cannot be read."
            )
        },
    )


def _size(index: IndexDocument, entry: CollectionDocument, *, lite: bool) -> None:
    field = next((field for field in entry["fields"] if field["name"] == index["field"]), None)
    rows = entry["rows"]["count"] if entry["rows"]["count"] is not None else entry["rows"]["row_count"]
    if field is None or "VECTOR" not in field["type"] or rows is None:
        return
    index_type = "FLAT" if index.get("pretended") else index["index_type"]
    size = index_types.estimated_size(index_type, field["type"], rows, field["dim"], index["params"], lite=lite)
    if size.memory is None:
        st.caption(f"Memory: not known ({size.formula}).")
        return
    assumed = [name for name, source in index["source"].items() if source == "not exposed" and name in {"M", "nlist"}]
    st.caption(
        f"{MEMORY}: **{index_types.format_bytes(size.memory)}** = {plain(size.formula)}, for {counted(rows, 'row')}"
        + (f"; assumed, since not exposed: {', '.join(assumed)}" if assumed else "")
    )
